"""Optimizers (Adam, stochastic gradient descent), learning-rate schedules, and weight decay."""

from stronglens.training.device import keras

# Usual learning rates, suggested in the message when a training diverges.
USUAL_RATE = {"adam": 1e-3, "sgd": 1e-2}

DECAY = 0.96, 5000
"""Of the exponential schedule: the factor by which the learning rate falls, and after how many steps each time."""


class MomentumDescent(keras.optimizers.SGD):
    """Stochastic gradient descent with momentum and L2 weight decay: v = m v - rate (g + decay w); w = w + v.

    The decay is added to the gradient and therefore enters the momentum, as in He et al. (2016, CVPR) and in PyTorch's
    SGD, so that their coefficients of 1e-4 or 5e-4 apply here. Keras's own argument subtracts decay w after the
    momentum, which at a momentum of 0.9 is ten times weaker. Decay applies to kernels only, not to biases and
    normalisation parameters, which all have one axis (Goyal et al. 2017, arXiv:1706.02677, section 5.3).

    Parameters
    ----------
    learning_rate : float or schedule
    momentum : float, 0 to 1
    decay : float
        Weight decay coefficient.
    clipped_at : float, optional
        Maximum norm of the gradient of all variables; see `make_optimizer`.
    """

    def __init__(self, learning_rate, momentum: float, decay: float, clipped_at: float | None = None):
        super().__init__(learning_rate, momentum=float(momentum), global_clipnorm=clipped_at)
        self.decay = decay

    def update_step(self, gradient, variable, learning_rate):
        if self.decay and _decays(variable):
            gradient = keras.ops.add(gradient, keras.ops.multiply(variable, self.decay))
        super().update_step(gradient, variable, learning_rate)


def make_optimizer(
    kind: str,
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
    momentum: float,
    weight_decay: float,
    variables: list[keras.Variable],
    clipped_at: float | None = None,
) -> keras.optimizers.Optimizer:
    """Make an optimizer for the variables of a network.

    Parameters
    ----------
    kind : {"adam", "sgd"}
        Adam (Kingma & Ba 2015, ICLR) with decoupled weight decay (AdamW: Loshchilov & Hutter 2019, ICLR), or
        `MomentumDescent`.
    learning_rate : float or schedule
    momentum : float
        For ``sgd`` only.
    weight_decay : float
        Weight decay coefficient; it applies to kernels only.
    variables : list of keras.Variable
        The variables to train.
    clipped_at : float, optional
        Maximum norm of the gradient of all variables; a longer gradient is rescaled (Pascanu et al. 2013, ICML).

    Returns
    -------
    keras.optimizers.Optimizer

    Raises
    ------
    ValueError
        For an unknown kind.
    """
    if kind not in USUAL_RATE:
        raise ValueError(f"unknown optimizer {kind!r}; use one of {', '.join(USUAL_RATE)}")
    if kind == "sgd":
        return MomentumDescent(learning_rate, momentum, weight_decay, clipped_at)
    optimizer = keras.optimizers.Adam(learning_rate, weight_decay=weight_decay or None, global_clipnorm=clipped_at)
    optimizer.exclude_from_weight_decay([variable for variable in variables if not _decays(variable)])
    return optimizer


def schedule_rate(
    learning_rate: float, schedule: str, steps: int, warm_up: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """Return the learning-rate schedule: a linear warm-up from zero, then constant or cosine decay; or decay in stairs.

    Parameters
    ----------
    learning_rate : float
        Learning rate at the end of the warm-up.
    schedule : {"constant", "cosine", "exponential"}
        Cosine decays to zero at the last step (Loshchilov & Hutter 2017, ICLR). Exponential decays in stairs
        (`DECAY`), without a warm-up.
    steps : int
        Number of steps of the training.
    warm_up : int
        Number of warm-up steps (Goyal et al. 2017, arXiv:1706.02677, section 2.2); less than ``steps``.

    Returns
    -------
    float or schedule
    """
    schedules = keras.optimizers.schedules
    if schedule == "exponential":
        factor, interval = DECAY
        return schedules.ExponentialDecay(learning_rate, interval, factor, staircase=True)
    if schedule == "cosine":
        start, target = (0.0, learning_rate) if warm_up else (learning_rate, None)
        return schedules.CosineDecay(start, max(1, steps - warm_up), warmup_target=target, warmup_steps=warm_up)
    return schedules.PolynomialDecay(0.0, warm_up, learning_rate, power=1.0) if warm_up else learning_rate


def _decays(variable) -> bool:
    return len(variable.shape) > 1

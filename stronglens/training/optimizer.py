"""The optimizer of a training: Adam or stochastic gradient descent, its schedule, and its weight decay."""

from stronglens.training.device import keras

# What most networks train with: said when a higher one made a training diverge.
USUAL_RATE = {"adam": 1e-3, "sgd": 1e-2}


class MomentumDescent(keras.optimizers.SGD):
    """Stochastic gradient descent with momentum and L2 weight decay: v = m v - rate (g + decay w); w = w + v.

    The decay is part of the gradient, and so of the momentum, as in He et al. (2016, CVPR) and in torch's SGD:
    their 1e-4 or 5e-4 mean the same here. Keras's own argument takes decay w off past the momentum, which at
    a momentum of 0.9 decays ten times less. Kernels decay; biases and the parameters of normalisations, which
    all have one axis, do not (Goyal et al. 2017, arXiv:1706.02677, section 5.3).

    Parameters
    ----------
    learning_rate : float or schedule
    momentum : float, 0 to 1
    decay : float
    clipped_at : float, optional
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
    """Make an optimizer of a network's variables.

    Parameters
    ----------
    kind : {"adam", "sgd"}
        Adam (Kingma & Ba 2015, ICLR), whose weight decay is apart from the gradient (Loshchilov & Hutter 2019,
        ICLR: AdamW), or `MomentumDescent`.
    learning_rate : float or schedule
    momentum : float
        Of ``sgd`` only.
    weight_decay : float
        Of kernels only.
    variables : list of keras.Variable
        Those that will be trained.
    clipped_at : float, optional
        The longest gradient of all variables together: longer ones are shortened (Pascanu et al. 2013, ICML).
    """
    if kind not in USUAL_RATE:
        raise ValueError(f"no optimizer {kind!r}; there are {', '.join(USUAL_RATE)}")
    if kind == "sgd":
        return MomentumDescent(learning_rate, momentum, weight_decay, clipped_at)
    optimizer = keras.optimizers.Adam(learning_rate, weight_decay=weight_decay or None, global_clipnorm=clipped_at)
    optimizer.exclude_from_weight_decay([variable for variable in variables if not _decays(variable)])
    return optimizer


def schedule_rate(
    learning_rate: float, schedule: str, steps: int, warm_up: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """Return the learning rate of each step: up in a straight line from zero, then constant or falling.

    Parameters
    ----------
    learning_rate : float
    schedule : {"constant", "cosine"}
        Cosine falls to zero at the last step (Loshchilov & Hutter 2017, ICLR).
    steps : int
        Of the whole training.
    warm_up : int
        Steps until the learning rate is reached (Goyal et al. 2017, arXiv:1706.02677, section 2.2), fewer
        than all.

    Returns
    -------
    float or schedule
    """
    schedules = keras.optimizers.schedules
    if schedule == "cosine":
        start, target = (0.0, learning_rate) if warm_up else (learning_rate, None)
        return schedules.CosineDecay(start, max(1, steps - warm_up), warmup_target=target, warmup_steps=warm_up)
    return schedules.PolynomialDecay(0.0, warm_up, learning_rate, power=1.0) if warm_up else learning_rate


def _decays(variable) -> bool:
    return len(variable.shape) > 1

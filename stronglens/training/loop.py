"""The shared fit loop: the best epoch kept, resumable at any moment, stopped when it diverges."""

import functools
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stronglens.parameters import RunError, UsageError
from stronglens.training.augmentation import Pair
from stronglens.training.batches import EpochAnnouncer, SimulatedBatches, StoredBatches
from stronglens.training.checkpoint import Checkpoint
from stronglens.training.device import compute_policy, keras, list_gpus, parallel, share_batch
from stronglens.training.network_file import require_model_path
from stronglens.training.objective import REGRESSION, Objective
from stronglens.training.optimizer import USUAL_RATE, make_optimizer, schedule_rate
from stronglens.training.precision import copy_network
from stronglens.training.progress import TrainingProgress
from stronglens.training.state import TrainingState, digest_array, load_state, remove_state

VALIDATION_BATCH = 100  # images; no gradients are kept, so more fit than in training


def fit(
    network: keras.Model,
    train: tuple[np.ndarray, np.ndarray],
    valid: tuple[np.ndarray, np.ndarray] | None,
    *,
    label_names: Sequence[str],
    model_file: Path,
    epochs: int,
    learning_rate: float,
    objective: Objective = REGRESSION,
    optimizer: str = "adam",
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    learning_schedule: str = "constant",
    warm_up: int = 0,
    batch_size: int = 20,
    augment: bool = False,
    pairs: Sequence[Pair] = (),
    seed: int = 0,
    mixed_precision: bool = False,
    record: dict | None = None,
    log_dir: Path | None = None,
    resume: bool = False,
    keep_state: bool = False,
    quiet: bool = False,
    devices: Sequence[str] | None = None,
) -> dict[str, list[float]]:
    """Train a network on an objective.

    The network is of the form that its objective asks for. The weights of the epoch with the lowest validation loss (of
    the lowest training loss where there is no validation split) are kept in ``model_file`` as the training goes, and
    are in ``network`` when it returns. On one machine's CPU the same seed and data give the same numbers to the bit, in
    one run or with interruptions; on a GPU they agree to rounding.

    Parameters
    ----------
    network : keras.Model
        In float32; its weights are the start.
    train, valid : (images, labels)
        ndarray (N, H, W) in electrons/s and (N, L), unit of each label. Images may be streamed from a store
        (see `StoredBatches`), and ``train`` may be a source of ever new ones (see `SimulatedBatches`).
        ``valid`` may be None or empty.
    label_names : sequence of L str
    model_file : Path ending in .keras
        The state of an unfinished training stands beside it (see `state_path`).
    epochs : int
        Passes over the training images, or over as many new ones.
    learning_rate : float
        Step size of the optimizer.
    objective : Objective
        `Regression`: labels in their own units, by the squared error of standardised ones. `Classification`:
        one label, the number of the class. `Density`: a density over labels.
    optimizer : {"adam", "sgd"}
    momentum, weight_decay : float
        See `make_optimizer`; the momentum is that of ``sgd``.
    learning_schedule : {"constant", "cosine"}
        Cosine falls to zero at the last step.
    warm_up : int, epochs
        In which the learning rate first rises from zero.
    batch_size : int, images
        At most: the batches of an epoch are of one size, give or take an image.
    augment : bool
        Train on flips and quarter turns of the images, drawn anew in each epoch.
    pairs : sequence of Pair
        The columns of the labels of ``train`` that turn along with an augmented image. They may name columns after the
        L that are taught, which ``train`` then has too: without them one of the L could not be moved.
    seed : int
        Of the order of the images and of their augmentation. Initial weights and dropout have theirs in the
        network.
    mixed_precision : bool
        Compute in 16 bits; weights, scalings and outputs stay in 32, and so does the file.
    record : dict
        What `save_network` writes beside the network; ``"training"`` is added: epochs, best_epoch,
        finished.
    log_dir : Path, optional
        Receives ``history.csv`` and TensorBoard's ``tensorboard/``.
    resume : bool
        Go on with an interrupted training of the same settings; start where there is none.
    keep_state : bool
        Keep the state of the finished training too, so that a kill in what follows costs no training;
        the caller ends with `remove_state`.
    quiet : bool
        Show no progress.
    devices : sequence of str, optional
        Keras's names of those to train on, such as ``gpu:0``; all GPUs unless told. Several share each batch,
        whose size is rounded up to a multiple of their number, and an epoch leaves out the few images (fewer
        than devices, other ones in each epoch) that cannot be shared evenly.

    Returns
    -------
    dict of lists, one number an epoch
        ``loss``, ``mean_absolute_error`` (both of standardised labels) or ``accuracy``, the same of
        validation as ``val_loss`` ..., and ``learning_rate``.

    Raises
    ------
    UsageError
        If the warm-up does not end before the training.
    RunError
        If the data cannot be trained on or read, the loss is no longer finite, memory runs out, a file cannot
        be written, or the training to resume had other settings. What a store or a source of images raises
        comes out as it is.
    """
    model_file = require_model_path(model_file)
    _require_writable(model_file)
    if warm_up and warm_up >= epochs:
        raise UsageError(f"--warm-up {warm_up} must end before the training does: --epochs {epochs}")
    devices = list_gpus() if devices is None else list(devices)
    sharing = max(1, len(devices))
    batch_size = share_batch(batch_size, sharing)
    ways = {"multiple": sharing, "seed": seed, "epochs": epochs, "objective": objective}
    ways |= {"augment": augment, "pairs": pairs}
    if hasattr(train, "request"):
        batches = SimulatedBatches(train, network, label_names, batch_size, **ways)
    else:
        batches = StoredBatches(*train, network, label_names, "training", batch_size, **ways)
    checks = None
    if valid is not None and len(valid[0]):
        size = share_batch(max(batch_size, VALIDATION_BATCH), sharing)
        checks = StoredBatches(*valid, network, label_names, "validation", size, multiple=sharing, objective=objective)
    settings = {
        "--labels": ",".join(label_names),
        "--epochs": epochs,
        "--learning-rate": learning_rate,
        "--learning-schedule": learning_schedule,
        "--warm-up": warm_up,
        "--optimizer": optimizer,
        "--momentum": momentum,
        "--weight-decay": weight_decay,
        "--batch-size": batch_size,
        "--augment": augment,
        "--seed": seed,
        "--mixed-precision": mixed_precision,
        "KERAS_BACKEND": keras.config.backend(),
        # Not their names: BayesFlow leaves its own to Keras, which counts all that a process has built.
        "the network's weights": digest_array(np.array([str(tuple(weight.shape)) for weight in network.weights])),
        **objective.describe(),
        **batches.settings,
        **(checks.settings if checks else dict.fromkeys(("the validation images", "the validation labels"), "none")),
    }
    state = (load_state(model_file, settings) if resume else None) or TrainingState(settings)

    batches.epoch = state.epochs
    progress = TrainingProgress(epochs, len(batches), quiet, objective.shown)
    checkpoint = Checkpoint(state, network, model_file, record or {}, progress, log_dir)
    if state.epochs < epochs:
        rate = schedule_rate(learning_rate, learning_schedule, epochs * len(batches), warm_up * len(batches))
        with parallel(devices):
            clip = {"clipped_at": objective.clipped_at}
            make = functools.partial(make_optimizer, optimizer, rate, momentum, weight_decay, **clip)
            core = _prepare(network, objective, make, mixed_precision, sharing, state)
            _run(core, batches, checks, epochs, progress, checkpoint)
        state = checkpoint.state
        if progress.diverged:
            remove_state(model_file)
            kept = "" if checkpoint.spares_older else model_file
            raise RunError(_explain_divergence(learning_rate, USUAL_RATE[optimizer], mixed_precision, state, kept))
    network.set_weights(state.best)
    checkpoint.write(finished=True, with_state=keep_state)
    if not keep_state:
        remove_state(model_file)
    return {name: list(numbers) for name, numbers in state.history.items()}


def _prepare(network, objective, make, mixed_precision, sharing, state) -> keras.Model:
    # The network up to what its objective trains: in 16 bits or on several devices a copy.
    policy = compute_policy(mixed_precision)
    trained = network if policy == "float32" and sharing == 1 else copy_network(network, policy)
    core = objective.core(trained)
    optimizer = make(core.trainable_variables)
    if policy == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    core.compile(optimizer, loss=objective.loss(), metrics=objective.metrics())
    optimizer.build(core.trainable_variables)
    _restore(core, optimizer, state)
    return core


def _run(core, batches, checks, epochs, progress, checkpoint) -> None:
    data = [batches] if checks is None else [batches, checks]
    try:
        core.fit(
            batches,
            validation_data=checks,
            initial_epoch=batches.epoch,
            epochs=epochs,
            shuffle=False,  # the order of images is ours
            verbose=0,
            callbacks=[EpochAnnouncer(data), progress, checkpoint],
        )
    except KeyboardInterrupt:
        checkpoint.write()
        raise
    except Exception as error:
        if failed := next((part.error for part in data if part.error), None):
            raise failed from None
        if "RESOURCE_EXHAUSTED" in str(error) or "ResourceExhausted" in type(error).__name__:
            raise RunError("out of memory in training: use a smaller --batch-size, or smaller images") from error
        raise
    finally:
        for part in data:
            part.close()


def _require_writable(model_file: Path) -> None:
    # Said now, not after the first epoch.
    try:
        model_file.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=model_file.parent).close()
    except OSError as error:
        raise RunError(f"cannot write {model_file}: {error.strerror}") from error


def _restore(core: keras.Model, optimizer: keras.optimizers.Optimizer, state: TrainingState) -> None:
    if not state.epochs:
        return
    for variables, arrays in ((core.variables, state.variables), (optimizer.variables, state.optimizer)):
        if [tuple(v.shape) for v in variables] != [a.shape for a in arrays]:
            raise RunError("the interrupted training belongs to another version of Keras: train anew without --resume")
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)


def _explain_divergence(
    learning_rate: float, usual: float, mixed_precision: bool, state: TrainingState, kept_in: Path | str
) -> str:
    cause = f"--learning-rate {learning_rate:g} is too high; try {min(learning_rate / 10, usual):g}"
    if mixed_precision:
        cause += ", or train without --mixed-precision"
    kept = f" (the network of epoch {state.best_epoch} is kept in {kept_in})" if state.best_epoch and kept_in else ""
    return f"training stopped in epoch {state.epochs + 1}: the loss is no longer a number. Most likely {cause}{kept}"

"""Training loop: it keeps the best epoch, can be resumed after any interruption, and stops on divergence."""

import functools
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from stronglens.parameters import RunError, UsageError
from stronglens.training.augmentation import Pair
from stronglens.training.batches import Batches, EpochAnnouncer, SimulatedBatches, StoredBatches
from stronglens.training.checkpoint import Checkpoint
from stronglens.training.device import compute_policy, keras, list_gpus, parallel, share_batch
from stronglens.training.network_file import require_model_path
from stronglens.training.objective import REGRESSION, Objective
from stronglens.training.optimizer import USUAL_RATE, make_optimizer, schedule_rate
from stronglens.training.precision import copy_network
from stronglens.training.progress import TrainingProgress
from stronglens.training.state import TrainingState, digest_array, load_state, remove_state

MakeBatches = Callable[[int, int], Batches]
"""Makes the batches of a task with other inputs than images: takes the maximum batch size and the number of devices, of
which the numbers of images in an epoch and in a batch are multiples."""

VALIDATION_BATCH = 100  # minimum images per validation batch; without gradients more images fit into memory


def fit(
    network: keras.Model,
    train: tuple[np.ndarray, np.ndarray] | MakeBatches,
    valid: tuple[np.ndarray, np.ndarray] | MakeBatches | None,
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
    """Train a network.

    The network must have the form that the objective needs. The weights of the epoch with the lowest validation loss
    (or training loss, without a validation split) are saved to ``model_file`` during the training; ``network`` has them
    at the end. On the CPU of one machine equal seeds and data give bit-identical numbers, with or without
    interruptions; on a GPU they agree to rounding.

    Parameters
    ----------
    network : keras.Model
        In float32, with its initial weights.
    train, valid : (images, labels)
        ndarray (N, H, W) in electrons/s and (N, L), unit of each label. Images may be streamed from a store
        (see `StoredBatches`). ``train`` may be a stream of simulations (see `SimulatedBatches`). ``valid`` may be None
        or empty. Both may be functions that make the batches (see `MakeBatches`).
    label_names : sequence of L str
    model_file : Path ending in .keras
        The state of an unfinished training is in the same folder (see `state_path`).
    epochs : int
        Passes over the training images, or over the same number of new simulations.
    learning_rate : float
        Step size of the optimizer.
    objective : Objective
        `Regression`: mean squared error of the standardised labels. `Classification`: cross-entropy, with one label,
        the index of the class. `Density`: negative log density of the labels.
    optimizer : {"adam", "sgd"}
    momentum, weight_decay : float
        See `make_optimizer`. Only ``sgd`` has a momentum.
    learning_schedule : {"constant", "cosine", "exponential"}
        See `schedule_rate`.
    warm_up : int, epochs
        Epochs of linear learning-rate warm-up.
    batch_size : int, images
        Maximum size of a batch. The batches of an epoch have equal sizes, up to one image.
    augment : bool
        Train on random 90-degree rotations and flips of the images, drawn for each epoch.
    pairs : sequence of Pair
        Label columns of ``train`` that rotate with an augmented image. They may include columns after the L targets:
        a target may need its partner column for the rotation.
    seed : int
        Seed of the order of the images and of their augmentation. The network has its own seeds, for initial weights
        and dropout.
    mixed_precision : bool
        Compute in 16 bits. Weights, scalings and outputs remain in 32 bits, also in the file.
    record : dict
        Record that `save_network` writes into the file of the network; ``"training"`` is added to it: epochs,
        best_epoch, finished.
    log_dir : Path, optional
        Folder for ``history.csv`` and TensorBoard's ``tensorboard/``.
    resume : bool
        Resume an interrupted training with the same settings, if there is one.
    keep_state : bool
        Keep the state of the finished training, so that a kill in a later step costs no training. The caller must call
        `remove_state`.
    quiet : bool
        Show no progress.
    devices : sequence of str, optional
        Keras's names of the training devices, such as ``gpu:0``; by default all GPUs. Several devices share each
        batch. The batch size is then rounded up to a multiple of their number, and an epoch leaves out the few random
        images that cannot be shared evenly.

    Returns
    -------
    dict of str to list of float, one value per epoch
        ``loss``, ``mean_absolute_error`` (both of standardised labels) or ``accuracy``, the same for validation as
        ``val_loss`` ..., and ``learning_rate``.

    Raises
    ------
    UsageError
        If the warm-up does not end before the training.
    RunError
        If the data are not usable, the loss is not finite, memory runs out, a file cannot be written, or the training
        to resume had other settings. Errors of a store or a stream of images are passed on unchanged.
    """
    model_file = require_model_path(model_file)
    _require_writable(model_file)
    if warm_up and warm_up >= epochs:
        raise UsageError(f"--warm-up {warm_up} must be less than --epochs {epochs}")
    devices = list_gpus() if devices is None else list(devices)
    sharing = max(1, len(devices))
    batch_size = share_batch(batch_size, sharing)
    ways = {"multiple": sharing, "seed": seed, "epochs": epochs, "objective": objective}
    ways |= {"augment": augment, "pairs": pairs}
    if callable(train):
        batches = train(batch_size, sharing)
    elif hasattr(train, "request"):
        batches = SimulatedBatches(train, network, label_names, batch_size, **ways)
    else:
        batches = StoredBatches(*train, network, label_names, "training", batch_size, **ways)
    checks = None
    size = share_batch(max(batch_size, VALIDATION_BATCH), sharing)
    if callable(valid):
        checks = valid(size, sharing)
    elif valid is not None and len(valid[0]):
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
        # Shapes instead of names: Keras numbers BayesFlow's layers by all layers that the process has built.
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
            core, checkpoint.trained = _prepare(network, objective, make, mixed_precision, sharing, state)
            _run(core, batches, checks, epochs, progress, checkpoint)
        state = checkpoint.state
        if progress.diverged:
            remove_state(model_file)
            kept = "" if checkpoint.spares_older else model_file
            remedy = ", or train without --mixed-precision" if mixed_precision else getattr(objective, "remedy", "")
            raise RunError(_explain_divergence(learning_rate, USUAL_RATE[optimizer], remedy, state, kept))
    network.set_weights(state.best)
    checkpoint.write(finished=True, with_state=keep_state)
    if not keep_state:
        remove_state(model_file)
    return {name: list(numbers) for name, numbers in state.history.items()}


def _prepare(network, objective, make, mixed_precision, sharing, state) -> tuple[keras.Model, keras.Model]:
    # Returns the part of the network that the objective trains, and the network; with 16 bits or several devices, of a
    # copy.
    policy = compute_policy(mixed_precision)
    trained = network if policy == "float32" and sharing == 1 else copy_network(network, policy)
    core = objective.core(trained)
    optimizer = make(core.trainable_variables)
    if policy == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    core.compile(optimizer, loss=objective.loss(), metrics=objective.metrics(), jit_compile=objective.jit_compile)
    optimizer.build(core.trainable_variables)
    _restore(core, optimizer, state)
    return core, trained


def _run(core, batches, checks, epochs, progress, checkpoint) -> None:
    data = [batches] if checks is None else [batches, checks]
    try:
        core.fit(
            batches,
            validation_data=checks,
            initial_epoch=batches.epoch,
            epochs=epochs,
            shuffle=False,  # the batches have their own order
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
    # Check before the first epoch, not after it.
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
            raise RunError(
                "the interrupted training was made with another version of Keras: train again without --resume"
            )
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)


def _explain_divergence(
    learning_rate: float, usual: float, remedy: str, state: TrainingState, kept_in: Path | str
) -> str:
    cause = f"--learning-rate {learning_rate:g} is too high; try {min(learning_rate / 10, usual):g}{remedy}"
    kept = f" (the network of epoch {state.best_epoch} is in {kept_in})" if state.best_epoch and kept_in else ""
    return f"training stopped in epoch {state.epochs + 1}: the loss became NaN or infinite. Most likely {cause}{kept}"

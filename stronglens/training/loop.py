"""The shared fit loop: the best epoch kept, resumable at any moment, stopped when it diverges."""

import math
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stronglens.parameters import RunError
from stronglens.training.batches import EndlessBatches, EpochAnnouncer, StoredBatches
from stronglens.training.device import compute_policy, keras, list_gpus, parallel, share_batch
from stronglens.training.logs import TrainingLogs
from stronglens.training.network_file import require_model_path, save_network
from stronglens.training.progress import TrainingProgress
from stronglens.training.state import TrainingState, digest_array, load_state, remove_state, save_state

# Files are written after an epoch once that costs less than a tenth of the time since the last write:
# on a fast device an epoch may take less than its file.
WRITING_SHARE = 0.1
VALIDATION_BATCH = 100  # images; no gradients are kept, so more fit than in training
SCALING_LAYERS = ("InputLayer", "Rescaling", "Normalization")


def fit(
    network: keras.Model,
    train: tuple[np.ndarray, np.ndarray],
    valid: tuple[np.ndarray, np.ndarray] | None,
    *,
    label_names: Sequence[str],
    model_file: Path,
    epochs: int,
    learning_rate: float,
    learning_schedule: str = "constant",
    batch_size: int = 20,
    seed: int = 0,
    mixed_precision: bool = False,
    record: dict | None = None,
    log_dir: Path | None = None,
    resume: bool = False,
    keep_state: bool = False,
    quiet: bool = False,
    devices: Sequence[str] | None = None,
) -> dict[str, list[float]]:
    """Train a network with Adam on the mean squared error of its standardised outputs.

    The network ends with a `keras.layers.Rescaling` from standardised outputs to labels in their own
    units; the loss is measured before it. The weights of the epoch with the lowest validation loss (of
    the lowest training loss where there is no validation split) are kept in ``model_file`` as the
    training goes, and are in ``network`` when it returns. On one machine's CPU the same seed and data
    give the same numbers to the bit, in one run or with interruptions; on a GPU they agree to rounding.

    Parameters
    ----------
    network : keras.Model
        In float32; its weights are the start.
    train, valid : (images, labels)
        ndarray (N, H, W) in electrons/s and (N, L), unit of each label. Images may be streamed from a store
        (see `StoredBatches`), and ``train`` may be a source of ever new ones (see `EndlessBatches`).
        ``valid`` may be None or empty.
    label_names : sequence of L str
    model_file : Path ending in .keras
        The state of an unfinished training stands beside it (see `state_path`).
    epochs : int
        Passes over the training images, or over as many new ones.
    learning_rate : float
        Step size of Adam (Kingma & Ba 2015, ICLR).
    learning_schedule : {"constant", "cosine"}
        Cosine falls to zero at the last step (Loshchilov & Hutter 2017, ICLR).
    batch_size : int, images
    seed : int
        Of the order of the images. Initial weights and dropout have theirs in the network.
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
        ``loss``, ``mean_absolute_error`` (both of standardised labels), ``val_loss``,
        ``val_mean_absolute_error`` and ``learning_rate``.

    Raises
    ------
    RunError
        If the data cannot be trained on or read, the loss is no longer finite, memory runs out, a file cannot
        be written, or the training to resume had other settings. What a store or a source of images raises
        comes out as it is.
    """
    model_file = require_model_path(model_file)
    _require_writable(model_file)
    devices = list_gpus() if devices is None else list(devices)
    sharing = max(1, len(devices))
    batch_size = share_batch(batch_size, sharing)
    if hasattr(train, "request"):
        batches = EndlessBatches(train, network, label_names, batch_size, multiple=sharing, epochs=epochs)
    else:
        batches = StoredBatches(
            *train, network, label_names, "training", batch_size, multiple=sharing, seed=seed, epochs=epochs
        )
    checks = None
    if valid is not None and len(valid[0]):
        size = share_batch(max(batch_size, VALIDATION_BATCH), sharing)
        checks = StoredBatches(*valid, network, label_names, "validation", size, multiple=sharing)
    settings = {
        "--labels": ",".join(label_names),
        "--epochs": epochs,
        "--learning-rate": learning_rate,
        "--learning-schedule": learning_schedule,
        "--batch-size": batch_size,
        "--seed": seed,
        "--mixed-precision": mixed_precision,
        "KERAS_BACKEND": keras.config.backend(),
        "the network's weights": digest_array(np.array([f"{w.path}{tuple(w.shape)}" for w in network.weights])),
        **batches.settings,
        **(checks.settings if checks else dict.fromkeys(("the validation images", "the validation labels"), "none")),
    }
    state = (load_state(model_file, settings) if resume else None) or TrainingState(settings)

    batches.epoch = state.epochs
    progress = TrainingProgress(epochs, len(batches), quiet)
    keeper = _Keeper(state, network, model_file, record or {}, epochs, progress, log_dir)
    if state.epochs < epochs:
        rate = learning_rate
        if learning_schedule == "cosine":
            rate = keras.optimizers.schedules.CosineDecay(learning_rate, max(1, epochs * len(batches)))
        with parallel(devices):
            core = _prepare(network, rate, mixed_precision, sharing, state)
            _run(core, batches, checks, epochs, progress, keeper)
        state = keeper.state
        if progress.diverged:
            remove_state(model_file)
            kept = "" if keeper.spares_older else model_file
            raise RunError(_explain_divergence(learning_rate, mixed_precision, state, kept))
    network.set_weights(state.best)
    keeper.write(finished=True, with_state=keep_state)
    if not keep_state:
        remove_state(model_file)
    return {name: list(numbers) for name, numbers in state.history.items()}


def _prepare(network, rate, mixed_precision, sharing, state) -> keras.Model:
    # The network up to its standardised outputs, as it is to be trained: in 16 bits or on several devices a copy.
    policy = compute_policy(mixed_precision)
    trained = network if policy == "float32" and sharing == 1 else _copy_network(network, policy)
    core = keras.Model(trained.inputs, trained.layers[-1].input)
    optimizer = keras.optimizers.Adam(rate)
    if policy == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    core.compile(optimizer, loss="mean_squared_error", metrics=["mean_absolute_error"])
    optimizer.build(core.trainable_variables)
    _restore(core, optimizer, state)
    return core


def _run(core, batches, checks, epochs, progress, keeper) -> None:
    data = [batches] if checks is None else [batches, checks]
    try:
        core.fit(
            batches,
            validation_data=checks,
            initial_epoch=batches.epoch,
            epochs=epochs,
            shuffle=False,  # the order of images is ours
            verbose=0,
            callbacks=[EpochAnnouncer(data), progress, keeper],
        )
    except KeyboardInterrupt:
        keeper.write()
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


class _Keeper(keras.callbacks.Callback):
    # After each epoch: the history, the best weights, and, when due, the files.

    def __init__(self, state, network, model_file, record, epochs, progress, log_dir):
        super().__init__()
        self.state, self.model_file, self.record, self.epochs = state, model_file, record, epochs
        self.progress = progress
        self.logs = None if log_dir is None else TrainingLogs(Path(log_dir), anew=not state.epochs)
        # An older network is replaced by a finished one only; until then the best weights are in the state.
        self.spares_older = Path(model_file).exists()
        # The weights of the best epoch are saved from a twin: the network itself may be in training.
        self.twin = _copy_network(network, "float32")
        self.written_epoch, self.written_best = state.epochs, state.best_epoch
        self.last_write = -math.inf
        self.cost = 0.0

    def on_epoch_end(self, epoch, logs=None):
        if self.progress.diverged:
            return
        model, state = self.model, self.state
        rate = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
        rate = float(f"{rate:.7g}")  # the float32 without its digits of noise
        numbers = {**logs, "learning_rate": rate}
        history = {name: [*state.history.get(name, []), float(number)] for name, number in numbers.items()}
        watched = history.get("val_loss", history["loss"])
        best = watched[-1] < min(watched[:-1], default=math.inf)
        # One assignment: Ctrl-C finds the state of this epoch or of the one before, never half of each.
        self.state = state = TrainingState(
            state.settings,
            epoch + 1,
            history,
            epoch + 1 if best else state.best_epoch,
            _read(model.variables),
            _read(model.optimizer.variables),
            model.get_weights() if best else state.best,
        )
        if self.logs is not None:
            self.logs.write(state.history)
        if time.monotonic() - self.last_write >= self.cost / WRITING_SHARE:
            self.write()

    def write(self, finished: bool = False, with_state: bool = True) -> None:
        state = self.state
        if not state.epochs:
            return
        start = time.monotonic()
        if finished or (state.best_epoch != self.written_best and not self.spares_older):
            progress = {"epochs": state.epochs, "best_epoch": state.best_epoch, "finished": finished}
            self.twin.set_weights(state.best)
            save_network(self.twin, self.model_file, {**self.record, "training": progress})
            self.written_best = state.best_epoch
        if with_state and state.epochs != self.written_epoch:
            save_state(state, self.model_file)
            self.written_epoch = state.epochs
        self.last_write = time.monotonic()
        self.cost = self.last_write - start


def _require_writable(model_file: Path) -> None:
    # Said now, not after the first epoch.
    try:
        model_file.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=model_file.parent).close()
    except OSError as error:
        raise RunError(f"cannot write {model_file}: {error.strerror}") from error


def _copy_network(network: keras.Model, policy: str) -> keras.Model:
    # The same network with weights of its own; in 16 bits all but its scalings and its last layer with weights.
    exact = [layer.name for layer in network.layers if layer.__class__.__name__ in SCALING_LAYERS]
    exact += [layer.name for layer in network.layers if layer.weights][-1:]

    def copy(layer):
        config = layer.get_config()
        if isinstance(layer, keras.layers.Layer):
            config["dtype"] = "float32" if layer.name in exact else policy
        return layer.__class__.from_config(config)

    twin = keras.models.clone_model(network, clone_function=copy)
    twin.set_weights(network.get_weights())
    return twin


def _restore(core: keras.Model, optimizer: keras.optimizers.Optimizer, state: TrainingState) -> None:
    if not state.epochs:
        return
    for variables, arrays in ((core.variables, state.variables), (optimizer.variables, state.optimizer)):
        if [tuple(v.shape) for v in variables] != [a.shape for a in arrays]:
            raise RunError("the interrupted training belongs to another version of Keras: train anew without --resume")
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)


def _read(variables: Sequence[keras.Variable]) -> list[np.ndarray]:
    # Copies: the backend may hand out views of memory that the next step writes to.
    return [np.array(variable.numpy()) for variable in variables]


def _explain_divergence(learning_rate: float, mixed_precision: bool, state: TrainingState, kept_in: Path | str) -> str:
    cause = f"--learning-rate {learning_rate:g} is too high; try {min(learning_rate / 10, 1e-3):g}"
    if mixed_precision:
        cause += ", or train without --mixed-precision"
    kept = f" (the network of epoch {state.best_epoch} is kept in {kept_in})" if state.best_epoch and kept_in else ""
    return f"training stopped in epoch {state.epochs + 1}: the loss is no longer a number. Most likely {cause}{kept}"

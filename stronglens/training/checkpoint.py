"""Checkpoints of a training: its history, its best weights, and the state to resume from."""

import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stronglens.training.device import keras
from stronglens.training.logs import TrainingLogs
from stronglens.training.network_file import save_network
from stronglens.training.precision import copy_network
from stronglens.training.progress import TrainingProgress
from stronglens.training.state import TrainingState, save_state

# Maximum fraction of the time that is spent on writing files. On a fast device an epoch may be shorter than writing
# its files; they are then written after some epochs only.
WRITING_SHARE = 0.1


class Checkpoint(keras.callbacks.Callback):
    """Update the history and the best weights after each epoch, and write the files when due.

    Parameters
    ----------
    state : TrainingState
        State of the previous epochs. It is replaced by a new state after each epoch.
    network : keras.Model
    model_file : Path
    record : dict
        Record that `save_network` writes into the file of the network.
    progress : TrainingProgress
        Shows whether the training has diverged.
    log_dir : Path, optional
        Folder of the logs.

    Attributes
    ----------
    trained : keras.Model
        The network in training, or a copy of it in another precision. An objective may train a part of it only.
    """

    def __init__(
        self,
        state: TrainingState,
        network: keras.Model,
        model_file: Path,
        record: dict,
        progress: TrainingProgress,
        log_dir: Path | None,
    ):
        super().__init__()
        self.state, self.model_file, self.record = state, model_file, record
        self.progress, self.trained = progress, network
        self.logs = None if log_dir is None else TrainingLogs(Path(log_dir), is_new=not state.epochs)
        # An older network file is replaced when the training is finished. Until then the state has the best weights.
        self.spares_older = Path(model_file).exists()
        # The best weights are saved from a copy, since the network itself may be in training.
        self.float32_copy = copy_network(network, "float32")
        self.written_epoch, self.written_best = state.epochs, state.best_epoch
        self.last_write = -math.inf
        self.cost = 0.0

    def on_epoch_end(self, epoch, logs=None):
        if self.progress.diverged:
            return
        model, state = self.model, self.state
        rate = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
        rate = float(f"{rate:.7g}")  # remove the rounding digits of float32
        numbers = {**logs, "learning_rate": rate}
        history = {name: [*state.history.get(name, []), float(number)] for name, number in numbers.items()}
        watched = history.get("val_loss", history["loss"])
        best = watched[-1] < min(watched[:-1], default=math.inf)
        # One assignment, so that after Ctrl-C the state is that of this epoch or of the previous one, never a mixture.
        self.state = state = TrainingState(
            state.settings,
            epoch + 1,
            history,
            epoch + 1 if best else state.best_epoch,
            _read(model.variables),
            _read(model.optimizer.variables),
            self.trained.get_weights() if best else state.best,
        )
        if self.logs is not None:
            self.logs.write(state.history)
        if time.monotonic() - self.last_write >= self.cost / WRITING_SHARE:
            self.write()

    def write(self, finished: bool = False, with_state: bool = True) -> None:
        """Write the best network and the state to resume from."""
        state = self.state
        if not state.epochs:
            return
        start = time.monotonic()
        if finished or (state.best_epoch != self.written_best and not self.spares_older):
            progress = {"epochs": state.epochs, "best_epoch": state.best_epoch, "finished": finished}
            self.float32_copy.set_weights(state.best)
            save_network(self.float32_copy, self.model_file, {**self.record, "training": progress})
            self.written_best = state.best_epoch
        if with_state and state.epochs != self.written_epoch:
            save_state(state, self.model_file)
            self.written_epoch = state.epochs
        self.last_write = time.monotonic()
        self.cost = self.last_write - start


def _read(variables: Sequence[keras.Variable]) -> list[np.ndarray]:
    # Copies, since the backend may return views of memory that the next step overwrites.
    return [np.array(variable.numpy()) for variable in variables]

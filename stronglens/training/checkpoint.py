"""What is kept of a training as it goes: its history, its best weights, and the state to go on with."""

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

# Files are written after an epoch once that costs less than a tenth of the time since the last write:
# on a fast device an epoch may take less than its file.
WRITING_SHARE = 0.1


class Checkpoint(keras.callbacks.Callback):
    """Keep, after each epoch, the history and the best weights and, when due, write the files.

    Parameters
    ----------
    state : TrainingState
        Of the epochs before; replaced by a new one after each epoch.
    network : keras.Model
    model_file : Path
    record : dict
        What `save_network` writes beside the network.
    progress : TrainingProgress
        Knows whether the training has diverged.
    log_dir : Path, optional
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
        self.progress = progress
        self.logs = None if log_dir is None else TrainingLogs(Path(log_dir), anew=not state.epochs)
        # An older network is replaced by a finished one only; until then the best weights are in the state.
        self.spares_older = Path(model_file).exists()
        # The weights of the best epoch are saved from a copy: the network itself may be in training.
        self.float32_copy = copy_network(network, "float32")
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
        """Write the best network, and the state to go on with."""
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
    # Copies: the backend may hand out views of memory that the next step writes to.
    return [np.array(variable.numpy()) for variable in variables]

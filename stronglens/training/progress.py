"""Progress of a training: one line that is updated in a terminal, otherwise one line per epoch."""

import math
import sys
import time
from collections.abc import Sequence
from typing import TextIO

from stronglens.training.device import keras

TERMINAL_INTERVAL = 0.25  # seconds between updates of the line
PLAIN_INTERVAL = 30.0  # seconds between lines within one long epoch


class TrainingProgress(keras.callbacks.Callback):
    """Show epoch, losses and remaining time; stop the training when a loss is NaN or infinite.

    Parameters
    ----------
    epochs : int
        Number of epochs.
    steps : int
        Training steps per epoch.
    quiet : bool
        Show nothing.
    shown : sequence of str
        Names of the metrics to show. Validation metrics have the same names with ``val_``.
    stream : file
        Standard error by default.
    """

    # Keras may call the batch hook from another thread, so that no step waits until its loss is read.
    async_safe = True

    def __init__(
        self,
        epochs: int,
        steps: int,
        quiet: bool = False,
        shown: Sequence[str] = ("loss",),
        stream: TextIO | None = None,
    ):
        super().__init__()
        self.shown = shown
        self.epochs, self.steps, self.quiet = epochs, steps, quiet
        self.stream = stream or sys.stderr
        self.terminal = self.stream.isatty()
        self.diverged = False
        self.epoch = 0
        self._first_epoch: int | None = None
        self._compiled: tuple[float, float] | None = None  # time and finished epochs, after the first step
        self._shown = time.monotonic()

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        if self._first_epoch is None:
            self._first_epoch = epoch
            self._shown = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        logs = logs or {}
        if not math.isfinite(logs.get("loss", 0.0)):
            self.diverged = True
            self._model.stop_training = True  # self.model would copy the weights back under JAX
        now = time.monotonic()
        if self._compiled is None:
            self._compiled = now, (batch + 1) / self.steps
        if not self.quiet and now - self._shown >= (TERMINAL_INTERVAL if self.terminal else PLAIN_INTERVAL):
            done = (batch + 1) / self.steps
            self._show([f"epoch {self.epoch + 1}/{self.epochs}", f"{done:4.0%}", *_quote(logs, self.shown)], done)

    def on_epoch_end(self, epoch, logs=None):
        if not all(math.isfinite(logs[name]) for name in ("loss", "val_loss") if name in logs):
            self.diverged = True
            self.model.stop_training = True
        if not self.quiet:
            names = [*self.shown, *(f"val_{name}" for name in self.shown)]
            self._show([f"epoch {epoch + 1}/{self.epochs}", *_quote(logs, names)], 1.0)

    def on_train_end(self, logs=None):
        if not self.quiet and self.terminal:
            print(file=self.stream, flush=True)

    def _show(self, words: list[str], part: float) -> None:
        self._shown = time.monotonic()
        done = self.epoch - self._first_epoch + part
        since, compiled = self._compiled or (0.0, math.inf)
        if done > compiled:  # the first step includes the compilation, so it is excluded
            left = (self._shown - since) / (done - compiled) * (self.epochs - self._first_epoch - done)
            words = [*words, f"{_clock(left)} left"]
        line = "  ".join(words)
        if self.terminal:
            print(f"\r\x1b[K{line}", end="", file=self.stream, flush=True)
        else:
            print(line, file=self.stream, flush=True)


def _quote(logs: dict[str, float], names: Sequence[str]) -> list[str]:
    return [f"{name} {logs[name]:.4g}" for name in names if name in logs]


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"

"""Training of networks that play against each other: it can be resumed, and names a collapse and a divergence."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np

from stronglens.generation.comparison import (
    COLLAPSED,
    FEWEST,
    describe_collapse,
    kernel_distance,
    neighbourhoods,
    pair_distance,
)
from stronglens.parameters import RunError
from stronglens.training import keras, save_network
from stronglens.training.batches import Batches
from stronglens.training.checkpoint import WRITING_SHARE
from stronglens.training.logs import TrainingLogs
from stronglens.training.network_file import replace_file, require_model_path
from stronglens.training.progress import TrainingProgress
from stronglens.training.state import TrainingState, load_state, save_state

GAME_STREAM = 0x6A3E
"""Of the random numbers that generators start from; those of a step depend on the seed, the epoch and the step."""

PATIENCE = 5
"""Bad epochs in a row that end a training."""

GRACE, BEGUN = 1000, 0.1
"""Steps, or coverage of a good epoch, from which on bad epochs count; before, the players have hardly begun."""

LOST = 20.0
"""Loss of a generator, nat, from which on it learns no more: the discriminator is certain to 1e-9."""

MOMENTUM = 0.99
"""Of the moving average of a generator's weights; images are made with the average (Yazıcı et al. 2019, ICLR)."""


class Game(Protocol):
    """Networks that play against each other.

    Attributes
    ----------
    networks : sequence of keras.Model
        Of all players.
    optimizers : sequence of keras.optimizers.Optimizer
        Of all players.
    kept : keras.Model
        The network that is saved.
    shown : sequence of str
        Losses on the terminal.
    """

    networks: Sequence[keras.Model]
    optimizers: Sequence[keras.optimizers.Optimizer]
    kept: keras.Model
    shown: Sequence[str]

    def begin_epoch(self) -> None:
        """Begin the means of the losses."""

    def play(self, batch: Any, random: np.random.Generator) -> dict[str, float]:
        """Train all players on one batch; return the mean losses of the epoch so far."""

    def averaged(self) -> AbstractContextManager:
        """Context in which the generators have the moving average of their weights."""

    def judge(self) -> dict[str, float]:
        """Return ``coverage``, ``pair-distance`` and ``distance`` of what is made (see `Judge`)."""

    def show(self) -> np.ndarray | None:
        """Return images (N, H, W), electrons/s, the same ones in each epoch, for the animation."""


class Judge:
    """Compare points that a generator makes with real ones.

    Parameters
    ----------
    real : ndarray (N, F)
        Features of validation images, or codes.

    Raises
    ------
    RunError
        If there are too few.
    """

    def __init__(self, real: np.ndarray):
        if len(real) < FEWEST:
            raise RunError(f"{len(real)} validation images are too few to see a collapse: at least {FEWEST} are needed")
        self.real = real

    def __call__(self, made: np.ndarray) -> dict[str, float]:
        """Return ``coverage``; ``pair-distance``, over that of real points; and ``distance``, a kernel distance."""
        if not np.isfinite(made).all():
            return {"coverage": 0.0, "pair-distance": 0.0, "distance": math.inf}
        return {
            "coverage": neighbourhoods(self.real, made)["coverage"],
            "pair-distance": float(pair_distance(made) / pair_distance(self.real)),
            "distance": kernel_distance(made, self.real),
        }


def make_optimizer(rate, is_averaged: bool) -> keras.optimizers.Optimizer:
    """Return Adam with the momentum 0.5 of the DCGAN; with a moving average of the weights for a generator."""
    return keras.optimizers.Adam(rate, beta_1=0.5, use_ema=is_averaged, ema_momentum=MOMENTUM)


class AveragedWeights:
    """Context in which variables have their moving averages.

    Parameters
    ----------
    variables : sequence of keras.Variable
        In the order in which the optimizer was built.
    optimizer : keras.optimizers.Optimizer
    """

    def __init__(self, variables: Sequence, optimizer: keras.optimizers.Optimizer):
        self.variables, self.optimizer = list(variables), optimizer

    def __enter__(self):
        self.kept = [_read(variable) for variable in self.variables]
        self.optimizer.finalize_variable_values(self.variables)

    def __exit__(self, *_):
        for variable, value in zip(self.variables, self.kept, strict=True):
            variable.assign(value)


def describe_rates(parameters) -> dict[str, Any]:
    """Return the settings of the players that must not change when a training is resumed."""
    names = ("learning_rate", "discriminator_rate", "learning_schedule", "warm_up", "batch_size")
    return {f"--{name.replace('_', '-')}": getattr(parameters, name) for name in names}


def fit_game(
    game: Game,
    batches: Batches,
    *,
    model_file: Path,
    epochs: int,
    seed: int,
    settings: dict,
    record: Mapping,
    log_dir: Path,
    resume: bool,
    quiet: bool,
    say: Callable[[str], None],
) -> dict[str, list[float]]:
    """Train the players in turns. The network of the best epoch is saved.

    An epoch is good if what is made is as different as real images are (see `find_failure`); the best one is the good
    epoch with the smallest distance. Equal seeds and data give equal numbers, with or without interruptions.

    Parameters
    ----------
    game : Game
    batches : Batches
    model_file : Path
    epochs, seed : int
    settings : dict
        What must not change when the training is resumed.
    record : mapping
        Record of the network's file.
    log_dir : Path
        Of the history, and of the images that `Game.show` returns after each epoch.
    resume, quiet : bool
    say : callable
        Prints a line.

    Returns
    -------
    dict of str to list of float, one value per epoch
        Losses of all players, and numbers of `Game.judge`.

    Raises
    ------
    RunError
        If the training diverges in the first epoch, a file cannot be written, or the training to resume had other
        settings.
    """
    model_file = require_model_path(model_file)
    settings = settings | {"--epochs": epochs, "--seed": seed, "KERAS_BACKEND": keras.config.backend()}
    settings |= batches.settings
    state = (load_state(model_file, settings) if resume else None) or TrainingState(settings)
    if state.epochs:
        _restore(game, state)
    progress = TrainingProgress(epochs, len(batches), quiet, game.shown)
    progress.set_model(SimpleNamespace(stop_training=False))
    table = TrainingLogs(log_dir, is_new=not state.epochs)
    written, last, cost = state.epochs, -math.inf, 0.0
    failure = find_failure(state.history, len(batches))
    try:
        while state.epochs < epochs and not failure:
            epoch = state.epochs
            batches.begin_epoch(epoch)
            losses = _play_epoch(game, batches, seed, epoch, progress)
            if not all(math.isfinite(value) for value in losses.values()):
                failure = f"Divergence in epoch {epoch + 1}: a loss is not finite; use lower learning rates"
                break
            state = _judge(game, state, losses, log_dir)
            table.write(state.history)
            if time.monotonic() - last >= cost / WRITING_SHARE:
                start = time.monotonic()
                save_state(state, model_file)
                last = time.monotonic()
                written, cost = state.epochs, last - start
            failure = find_failure(state.history, len(batches))
    finally:
        progress.on_train_end()
        if state.epochs != written:
            save_state(state, model_file)
    if not state.epochs:
        raise RunError(failure)
    if failure:
        good = "the last good one" if is_good(state.history)[state.best_epoch - 1] else "the best one, but not good"
        say(f"{failure}. The training stops; the network is that of epoch {state.best_epoch}, {good}")
    game.kept.set_weights(state.best)
    training = {"epochs": state.epochs, "best_epoch": state.best_epoch, "finished": True, "failure": failure}
    save_network(game.kept, model_file, {**record, "training": training})
    return {name: list(values) for name, values in state.history.items()}


def is_good(history: Mapping[str, Sequence[float]]) -> np.ndarray:
    """Return which epochs are good (E,) bool.

    A good one has pairs at least half as distant as those of real images, and at least half of the largest coverage
    of an epoch until then.
    """
    coverage, pairs = (np.asarray(history.get(name, ())) for name in ("coverage", "pair-distance"))
    if not len(coverage):
        return np.zeros(0, bool)
    return (pairs >= COLLAPSED) & (coverage >= COLLAPSED * np.maximum.accumulate(coverage)) & (coverage > 0)


def find_failure(history: Mapping[str, Sequence[float]], steps: int) -> str | None:
    """Return what has gone wrong in a training; None if nothing has.

    Parameters
    ----------
    history : mapping
        Numbers of each epoch.
    steps : int
        Of an epoch.
    """
    good = is_good(history)
    epochs = len(good)
    if not epochs:
        return None
    for name, losses in history.items():
        if name.startswith("generator") and losses[-1] > LOST:
            return (
                f"Divergence in epoch {epochs}: the discriminator knows all that the {name} makes (loss "
                f"{losses[-1]:.3g}), from which it cannot learn; use a lower --discriminator-rate"
            )
    has_begun = epochs * steps >= GRACE or (good & (np.asarray(history["coverage"]) >= BEGUN)).any()
    if epochs < PATIENCE or not has_begun or good[-PATIENCE:].any():
        return None
    return f"Collapse in epoch {epochs}: {describe_collapse(history['coverage'][-1], history['pair-distance'][-1])}"


def read_shown(log_dir: Path, epochs: int) -> list[np.ndarray]:
    """Return the images (N, H, W), electrons/s, that were made after each epoch."""
    paths = [_path_of(log_dir, epoch) for epoch in range(1, epochs + 1)]
    return [np.load(path, allow_pickle=False) for path in paths if path.exists()]


def _path_of(log_dir: Path, epoch: int) -> Path:
    return log_dir / "images" / f"{epoch:05d}.npy"


def _play_epoch(game: Game, batches: Batches, seed: int, epoch: int, progress: TrainingProgress) -> dict[str, float]:
    game.begin_epoch()
    progress.on_epoch_begin(epoch)
    losses: dict[str, float] = {}
    for step in range(len(batches)):
        random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(GAME_STREAM, epoch, step)))
        losses = game.play(batches[step], random)
        if not all(math.isfinite(value) for value in losses.values()):
            break
        progress.on_train_batch_end(step, losses)
    return losses


def _judge(game: Game, state: TrainingState, losses: dict, log_dir: Path) -> TrainingState:
    with game.averaged():
        numbers = losses | game.judge()
        history = {name: [*state.history.get(name, []), float(value)] for name, value in numbers.items()}
        good, distance = is_good(history), np.asarray(history["distance"])
        best = int(np.argmin(np.where(good, distance, np.inf) if good.any() else distance)) + 1
        is_best = best == state.epochs + 1 or not state.best
        weights = game.kept.get_weights() if is_best else state.best
        shown = game.show()
    if shown is not None:
        replace_file(_path_of(log_dir, state.epochs + 1), lambda aside: np.save(aside, shown.astype(np.float32)))
    return TrainingState(
        state.settings, state.epochs + 1, history, state.epochs + 1 if is_best else state.best_epoch,
        [_read(variable) for network in game.networks for variable in network.variables],
        [_read(variable) for optimizer in game.optimizers for variable in optimizer.variables], weights,
    )  # fmt: skip


def _restore(game: Game, state: TrainingState) -> None:
    pairs = (
        ([variable for network in game.networks for variable in network.variables], state.variables),
        ([variable for optimizer in game.optimizers for variable in optimizer.variables], state.optimizer),
    )
    for variables, arrays in pairs:
        if [tuple(variable.shape) for variable in variables] != [array.shape for array in arrays]:
            raise RunError("the interrupted training had other networks: train again without --resume")
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)


def _read(variable) -> np.ndarray:
    return np.array(variable.numpy())  # a copy: the next step overwrites the memory

"""Flows between normal numbers and the codes of images: BayesFlow's coupling flow, and flow matching."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from stronglens.generation.codes import CodeBatches, Codes, dimensions, settings_of_sampler
from stronglens.learning.plan import TrainingPlan
from stronglens.training import FLOW, fit, import_bayesflow, keras, seed_flow, spread_seed

STEPS = 50
"""Steps of a sample's path from normal numbers to a code; each takes two evaluations (Heun's method)."""

WIDTH, DEPTH = 256, 3
"""Units of a hidden layer of the velocity, and number of these layers."""

PATH_STREAM = 0xF10A
"""Of the random numbers of flow matching: starts and times."""


@dataclass(frozen=True)
class CodeObjective:
    """Train a whole network on codes.

    Attributes
    ----------
    name : str
        Of the loss.
    function : callable or str
        The loss, of targets and outputs.
    """

    name: str
    function: Callable | str

    shown: ClassVar[tuple[str, ...]] = ("loss",)
    clipped_at: ClassVar[float] = 1.0
    jit_compile: ClassVar[str | bool] = "auto"

    def describe(self) -> dict:
        """Return the settings that must not change when a training is resumed."""
        return {"the loss": self.name}

    def core(self, network: keras.Model) -> keras.Model:
        """Return the part of a network to which the loss is applied: the whole network."""
        return network

    def arrange(self, inputs: dict, targets: np.ndarray) -> tuple:
        """Return the inputs and the targets of a batch."""
        return inputs, targets

    def loss(self):
        """Return the loss function."""
        return self.function

    def metrics(self) -> list:
        """Return the additional metrics: none."""
        return []


def _negative_log_density(zeros, log_density):
    return -log_density


DENSITY = CodeObjective("negative log density of codes", _negative_log_density)
VELOCITY = CodeObjective("mean squared error of the velocity", "mean_squared_error")


def build_flow(latents: int, conditions: int, seed: int) -> keras.Model:
    """Build an untrained flow.

    Parameters
    ----------
    latents : int
    conditions : int
        Number C of labels that the codes are conditional on.
    seed : int
        Seed of the initial weights.

    Returns
    -------
    keras.Model
        Inputs ``code`` (B, max(2, L)) and, if C > 0, ``condition`` (B, C), both standardised; output (B,), log density.
    """
    import_bayesflow()
    from bayesflow.networks import CouplingFlow

    point = keras.Input((dimensions(latents),), name="code")
    condition = keras.Input((conditions,), name="condition") if conditions else None
    flow = CouplingFlow(**FLOW, name="flow")
    flow.build((1, dimensions(latents)), (1, conditions) if conditions else None)
    seed_flow(flow, spread_seed(seed, 1)[0])
    inputs = {"code": point} | ({"condition": condition} if conditions else {})
    return keras.Model(inputs, flow(point, conditions=condition, density=True)[1], name="sampler")


def fit_flow(plan: TrainingPlan, train: Codes, valid: Codes, record: dict) -> None:
    """Train a flow on the codes of the training images and save it (see `codes.sampler_path`).

    Raises
    ------
    RunError
        See `training.fit`.
    """
    parameters = plan.parameters
    flow = build_flow(train.mean.shape[-1], len(parameters.condition), parameters.seed)

    def make(codes: Codes, seed: int | None):
        return lambda batch_size, multiple: CodeBatches(codes, record, batch_size, multiple, DENSITY, seed)

    plan.console.say(f"Sampler: a flow of {flow.count_params():,} parameters, on the codes of the training images")
    fit(
        flow, make(train, parameters.seed), make(valid, None), label_names=(), objective=DENSITY,
        record={"task": parameters.task, "sampler": dict(record)}, **settings_of_sampler(parameters),
    )  # fmt: skip


class PathBatches(CodeBatches):
    """Points at random times of straight paths from normal numbers to codes, and the velocities of these paths.

    The parameters are those of `CodeBatches`.
    """

    def read(self, start, stop):
        inputs, _ = super().read(start, stop)
        base, time = (part[start:stop] for part in self._draw_paths())
        codes = inputs.pop("code")
        inputs |= {"point": (1 - time) * base + time * codes, "time": time}
        return inputs, codes - base

    def _draw_paths(self):
        epoch = self.epoch + 1 if self.seed is not None else 0
        if getattr(self, "_paths", (None,))[0] != epoch:
            random = np.random.default_rng(np.random.SeedSequence(self.seed or 0, spawn_key=(PATH_STREAM, epoch)))
            shape = self.codes.mean.shape[1], dimensions(self.codes.mean.shape[2])
            base, time = random.standard_normal(shape, np.float32), random.random((shape[0], 1), np.float32)
            self._paths = epoch, (base, time)
        return self._paths[1]


def build_velocity(latents: int, conditions: int, seed: int) -> keras.Model:
    """Build an untrained velocity.

    Parameters
    ----------
    latents, conditions, seed : int
        See `build_flow`.

    Returns
    -------
    keras.Model
        Inputs ``point`` (B, max(2, L)), ``time`` (B, 1) from 0 to 1 and, if C > 0, ``condition`` (B, C); output of the
        shape of the points.
    """
    seeds = spread_seed(seed, DEPTH)
    inputs = {"point": keras.Input((dimensions(latents),), name="point"), "time": keras.Input((1,), name="time")}
    if conditions:
        inputs["condition"] = keras.Input((conditions,), name="condition")
    x = keras.layers.Concatenate(name="all")(list(inputs.values()))
    for number, one in enumerate(seeds, start=1):
        initial = keras.initializers.GlorotUniform(seed=one)
        x = keras.layers.Dense(WIDTH, activation="silu", kernel_initializer=initial, name=f"hidden_{number}")(x)
    velocity = keras.layers.Dense(dimensions(latents), kernel_initializer="zeros", name="velocity")(x)
    return keras.Model(inputs, velocity, name="sampler")


def fit_path(plan: TrainingPlan, train: Codes, valid: Codes, record: dict) -> None:
    """Train the velocity of flow matching on the codes of the training images, and save it.

    The path of a code is the straight line from normal numbers to it; the velocity is the mean of those of all paths
    through a point (Lipman et al. 2023, ICLR, "Flow matching for generative modeling"). All random numbers are those of
    the batches: BayesFlow's layer draws its own, which an interrupted training cannot repeat.

    Raises
    ------
    RunError
        See `training.fit`.
    """
    parameters = plan.parameters
    network = build_velocity(train.mean.shape[-1], len(parameters.condition), parameters.seed)

    def make(codes: Codes, seed: int | None):
        return lambda batch_size, multiple: PathBatches(codes, record, batch_size, multiple, VELOCITY, seed)

    plan.console.say(
        f"Sampler: flow matching, {network.count_params():,} parameters, on the codes of the training images"
    )
    fit(
        network, make(train, parameters.seed), make(valid, None), label_names=(), objective=VELOCITY,
        record={"task": parameters.task, "sampler": dict(record)}, **settings_of_sampler(parameters),
    )  # fmt: skip


def follow_path(network: keras.Model, base: np.ndarray, condition: np.ndarray | None) -> np.ndarray:
    """Return the points (N, D) at the ends of the paths that start at normal numbers (N, D)."""
    more = {} if condition is None else {"condition": condition}

    def velocity(at, time):
        inputs = {"point": at, "time": np.full((len(at), 1), time, np.float32)}
        return np.asarray(network.predict_on_batch(inputs | more))

    points = base
    for step in range(STEPS):
        first = velocity(points, step / STEPS)
        second = velocity(points + first / STEPS, (step + 1) / STEPS)
        points = points + (first + second) / (2 * STEPS)
    return points

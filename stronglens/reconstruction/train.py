"""Training of the reconstruction task: the strength of the regularisation, then the network."""

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np

from stronglens.execution import describe_duration
from stronglens.learning.plan import TrainingPlan
from stronglens.learning.train import announce, settings_of_fit
from stronglens.reconstruction.batches import ReconstructionBatches
from stronglens.reconstruction.calibration import fit_calibration
from stronglens.reconstruction.network import INVERSIONS, Camera, build_network, compile_shared, reconstruction_loss
from stronglens.reconstruction.observing import Conditions
from stronglens.reconstruction.plan import describe_galaxies
from stronglens.reconstruction.strength import TRIALS, fit_strengths
from stronglens.simulation.stream import SimulationStream
from stronglens.training import fit, keras, load_network, save_network
from stronglens.training.precision import copy_network


@dataclass(frozen=True)
class SourceError:
    """Learn sources with the squared error of every step, and their variance with Student's t.

    See `network.reconstruction_loss`.
    """

    shown: ClassVar[tuple[str, ...]] = ("loss", "rmse")
    clipped_at: ClassVar[float] = 0.5
    jit_compile: ClassVar[bool] = True  # the operator is several times slower otherwise

    def describe(self) -> dict:
        """Return the settings that must not change when a training is resumed."""
        return {"the loss": "squared error of the source at every step, likelihood (Student's t) of the last"}

    def core(self, network: keras.Model) -> keras.Model:
        """Return the part of a network to which the loss is applied: the whole network."""
        return network

    def arrange(self, inputs: dict, sources: np.ndarray) -> tuple:
        """Return the inputs and the targets of a batch."""
        return inputs, sources

    def loss(self):
        """Return the loss function."""
        return reconstruction_loss

    def metrics(self) -> list:
        """Return the additional metrics: the RMSE of the last step."""
        return [LastStepError(name="rmse")]


@dataclass(frozen=True)
class EqualSteps(SourceError):
    """Learn sources with the squared error of every step, all weighing the same, as MagNet does."""

    clipped_at: ClassVar[float] = 5.0
    jit_compile: ClassVar[str | bool] = "auto"  # convolutions take the time, and XLA's are slow on a CPU

    def describe(self) -> dict:
        """Return the settings that must not change when a training is resumed."""
        return {"the loss": "squared error of the source, mean of all steps"}

    def loss(self):
        """Return the loss function."""
        return equal_steps_loss


def equal_steps_loss(truth: Any, output: Any) -> Any:
    """Return the squared error summed over the source's pixels, mean of all steps: (B,)."""
    estimates = output[:, len(INVERSIONS) : -1]
    return keras.ops.mean(keras.ops.sum((estimates - truth[:, None]) ** 2, axis=(2, 3)), axis=1)


class LastStepError(keras.metrics.Mean):
    """Root mean square error of the last step, over all source pixels."""

    def update_state(self, truth, output, sample_weight=None):
        """Add a batch: truth (B, S, S) and the network's output (B, 4 + T, S, S)."""
        super().update_state(keras.ops.mean((output[:, -2] - truth) ** 2, axis=(1, 2)), sample_weight)

    def result(self):
        """Return the RMSE."""
        return keras.ops.sqrt(super().result())


def train_network(plan: TrainingPlan, fresh: SimulationStream | None) -> dict[str, list[float]]:
    """Fit the regularisation on validation images, then train the chosen network.

    Parameters
    ----------
    plan : TrainingPlan
    fresh : None

    Returns
    -------
    dict of str to list of float, one value per epoch
        See `training.fit`; empty for ``--network=none``.

    Raises
    ------
    RunError, UsageError
        See `training.fit`.
    """
    parameters, dataset, say = plan.parameters, plan.dataset, plan.console.say
    conditions, split = Conditions.of(dataset.manifest), plan.split
    say(describe_galaxies(dataset, split))
    camera = make_camera(plan)
    with plan.console.progress(TRIALS, "fitting the regularisation", unit="trials") as progress:
        strength = fit_strengths(camera, dataset, split["valid"], conditions, parameters.lens_error, progress)
    camera = replace(camera, strength=strength)
    network = build_network(parameters.network, camera, parameters.seed, parameters.steps, stride=parameters.rim_stride)
    outputs = f"sources of {camera.source_side} x {camera.source_side} pixels"
    announce(plan, network, outputs)
    record = dataset.describe(()) | {"split": {name: rows.tolist() for name, rows in split.items()}}
    record |= {"network": parameters.network, "lens-error": parameters.lens_error}
    history: dict[str, list[float]] = {}
    if parameters.network != "none":
        objective = EqualSteps() if parameters.network == "magnet" else SourceError()
        make = partial(
            ReconstructionBatches, dataset, conditions=conditions, objective=objective, seed=parameters.seed,
            lens_error=parameters.lens_error,
        )  # fmt: skip

        def train(batch_size, multiple):
            augment = parameters.augment == "on"
            batches = make(split["train"], batch_size=batch_size, multiple=multiple, is_training=True, augment=augment)
            # They change no weight's shape, by which a training to resume is compared.
            batches.settings |= {"--steps": parameters.steps, "--rim-stride": parameters.rim_stride}
            return batches

        def valid(batch_size, multiple):
            if parameters.network == "magnet":  # each of its images takes as much memory as dozens of the others'
                batch_size = max(parameters.batch_size, multiple)
            return make(split["valid"], batch_size=batch_size, multiple=multiple)

        if parameters.network == "magnet":
            speed = measure_speed(network, objective, train(parameters.batch_size, 1)[0])
            epoch = describe_duration(len(split["train"]) / speed)
            say(f"Training takes about {epoch} an epoch on this machine ({speed:.3g} images/s)")
        history = fit(
            network, train, valid, label_names=(), objective=objective, record=record, **settings_of_fit(parameters)
        )
        network, record = load_network(parameters.model_file)
    compiled = compile_shared(network)
    record["calibration"] = fit_calibration(
        compiled, dataset, split["valid"], conditions, camera.operator_error, parameters.lens_error
    )
    save_network(network, parameters.model_file, record)
    return history


def measure_speed(network: keras.Model, objective: SourceError, batch: tuple) -> float:
    """Return how many images a second a network trains on, from one step after the one that compiles it.

    Parameters
    ----------
    network : keras.Model
        It is not changed.
    objective : SourceError
    batch : tuple of inputs and targets
    """
    copy = copy_network(network, "float32")
    copy.compile("adam", loss=objective.loss(), jit_compile=objective.jit_compile)
    copy.train_on_batch(*batch)
    start = time.perf_counter()
    copy.train_on_batch(*batch)
    return len(batch[1]) / (time.perf_counter() - start)


def make_camera(plan: TrainingPlan) -> Camera:
    """Return what the network must know about images and sources."""
    manifest, parameters = plan.dataset.manifest, plan.dataset.manifest["parameters"]
    error = plan.dataset.column_values(["operator-error"])[plan.split["train"], 0]
    psf = manifest["telescope"]["psf"]
    return Camera(
        side=manifest["image-shape"][0],
        source_side=parameters["source-grid-size"],
        pixel_scale=parameters["pixel-scale"],
        source_field=parameters["source-field"],
        operator_error=float(np.sqrt(np.mean(error**2))),
        psf=None if psf is None else tuple(map(tuple, psf)),
    )

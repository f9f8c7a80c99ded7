"""Training of the separation task."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from stronglens.learning.plan import TrainingPlan
from stronglens.learning.train import announce, describe_training, settings_of_fit
from stronglens.scaling import fit_image_scaling
from stronglens.separation.batches import FreshBatches, LightBatches, encode_light
from stronglens.separation.camera import Camera
from stronglens.separation.convergence import GaussianError, build_map_network, calibrate
from stronglens.separation.network import UNITS, build_network
from stronglens.simulation.stream import SimulationStream
from stronglens.training import fit, keras


@dataclass(frozen=True)
class SeparationError:
    """Learn noise and source, with the mean squared error of both in units of the noise."""

    shown: ClassVar[tuple[str, ...]] = ("loss",)
    clipped_at: ClassVar[float] = 1.0
    jit_compile: ClassVar[str | bool] = "auto"

    def describe(self) -> dict:
        """Return the settings that must not change when a training is resumed."""
        return {"the loss": "squared error of noise and source, in units of the noise"}

    def core(self, network: keras.Model) -> keras.Model:
        """Return the part of a network to which the loss is applied: all before e-/s are restored."""
        return keras.Model(network.inputs, network.get_layer(UNITS).output)

    def arrange(self, images: np.ndarray, targets: np.ndarray) -> tuple:
        """Return the inputs and the targets of a batch."""
        return images, targets

    def loss(self):
        """Return the loss function."""
        return separation_loss

    def metrics(self) -> list:
        """Return the additional metrics: the RMSE of the noise, and of the source."""
        return [PlaneError(0, name="rmse_noise"), PlaneError(1, name="rmse_source")]


def separation_loss(truth, output):
    """Return the squared error of noise and source, mean of all pixels: (B,)."""
    return keras.ops.mean(keras.ops.sum((output - truth) ** 2, axis=-1), axis=(1, 2))


class PlaneError(keras.metrics.Mean):
    """Root mean square error of one plane, in units of the noise."""

    def __init__(self, plane: int, **kwargs):
        super().__init__(**kwargs)
        self.plane = plane

    def update_state(self, truth, output, sample_weight=None):
        """Add a batch: truth and output (B, H, W, 2)."""
        error = (output[..., self.plane] - truth[..., self.plane]) ** 2
        super().update_state(keras.ops.mean(error, axis=(1, 2)), sample_weight)

    def result(self):
        """Return the RMSE."""
        return keras.ops.sqrt(super().result())


def train_network(plan: TrainingPlan, fresh: SimulationStream | None) -> dict[str, list[float]]:
    """Train the chosen network to separate light, or to map the convergence.

    Parameters
    ----------
    plan : TrainingPlan
    fresh : SimulationStream, optional
        New simulations to train on; the stored images are then used for validation and test only.

    Returns
    -------
    dict of str to list of float, one value per epoch
        See `training.fit`.

    Raises
    ------
    RunError, UsageError
        See `training.fit`.
    """
    parameters, dataset, split = plan.parameters, plan.dataset, plan.split
    camera = Camera.of(dataset.manifest)
    images = fresh.first()[0] if fresh else dataset.images.subset(split["train"])
    with plan.console.progress(len(images), "measuring the images") as measured:
        image_scaling = fit_image_scaling(images, measured.advance)
    record = {"network": parameters.network, "noise-model": camera.to_dict()}
    is_map = parameters.map == "convergence"
    objective: Any
    if is_map:
        network, encode = build_map_network(plan, image_scaling, camera)
        objective, outputs = GaussianError(), "map of the convergence"
        record["map"] = parameters.map
    else:
        network = build_network(parameters.network, images.shape[1:], image_scaling, camera, parameters.seed)
        encode, objective, outputs = encode_light(camera), SeparationError(), "noise and source of each pixel"
    announce(plan, network, outputs, "simulated for each epoch" if fresh else "for training")
    ways = {"objective": objective, "seed": parameters.seed}

    def train(batch_size, multiple):
        augment = parameters.augment == "on"
        if fresh:
            more = {"augment": augment, "epochs": parameters.epochs}
            return FreshBatches(fresh, encode, batch_size, multiple, **ways, **more)
        more = {"augment": augment, "is_training": True}
        return LightBatches(dataset, split["train"], encode, camera, batch_size, multiple, **ways, **more)

    def valid(batch_size, multiple):
        return LightBatches(dataset, split["valid"], encode, camera, batch_size, multiple, **ways)

    record = describe_training(plan, images, fresh) | record
    history = fit(
        network, train, valid, label_names=(), objective=objective, record=record, **settings_of_fit(parameters)
    )
    if is_map:
        calibrate(plan)
    return history

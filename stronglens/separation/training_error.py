"""Loss of the separation: the squared error of noise and source."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from stronglens.separation.network import UNITS
from stronglens.training import keras

PLANES = 2
"""Planes of the output to which the loss is applied: noise and source."""


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

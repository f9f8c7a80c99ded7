"""What a network is trained for: how its labels are taught, what is minimised, and what is shown."""

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from stronglens.parameters import RunError
from stronglens.training.device import keras

# Most train the input of the network's last layer, which has no weights of its own: standardised labels before they
# are restored, logits before they are probabilities.


class _BeforeLastLayer:
    """Train the input of the network's last layer, which has no weights of its own, on what each image is taught."""

    clipped_at = None

    def core(self, network: keras.Model) -> keras.Model:
        """Return the part of a network that is trained."""
        return keras.Model(network.inputs, network.layers[-1].input)

    def arrange(self, images: np.ndarray, targets: np.ndarray) -> tuple:
        """Return a batch's inputs and what they are taught."""
        return images, targets


@dataclass(frozen=True)
class Regression(_BeforeLastLayer):
    """Teach labels by the mean squared error of standardised outputs.

    The network ends with a `keras.layers.Rescaling` from standardised outputs to labels in their own units:
    the one place where the scaling is kept.
    """

    shown = ("loss",)

    def describe(self) -> dict:
        """Return what must be the same when a training goes on."""
        return {"the loss": "mean squared error"}

    def encode(self, network: keras.Model, labels: np.ndarray, split: str) -> np.ndarray:
        """Standardise labels by the inverse of a network's last layer.

        Parameters
        ----------
        network : keras.Model
        labels : ndarray (N, L) float64, unit of each label
        split : str, for the errors

        Returns
        -------
        ndarray (N, L) float32
        """
        restore = network.layers[-1]
        if not isinstance(restore, keras.layers.Rescaling):
            raise ValueError("the network must end with a Rescaling from standardised outputs to labels")
        return ((labels - np.asarray(restore.offset)) / np.asarray(restore.scale)).astype(np.float32)

    def loss(self) -> keras.losses.Loss:
        """Return what is minimised."""
        return keras.losses.MeanSquaredError()

    def metrics(self) -> list[keras.metrics.Metric]:
        """Return what is measured beside the loss."""
        return [keras.metrics.MeanAbsoluteError(name="mean_absolute_error")]


@dataclass(frozen=True)
class Classification(_BeforeLastLayer):
    """Teach classes by the cross-entropy of their probabilities.

    The network ends with a `keras.layers.Softmax` from logits to probabilities; the cross-entropy is taken of
    the logits, whose exponentials neither overflow nor vanish.

    Attributes
    ----------
    classes : int
    label_smoothing : float
        The true class is taught a probability of 1 - s + s / classes, each other one s / classes (Szegedy et
        al. 2016, CVPR, section 7). In validation too, so that the two losses compare.
    """

    classes: int
    label_smoothing: float = 0.0

    shown = ("loss", "accuracy")

    def describe(self) -> dict:
        """Return what must be the same when a training goes on."""
        return {"the loss": f"cross-entropy of {self.classes} classes", "--label-smoothing": self.label_smoothing}

    def encode(self, network: keras.Model, labels: np.ndarray, split: str) -> np.ndarray:
        """Turn the numbers of classes into probabilities: one for the true class, zero for the others.

        Parameters
        ----------
        network : keras.Model
        labels : ndarray (N, 1) float64, whole numbers from 0 to classes - 1
        split : str, for the errors

        Returns
        -------
        ndarray (N, classes) float32

        Raises
        ------
        RunError
            If a label is not the number of a class.
        """
        if not isinstance(network.layers[-1], keras.layers.Softmax):
            raise ValueError("the network must end with a Softmax from logits to probabilities")
        if network.output_shape[1:] != (self.classes,):
            raise ValueError(f"the network tells {network.output_shape[1:]} classes apart, not {self.classes}")
        if labels.shape[1:] != (1,):
            raise ValueError(f"a classification has one label, the number of the class, not {labels.shape[1:]}")
        numbers = labels[:, 0]
        strange = np.flatnonzero(~np.isin(numbers, np.arange(self.classes)))
        if strange.size:
            raise RunError(
                f"the {split} labels hold {numbers[strange[0]]:g} in row {strange[0]}, which is no class: "
                f"classes are whole numbers from 0 to {self.classes - 1}"
            )
        return np.eye(self.classes, dtype=np.float32)[numbers.astype(int)]

    def loss(self) -> keras.losses.Loss:
        """Return what is minimised."""
        return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=self.label_smoothing)

    def metrics(self) -> list[keras.metrics.Metric]:
        """Return what is measured beside the loss."""
        return [keras.metrics.CategoricalAccuracy(name="accuracy")]


@dataclass(frozen=True)
class Density:
    """Teach a density over labels by the log density of the true ones.

    The network takes an image and a point of a space of labels, and gives the log density there.

    Attributes
    ----------
    space
        Maps labels to that space: ``to_space``, (N, L) in their own units to (N, L).
    dimensions : int
        Of the network's density: those beyond L are noise, other for each image and each time its labels change.
    seed : int
    """

    space: Any
    dimensions: int
    seed: int = 0

    shown = ("loss",)
    clipped_at = 1.0

    def describe(self) -> dict:
        """Return what must be the same when a training goes on."""
        return {"the loss": f"negative log density in {self.dimensions} dimensions"}

    def core(self, network: keras.Model) -> keras.Model:
        """Return the part of a network that is trained: all of it."""
        return network

    def encode(self, network: keras.Model, labels: np.ndarray, split: str) -> np.ndarray:
        """Map labels to points of the network's space: (N, dimensions) float32."""
        points = self.space.to_space(labels)
        more = self.dimensions - points.shape[1]
        # From the labels themselves: what is encoded batch by batch must not get the same noise in each.
        noise = np.random.default_rng([self.seed, zlib.crc32(points.tobytes())]).standard_normal((len(points), more))
        return np.concatenate([points, noise], axis=1).astype(np.float32)

    def arrange(self, images: np.ndarray, targets: np.ndarray) -> tuple:
        """Return a batch's inputs, and what Keras asks for beside them."""
        return (images, targets), np.zeros(len(images), np.float32)

    def loss(self) -> keras.losses.Loss:
        """Return what is minimised."""
        return _negative_log_density

    def metrics(self) -> list[keras.metrics.Metric]:
        """Return what is measured beside the loss."""
        return []


def _negative_log_density(nothing, log_density):
    return -log_density


Objective = Regression | Classification | Density
REGRESSION = Regression()

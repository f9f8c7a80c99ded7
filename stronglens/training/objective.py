"""Training objectives: encoding of labels as targets, loss function, and displayed metrics."""

import zlib
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from stronglens.parameters import RunError
from stronglens.training.device import keras


class _BeforeLastLayer:
    """Base class: apply the loss to the input of the network's last layer, which has no weights.

    This input is the standardised labels before they are rescaled, or the logits before they become probabilities.
    """

    clipped_at = None
    jit_compile: ClassVar[str | bool] = "auto"  # by Keras: XLA on a GPU

    def core(self, network: keras.Model) -> keras.Model:
        """Return the part of a network to which the loss is applied."""
        return keras.Model(network.inputs, network.layers[-1].input)

    def arrange(self, images: np.ndarray, targets: np.ndarray) -> tuple:
        """Return the inputs and the targets of a batch."""
        return images, targets


@dataclass(frozen=True)
class Regression(_BeforeLastLayer):
    """Learn labels with the mean squared error of standardised outputs.

    The network ends with a `keras.layers.Rescaling` from standardised outputs to labels in their own units. This layer
    is the only place where the scaling is stored.
    """

    shown = ("loss",)

    def describe(self) -> dict:
        """Return the settings that must not change when a training is resumed."""
        return {"the loss": "mean squared error"}

    def encode(self, network: keras.Model, labels: np.ndarray, split: str) -> np.ndarray:
        """Standardise labels by the inverse of a network's last layer.

        Parameters
        ----------
        network : keras.Model
        labels : ndarray (N, L) float64, unit of each label
        split : str
            Name of the split, for error messages.

        Returns
        -------
        ndarray (N, L) float32
            Dimensionless.

        Raises
        ------
        ValueError
            If the network does not end with a Rescaling.
        """
        restore = network.layers[-1]
        if not isinstance(restore, keras.layers.Rescaling):
            raise ValueError("the network must end with a Rescaling from standardised outputs to labels")
        return ((labels - np.asarray(restore.offset)) / np.asarray(restore.scale)).astype(np.float32)

    def loss(self) -> keras.losses.Loss:
        """Return the loss function."""
        return keras.losses.MeanSquaredError()

    def metrics(self) -> list[keras.metrics.Metric]:
        """Return the additional metrics."""
        return [keras.metrics.MeanAbsoluteError(name="mean_absolute_error")]


@dataclass(frozen=True)
class Classification(_BeforeLastLayer):
    """Learn classes with the cross-entropy of their probabilities.

    The network ends with a `keras.layers.Softmax` from logits to probabilities. The cross-entropy is computed from the
    logits, which avoids overflow and underflow of their exponentials.

    Attributes
    ----------
    classes : int
        Number of classes.
    label_smoothing : float
        Label smoothing s: the target probability is 1 - s + s / classes for the true class and s / classes for each
        other class (Szegedy et al. 2016, CVPR, section 7). Validation uses it too, so that the two losses are
        comparable.
    weights : tuple of float
        Weight of each class in the loss; empty: 1.
    ignored : int, optional
        A label that is not a class: its images have the weight 0 (only with ``weights``).
    """

    classes: int
    label_smoothing: float = 0.0
    weights: tuple[float, ...] = ()
    ignored: int | None = None

    shown = ("loss", "accuracy")

    def describe(self) -> dict:
        """Return the settings that must not change when a training is resumed."""
        weighted = {"the weights of the classes": list(self.weights)} if self.weights else {}
        described = {"the loss": f"cross-entropy of {self.classes} classes", "--label-smoothing": self.label_smoothing}
        return described | weighted

    def arrange(self, images: np.ndarray, targets: np.ndarray) -> tuple:
        """Return the inputs, the targets and, with weights of the classes, the weights of a batch."""
        if not self.weights:
            return images, targets
        return images, targets, targets @ np.asarray(self.weights, np.float32)

    def encode(self, network: keras.Model, labels: np.ndarray, split: str) -> np.ndarray:
        """One-hot encode class indices.

        Parameters
        ----------
        network : keras.Model
        labels : ndarray (N, 1) float64, whole numbers from 0 to classes - 1
        split : str
            Name of the split, for error messages.

        Returns
        -------
        ndarray (N, classes) float32

        Raises
        ------
        RunError
            If a label is not the index of a class.
        ValueError
            If the network or the shape of the labels does not fit.
        """
        if not isinstance(network.layers[-1], keras.layers.Softmax):
            raise ValueError("the network must end with a Softmax from logits to probabilities")
        if network.output_shape[1:] != (self.classes,):
            raise ValueError(f"the network has outputs of shape {network.output_shape[1:]}, not ({self.classes},)")
        if labels.shape[1:] != (1,):
            raise ValueError(f"a classification has one label, the index of the class, not {labels.shape[1:]}")
        numbers = labels[:, 0]
        targets = (numbers[:, None] == np.arange(self.classes)).astype(np.float32)
        wrong = np.flatnonzero(~targets.any(axis=1) & (numbers != self.ignored))
        if wrong.size:
            raise RunError(
                f"the {split} labels have the value {numbers[wrong[0]]:g} in row {wrong[0]}, which is not a class: "
                f"classes are whole numbers from 0 to {self.classes - 1}"
            )
        return targets

    def loss(self) -> keras.losses.Loss:
        """Return the loss function."""
        return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=self.label_smoothing)

    def metrics(self) -> list[keras.metrics.Metric]:
        """Return the additional metrics."""
        return [keras.metrics.CategoricalAccuracy(name="accuracy")]


@dataclass(frozen=True)
class Density:
    """Learn a probability density over labels with the negative log density of the true labels.

    The network takes an image and a point of the label space and returns the log density at this point.

    Attributes
    ----------
    space
        The label space. Its method ``to_space`` maps labels (N, L), in their own units, to points (N, L).
    dimensions : int
        Dimensions of the network's density. Those beyond L are filled with Gaussian noise, which differs between images
        and changes with the labels of an image.
    seed : int
        Seed of the noise.
    """

    space: Any
    dimensions: int
    seed: int = 0

    shown = ("loss",)
    clipped_at = 1.0
    jit_compile: ClassVar[str | bool] = "auto"

    def describe(self) -> dict:
        """Return the settings that must not change when a training is resumed."""
        return {"the loss": f"negative log density in {self.dimensions} dimensions"}

    def core(self, network: keras.Model) -> keras.Model:
        """Return the part of a network to which the loss is applied: the whole network."""
        return network

    def encode(self, network: keras.Model, labels: np.ndarray, split: str) -> np.ndarray:
        """Map labels (N, L), unit of each label, to points of the label space: (N, dimensions) float32."""
        points = self.space.to_space(labels)
        more = self.dimensions - points.shape[1]
        # Seeded by the labels themselves, so that batches that are encoded one by one get different noise.
        noise = np.random.default_rng([self.seed, zlib.crc32(points.tobytes())]).standard_normal((len(points), more))
        return np.concatenate([points, noise], axis=1).astype(np.float32)

    def arrange(self, images: np.ndarray, targets: np.ndarray) -> tuple:
        """Return the inputs of a batch, and zeros as the targets that Keras requires."""
        return (images, targets), np.zeros(len(images), np.float32)

    def loss(self) -> keras.losses.Loss:
        """Return the loss function."""
        return _negative_log_density

    def metrics(self) -> list[keras.metrics.Metric]:
        """Return the additional metrics: none."""
        return []


def _negative_log_density(zeros, log_density):
    return -log_density


Objective = Regression | Classification | Density
REGRESSION = Regression()

"""Loss of autoencoders, and the batches of their training."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from stronglens.generation.network import Parts
from stronglens.training import keras
from stronglens.training.augmentation import SYMMETRIES, draw_symmetries, move_images
from stronglens.training.batches import Batches
from stronglens.training.order import shuffle_rows
from stronglens.training.state import digest_array

ops = keras.ops

NOISE_STREAM = 0xC0DE
"""Of the random numbers that draw codes from the distribution that an encoder gives."""


@dataclass(frozen=True)
class Reconstruction:
    """Learn to restore images: D/2 log(mean squared error), and a variational network's Kullback-Leibler divergence.

    The error is that of all D pixels of all images of a batch, in stretched units. This is the negative log likelihood
    of Gaussian noise whose variance is the best one (Rybkin et al. 2021, ICML, "Simple and effective VAE training with
    calibrated decoders"), so that no weight between the terms has to be chosen. The divergence of the codes'
    distribution N(mu, sigma^2) from the prior N(0, 1) is summed over codes: sum (mu^2 + sigma^2 - 1 - log sigma^2) / 2
    (Kingma & Welling 2014, ICLR, appendix B).

    Attributes
    ----------
    parts : Parts
    weights : ndarray (N,)
        Stretched units of each number of a point: the deviations of components, or 1 for pixels.
    pixels : int
        Number D of pixels of an image.
    latents : int
    is_variational : bool
    """

    parts: Parts
    weights: np.ndarray
    pixels: int
    latents: int
    is_variational: bool

    shown: ClassVar[tuple[str, ...]] = ("loss", "rms")
    clipped_at: ClassVar[None] = None
    jit_compile: ClassVar[str | bool] = "auto"

    def describe(self) -> dict:
        """Return the settings that must not change when a training is resumed."""
        return {"the loss": "D/2 log(mean squared error)" + " + KL" * self.is_variational}

    def core(self, network: keras.Model) -> keras.Model:
        """Return the part of the network that is trained, from points to restored points.

        A variational one also takes ``noise`` (B, L), standard normal numbers, so that no layer has random numbers of
        its own; its output is followed by mean and log variance of the codes.
        """
        point = keras.Input(self.parts.compress.input_shape[1:], name="point")
        if not self.is_variational:
            return keras.Model({"point": point}, self.parts.restore(self.parts.compress(point)))
        noise = keras.Input((self.latents,), name="noise")
        mean, log_variance = self.parts.compress(point)
        code = mean + ops.exp(0.5 * log_variance) * noise
        output = ops.concatenate([self.parts.restore(code), mean, log_variance], axis=-1)
        return keras.Model({"point": point, "noise": noise}, output)

    def arrange(self, inputs: dict, targets: np.ndarray) -> tuple:
        """Return the inputs and the targets of a batch."""
        return inputs, targets

    def loss(self):
        """Return the loss function."""

        def negative_log_likelihood(targets, output):
            # One number for the batch, not for each image: the variance of the noise is that of all images.
            loss = 0.5 * self.pixels * ops.log(ops.mean(self.squared_error(targets, output)))
            return loss + ops.mean(self.divergence(output)) if self.is_variational else loss

        return negative_log_likelihood

    def metrics(self) -> list:
        """Return the additional metrics: error of the restored pixels, and the divergence from the prior."""

        def divergence(targets, output):
            return self.divergence(output)

        return [_RootMean(self.squared_error, name="rms"), *([divergence] if self.is_variational else [])]

    def squared_error(self, targets: Any, output: Any) -> Any:
        """Return the mean squared error of the pixels of each image, (B,), from targets (B, N + 1).

        The last target is the squared error of what the points do not contain, which no code changes.
        """
        number = len(self.weights)
        difference = (targets[:, :number] - output[:, :number]) * self.weights
        return (ops.sum(ops.square(difference), axis=-1) + targets[:, number]) / self.pixels

    def divergence(self, output: Any) -> Any:
        """Return the divergence of the codes' distribution from the prior, (B,)."""
        number = len(self.weights)
        mean, log_variance = output[:, number : number + self.latents], output[:, number + self.latents :]
        return 0.5 * ops.sum(ops.square(mean) + ops.exp(log_variance) - 1.0 - log_variance, axis=-1)


class _RootMean(keras.metrics.MeanMetricWrapper):
    def result(self):
        return ops.sqrt(super().result())


class PointBatches(Batches):
    """Batches of points, in random order for training.

    Parameters
    ----------
    points : ndarray (S, M, N) float32
        Points of M images, in each of S symmetries; each epoch draws one of them for each image.
    residual : ndarray (S, M) float32
        Squared error of what the points do not contain, summed over pixels.
    batch_size, multiple : int
        See `Batches`.
    objective : Reconstruction
    seed : int, optional
        None for validation: stored order, and the same noise in each epoch.
    shape : (H, W) or (H, W, C), optional
        Points are pixels of such images, stored once (S = 1), and turned and flipped in each epoch.
    """

    def __init__(
        self, points, residual, batch_size: int, multiple: int, objective: Reconstruction, seed=None, shape=None
    ):
        super().__init__(points.shape[1] - points.shape[1] % multiple, batch_size, multiple, objective)
        self.points, self.residual, self.seed, self.shape = points, residual, seed, shape
        split = "validation" if seed is None else "training"
        self.settings = {f"the {split} images": digest_array(points)}
        self._drawn: tuple[int, tuple] | None = None

    def read(self, start, stop):
        rows, symmetries, noise = (part[start:stop] for part in self._draw())
        if self.shape:
            images = self.points[0, rows].reshape(len(rows), *self.shape)
            points, symmetries = move_images(images, symmetries).reshape(len(rows), -1), np.zeros_like(symmetries)
        else:
            points = self.points[symmetries, rows]
        inputs = {"point": points}
        if self.objective.is_variational:
            inputs["noise"] = noise
        return inputs, np.concatenate([points, self.residual[symmetries, rows][:, None]], axis=1)

    def _draw(self):
        epoch = self.epoch + 1 if self.seed is not None else 0
        drawn = self._drawn
        if drawn is None or drawn[0] != epoch:
            seed, number = self.seed or 0, self.points.shape[1]
            rows, symmetries = np.arange(number), np.zeros(number, int)
            if self.seed is not None:
                rows = shuffle_rows(number, seed, epoch, number, 1)
                symmetries = draw_symmetries(number, seed, epoch) % (SYMMETRIES if self.shape else len(self.points))
            random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(NOISE_STREAM, epoch)))
            noise = random.standard_normal((number, self.objective.latents), np.float32)
            self._drawn = drawn = epoch, (rows, symmetries, noise)
        return drawn[1]

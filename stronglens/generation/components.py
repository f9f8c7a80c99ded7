"""Principal components of stretched images."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from stronglens.parameters import UsageError
from stronglens.scaling import ImageScaling
from stronglens.training.augmentation import SYMMETRIES, move_images

BLOCK = 512
"""Images in memory at a time."""

ITERATIONS, EXTRA = 8, 16
"""Rounds of the subspace iteration, and directions beyond those that are wanted."""

MOST_PIXELS = 20_000
"""Maximum number of pixels (bands included) of an image: the covariance matrix of more needs above 1.6 GB."""


@dataclass(frozen=True)
class Components:
    """Principal components of images.

    Attributes
    ----------
    mean : ndarray (P,) float32
        Mean of the P pixels.
    axes : ndarray (K, P) float32
        Orthonormal rows, by decreasing variance.
    deviation : ndarray (K,) float32
        Standard deviation of the images along each axis.
    """

    mean: np.ndarray
    axes: np.ndarray
    deviation: np.ndarray

    def project(self, pixels: np.ndarray) -> np.ndarray:
        """Return the coefficients of images (N, P) along the axes, each with variance 1: (N, K) float32."""
        return (pixels - self.mean) @ self.axes.T / self.deviation

    def restore(self, coefficients: np.ndarray) -> np.ndarray:
        """Return images (N, P) from coefficients (N, K') along the first K' axes."""
        number = coefficients.shape[1]
        return self.mean + (coefficients * self.deviation[:number]) @ self.axes[:number]


def stretch(images: np.ndarray, scaling: ImageScaling) -> np.ndarray:
    """Return stretched pixels (N, P) float32 of images (N, H, W[, B]); see `scaling.stretch_images`."""
    stretched = np.arcsinh(images / np.asarray(scaling.softening, np.float32))
    return ((stretched - scaling.mean) / np.sqrt(scaling.variance)).reshape(len(images), -1).astype(np.float32)


def unstretch(pixels: np.ndarray, scaling: ImageScaling, shape: tuple[int, ...]) -> np.ndarray:
    """Return images (N, H, W[, B]), electrons/s, from stretched pixels (N, P)."""
    stretched = pixels.reshape(len(pixels), *shape) * np.sqrt(scaling.variance) + scaling.mean
    return (np.sinh(stretched) * np.asarray(scaling.softening, np.float32)).astype(np.float32)


def read_stretched(images, scaling: ImageScaling) -> Iterator[np.ndarray]:
    """Yield the stretched pixels of images in blocks (n, P)."""
    for start in range(0, len(images), BLOCK):
        yield stretch(images[start : start + BLOCK], scaling)


def fit_components(
    images,
    scaling: ImageScaling,
    number: int,
    is_symmetric: bool,
    seed: int = 0,
    advance: Callable[[int], None] | None = None,
) -> Components:
    """Fit principal components by subspace iteration on the covariance matrix.

    Parameters
    ----------
    images : ImageSet or ndarray (N, H, W) or (N, H, W, B), electrons/s
        Training images only.
    scaling : ImageScaling
    number : int
        Number of components; reduced to what N images and P pixels determine.
    is_symmetric : bool
        Fit the components of the images and of all their rotations by 90 degrees and flips.
    seed : int
    advance : callable, optional
        Called with the number of images that were read since the last call.

    Returns
    -------
    Components

    Raises
    ------
    UsageError
        If the images have too many pixels.
    """
    shape = images.shape[1:]
    pixels = int(np.prod(shape))
    if pixels > MOST_PIXELS:
        raise UsageError(f"images of {pixels:,} pixels are too large for principal components: at most {MOST_PIXELS:,}")
    total, products = np.zeros(pixels), np.zeros((pixels, pixels), np.float32)
    for block in read_stretched(images, scaling):
        total += block.sum(axis=0)
        products += block.T @ block
        if advance:
            advance(len(block))
    mean = total / len(images)
    if is_symmetric:
        orders = _orders_of_pixels(shape)
        mean = np.mean([mean[order] for order in orders], axis=0)
        products = sum(products[np.ix_(order, order)] for order in orders) / np.float32(SYMMETRIES)
    covariance = products / np.float32(len(images)) - np.outer(mean, mean).astype(np.float32)
    number = min(number, pixels, len(images) - 1)
    random = np.random.default_rng(seed)
    axes = random.standard_normal((pixels, min(pixels, number + EXTRA)), np.float32)
    for _ in range(ITERATIONS):
        axes = np.linalg.qr(covariance @ axes)[0]
    variance, turn = np.linalg.eigh((axes.T @ covariance @ axes).astype(np.float64))
    order = np.argsort(variance)[::-1][:number]
    deviation = np.sqrt(np.maximum(variance[order], 1e-12))
    axes = (axes @ turn[:, order].astype(np.float32)).T
    return Components(mean.astype(np.float32), np.ascontiguousarray(axes), deviation.astype(np.float32))


def components_of(network) -> Components | None:
    """Return the principal components that a network works on; None if it does not."""
    decoder = network.get_layer("decoder")
    names = {layer.name for layer in decoder.layers}
    if "pixels_of_components" not in names:
        return None
    kernel, mean = decoder.get_layer("pixels_of_components").get_weights()
    deviation = np.linalg.norm(kernel, axis=1)
    return Components(mean, kernel / deviation[:, None], deviation)


def _orders_of_pixels(shape: tuple[int, ...]) -> np.ndarray:
    """Return the order of the pixels (8, P) after each rotation and flip."""
    numbers = np.arange(np.prod(shape)).reshape(1, *shape)
    turned = move_images(np.repeat(numbers, SYMMETRIES, axis=0), np.arange(SYMMETRIES))
    return turned.reshape(SYMMETRIES, -1)

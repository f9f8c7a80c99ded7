"""Image stretch and label standardisation: fitted on the training split and stored in the network.

A network maps raw images in electrons/s to labels in their own units. Both scalings consist of Keras's own parts
(``Rescaling``, ``ops.arcsinh``, ``Normalization``), so that ``keras.saving.load_model`` can load a network without this
package.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stronglens.parameters import RunError

# Number of images for the measurement of noise and peak: their medians are accurate to a per cent.
MEASURED_IMAGES = 1000
# Softening in units of the pixel noise: bright light is compressed, noise is not. In a test with 1,500 noisy lenses
# with lens light and 12 epochs, 1, 3, 10 and 30 gave an R^2 of a source centre of 0.78, 0.79, 0.82 and 0.75 (0.56
# without a stretch).
NOISE_FACTOR = 10.0
# Minimum softening in units of the typical peak. For noise-free images 0.001 and 0.1 gave equally good networks.
PEAK_FRACTION = 0.01
# Distance of the pixels whose noise is compared in images with bands, pixels: the noise of a band that was recorded in
# pixels three times larger is correlated within this distance.
BAND_LAG = 4
# Minimum range of a label in units of its size; a smaller one is lost in the rounding of a float32 network.
NARROWEST_LABEL = 1e-6
# Added to the range of an image, electrons/s: a constant image gives 0, not 0 / 0.
SMALLEST_RANGE = 1e-30
# Images that are processed at a time; bytes of images that are read at a time, while the next block is prefetched.
CHUNK = 256
BLOCK_BYTES = 2**27


@dataclass(frozen=True)
class ImageScaling:
    """The stretch of images: y = (arcsinh(x / softening) - mean) / sqrt(variance).

    Attributes
    ----------
    softening : float or tuple (B,) of float, electrons/s
        Brightness at the transition from linear to logarithmic; one for each band of images with bands.
    mean, variance : float
        Mean and variance of arcsinh(x / softening) over all training pixels.
    """

    softening: float | tuple[float, ...]
    mean: float
    variance: float


@dataclass(frozen=True)
class LabelScaling:
    """The standardisation of labels: label = mean + deviation * output.

    Attributes
    ----------
    mean, deviation : tuple (L,) of float, unit of each label
        Mean and standard deviation over the training split.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]


def fit_image_scaling(
    images: np.ndarray,
    advance: Callable[[int], None] | None = None,
    noise_factor: float = NOISE_FACTOR,
    peak_fraction: float = PEAK_FRACTION,
) -> ImageScaling:
    """Fit the stretch of images on the training split.

    An arcsinh stretch is linear below its softening and logarithmic above (Lupton, Gunn & Szalay 1999, AJ 118, 1406).
    The softening is ten times the pixel noise. The noise of an image is estimated from the median absolute second
    difference of neighbouring pixels, which a galaxy hardly changes, scaled to a Gaussian standard deviation; the
    median over at most a thousand images is used. For noise-free images the softening is at least 1/100 of the median
    peak of the images. Each band has its own softening; mean and variance are those of all bands together, so that
    colours are kept.

    Parameters
    ----------
    images : ndarray (N, H, W) or (N, H, W, B) float32, electrons/s
        Training images only; or an object that can be indexed like an array (see `training.StoredBatches`). A thousand
        of its images are read first, then all images once, in blocks.
    advance : callable, optional
        Called with the number of images that were read since the last call; the total is N.
    noise_factor, peak_fraction : float
        The softening in units of the noise, and its minimum in units of the typical peak.

    Returns
    -------
    ImageScaling

    Raises
    ------
    RunError
        If a pixel is not finite, or if all pixels are zero.
    """
    if len(images.shape) not in (3, 4) or not np.prod(images.shape):
        raise RunError(f"training images have the shape {images.shape}, not (images, rows, columns) or with bands")
    rows = np.linspace(0, len(images) - 1, min(len(images), MEASURED_IMAGES)).astype(int)
    measured = images[rows]
    _require_finite(measured, rows)
    softening: float | tuple[float, ...]
    if measured.ndim == 3:
        softening = _measure_softening(measured, noise_factor, peak_fraction)
    else:
        bands = np.moveaxis(measured, -1, 0)
        softening = tuple(_measure_softening(band, noise_factor, peak_fraction, BAND_LAG) for band in bands)
    count, total, squares = 0, 0.0, 0.0
    for start, block in _read_blocks(images):
        for first in range(0, len(block), CHUNK):
            chunk = block[first : first + CHUNK]
            _require_finite(chunk, range(start + first, len(images)))
            stretched = np.arcsinh(chunk.astype(np.float64) / softening)
            count += stretched.size
            total += stretched.sum()
            squares += np.square(stretched).sum()
        if advance is not None:
            advance(len(block))
    mean = total / count
    return ImageScaling(softening, float(mean), float(max(squares / count - mean**2, 1e-12)))


def fit_label_scaling(labels: np.ndarray, names: Sequence[str]) -> LabelScaling:
    """Fit the standardisation of labels on the training split.

    Parameters
    ----------
    labels : ndarray (N, L)
        Training labels only, each column in its own unit.
    names : sequence of L str
        Names of the columns, for error messages.

    Returns
    -------
    LabelScaling

    Raises
    ------
    RunError
        If a label is not finite, or has the same value in every image.
    """
    labels = np.asarray(labels, dtype=np.float64)
    if labels.ndim != 2 or labels.shape[1] != len(names):
        raise RunError(f"labels have the shape {labels.shape}, not (images, {len(names)})")
    for name, column in zip(names, labels.T, strict=True):
        if not np.isfinite(column).all():
            row = int(np.flatnonzero(~np.isfinite(column))[0])
            raise RunError(f"label {name} is {column[row]} in training image {row}: simulate the dataset again")
        if np.ptp(column) <= NARROWEST_LABEL * np.abs(column).max():
            raise RunError(
                f"label {name} is {column[0]:g} in every training image, so the network cannot learn it: "
                "omit it from --labels, or simulate it with a range"
            )
    return LabelScaling(tuple(labels.mean(axis=0).tolist()), tuple(labels.std(axis=0).tolist()))


def stretch_images(inputs, scaling: ImageScaling):
    """Add the stretch of images to a functional network.

    Parameters
    ----------
    inputs : keras.KerasTensor (batch, H, W) or (batch, H, W, B), electrons/s
    scaling : ImageScaling

    Returns
    -------
    keras.KerasTensor of the same shape
        Dimensionless, with mean 0 and variance 1 over the training pixels.
    """
    # Imported here, so that stronglens.training can import Keras first, without its start-up messages.
    import keras

    softening = scaling.softening
    scale = [1 / of_band for of_band in softening] if isinstance(softening, tuple) else 1 / softening
    stretched = keras.layers.Rescaling(scale, dtype="float32", name="softening")(inputs)
    stretched = keras.ops.arcsinh(stretched)
    return keras.layers.Normalization(
        axis=None, mean=scaling.mean, variance=scaling.variance, dtype="float32", name="normalised_image"
    )(stretched)


def scale_to_range(inputs):
    """Add the scaling of each band of each image by its own minimum and maximum to a functional network.

    It removes flux and colour, and the brightest object of an image sets the scale.

    Parameters
    ----------
    inputs : keras.KerasTensor (batch, H, W) or (batch, H, W, B), electrons/s

    Returns
    -------
    keras.KerasTensor of the same shape
        0 to 1; 0 for a constant image.
    """
    import keras

    low = keras.ops.min(inputs, axis=(1, 2), keepdims=True)
    high = keras.ops.max(inputs, axis=(1, 2), keepdims=True)
    scaled = (inputs - low) / (high - low + SMALLEST_RANGE)
    return keras.layers.Activation("linear", dtype="float32", name="normalised_image")(scaled)


def restore_labels(outputs, scaling: LabelScaling):
    """Add the last layer of a functional network: it converts standardised labels to labels.

    Parameters
    ----------
    outputs : keras.KerasTensor (batch, L)
        Standardised labels, dimensionless.
    scaling : LabelScaling

    Returns
    -------
    keras.KerasTensor (batch, L), unit of each label
    """
    import keras

    return keras.layers.Rescaling(list(scaling.deviation), list(scaling.mean), dtype="float32", name="labels")(outputs)


def _measure_softening(measured: np.ndarray, noise_factor: float, peak_fraction: float, lag: int = 1) -> float:
    noise = float(np.median([_measure_noise(image, lag) for image in measured]))
    peaks = np.abs(measured).max(axis=(1, 2))
    peak = float(np.median(peaks)) or float(peaks.max())
    softening = max(noise_factor * noise, peak_fraction * peak)
    if not softening > 0:
        raise RunError(
            "every training image is empty (all pixels are zero): simulate the dataset with brighter sources"
        )
    return softening


def _measure_noise(image: np.ndarray, lag: int) -> float:
    # For Gaussian noise, the median of |d| divided by 0.6745 is the standard deviation of d; d = a - 2 b + c has six
    # times the variance of a pixel.
    image = image.astype(np.float64)
    first_differences = image[:, lag:] - image[:, :-lag]
    second_differences = np.abs(first_differences[:, lag:] - first_differences[:, :-lag])
    if not second_differences.size:
        return 0.0
    return float(np.median(second_differences)) / 0.67449 / np.sqrt(6)


def _read_blocks(images: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    prefetch = getattr(images, "prefetch", None)
    size = CHUNK * max(1, BLOCK_BYTES // (CHUNK * int(np.prod(images.shape[1:])) * 4))
    for start in range(0, len(images), size):
        block = images[start : start + size]
        following = np.arange(start + size, min(start + 2 * size, len(images)))
        if prefetch is not None and len(following):
            prefetch(following)
        yield start, block


def _require_finite(images: np.ndarray, rows: Sequence[int]) -> None:
    good = np.isfinite(images).all(axis=tuple(range(1, images.ndim)))
    if not good.all():
        row = rows[int(np.flatnonzero(~good)[0])]
        raise RunError(f"training image {row} has pixels that are not finite: simulate the dataset again")

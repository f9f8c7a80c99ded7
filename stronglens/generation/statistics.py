"""Statistics of images, by which generated images are compared with real ones."""

from collections.abc import Iterable

import numpy as np
from scipy.ndimage import maximum_filter

RINGS = 8
"""Rings of the profile."""

POWER_BINS = 8
"""Bins of frequency of an image's own power."""


Statistics = dict[str, np.ndarray]


def measure_statistics(images: np.ndarray, pixel_scale: float) -> Statistics:
    """Measure shape and brightness of each image, about its middle.

    Parameters
    ----------
    images : ndarray (N, H, W), electrons/s
    pixel_scale : float, arcsec

    Returns
    -------
    dict of str to ndarray (N,)
        ``flux`` in the field; ``half-light`` radius, arcsec; ``concentration``, 5 log10 of the ratio of the radii with
        80 % and 20 % of the light (Bershady et al. 2000, AJ 119, 2645, about the middle of the image); ``ellipticity``
        from second moments of the light above three times the noise; ``asymmetry``, half the absolute difference from
        the image turned by 180 degrees, over the flux, less that of the noise (Conselice 2003, ApJS 147, 1);
        ``ring-contrast``, scatter over angle within the ring of the largest scatter, over the flux in that ring;
        ``profile-1`` ..., mean brightness in rings of equal width.
    """
    images = np.asarray(images, np.float64)
    _, height, width = images.shape
    y, x = np.mgrid[:height, :width]
    x, y = x - (width - 1) / 2, y - (height - 1) / 2
    radius = np.hypot(x, y)
    noise = _measure_noise(images)
    flux = images.sum(axis=(1, 2))
    safe = np.where(flux > 0, flux, np.nan)

    order = np.argsort(radius, axis=None)
    growth = np.cumsum(images.reshape(len(images), -1)[:, order], axis=1) / safe[:, None]
    radii = radius.ravel()[order]
    reached = [_first_above(growth, radii, share) * pixel_scale for share in (0.2, 0.5, 0.8)]

    light = np.maximum(images - 3 * noise[:, None, None], 0)
    total = np.maximum(light.sum(axis=(1, 2)), 1e-30)
    moments = [(light * part).sum(axis=(1, 2)) / total for part in (x * x, y * y, x * y)]
    ellipticity = np.hypot(moments[0] - moments[1], 2 * moments[2]) / np.maximum(moments[0] + moments[1], 1e-30)

    turned = np.abs(images - images[:, ::-1, ::-1]).sum(axis=(1, 2)) / 2
    expected = noise * np.sqrt(2) * np.sqrt(2 / np.pi) * height * width / 2
    rings = np.minimum((radius / (min(height, width) / 2) * RINGS).astype(int), RINGS)
    profile = np.stack([images[:, rings == ring].mean(axis=1) for ring in range(RINGS)], axis=1)
    scatter = np.stack([images[:, rings == ring].std(axis=1) for ring in range(1, RINGS)], axis=1)
    ring = scatter.argmax(axis=1)
    mean = profile[np.arange(len(images)), ring + 1]
    found = {
        "flux": flux,
        "half-light": reached[1],
        "concentration": 5 * np.log10(np.maximum(reached[2], 1e-9) / np.maximum(reached[0], 1e-9)),
        "ellipticity": ellipticity,
        "asymmetry": (turned - expected) / safe,
        "ring-contrast": scatter[np.arange(len(images)), ring] / np.maximum(np.abs(mean), noise),
    }
    found |= {f"profile-{number + 1}": profile[:, number] for number in range(RINGS)}
    return {name: np.nan_to_num(values) for name, values in found.items()}


def count_peaks(images: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the number of local maxima (above their eight neighbours) in bins of their height: (bins,), per image."""
    images = np.asarray(images)
    tops = images == maximum_filter(images, size=(1, 3, 3))
    return np.histogram(images[tops], edges)[0] / len(images)


def power_spectrum(images: np.ndarray, others: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the power spectrum of images, or the cross spectrum with others, averaged over images and directions.

    Parameters
    ----------
    images : ndarray (N, H, W)
    others : ndarray (N, H, W), optional

    Returns
    -------
    frequency : ndarray (K,), cycles over the image
        Whole numbers from 1 to half the smaller side.
    power : ndarray (K,)
        The square of the unit of the images.
    """
    one = np.fft.rfft2(np.asarray(images, np.float64))
    other = one if others is None else np.fft.rfft2(np.asarray(others, np.float64))
    product = (one * other.conj()).real.mean(axis=0)
    height, width = images.shape[1:]
    frequency = np.hypot(np.fft.fftfreq(height)[:, None] * height, np.fft.rfftfreq(width) * width)
    bins = np.arange(1, min(height, width) // 2 + 1)
    which = np.round(frequency).astype(int)
    # Each frequency along x but 0 and the last one stands for two.
    weight = np.full(product.shape, 2.0)
    weight[:, 0] = 1
    if width % 2 == 0:
        weight[:, -1] = 1
    power = [np.average(product[which == one], weights=weight[which == one]) for one in bins]
    return bins, np.array(power) / (height * width)


def log_power(images: np.ndarray) -> np.ndarray:
    """Return the logarithm of the power of each image (N, H, W) in eight bins of frequency, (N, 8)."""
    height, width = images.shape[1:]
    power = np.square(np.abs(np.fft.rfft2(images))).reshape(len(images), -1)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)).ravel()
    which = np.minimum((frequency * 2 * POWER_BINS).astype(int), POWER_BINS - 1)
    sums = np.stack([power[:, which == one].mean(axis=1) for one in range(POWER_BINS)], axis=1)
    return np.log(np.maximum(sums, 1e-30))


def wasserstein(one: np.ndarray, other: np.ndarray) -> float:
    """Return the one-dimensional Wasserstein distance of two samples, in standard deviations of the second."""
    shares = (np.arange(1000) + 0.5) / 1000
    difference = np.abs(np.quantile(one, shares) - np.quantile(other, shares)).mean()
    return float(difference / max(float(np.std(other)), 1e-30))


def stack(found: Statistics, names: Iterable[str] | None = None) -> np.ndarray:
    """Return statistics as one array (N, F)."""
    return np.stack([found[name] for name in (names or found)], axis=1)


def _measure_noise(images: np.ndarray) -> np.ndarray:
    # The median absolute second difference of neighbouring pixels (see `scaling.fit_image_scaling`).
    second = images[:, :, 2:] - 2 * images[:, :, 1:-1] + images[:, :, :-2]
    return np.median(np.abs(second), axis=(1, 2)) / 0.67449 / np.sqrt(6)


def _first_above(growth: np.ndarray, radii: np.ndarray, share: float) -> np.ndarray:
    return radii[np.argmax(growth >= share, axis=1)]

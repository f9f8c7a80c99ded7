"""How well the light of source and lens is recovered, with bootstrap intervals."""

from collections.abc import Callable

import numpy as np

from stronglens.evaluation import draw_resamples, make_entry

RESAMPLES, LEVEL = 1000, 0.95
SMALLEST_WINDOW = 7
"""Side of the windows of SSIM, pixels: that of scikit-image."""


def peak_ratio(estimate: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the peak signal-to-noise ratio (PSNR) of images (N, H, W), dB: (N,).

    It is 20 log10(peak of the truth / RMS error); the peak is that of each image.
    """
    error = np.sqrt(np.mean((estimate - truth) ** 2, axis=(1, 2)))
    return 20 * np.log10(np.maximum(truth.max(axis=(1, 2)), 1e-30) / np.maximum(error, 1e-30))


def similarity(estimate: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the structural similarity (SSIM; Wang et al. 2004) of images: (N,). The range of values is the peak."""
    from skimage.metrics import structural_similarity

    return np.array(
        [
            structural_similarity(true, one, data_range=float(max(true.max(), 1e-30)))
            for one, true in zip(estimate.astype(float), truth.astype(float), strict=True)
        ]
    )


def flux_ratio(estimate: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the flux of images over the true one: (N,), sums over all pixels."""
    return estimate.sum(axis=(1, 2), dtype=float) / truth.sum(axis=(1, 2), dtype=float)


def half_width(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """Return half of the interval from 16 to 84 per cent: the standard deviation of Gaussian values."""
    low, high = np.percentile(values, (16, 84), axis=axis)
    return (high - low) / 2


def interval(values: np.ndarray, seed: int, statistic: Callable = np.mean) -> dict:
    """Return a statistic of the values (N,) of test images with its bootstrap interval: ``value``, ``low``, ``high``.

    Parameters
    ----------
    values : ndarray (N,)
    seed : int
    statistic : callable
        Takes values and ``axis``.
    """
    random = np.random.default_rng(seed)
    drawn = [statistic(values[which], axis=1) for _, which in draw_resamples(random, len(values), RESAMPLES)]
    value = float(statistic(values, axis=0)) if len(values) else np.nan
    return make_entry(value, np.concatenate(drawn) if drawn else np.empty(0), LEVEL, "no test images")

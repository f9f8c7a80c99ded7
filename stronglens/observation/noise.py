"""The noise of an image, measured on the image itself, and more of the same noise."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d

LAG = 3
"""Pixels between those compared: what a resampling ("drizzling") tied together lies nearer than that.

Adjacent pixels of the SLACS cut-outs have second differences 0.79 times as large as those at a distance of three;
beyond three it is the light of the galaxies that makes them grow.
"""
QUARTILE = 0.318639
"""A quarter of the absolute values of a Gaussian lie below this many of its standard deviations."""


def measure_noise(image: NDArray[np.floating], lag: int = LAG) -> float:
    """Return the standard deviation of the noise in the background of an image.

    Of the second differences ``a - 2 b + c`` of pixels at a distance of `lag`, along rows and columns, which a slope
    leaves at zero and which have six times the variance of a pixel. The lower quartile of their absolute values stands
    for all, for galaxies make the larger ones.

    Parameters
    ----------
    image : ndarray (H, W)
        Values that are not finite are left out, and so are differences of exactly zero: pixels without data. Where
        most are zero, there is no noise.
    lag : int, pixels

    Returns
    -------
    float, unit of the image; 0 where there is no noise, or too little of an image to tell
    """
    rows = image[2 * lag :] - 2 * image[lag:-lag] + image[: -2 * lag]
    columns = image[:, 2 * lag :] - 2 * image[:, lag:-lag] + image[:, : -2 * lag]
    differences = np.abs(np.concatenate([rows.ravel(), columns.ravel()]))
    differences = differences[np.isfinite(differences)]
    noisy = differences[differences > 0]
    if len(noisy) < max(16, len(differences) / 2):
        return 0.0
    return float(np.percentile(noisy, 25)) / QUARTILE / np.sqrt(6)


def draw_noise(like: NDArray[np.floating], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Draw noise like that of an image: as strong, and as smooth from one pixel to the next; always the same.

    White noise is smoothed by the Gaussian whose ratio of second differences, of adjacent pixels to those at a
    distance, is that of the image: with correlations of c1 and c2 at one and at two pixels their variances are
    6 - 8 c1 + 2 c2 to 6.
    """
    deviation = measure_noise(like)
    if deviation == 0:
        return np.zeros(shape)
    ratio = (measure_noise(like, 1) / deviation) ** 2
    width = min(np.linspace(0.2, 1.5, 27), key=lambda width: abs(_ratio_of_smoothed(width) - ratio))
    noise = gaussian_filter(np.random.default_rng(0).standard_normal(shape), width, mode="wrap")
    return deviation * noise / noise.std()


def _ratio_of_smoothed(width: float) -> float:
    response = gaussian_filter1d(np.pad([1.0], 8), width)
    correlation = np.correlate(response, response, "full")[16:] / (response @ response)
    return (6 - 8 * correlation[1] + 2 * correlation[2]) / 6

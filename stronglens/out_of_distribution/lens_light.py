"""Detection of lens light in an image, for networks that were trained without lens light."""

import numpy as np
from scipy.ndimage import uniform_filter

REACH = 2.0
"""Maximum distance of a lens galaxy's peak from its expected position, pixels."""
SHARE = 0.99
"""Fraction of the training images below the limit."""
LOWEST, UNRECORDED = 0.1, 0.6
"""Minimum of the limit, and the limit for a network whose record has none. In five kinds of datasets with 300 to 400
images each, the 99th percentile without lens light is 0.10 (substructure) to 0.59 (composite lenses); the 1st
percentile with lens light is 0.68 to 0.80."""


def measure_central_excess(images: np.ndarray, offset: float = 0.0) -> np.ndarray:
    """Return the excess brightness of the centre of each image over its surroundings, relative to the image's peak.

    The image is averaged over 3 x 3 pixels. The excess is the maximum within 2 pixels of the centre minus the median of
    the ring 4 to 6 pixels from the centre, divided by the peak of the image above its lower quartile. A galaxy at the
    centre gives a value up to 1. Arcs give about 0, whatever their brightness, since lensed images are faint at the
    centre of their lens. A ring with a radius below 7 pixels raises the surroundings: a lens galaxy that is fainter
    than such a ring is missed.

    Parameters
    ----------
    images : ndarray (N, H, W), any unit
    offset : float, pixels
        Maximum distance of the lens from the image centre; it is added to all three radii.

    Returns
    -------
    ndarray (N,), dimensionless
    """
    images = np.asarray(images, np.float64)
    height, width = images.shape[1:]
    y, x = np.mgrid[:height, :width]
    radius = np.hypot(y - (height - 1) / 2, x - (width - 1) / 2)
    smooth = uniform_filter(images, (0, 3, 3), mode="nearest")
    inside, around = radius <= REACH + offset, abs(radius - offset - REACH - 3) <= 1
    centre = smooth[:, inside].max(axis=1)
    surroundings = np.median(smooth[:, around if around.any() else ~inside], axis=1)
    flat = smooth.reshape(len(images), -1)
    contrast = flat.max(axis=1) - np.quantile(flat, 0.25, axis=1)
    return (centre - surroundings) / np.maximum(contrast, np.finfo(np.float64).tiny)


def find_limit(excess: np.ndarray) -> float:
    """Return the limit of the central excess, above which an image has lens light.

    Parameters
    ----------
    excess : ndarray (N,)
        Central excess of the training images.
    """
    return float(np.clip(np.quantile(excess, SHARE, method="higher"), LOWEST, None))

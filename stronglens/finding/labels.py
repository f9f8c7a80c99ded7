"""Is an image that of a lens? The rule of the Bologna challenge, and what is doubtful about it."""

import numpy as np

from stronglens.finding.classes import GROUPS

SMALLEST_MAGNIFICATION = 1.6
"""Of the source, its flux in the image over its unlensed flux."""

FEWEST_PIXELS = 20
"""Pixels in which the lensed source exceeds the standard deviation of the noise; a lens has more."""

MARGIN = 0.2
"""Fraction of a threshold within which an image is doubtful."""

NON_LENS, LENS, DOUBTFUL = range(len(GROUPS))


def label_images(
    magnification: np.ndarray, arc_pixels: np.ndarray, images_of_source: np.ndarray, einstein_radius: np.ndarray
) -> np.ndarray:
    """Return the group of each image.

    The rule of the second strong gravitational lens finding challenge calls an image a lens if the magnification of the
    source exceeds 1.6, more than 20 pixels have lensed light above one standard deviation of the noise, and the source
    has at least one image. Hence it calls a single, magnified image a lens: behind an isothermal sphere it has the
    magnification 1 + theta_E / beta, which exceeds 1.6 for theta_E < beta < 1.67 theta_E. Here such an image is
    doubtful. So is that of a source with several images if one of the two thresholds decides and its value lies within
    20 % of the threshold. A single image that the rule does not call a lens is none, however near it is to a threshold.

    Parameters
    ----------
    magnification : ndarray (N,)
        0 without a source.
    arc_pixels : ndarray (N,)
        Number of pixels of the lensed source above one standard deviation of the noise.
    images_of_source : ndarray (N,) int
        Number of images of the centre of the source; 0 without a source.
    einstein_radius : ndarray (N,), arcsec
        0 without a lens.

    Returns
    -------
    ndarray (N,) int
        Indices into `GROUPS`: 0 non-lens, 1 lens, 2 doubtful.
    """
    excess = np.minimum(np.nan_to_num(magnification) / SMALLEST_MAGNIFICATION, np.asarray(arc_pixels) / FEWEST_PIXELS)
    # The factor of the threshold that decides: the rule is met above 1.
    excess = np.where((np.asarray(images_of_source) > 0) & (np.asarray(einstein_radius) > 0), excess, 0)
    several = np.asarray(images_of_source) > 1
    is_lens = several & (excess > 1 + MARGIN)
    is_doubtful = np.where(several, np.abs(excess - 1) <= MARGIN, excess > 1)
    return np.where(is_lens, LENS, np.where(is_doubtful, DOUBTFUL, NON_LENS))

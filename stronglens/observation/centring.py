"""Find the lens in an image."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter, median_filter

from stronglens.observation.noise import measure_noise
from stronglens.observation.reading import Observation
from stronglens.parameters import RunError, UsageError

SMOOTHING = 0.15
"""Width of the Gaussian that smooths the image, in arcsec, at least 1.5 pixels: about the core of a galaxy or PSF."""
SIGNIFICANCE = 5.0
"""Smallest height of a peak above the background, in standard deviations of the smoothed noise."""


def read_center(words: str) -> str | tuple[float, float]:
    """Parse the value of ``--center``: return ``image``, ``brightest`` or (x, y) in arcsec.

    Raises
    ------
    UsageError
        If it is none of these.
    """
    if words in ("image", "brightest"):
        return words
    try:
        x, y = (float(word) for word in words.split(","))
    except ValueError:
        x = y = np.nan
    if not np.isfinite([x, y]).all():
        raise UsageError(f"--center must be image, brightest or x,y in arcsec; received {words[:60]!r}")
    return x, y


def find_brightest(observation: Observation, reach: float) -> tuple[float, float] | None:
    """Return the position of the brightest peak near the middle, to a small fraction of a pixel.

    A median of 3 x 3 pixels removes hot pixels, a Gaussian most of the noise. The brightest local maximum within
    `reach` of the middle is chosen; the light of a neighbour farther out has no maximum there. The centroid is computed
    in a Gaussian window that is moved to it until it no longer changes ("XWIN" of SExtractor, Bertin & Arnouts 1996,
    A&AS 117, 393).

    Parameters
    ----------
    observation : Observation
        Masked and bad pixels are ignored.
    reach : float, arcsec

    Returns
    -------
    (float, float), arcsec, or None
        (y, x) from the middle of the image, y up; None if no peak is above the noise.
    """
    known = ~observation.hidden
    if not known.any():
        return None
    width = max(1.5, SMOOTHING / observation.pixel_scale)
    # Hidden pixels get the level of the sky: they make no peak, nor a hole that would shift one much.
    image = np.where(known, observation.image, np.median(observation.image[known]))
    image = median_filter(image, 3, mode="nearest")
    smooth = gaussian_filter(image, width, mode="nearest")
    rows, columns = np.indices(image.shape)
    middle = np.array([(side - 1) / 2 for side in image.shape])
    away = np.hypot(rows - middle[0], columns - middle[1]) * observation.pixel_scale
    peaks = (smooth == maximum_filter(smooth, 3, mode="nearest")) & (away <= reach) & known
    background = np.median(smooth)
    scatter = measure_noise(np.where(known, smooth, np.nan), int(np.ceil(4 * width)))
    peaks &= smooth - background > SIGNIFICANCE * scatter
    if not peaks.any() or np.ptp(smooth) == 0:
        return None
    start = np.array(np.unravel_index(np.argmax(np.where(peaks, smooth, -np.inf)), image.shape), float)
    row, column = _follow_centroid(image - background, start, width)
    return float(middle[0] - row) * observation.pixel_scale, float(column - middle[1]) * observation.pixel_scale


def place_center(
    observation: Observation, center: str | tuple[float, float], field: float, trained: float | None
) -> tuple[tuple[float, float], list[str]]:
    """Choose the centre of the field.

    Parameters
    ----------
    observation : Observation
    center : "image", "brightest" or (float, float), arcsec
        As from `read_center`.
    field : float, arcsec
        Smaller side of the network's field. A lens is searched within a quarter of it from the middle.
    trained : float or None, arcsec
        Largest distance of a lens from the middle of its training image; None if unknown.

    Returns
    -------
    centre : (float, float), arcsec
        (y, x) from the middle of the image, y up, as `prepare` takes it.
    notes : list of str

    Raises
    ------
    RunError
        If there is no peak of light, or if the centre lies outside the image.
    """
    if observation.pixel_scale is None:
        return (0.0, 0.0), []  # prepare says what is missing
    reach = field / 4
    if isinstance(center, tuple):
        x, y = center
        height, width = (side * observation.pixel_scale for side in observation.image.shape)
        if abs(x) >= width / 2 or abs(y) >= height / 2:
            raise RunError(
                f"{observation.name}: --center={x:g},{y:g} lies outside the image, "
                f"which has {width:.4g} x {height:.4g} arcsec"
            )
        return (y, x), [f"centred {_offset(y, x)}, as --center says"]
    found = find_brightest(observation, reach)
    if center == "brightest":
        if found is None:
            raise RunError(
                f"{observation.name}: no peak of light stands out of the noise within {reach:.3g} arcsec of the "
                "image's middle; give --center x,y in arcsec"
            )
        return found, [f"centred on the light's peak, {_offset(*found)}"]
    # The middle of a cut-out may be off by a pixel, if the lens's position was rounded.
    allowed = max(trained or 0.0, 1.5 * observation.pixel_scale)
    if found is not None and np.hypot(*found) > allowed:
        learned = "" if trained is None else f", in the training images at most {trained:.2g} arcsec off"
        return (0.0, 0.0), [
            f"the light's peak is {_offset(*found)}{learned}. If this is the lens, use --center brightest"
        ]
    return (0.0, 0.0), []


def _follow_centroid(image: NDArray[np.float64], start: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    rows, columns = np.indices(image.shape)
    near = np.hypot(rows - start[0], columns - start[1]) <= 6 * width
    rows, columns, light = rows[near], columns[near], image[near]
    place = start
    for _ in range(30):
        weight = light * np.exp(-((rows - place[0]) ** 2 + (columns - place[1]) ** 2) / (2 * width**2))
        total = weight.sum()
        if not total > 0:
            return start
        # If window and light have the same width, their product peaks halfway between them: hence the factor two.
        step = 2 * np.array([(weight * (rows - place[0])).sum(), (weight * (columns - place[1])).sum()]) / total
        place = place + step
        if np.hypot(*(place - start)) > 2 * width:
            return start
        if np.hypot(*step) < 1e-4:
            break
    return place


def _offset(y: float, x: float) -> str:
    return f"at (x, y) = ({x:+.3f}, {y:+.3f}) arcsec from the middle of the file"

"""The constant level of an image's background."""

import numpy as np

from stronglens.observation.reading import Observation
from stronglens.parameters import RunError, UsageError

INNER, OUTER = 0.7, 2.0
"""Radii between which the background is fitted, in units of half the field's side."""
RINGS = 12
SLOPE = 3.0
"""Light of galaxies falls as radius^-3 there. Of 2, 2.5, 3 and 4 this is the exponent that leaves the smallest error:
with it the level of simulated images is wrong by 0.3 to 0.5 of a pixel's noise at 68 % (sie and composite, Euclid, 64
pixels) and by 0.2 (HST, 128)."""


def read_background(words: str) -> str | float:
    """Return ``none``, ``fit``, or the value that ``--background`` gives, in the unit of the file.

    Raises
    ------
    UsageError
        If it is none of these.
    """
    if words.strip().lower() in ("none", "fit"):
        return words.strip().lower()
    try:
        value = float(words)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise UsageError(f"--background must be none, fit or a number in the unit of the file; received {words[:60]!r}")
    return value


def fit_background(observation: Observation, middle: tuple[float, float], half: float) -> float:
    """Fit the level of the sky to an image's outskirts.

    The medians of rings about the lens, weighted by their numbers of pixels, are fitted by ``level + a radius^-3`` with
    ``a`` not below zero.

    Parameters
    ----------
    observation : Observation
        Its masked and bad pixels are left out.
    middle : (float, float), pixels
        Row and column of the lens, from the outer corner of the first pixel.
    half : float, pixels
        Half of the field's side; pixels from 0.7 to 2 times that are used.

    Returns
    -------
    float, counts per second in a pixel

    Raises
    ------
    RunError
        If masked and bad pixels leave too few rings.
    """
    rows, columns = np.indices(observation.image.shape)
    radius = np.hypot(rows + 0.5 - middle[0], columns + 0.5 - middle[1])
    used = (radius >= INNER * half) & (radius <= OUTER * half) & ~observation.hidden
    radius, values = radius[used], observation.image[used]
    edges = np.linspace(INNER * half, radius.max(initial=half), RINGS + 1)
    ring = np.clip(np.digitize(radius, edges) - 1, 0, RINGS - 1)
    rings = [ring == number for number in range(RINGS) if np.count_nonzero(ring == number) >= 9]
    if len(rings) < RINGS // 3:
        raise RunError(
            f"{observation.name}: its outskirts hold too few usable pixels to fit a background; give --background=VALUE"
        )
    weights = np.sqrt([np.count_nonzero(one) for one in rings])
    medians = np.array([np.median(values[one]) for one in rings])
    light = np.array([np.mean((radius[one] / half) ** -SLOPE) for one in rings])
    (level, slope), *_ = np.linalg.lstsq(
        np.stack([np.ones(len(rings)), light], axis=1) * weights[:, None], medians * weights, rcond=None
    )
    return float(level if slope >= 0 else np.average(medians, weights=weights**2))

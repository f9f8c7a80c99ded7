"""Bootstrap resamples of test images, and the interval of a metric: its entry ``{"value", "low", "high"}``."""

from collections.abc import Iterator

import numpy as np

# Numbers in memory at a time: 32 MB in double precision.
BOOTSTRAP_CHUNK = 4_000_000
# Minimum fraction of valid resamples for an interval; a resample is invalid if, for example, all its truths are equal.
SMALLEST_VALID_SHARE = 0.9


def draw_resamples(rng: np.random.Generator, count: int, resamples: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the image indices of bootstrap resamples, R resamples at a time; none for fewer than two images.

    Parameters
    ----------
    rng : numpy.random.Generator
    count : int
        Number of images. Each resample draws this number of images with replacement.
    resamples : int
        Number of resamples.

    Yields
    ------
    slice, ndarray (R, count) int
        The position of these resamples among all, and the indices of their images.
    """
    if count < 2:
        return
    rows = max(1, BOOTSTRAP_CHUNK // count)
    for start in range(0, resamples, rows):
        stop = min(start + rows, resamples)
        yield slice(start, stop), rng.integers(count, size=(stop - start, count))


def count_draws(which: np.ndarray) -> np.ndarray:
    """Count the occurrences of each image in each resample.

    Parameters
    ----------
    which : ndarray (R, N) int
        From `draw_resamples`.

    Returns
    -------
    ndarray (R, N) float64
    """
    rows, count = which.shape
    places = which + count * np.arange(rows)[:, None]
    return np.bincount(places.ravel(), minlength=rows * count).reshape(rows, count).astype(np.float64)


def make_entry(value: float, drawn: np.ndarray, level: float, undefined_because: str, reflect: bool = False) -> dict:
    """Return a metric with its bootstrap interval.

    Parameters
    ----------
    value : float
        Not finite if the metric is undefined.
    drawn : ndarray (R,)
        Its values in the resamples; values that are not finite are ignored. Empty without resamples.
    level : float
        Probability of the interval.
    undefined_because : str
        The reason for a value that is not finite.
    reflect : bool
        Whether to reflect the percentiles about the value (basic bootstrap: 2 value - percentile). This is for a
        metric that noise can only increase, so that each resample increases it again.

    Returns
    -------
    dict
        ``{"value", "low", "high"}``. Undefined numbers are None, with a ``"reason"``.
    """
    if not np.isfinite(value):
        return undefined(undefined_because)
    entry = {"value": float(value), "low": None, "high": None}
    valid = drawn[np.isfinite(drawn)]
    if len(valid) < max(1, SMALLEST_VALID_SHARE * len(drawn)):
        return entry | {"reason": "too few test images for an interval"}
    low, high = np.percentile(valid, (50 * (1 - level), 50 * (1 + level)))
    if reflect:
        low, high = max(0.0, 2 * value - high), max(0.0, 2 * value - low)
    return entry | {"low": float(low), "high": float(high)}


def undefined(reason: str) -> dict:
    """Return the entry of an undefined metric, with its reason."""
    return {"value": None, "low": None, "high": None, "reason": reason}


def format_number(value: float | None) -> str:
    """Return a number with three significant digits; a dash for None."""
    return "-" if value is None else f"{value:.3g}"


def format_interval(entry: dict) -> str:
    """Return the interval of an entry as text; a dash if it has no interval."""
    return "-" if entry["low"] is None else f"{format_number(entry['low'])} .. {format_number(entry['high'])}"

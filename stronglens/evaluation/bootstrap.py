"""Resamples of test images, and what they say of a number: its entry ``{"value", "low", "high"}``."""

from collections.abc import Iterator

import numpy as np

# Numbers held at once by the bootstrap: 32 MB in double precision.
BOOTSTRAP_CHUNK = 4_000_000
# A resample can be degenerate (all its truths equal); an interval must rest on most of them.
SMALLEST_VALID_SHARE = 0.9


def draw_resamples(rng: np.random.Generator, count: int, resamples: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield which images each resample holds, some resamples at a time; none where there are fewer than two images.

    Parameters
    ----------
    rng : numpy.random.Generator
    count : int
        Images; each resample draws as many of them with replacement.
    resamples : int

    Yields
    ------
    slice, ndarray (R, count) int
        The resamples' places among all, and the indices of their images.
    """
    if count < 2:
        return
    rows = max(1, BOOTSTRAP_CHUNK // count)
    for start in range(0, resamples, rows):
        stop = min(start + rows, resamples)
        yield slice(start, stop), rng.integers(count, size=(stop - start, count))


def count_draws(which: np.ndarray) -> np.ndarray:
    """Return how often each image is in each resample.

    Parameters
    ----------
    which : ndarray (R, N) int
        As from `draw_resamples`.

    Returns
    -------
    ndarray (R, N) float64
    """
    rows, count = which.shape
    places = which + count * np.arange(rows)[:, None]
    return np.bincount(places.ravel(), minlength=rows * count).reshape(rows, count).astype(np.float64)


def make_entry(value: float, drawn: np.ndarray, level: float, undefined_because: str, reflect: bool = False) -> dict:
    """Return a number with the interval that its resamples give.

    Parameters
    ----------
    value : float
        Not finite where it is undefined.
    drawn : ndarray (R,)
        Its values in the resamples, those that are not finite left out; empty where none could be drawn.
    level : float
        Probability of the interval.
    undefined_because : str
        The reason, should the value not be finite.
    reflect : bool
        Whether the percentiles are reflected about the value (the basic bootstrap: 2 value - percentile),
        for a number that noise can only raise and that each resample therefore raises once more.

    Returns
    -------
    dict
        ``{"value", "low", "high"}``; what is undefined is None, with its ``"reason"``.
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
    """Return the entry of a number that does not exist."""
    return {"value": None, "low": None, "high": None, "reason": reason}


def format_number(value: float | None) -> str:
    """Return three figures of a number, or a dash for none."""
    return "-" if value is None else f"{value:.3g}"


def format_interval(entry: dict) -> str:
    """Return an entry's interval, or a dash where it has none."""
    return "-" if entry["low"] is None else f"{format_number(entry['low'])} .. {format_number(entry['high'])}"

"""Errors of reconstructed sources, for one set of lenses at one noise level.

Model galaxies and photographed galaxies are always evaluated apart. Intervals are 95 % bootstrap intervals. All images
of a photographed galaxy are resampled together, since they are not independent.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from skimage.metrics import structural_similarity

from stronglens.reconstruction.calibration import BRIGHT, PROBABILITIES

RESAMPLES = 500

Entry = dict[str, float | None]


@dataclass(frozen=True, eq=False)
class LensSet:
    """The lenses of a test and their true sources.

    Attributes
    ----------
    rows : ndarray (N,) of int
        Indices in the dataset.
    sources : ndarray (N, S, S)
    kinds : dict of str to ndarray (N,) bool
        ``model`` and ``photographed``.
    groups : ndarray (N,) of int
        Identity of the galaxy: equal for images that are not independent.
    satellites : ndarray (N, S, S) bool
        Pixels near a compact satellite of a model galaxy.
    """

    rows: np.ndarray
    sources: np.ndarray
    kinds: Mapping[str, np.ndarray]
    groups: np.ndarray
    satellites: np.ndarray


def evaluate(
    test: LensSet,
    estimates: Mapping[str, np.ndarray],
    intervals: np.ndarray | None,
    chi2: np.ndarray,
    seed: int = 0,
) -> dict[str, dict]:
    """Return the metrics of one noise level for each kind of galaxy that the test set has.

    Parameters
    ----------
    test : LensSet
    estimates : dict of str to ndarray (N, S, S)
        Sources by method; the last method is the one that is evaluated in detail.
    intervals : ndarray (2, N, S, S) or None
        Half-widths of the 68 and 95 % intervals of the last method.
    chi2 : ndarray (N,)
        Chi-squared per image pixel of the last method.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    dict of kind to dict
    """
    found = {}
    for kind, chosen in test.kinds.items():
        if not chosen.any():
            continue
        truth, groups = test.sources[chosen], test.groups[chosen]
        resamples = draw_groups(groups, np.random.default_rng(seed))
        zero = np.mean(truth**2, axis=(1, 2))
        errors = {name: np.mean((values[chosen] - truth) ** 2, axis=(1, 2)) for name, values in estimates.items()}
        *_, name = estimates
        estimate, mse = estimates[name][chosen], errors[name]
        ratio = estimate.sum(axis=(1, 2)) / truth.sum(axis=(1, 2))

        def entry(statistic: Callable, *values: np.ndarray, resamples=resamples) -> Entry:
            return bootstrap(statistic, values, resamples)

        metrics: dict = {
            "lenses": int(chosen.sum()),
            "galaxies": len(np.unique(groups)),
            "rmse": entry(_root_mean, mse),
            "median_rmse": entry(lambda values: float(np.sqrt(np.median(values))), mse),
            "rmse_over_zero": entry(lambda some, none: _root_mean(some) / _root_mean(none), mse, zero),
            "psnr": entry(np.mean, -10 * np.log10(np.maximum(mse, 1e-12))),
            "ssim": entry(np.mean, _similarity(truth, estimate)),
            "flux": entry(np.median, ratio),
            "flux_scatter": entry(_scatter, ratio),
            "chi2": entry(np.median, chi2[chosen]),
            "methods": {"zero": entry(_root_mean, zero)}
            | {method: entry(_root_mean, values) for method, values in errors.items()},
        }
        near = test.satellites[chosen]
        if near.any():
            metrics["rmse_at_satellites"] = float(np.sqrt(np.mean((estimate - truth)[near] ** 2)))
        if intervals is not None:
            metrics["coverage"] = _coverage(estimate - truth, intervals[:, chosen], estimate > BRIGHT)
        found[kind] = metrics
    return found


def draw_groups(groups: np.ndarray, random: np.random.Generator, resamples: int = RESAMPLES) -> list[np.ndarray]:
    """Return bootstrap resamples of rows (N,), in which groups are drawn as a whole."""
    _, number = np.unique(groups, return_inverse=True)
    members = [np.flatnonzero(number == group) for group in range(number.max() + 1)]
    return [
        np.concatenate([members[group] for group in random.integers(len(members), size=len(members))])
        for _ in range(resamples)
    ]


def bootstrap(statistic: Callable, values: tuple[np.ndarray, ...], resamples: list[np.ndarray]) -> Entry:
    """Return a statistic of values (N,) with its 95 % bootstrap interval: ``value``, ``low``, ``high``."""
    drawn = [statistic(*(array[rows] for array in values)) for rows in resamples]
    low, high = np.percentile(drawn, (2.5, 97.5))
    return {"value": float(statistic(*values)), "low": float(low), "high": float(high)}


def _root_mean(squares: np.ndarray) -> float:
    return float(np.sqrt(np.mean(squares)))


def _scatter(ratio: np.ndarray) -> float:
    """Return half of the interval from the 16th to the 84th percentile."""
    low, high = np.percentile(ratio, (16, 84))
    return float(high - low) / 2


def _similarity(truth: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    return np.array([structural_similarity(*pair, data_range=1.0) for pair in zip(truth, estimate, strict=True)])


def _coverage(error: np.ndarray, intervals: np.ndarray, is_bright: np.ndarray) -> dict[str, dict[str, float]]:
    """Return the fraction of pixels inside the intervals, by kind of pixel and probability."""
    inside = np.abs(error) <= intervals
    return {
        name: {f"{p:.0%}": float(inside[level][pixels].mean()) for level, p in enumerate(PROBABILITIES)}
        for name, pixels in (("all", np.ones_like(is_bright)), ("bright", is_bright))
        if pixels.any()
    }

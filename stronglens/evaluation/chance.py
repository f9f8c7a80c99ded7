"""Null distribution of the calibration statistics for N uniform variates."""

from functools import lru_cache

import numpy as np
from scipy.special import bdtr
from scipy.stats import binom

from stronglens.evaluation.bootstrap import make_entry, undefined

CELLS = 100  # coverage is computed at 1, 2, ..., 99 %
SIMULATIONS = 20_000  # of the null distribution: the tail for 20 labels (0.125 %) contains 25 simulations
MOST_BINS, IMAGES_A_BIN = 25, 20  # the counts in a bin scatter by at most about a quarter


class NullDistribution:
    """Distribution of the calibration statistics for N uniform variates, and tests of other numbers against it.

    Parameters
    ----------
    count : int
        N, the number of images.
    tests : int
        Number of simultaneous tests. Each is made at level^(1 / tests) (Sidak).
    level : float
        Probability that no test gives a false alarm.
    """

    def __init__(self, count: int, tests: int, level: float):
        self.count, self.level, self.tests = count, level, tests
        self.at = np.arange(1, CELLS) / CELLS
        self.bins = int(np.clip(count // IMAGES_A_BIN, 4, MOST_BINS))
        if not count:
            return
        self.deviations, self.tails = _simulate_chance(count)
        self.level_each = level ** (1 / tests)
        self.largest = self.quantile(self.level_each)
        self.single = self.quantile(level)

    def quantile(self, probability: float) -> float:
        """Return a quantile of the largest coverage deviation."""
        return float(np.quantile(self.deviations, probability, method="higher"))

    def p_value(self, deviation: float) -> float:
        """Return the probability of a largest coverage deviation of at least this size."""
        # Deviations are multiples of 1 / N up to rounding: allow for it.
        beyond = SIMULATIONS - np.searchsorted(self.deviations, deviation - 1e-9)
        return (1 + int(beyond)) / (1 + SIMULATIONS)

    def to_dict(self) -> dict:
        """Return the bounds as plain data; see `posterior_metrics`."""
        if not self.count:
            return dict.fromkeys(
                ("coverage_deviation", "largest_coverage_deviation", "rank_low", "rank_high", "ecdf_low", "ecdf_high")
            )
        low, high = binom.ppf([(1 - self.level) / 2, (1 + self.level) / 2], self.count, 1 / self.bins)
        tail = float(np.quantile(self.tails, 1 - self.level_each, method="lower")) / 2
        # Counts with larger tail probabilities: the whole curve is inside with probability ``level_each``.
        lowest = binom.ppf(tail, self.count, self.at)
        highest = binom.isf(tail, self.count, self.at)
        return {
            "coverage_deviation": round_curve(self.single),
            "largest_coverage_deviation": round_curve(self.largest),
            "rank_low": int(low),
            "rank_high": int(high),
            "ecdf_low": round_curve(lowest / self.count - self.at),
            "ecdf_high": round_curve(highest / self.count - self.at),
        }

    def check_label(self, shares: np.ndarray, rng: np.random.Generator, resamples: int, problem: str | None) -> dict:
        """Return the coverage and ranks of a label.

        Parameters
        ----------
        shares : ndarray (N,)
            Fraction of the posterior samples below the truth for each image.
        rng : numpy.random.Generator
        resamples : int
        problem : str or None
            Reason why the label cannot be tested.
        """
        judged = self.judge_coverage(np.abs(2 * shares - 1), rng, resamples, problem)
        if problem:
            nothing = dict.fromkeys(("counts", "ecdf_difference", "p_value", "is_within_chance"))
            return judged | {"ranks": nothing | {"reason": problem}}
        cumulative = _count_cells(shares)
        tail = _smallest_tail(cumulative[None], self.count)[0]
        p_value = (1 + int(np.searchsorted(self.tails, tail * (1 + 1e-9), "right"))) / (1 + SIMULATIONS)
        ranks = {
            "counts": np.histogram(shares, self.bins, (0, 1))[0].tolist(),
            "ecdf_difference": round_curve(cumulative / self.count - self.at),
            "p_value": p_value,
            "is_within_chance": p_value >= 1 - self.level_each,
        }
        return judged | {"ranks": ranks}

    def judge_coverage(self, shares: np.ndarray, rng: np.random.Generator, resamples: int, problem: str | None) -> dict:
        """Return the coverage curve of numbers (N,) that are uniform under calibration, and its largest deviation."""
        if problem:
            nothing = dict.fromkeys(("signed", "at", "chance", "p_value", "is_within_chance"))
            return {"coverage": None, "coverage_deviation": undefined(problem) | nothing}
        cumulative = _count_cells(shares)
        difference = cumulative / self.count - self.at
        worst = int(np.abs(difference).argmax())
        value = abs(float(difference[worst]))
        drawn = np.empty(0)
        if self.count > 1 and resamples:
            # Resampling images is multinomial sampling of the counts in cells.
            cells = np.diff(cumulative, prepend=0, append=self.count) / self.count
            again = np.cumsum(rng.multinomial(self.count, cells, resamples), axis=1)[:, :-1]
            drawn = np.abs(again / self.count - self.at).max(axis=1)
        entry = make_entry(value, drawn, self.level, "", reflect=True)
        extra = {
            "signed": float(difference[worst]),
            "at": float(self.at[worst]),
            "chance": round_curve(self.single),
            "p_value": self.p_value(value),
            "is_within_chance": value <= self.largest + 1e-9,
        }
        return {"coverage": round_curve(cumulative / self.count), "coverage_deviation": entry | extra}


@lru_cache(maxsize=4)
def _simulate_chance(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the sorted largest deviations and smallest tails of many simulations of ``count`` uniform numbers."""
    # A fixed seed: the null distribution does not depend on the data.
    rng = np.random.default_rng(0)
    cumulative = np.cumsum(rng.multinomial(count, np.full(CELLS, 1 / CELLS), SIMULATIONS), axis=1)[:, :-1]
    deviations = np.abs(cumulative / count - np.arange(1, CELLS) / CELLS).max(axis=1)
    return np.sort(deviations), np.sort(_smallest_tail(cumulative, count))


def _smallest_tail(cumulative: np.ndarray, count: int) -> np.ndarray:
    """Return twice the smallest binomial tail along each curve of counts (R, 99): Säilynoja et al., equation 11."""
    levels = np.arange(1, CELLS) / CELLS
    below = bdtr(cumulative, count, levels)
    above = np.where(cumulative > 0, 1 - bdtr(np.maximum(cumulative - 1, 0), count, levels), 1.0)
    return 2 * np.minimum(below, above).min(axis=1)


def _count_cells(shares: np.ndarray) -> np.ndarray:
    """Return the numbers of values (N,) below each of the 99 levels."""
    cells = np.minimum((shares * CELLS).astype(int), CELLS - 1)
    return np.cumsum(np.bincount(cells, minlength=CELLS))[:-1]


def round_curve(values):
    """Return numbers rounded to 6 decimals, for short JSON. Curves are only drawn."""
    rounded = np.round(values, 6)
    return rounded.tolist()

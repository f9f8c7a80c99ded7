"""Parameters and a seed to a table of draws, one row an image.

Every image owns its random numbers: ``SeedSequence(seed, spawn_key=(stream, index))``. What it draws depends on the
seed and its index alone: not on how many images there are, nor on which others are drawn beside it.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from stronglens.parameters import Range, RunError

Draws = dict[str, np.ndarray]


class Stream(IntEnum):
    """What a sequence of random numbers is for. Streams of one image never overlap."""

    DRAWS = 0
    NOISE = 1
    SPLIT = 2
    SUBSTRUCTURE = 3
    CLUMPS = 4
    SOURCE_GALAXY = 5


@dataclass(frozen=True)
class Rule:
    """A rule that joins drawn quantities, or draws and the image made from them.

    Attributes
    ----------
    reason : str
        The code under which draws that break the rule are counted, such as ``source-before-lens``.
    holds : callable
        Takes the draws (dict of (N,) arrays) and returns (N,) bool.
    remedy : str
        What to change when no draw can satisfy the rule.
    """

    reason: str
    holds: Callable[[Draws], np.ndarray]
    remedy: str


def generator(seed: int, stream: Stream, *key: int) -> np.random.Generator:
    """Return the random generator of one stream: of one image, when its index is given."""
    return np.random.default_rng(_sequence(seed, stream, *key))


def key_words(seed: int, stream: Stream, *key: int) -> np.ndarray:
    """Return (2,) uint32 that key the same stream in a library with random numbers of its own, such as JAX."""
    return _sequence(seed, stream, *key).generate_state(2)


@dataclass
class Sampler:
    """Draws for a chunk of images, redrawn until every rule holds.

    One row consumes one random number a column, fixed columns included, so that narrowing one range leaves the draws
    of the others as they were.

    Attributes
    ----------
    ranges : dict of column to Range
    rules : sequence of Rule
    indices : (N,) ints, the images' indices
    tries : int, how many draws an image may take
    derive : callable, (N,) draws and the images' (N,) indices -> (N,) columns that follow from them; rules see all
    rejected : Counter of reasons, over all images so far
    draws : dict of column to (N,) float64, the derived ones last
    """

    ranges: Mapping[str, Range]
    rules: Sequence[Rule]
    seed: int
    indices: Sequence[int]
    tries: int
    derive: Callable[[Draws, np.ndarray], Draws] = lambda draws, indices: {}
    rejected: Counter = field(default_factory=Counter)

    def __post_init__(self):
        self._generators = [generator(self.seed, Stream.DRAWS, index) for index in self.indices]
        self._taken = np.zeros(len(self.indices), int)
        self.draws: Draws = {}
        self.draw(np.ones(len(self.indices), bool))

    def draw(self, pending: np.ndarray) -> None:
        """Draw the images marked in ``pending`` anew, until every rule holds for them.

        Parameters
        ----------
        pending : (N,) bool

        Raises
        ------
        RunError
            When an image has used up its tries: names the rule that refused it most often, and the remedy.
        """
        low = np.array([chosen.low for chosen in self.ranges.values()])
        width = np.array([chosen.high - chosen.low for chosen in self.ranges.values()])
        pending = pending.copy()
        while pending.any():
            rows = np.flatnonzero(pending)
            if np.any(self._taken[rows] >= self.tries):
                raise self._exhausted()
            self._taken[rows] += 1
            values = np.stack([self._generators[row].random(low.size) for row in rows]) * width + low
            drawn = dict(zip(self.ranges, values.T, strict=True))
            drawn |= self.derive(drawn, np.asarray(self.indices)[rows])
            for name, column in drawn.items():
                self.draws.setdefault(name, np.full(len(self.indices), np.nan))[rows] = column
            accepted = np.ones(rows.size, bool)
            for rule in self.rules:
                holds = np.asarray(rule.holds(drawn), bool)
                self.rejected[rule.reason] += int(np.sum(accepted & ~holds))
                accepted &= holds
            pending[rows[accepted]] = False

    def redraw(self, failed: np.ndarray, reason: str) -> None:
        """Count images refused after rendering under ``reason`` and draw them anew."""
        self.rejected[reason] += int(np.sum(failed))
        self.draw(failed)

    def _exhausted(self) -> RunError:
        reason, count = self.rejected.most_common(1)[0]
        remedy = next((rule.remedy for rule in self.rules if rule.reason == reason), "loosen the cut")
        return RunError(
            f"no image accepted in {self.tries} tries: {count} draws refused as {reason!r}; {remedy}, or raise --tries"
        )


def _sequence(seed: int, stream: Stream, *key: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=(int(stream), *key))


def describe_prior(values: np.ndarray, bins: int = 10) -> dict:
    """Summarise what a column's distribution became after rejections.

    Returns
    -------
    dict
        ``min``, ``max``, ``mean``, ``std``, ``percentiles`` (2.5, 16, 50, 84, 97.5) and a ``histogram`` of counts
        in equal bins from min to max.
    """
    values = np.asarray(values, float)
    return {
        "min": float(values.min()),
        "max": float(values.max()),
        "mean": float(values.mean()),
        "std": float(values.std()),
        "percentiles": [float(v) for v in np.percentile(values, (2.5, 16, 50, 84, 97.5))],
        "histogram": np.histogram(values, bins)[0].tolist(),
    }

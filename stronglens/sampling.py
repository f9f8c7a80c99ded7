"""Random draws of the parameters of images.

Each image has its own random numbers, ``SeedSequence(seed, spawn_key=(stream, index))``. They depend on the seed and
the index of the image only, not on the number of images or on the other images of a chunk.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from stronglens.parameters import Range, RunError

Draws = dict[str, np.ndarray]


class Stream(IntEnum):
    """Purpose of a sequence of random numbers. The streams of an image are independent."""

    DRAWS = 0
    NOISE = 1
    SPLIT = 2
    SUBSTRUCTURE = 3
    CLUMPS = 4
    SOURCE_GALAXY = 5
    OBSERVATION = 6
    LENS_ERROR = 7
    POPULATION = 8
    GENERATED = 9


@dataclass(frozen=True)
class Rule:
    """A condition that the draws of an image must satisfy.

    Attributes
    ----------
    reason : str
        Name under which rejected draws are counted, such as ``source-before-lens``.
    holds : callable
        Takes the draws (dict of (N,) arrays) and returns (N,) bool.
    remedy : str
        Advice for the user if no draw satisfies the rule.
    """

    reason: str
    holds: Callable[[Draws], np.ndarray]
    remedy: str


def generator(seed: int, stream: Stream, *key: int) -> np.random.Generator:
    """Return the random generator of a stream. The key is the index of an image, or empty."""
    return np.random.default_rng(_sequence(seed, stream, *key))


def key_words(seed: int, stream: Stream, *key: int) -> np.ndarray:
    """Return a key (2,) uint32 of a stream, for a library with its own random numbers, such as JAX."""
    return _sequence(seed, stream, *key).generate_state(2)


@dataclass
class Sampler:
    """Draws for a chunk of images, repeated until all rules hold (rejection sampling).

    A draw uses one random number for each column, also for a fixed column. A change of one range therefore does not
    change the draws of other columns.

    Attributes
    ----------
    ranges : dict of column to Range
    rules : sequence of Rule
    seed : int
    indices : sequence of N int
        Indices of the images.
    tries : int
        Maximum number of draws per image.
    derive : callable
        Takes the draws (dict of (N,) arrays) and the indices (N,) and returns the derived columns (dict of (N,)
        arrays). Rules apply to drawn and derived columns.
    rejected : Counter
        Number of rejected draws by reason.
    draws : dict of column to ndarray (N,) float64
        Drawn columns, then derived columns.
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
        """Draw some images again, until all rules hold for them.

        Parameters
        ----------
        pending : ndarray (N,) bool
            The images to draw.

        Raises
        ------
        RunError
            When an image reaches the maximum number of draws; the message gives the most frequent reason and its
            remedy.
        """
        low = np.array([limits.low for limits in self.ranges.values()])
        width = np.array([limits.high - limits.low for limits in self.ranges.values()])
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
        """Reject images (N,) bool after rendering: count them under ``reason`` and draw them again.

        Raises
        ------
        RunError
            See `draw`.
        """
        self.rejected[reason] += int(np.sum(failed))
        self.draw(failed)

    def _exhausted(self) -> RunError:
        reason, count = self.rejected.most_common(1)[0]
        remedy = next((rule.remedy for rule in self.rules if rule.reason == reason), "loosen the cut")
        return RunError(
            f"no image accepted in {self.tries} tries: {count} draws rejected as {reason!r}; {remedy}, or raise --tries"
        )


def _sequence(seed: int, stream: Stream, *key: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=(int(stream), *key))


def describe_prior(values: np.ndarray, bins: int = 10) -> dict:
    """Summarise the distribution of a column after rejections.

    Parameters
    ----------
    values : ndarray (N,), unit of the column
    bins : int

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

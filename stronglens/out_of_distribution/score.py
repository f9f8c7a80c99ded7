"""Out-of-distribution score of an image with respect to a network's training set."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from stronglens.parameters import RunError

ASPECTS = {
    "summary": "in the network's features",
    "width": "in the width of its posterior",
    "centre": "in the centroid of its light",
    "texture": "in its noise, sharpness or brightness",
}
"""Aspects of an image that are compared, with their description; the width only if there is a posterior. Each aspect
detects other kinds of images: see `docs/posteriors.md`."""

FLOOR = 1e-3
"""Regularisation of the covariance: added to each variance, in units of the mean variance."""
SMALLEST_WIDTH = 1e-12
"""Lower bound on posterior widths, to avoid division by zero."""
MOST_COMPONENTS = 256
"""Maximum number of principal components in a score. All components of 2,048 features would need 60 MB of a network's
record."""

VERSION = 2
"""Version of the record. Records of other versions have other aspects and are ignored."""

QUANTILES = np.concatenate([np.linspace(0, 0.99, 100), np.linspace(0.991, 1, 10)])
"""Probabilities of the recorded quantiles of the scores."""
FAR = 0.99
"""Threshold: an image is out of distribution if its score exceeds this fraction of the validation images' scores."""
UNLIKE = "UNLIKE THE TRAINING SET"
MIN_VALIDATION = 100
"""Minimum number of validation images; with fewer, the 99th percentile is too uncertain."""
MIN_TAIL_IMAGES = 5
"""Minimum number of validation images beyond each threshold, so that one outlier cannot set it."""


@dataclass(frozen=True)
class _Scale:
    """Base class: scale distances by those of validation images."""

    def score(self, values: np.ndarray) -> np.ndarray:
        """Return the distances of values (N, F) on a logarithmic scale, (N,): 0 is the median, 1 the threshold."""
        return np.log(self.distance(values) / self.usual) / np.log(self.far / self.usual)

    def _scaled(self, unseen: np.ndarray, share: float):
        usual, far = np.quantile(self.distance(unseen), (0.5, share))
        return replace(self, usual=float(usual), far=float(max(far, 1.001 * usual)))


@dataclass(frozen=True)
class MahalanobisScore(_Scale):
    """Mahalanobis distance of features from the mean of the training images (Lee et al. 2018, NeurIPS).

    Attributes
    ----------
    mean : ndarray (F,)
    whitening : ndarray (F, K)
        Matrix from values minus the mean to uncorrelated numbers of unit variance; K is the smaller of F and 256, the
        number of principal components with the largest variances.
    usual, far : float
        Median and threshold of the distances of validation images.
    """

    mean: np.ndarray
    whitening: np.ndarray
    usual: float = 1.0
    far: float = 2.0

    @classmethod
    def fit(cls, values: np.ndarray, unseen: np.ndarray, share: float = FAR) -> "MahalanobisScore":
        """Fit a score.

        Parameters
        ----------
        values : ndarray (M, F)
            Features of training images.
        unseen : ndarray (V, F)
            Features of validation images.
        share : float
            Fraction of the validation images below the threshold.
        """
        values = np.asarray(values, np.float64)
        variance, axes = np.linalg.eigh(np.atleast_2d(np.cov(values, rowvar=False, ddof=0)))
        floor = max(FLOOR * variance.mean(), np.finfo(np.float32).tiny)
        variance, axes = variance[-MOST_COMPONENTS:], axes[:, -MOST_COMPONENTS:]  # in ascending order
        return cls(values.mean(axis=0), axes / np.sqrt(variance.clip(0) + floor))._scaled(unseen, share)

    def distance(self, values: np.ndarray) -> np.ndarray:
        """Return the distances (N,) of values (N, F): the root mean square of the whitened values."""
        white = (np.asarray(values, np.float64) - self.mean) @ self.whitening
        return np.sqrt(np.mean(np.square(white), axis=1) + np.finfo(np.float32).tiny)

    @property
    def is_sound(self) -> bool:
        """Whether all numbers are finite and the shapes agree."""
        numbers = (self.mean, self.whitening, self.usual, self.far)
        is_finite = all(np.isfinite(part).all() for part in numbers)
        sizes = {(self.mean.size, kept) for kept in (self.mean.size, min(self.mean.size, MOST_COMPONENTS))}
        return is_finite and self.mean.ndim == 1 and self.whitening.shape in sizes and 0 < self.usual < self.far


@dataclass(frozen=True)
class RatioScore(_Scale):
    """Largest ratio of features to their medians over the training images.

    Attributes
    ----------
    typical : ndarray (F,)
        Medians.
    usual, far : float
        See `MahalanobisScore`.
    """

    typical: np.ndarray
    usual: float = 1.0
    far: float = 2.0

    @classmethod
    def fit(cls, values: np.ndarray, unseen: np.ndarray, share: float = FAR) -> "RatioScore":
        """Fit to positive values; the arguments are those of `MahalanobisScore.fit`."""
        return cls(np.median(np.asarray(values, np.float64), axis=0).clip(SMALLEST_WIDTH))._scaled(unseen, share)

    def distance(self, values: np.ndarray) -> np.ndarray:
        """Return the largest ratios (N,) of values (N, F) to the medians."""
        return np.max(np.maximum(values, SMALLEST_WIDTH) / self.typical, axis=1)

    @property
    def is_sound(self) -> bool:
        """Whether all numbers are finite and positive."""
        is_finite = np.isfinite(self.typical).all() and np.isfinite([self.usual, self.far]).all()
        return bool(is_finite) and self.typical.ndim == 1 and (self.typical > 0).all() and 0 < self.usual < self.far


KINDS = {"width": RatioScore}
"""Kind of the score of an aspect; others have a `MahalanobisScore`."""


@dataclass(frozen=True)
class Likeness:
    """Resemblance of an image to the training set.

    Attributes
    ----------
    text : str
        One line for the user.
    is_unlike : bool
        Whether the image is out of distribution, so that the output of the network cannot be trusted.
    percentile : float or None
        Per cent of the validation images that are closer to the training set; None if it is unknown.
    """

    text: str
    is_unlike: bool = False
    percentile: float | None = None


@dataclass(frozen=True)
class OutOfDistribution:
    """Out-of-distribution score of images.

    The score of an image is the largest score of its aspects. The thresholds of the A aspects are at the upper
    0.01 / A of the validation images (Bonferroni correction), so that an aspect with a long tail cannot dominate.

    Attributes
    ----------
    measures : dict of aspect to MahalanobisScore or RatioScore
    quantiles : ndarray (Q,)
        Scores of validation images at the probabilities `QUANTILES`.
    number : int
        Number of validation images.
    """

    measures: dict[str, MahalanobisScore]
    quantiles: np.ndarray
    number: int

    @classmethod
    def fit(cls, seen: Mapping[str, np.ndarray], unseen: Mapping[str, np.ndarray]) -> "OutOfDistribution":
        """Fit the scores of all aspects.

        Parameters
        ----------
        seen : mapping of aspect to ndarray (M, F)
            Features of training images, from `ImageFeatures`.
        unseen : mapping of aspect to ndarray (V, F)
            Features of validation images.
        """
        number, names = len(unseen["summary"]), [name for name in ASPECTS if name in seen]
        beyond = min(max((1 - FAR) / len(names), MIN_TAIL_IMAGES / number), 0.25)
        measures = {name: KINDS.get(name, MahalanobisScore).fit(seen[name], unseen[name], 1 - beyond) for name in names}
        scores = cls(measures, np.zeros(0), 0).scores(unseen).max(axis=0)
        return cls(measures, np.quantile(scores, QUANTILES), number)

    @classmethod
    def from_dict(cls, written: Mapping | None) -> "OutOfDistribution | None":
        """Return the score that `to_dict` wrote; None for an older network without a score of this version.

        Raises
        ------
        RunError
            If the record is damaged.
        """
        if written is None or (isinstance(written, Mapping) and written.get("version") != VERSION):
            return None
        try:
            measures = {
                name: kind(*(np.asarray(written[name][part], float) for part in kind.__dataclass_fields__))
                for name in ASPECTS
                if name in written or name != "width"  # absent in networks without a posterior
                for kind in [KINDS.get(name, MahalanobisScore)]
            }
            quantiles, number = np.asarray(written["quantiles"], float), int(written.get("number", MIN_VALIDATION))
            is_sound = quantiles.shape == QUANTILES.shape and np.isfinite(quantiles).all()
            is_sound = is_sound and all(measure.is_sound for measure in measures.values())
        except (KeyError, TypeError, ValueError):
            is_sound = False
        if not is_sound:
            raise RunError("the network's record of its training images is damaged: train the network again")
        return cls(measures, quantiles, number)

    def to_dict(self) -> dict:
        """Return plain data for JSON, with six significant digits."""
        written = {
            name: {part: _round(getattr(measure, part)) for part in measure.__dataclass_fields__}
            for name, measure in self.measures.items()
        }
        return written | {"quantiles": _round(self.quantiles), "number": self.number, "version": VERSION}

    def scores(self, seen: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the scores of N images in each aspect: ndarray (aspects, N)."""
        return np.stack([measure.score(seen[name]) for name, measure in self.measures.items()])

    def percentile(self, seen: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the per cent (N,) of validation images with a lower score."""
        return 100 * np.interp(self.scores(seen).max(axis=0), self.quantiles, QUANTILES)

    def judge(self, seen: Mapping[str, np.ndarray]) -> list[Likeness]:
        """Return the `Likeness` of each image, from features (N, F) of each aspect."""
        scores, percentiles = self.scores(seen), self.percentile(seen)
        names, farthest = list(self.measures), scores.argmax(axis=0)
        found = []
        for row, percent in enumerate(percentiles.tolist()):
            name = names[farthest[row]]
            measure = self.measures[name]
            times = float(measure.distance(seen[name][row : row + 1])[0] / measure.usual)
            is_unlike = self.number >= MIN_VALIDATION and percent > 100 * FAR
            text = self._describe(percent, name, times, bool(scores[:, row].max() > self.quantiles[-1]))
            found.append(Likeness(text, is_unlike, percent))
        return found

    def _describe(self, percent: float, name: str, times: float, is_farthest: bool) -> str:
        if self.number < MIN_VALIDATION:
            return (
                f"farther from the training set than {percent:.0f} % of the validation images, which are too few "
                f"({self.number}) for an out-of-distribution test"
            )
        if percent <= 100 * FAR:
            return f"farther from the training set than {percent:.0f} % of the validation images"
        # Not above 99.9 %, since some validation image was farther.
        others = "all validation images" if is_farthest else f"{min(percent, 99.9):.1f} % of the validation images"
        line = f"{UNLIKE}: farther from it than {others}"
        if name == "width":
            return (
                f"{line}: its posterior is {times:.1f} times as wide as the median, or at the end of the training "
                "ranges; there may be no lens, or none that can be measured"
            )
        if is_farthest:
            return f"{line}, {times:.1f} times the median distance {ASPECTS[name]}; do not trust the network's output"
        return f"{line}, {ASPECTS[name]}"


def _round(values):
    """Return numbers of any shape as nested lists with six significant digits."""
    values = np.asarray(values, float)
    return [_round(part) for part in values] if values.ndim else float(f"{values:.6g}")

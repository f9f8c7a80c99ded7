"""Out-of-distribution score of an image with respect to a network's training set."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from stronglens.parameters import RunError

ASPECTS = {
    "summary": "in what the network makes of it",
    "width": "in the width of its posterior",
    "centre": "in where the middle of its light is",
    "texture": "in its noise, sharpness or brightness",
}
"""What is compared; the width where there is a posterior. None is enough alone: `docs/posteriors.md` has what each
catches."""

FLOOR = 1e-3
"""Added to each variance, in units of the mean variance, so that no direction is measured more finely than this."""
SMALLEST_WIDTH = 1e-12
"""Lower bound on posterior widths, to avoid division by zero."""
MOST_COMPONENTS = 256
"""Principal components that a score keeps: those of 2,048 features would fill 60 MB of a network's record."""

VERSION = 2
"""Version of the record: scores of other aspects cannot be compared with these."""

QUANTILES = np.concatenate([np.linspace(0, 0.99, 100), np.linspace(0.991, 1, 10)])
FAR = 0.99
"""Farther than this share of images from the training set, an image is called unlike them."""
UNLIKE = "UNLIKE THE TRAINING SET"
MIN_VALIDATION = 100
"""Minimum number of validation images: with fewer, the 99th percentile is not known."""
MIN_TAIL_IMAGES = 5
"""Minimum number of those images beyond each threshold, so that one outlier cannot set it."""


@dataclass(frozen=True)
class _Scale:
    """Compare distances with those of images that were not trained on."""

    def score(self, values: np.ndarray) -> np.ndarray:
        """Return the distances (N,) on a logarithmic scale: 0 is usual, 1 is far."""
        return np.log(self.distance(values) / self.usual) / np.log(self.far / self.usual)

    def _scaled(self, unseen: np.ndarray, share: float):
        usual, far = np.quantile(self.distance(unseen), (0.5, share))
        return replace(self, usual=float(usual), far=float(max(far, 1.001 * usual)))


@dataclass(frozen=True)
class MahalanobisScore(_Scale):
    """Measure the Mahalanobis distance of features from the training images' mean (Lee et al. 2018, NeurIPS).

    Attributes
    ----------
    mean : ndarray (F,)
    whitening : ndarray (F, K), of the K = 256 principal components of largest variance where F is larger, else K = F
        Takes values, less the mean, to numbers of unit variance without correlation.
    usual, far : float
        Distances of images that were not trained on: the median, and beyond which lie as few as are called unlike.
    """

    mean: np.ndarray
    whitening: np.ndarray
    usual: float = 1.0
    far: float = 2.0

    @classmethod
    def fit(cls, values: np.ndarray, unseen: np.ndarray, share: float = FAR) -> "MahalanobisScore":
        """Fit on values (M, F) of training images and (V, F) of others, of which that share is not far."""
        values = np.asarray(values, np.float64)
        variance, axes = np.linalg.eigh(np.atleast_2d(np.cov(values, rowvar=False, ddof=0)))
        floor = max(FLOOR * variance.mean(), np.finfo(np.float32).tiny)
        variance, axes = variance[-MOST_COMPONENTS:], axes[:, -MOST_COMPONENTS:]  # in ascending order
        return cls(values.mean(axis=0), axes / np.sqrt(variance.clip(0) + floor))._scaled(unseen, share)

    def distance(self, values: np.ndarray) -> np.ndarray:
        """Return the distances (N,) of values (N, F): the root of the mean square of whitened numbers."""
        white = (np.asarray(values, np.float64) - self.mean) @ self.whitening
        return np.sqrt(np.mean(np.square(white), axis=1) + np.finfo(np.float32).tiny)

    @property
    def is_sound(self) -> bool:
        """Whether it can be measured with."""
        numbers = (self.mean, self.whitening, self.usual, self.far)
        is_finite = all(np.isfinite(part).all() for part in numbers)
        sizes = {(self.mean.size, kept) for kept in (self.mean.size, min(self.mean.size, MOST_COMPONENTS))}
        return is_finite and self.mean.ndim == 1 and self.whitening.shape in sizes and 0 < self.usual < self.far


@dataclass(frozen=True)
class RatioScore(_Scale):
    """Measure by which factor features exceed their medians over the training images: their largest factor.

    Attributes
    ----------
    typical : ndarray (F,), medians
    usual, far : float, as of a `MahalanobisScore`
    """

    typical: np.ndarray
    usual: float = 1.0
    far: float = 2.0

    @classmethod
    def fit(cls, values: np.ndarray, unseen: np.ndarray, share: float = FAR) -> "RatioScore":
        """Fit on positive values (M, F) of training images and (V, F) of others, of which that share is not far."""
        return cls(np.median(np.asarray(values, np.float64), axis=0).clip(SMALLEST_WIDTH))._scaled(unseen, share)

    def distance(self, values: np.ndarray) -> np.ndarray:
        """Return by which factors (N,) values (N, F) are larger than is typical."""
        return np.max(np.maximum(values, SMALLEST_WIDTH) / self.typical, axis=1)

    @property
    def is_sound(self) -> bool:
        """Whether it can be measured with."""
        is_finite = np.isfinite(self.typical).all() and np.isfinite([self.usual, self.far]).all()
        return bool(is_finite) and self.typical.ndim == 1 and (self.typical > 0).all() and 0 < self.usual < self.far


KINDS = {"width": RatioScore}
"""How an aspect is measured, where not by a `MahalanobisScore`."""


@dataclass(frozen=True)
class Likeness:
    """How like its training set an image is to a network.

    Attributes
    ----------
    text : str, one line
    is_unlike : bool, whether the numbers that the network gives are not to be trusted
    percentile : float or None
        Per cent of images like the training set's that are nearer to it; None where that is not known.
    """

    text: str
    is_unlike: bool = False
    percentile: float | None = None


@dataclass(frozen=True)
class OutOfDistribution:
    """Hold the distribution of the training images' features, and the scores of images like them.

    The score of an image is the largest of its aspects' scores. Each aspect may call an equal share of a hundredth of
    the images far (Bonferroni's correction), so that none with a long tail hides what another sees.

    Attributes
    ----------
    measures : dict of aspect to MahalanobisScore or RatioScore
    quantiles : ndarray (Q,)
        Largest scores of images like the training set's that were not trained on, at the shares `QUANTILES`.
    number : int
        Of those images.
    """

    measures: dict[str, MahalanobisScore]
    quantiles: np.ndarray
    number: int

    @classmethod
    def fit(cls, seen: Mapping[str, np.ndarray], unseen: Mapping[str, np.ndarray]) -> "OutOfDistribution":
        """Fit the distribution.

        Parameters
        ----------
        seen : mapping of aspect to (M, F), as `ImageFeatures` returns it of images that were trained on
        unseen : mapping of aspect to (V, F), of images like them that were not
        """
        number, names = len(unseen["summary"]), [name for name in ASPECTS if name in seen]
        beyond = min(max((1 - FAR) / len(names), MIN_TAIL_IMAGES / number), 0.25)
        measures = {name: KINDS.get(name, MahalanobisScore).fit(seen[name], unseen[name], 1 - beyond) for name in names}
        scores = cls(measures, np.zeros(0), 0).scores(unseen).max(axis=0)
        return cls(measures, np.quantile(scores, QUANTILES), number)

    @classmethod
    def from_dict(cls, written: Mapping | None) -> "OutOfDistribution | None":
        """Return what `to_dict` wrote; None where there is none, or one of other aspects, in older networks.

        Raises
        ------
        RunError
            If it was not written by that.
        """
        if written is None or (isinstance(written, Mapping) and written.get("version") != VERSION):
            return None
        try:
            measures = {
                name: kind(*(np.asarray(written[name][part], float) for part in kind.__dataclass_fields__))
                for name in ASPECTS
                if name in written or name != "width"  # of networks without a posterior
                for kind in [KINDS.get(name, MahalanobisScore)]
            }
            quantiles, number = np.asarray(written["quantiles"], float), int(written.get("number", MIN_VALIDATION))
            is_sound = quantiles.shape == QUANTILES.shape and np.isfinite(quantiles).all()
            is_sound = is_sound and all(measure.is_sound for measure in measures.values())
        except (KeyError, TypeError, ValueError):
            is_sound = False
        if not is_sound:
            raise RunError("the network's record of its training images is damaged: train it anew")
        return cls(measures, quantiles, number)

    def to_dict(self) -> dict:
        """Return what JSON can hold, to six figures."""
        written = {
            name: {part: _round(getattr(measure, part)) for part in measure.__dataclass_fields__}
            for name, measure in self.measures.items()
        }
        return written | {"quantiles": _round(self.quantiles), "number": self.number, "version": VERSION}

    def scores(self, seen: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return how unlike the training set images are: (aspects, N)."""
        return np.stack([measure.score(seen[name]) for name, measure in self.measures.items()])

    def percentile(self, seen: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return what share (N,) of images like the training set's are less unlike it, in per cent."""
        return 100 * np.interp(self.scores(seen).max(axis=0), self.quantiles, QUANTILES)

    def judge(self, seen: Mapping[str, np.ndarray]) -> list[Likeness]:
        """Say of each image how like the training set it is: N of them, for features (N, F)."""
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
                f"farther from the training set than {percent:.0f} % of images like it, of which the validation set "
                f"has only {self.number}: too few to say what is unlike it"
            )
        if percent <= 100 * FAR:
            return f"farther from the training set than {percent:.0f} % of images like it"
        others = "any image" if is_farthest else f"{min(percent, 99.9):.1f} % of images"  # some was farther
        line = f"{UNLIKE}: farther from it than {others} like it"
        if name == "width":
            return (
                f"{line}: its posterior is {times:.1f} times as wide as is usual, or at the end of what the network "
                "knows; there may be no lens, or none that can be measured"
            )
        if is_farthest:
            return f"{line}, {times:.1f} times as far as is usual {ASPECTS[name]}; its numbers are not to be trusted"
        return f"{line}, {ASPECTS[name]}"


def _round(values):
    """Return numbers of any shape as JSON writes them, to six figures."""
    values = np.asarray(values, float)
    return [_round(part) for part in values] if values.ndim else float(f"{values:.6g}")

"""How like the training set an image is: what a network is shown, it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter

from stronglens.parameters import RunError
from stronglens.regression.posterior import Posterior
from stronglens.training import keras

ASPECTS = {
    "summary": "in what the network makes of it",
    "width": "in the width of its posterior",
    "centre": "in where the middle of its light is",
    "texture": "in its noise, sharpness or brightness",
}
"""What is looked at, the width where there is a posterior. None will do alone: `docs/posteriors.md` has what each
catches."""

DRAWS = 100
"""Of each posterior: its width is then known to 7 %."""
OUTERMOST = 4.0
"""Of a draw, in the space of labels: a stray one of a flow would make a width of its own."""

SCALES = (1, 2, 4, 8)
"""Of the texture, pixels."""
SHARES = (0.0, 0.01, 0.1, 0.25, 0.75, 0.9, 0.99, 1.0)
FAINT = 0.01
"""Of the stretch's unit, in which the pixels of all training images have the deviation 1."""

FLOOR = 1e-3
"""Of the mean variance: what hardly varies in training is not measured finer than this."""
LEAST = 1e-12
"""Of a width: a factor of nothing is none."""

VERSION = 2
"""Of what is recorded: scores of other aspects cannot be compared with these."""

QUANTILES = np.concatenate([np.linspace(0, 0.99, 100), np.linspace(0.991, 1, 10)])
FAR = 0.99
"""Farther than this share of images from the training set, an image is called unlike them."""
FEW = 100
"""Images that were not trained on: of fewer, no share of a hundredth is known."""
BEYOND = 5
"""Of those images, so many at least are far in each aspect: a single odd one would blind it."""
BLOCK = 256


def build_eye(network: keras.Model) -> keras.Model:
    """Return the part of a network that sees: images (N, H, W), e-/s, to its summary (N, F) of them."""
    layers = {layer.name: layer for layer in network.layers}
    summary = layers["summary"].output if "summary" in layers else layers["standardised_labels"].input
    return keras.Model(network.inputs[0], summary)


class View:
    """Look at images, to say whether they are like others.

    Called with images (N, H, W), e-/s, it returns a dict of each of `ASPECTS` to (N, F) numbers: the network's summary;
    the standard deviations of the posterior in the labels' space, in which that of the prior is 1 and the end of a
    range lies far out; the centroid of what is brighter in the stretched image (`scaling.stretch_images`) than its
    lower quartile, which neighbours and an offset move; and quantiles of what smoothing over 1, 2, 4 and 8 pixels takes
    from it, on a logarithmic scale of either sign, which tell noise, blur, pixel size and units.

    Parameters
    ----------
    network : keras.Model, of the regression task
    posterior : Posterior, optional
        Of that network, where it gives one.
    """

    def __init__(self, network: keras.Model, posterior: Posterior | None = None):
        stretched = network.get_layer("normalised_image").output
        self._model = keras.Model(network.inputs[0], [build_eye(network).output, stretched])
        self._posterior = posterior

    def __call__(self, images) -> dict[str, np.ndarray]:
        seen = {name: [] for name in ASPECTS if name != "width" or self._posterior}
        for start in range(0, len(images), BLOCK):
            summary, stretched = self._model.predict(images[start : start + BLOCK], batch_size=BLOCK, verbose=0)
            seen["summary"].append(summary)
            if self._posterior:
                draws = self._posterior.sample(summary, DRAWS, seed=start)
                points = np.nan_to_num(self._posterior.space.to_space(draws), nan=OUTERMOST)
                seen["width"].append(points.clip(-OUTERMOST, OUTERMOST).std(axis=1))
            seen["centre"].append(find_middle(stretched))
            seen["texture"].append(measure_texture(stretched))
        return {name: np.concatenate(parts) for name, parts in seen.items()}


def find_middle(images: np.ndarray) -> np.ndarray:
    """Return centroids of images (N, H, W) above their lower quartiles, columns and rows from the middle: (N, 2)."""
    light = np.clip(images - np.quantile(images, 0.25, axis=(1, 2), keepdims=True), 0, None)
    total = np.maximum(light.sum(axis=(1, 2)), np.finfo(np.float32).tiny)
    return np.stack(
        [
            light.sum(axis=other) @ (np.arange(images.shape[axis]) - (images.shape[axis] - 1) / 2) / total
            for axis, other in ((2, 1), (1, 2))
        ],
        axis=1,
    )


def measure_texture(images: np.ndarray) -> np.ndarray:
    """Return arcsinh(q / 0.01) of quantiles q of differences of images (N, H, W) smoothed more and more: (N, 32)."""
    rows, found = len(images), []
    for scale in SCALES:
        smooth = gaussian_filter(images, (0, 0.7 * scale, 0.7 * scale), mode="nearest")
        found.append(np.quantile((images - smooth).reshape(rows, -1), SHARES, axis=1).T)
        images = smooth
    return np.arcsinh(np.concatenate(found, axis=1) / FAINT)


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
class Measure(_Scale):
    """Measure how far from its mean something is, in units of its scatter: Mahalanobis (Lee et al. 2018, NeurIPS).

    Attributes
    ----------
    mean : ndarray (F,)
    whitening : ndarray (F, F)
        Takes values, less the mean, to numbers of unit variance without correlation.
    usual, far : float
        Distances of images that were not trained on: the median, and beyond which lie as few as are called unlike.
    """

    mean: np.ndarray
    whitening: np.ndarray
    usual: float = 1.0
    far: float = 2.0

    @classmethod
    def fit(cls, values: np.ndarray, unseen: np.ndarray, share: float = FAR) -> "Measure":
        """Fit on values (M, F) of training images and (V, F) of others, of which that share is not far."""
        values = np.asarray(values, np.float64)
        variance, axes = np.linalg.eigh(np.atleast_2d(np.cov(values, rowvar=False, ddof=0)))
        floor = max(FLOOR * variance.mean(), np.finfo(np.float32).tiny)
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
        return is_finite and self.whitening.shape == self.mean.shape * 2 and 0 < self.usual < self.far


@dataclass(frozen=True)
class Excess(_Scale):
    """Measure how many times as large as usual something is, in that of its numbers where it is most.

    Attributes
    ----------
    typical : ndarray (F,), medians
    usual, far : float, as of a `Measure`
    """

    typical: np.ndarray
    usual: float = 1.0
    far: float = 2.0

    @classmethod
    def fit(cls, values: np.ndarray, unseen: np.ndarray, share: float = FAR) -> "Excess":
        """Fit on positive values (M, F) of training images and (V, F) of others, of which that share is not far."""
        return cls(np.median(np.asarray(values, np.float64), axis=0).clip(LEAST))._scaled(unseen, share)

    def distance(self, values: np.ndarray) -> np.ndarray:
        """Return by which factors (N,) values (N, F) are larger than is typical."""
        return np.max(np.maximum(values, LEAST) / self.typical, axis=1)

    @property
    def is_sound(self) -> bool:
        """Whether it can be measured with."""
        is_finite = np.isfinite(self.typical).all() and np.isfinite([self.usual, self.far]).all()
        return bool(is_finite) and self.typical.ndim == 1 and (self.typical > 0).all() and 0 < self.usual < self.far


KINDS = {"width": Excess}
"""How an aspect is measured, where not by a `Measure`."""


@dataclass(frozen=True)
class Familiarity:
    """Hold what training images are like, and how unlike them others of the same kind come out.

    How unlike an image is, is the largest of its aspects' scores. Each aspect may call an equal share of a hundredth of
    the images far (Bonferroni's correction), so that none with a long tail hides what another sees.

    Attributes
    ----------
    measures : dict of aspect to Measure or Excess
    quantiles : ndarray (Q,)
        Largest scores of images like the training set's that were not trained on, at the shares `QUANTILES`.
    number : int
        Of those images.
    """

    measures: dict[str, Measure]
    quantiles: np.ndarray
    number: int

    @classmethod
    def fit(cls, seen: Mapping[str, np.ndarray], unseen: Mapping[str, np.ndarray]) -> "Familiarity":
        """Learn what is familiar.

        Parameters
        ----------
        seen : mapping, as a `View` returns it of images that were trained on
        unseen : mapping, the same of images like them that were not
        """
        number = len(unseen["summary"])
        beyond = min(max((1 - FAR) / len(seen), BEYOND / number), 0.25)
        measures = {name: KINDS.get(name, Measure).fit(seen[name], unseen[name], 1 - beyond) for name in seen}
        scores = cls(measures, np.zeros(0), 0).scores(unseen).max(axis=0)
        return cls(measures, np.quantile(scores, QUANTILES), number)

    @classmethod
    def from_dict(cls, written: Mapping | None) -> "Familiarity | None":
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
                for kind in [KINDS.get(name, Measure)]
            }
            quantiles, number = np.asarray(written["quantiles"], float), int(written.get("number", FEW))
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

    def describe(self, seen: Mapping[str, np.ndarray]) -> str:
        """Say of one image, as a `View` sees it, how like the training set it is."""
        scores, percent = self.scores(seen)[:, 0], self.percentile(seen)[0]
        name = list(self.measures)[scores.argmax()]
        if self.number < FEW:
            return (
                f"farther from the training set than {percent:.0f} % of images like it, of which the validation set "
                f"has only {self.number}: too few to say what is unlike it"
            )
        if percent <= 100 * FAR:
            return f"farther from the training set than {percent:.0f} % of images like it"
        is_farthest = scores.max() > self.quantiles[-1]
        others = "any image" if is_farthest else f"{min(percent, 99.9):.1f} % of images"  # some was farther
        line = f"UNLIKE THE TRAINING SET: farther from it than {others} like it"
        times = self.measures[name].distance(seen[name])[0] / self.measures[name].usual
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

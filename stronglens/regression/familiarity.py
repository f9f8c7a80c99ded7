"""How like the training set an image is, as the network sees it: what a network is shown, it answers."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stronglens.parameters import RunError
from stronglens.training import keras

FLOOR = 1e-3
"""Of the mean variance: what hardly varies in training is not measured finer than this."""

QUANTILES = np.concatenate([np.linspace(0, 0.99, 100), np.linspace(0.991, 1, 10)])
FAR = 0.99
"""Farther than this share of images from the training set, an image is called unlike them."""


def build_eye(network: keras.Model) -> keras.Model:
    """Return the part of a network that sees: images (N, H, W), e-/s, to its summary (N, F) of them."""
    layers = {layer.name: layer for layer in network.layers}
    summary = layers["summary"].output if "summary" in layers else layers["standardised_labels"].input
    return keras.Model(network.inputs[0], summary)


@dataclass(frozen=True)
class Familiarity:
    """Hold what the summaries of training images are like.

    The distance of an image is that of Mahalanobis (Lee et al. 2018, NeurIPS): of its summary from the mean of the
    training images', in units of their scatter.

    Attributes
    ----------
    mean : ndarray (F,)
    whitening : ndarray (F, F)
        Takes summaries, less the mean, to numbers of unit variance without correlation.
    quantiles : ndarray (Q,)
        Distances of images like the training set's that were not trained on, at the shares `QUANTILES`.
    """

    mean: np.ndarray
    whitening: np.ndarray
    quantiles: np.ndarray

    @classmethod
    def fit(cls, summaries: np.ndarray, unseen: np.ndarray) -> "Familiarity":
        """Learn what is familiar.

        Parameters
        ----------
        summaries : ndarray (M, F), of images that were trained on
        unseen : ndarray (V, F), of images like them that were not
        """
        summaries = np.asarray(summaries, np.float64)
        mean = summaries.mean(axis=0)
        variance, axes = np.linalg.eigh(np.cov(summaries, rowvar=False, ddof=0))
        floor = max(FLOOR * variance.mean(), np.finfo(np.float32).tiny)
        bare = cls(mean, axes / np.sqrt(variance.clip(0) + floor), np.zeros(len(QUANTILES)))
        return cls(mean, bare.whitening, np.quantile(bare.distance(unseen), QUANTILES))

    @classmethod
    def from_dict(cls, written: Mapping | None) -> "Familiarity | None":
        """Return what `to_dict` wrote; None where there is none, in networks from before there was such a thing.

        Raises
        ------
        RunError
            If it was not written by that.
        """
        if written is None:
            return None
        try:
            mean, whitening, quantiles = (np.asarray(written[name], float) for name in cls.__dataclass_fields__)
            is_sound = whitening.shape == (len(mean), len(mean)) and quantiles.shape == QUANTILES.shape
            is_sound = is_sound and all(np.isfinite(part).all() for part in (mean, whitening, quantiles))
        except (KeyError, TypeError, ValueError):
            is_sound = False
        if not is_sound:
            raise RunError("the network's record of its training images is damaged: train it anew")
        return cls(mean, whitening, quantiles)

    def to_dict(self) -> dict:
        """Return what JSON can hold, to six figures."""
        return {
            name: [[float(f"{value:.6g}") for value in row] for row in part] if part.ndim == 2
            else [float(f"{value:.6g}") for value in part]
            for name, part in (("mean", self.mean), ("whitening", self.whitening), ("quantiles", self.quantiles))
        }  # fmt: skip

    def distance(self, summaries: np.ndarray) -> np.ndarray:
        """Return the distances (N,) of summaries (N, F): the root of the mean square of whitened numbers."""
        white = (np.asarray(summaries, np.float64) - self.mean) @ self.whitening
        return np.sqrt(np.mean(np.square(white), axis=1))

    def percentile(self, summaries: np.ndarray) -> np.ndarray:
        """Return what share (N,) of images like the training set's lie nearer to it, in per cent."""
        return 100 * np.interp(self.distance(summaries), self.quantiles, QUANTILES)

    def describe(self, summary: np.ndarray) -> str:
        """Say of one image, by its summary (F,), how like the training set it is."""
        distance = self.distance(summary[None])[0]
        percent = self.percentile(summary[None])[0]
        if distance > self.quantiles[-1]:
            times = distance / np.interp(0.5, QUANTILES, self.quantiles)
            return (
                "UNLIKE THE TRAINING SET: farther from it than any image like it, "
                f"{times:.1f} times as far as is usual; its numbers are not to be trusted"
            )
        if percent > 100 * FAR:
            return f"UNLIKE THE TRAINING SET: farther from it than {percent:.1f} % of images like it"
        return f"farther from the training set than {percent:.0f} % of images like it"

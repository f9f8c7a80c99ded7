"""How generated images differ from real ones; each number beside real images against other real ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from stronglens.generation.baseline import tell_apart
from stronglens.generation.components import Components, stretch
from stronglens.generation.statistics import (
    count_peaks,
    measure_statistics,
    power_spectrum,
    stack,
    wasserstein,
)
from stronglens.scaling import ImageScaling

NEIGHBOURS = 5
"""Nearest neighbours k of precision, recall, density and coverage (the choice of Naeem et al.)."""

FEATURES = 32
"""Principal components by which images are compared; of 64 x 64 lenses, all others are mostly noise."""

FARTHEST = 4.0
"""Largest feature in the kernel distance, deviations: its cubic kernel would else depend on a few images alone."""

LARGE_SCALES = 6
"""Bins of the power spectrum with the largest scales."""

FEWEST = 50
"""Smallest number of images that are compared."""

COLLAPSED = 0.5
"""Coverage, or ratio of pair distances, below which there is a collapse."""


@dataclass(frozen=True)
class Measured:
    """What is measured on a set of N images.

    Attributes
    ----------
    statistics : dict of str to ndarray (N,)
    components : ndarray (N, F)
        Leading principal components, in units of the deviation of the first.
    features : ndarray (N, F)
        Of a lens network, in standard deviations of the real images; the components without one.
    power, cross_power : ndarray (K,)
        Of the stretched images, less their mean; and of pairs of different images.
    peaks, pixels : ndarray (B,)
        Peaks and pixels of an image by their stretched brightness.
    """

    statistics: dict[str, np.ndarray]
    components: np.ndarray
    features: np.ndarray
    power: np.ndarray
    cross_power: np.ndarray
    peaks: np.ndarray
    pixels: np.ndarray


class Ruler:
    """Measure sets of images in the same way.

    Parameters
    ----------
    scaling : ImageScaling
    components : Components
        Of the training images.
    pixel_scale : float, arcsec
    real : ndarray (N, H, W), electrons/s
        They set the mean image, the bins of brightness, and the scale of features.
    extract : callable, optional
        Takes images (N, H, W), electrons/s; returns their features (N, F) in a lens network.
    """

    def __init__(
        self,
        scaling: ImageScaling,
        components: Components,
        pixel_scale: float,
        real: np.ndarray,
        extract: Callable[[np.ndarray], np.ndarray] | None = None,
    ):
        self.scaling, self.components, self.pixel_scale = scaling, components, pixel_scale
        self.extract = extract
        if extract:
            features = extract(real)
            self.centre, self.spread = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-9)
        pixels = stretch(real, scaling)
        self.mean = pixels.mean(axis=0)
        self.edges = np.linspace(*np.percentile(pixels, (0.01, 99.99)), 41)

    def __call__(self, images: np.ndarray) -> Measured:
        """Return the measurements of images (N, H, W), electrons/s."""
        pixels = stretch(images, self.scaling)
        number = min(FEATURES, len(self.components.deviation))
        relative = self.components.deviation[:number] / self.components.deviation[0]
        maps = (pixels - self.mean).reshape(images.shape)
        components = self.components.project(pixels)[:, :number] * relative
        features = (self.extract(images) - self.centre) / self.spread if self.extract else components
        return Measured(
            measure_statistics(images, self.pixel_scale),
            components,
            features,
            power_spectrum(maps)[1],
            power_spectrum(maps, np.roll(maps, 1, axis=0))[1],
            count_peaks(pixels.reshape(images.shape), self.edges),
            np.histogram(pixels, self.edges)[0] / len(images),
        )


def compare(found: Measured, real: Measured, training: np.ndarray, held_out: np.ndarray, seed: int) -> dict:
    """Compare a set of images with a set of real ones.

    Parameters
    ----------
    found, real : Measured
        Of the same number of images.
    training : ndarray (M, F)
        Components of the training images.
    held_out : ndarray (N, F)
        Components of real images that were not trained on.
    seed : int

    Returns
    -------
    dict
        ``wasserstein`` of each statistic, in standard deviations, and their ``mean-wasserstein`` (profiles count as
        one); ``auc-statistics``, ``auc-components``: see `baseline.tell_apart`; ``precision``, ``recall``
        (Kynkäänniemi et al. 2019, NeurIPS), ``density``, ``coverage`` (Naeem et al. 2020, ICML) of the features;
        ``kernel-distance``: see `kernel_distance`; ``power-large-scales``, ``power-all``: mean relative difference of
        the power spectra; ``cross-power``: mean absolute cross power over the power of real images; ``peaks``,
        ``pixels``: sum of the absolute differences of the counts, over the real ones; ``nearest-training``: median
        distance to the nearest training image, over that of held-out images; ``pair-distance``: median distance of two
        images, over that of real ones.
    """
    distances = {name: wasserstein(values, real.statistics[name]) for name, values in found.statistics.items()}
    profile = [value for name, value in distances.items() if name.startswith("profile")]
    single = [value for name, value in distances.items() if not name.startswith("profile")]
    relative = np.abs(found.power / real.power - 1)
    tree = cKDTree(training)
    nearest, held_nearest = (np.median(tree.query(points)[0]) for points in (found.components, held_out))
    return {
        "wasserstein": distances,
        "mean-wasserstein": float(np.mean([*single, np.mean(profile)])),
        "auc-statistics": tell_apart(stack(found.statistics), stack(real.statistics), seed),
        "auc-components": tell_apart(found.components, real.components, seed),
        **neighbourhoods(real.features, found.features),
        "kernel-distance": kernel_distance(real.features, found.features),
        "power-large-scales": float(relative[:LARGE_SCALES].mean()),
        "power-all": float(relative.mean()),
        "cross-power": float(np.mean(np.abs(found.cross_power) / real.power)),
        "peaks": float(np.abs(found.peaks - real.peaks).sum() / real.peaks.sum()),
        "pixels": float(np.abs(found.pixels - real.pixels).sum() / real.pixels.sum()),
        "nearest-training": float(nearest / held_nearest),
        "pair-distance": float(pair_distance(found.components) / pair_distance(real.components)),
    }


def neighbourhoods(real: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """Return precision, recall, density and coverage of points (N, F), from balls around k-th nearest neighbours."""
    trees = {"real": cKDTree(real), "found": cKDTree(found)}
    radius = {name: tree.query(tree.data, NEIGHBOURS + 1)[0][:, -1] for name, tree in trees.items()}
    distance = np.sqrt(np.maximum(_squared_distances(real, found), 0))
    inside = distance < radius["real"][:, None]
    return {
        "precision": float(inside.any(axis=0).mean()),
        "recall": float((distance < radius["found"][None]).any(axis=1).mean()),
        "density": float(inside.sum(axis=0).mean() / NEIGHBOURS),
        "coverage": float((distance.min(axis=1) < radius["real"]).mean()),
    }


def kernel_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Return the squared maximum mean discrepancy (unbiased) with the kernel (x y / F + 1)^3.

    This is the kernel distance of Binkowski et al. (2018, ICLR), on standardised features (N, F) within 4 deviations.
    """
    mean, deviation = other.mean(axis=0), np.maximum(other.std(axis=0), 1e-12)
    one, other = (np.clip((points - mean) / deviation, -FARTHEST, FARTHEST) for points in (one, other))

    def kernel(a, b):
        return (a @ b.T / a.shape[1] + 1) ** 3

    within = [(kernel(a, a).sum() - np.trace(kernel(a, a))) / (len(a) * (len(a) - 1)) for a in (one, other)]
    return float(sum(within) - 2 * kernel(one, other).mean())


def describe_collapse(coverage: float, distance: float) -> str:
    """Return what is wrong with generated images of a coverage and a distance of two, over that of real ones."""
    what = "generated images are too much alike" if distance < COLLAPSED else "many real images have no similar ones"
    return f"{what} (coverage {coverage:.2f}; distance of two images {distance:.2f} of that of real ones)"


def find_collapse(comparison: Mapping) -> str | None:
    """Return a line that names a collapse of generated images; None if there is none."""
    coverage, distance = comparison["coverage"], comparison["pair-distance"]
    if coverage >= COLLAPSED and distance >= COLLAPSED:
        return None
    return f"Collapse: {describe_collapse(coverage, distance)}"


def describe_comparison(generated: Mapping, floor: Mapping) -> list[str]:
    """Return a table of numbers of generated images, beside those of real images against other real ones."""
    lines = [f"{'':<44} {'generated':>9} {'real':>7}"]
    texts = {
        "mean-wasserstein": "mean Wasserstein distance [sd]",
        "auc-statistics": "AUC of a classifier, statistics",
        "auc-components": "AUC of a classifier, components",
        "precision": "precision",
        "recall": "recall",
        "density": "density",
        "coverage": "coverage",
        "kernel-distance": "kernel distance",
        "power-large-scales": f"power spectrum, {LARGE_SCALES} largest scales",
        "power-all": "power spectrum, all scales",
        "cross-power": "cross power of two images, over power",
        "peaks": "peak counts, sum of differences",
        "pixels": "pixel histogram, sum of differences",
        "nearest-training": "distance to the nearest training image",
        "pair-distance": "distance of two images",
    }
    lines += [f"{text:<44} {generated[name]:>9.3f} {floor[name]:>7.3f}" for name, text in texts.items()]
    worst = sorted(generated["wasserstein"], key=lambda name: -generated["wasserstein"][name])[:3]
    lines.append("Largest distances: " + ", ".join(f"{name} {generated['wasserstein'][name]:.3f}" for name in worst))
    return lines


def _squared_distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    squares = np.square(one).sum(axis=1)[:, None] + np.square(other).sum(axis=1)[None]
    return squares - 2 * one @ other.T


def pair_distance(points: np.ndarray) -> float:
    """Return the median distance of two neighbours in a list of points (N, F)."""
    return float(np.median(np.linalg.norm(points - np.roll(points, 1, axis=0), axis=1)))

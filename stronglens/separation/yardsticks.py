"""Classical methods that a network is compared with: they need no training, or only that of a few components.

Those that take the noise off work in units of the noise (`camera`), with the strength that is best on validation
images.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stronglens.separation.camera import Camera
from stronglens.separation.metrics import peak_ratio

MOST_TUNED, MOST_LEARNED = 40, 1000
"""Validation images on which strengths are chosen, and training images whose components are computed, at most."""

OUTLIER, TURNS = 2.0, 12
"""Of a lens model: standard deviations above the fit from which a pixel counts less, and number of fits."""


@dataclass(frozen=True)
class Yardstick:
    """A method that takes the noise off.

    Attributes
    ----------
    title : str
    denoise : callable
        Takes images (N, H, W) in units of the noise and a strength, returns images.
    strengths : sequence of float
        From which one is chosen.
    """

    title: str
    denoise: Callable[[np.ndarray, float], np.ndarray]
    strengths: Sequence[float]


def make_yardsticks(components: "Components") -> dict[str, Yardstick]:
    """Return the methods by name.

    Parameters
    ----------
    components : Components
        Of training images in units of the noise, for ``pca``.
    """
    return {
        "gaussian": Yardstick("Gaussian", _gaussian, (0.3, 0.35, 0.4, 0.5, 0.7)),
        "wiener": Yardstick("Wiener, 3x3", _wiener, (1.0, 2.0, 4.0, 8.0, 16.0)),
        "tv": Yardstick("total variation", _total_variation, (0.35, 0.5, 0.7, 1.0, 1.4)),
        "nl-means": Yardstick("NL-means", _nl_means, (0.8, 1.0, 1.3, 1.6, 2.0)),
        "pca": Yardstick("PCA", components, (16, 32, 64, 128, 256)),
    }


def tune(yardsticks: Mapping[str, Yardstick], images: np.ndarray, rate: np.ndarray, camera: Camera) -> dict[str, float]:
    """Return the strength of each method with the highest mean PSNR.

    Parameters
    ----------
    yardsticks : mapping of str to Yardstick
    images, rate : ndarray (N, H, W), e-/s
        Validation images, and their light without noise.
    camera : Camera
    """
    chosen = {}
    for name, yardstick in yardsticks.items():
        scores = [
            peak_ratio(denoise(yardstick, strength, images, camera), rate).mean() for strength in yardstick.strengths
        ]
        chosen[name] = yardstick.strengths[int(np.argmax(scores))]
    return chosen


def denoise(yardstick: Yardstick, strength: float, images: np.ndarray, camera: Camera) -> np.ndarray:
    """Return images (N, H, W), e-/s, without what a method takes for noise."""
    times = camera.exposure_times(images)
    return camera.to_light(yardstick.denoise(camera.to_units(images, times), strength), times)


def subtract_symmetric_part(images: np.ndarray) -> np.ndarray:
    """Return images (N, H, W) minus the smaller of each pixel and the opposite one, which a centred lens fills."""
    return images - np.minimum(images, images[:, ::-1, ::-1])


class Components:
    """Keep the principal components of the training images."""

    def __init__(self, training: np.ndarray):
        flat = training.reshape(len(training), -1)
        self.mean = flat.mean(axis=0)
        _, _, self.axes = np.linalg.svd(flat - self.mean, full_matrices=False)

    def __call__(self, units: np.ndarray, strength: float) -> np.ndarray:
        """Return images (N, H, W) with ``strength`` components."""
        axes = self.axes[: int(strength)]
        flat = units.reshape(len(units), -1) - self.mean
        return (self.mean + (flat @ axes.T) @ axes).reshape(units.shape)


LENS_COMPONENTS = (8, 16, 32, 64)
"""Numbers of components of a lens model, from which one is chosen."""


def subtract_lens_model(components: Components, number: int, images: np.ndarray, camera: Camera) -> np.ndarray:
    """Return images (N, H, W), e-/s, minus a lens of principal components that positive outliers hardly change.

    The idea is that of Joseph et al. (2014, A&A 566, A63). The components are those of all training images. Pixels that
    are brighter than the fit by more than `OUTLIER` have less weight in the next of `TURNS` fits.
    """
    times = camera.exposure_times(images)
    axes = components.axes[:number]
    lenses = np.empty((len(images), axes.shape[1]))
    for lens, values in zip(lenses, camera.to_units(images, times).reshape(len(images), -1), strict=True):
        above = values - components.mean
        all_equal = axes @ above  # the components are orthonormal: only pixels of less weight change the equations
        fit = all_equal @ axes
        for _ in range(TURNS - 1):
            far = above - fit > OUTLIER
            some, less = axes[:, far], 1 - (OUTLIER / (above - fit)[far]) ** 2
            matrix = (1 + 1e-9) * np.eye(number) - (some * less) @ some.T
            fit = np.linalg.solve(matrix, all_equal - some @ (less * above[far])) @ axes
        lens[:] = components.mean + fit
    return images - camera.to_light(lenses.reshape(images.shape), times)


def tune_lens_model(components: Components, images: np.ndarray, source: np.ndarray, camera: Camera) -> int:
    """Return the number of components with the highest mean PSNR of the sources of validation images."""
    numbers = [number for number in LENS_COMPONENTS if number <= len(components.axes)] or [len(components.axes)]
    found = [subtract_lens_model(components, number, images, camera) for number in numbers]
    return numbers[int(np.argmax([peak_ratio(one, source).mean() for one in found]))]


def _gaussian(units, sigma):
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(units, (0, sigma, sigma), mode="nearest")


def _wiener(units, noise):
    from scipy.signal import wiener

    return np.stack([wiener(image, 3, noise) for image in units])


def _total_variation(units, weight):
    from skimage.restoration import denoise_tv_chambolle

    return np.stack([denoise_tv_chambolle(image, weight, max_num_iter=100) for image in units])


def _nl_means(units, strength):
    from skimage.restoration import denoise_nl_means

    return np.stack([denoise_nl_means(image, 5, 6, h=strength, sigma=1.0, fast_mode=True) for image in units])

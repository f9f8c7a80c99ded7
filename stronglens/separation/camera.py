"""The noise of a camera, and units in which it is the same everywhere: the generalised Anscombe transform.

A pixel with ``e`` electrons, sky included, becomes 2 sqrt(e + 3/8 + N R^2), with N read-outs of noise R. Its noise is
then Gaussian with a standard deviation of 1, whatever the light (Murtagh, Starck & Bijaoui 1995, A&AS 112, 179). Units
here are counted from a pixel without light.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from stronglens.dataset import Dataset
from stronglens.telescope import Telescope

DRAWN = ("exposure-time-range", "snr-range")
"""Parameters with which each image has an exposure time of its own."""


@dataclass(frozen=True)
class Camera:
    """The noise of a camera.

    Attributes
    ----------
    sky : float, electrons/s per pixel
    exposure_time : float or None, s
        None if each image has its own; it is then estimated from the noise of the image.
    exposures : int
    read_noise : float, electrons
    noise_correlation : float
        Correlation of the noise of adjacent pixels.
    """

    sky: float
    exposure_time: float | None
    exposures: int
    read_noise: float
    noise_correlation: float = 0.0

    @classmethod
    def of(cls, manifest: Mapping) -> "Camera":
        """Return the camera of a dataset, from its manifest."""
        camera = manifest["telescope"]
        is_drawn = any(manifest["parameters"].get(name) is not None for name in DRAWN)
        return cls(
            float(camera["sky"]), None if is_drawn else float(camera["exposure-time"]), int(camera["exposures"]),
            float(camera["read-noise"]), float(camera["noise-correlation"]),
        )  # fmt: skip

    def to_dict(self) -> dict:
        """Return plain data for JSON; the constructor takes it as keyword arguments."""
        return asdict(self)

    @property
    def read_variance(self) -> float:
        """Variance of all read-outs together, electrons^2."""
        return self.exposures * self.read_noise**2

    @property
    def difference_factor(self) -> float:
        """Standard deviation of the second difference of three pixels in a row, in units of that of a pixel."""
        beside = self.noise_correlation
        share = (1 - np.sqrt(1 - 2 * beside**2)) / (2 * beside) if beside else 0.0
        return float(np.sqrt(6 - 8 * beside + share * beside))  # neighbours but one correlate by share / 2

    def exposure_times(self, images: np.ndarray) -> np.ndarray:
        """Return the exposure time of each image, s: (N, 1, 1), known or estimated from the noise.

        The estimate is the time in which the sky has the noise that the median absolute second difference of pixels in
        a row gives. `network.open_units` repeats it in a network.

        Parameters
        ----------
        images : ndarray (N, H, W), e-/s
        """
        if self.exposure_time is not None:
            return np.full((len(images), 1, 1), self.exposure_time)
        differences = images[:, :, 2:] - 2 * images[:, :, 1:-1] + images[:, :, :-2]
        median = np.median(np.abs(differences.astype(float)), axis=(1, 2), keepdims=True)
        return self.time_of_noise(np.maximum(median, 1e-12) / (0.67449 * self.difference_factor))

    def time_of_noise(self, noise):
        """Return the exposure time, s, at which a pixel of sky has a noise [e-/s]: sky / t + N R^2 / t^2 = noise^2."""
        squared = noise**2
        return (self.sky + (self.sky**2 + 4 * squared * self.read_variance) ** 0.5) / (2 * squared)

    def to_units(self, light: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return images or noise-free light in units of the noise: (N, H, W), from e-/s and exposure times (N, 1, 1).

        Electrons below -(3/8 + N R^2) become 0.
        """
        zero = self._zero(times)
        return 2 * np.sqrt(np.maximum(light * times + zero, 0)) - 2 * np.sqrt(zero)

    def to_light(self, units: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return e-/s from units of the noise: the algebraic inverse of `to_units`."""
        zero = self._zero(times)
        return (np.maximum(units / 2 + np.sqrt(zero), 0) ** 2 - zero) / times

    def variance(self, rate: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return the variance of pixels [(e-/s)^2] with some light [e-/s]."""
        return (np.maximum(rate, 0) + self.sky) / times + self.read_variance / times**2

    def telescope(self) -> Telescope:
        """Return a telescope that adds this noise. A drawn exposure time must be given with each image."""
        return Telescope(
            pixel_scale=1.0,
            psf=None,
            exposure_time=self.exposure_time or 1.0,
            exposures=self.exposures,
            sky=self.sky,
            read_noise=self.read_noise,
            zero_point=0.0,
            noise_correlation=self.noise_correlation,
        )

    def _zero(self, times):
        return self.sky * times + 3 / 8 + self.read_variance


def true_times(dataset: Dataset) -> np.ndarray | None:
    """Return the exposure time that was drawn for each image of a dataset, s: (N,); None if all have the same."""
    if "exposure-time" not in dataset.columns:
        return None
    return dataset.column_values(["exposure-time"])[:, 0]

"""Observations of noise-free images: point-spread function, noise and masks, drawn at random."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage, signal

DISC = 0.2
"""Radius of a masked disc, arcsec."""

LIGHT_KEPT = 0.75
"""Minimum fraction of the image's light outside all masked discs."""

FWHM = np.sqrt(8 * np.log(2))
"""FWHM of a Gaussian over its standard deviation."""


@dataclass(frozen=True)
class Conditions:
    """Conditions of the observations of a dataset.

    Attributes
    ----------
    pixel_scale : float, arcsec
    peak_noise : (low, high)
        Standard deviation of the noise as a fraction of the image's peak; its logarithm is uniform.
    noise_free_share : float
        Fraction of images without noise.
    psf_fwhm : (low, high), arcsec
    psf_free_share : float
        Fraction of images without a point-spread function.
    masks : int
        Maximum number of masked discs; the number is uniform from 0.
    psf : ndarray (K, K), optional
        Measured point-spread function of all images, in their pixels, used instead of Gaussians.
    """

    pixel_scale: float
    peak_noise: tuple[float, float] = (0.0, 0.0)
    noise_free_share: float = 0.0
    psf_fwhm: tuple[float, float] = (0.0, 0.0)
    psf_free_share: float = 0.0
    masks: int = 0
    psf: np.ndarray | None = None

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> "Conditions":
        """Return the conditions that the manifest of a dataset states."""
        parameters, psf = manifest["parameters"], manifest["telescope"]["psf"]
        return cls(
            parameters["pixel-scale"],
            tuple(parameters["peak-noise-range"]),
            parameters["noise-free-share"],
            tuple(parameters["psf-fwhm-range"]),
            parameters["psf-free-share"],
            parameters["masks"],
            None if psf is None else np.array(psf),
        )

    def at(self, noise: float, fwhm: float) -> "Conditions":
        """Return the same conditions with one noise level and one width of the PSF, without masks."""
        return Conditions(
            self.pixel_scale, (noise, noise), float(noise == 0), (fwhm, fwhm), float(fwhm == 0), 0, self.psf
        )


@dataclass(frozen=True, eq=False)
class Observation:
    """Observed images.

    Attributes
    ----------
    images : ndarray (N, H, W) float32
    noise : ndarray (N, H, W) float32
        Standard deviation of each pixel; infinite where the pixel is masked.
    psf_fwhm : ndarray (N, 1) float32, arcsec
        0 without a Gaussian point-spread function.
    """

    images: np.ndarray
    noise: np.ndarray
    psf_fwhm: np.ndarray

    def typical_noise(self, operator_error: float) -> np.ndarray:
        """Return the root mean square of noise and operator's error where pixels are seen: (N,)."""
        return typical_noise(self.noise, operator_error)


def typical_noise(noise: np.ndarray, operator_error: float) -> np.ndarray:
    """Return the root mean square of the noise where it is finite, with the operator's error.

    Parameters
    ----------
    noise : ndarray (N, H, W)
        Standard deviation of each pixel, infinite where it is masked.
    operator_error : float

    Returns
    -------
    ndarray (N,)
    """
    is_seen = np.isfinite(noise)
    squares = np.where(is_seen, noise, 0.0) ** 2
    return np.sqrt(squares.sum(axis=(1, 2)) / np.maximum(is_seen.sum(axis=(1, 2)), 1) + operator_error**2)


def observe(images: np.ndarray, conditions: Conditions, generators: list[np.random.Generator]) -> Observation:
    """Observe noise-free images.

    Parameters
    ----------
    images : ndarray (N, H, W)
        Without noise and PSF.
    conditions : Conditions
    generators : list of N numpy.random.Generator
        Random numbers of each image.

    Returns
    -------
    Observation
    """
    observed, noise = np.empty_like(images), np.empty_like(images)
    widths = np.zeros((len(images), 1), np.float32)
    for row, (image, random) in enumerate(zip(images, generators, strict=True)):
        # All numbers are drawn in any case, so that one condition does not change the others.
        level = np.exp(random.uniform(*np.log(np.maximum(conditions.peak_noise, 1e-12))))
        level *= random.random() >= conditions.noise_free_share
        fwhm = random.uniform(*conditions.psf_fwhm) * (random.random() >= conditions.psf_free_share)
        errors = random.standard_normal(image.shape)  # before the mask, whose random numbers depend on its discs
        if conditions.psf is not None:
            image = signal.fftconvolve(image, conditions.psf, mode="same").clip(min=0)
        elif fwhm:
            sigma = fwhm / FWHM / conditions.pixel_scale
            image = ndimage.gaussian_filter(image, sigma, mode="constant", truncate=5)
            widths[row] = fwhm
        mask = draw_mask(image, random, conditions.masks, DISC / conditions.pixel_scale)
        level *= image.max()
        noise[row] = np.where(mask, np.inf, level)
        observed[row] = np.where(mask, 0, image + level * errors)
    return Observation(observed, noise, widths)


def draw_mask(image: np.ndarray, random: np.random.Generator, most: int, radius: float) -> np.ndarray:
    """Draw masked discs at places of an image's light.

    Parameters
    ----------
    image : ndarray (H, W), nowhere negative
    random : numpy.random.Generator
    most : int
        Maximum number of discs.
    radius : float, pixels

    Returns
    -------
    ndarray (H, W) bool
        True where the pixel is masked. At least ``LIGHT_KEPT`` of the light is not masked.
    """
    mask = np.zeros(image.shape, bool)
    for _ in range(random.integers(most + 1)):
        # Half of the discs lie at random, half where there is light.
        weight = np.cumsum(image + image.mean()) if random.random() < 0.5 else np.arange(1.0, image.size + 1)
        at = int(np.searchsorted(weight, random.random() * weight[-1]))
        row, column = divmod(min(at, image.size - 1), image.shape[1])
        y, x = np.ogrid[: image.shape[0], : image.shape[1]]
        more = mask | ((y - row) ** 2 + (x - column) ** 2 <= radius**2)
        if image[~more].sum() >= LIGHT_KEPT * image.sum():
            mask = more
    return mask

"""The camera: what it is, and how its point-spread function comes about."""

from dataclasses import dataclass

import numpy as np

QUOTED_PIXEL_SCALE = 0.1
QUOTED_ZERO_POINT = 25.72
"""Intensities are quoted in electrons a second in a pixel of Euclid VIS."""

GAUSSIAN_EXTENT = 5.0
"""Half-width of a Gaussian kernel in standard deviations: what lies beyond is 4e-6 of the light."""


@dataclass(frozen=True)
class Telescope:
    """What the camera does to an image.

    Attributes
    ----------
    pixel_scale : float, arcsec
    psf : ndarray (K, K), K odd, sums to 1; or None for no blur
    exposure_time : float, s; 0 for images without noise
    exposures : int, number of read-outs
    sky : float, e-/s in a pixel
    read_noise : float, e- RMS a read-out
    zero_point : float, AB magnitude of one e-/s
    noise_correlation : float, of the noise of pixels side by side
    notes : tuple of str, what was decided while the PSF was read, one line each
    """

    pixel_scale: float
    psf: np.ndarray | None
    exposure_time: float
    exposures: int
    sky: float
    read_noise: float
    zero_point: float
    noise_correlation: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def is_noisy(self) -> bool:
        return self.exposure_time > 0

    @property
    def padding(self) -> int:
        """Pixels beyond each edge of the field whose light the blur brings in."""
        return 0 if self.psf is None else self.psf.shape[0] // 2

    @property
    def intensity_unit(self) -> float:
        """What one quoted e-/s (0.1 arcsec Euclid VIS pixel) is in e-/s of this telescope's pixels."""
        area = (self.pixel_scale / QUOTED_PIXEL_SCALE) ** 2
        return area * 10 ** (0.4 * (self.zero_point - QUOTED_ZERO_POINT))


def sky_rate(surface_brightness: float, pixel_scale: float, zero_point: float) -> float:
    """Return the sky's e-/s in a pixel from its surface brightness in AB mag/arcsec^2."""
    return 10 ** (0.4 * (zero_point - surface_brightness)) * pixel_scale**2


def gaussian_psf(fwhm: float, pixel_scale: float) -> np.ndarray | None:
    """Return a Gaussian point-spread function sampled at pixel centres, summing to 1; None for ``fwhm`` 0.

    Parameters
    ----------
    fwhm, pixel_scale : float, arcsec

    Returns
    -------
    ndarray (K, K), K odd
    """
    if fwhm == 0:
        return None
    sigma = fwhm / pixel_scale / np.sqrt(8 * np.log(2))
    half = max(1, int(np.ceil(GAUSSIAN_EXTENT * sigma)))
    profile = np.exp(-0.5 * (np.arange(-half, half + 1) / sigma) ** 2)
    kernel = np.outer(profile, profile)
    return kernel / kernel.sum()

"""Properties of the camera, and a Gaussian point-spread function."""

from dataclasses import dataclass

import numpy as np

QUOTED_PIXEL_SCALE = 0.1
QUOTED_ZERO_POINT = 25.72
"""Intensities are defined in electrons/s in a pixel of Euclid VIS."""

GAUSSIAN_EXTENT = 5.0
"""Half-width of a Gaussian kernel, in standard deviations; 4e-6 of the light is outside."""


@dataclass(frozen=True)
class Telescope:
    """Properties of a camera.

    Attributes
    ----------
    pixel_scale : float, arcsec
    psf : ndarray (K, K) or None
        Kernel with K odd and a sum of 1; None for no blur.
    exposure_time : float, s
        Total exposure time; 0 for images without noise.
    exposures : int
        Number of read-outs.
    sky : float, electrons/s per pixel
    read_noise : float, electrons
        RMS of one read-out.
    zero_point : float, AB mag
        Magnitude of 1 electron/s.
    noise_correlation : float
        Correlation of the noise of adjacent pixels.
    notes : tuple of str
        Lines on the PSF that was read from a file.
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
        """Number of pixels beyond each edge of the field from which the PSF scatters light into the field."""
        return 0 if self.psf is None else self.psf.shape[0] // 2

    @property
    def intensity_unit(self) -> float:
        """Electrons/s in a pixel of this telescope for 1 electron/s in a pixel of Euclid VIS (0.1 arcsec)."""
        area = (self.pixel_scale / QUOTED_PIXEL_SCALE) ** 2
        return area * 10 ** (0.4 * (self.zero_point - QUOTED_ZERO_POINT))


def sky_rate(surface_brightness: float, pixel_scale: float, zero_point: float) -> float:
    """Return the sky background in electrons/s per pixel from its surface brightness in AB mag/arcsec^2."""
    return 10 ** (0.4 * (zero_point - surface_brightness)) * pixel_scale**2


def gaussian_psf(fwhm: float, pixel_scale: float) -> np.ndarray | None:
    """Return a Gaussian point-spread function sampled at pixel centres.

    Parameters
    ----------
    fwhm, pixel_scale : float, arcsec

    Returns
    -------
    ndarray (K, K) or None
        K is odd, and the sum is 1; None if ``fwhm`` is 0.
    """
    if fwhm == 0:
        return None
    sigma = fwhm / pixel_scale / np.sqrt(8 * np.log(2))
    half = max(1, int(np.ceil(GAUSSIAN_EXTENT * sigma)))
    profile = np.exp(-0.5 * (np.arange(-half, half + 1) / sigma) ** 2)
    kernel = np.outer(profile, profile)
    return kernel / kernel.sum()

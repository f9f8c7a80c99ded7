"""The camera: what it is, and how its point-spread function comes about."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stronglens.parameters import RunError

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
    """

    pixel_scale: float
    psf: np.ndarray | None
    exposure_time: float
    exposures: int
    sky: float
    read_noise: float
    zero_point: float
    noise_correlation: float = 0.0

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


def read_psf(path: str | Path) -> np.ndarray:
    """Read a measured point-spread function from a FITS file, sampled at the pixel scale of the images.

    It is turned so that y points up (row 0 of a FITS image is its bottom), its negative pixels (noise) are set to 0, it
    is shifted so that its centroid is the centre of a pixel (by linear interpolation: an even number of pixels has its
    centre between two, and would move every image by half a pixel), and normalised.

    Returns
    -------
    ndarray (K, K), K odd, sums to 1

    Raises
    ------
    RunError
        When there is no such file or it holds no usable image.
    """
    from astropy.io import fits

    try:
        with fits.open(path, memmap=False) as hdus:
            images = [hdu.data for hdu in hdus if hdu.data is not None and hdu.data.ndim == 2]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunError(f"cannot read a PSF from {path}: {str(error).splitlines()[0]}") from None
    if len(images) != 1:
        raise RunError(f"{path} holds {len(images)} two-dimensional images; a PSF file holds one")
    from scipy.ndimage import shift

    psf = np.flipud(np.asarray(images[0], float))
    if not np.isfinite(psf).all() or psf.sum() <= 0:
        raise RunError(f"the PSF in {path} has pixels that are not finite, or no light in all")
    psf = np.maximum(psf, 0) / np.maximum(psf, 0).sum()
    centroid = [float((psf * axis).sum()) for axis in np.indices(psf.shape)]
    if any(abs(place - (size - 1) / 2) > size / 8 for place, size in zip(centroid, psf.shape, strict=True)):
        raise RunError(f"the PSF in {path} is far from the centre of its image: cut it out about its centre")
    side = max(psf.shape) | 1
    padded = np.zeros((side, side))
    padded[: psf.shape[0], : psf.shape[1]] = psf
    padded = shift(padded, [side // 2 - place for place in centroid], order=1, mode="grid-wrap")
    return padded / padded.sum()

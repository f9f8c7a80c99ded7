"""Noiseless images to what a telescope records: blur, sky, photon noise, read noise.

All images are rates, in electrons a second in each pixel, with the sky subtracted.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stronglens.parameters import RunError

QUOTED_PIXEL_SCALE = 0.1
QUOTED_ZERO_POINT = 25.72
"""Intensities are quoted in electrons a second in a pixel of Euclid VIS."""

MOST_ELECTRONS = 1e18
"""In a pixel: NumPy draws Poisson numbers of 64 bits."""

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
    """

    pixel_scale: float
    psf: np.ndarray | None
    exposure_time: float
    exposures: int
    sky: float
    read_noise: float
    zero_point: float

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


def blur(images: np.ndarray, psf: np.ndarray | None) -> np.ndarray:
    """Convolve images, rendered with a margin of half the kernel on every side, and cut the margin off.

    Light from outside the field is thus blurred into it, and none is lost at the edges.

    Parameters
    ----------
    images : (N, H + K - 1, W + K - 1) float32
    psf : (K, K) or None

    Returns
    -------
    (N, H, W) float32
    """
    if psf is None:
        return images
    from scipy.signal import fftconvolve

    blurred = fftconvolve(images, psf[None].astype(images.dtype), mode="valid", axes=(1, 2))
    return np.maximum(blurred, 0, out=blurred)  # the FFT leaves -1e-8 of the peak where there is no light


def noise_variance(rate: np.ndarray, telescope: Telescope, exposure_time=None) -> np.ndarray:
    """Return the variance of each pixel.

    (rate + sky) / t + exposures x read_noise^2 / t^2: photons and read-outs (Howell 2006, Handbook of CCD
    Astronomy, eq. 4.4 without dark current).

    Parameters
    ----------
    rate : (N, H, W) e-/s, all the light but the sky
    exposure_time : (N,) s, in place of the telescope's

    Returns
    -------
    (N, H, W) (e-/s)^2
    """
    time = _exposure(telescope, exposure_time)
    return (rate + telescope.sky) / time + telescope.exposures * telescope.read_noise**2 / time**2


def signal_to_noise(source: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return sqrt(sum over pixels of source^2 / variance): (N,) from (N, H, W)."""
    return np.sqrt(sum_pixels(source.astype(float) ** 2 / variance))


def sum_pixels(images: np.ndarray) -> np.ndarray:
    """Return the sum over each image in double precision, to the bit whatever other images are summed beside it.

    NumPy chooses the order of a sum over several axes by the whole array's shape; over rows laid out one after another
    it has no choice.
    """
    return np.ascontiguousarray(images, float).reshape(len(images), -1).sum(axis=1)


def exposure_for_snr(wanted: np.ndarray, source: np.ndarray, rate: np.ndarray, telescope: Telescope) -> np.ndarray:
    """Return the exposure time at which the source reaches a wanted signal-to-noise.

    The signal-to-noise grows with the time without bound, so that the root is unique; found by bisection of log t.

    Parameters
    ----------
    wanted : (N,)
    source, rate : (N, H, W) e-/s, of the lensed source and of all light but the sky

    Returns
    -------
    (N,) s; inf where the source has no light
    """
    low, high = np.full(len(wanted), -6.0), np.full(len(wanted), 15.0)  # log10 s: a microsecond to 30 Myr
    for _ in range(50):
        middle = (low + high) / 2
        reached = signal_to_noise(source, noise_variance(rate, telescope, 10**middle)) >= wanted
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return np.where(source.max(axis=(1, 2)) > 0, 10**high, np.inf)


def add_noise(
    rate: np.ndarray, telescope: Telescope, generators: list[np.random.Generator], exposure_time=None
) -> np.ndarray:
    """Draw what the camera records of noiseless images and subtract the sky's mean.

    Parameters
    ----------
    rate : (N, H, W) e-/s, all the light but the sky
    generators : N random generators, one an image
    exposure_time : (N,) s, in place of the telescope's

    Returns
    -------
    (N, H, W) float32, e-/s
    """
    if not telescope.is_noisy:
        return rate.astype(np.float32)
    times = np.broadcast_to(_exposure(telescope, exposure_time), (len(rate), 1, 1))[:, 0, 0]
    read_noise = telescope.read_noise * np.sqrt(telescope.exposures)
    images = np.empty(rate.shape, np.float32)
    for image, noiseless, random, time in zip(images, rate, generators, times, strict=True):
        mean = (noiseless.astype(float) + telescope.sky) * time
        if mean.max() > MOST_ELECTRONS:
            raise RunError(
                f"a pixel would hold {mean.max():.1e} electrons, more than can be drawn: shorten --exposure-time, or "
                "lower --zero-point or the intensities (with --snr-range: the source lies outside the field)"
            )
        electrons = random.poisson(mean)
        image[:] = (electrons + read_noise * random.standard_normal(noiseless.shape)) / time - telescope.sky
    return images


def _exposure(telescope: Telescope, exposure_time) -> np.ndarray:
    """Return exposure times that broadcast over (N, H, W)."""
    time = telescope.exposure_time if exposure_time is None else exposure_time
    return np.asarray(time, float).reshape(-1, 1, 1)

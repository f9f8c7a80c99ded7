"""Point-spread functions from GalSim's models of telescope optics."""

import numpy as np

from stronglens.telescopes import MirrorOptics, RomanOptics

LIGHT = 0.95
"""Minimum fraction of a star's light in the kernel. The wings fall off as r^-3: two more per cent need a kernel twice
as wide, and every image is rendered with a margin of half the width of the kernel."""

_WIDEST = 101
"""Maximum width of the kernel, pixels."""


def optical_psf(optics: MirrorOptics | RomanOptics, pixel_scale: float) -> np.ndarray:
    """Return a telescope's point-spread function sampled at pixel centres, without the convolution with the pixel.

    Images are averaged over their pixels before the convolution, so a kernel that includes the pixel would average
    twice. Hubble's PSF is undersampled by pixels of 0.05 arcsec (lambda / 2D is 0.035 arcsec), so its kernel is
    accurate only for images that are smooth over a pixel. Roman's PSF is band-limited first.

    Parameters
    ----------
    optics : MirrorOptics or RomanOptics
    pixel_scale : float, arcsec

    Returns
    -------
    ndarray (K, K)
        K is odd, and the sum is 1. It is the smallest kernel that contains the fraction ``LIGHT`` of the light.
    """
    star = build_star(optics)
    draw = _draw_band_limited if isinstance(optics, RomanOptics) else _draw_at_centres
    widest = draw(star, pixel_scale)
    middle = _WIDEST // 2
    for half in range(1, middle + 1):
        kernel = widest[middle - half : middle + half + 1, middle - half : middle + half + 1]
        if kernel.sum() >= LIGHT * max(1, widest.sum()):
            break
    kernel = np.maximum(kernel, 0)  # negative values come from rounding errors and from the band limit
    return kernel / kernel.sum()


def _draw_at_centres(star, pixel_scale: float) -> np.ndarray:
    return star.drawImage(nx=_WIDEST, ny=_WIDEST, scale=pixel_scale, method="no_pixel").array.astype(float)


def _draw_band_limited(star, pixel_scale: float) -> np.ndarray:
    """Return a star without frequencies above the Nyquist frequency of the pixels.

    Aliasing in pixels as large as Roman's would make the centre of the kernel 1.5 times as high.
    """
    step = 2 * np.pi / (_WIDEST * pixel_scale)
    frequencies = star.drawKImage(nx=_WIDEST, ny=_WIDEST, scale=step).array
    return np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(frequencies)).real)


def build_star(optics: MirrorOptics | RomanOptics):
    """Return GalSim's model of a star of flux 1 with the PSF of the telescope, without the pixel."""
    import galsim

    mirror = _roman(optics) if isinstance(optics, RomanOptics) else _mirror(optics)
    return galsim.Convolve(mirror, galsim.Gaussian(sigma=optics.jitter))


def _roman(optics: RomanOptics):
    from galsim import roman

    return roman.getPSF(optics.detector, optics.band, wavelength=roman.getBandpass(optics.band))


def _mirror(optics: MirrorOptics):
    import galsim

    return galsim.OpticalPSF(
        lam=optics.wavelength,
        diam=optics.diameter,
        obscuration=optics.obscuration,
        nstruts=optics.struts,
        strut_thick=optics.strut_thickness,
        strut_angle=45 * galsim.degrees,
        defocus=optics.defocus,
        spher=optics.spherical,
        oversampling=2,
        pad_factor=2,
    )

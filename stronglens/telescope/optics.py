"""Point-spread functions of telescopes, from GalSim's model of their optics."""

import numpy as np

from stronglens.telescopes import MirrorOptics, RomanOptics

LIGHT = 0.95
"""Of a star, that a kernel holds at least. The rest falls off as r^-3 far beyond the core: another two per cent would
take a kernel twice as wide, and every image is rendered with a margin of half its width."""

_WIDEST = 101


def optical_psf(optics: MirrorOptics | RomanOptics, pixel_scale: float) -> np.ndarray:
    """Return a telescope's point-spread function sampled at pixel centres, without the blur of the pixel itself.

    Images are averaged over their pixels before they are blurred: a kernel with the pixel in it would average twice.
    Hubble's has structure finer than twice a pixel of 0.05 arcsec (lambda / 2D is 0.035 arcsec), and so the kernel
    stands for it only as far as what it blurs is smooth over a pixel. Roman's is drawn without such structure.

    Parameters
    ----------
    optics : MirrorOptics or RomanOptics
    pixel_scale : float, arcsec

    Returns
    -------
    ndarray (K, K), K odd, sums to 1
        As narrow as holds ``LIGHT`` of the light.
    """
    star = build_star(optics)
    draw = _draw_band_limited if isinstance(optics, RomanOptics) else _draw_at_centres
    widest = draw(star, pixel_scale)
    middle = _WIDEST // 2
    for half in range(1, middle + 1):
        kernel = widest[middle - half : middle + half + 1, middle - half : middle + half + 1]
        if kernel.sum() >= LIGHT * max(1, widest.sum()):
            break
    kernel = np.maximum(kernel, 0)  # the FFT's roundings, and what cutting frequencies off leaves
    return kernel / kernel.sum()


def _draw_at_centres(star, pixel_scale: float) -> np.ndarray:
    return star.drawImage(nx=_WIDEST, ny=_WIDEST, scale=pixel_scale, method="no_pixel").array.astype(float)


def _draw_band_limited(star, pixel_scale: float) -> np.ndarray:
    """Return a star without frequencies above half a period a pixel.

    Pixels as large as Roman's take higher ones for lower ones: the kernel's middle would be half as high again.
    """
    step = 2 * np.pi / (_WIDEST * pixel_scale)
    frequencies = star.drawKImage(nx=_WIDEST, ny=_WIDEST, scale=step).array
    return np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(frequencies)).real)


def build_star(optics: MirrorOptics | RomanOptics):
    """Return GalSim's model of a star as the telescope sees it, of flux 1, before the pixel."""
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

"""Point-spread functions of telescopes, from GalSim's model of their optics."""

from dataclasses import dataclass

import numpy as np

LIGHT = 0.95
"""Of a star, that a kernel holds at least. The rest falls off as r^-3 far beyond the core: another two per cent would
take a kernel twice as wide, and every image is rendered with a margin of half its width."""

_WIDEST = 101


@dataclass(frozen=True)
class Optics:
    """What shapes the image of a star.

    Attributes
    ----------
    diameter : float, m, of the primary mirror
    obscuration : float, diameter of the central obstruction over that of the mirror
    struts : int, that hold the secondary mirror
    strut_thickness : float, over the mirror's diameter
    wavelength : float, nm, effective
    defocus, spherical : float, waves (Noll's Zernike coefficients 4 and 11)
    jitter : float, arcsec
        Standard deviation of a round Gaussian: pointing, charge diffusion, and what drizzling adds.
    """

    diameter: float
    obscuration: float
    struts: int
    strut_thickness: float
    wavelength: float
    defocus: float
    spherical: float
    jitter: float


OPTICS = {
    # Mirror, obscuration, struts: Krist, Hook & Stoehr 2011, Proc. SPIE 8127 (Tiny Tim). Effective wavelength: ACS
    # Instrument Handbook. The last three: fitted to the PSF files of two SLACS lenses, pixels of 0.05 arcsec.
    "hst": Optics(2.4, 0.33, 4, 0.022, 806.0, defocus=0.055, spherical=-0.03, jitter=0.017),
    # Mirror: Euclid Collaboration, Mellier et al. 2025, A&A 697, A1; the middle of the band, 550-900 nm: Cropper et
    # al. 2025, A&A 697, A2. The last three: fitted to the VIS PSF that comes with a Q1 lens.
    "euclid": Optics(1.2, 0.33, 3, 0.03, 700.0, defocus=0.066, spherical=-0.008, jitter=0.041),
}


def optical_psf(optics: Optics, pixel_scale: float) -> np.ndarray:
    """Return a telescope's point-spread function sampled at pixel centres, without the blur of the pixel itself.

    Images are averaged over their pixels before they are blurred: a kernel with the pixel in it would average twice.
    Hubble's has structure finer than twice a pixel of 0.05 arcsec (lambda / 2D is 0.035 arcsec), and so the kernel
    stands for it only as far as what it blurs is smooth over a pixel.

    Parameters
    ----------
    optics : Optics
    pixel_scale : float, arcsec

    Returns
    -------
    ndarray (K, K), K odd, sums to 1
        As narrow as holds ``LIGHT`` of the light.
    """
    star = build_star(optics)
    widest = star.drawImage(nx=_WIDEST, ny=_WIDEST, scale=pixel_scale, method="no_pixel").array.astype(float)
    middle = _WIDEST // 2
    for half in range(1, middle + 1):
        kernel = widest[middle - half : middle + half + 1, middle - half : middle + half + 1]
        if kernel.sum() >= LIGHT * max(1, widest.sum()):
            break
    kernel = np.maximum(kernel, 0)  # the FFT's roundings
    return kernel / kernel.sum()


def build_star(optics: Optics):
    """Return GalSim's model of a star as the telescope sees it, of flux 1, before the pixel."""
    import galsim

    mirror = galsim.OpticalPSF(
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
    return galsim.Convolve(mirror, galsim.Gaussian(sigma=optics.jitter))

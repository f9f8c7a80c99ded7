"""Telescopes: one record for each, with all its properties.

The records define the choices, the help line and the defaults of ``--telescope``, the point-spread function of
``--psf-model=optical``, the comparison of a FITS header with the training images, and the camera in COOLEST files. To
add a telescope, add a record (see docs/extending.md).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Defaults of the flags with the same names.

    Attributes
    ----------
    grid_size : int
        Number of pixels along each side of an image.
    pixel_scale : float, arcsec
    psf_fwhm : float, arcsec
        FWHM of a Gaussian point-spread function; 0: none.
    exposure_time : float, s
        Total time of all exposures; 0: no noise.
    exposures : int
        Number of exposures; each is read out once.
    sky_brightness : float, AB mag/arcsec^2
        Surface brightness of the total background: zodiacal light, stray light and dark current.
    read_noise : float, electrons
        RMS of one read-out.
    zero_point : float, AB mag
        Magnitude of 1 electron/s.
    """

    grid_size: int
    pixel_scale: float
    psf_fwhm: float
    exposure_time: float
    exposures: int
    sky_brightness: float
    read_noise: float
    zero_point: float


@dataclass(frozen=True, kw_only=True)
class MirrorOptics:
    """Optics of a mirror with aberrations in Zernike polynomials.

    Attributes
    ----------
    diameter : float, m
        Diameter of the primary mirror.
    obscuration : float
        Diameter of the central obstruction, relative to that of the mirror.
    struts : int
        Number of struts of the secondary mirror.
    strut_thickness : float
        Thickness relative to the diameter of the mirror.
    wavelength : float, nm
        Effective wavelength.
    defocus, spherical : float, waves
        Noll's Zernike coefficients 4 and 11.
    jitter : float, arcsec
        Standard deviation of a round Gaussian for pointing jitter, charge diffusion and drizzling.
    """

    diameter: float
    obscuration: float
    struts: int
    strut_thickness: float
    wavelength: float
    defocus: float
    spherical: float
    jitter: float


@dataclass(frozen=True, kw_only=True)
class RomanOptics:
    """Roman's optics, from GalSim's model of the pupil and the aberrations of each detector.

    Attributes
    ----------
    detector : int, 1 to 18
        The model is for the centre of this detector.
    band : str
        GalSim's name of the band; the model is for its effective wavelength.
    jitter : float, arcsec
        Standard deviation of a round Gaussian for pointing jitter and charge diffusion.
    """

    detector: int
    band: str
    jitter: float


@dataclass(frozen=True, kw_only=True)
class TelescopeRecord:
    """A telescope with one instrument and one band.

    Attributes
    ----------
    title : str
        Name in help and messages.
    instrument, band : str
        Names in COOLEST files; empty if the camera is not real.
    settings : Settings
        Defaults of flags.
    header : mapping of ``telescope``, ``instrument`` and ``filter`` to str
        Capitals and digits in TELESCOP, INSTRUME and FILTER in FITS headers. ``filter`` is absent if the instrument has
        only one filter.
    optics : MirrorOptics, RomanOptics or None
    without_optics : str
        Reason why ``optics`` is None, for messages.
    """

    title: str
    instrument: str = ""
    band: str = ""
    settings: Settings
    header: Mapping[str, str] = field(default_factory=dict)
    optics: MirrorOptics | RomanOptics | None = None
    without_optics: str = ""


EUCLID = TelescopeRecord(
    title="Euclid VIS",
    instrument="Euclid VIS",
    band="VIS",
    # Euclid Collaboration, Cropper et al. 2025, A&A 697, A2 (exposures, read noise, PSF); zero point and sky as in
    # lenstronomy 1.14.2's Euclid preset.
    settings=Settings(
        grid_size=64,
        pixel_scale=0.1,
        psf_fwhm=0.16,
        exposure_time=2264.0,
        exposures=4,
        sky_brightness=22.3,
        read_noise=4.2,
        zero_point=25.72,
    ),
    header={"telescope": "EUCLID", "instrument": "VIS"},
    # Mirror: Euclid Collaboration, Mellier et al. 2025, A&A 697, A1. Wavelength: centre of the band, 550-900 nm,
    # Cropper et al. 2025, A&A 697, A2. The last three values are fitted to the VIS PSF of a Q1 lens.
    optics=MirrorOptics(
        diameter=1.2,
        obscuration=0.33,
        struts=3,
        strut_thickness=0.03,
        wavelength=700.0,
        defocus=0.066,
        spherical=-0.008,
        jitter=0.041,
    ),
)

HUBBLE = TelescopeRecord(
    title="HST ACS F814W",
    instrument="HST ACS",
    band="F814W",
    # Zero point: Sirianni et al. 2005, PASP 117, 1049. Sky: zodiacal light and earthshine from the ACS handbook, 0.1
    # e-/s per pixel. PSF: FWHM of the SLACS PSF files. Exposures: one orbit in four exposures, as for SLACS (Bolton et
    # al. 2008, ApJ 682, 964).
    settings=Settings(
        grid_size=128,
        pixel_scale=0.05,
        psf_fwhm=0.077,
        exposure_time=2100.0,
        exposures=4,
        sky_brightness=21.95,
        read_noise=5.0,
        zero_point=25.94,
    ),
    header={"telescope": "HST", "instrument": "ACS", "filter": "F814W"},
    # Mirror, obscuration, struts: Krist, Hook & Stoehr 2011, Proc. SPIE 8127 (Tiny Tim). Effective wavelength: ACS
    # Instrument Handbook. The last three values are fitted to the PSF files of two SLACS lenses (0.05 arcsec pixels).
    optics=MirrorOptics(
        diameter=2.4,
        obscuration=0.33,
        struts=4,
        strut_thickness=0.022,
        wavelength=806.0,
        defocus=0.055,
        spherical=-0.03,
        jitter=0.017,
    ),
)

ROMAN = TelescopeRecord(
    # F129 is a band of the High Latitude Wide Area Survey with a point-spread function as wide as a pixel; that of F106
    # is narrower.
    title="Roman WFI F129",
    instrument="Roman WFI",
    band="F129",
    # All values except the exposures: GalSim 2.8's galsim.roman, after the mission's WFI technical page. Zero point:
    # effective area of F129. Sky: zodiacal light of 22.24 mag/arcsec^2 at an ecliptic latitude of 30 degrees, 90
    # degrees from the Sun, plus 10 % of stray light and 0.015 e-/s per pixel of dark current; in total 0.67 e-/s per
    # pixel. PSF: FWHM of the optics below. Exposures: three dithers in each of two passes of the survey's medium tier,
    # as in lenstronomy 1.14.2's Roman preset.
    settings=Settings(
        grid_size=64,
        pixel_scale=0.11,
        psf_fwhm=0.117,
        exposure_time=642.0,
        exposures=6,
        sky_brightness=22.11,
        read_noise=8.5,
        zero_point=26.48,
    ),
    header={"telescope": "ROMAN", "instrument": "WFI", "filter": "129"},
    # Detector 2 is near the centre of the field. The Gaussian combines 0.014 arcsec of jitter and 0.1 pixel of charge
    # diffusion, both from GalSim.
    optics=RomanOptics(detector=2, band="J129", jitter=0.018),
)

RUBIN = TelescopeRecord(
    title="Rubin LSST, i band",
    instrument="Rubin LSSTCam",
    band="i",
    # Zero point, seeing at zenith (FWHM of the Gaussian with the same number of effective pixels), and read noise with
    # dark current: SMTN-002 (doi 10.71929/rubin/3408482), throughputs v1.9. Sky: its 20.46 at zenith without Moon, less
    # 0.10 mag, since the zero point includes the atmospheric extinction and the sky brightness does not. Pixels, and
    # 184 visits of two 15 s exposures in ten years: Ivezic et al. 2019, ApJ 873, 111.
    settings=Settings(
        grid_size=48,
        pixel_scale=0.2,
        psf_fwhm=0.80,
        exposure_time=5520.0,
        exposures=368,
        sky_brightness=20.36,
        read_noise=9.0,
        zero_point=28.17,
    ),
    header={"instrument": "LSST", "filter": "I"},
    without_optics="the seeing is wider than the diffraction limit; --psf-fwhm sets it",
)

# Pixels, field and zero point are those of Euclid.
NONE = TelescopeRecord(
    title="no PSF, no noise",
    settings=replace(EUCLID.settings, psf_fwhm=0.0, exposure_time=0.0, read_noise=0.0),
    without_optics="it has no PSF",
)

TELESCOPES = {"euclid": EUCLID, "hst": HUBBLE, "roman": ROMAN, "rubin": RUBIN, "none": NONE}
"""Records by the choices of ``--telescope``."""

SETTINGS = {
    # Without noise there is no signal-to-noise to reach.
    name: asdict(record.settings) | ({} if record.settings.exposure_time else {"snr_range": None})
    for name, record in TELESCOPES.items()
}
"""Defaults of parameters by the choices of ``--telescope``."""


def find_band(camera: Mapping[str, str]) -> str:
    """Return the band of an image: the filter in its header, else the only filter of the instrument, else "".

    Parameters
    ----------
    camera : mapping of ``telescope``, ``instrument`` and ``filter`` to str
        Values from the header.
    """
    only = {
        record.header.get("instrument"): record.band for record in TELESCOPES.values() if "filter" not in record.header
    }
    return camera.get("filter") or only.get(camera.get("instrument"), "")

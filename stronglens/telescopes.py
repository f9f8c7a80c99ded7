"""Telescopes: all that differs between them, one record each, as plain data.

From a record follow the choices, the help line and the defaults of ``--telescope``, the point-spread function of
``--psf-model=optical``, the comparison of a FITS header with the training images, and what COOLEST files call the
camera. To add a telescope, add a record: see docs/extending.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Values of the flags of the same names.

    Attributes
    ----------
    grid_size : int, pixels along each side of an image
    pixel_scale : float, arcsec
    psf_fwhm : float, arcsec, of a Gaussian point-spread function; 0: none
    exposure_time : float, s, of all exposures together; 0: no noise
    exposures : int, each read out once
    sky_brightness : float, AB mag/arcsec^2
        Of all background: zodiacal light, and what the telescope and the detector add to it.
    read_noise : float, e- RMS of one read-out
    zero_point : float, AB magnitude of one e-/s
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
    """A mirror that Zernike polynomials describe.

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


@dataclass(frozen=True, kw_only=True)
class RomanOptics:
    """Roman's optics, of which GalSim has a model: pupil and aberrations of each detector.

    Attributes
    ----------
    detector : int, 1 to 18; the model is that of its centre
    band : str, GalSim's name; the model is that of its effective wavelength
    jitter : float, arcsec
        Standard deviation of a round Gaussian: pointing and charge diffusion.
    """

    detector: int
    band: str
    jitter: float


@dataclass(frozen=True, kw_only=True)
class TelescopeRecord:
    """A telescope with one instrument and one band.

    Attributes
    ----------
    title : str, for help and messages
    instrument, band : str, for COOLEST files; empty for no real camera
    settings : Settings, the defaults that go with the telescope
    header : mapping of ``telescope``, ``instrument`` and ``filter`` to str
        Capitals and digits that the FITS header of its images has in TELESCOP, INSTRUME and FILTER; without ``filter``
        the instrument has one filter only.
    optics : MirrorOptics, RomanOptics or None
    without_optics : str, why there are none
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
    # Mirror: Euclid Collaboration, Mellier et al. 2025, A&A 697, A1; the middle of the band, 550-900 nm: Cropper et
    # al. 2025, A&A 697, A2. The last three: fitted to the VIS PSF that comes with a Q1 lens.
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
    # Zero point: Sirianni et al. 2005, PASP 117, 1049. Sky: zodiacal light of the ACS handbook and earth-shine,
    # 0.1 e-/s a pixel. PSF: FWHM of the SLACS PSF files. One orbit in four exposures, as SLACS took them (Bolton et al.
    # 2008, ApJ 682, 964).
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
    # Instrument Handbook. The last three: fitted to the PSF files of two SLACS lenses, pixels of 0.05 arcsec.
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
    # F129: a band of the High Latitude Wide Area Survey whose point-spread function is as wide as a pixel; narrower in
    # F106.
    title="Roman WFI F129",
    instrument="Roman WFI",
    band="F129",
    # All but exposures: GalSim 2.8's galsim.roman, after the mission's WFI technical page. Zero point: effective area
    # of F129. Sky: 22.24 of zodiacal light at an ecliptic latitude of 30 degrees, 90 degrees from the Sun, a tenth more
    # of stray light, and 0.015 e-/s a pixel of dark current; 0.67 e-/s a pixel together. PSF: FWHM of the optics below.
    # Exposures: three dithers in each of two passes of the survey's medium tier, as in lenstronomy 1.14.2's Roman
    # preset.
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
    # Detector 2: near the middle of the field. The Gaussian: 0.014 arcsec of jitter and a tenth of a pixel of charge
    # diffusion, GalSim's numbers for both.
    optics=RomanOptics(detector=2, band="J129", jitter=0.018),
)

RUBIN = TelescopeRecord(
    title="Rubin LSST, i band",
    instrument="Rubin LSSTCam",
    band="i",
    # Zero point, seeing at zenith (FWHM of the Gaussian with as many effective pixels), noise of a read-out with dark
    # current: SMTN-002 (doi 10.71929/rubin/3408482), throughputs v1.9. Sky: its 20.46 at zenith without Moon, less
    # 0.10 mag: the zero point includes the atmosphere's absorption, of which the sky's brightness is free. Pixels, and
    # 184 visits of two exposures of 15 s in ten years: Ivezic et al. 2019, ApJ 873, 111.
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
    without_optics="the atmosphere blurs more than the mirror; --psf-fwhm is the seeing",
)

# Euclid's pixels, field and zero point.
NONE = TelescopeRecord(
    title="no PSF, no noise",
    settings=replace(EUCLID.settings, psf_fwhm=0.0, exposure_time=0.0, read_noise=0.0),
    without_optics="it blurs nothing",
)

TELESCOPES = {"euclid": EUCLID, "hst": HUBBLE, "roman": ROMAN, "rubin": RUBIN, "none": NONE}
"""By the words of ``--telescope``."""


def find_band(camera: Mapping[str, str]) -> str:
    """Return the band of an image: the filter that its header names, or the only one of the instrument; or nothing.

    Parameters
    ----------
    camera : mapping of ``telescope``, ``instrument`` and ``filter`` to what the header says of them
    """
    only = {
        record.header.get("instrument"): record.band for record in TELESCOPES.values() if "filter" not in record.header
    }
    return camera.get("filter") or only.get(camera.get("instrument"), "")

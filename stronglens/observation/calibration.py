"""Find the pixel scale, the unit and the zero point of an image, from its FITS header or from the user."""

from typing import Any

import numpy as np

from stronglens.observation.units import Unit, read_unit
from stronglens.parameters import RunError

PIXEL_SCALE_KEYS = (
    *("PIXSCALE", "PIXSCAL", "PIXSCAL1", "PIXELSCL", "PIXSCAX", "SECPIX", "SECPIX1", "XPIXSCAL", "D001SCAL"),
)
OTHER_AXIS = {"PIXSCAL1": "PIXSCAL2", "PIXSCAX": "PIXSCAY", "SECPIX1": "SECPIX2", "XPIXSCAL": "YPIXSCAL"}
UNKNOWN_UNIT = "file units"
ZERO_POINT_KEYS = (
    *("MAGZERO", "MAGZPT", "MAGZP", "MAG_ZP", "MAGZEROP", "ZEROPNT", "ZEROPOIN", "ZEROPT", "ZP", "ZPT", "ZP_AB"),
    *("ABZP", "ABMAGZP", "PHOTZP", "PHOT_ZP", "PHOTZPT"),
)
EXPOSURE_KEYS = ("EXPTIME", "TEXPTIME", "EXPOSURE", "XPOSURE")
GAIN_KEYS = ("EGAIN", "GAIN")
ZERO_POINT_LIMITS = (0.0, 50.0)
"""Range of zero points of counts. HST's PHOTZPT = -21.1, the constant of STMAG, lies outside."""

JANSKY = 8.9
"""AB magnitude of 1 Jy; 3631 Jy are magnitude 0 (Oke & Gunn 1983, ApJ 266, 713)."""
SQUARE = 0.01
"""Largest relative difference of width and height, or of the two diagonals, of a square pixel."""
ANGLES = {"deg": 3600.0, "degree": 3600.0, "degrees": 3600.0, "arcsec": 1.0, "arcmin": 60.0, "rad": 206264.806247}


def find_pixel_scale(headers: list[Any], name: str, given: float | None, notes: list[str]) -> float | None:
    """Return the pixel scale in arcsec: the given one, else that of the header, else None.

    Decisions are added to the notes.

    Raises
    ------
    RunError
        If the header's pixels are not square and no pixel scale is given. If one is given, a note says so.
    """
    found, shape = _pixel_of_wcs(headers[0]) if headers else (None, "")
    if found is None:
        found, shape = _pixel_of_keys(headers)
    if shape and given is None:
        raise RunError(f"{name}: its pixels are not square ({shape}); resample it first")
    if given is None:
        return found
    if shape:
        notes.append(
            f"the header says that its pixels are not square ({shape}); squares of --pixel-scale={given:g} are "
            "assumed, which distorts all shapes and radii. Unless the header is wrong, resample it first"
        )
    elif found is not None and abs(given / found - 1) > 0.05:
        notes.append(f"--pixel-scale={given:g} used, although the header says {found:.4g} arcsec")
    return float(given)


def read_stored_unit(headers: list[Any], name: str, pixel_scale: float | None) -> str:
    """Return the unit of pixels that need no calibration, as the header states it; without one ``file units``.

    Raises
    ------
    RunError
        If pixels are magnitudes, or otherwise not proportional to the flux.
    """
    written = _written_unit(headers)
    _refuse_other_scales(headers, read_unit(written), written, name, pixel_scale, None)
    return written or UNKNOWN_UNIT


def calibrate(
    headers: list[Any],
    name: str,
    pixel_scale: float | None,
    zero_point: float | None,
    unit: str | None,
    exposure_time: float | None,
    gain: float | None,
    notes: list[str],
) -> tuple[float, float | None, float | None]:
    """Return the calibration of pixels to counts per second.

    Decisions are added to the notes.

    Returns
    -------
    factor : float
        Counts per second in one unit of a stored pixel.
    zero_point : float or None, AB mag
        Magnitude of one count per second. None: counts are electrons, and their zero point is unknown.
    electrons : float or None
        Electrons detected for one count per second, which determine the photon noise; None if unknown.

    Raises
    ------
    RunError
        If the unit is not understood, if neither unit nor zero point is known, or if a needed exposure time is not.
    """
    written = _written_unit(headers)
    its_unit = read_unit(written)
    if unit is None:
        _refuse_other_scales(headers, its_unit, written, name, pixel_scale, zero_point)
    per_flux = _zero_point_of_flux(its_unit, written, pixel_scale, headers, name) if unit is None else None
    if per_flux is not None:
        if zero_point is not None and abs(zero_point - per_flux) > 0.01:
            notes.append(f"--zero-point={zero_point:g} used, although BUNIT = {written} means {per_flux:.2f}")
            return 1.0, zero_point, None
        notes.append(f"BUNIT = {written} means a zero point of {per_flux:.2f}")
        return 1.0, per_flux, None

    understood = unit or (its_unit.counts if its_unit else None)
    if unit and its_unit and its_unit.counts != unit:
        notes.append(f"--unit={unit} used, although the header says BUNIT = {written}")
    if understood is None and written and zero_point is None:
        raise _missing(
            name, pixel_scale, f"its unit, BUNIT = {written!r}, is not understood; give --unit or --zero-point"
        )
    seconds_key, seconds = (
        ("--exposure-time", exposure_time) if exposure_time else _header_number(headers, EXPOSURE_KEYS)
    )
    gain_key, electrons = ("--gain", gain) if gain else _header_number(headers, GAIN_KEYS)
    key, stored = _header_number(headers, ZERO_POINT_KEYS, low=ZERO_POINT_LIMITS[0], high=ZERO_POINT_LIMITS[1])
    if stored is None and (flux := _header_number(headers, ("FLUXMAG0",))[1]):  # Hyper Suprime-Cam's
        key, stored = "2.5 log10 FLUXMAG0", 2.5 * float(np.log10(flux))
    if zero_point is None and stored is not None and unit is None:
        notes.append(f"{key} = {stored:g} used as the zero point of the pixels as they are stored")
        return 1.0, stored, _electrons_in_one(understood, seconds, electrons)
    if zero_point is None:
        zero_point = stored if stored is not None else _zero_point_of_photflam(headers, notes)
        if stored is not None:
            notes.append(f"{key} = {stored:g} used as the zero point of one count per second")
    elif stored is not None and abs(zero_point - stored) > 0.01:
        notes.append(f"--zero-point={zero_point:g} used, although the header has {key} = {stored:g}")
    if understood is None and zero_point is None:
        raise _missing(name, pixel_scale, "neither unit nor zero point is known; give --unit or --zero-point")
    if understood is None:
        notes.append(f"unit unknown: pixels are assumed to be counts per second with zero point {zero_point:.2f}")
        return 1.0, zero_point, None

    factor = 1.0
    needs_gain = understood.startswith("adu") and zero_point is None and electrons is None
    if not understood.endswith("/s"):
        if seconds is None:
            stays = f", or --unit={understood}/s if the zero point is that of the pixels as they are stored"
            more = " and --zero-point or --gain" if needs_gain else ""
            reason = f"total counts ({understood}) need --exposure-time{more}{stays if zero_point else ''}"
            raise _missing(name, pixel_scale, reason)
        factor /= seconds
        notes.append(f"divided by {seconds:g} s ({seconds_key}), since its unit is {understood}")
    if not understood.startswith("adu"):
        return factor, zero_point, seconds
    if needs_gain:
        raise _missing(name, pixel_scale, "a unit in adu needs --zero-point or --gain")
    if zero_point is None:
        notes.append(f"multiplied by {electrons:g} e-/adu ({gain_key})")
        return factor * electrons, None, seconds
    if gain is not None:
        notes.append("--gain is used only for the noise: the zero point is that of one adu per second")
    return factor, zero_point, _electrons_in_one("adu/s", seconds, electrons)


def _written_unit(headers: list[Any]) -> str:
    texts = (str(_header_value(header, "BUNIT") or "").strip() for header in headers)
    return next((text for text in texts if text), "")


def _electrons_in_one(unit: str | None, seconds: float | None, gain: float | None) -> float | None:
    """Return the electrons detected for one unit; None if unknown."""
    factors = [seconds] if unit in ("e-/s", "adu/s") else []
    factors += [gain] if unit in ("adu", "adu/s") else []
    return None if unit is None or None in factors else float(np.prod(factors))


def _missing(name: str, pixel_scale: float | None, reason: str) -> RunError:
    """Return an error that names everything that is missing, including the pixel scale."""
    scale = "its pixel scale is not known; give --pixel-scale in arcsec; and " if pixel_scale is None else ""
    return RunError(f"{name}: {scale}{reason}")


def _pixel_of_wcs(header: Any) -> tuple[float | None, str]:
    """Return arcsec per pixel from the CD matrix or CDELT, and the shape of a pixel that is not square, else ``""``.

    The columns of the matrix are the sides of a pixel on the sky (Calabretta & Greisen 2002, A&A 395, 1077). In any
    orientation, also mirrored, it is square if the two singular values are equal; their product is its area.
    """
    # Many headers have a meaningless CDELT = 1: it is used only if the axes are coordinates on the sky.
    kinds = [str(_header_value(header, f"CTYPE{axis}") or "").upper() for axis in (1, 2)]
    units = [str(_header_value(header, f"CUNIT{axis}") or "").strip().lower() for axis in (1, 2)]
    on_the_sky = all(kind.startswith(("RA", "DEC", "GL", "EL")) or kind[1:4] == "LON" for kind in kinds)
    if not on_the_sky and not all(unit in ANGLES for unit in units):
        return None, ""
    numbers = {}
    for key in (f"{kind}{axes}" for kind in ("CD", "PC") for axes in ("1_1", "1_2", "2_1", "2_2")):
        numbers[key] = _header_number([header], (key,), low=-np.inf)[1]
    if any(numbers[f"CD{axes}"] is not None for axes in ("1_1", "1_2", "2_1", "2_2")):
        matrix = np.array(
            [[numbers["CD1_1"] or 0, numbers["CD1_2"] or 0], [numbers["CD2_1"] or 0, numbers["CD2_2"] or 0]]
        )
    else:
        steps = [_header_number([header], (f"CDELT{axis}",), low=-np.inf)[1] for axis in (1, 2)]
        if None in steps:
            return None, ""
        diagonal = {"PC1_1": 1.0, "PC2_2": 1.0}
        turn = {
            key: diagonal.get(key, 0.0) if numbers[key] is None else numbers[key] for key in numbers if key[0] == "P"
        }
        matrix = np.array([[turn["PC1_1"], turn["PC1_2"]], [turn["PC2_1"], turn["PC2_2"]]]) * np.array(steps)[:, None]
    with np.errstate(all="ignore"):
        matrix = matrix * np.array([[ANGLES.get(unit, 3600.0)] for unit in units])
        width, height = np.hypot(*matrix)
    if not (np.isfinite([width, height]).all() and min(width, height) > 1e-6):
        return None, ""
    long, short = np.linalg.svd(matrix, compute_uv=False)
    if not short > 1e-3 * long:  # no area
        return None, ""
    shape = ""
    if long / short - 1 > SQUARE:
        angle = np.degrees(np.arccos(np.clip(matrix[:, 0] @ matrix[:, 1] / (width * height), -1, 1)))
        shape = f"{width:.4g} x {height:.4g} arcsec, sides at {angle:.4g} degrees"
    return float(np.sqrt(long * short)), shape


def _pixel_of_keys(headers: list[Any]) -> tuple[float | None, str]:
    """Return arcsec per pixel from keys such as PIXSCALE, and the shape of a pixel that is not square, else ``""``."""
    key, found = _header_number(headers, PIXEL_SCALE_KEYS, low=1e-6)
    other = _header_number(headers, (OTHER_AXIS[key],), low=1e-6)[1] if key in OTHER_AXIS else None
    if other is None:
        return found, ""
    is_square = abs(found / other - 1) <= SQUARE
    return float(np.sqrt(found * other)), "" if is_square else f"{found:.4g} x {other:.4g} arcsec"


def _refuse_other_scales(
    headers: list[Any], unit: Unit | None, written: str, name: str, pixel_scale: float | None, zero_point: float | None
) -> None:
    """Refuse pixel values that are not proportional to the flux."""
    if all(_header_number(headers, (key,), low=-np.inf)[1] is not None for key in ("BSOFTEN", "BOFFSET")):
        raise RunError(
            f"{name}: its pixels are on Pan-STARRS's asinh scale (BSOFTEN, BOFFSET): convert them to fluxes first; if "
            "they are fluxes already, give --unit"
        )
    if unit is not None and unit.refusal and zero_point is None:
        raise _missing(name, pixel_scale, f"its unit, BUNIT = {written!r}, is {unit.refusal}: convert it first")


def _zero_point_of_flux(
    unit: Unit | None, written: str, pixel_scale: float | None, headers: list[Any], name: str
) -> float | None:
    """Return the AB zero point of a flux density such as nJy or MJy/sr; None for other units."""
    if unit is None or (unit.jansky is None and unit.per_wavelength is None):
        return None
    if unit.is_per_arcsec2 and pixel_scale is None:
        raise RunError(f"{name}: its unit, {written}, needs a pixel scale; give --pixel-scale in arcsec")
    area = -5 * float(np.log10(pixel_scale)) if unit.is_per_arcsec2 else 0.0
    if unit.jansky is not None:
        return JANSKY - 2.5 * float(np.log10(unit.jansky)) + area
    wavelength = _header_number(headers, ("PHOTPLAM",))[1]
    if wavelength is None:
        raise _missing(
            name,
            pixel_scale,
            f"its unit, BUNIT = {written!r}, is a flux density per wavelength, and the header has no pivot wavelength "
            "(PHOTPLAM): convert it to Jy first",
        )
    return _zero_point_of_wavelength(unit.per_wavelength, wavelength) + area


def _zero_point_of_photflam(headers: list[Any], notes: list[str]) -> float | None:
    """Return the AB zero point of one count per second from HST's PHOTFLAM and PHOTPLAM."""
    flux, wavelength = (_header_number(headers, (key,))[1] for key in ("PHOTFLAM", "PHOTPLAM"))
    if flux is None or wavelength is None:
        return None
    value = _zero_point_of_wavelength(flux, wavelength)
    if not ZERO_POINT_LIMITS[0] < value < ZERO_POINT_LIMITS[1]:
        return None
    notes.append(f"zero point {value:.3f} from PHOTFLAM and PHOTPLAM")
    return value


def _zero_point_of_wavelength(flux: float, wavelength: float) -> float:
    """Return the AB magnitude of a flux density [erg/s/cm^2/Angstrom] at a pivot wavelength [Angstrom].

    ZP_AB = -2.5 log10(PHOTFLAM) - 5 log10(PHOTPLAM) - 2.408 (Bohlin et al. 2011, AJ 141, 173; HST data handbooks).
    """
    return -2.5 * float(np.log10(flux)) - 5 * float(np.log10(wavelength)) - 2.408


def _header_number(
    headers: list[Any], keys: tuple[str, ...], low: float = 0.0, high: float = np.inf
) -> tuple[str, float | None]:
    """Return the first key that holds a number between the limits, and the number; ``""`` and None if none does."""
    for key in keys:
        for header in headers:
            value = _header_value(header, key)
            try:
                number = float("nan" if isinstance(value, bool | None) else value)
            except (TypeError, ValueError):
                continue
            if np.isfinite(number) and low < number < high:
                return key, number
    return "", None


def _header_value(header: Any, key: str) -> Any:
    try:
        return header.get(key)
    except Exception:  # a damaged card is ignored
        return None

"""Parse the units of pixels in FITS headers."""

import re
from dataclasses import dataclass

SQUARE_ARCSEC = (3.141592653589793 / 180 / 3600) ** 2
"""A square arcsecond, in steradian."""

# Case distinguishes mega from milli, as in SI; other prefixes occur in both cases.
PREFIXES = {"M": 1e6, "m": 1e-3, "k": 1e3, "K": 1e3, "u": 1e-6, "U": 1e-6, "n": 1e-9, "N": 1e-9, "p": 1e-12, "G": 1e9}
LONG_PREFIXES = {"giga": 1e9, "mega": 1e6, "kilo": 1e3, "milli": 1e-3, "micro": 1e-6, "nano": 1e-9, "pico": 1e-12}
FLUX_DENSITIES = {"jy": 1.0, "jansky": 1.0, "janskys": 1.0, "maggy": 3631.0, "maggies": 3631.0, "mgy": 3631.0}
"""Units in Jy. A maggy is the flux density of magnitude 0, 3631 Jy (Oke & Gunn 1983, ApJ 266, 713)."""

# The dimensions of each word, and its value in their units (cgs, Angstrom, arcsec, Jy).
WORDS = {
    **dict.fromkeys(("e", "e-", "el", "elec", "electron", "electrons", "elecs"), ({"e-": 1}, 1.0)),
    **dict.fromkeys(("photoelectron", "photoelectrons", "ph", "phot", "photon", "photons"), ({"e-": 1}, 1.0)),
    **dict.fromkeys(("adu", "adus", "dn", "dns", "count", "counts", "ct", "cts", "cnt", "cnts"), ({"adu": 1}, 1.0)),
    "cps": ({"adu": 1, "s": -1}, 1.0),
    "eps": ({"e-": 1, "s": -1}, 1.0),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), ({"s": 1}, 1.0)),
    **dict.fromkeys(("pix", "pixel", "pixels", "px"), ({"pixel": 1}, 1.0)),
    **dict.fromkeys(("beam", "beams"), ({"beam": 1}, 1.0)),
    **dict.fromkeys(("sr", "steradian", "ster"), ({"arcsec": 2}, 1 / SQUARE_ARCSEC)),
    **dict.fromkeys(("arcsec", "arcsecs", "asec", "arcsecond", "arcseconds"), ({"arcsec": 1}, 1.0)),
    "sqarcsec": ({"arcsec": 2}, 1.0),
    **dict.fromkeys(("erg", "ergs"), ({"erg": 1}, 1.0)),
    "w": ({"erg": 1, "s": -1}, 1e7),
    "cm": ({"cm": 1}, 1.0),
    "m": ({"cm": 1}, 100.0),
    **dict.fromkeys(("a", "aa", "ang", "angstrom", "angstroms"), ({"A": 1}, 1.0)),
    "nm": ({"A": 1}, 10.0),
    **dict.fromkeys(("um", "micron", "microns"), ({"A": 1}, 1e4)),
    "hz": ({"Hz": 1}, 1.0),
    **dict.fromkeys(("mag", "mags", "abmag", "stmag", "magnitude", "magnitudes"), ({"mag": 1}, 1.0)),
}
PER_WAVELENGTH = {"erg": 1, "s": -1, "cm": -2, "A": -1}
PER_FREQUENCY = {"erg": 1, "s": -1, "cm": -2, "Hz": -1}

_NUMBER = re.compile(r"(?:10\^\(?([+-]?\d+)\)?|(\d+\.?\d*(?:[eE][+-]?\d+)?))\s*[*x]?\s*(?=\D)")
_WORD = re.compile(r"([eE]-(?!\d)|[A-Za-z]+)(?:\^?\(?([+-]?\d+)\)?)?")


@dataclass(frozen=True)
class Unit:
    """Unit of a pixel.

    Attributes
    ----------
    counts : "e-", "adu", "e-/s", "adu/s" or None
    jansky : float or None
        Flux density of one unit, in Jy, or in Jy per arcsec^2.
    per_wavelength : float or None
        The same in erg/s/cm^2/Angstrom, or that per arcsec^2.
    is_per_arcsec2 : bool
    refusal : str
        Reason why pixels of this unit cannot be used; empty if they can.
    """

    counts: str | None = None
    jansky: float | None = None
    per_wavelength: float | None = None
    is_per_arcsec2: bool = False
    refusal: str = ""


def read_unit(text: str) -> Unit | None:
    """Parse a unit of a header: ``ELECTRONS/S``, ``e- s-1``, ``MJy/sr``, ``10**-20 erg/s/cm**2/Angstrom``.

    Parameters
    ----------
    text : str

    Returns
    -------
    Unit, or None if the text is not a unit of light
    """
    parsed = _parse(text)
    if parsed is None:
        return None
    factor, dimensions = parsed
    if dimensions.get("pixel") in (-1, -2):  # per pixel, like every image
        del dimensions["pixel"]
    if "mag" in dimensions:
        return Unit(refusal="a magnitude, not a flux")
    if "beam" in dimensions:
        return Unit(refusal="the flux in an interferometer's beam, which pixels do not add up to")
    if factor == 1:
        for counts in ("e-", "adu"):
            if dimensions == {counts: 1}:
                return Unit(counts)
            if dimensions == {counts: 1, "s": -1}:
                return Unit(f"{counts}/s")
    is_per_arcsec2 = dimensions.get("arcsec") == -2
    if is_per_arcsec2:
        del dimensions["arcsec"]
    if dimensions == {"Jy": 1}:
        return Unit(jansky=factor, is_per_arcsec2=is_per_arcsec2)
    if dimensions == PER_FREQUENCY:
        return Unit(jansky=factor * 1e23, is_per_arcsec2=is_per_arcsec2)
    if dimensions == PER_WAVELENGTH:
        return Unit(per_wavelength=factor, is_per_arcsec2=is_per_arcsec2)
    return None


def _parse(text: str) -> tuple[float, dict[str, int]] | None:
    """Return the factor of a unit and the powers of its dimensions; None if a word is unknown."""
    text = text.strip().strip("'\"[]").replace("µ", "u").replace("μ", "u").replace("**", "^").replace("·", " ")
    text = re.sub(r"\bper\b", "/", text, flags=re.IGNORECASE).replace("persecond", "/s")
    factor, dimensions, at, sign, group = 1.0, {}, 0, 1, 1
    if number := _NUMBER.match(text):
        factor = 10.0 ** int(number[1]) if number[1] else float(number[2])
        at = number.end()
    while at < len(text):
        if text[at] in " *.·/()":
            if text[at] == "/":
                sign = -1
            elif text[at] == "(":
                group, sign = group * sign, 1
            elif text[at] == ")":
                group = 1
            at += 1
            continue
        word = _WORD.match(text, at)
        found = word and _look_up(word[1])
        if not found:
            return None
        power = sign * group * int(word[2] or 1)
        if abs(power) > 9:
            return None
        for name, exponent in found[0].items():
            dimensions[name] = dimensions.get(name, 0) + power * exponent
        factor *= found[1] ** power
        at, sign = word.end(), 1
    return (factor, {name: power for name, power in dimensions.items() if power}) if factor > 0 else None


def _look_up(word: str) -> tuple[dict[str, int], float] | None:
    lower = word.lower()
    if lower in WORDS:
        return WORDS[lower]
    for name, jansky in FLUX_DENSITIES.items():
        prefix = word[: -len(name)]
        if lower == name:
            return {"Jy": 1}, jansky
        if lower.endswith(name) and (scale := PREFIXES.get(prefix) or LONG_PREFIXES.get(prefix.lower())):
            return {"Jy": 1}, jansky * scale
    return None

"""Write the reconstructed source of a measured image as a FITS file."""

from pathlib import Path

import numpy as np

from stronglens.atomic import replacing
from stronglens.measuring.coolest import LENS_COLUMNS
from stronglens.parameters import RunError
from stronglens.reconstruction.source_prediction import SourcePrediction

KEYS = ("THETA_E", "LENS_X", "LENS_Y", "LENS_E1", "LENS_E2", "SHEAR_1", "SHEAR_2")
"""Keywords of `LENS_COLUMNS`."""

COMMENTS = (
    "Surface brightness is in the unit of the file's pixels, per pixel of the file's size.",
    "Axes: arcsec, x to the right and y up in the image; the origin is the centre of the",
    "cut-out, for source and image: the optical axis of the lens model.",
    "Ellipticity: (1-q)/(1+q) times (cos 2phi, sin 2phi), phi from +x towards +y.",
    "Shear: deflection (SHEAR_1 x + SHEAR_2 y, SHEAR_2 x - SHEAR_1 y).",
)


def write_source(
    path: Path,
    prediction: SourcePrediction,
    pixel_scale: float,
    source_pixel: float,
    unit: str,
    cards: dict[str, tuple[str | float, str]],
) -> Path:
    """Write a FITS file with the source, its error, the inversion, and the image with its model and residuals.

    Parameters
    ----------
    path : Path
    prediction : SourcePrediction
    pixel_scale, source_pixel : float, arcsec
        Of the image and of the source.
    unit : str
        Of the surface brightness.
    cards : dict of keyword to (value, comment)
        More entries of the primary header.

    Returns
    -------
    Path

    Raises
    ------
    RunError
        When the file cannot be written.
    """
    from astropy.io import fits

    primary = fits.PrimaryHDU()
    named = zip(KEYS, prediction.lens, LENS_COLUMNS, strict=True)
    entries: dict[str, tuple[str | float, str]] = {key: (value, name) for key, value, name in named}
    if prediction.fwhm is not None:
        entries["PSF_FWHM"] = (prediction.fwhm, "[arcsec] of the Gaussian PSF; 0: none")
    flux, _, radius, magnification, chi2, of_inversion = map(float, prediction.values)
    entries |= {
        "SRCFLUX": (flux, "of the source, sum over file-sized pixels"),
        "SRCRAD": (radius, "[arcsec] half-light radius of the source"),
        "MAGNIFIC": (magnification, "flux of the model image over SRCFLUX"),
        "CHI2": (chi2, "per pixel that is not excluded"),
        "CHI2INV": (of_inversion, "the same for the inversion"),
        "CHI2MAX": (prediction.limit, "limit of both for the true lens model"),
    }
    for key, card in (entries | cards).items():
        primary.header[key] = _printable(*card)
    for comment in (*COMMENTS, *(f"warning: {text}" for text in prediction.warnings)):
        primary.header["COMMENT"] = _ascii(comment)
    extensions = {
        "SOURCE": (prediction.source, source_pixel, unit),
        "SIGMA": (prediction.sigma, source_pixel, unit),
        "INVERSION": (prediction.inversion, source_pixel, unit),
        "MODEL": (prediction.model, pixel_scale, unit),
        "RESIDUALS": (prediction.residuals, pixel_scale, ""),
        "IMAGE": (prediction.image, pixel_scale, unit),
        "NOISE": (prediction.noise, pixel_scale, unit),
    }
    hdus = [primary]
    for name, (pixels, scale, its_unit) in extensions.items():
        if pixels is not None:
            hdus.append(
                fits.ImageHDU(np.flipud(pixels).astype(np.float32), _header(len(pixels), scale, its_unit), name)
            )
    try:
        with replacing(path) as aside:
            fits.HDUList(hdus).writeto(aside, overwrite=True)
    except OSError as error:
        raise RunError(f"{path}: not writable ({error.strerror or error})") from None
    return path


def _header(side: int, scale: float, unit: str):
    """Return a linear coordinate system in arcsec, whose origin is the centre; FITS counts pixels from 1."""
    from astropy.io import fits

    header = fits.Header()
    for axis, name in ((1, "X"), (2, "Y")):
        header[f"CTYPE{axis}"] = name, "linear"
        header[f"CUNIT{axis}"] = "arcsec"
        header[f"CRPIX{axis}"] = (side + 1) / 2
        header[f"CRVAL{axis}"] = 0.0
        header[f"CDELT{axis}"] = scale
    header["PIXSCALE"] = scale, "[arcsec]"
    if unit:
        header["BUNIT"] = _ascii(unit)[:68]
    return header


def _printable(value: str | float, comment: str) -> tuple[str | float | None, str]:
    if isinstance(value, str):
        return _ascii(value)[-68:], comment
    return (value if np.isfinite(value) else None), comment  # FITS has no NaN in headers


def _ascii(text: str) -> str:
    return "".join(one if one.isascii() and one.isprintable() else "?" for one in text)

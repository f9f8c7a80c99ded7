"""Write the separated light or the convergence of a measured image as a FITS file."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from stronglens.atomic import replacing
from stronglens.measuring import Measurement, TrainingImages
from stronglens.observation.pixels import is_fits, read_pixels
from stronglens.parameters import RunError

CAMERA = {"telescope": "TELESCOP", "instrument": "INSTRUME", "filter": "FILTER"}
"""Keywords of what the header of the file says about the camera."""

DIMENSIONLESS = ("CONVERGENCE", "SIGMA_LN")
"""Extensions without a unit."""


def write_planes(
    path: Path,
    one: Measurement,
    planes: Mapping[str, np.ndarray],
    training_images: TrainingImages,
    hdu: str | None,
    cards: Mapping[str, tuple[str | float, str]],
    comments: Sequence[str],
) -> Path:
    """Write a FITS file with images of one lens, each in an extension.

    Each extension has the world coordinates of the file that was measured, if it has some.

    Parameters
    ----------
    path : Path
    one : Measurement
    planes : mapping of str to ndarray (H, W)
        By the name of the extension; in e-/s, but for those in `DIMENSIONLESS`.
    training_images : TrainingImages
        Of the network: they set pixel scale and zero point.
    hdu : str or None
        Extension of the file that was read.
    cards : mapping of keyword to (value, comment)
        More entries of the primary header.
    comments : sequence of str

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
    y, x = one.prepared.centre
    percentile = one.prediction.percentile
    entries: dict[str, tuple[str | float | None, str]] = {
        "FILE": (_ascii(one.name)[-60:], ""),
        **{CAMERA[key]: (_ascii(value)[:60], "") for key, value in one.observation.camera.items() if key in CAMERA},
        "UNLIKE": (percentile, "percentile of out-of-distribution score"),
        "FIELD_X": (x, "[arcsec] field's centre from the file's, right"),
        "FIELD_Y": (y, "[arcsec] up"),
        **cards,
    }
    for key, (value, comment) in entries.items():
        primary.header[key] = (value, comment)
    for text in (*comments, *(f"warning: {text}" for text in one.prediction.warnings)):
        primary.header["COMMENT"] = _ascii(text)
    header = _read_coordinates(one, training_images, hdu)
    header["PIXSCALE"] = training_images.pixel_scale, "[arcsec]"
    hdus = [primary]
    for name, pixels in planes.items():
        extension = fits.ImageHDU(np.flipud(pixels).astype(np.float32), header.copy(), name)
        if name not in DIMENSIONLESS:
            extension.header["BUNIT"] = "electron/s"
            if training_images.zero_point is not None:
                extension.header["MAGZERO"] = training_images.zero_point, "[mag] AB, of 1 electron/s"
        hdus.append(extension)
    try:
        with replacing(path) as aside:
            fits.HDUList(hdus).writeto(aside, overwrite=True)
    except OSError as error:
        raise RunError(f"{path}: not writable ({error.strerror or error})") from None
    return path


def _read_coordinates(one: Measurement, training_images: TrainingImages, hdu: str | None):
    """Return a header with the world coordinates of the measured file, moved to the pixels of the network's input.

    Without coordinates there, they are offsets in arcsec from the centre of the field. Distortions are left out.
    """
    from astropy.io import fits
    from astropy.wcs import WCS

    path, scale, own = Path(one.image.path), training_images.pixel_scale, one.observation.pixel_scale
    height, width = training_images.shape
    if is_fits(path) and own:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pixels, headers, *_ = read_pixels(path, hdu, plane=one.image.plane)
            try:
                found = WCS(headers[0], relax=False).celestial
                found.sip = None
                if found.has_celestial and np.isfinite(found.wcs.crval).all():
                    y, x = one.prepared.centre
                    middle = np.array([pixels.shape[1] + 1, pixels.shape[0] + 1]) / 2  # FITS counts from 1
                    offset = (found.wcs.crpix - middle) * own - [x, y]
                    found.wcs.crpix = offset / scale + np.array([width + 1, height + 1]) / 2
                    if found.wcs.has_cd():
                        found.wcs.cd = found.wcs.cd * (scale / own)
                    else:
                        found.wcs.cdelt = found.wcs.cdelt * (scale / own)
                    return found.to_header()
            except Exception:  # astropy raises errors of many kinds for headers that are not standard
                pass
    header = fits.Header()
    for axis, name, side in ((1, "X", width), (2, "Y", height)):
        header[f"CTYPE{axis}"], header[f"CUNIT{axis}"] = (name, "linear"), "arcsec"
        header[f"CRPIX{axis}"], header[f"CRVAL{axis}"], header[f"CDELT{axis}"] = (side + 1) / 2, 0.0, scale
    return header


def _ascii(text: str) -> str:
    return "".join(one if one.isascii() and one.isprintable() else "?" for one in text)

"""Read a telescope image with its calibration, mask and noise map."""

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stronglens.observation.calibration import calibrate, find_pixel_scale, read_stored_unit
from stronglens.observation.pixels import FILE_ENDINGS, is_fits, read_pixels
from stronglens.observation.shapes import first_line
from stronglens.parameters import RunError, UsageError

CALIBRATED = "counts/s"
"""Unit of the pixels of a calibrated observation."""

MAX_NOISE = 1e6
"""Noise over the median of its noise map from which a pixel is bad: some maps mark bad pixels by a huge noise."""


@dataclass(frozen=True)
class Observation:
    """A telescope image and the calibration of its pixels.

    Attributes
    ----------
    image : ndarray (H, W) float64, counts per second, or ``unit``
        Row 0 at the top, y up, x to the right, as in simulated images.
    pixel_scale : float or None, arcsec
    zero_point : float or None, AB mag
        Magnitude of one count per second. None: counts are electrons, and their zero point is unknown.
    name : str
        Folder, file and extension.
    notes : tuple of str
        Decisions made while reading, one sentence each.
    electrons : float or None
        Electrons detected for one count per second: exposure time [s] times gain.
    noise : ndarray (H, W) float64 or None, counts per second
        Standard deviation of each pixel, from a noise map.
    mask : ndarray (H, W) bool or None
        True for pixels with light of neighbouring objects.
    camera : dict of str to str
        ``telescope``, ``instrument`` and ``filter``, as in the header.
    unit : str
        ``counts/s``; of an observation that is not calibrated, the unit that its file states.
    """

    image: NDArray[np.float64]
    pixel_scale: float | None
    zero_point: float | None
    name: str
    notes: tuple[str, ...] = ()
    electrons: float | None = None
    noise: NDArray[np.float64] | None = None
    mask: NDArray[np.bool_] | None = None
    camera: dict[str, str] = field(default_factory=dict)
    unit: str = CALIBRATED

    @property
    def is_calibrated(self) -> bool:
        """Whether pixels are in counts per second."""
        return self.unit == CALIBRATED

    @cached_property
    def bad(self) -> NDArray[np.bool_]:
        """Pixels (H, W) that are not finite, or whose noise is not finite, not positive, or huge."""
        bad = ~np.isfinite(self.image)
        if self.noise is None:
            return bad
        good = np.isfinite(self.noise) & (self.noise > 0)
        return bad | ~good | (self.noise >= MAX_NOISE * np.median(self.noise[good]))

    @property
    def hidden(self) -> NDArray[np.bool_]:
        """Pixels (H, W) that are masked or bad."""
        return self.bad if self.mask is None else self.bad | self.mask


def read_observation(
    path: str | Path,
    *,
    hdu: str | int | None = None,
    plane: int | None = None,
    name: str | None = None,
    pixel_scale: float | None = None,
    zero_point: float | None = None,
    unit: str | None = None,
    exposure_time: float | None = None,
    gain: float | None = None,
    mask: str | None = None,
    noise_map: str | None = None,
    background: float = 0.0,
    keep_unit: bool = False,
    channel: tuple[int, int] | None = None,
) -> Observation:
    """Read an image in .fits, .npy or .pickle and calibrate it to counts per second.

    Arguments override the file's header. A zero point in the header (MAGZERO and similar keys)
    is that of the stored pixels. A zero point given as argument, or from HST's PHOTFLAM, is that
    of one count per second; total counts (``e-``, ``adu``) are divided by the exposure time.

    Parameters
    ----------
    path : str or Path
    hdu : str or int, optional
        FITS extension: its number, its name (``SCI``) or name and version (``SCI,2``).
    plane : int, optional
        Plane of a cube (N, H, W) in FITS, NumPy or Zarr; counted from 0.
    name : str, optional
        Name of the file in messages, by default its folder and name.
    pixel_scale : float, arcsec, optional
    zero_point : float, AB mag, optional
    unit : {"e-/s", "e-", "adu/s", "adu"}, optional
    exposure_time : float, s, optional
    gain : float, e-/adu, optional
    mask, noise_map : str, optional
        A file, ``FILE[EXTENSION]``, or an extension of the image's own file. A file named without a folder is looked
        for beside the image first. Non-zero pixels are masked; the noise is a standard deviation in the unit of the
        stored image. Element [i, j] belongs to element [i, j] of the image, even if one file is FITS and the other is
        not; from a cube the plane of the image is taken. If there is no such file, a note says so.
    background : float
        Subtracted from all pixels, in the unit of the stored image.
    keep_unit : bool
        Whether pixels stay in the unit of the file, whichever it is. ``unit`` then only names it.
    channel : (int, int), optional
        Place of the band in the last axis of an array (H, W, B), and B.

    Returns
    -------
    Observation

    Raises
    ------
    RunError
        If the file is missing, damaged, too large or not an image; if its calibration is unknown; if the mask or
        noise map has another shape, or the noise map has no positive value.
    UsageError
        If an argument is not a positive number, the unit is unknown, or there is no such extension.
    """
    path = Path(path)
    for flag, value in {"--pixel-scale": pixel_scale, "--exposure-time": exposure_time, "--gain": gain}.items():
        if value is not None and not (np.isfinite(value) and value > 0):
            raise UsageError(f"{flag} must be a positive number, not {value}")
    if zero_point is not None and not np.isfinite(zero_point):
        raise UsageError(f"--zero-point must be a finite number, not {zero_point}")
    if unit is not None and unit not in ("e-/s", "e-", "adu/s", "adu"):
        raise UsageError(f"--unit must be one of e-/s, e-, adu/s, adu, not {unit!r}")
    pixels, headers, name, notes = read_pixels(path, hdu, plane=plane, name=name, channel=channel)

    try:
        image = np.array(pixels, dtype=np.float64)
    except Exception as error:
        raise RunError(f"{name}: its pixels cannot be read ({first_line(error)})") from error
    scale = find_pixel_scale(headers, name, pixel_scale, notes)
    factor, electrons, kept = 1.0, None, CALIBRATED
    if keep_unit:
        kept = unit or read_stored_unit(headers, name, scale)
    else:
        factor, zero_point, electrons = calibrate(headers, name, scale, zero_point, unit, exposure_time, gain, notes)
    if background:
        notes.append(f"a background of {background:g} subtracted from the pixels as they are stored")
    masked = None if mask is None else _read_beside(path, mask, "--mask", image.shape, plane, name, notes)
    noise = None if noise_map is None else _read_beside(path, noise_map, "--noise-map", image.shape, plane, name, notes)
    if noise is not None and not (np.isfinite(noise) & (noise > 0)).any():
        raise RunError(f"{name}: its noise map ({noise_map}) has no value above zero")
    with np.errstate(all="ignore"):
        image -= background
        image *= factor
        noise = None if noise is None else noise * factor
    masked = None if masked is None else masked != 0  # NaN too
    camera = _find_camera(headers)
    return Observation(image, scale, zero_point, name, tuple(notes), electrons, noise, masked, camera, kept)


def find_beside(path: str | Path, given: str) -> tuple[Path, str | None] | None:
    """Return the file and the extension that ``--mask`` or ``--noise-map`` names for an image; None if there is none.

    Parameters
    ----------
    path : str or Path
        Path of the image.
    given : str
        A file, with or without ``[EXTENSION]``; or an extension of the image's own file.
    """
    path = Path(path)
    match = re.fullmatch(r"(.+)\[([^\[\]]+)\]", given.strip())
    file, hdu = (match[1], match[2]) if match else (given.strip(), None)
    if not match and not file.lower().endswith(FILE_ENDINGS) and "/" not in file:
        return path, file
    beside = [path.parent / file] if Path(file).name == file else []
    return next(((place, hdu) for place in (*beside, Path(file)) if place.is_file()), None)


def _read_beside(
    path: Path, given: str, flag: str, shape: tuple[int, int], plane: int | None, name: str, notes: list[str]
) -> NDArray[np.float64] | None:
    """Return the pixels (H, W) of a mask or noise map; None, and a note, if this image has none."""
    found = find_beside(path, given)
    if found is None:
        if Path(given).name != given:
            raise RunError(f"{' '.join(given.split())}: no such file ({flag})")
        without = "nothing is masked" if flag == "--mask" else "its noise is not known"
        notes.append(f"there is no {given} beside it: {without}")
        return None
    file, hdu = found
    if file == path and not is_fits(path):
        raise UsageError(f"{flag}={given}: {name} is no FITS file and has no extensions; give a file, as {given}.npy")
    pixels, _, its_name, _ = read_pixels(file, hdu, flag, plane)
    if pixels.shape != shape:
        raise RunError(
            f"{name}: {flag} {its_name} has {pixels.shape[1]} x {pixels.shape[0]} pixels, the image has "
            f"{shape[1]} x {shape[0]}"
        )
    # Elements [i, j] of both arrays are the same pixel, also where only one of the files has its first row at the top.
    if is_fits(file) != is_fits(path):
        pixels = np.flipud(pixels)
    return np.array(pixels, dtype=np.float64)


def _find_camera(headers: list[Any]) -> dict[str, str]:
    """Return telescope, instrument and filter as headers name them; there may be several filter wheels."""
    found = {}
    for what, key in {"telescope": "TELESCOP*", "instrument": "INSTRUME*", "filter": "FILTER*"}.items():
        values = [str(value).strip() for header in headers for value in header[key].values()]
        found[what] = " ".join(dict.fromkeys(values))
    return {what: value for what, value in found.items() if value}

"""Image files -> pixels with row 0 at the top, in counts per second, and what is known of them."""

import gzip
import io
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stronglens.dataset import is_zarr, read_npy, read_zarr_plane, zarr_shape
from stronglens.observation.calibration import calibrate, find_pixel_scale
from stronglens.parameters import RunError, UsageError

FITS_ENDINGS = (".fits", ".fit", ".fts", ".fits.gz", ".fits.fz", ".fz")
FILE_ENDINGS = (*FITS_ENDINGS, ".npy", ".pickle", ".pkl")
MAX_PIXELS = 6000 * 6000  # a lens is a few hundred pixels wide; this many take 0.3 GB
ABSURD_NOISE = 1e6  # times the median of a noise map: how those who make them say that a pixel is worth nothing


@dataclass(frozen=True)
class Observation:
    """A telescope image and what is known of its pixels.

    Attributes
    ----------
    image : ndarray (H, W) float64, counts per second
        Row 0 at the top, y up, x to the right, as in simulated images.
    pixel_scale : float or None, arcsec
    zero_point : float or None, AB mag
        Magnitude of one count per second. None: the counts are electrons of an unknown zero point.
    name : str
        Folder, file and extension.
    notes : tuple of str
        What was decided while reading, one sentence each.
    electrons : float or None
        Electrons that were counted for one count per second: exposure time [s] times gain.
    noise : ndarray (H, W) float64 or None, counts per second
        Standard deviation of each pixel, as a noise map says.
    mask : ndarray (H, W) bool or None
        True where a neighbour's light is.
    camera : dict of ``telescope``, ``instrument`` and ``filter`` to what a header says of them
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

    @cached_property
    def bad(self) -> NDArray[np.bool_]:
        """Pixels (H, W) without a value: not finite, or of a noise that is not, not positive, or absurd."""
        bad = ~np.isfinite(self.image)
        if self.noise is None:
            return bad
        good = np.isfinite(self.noise) & (self.noise > 0)
        return bad | ~good | (self.noise >= ABSURD_NOISE * np.median(self.noise[good]))

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
) -> Observation:
    """Read an image in .fits, .npy or .pickle and calibrate it to counts per second.

    Arguments win over the file's header. A zero point of the header (MAGZERO and the like) is
    that of the pixels as they are stored; one given here, or HST's PHOTFLAM, is that of one
    count per second, so that total counts (``e-``, ``adu``) are divided by the exposure time.

    Parameters
    ----------
    path : str or Path
    hdu : str or int, optional
        FITS extension: its number, its name (``SCI``) or name and version (``SCI,2``).
    plane : int, optional
        Of a cube (N, H, W), in FITS, NumPy or Zarr; counted from 0.
    name : str, optional
        What messages call the file, in place of its folder and name.
    pixel_scale : float, arcsec, optional
    zero_point : float, AB mag, optional
    unit : {"e-/s", "e-", "adu/s", "adu"}, optional
    exposure_time : float, s, optional
    gain : float, e-/adu, optional
    mask, noise_map : str, optional
        A file, looked for beside the image first if it is named without a folder, or an extension of the image's own
        file; ``FILE[EXTENSION]`` for one of another's. Masked is what is not zero; noise is a standard deviation in the
        unit of the image as it is stored. Element [i, j] belongs to [i, j] of the image, whatever the kinds of the two
        files; of a cube the plane of the image is taken. Where there is no such file, a note says so.
    background : float
        Subtracted from all pixels, in the unit of the image as it is stored.

    Returns
    -------
    Observation

    Raises
    ------
    RunError
        If the file is missing, damaged, too large or no image, or its calibration is unknown; if mask or noise map
        have another shape, or the noise map no value above zero.
    UsageError
        If an argument is no positive number, the unit no known one, or the extension not there.
    """
    path = Path(path)
    for flag, value in {"--pixel-scale": pixel_scale, "--exposure-time": exposure_time, "--gain": gain}.items():
        if value is not None and not (np.isfinite(value) and value > 0):
            raise UsageError(f"{flag} must be a positive number, not {value}")
    if zero_point is not None and not np.isfinite(zero_point):
        raise UsageError(f"--zero-point must be a finite number, not {zero_point}")
    if unit is not None and unit not in ("e-/s", "e-", "adu/s", "adu"):
        raise UsageError(f"--unit must be one of e-/s, e-, adu/s, adu, not {unit!r}")
    pixels, headers, name, notes = _read_pixels(path, hdu, plane=plane, name=name)

    try:
        image = np.array(pixels, dtype=np.float64)
    except Exception as error:
        raise RunError(f"{name}: its pixels cannot be read ({_first_line(error)})") from error
    scale = find_pixel_scale(headers, name, pixel_scale, notes)
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
    return Observation(image, scale, zero_point, name, tuple(notes), electrons, noise, masked, _find_camera(headers))


def find_beside(path: str | Path, given: str) -> tuple[Path, str | None] | None:
    """Return the file and the extension that ``--mask`` or ``--noise-map`` names for an image, None if there is none.

    Parameters
    ----------
    path : str or Path, of the image
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


def check_array(shape: tuple[int, ...], kind: np.dtype, name: str, is_mask: bool = False) -> None:
    """Raise RunError unless an array of this shape and kind can be an image, or a mask."""
    if kind.kind not in ("iufb" if is_mask else "iuf"):
        raise RunError(f"{name}: its pixels are not real numbers (they are {kind})")
    if len(shape) != 2:
        size = " x ".join(str(count) for count in shape) or "a single number"
        what = ""
        if len(shape) == 3 and shape[2] in (3, 4) and kind == np.uint8:
            what = "; it looks like a colour picture, whose values are not fluxes"
        elif len(shape) == 3:
            what = (
                f": it is a cube of {shape[0]} planes of {shape[2]} x {shape[1]} pixels; choose one with "
                f"--planes=0 to {shape[0] - 1}, or measure each with --planes=all"
            )
        raise RunError(f"{name}: an image has two dimensions, this has {len(shape)} ({size}){what}")
    if 0 in shape:
        raise RunError(f"{name}: the image is empty ({shape[0]} x {shape[1]} pixels)")
    if shape[0] * shape[1] > MAX_PIXELS:
        raise RunError(f"{name}: {shape[0]} x {shape[1]} pixels are too many; cut the lens out first")


def count_planes(path: str | Path, hdu: str | int | None = None) -> int | None:
    """Return the number of planes of a cube (N, H, W) in FITS, NumPy or Zarr; None where the file holds no cube.

    Raises
    ------
    RunError, UsageError
        As `read_observation`.
    """
    path = Path(path)
    if is_zarr(path):
        shape = zarr_shape(path)
    elif path.name.lower().endswith(FITS_ENDINGS):
        with _open_fits(path, f"{path}") as hdus:
            shape = _drop_units(hdus[_choose_hdu(hdus, hdu, str(path), "--hdu", dimensions=3)].shape)
    elif path.name.lower().endswith(".npy"):
        shape = _map_npy(path, str(path)).shape
    else:
        return None
    return shape[0] if len(shape) == 3 else None


def _read_beside(
    path: Path, given: str, flag: str, shape: tuple[int, int], plane: int | None, name: str, notes: list[str]
) -> NDArray[np.float64] | None:
    """Return the pixels (H, W) of a mask or noise map, None where this image has none, which is then noted."""
    found = find_beside(path, given)
    if found is None:
        if Path(given).name != given:
            raise RunError(f"{' '.join(given.split())}: no such file ({flag})")
        without = "nothing is masked" if flag == "--mask" else "its noise is not known"
        notes.append(f"there is no {given} beside it: {without}")
        return None
    file, hdu = found
    if file == path and not path.name.lower().endswith(FITS_ENDINGS):
        raise UsageError(f"{flag}={given}: {name} is no FITS file and has no extensions; give a file, as {given}.npy")
    pixels, _, its_name, _ = _read_pixels(file, hdu, flag, plane)
    if pixels.shape != shape:
        raise RunError(
            f"{name}: {flag} {its_name} has {pixels.shape[1]} x {pixels.shape[0]} pixels, the image has "
            f"{shape[1]} x {shape[0]}"
        )
    # Pixel [i, j] of both arrays is the same one, whichever end either kind of file has its first row at.
    if file.name.lower().endswith(FITS_ENDINGS) != path.name.lower().endswith(FITS_ENDINGS):
        pixels = np.flipud(pixels)
    return np.array(pixels, dtype=np.float64)


def _find_camera(headers: list[Any]) -> dict[str, str]:
    """Return what headers call the camera; a filter wheel may have several entries."""
    found = {}
    for what, key in {"telescope": "TELESCOP*", "instrument": "INSTRUME*", "filter": "FILTER*"}.items():
        values = [str(value).strip() for header in headers for value in header[key].values()]
        found[what] = " ".join(dict.fromkeys(values))
    return {what: value for what, value in found.items() if value}


def _read_pixels(
    path: Path, hdu: str | int | None, flag: str = "--hdu", plane: int | None = None, name: str | None = None
) -> tuple[Any, list[Any], str, list[str]]:
    """Return pixels with row 0 at the top, the headers to look into, a name, and notes.

    A plane is taken of every cube; a mask or noise map (`flag`) may be one image for all planes.
    """
    if name is None:
        name = f"{path.parent.name}/{path.name}" if path.parent.name else path.name
        name = name if plane is None else f"{name}[{plane}]"
    name = " ".join(name.split())  # a message is one line
    kind = path.name.lower()
    if is_zarr(path):
        pixels = read_zarr_plane(path, plane or 0)
        check_array(pixels.shape, pixels.dtype, name, is_mask=flag == "--mask")
        return pixels, [], name, []
    if not path.is_file():
        where = " ".join(str(path).split())
        raise RunError(f"{where}: {'is a folder, not an image' if path.is_dir() else 'no such file'}")
    notes = []
    if hdu is not None and not kind.endswith(FITS_ENDINGS):
        notes.append("--hdu means nothing here: only FITS files have extensions")
    if kind.endswith(FITS_ENDINGS):
        return _read_fits(path, hdu, name, flag, plane)
    if kind.endswith(".npy"):
        pixels = _map_npy(path, name)
    elif kind.endswith((".pickle", ".pkl")):
        from stronglens.dataset import read_image

        pixels = read_image(path)
    else:
        raise RunError(f"{name}: not a kind of file that can be measured; give .fits, .npy or .pickle")
    if plane is not None and (flag == "--hdu" or pixels.ndim == 3):
        _check_plane(pixels.shape, plane, name)
        pixels = pixels[plane]
    check_array(pixels.shape, pixels.dtype, name, is_mask=flag == "--mask")
    return pixels, [], name, notes


def _map_npy(path: Path, name: str) -> NDArray[Any]:
    """Return the array of a .npy file, of one channel without it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Mapped: a damaged header can claim more than fits into memory.
            pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError:  # an image beside a number, in an array of objects?
        pixels = read_npy(path)
    except Exception as error:
        raise RunError(f"{name}: not a readable .npy file ({_first_line(error)})") from error
    if pixels.ndim == 3 and 1 in (pixels.shape[0], pixels.shape[2]):  # one channel, as others write them
        pixels = pixels[0] if pixels.shape[0] == 1 else pixels[:, :, 0]
    return pixels


def _check_plane(shape: tuple[int, ...], plane: int, name: str) -> None:
    if len(shape) != 3:
        raise RunError(f"{name}: is one image, not a cube of planes: leave --planes out")
    if plane >= shape[0]:
        raise RunError(f"{name}: has no plane {plane}; its {shape[0]} planes are counted from 0")


@contextmanager
def _open_fits(path: Path, name: str, is_cube: bool = False) -> Iterator[Any]:
    """Open a FITS file; what goes wrong with it, in the block too, is a RunError."""
    from astropy.io import fits

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Astropy leaves a damaged file open that it opened itself. Pixels are read when asked for, those of one
            # extension alone, and as stored: astropy scales 16 bits in single precision and overlooks BLANK = 0.
            with (
                _decompress(path) if is_cube and path.suffix.lower() == ".gz" else open(path, "rb") as stream,
                fits.open(stream, memmap=False, do_not_scale_image_data=True) as hdus,
            ):
                yield hdus
    except (RunError, UsageError):
        raise
    except Exception as error:
        raise RunError(f"{name}: not a readable FITS file ({_first_line(error)})") from error


_DECOMPRESSING = threading.Lock()


def _decompress(path: Path) -> io.BytesIO:
    """Return what a compressed cube holds, which is read plane by plane: decompressed once."""
    with _DECOMPRESSING:
        return io.BytesIO(_decompressed(path, path.stat().st_mtime_ns))


@lru_cache(maxsize=1)
def _decompressed(path: Path, _changed: int) -> bytes:
    return gzip.decompress(path.read_bytes())


def _read_fits(
    path: Path, hdu: str | int | None, name: str, flag: str, plane: int | None
) -> tuple[Any, list[Any], str, list[str]]:
    with _open_fits(path, name, is_cube=plane is not None) as hdus:
        dimensions = 3 if plane is not None and flag == "--hdu" else 2
        number = _choose_hdu(hdus, hdu, name, flag, dimensions)
        chosen = hdus[number]
        label = str(chosen.name or "")
        if len(hdus) > 1:
            name = f"{name}[{label if label and label != 'PRIMARY' else number}]"
        if not chosen.is_image:
            how = _how_to_choose(flag)
            raise RunError(f"{name}: is a table, not an image; choose another extension with {how}")
        shape = _drop_units(chosen.shape)
        if plane is not None and (flag == "--hdu" or len(shape) == 3):
            _check_plane(shape, plane, name)
            stored = chosen.section[(*(0,) * (len(chosen.shape) - 3), plane)]
            shape = shape[1:]
        else:
            check_array(shape, np.dtype(np.float64), name)
            stored = chosen.data
        check_array(shape, np.dtype(np.float64), name)
        pixels = _physical(stored, chosen.header).reshape(shape)
        headers = [chosen.header.copy(), hdus[0].header.copy()]
    check_array(pixels.shape, pixels.dtype, name)
    return np.flipud(pixels), headers, name, []  # FITS counts rows from the bottom


def _physical(stored: NDArray[Any], header: Any) -> NDArray[Any]:
    """Return the values of stored pixels: ``BZERO + BSCALE * stored``, NaN where an integer is BLANK.

    FITS standard 4.0 (2018), sections 4.4.2.5 and 5.2.5; unsigned integers are stored as signed ones, with BZERO.
    """
    scale, zero = float(header.get("BSCALE", 1.0)), float(header.get("BZERO", 0.0))
    if not np.isfinite([scale, zero]).all() or scale == 0:
        raise ValueError(f"BSCALE = {scale:g}, BZERO = {zero:g}")
    blank = header.get("BLANK") if stored.dtype.kind in "iu" else None
    if (scale, zero) == (1.0, 0.0) and blank is None:
        return stored
    missing = None if blank is None else stored == int(blank)
    if stored.dtype.itemsize == 8 and (scale, zero) == (1.0, 2.0**63):  # more digits than a float64 has
        stored, zero = stored.astype(np.int64).view(np.uint64) ^ np.uint64(1 << 63), 0.0
    values = stored * np.float64(scale)
    values += zero
    if missing is not None:
        values[missing] = np.nan
    return values


def _choose_hdu(hdus: Any, asked: str | int | None, name: str, flag: str, dimensions: int = 2) -> int:
    known = [(number, str(one.name or ""), int(getattr(one, "ver", 1) or 1)) for number, one in enumerate(hdus)]
    if asked is not None:
        text = str(asked).strip()
        wanted, _, version = text.partition(",")
        for number, label, its_version in known:
            if text == str(number) or (
                label.upper() == wanted.strip().upper() and version.strip() in ("", str(its_version))
            ):
                return number
        raise UsageError(f"{flag}={text}: {name} has no such extension; it has {_list_hdus(known)}")
    images = [number for number, one in enumerate(hdus) if one.is_image and len(_drop_units(one.shape)) == dimensions]
    if not images and dimensions == 3:
        return _choose_hdu(hdus, asked, name, flag)
    if not images:
        shapes = [_drop_units(one.shape) for one in hdus if one.is_image and one.shape]
        if shapes:
            check_array(shapes[0], np.dtype(np.float64), name)
        raise RunError(f"{name}: holds no image")
    if len(images) > 1:
        raise RunError(
            f"{name}: holds {len(images)} images; choose one with {_how_to_choose(flag)}: "
            f"{_list_hdus([known[k] for k in images])}"
        )
    return images[0]


def _drop_units(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without leading axes of length one: a plane of a cube of one."""
    while len(shape) > 2 and shape[0] == 1:
        shape = shape[1:]
    return shape


def _how_to_choose(flag: str) -> str:
    return flag if flag == "--hdu" else f"{flag} FILE[EXTENSION]"


def _list_hdus(known: list[tuple[int, str, int]]) -> str:
    shown = ", ".join(f"{number} {label}".strip() for number, label, _ in known[:30])
    return shown if len(known) <= 30 else f"{shown} and {len(known) - 30} more"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]

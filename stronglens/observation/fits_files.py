"""Read images and cubes from FITS files."""

import gzip
import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stronglens.observation.shapes import check_array, check_plane, first_line
from stronglens.parameters import RunError, UsageError


def read_fits(
    path: Path, hdu: str | int | None, name: str, flag: str, plane: int | None
) -> tuple[NDArray[Any], list[Any], str]:
    """Read an image, or a plane of a cube.

    Parameters
    ----------
    path : Path
    hdu : str, int or None
        Extension: its number, its name (``SCI``) or name and version (``SCI,2``).
    name : str
        Name of the file in messages.
    flag : str
        Flag that chooses the extension, for messages; ``--hdu`` for the image, else its mask or noise map.
    plane : int or None

    Returns
    -------
    pixels : ndarray (H, W)
        Row 0 at the top.
    headers : list
        Those of the extension and of the file.
    name : str
        With the extension, if there are several.

    Raises
    ------
    RunError
        If the file is damaged, or has no such image.
    UsageError
        If there is no such extension.
    """
    with _open(path, name, is_cube=plane is not None) as hdus:
        dimensions = 3 if plane is not None and flag == "--hdu" else 2
        number = _choose_hdu(hdus, hdu, name, flag, dimensions)
        chosen = hdus[number]
        label = str(chosen.name or "")
        if len(hdus) > 1:
            name = f"{name}[{label if label and label != 'PRIMARY' else number}]"
        if not chosen.is_image:
            raise RunError(f"{name}: is a table, not an image; choose another extension with {_how_to_choose(flag)}")
        shape = _drop_leading_ones(chosen.shape)
        if plane is not None and (flag == "--hdu" or len(shape) == 3):
            check_plane(shape, plane, name)
            stored = chosen.section[(*(0,) * (len(chosen.shape) - 3), plane)]
            shape = shape[1:]
        else:
            check_array(shape, np.dtype(np.float64), name)
            stored = chosen.data
        check_array(shape, np.dtype(np.float64), name)
        pixels = _to_physical(stored, chosen.header).reshape(shape)
        headers = [chosen.header.copy(), hdus[0].header.copy()]
    check_array(pixels.shape, pixels.dtype, name)
    return np.flipud(pixels), headers, name  # FITS counts rows from the bottom


def read_fits_shape(path: Path, hdu: str | int | None) -> tuple[int, ...]:
    """Return the shape of a cube, or of the image if there is no cube, without leading axes of length one.

    Raises
    ------
    RunError, UsageError
        As `read_fits`.
    """
    with _open(path, str(path)) as hdus:
        return _drop_leading_ones(hdus[_choose_hdu(hdus, hdu, str(path), "--hdu", dimensions=3)].shape)


def read_fits_block(path: Path, hdu: str | int | None, start: int, stop: int) -> NDArray[Any]:
    """Return the planes start to stop of a cube (N, H, W), row 0 at the top. Only these are read.

    Raises
    ------
    RunError, UsageError
        As `read_fits`.
    """
    with _open(path, str(path), is_cube=True) as hdus:
        chosen = hdus[_choose_hdu(hdus, hdu, str(path), "--hdu", dimensions=3)]
        leading = (0,) * (len(chosen.shape) - 3)
        planes = _to_physical(chosen.section[(*leading, slice(start, stop))], chosen.header)
    return planes[:, ::-1]


def list_extensions(path: Path) -> list[str]:
    """Return the names of the extensions of a FITS file, in capital letters.

    Raises
    ------
    RunError
        If the file is damaged.
    """
    with _open(path, str(path)) as hdus:
        return [str(one.name or "").upper() for one in hdus]


@contextmanager
def _open(path: Path, name: str, is_cube: bool = False) -> Iterator[Any]:
    """Open a FITS file; any error about it, also within the ``with`` block, becomes a RunError."""
    from astropy.io import fits

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Opened here: astropy does not close a damaged file that it opened itself. Only the pixels of one extension
            # are read, unscaled: astropy scales 16-bit integers in single precision and ignores BLANK = 0.
            with (
                _decompress(path) if is_cube and path.suffix.lower() == ".gz" else open(path, "rb") as stream,
                fits.open(stream, memmap=False, do_not_scale_image_data=True) as hdus,
            ):
                yield hdus
    except (RunError, UsageError):
        raise
    except Exception as error:
        raise RunError(f"{name}: not a readable FITS file ({first_line(error)})") from error


_DECOMPRESSING = threading.Lock()


def _decompress(path: Path) -> io.BytesIO:
    """Return the content of a compressed cube. It is read plane by plane, and decompressed only once."""
    with _DECOMPRESSING:
        return io.BytesIO(_decompressed(path, path.stat().st_mtime_ns))


@lru_cache(maxsize=1)
def _decompressed(path: Path, _changed: int) -> bytes:
    return gzip.decompress(path.read_bytes())


def _to_physical(stored: NDArray[Any], header: Any) -> NDArray[Any]:
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
    """Return the number of the extension that was requested, or of the only image."""
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
    shapes = {number: _drop_leading_ones(one.shape) for number, one in enumerate(hdus) if one.is_image}
    images = [number for number, shape in shapes.items() if len(shape) == dimensions]
    if not images and dimensions == 3:
        return _choose_hdu(hdus, asked, name, flag)
    if not images:
        for shape in filter(None, shapes.values()):
            check_array(shape, np.dtype(np.float64), name)
        raise RunError(f"{name}: contains no image")
    if len(images) > 1:
        raise RunError(
            f"{name}: holds {len(images)} images; choose one with {_how_to_choose(flag)}: "
            f"{_list_hdus([known[k] for k in images])}"
        )
    return images[0]


def _drop_leading_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without leading axes of length one, which a cube of one plane has."""
    while len(shape) > 2 and shape[0] == 1:
        shape = shape[1:]
    return shape


def _how_to_choose(flag: str) -> str:
    return flag if flag == "--hdu" else f"{flag} FILE[EXTENSION]"


def _list_hdus(known: list[tuple[int, str, int]]) -> str:
    shown = ", ".join(f"{number} {label}".strip() for number, label, _ in known[:30])
    return shown if len(known) <= 30 else f"{shown} and {len(known) - 30} more"

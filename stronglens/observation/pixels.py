"""Read the pixels of a file of any supported format: FITS, NumPy, pickle or Zarr."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stronglens.dataset import is_zarr, read_npy, read_zarr_block, read_zarr_plane, zarr_shape
from stronglens.observation.fits_files import read_fits, read_fits_block, read_fits_shape
from stronglens.observation.shapes import check_array, check_plane, first_line
from stronglens.parameters import RunError

FITS_ENDINGS = (".fits", ".fit", ".fts", ".fits.gz", ".fits.fz", ".fz")
FILE_ENDINGS = (*FITS_ENDINGS, ".npy", ".pickle", ".pkl")


def is_fits(path: Path) -> bool:
    """Whether the name of a file is that of a FITS file."""
    return path.name.lower().endswith(FITS_ENDINGS)


def count_planes(path: str | Path, hdu: str | int | None = None) -> int | None:
    """Return the number of planes of a cube (N, H, W) in FITS, NumPy or Zarr, or of a Zarr or NumPy array (N, H, W, B).

    None if the file holds no cube.

    Raises
    ------
    RunError, UsageError
        As `read_observation`.
    """
    path = Path(path)
    if is_zarr(path):
        shape = zarr_shape(path)
    elif is_fits(path):
        shape = read_fits_shape(path, hdu)
    elif path.name.lower().endswith(".npy"):
        shape = _map_npy(path, str(path)).shape
    else:
        return None
    return shape[0] if len(shape) in (3, 4) else None


def cube_shape(path: str | Path, hdu: str | int | None = None) -> tuple[int, ...]:
    """Return the shape of a cube in Zarr or FITS.

    Raises
    ------
    RunError, UsageError
        If it cannot be read, or the file has another format.
    """
    path = Path(path)
    if is_zarr(path):
        return zarr_shape(path)
    if is_fits(path) and path.is_file():
        return read_fits_shape(path, hdu)
    raise RunError(f"{path}: {'no such file' if not path.exists() else 'neither a Zarr array nor a FITS file'}")


def read_block(path: str | Path, start: int, stop: int, hdu: str | int | None = None) -> NDArray[Any]:
    """Return the planes start to stop of a cube in Zarr, (N, H, W) or (N, H, W, B), or in FITS, (N, H, W).

    Raises
    ------
    RunError, UsageError
        If it cannot be read.
    """
    path = Path(path)
    return read_zarr_block(path, start, stop) if is_zarr(path) else read_fits_block(path, hdu, start, stop)


def read_pixels(
    path: Path,
    hdu: str | int | None,
    flag: str = "--hdu",
    plane: int | None = None,
    name: str | None = None,
    channel: tuple[int, int] | None = None,
) -> tuple[Any, list[Any], str, list[str]]:
    """Read an image, or its mask or noise map.

    Parameters
    ----------
    path : Path
    hdu : str, int or None
        FITS extension.
    flag : str
        ``--hdu`` for an image; ``--mask`` or ``--noise-map`` for a file that may be one image for all planes.
    plane : int or None
        Plane of a cube.
    name : str, optional
        Name in messages, by default the folder and name of the file.
    channel : (int, int), optional
        Place of the band in the last axis of an array (H, W, B), and B. FITS files have extensions instead.

    Returns
    -------
    pixels : array-like (H, W)
        Row 0 at the top.
    headers : list
        FITS headers that describe the pixels.
    name : str
    notes : list of str

    Raises
    ------
    RunError, UsageError
        As `read_observation`.
    """
    if name is None:
        name = f"{path.parent.name}/{path.name}" if path.parent.name else path.name
        name = name if plane is None else f"{name}[{plane}]"
    name = " ".join(name.split())  # a message is one line
    if is_zarr(path):
        pixels = _take_channel(read_zarr_plane(path, plane or 0), channel, name)
        check_array(pixels.shape, pixels.dtype, name, is_mask=flag == "--mask")
        return pixels, [], name, []
    if not path.is_file():
        where = " ".join(str(path).split())
        raise RunError(f"{where}: {'is a folder, not an image' if path.is_dir() else 'no such file'}")
    if is_fits(path):
        return *read_fits(path, hdu, name, flag, plane), []
    notes = [] if hdu is None else ["--hdu does not apply: only FITS files have extensions"]
    if path.name.lower().endswith(".npy"):
        pixels = _map_npy(path, name)
    elif path.name.lower().endswith((".pickle", ".pkl")):
        from stronglens.dataset import read_image

        pixels = read_image(path)
    else:
        raise RunError(f"{name}: this format cannot be read; give .fits, .npy or .pickle")
    if plane is not None and (flag == "--hdu" or pixels.ndim == 3):
        check_plane(pixels.shape[: pixels.ndim - (channel is not None)], plane, name)
        pixels = pixels[plane]
    pixels = _take_channel(pixels, channel, name)
    check_array(pixels.shape, pixels.dtype, name, is_mask=flag == "--mask")
    return pixels, [], name, notes


def _take_channel(pixels: NDArray[Any], channel: tuple[int, int] | None, name: str) -> NDArray[Any]:
    """Return a band (H, W) of an image (H, W, B)."""
    if channel is None:
        return pixels
    place, number = channel
    if pixels.ndim != 3 or pixels.shape[2] != number:
        raise RunError(
            f"{name}: has the shape {tuple(pixels.shape)}; an image of the network's {number} bands has the shape "
            f"(H, W, {number})"
        )
    return pixels[:, :, place]


def _map_npy(path: Path, name: str) -> NDArray[Any]:
    """Return the array of a .npy file; an axis of a single channel is removed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Mapped: a damaged header can claim more than fits into memory.
            pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError:  # perhaps an array of objects: an image and a number
        pixels = read_npy(path)
    except Exception as error:
        raise RunError(f"{name}: not a readable .npy file ({first_line(error)})") from error
    if pixels.ndim == 3 and 1 in (pixels.shape[0], pixels.shape[2]):  # channel first or last
        pixels = pixels[0] if pixels.shape[0] == 1 else pixels[:, :, 0]
    return pixels

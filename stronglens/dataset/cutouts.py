"""External Zarr arrays of cut-outs."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from stronglens.parameters import RunError


def is_zarr(path: str | Path) -> bool:
    """Return whether a path is the folder of a Zarr array or group (version 2 or 3)."""
    path = Path(path)
    return path.is_dir() and (
        path.suffix == ".zarr" or any((path / name).is_file() for name in ("zarr.json", ".zarray", ".zgroup"))
    )


def zarr_shape(path: str | Path) -> tuple[int, ...]:
    """Return the shape of the array in a Zarr folder.

    Raises
    ------
    RunError
        When the folder cannot be read or does not contain exactly one array.
    """
    return tuple(_open(path).shape)


def read_zarr_plane(path: str | Path, plane: int) -> np.ndarray:
    """Return one plane (H, W) of a Zarr array (N, H, W), or (H, W, B) of (N, H, W, B).

    Raises
    ------
    RunError
        When the array or the plane does not exist or cannot be read.
    """
    array = _open(path)
    if array.ndim not in (3, 4) or plane >= array.shape[0]:
        raise RunError(f"{path}: has no plane {plane}; its shape is {tuple(array.shape)}")
    try:
        return np.asarray(array[plane])
    except Exception as error:  # a damaged chunk can raise any exception
        raise RunError(f"{path}: plane {plane} is damaged ({_first_line(error)})") from None


def read_zarr_block(path: str | Path, start: int, stop: int) -> np.ndarray:
    """Return the planes start to stop of a Zarr array (N, ...).

    Raises
    ------
    RunError
        When the array cannot be read.
    """
    try:
        return np.asarray(_open(path)[start:stop])
    except Exception as error:  # a damaged chunk can raise any exception
        raise RunError(f"{path}: planes {start} to {stop - 1} are damaged ({_first_line(error)})") from None


def _open(path: str | Path):
    try:
        return _open_once(str(path), Path(path).stat().st_mtime_ns)
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error})") from None


@lru_cache(maxsize=4)
def _open_once(path: str, _changed: int):
    import zarr

    try:
        found = zarr.open(path, mode="r")
        arrays = [found] if isinstance(found, zarr.Array) else [array for _, array in found.arrays()]
    except Exception as error:  # damaged metadata can raise any exception
        raise RunError(f"{path}: not a readable Zarr array ({_first_line(error)})") from None
    if len(arrays) != 1:
        names = ", ".join(sorted(array.path for array in arrays)) or "none"
        raise RunError(f"{path}: contains {len(arrays)} arrays ({names}); give the path of one array, {path}/NAME")
    return arrays[0]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]

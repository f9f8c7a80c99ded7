"""Single files: written atomically, and read safely from untrusted sources."""

import hashlib
import io
import json
import math
import os
import pickle
import pickletools
from collections.abc import Collection
from dataclasses import dataclass
from numbers import Number
from pathlib import Path

import numpy as np

from stronglens.atomic import replacing
from stronglens.parameters import RunError

CHECKSUM_BYTES = 8

NPY_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}

PICKLE_PROTOCOL = 4
"""Fixed protocol, so that the bytes of a dataset do not depend on the Python version."""

DEEPEST, MOST_ITEMS = 3, 16
"""Maximum nesting of containers around an image, and maximum number of items in a container."""


def write_whole(path: str | Path, content: bytes | str) -> None:
    """Write a file atomically: it is complete or absent, even if the process or the machine stops.

    Raises
    ------
    OSError
        When the disk is full or the folder is not writable; an existing file does not change.
    """
    with replacing(path) as aside:
        aside.write_bytes(content.encode() if isinstance(content, str) else content)


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write one image as a pickled float32 array.

    The write is not atomic: an image is valid only when the record of its chunk is on disk.

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    with open(path, "wb") as file:
        file.write(pickle.dumps(np.ascontiguousarray(image, np.float32), protocol=PICKLE_PROTOCOL))


def read_image(path: str | Path) -> np.ndarray:
    """Read a pickled array with an unpickler that allows NumPy arrays and numbers only.

    Returns
    -------
    ndarray of numbers, any shape
        Of a container, the one array in it (see `read_npy`).

    Raises
    ------
    RunError
        When the file is missing, damaged, or does not contain exactly one array of numbers.
    """
    return _read_file(path, lambda file: _unpickle_image(file.read()), "pickled NumPy array")


def npy_shape(path: str | Path) -> tuple[int, ...]:
    """Return the shape of the array that `read_npy` would read, without reading its numbers unless they are pickled.

    Raises
    ------
    RunError
        When the file is missing, damaged, truncated, or not an array of numbers.
    """

    def read(file) -> tuple[int, ...]:
        shape, _, dtype = _npy_header(file)
        return _unpickle_image(file.read()).shape if dtype.hasobject else shape

    return _read_file(path, read, "readable .npy file")


def read_npy(path: str | Path, shapes: Collection[tuple[int, ...]] | None = None) -> np.ndarray:
    """Read an array of numbers from a .npy file. No code in the file is run, and excess bytes are not read.

    ``np.save`` pickles an array of objects. Such a file is read with an unpickler that allows arrays and numbers only.
    It must contain one array of numbers and otherwise single numbers: for example ``[image, mass]`` as an array of
    shape (2,) or (1, 2), as the list, tuple or dict in an array of shape (), or as a list in any of these. An object
    array of numbers is read as an array of numbers.

    Parameters
    ----------
    path : str or Path
    shapes : collection of tuple, optional
        Allowed shapes, the usual shape first; by default all shapes.

    Returns
    -------
    ndarray of numbers, any type and byte order
        It may be read-only.

    Raises
    ------
    RunError
        When the file is missing, damaged, truncated, not an array of numbers, or has another shape.
    """

    def read(file) -> np.ndarray:
        shape, is_fortran, dtype = _npy_header(file)
        pickled = _unpickle_image(file.read()) if dtype.hasobject else None
        shape = shape if pickled is None else pickled.shape
        if shapes is not None and shape not in shapes:
            raise _NotAllowed(f"has the shape {shape}, other images {next(iter(shapes))}")
        if pickled is not None:
            return pickled
        content = file.read(math.prod(shape) * dtype.itemsize)
        return np.frombuffer(content, dtype).reshape(shape, order="F" if is_fortran else "C")

    return _read_file(path, read, "readable .npy file")


def checksum(content: bytes | np.ndarray) -> str:
    """Return the BLAKE2 hash of bytes or of a contiguous array: 16 hexadecimal digits."""
    return hashlib.blake2b(content, digest_size=CHECKSUM_BYTES).hexdigest()


def read_json(path: str | Path, what: str) -> dict:
    """Read a JSON object.

    Parameters
    ----------
    path : str or Path
    what : str
        Name of the content, for error messages, such as ``a dataset's manifest``.

    Raises
    ------
    RunError
        When the file is missing or is not a JSON object.
    """
    try:
        content = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise RunError(f"cannot read {what} {path}: {error.strerror or error}") from None
    except (ValueError, RecursionError):
        raise RunError(f"{path} is not {what}: it is damaged or foreign") from None
    if not isinstance(content, dict):
        raise RunError(f"{path} is not {what}: it is damaged or foreign")
    return content


class _NotAllowed(Exception):
    """The message says what is wrong with an array."""


def _read_file(path: str | Path, read, what: str):
    try:
        with open(path, "rb") as file:
            return read(file)
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from None
    except _NotAllowed as error:
        raise RunError(f"{path} {error}") from None
    except Exception as error:  # a damaged header or pickle can raise any exception
        reason = str(error).splitlines()[0][:120] if str(error) else "damaged"
        raise RunError(f"{path} is not a {what} ({reason})") from None


def _npy_header(file) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Return shape, whether the order is Fortran's, and type; refuse other types than numbers and truncated files.

    An object type is returned unchecked: the data after such a header are a pickle.
    """
    read_header = NPY_HEADERS.get(version := np.lib.format.read_magic(file))
    if read_header is None:
        raise _NotAllowed(f"is a .npy file of version {version[0]}, which plain arrays never have")
    shape, is_fortran, dtype = read_header(file)
    if dtype.hasobject:
        return shape, is_fortran, dtype
    _check_numbers(shape, dtype)
    claimed, held = math.prod(shape) * dtype.itemsize, os.fstat(file.fileno()).st_size - file.tell()
    if held < claimed:
        raise _NotAllowed(f"is truncated: it has {held:,} of the {claimed:,} bytes of its array")
    return shape, is_fortran, dtype


def _check_numbers(shape: tuple[int, ...], dtype: np.dtype) -> None:
    if dtype.kind not in "fiu":
        raise _NotAllowed(f"does not contain real numbers (its type is {dtype})")
    if any(size < 1 for size in shape):
        raise _NotAllowed(f"contains no numbers (its shape is {shape})")


def _unpickle_image(content: bytes) -> np.ndarray:
    """Return the one array of numbers in a pickle."""
    for code, number, _ in pickletools.genops(content):
        # Such a number would allocate memory without limit.
        if code.name in ("PUT", "LONG_BINPUT") and (number or 0) > len(content):
            raise pickle.UnpicklingError("damaged")
    held = _plain(_ArrayUnpickler(io.BytesIO(content)).load())
    arrays = [held] if isinstance(held, np.ndarray) else _find_arrays(held, DEEPEST)
    if arrays is None or len(arrays) != 1:
        raise _NotAllowed(
            f"contains {_describe(held, DEEPEST)}; a file with an image may contain one array of numbers and otherwise "
            "single numbers only: save the image alone"
        )
    _check_numbers(arrays[0].shape, arrays[0].dtype)
    return np.array(arrays[0])


def _find_arrays(held, levels: int) -> list[np.ndarray] | None:
    """Return the arrays in nested containers, except arrays of one number; None if there are other objects."""
    held = _plain(held)
    if isinstance(held, np.ndarray):
        return [held] if held.size != 1 else []
    if isinstance(held, Number):
        return []
    items = _items(held)
    if items is None or not levels or len(items) > MOST_ITEMS:
        return None
    found: list[np.ndarray] = []
    for item in items:
        part = _find_arrays(item, levels - 1)
        if part is None:
            return None
        found += part
    return found


def _describe(held, levels: int) -> str:
    """Describe an unpickled object: ``an object array of shape (2,) (an array of shape (64, 64), str)``."""
    held = _plain(held)
    items = _items(held)
    if isinstance(held, np.ndarray):
        return f"an array of shape {held.shape}"
    if items is None:
        return type(held).__name__
    what = f"an object array of shape {held.shape}" if isinstance(held, _PickledObjects) else f"a {type(held).__name__}"
    if not levels or not items:
        return what
    more = f", ... ({len(items):,} items)" if len(items) > 3 else ""
    return f"{what} ({', '.join(_describe(item, levels - 1) for item in items[:3])}{more})"


def _items(held) -> list | None:
    """Return the items of a container; None for other objects."""
    if isinstance(held, _PickledObjects):
        return held.items
    if isinstance(held, dict):
        return list(held.values())
    return list(held) if isinstance(held, list | tuple) else None


def _plain(held):
    """Return the array that a stand-in represents; convert an object array of numbers to an array of numbers."""
    held = held.array if isinstance(held, _PickledArray) else held
    if isinstance(held, _PickledObjects) and held.items and all(isinstance(item, Number) for item in held.items):
        return np.array(held.items).reshape(held.shape)
    return held


@dataclass(frozen=True)
class _PickledObjects:
    """Stand-in for an array of objects: its shape, and the objects in C order, in which NumPy always pickles them."""

    shape: tuple[int, ...]
    items: list


class _PickledType:
    """Stand-in for a dtype. NumPy's own class is unsafe: it reads from the pickle whether its items are pointers."""

    def __init__(self, code, *flags):
        self.dtype = np.dtype(str(code))

    def __setstate__(self, state):
        self.dtype = self.dtype.newbyteorder(state[1])


class _PickledArray:
    """Stand-in for an array, made only of a type, a shape, and bytes or a list of objects."""

    array: "np.ndarray | _PickledObjects | None" = None

    def __setstate__(self, state):
        _, shape, kind, is_fortran, content = state
        if isinstance(kind, _PickledType) and kind.dtype == object and isinstance(content, list):
            shape = tuple(map(int, shape))
            if math.prod(shape) != len(content):
                raise pickle.UnpicklingError("damaged")
            self.array = _PickledObjects(shape, content)
        else:
            self.fill(content, kind, shape, "F" if is_fortran else "C")

    def fill(self, content, kind, shape, order, *_):
        self.array = _pickled_numbers(kind, content).reshape(shape, order=order)  # a view, not a copy
        return self


def _pickled_numbers(kind, content) -> np.ndarray:
    if not isinstance(kind, _PickledType) or not isinstance(content, bytes | bytearray):
        raise pickle.UnpicklingError("it contains records of objects, or is damaged")
    return np.frombuffer(content, kind.dtype)


PICKLED = {
    (f"{root}.{module}", name): stand_in
    for root in ("numpy._core", "numpy.core")
    for module, name, stand_in in (
        ("multiarray", "_reconstruct", lambda *_: _PickledArray()),
        ("multiarray", "scalar", lambda kind, content: _pickled_numbers(kind, content)[0]),
        ("numeric", "_frombuffer", lambda *parts: _PickledArray().fill(*parts)),
    )
} | {
    ("numpy", "ndarray"): _PickledArray,
    ("numpy", "dtype"): _PickledType,
    ("_codecs", "encode"): lambda text, _: text.encode("latin1"),
}
"""All names in a pickle of arrays and numbers, with NumPy 1 and 2. No other name is imported or called."""


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) not in PICKLED:
            raise pickle.UnpicklingError(f"it needs {module}.{name}, which is not allowed")
        return PICKLED[module, name]

"""Single files: written whole or not at all, read without trusting them."""

import codecs
import hashlib
import io
import json
import math
import os
import pickle
from collections.abc import Collection
from pathlib import Path

import numpy as np

from stronglens.atomic import replacing
from stronglens.parameters import RunError

CHECKSUM_BYTES = 8

NPY_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}

PICKLE_PROTOCOL = 4
"""Fixed, so that a dataset's bytes do not change with the Python version."""


def write_whole(path: str | Path, content: bytes | str) -> None:
    """Write a file that appears whole or not at all, whenever the process or the machine stops.

    Raises
    ------
    OSError
        When the disk is full or the folder cannot be written; the file that stood there is left as it was.
    """
    with replacing(path) as aside:
        aside.write_bytes(content.encode() if isinstance(content, str) else content)


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write one image as a pickled float32 array.

    Written plainly: an image counts once the record of its chunk is on disk.
    """
    with open(path, "wb") as file:
        file.write(pickle.dumps(np.ascontiguousarray(image, np.float32), protocol=PICKLE_PROTOCOL))


def read_image(path: str | Path) -> np.ndarray:
    """Read a pickled array with an unpickler that admits NumPy arrays and nothing else.

    Returns
    -------
    ndarray of numbers, any shape

    Raises
    ------
    RunError
        When the file is missing, damaged, or holds anything but an array of numbers.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from None
    try:
        array = getattr(held := _ArrayUnpickler(io.BytesIO(content)).load(), "array", held)
    except Exception as error:  # a damaged pickle can raise anything at all
        reason = str(error).splitlines()[0] if str(error) else "damaged"
        raise RunError(f"{path} is not a pickled NumPy array ({reason})") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise RunError(f"{path} holds {type(array).__name__}, not an array of numbers")
    return array


def npy_shape(path: str | Path) -> tuple[int, ...]:
    """Return the shape of the array of numbers in a .npy file, without reading its numbers.

    Raises
    ------
    RunError
        When the file is missing, damaged, truncated, or holds anything but an array of numbers.
    """
    return _read_npy(path, _npy_header)[0]


def read_npy(path: str | Path, shapes: Collection[tuple[int, ...]] | None = None) -> np.ndarray:
    """Read an array of numbers from a .npy file, without ever unpickling, and no more than its header should say.

    Parameters
    ----------
    path : the file
    shapes : the shapes that are admitted, the usual one first; by default all

    Returns
    -------
    ndarray of numbers, any type and byte order, not writable

    Raises
    ------
    RunError
        When the file is missing, damaged, truncated, holds anything but an array of numbers, or has another shape.
    """

    def read(file) -> np.ndarray:
        shape, is_fortran, dtype = _npy_header(file)
        if shapes is not None and shape not in shapes:
            raise _NotAdmitted(f"has shape {shape}, others {next(iter(shapes))}")
        content = file.read(math.prod(shape) * dtype.itemsize)
        return np.frombuffer(content, dtype).reshape(shape, order="F" if is_fortran else "C")

    return _read_npy(path, read)


def checksum(content: bytes | np.ndarray) -> str:
    """Return 16 hexadecimal digits of the BLAKE2 hash of some bytes, or of a contiguous array's."""
    return hashlib.blake2b(content, digest_size=CHECKSUM_BYTES).hexdigest()


def read_json(path: str | Path, what: str) -> dict:
    """Read a JSON object; ``what`` it is supposed to be goes into the error.

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


class _NotAdmitted(Exception):
    """Says what is wrong with an array."""


def _read_npy(path: str | Path, read):
    try:
        with open(path, "rb") as file:
            return read(file)
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from None
    except _NotAdmitted as error:
        raise RunError(f"{path} {error}") from None
    except Exception as error:  # a damaged header can raise anything at all
        reason = str(error).splitlines()[0][:120] if str(error) else "damaged"
        raise RunError(f"{path} is not a readable .npy file ({reason})") from None


def _npy_header(file) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Return shape, whether the order is Fortran's, and type; refuse what the file cannot hold."""
    read_header = NPY_HEADERS.get(version := np.lib.format.read_magic(file))
    if read_header is None:
        raise _NotAdmitted(f"is a .npy file of version {version[0]}, which plain arrays never are")
    shape, is_fortran, dtype = read_header(file)
    if dtype.hasobject:
        raise _NotAdmitted(
            "holds pickled objects (image and axion mass?), which are never read, for a pickle can run anything; where "
            "you trust it, keep the image alone: np.save(f, np.load(f, allow_pickle=True)[0].astype('float32'))"
        )
    if dtype.kind not in "fiu":
        raise _NotAdmitted(f"does not hold real numbers (they are {dtype})")
    if any(size < 1 for size in shape):
        raise _NotAdmitted(f"holds no numbers (its shape is {shape})")
    claimed, held = math.prod(shape) * dtype.itemsize, os.fstat(file.fileno()).st_size - file.tell()
    if held < claimed:
        raise _NotAdmitted(f"is truncated: {held:,} of {claimed:,} bytes of its array are there")
    return shape, is_fortran, dtype


class _PickledType:
    """Stands for a dtype: NumPy's own takes from a pickle whether its numbers are pointers."""

    def __init__(self, code, *flags):
        self.dtype = np.dtype(str(code))

    def __setstate__(self, state):
        self.dtype = self.dtype.newbyteorder(state[1])


class _PickledArray:
    """Stands for an array, made of a type, a shape and bytes alone."""

    array = None

    def __setstate__(self, state):
        _, shape, kind, is_fortran, content = state
        self.fill(content, kind, shape, "F" if is_fortran else "C")

    def fill(self, content, kind, shape, order, *_):
        if not isinstance(kind, _PickledType) or not isinstance(content, bytes | bytearray):
            raise pickle.UnpicklingError("it holds objects, or is damaged")
        self.array = np.array(np.frombuffer(content, kind.dtype).reshape(shape, order=order))
        return self


PICKLED = {
    (f"{root}.{module}", name): stand_in
    for root in ("numpy._core", "numpy.core")
    for module, name, stand_in in (
        ("multiarray", "_reconstruct", lambda *_: _PickledArray()),
        ("numeric", "_frombuffer", lambda *parts: _PickledArray().fill(*parts)),
    )
} | {("numpy", "ndarray"): _PickledArray, ("numpy", "dtype"): _PickledType, ("_codecs", "encode"): codecs.encode}
"""All that the pickle of a plain array names, under NumPy 1 and 2. Nothing else is ever imported or called."""


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) not in PICKLED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not admitted")
        return PICKLED[module, name]

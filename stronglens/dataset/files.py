"""Single files: written whole or not at all, read without trusting them."""

import hashlib
import io
import json
import pickle
from pathlib import Path

import numpy as np

from stronglens.atomic import replacing
from stronglens.parameters import RunError

ADMITTED = {
    (module, name)
    for root in ("numpy._core", "numpy.core")
    for module, name in ((f"{root}.multiarray", "_reconstruct"), (f"{root}.numeric", "_frombuffer"))
} | {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}
"""All that the pickle of a plain array names, under NumPy 1 and 2. Nothing else is ever imported or called."""

CHECKSUM_BYTES = 8

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
        array = _ArrayUnpickler(io.BytesIO(content)).load()
    except Exception as error:  # a damaged pickle can raise anything at all
        reason = str(error).splitlines()[0] if str(error) else "damaged"
        raise RunError(f"{path} is not a pickled NumPy array ({reason})") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise RunError(f"{path} holds {type(array).__name__}, not an array of numbers")
    return array


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


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not admitted")
        return super().find_class(module, name)

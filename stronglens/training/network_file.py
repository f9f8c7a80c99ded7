"""The file of a trained network: one ``.keras`` archive, with a record of what it is beside Keras's own.

Any program that has Keras opens it with ``keras.saving.load_model``.
"""

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from stronglens.atomic import replacing
from stronglens.network_archive import FORMAT, RECORD, first_line, read_archive
from stronglens.parameters import RunError, UsageError
from stronglens.training.device import keras, wake_bayesflow


def require_model_path(path: str | os.PathLike) -> Path:
    """Return the path of a network's file, or say why it cannot be one.

    Raises
    ------
    UsageError
        If the name does not end in ``.keras``, or names a folder.
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise UsageError(f"--model-file {path} must end in .keras")
    if path.is_dir():
        raise UsageError(f"--model-file {path} is a folder: name a file in it, {path / 'regression.keras'} for example")
    return path


def save_network(network: keras.Model, path: str | os.PathLike, record: dict) -> None:
    """Write a network and its record to one file, whole or not at all.

    Parameters
    ----------
    network : keras.Model
        Of built-in layers only.
    path : path ending in .keras
    record : dict
        What JSON can hold (NumPy numbers and arrays too): labels, units, pixel scale, split, metrics ...

    Raises
    ------
    RunError
        If the file cannot be written.
    """
    path = require_model_path(path)
    text = json.dumps({"format": FORMAT, **record}, indent=1, default=_to_json, allow_nan=False)

    def write(aside: Path) -> None:
        network.save(aside, include_optimizer=False)
        with zipfile.ZipFile(aside, "a") as archive:
            archive.writestr(RECORD, text)

    replace_file(path, write)


def load_network(path: str | os.PathLike) -> tuple[keras.Model, dict]:
    """Load a network and its record from a file that need not be trusted.

    Returns
    -------
    network : keras.Model
        Raw images (N, H, W) in electrons/s -> labels (N, L), each in its own unit, or probabilities of classes.
    record : dict
        As handed to `save_network`.

    Raises
    ------
    RunError
        If the file is missing, damaged, not a network of this package, or holds anything but built-in
        layers and plain arrays.
    """
    path = Path(path)
    record, has_flow = read_archive(path)
    try:
        if has_flow:
            wake_bayesflow()
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (OSError, MemoryError) as error:
        raise RunError(f"cannot read {path}: {first_line(error)}") from error
    except Exception as error:
        # Keras raises nearly anything on a file it did not write.
        raise RunError(f"{path} holds no usable network ({first_line(error)}): train again") from error
    return network, record


def replace_file(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file aside, bring it to the disk, and put it in its place at once.

    Parameters
    ----------
    path : Path
        Its folder is made when there is none.
    write : Path -> None
        Writes the file it is given, which has the same suffix.

    Raises
    ------
    RunError
        If the file cannot be written; one that was there is kept.
    """
    try:
        with replacing(path) as aside:
            write(aside)
    except OSError as error:
        raise RunError(f"cannot write {path}: {first_line(error)}") from error


def _to_json(value: object) -> object:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"a record cannot hold {type(value).__name__}")

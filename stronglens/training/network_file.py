"""Files of trained networks: ``.keras`` archives with an additional record.

Any program with Keras can open such a file with ``keras.saving.load_model``.
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
from stronglens.training.device import import_bayesflow, keras


def require_model_path(path: str | os.PathLike) -> Path:
    """Check the path of a network's file and return it.

    Raises
    ------
    UsageError
        If the name does not end in ``.keras``, or names a folder.
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise UsageError(f"--model-file {path} must end in .keras")
    if path.is_dir():
        raise UsageError(f"--model-file {path} is a folder: give a file, for example {path / 'regression.keras'}")
    return path


def save_network(network: keras.Model, path: str | os.PathLike, record: dict) -> None:
    """Write a network and its record to one file, completely or not at all.

    Parameters
    ----------
    network : keras.Model
        With built-in layers only.
    path : path ending in .keras
    record : dict
        Labels, units, pixel scale, split, metrics and so on, as JSON types or NumPy numbers and arrays.

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
    """Load a network and its record. The file may come from an untrusted source: no code in it is run.

    Returns
    -------
    network : keras.Model
        Maps raw images (N, H, W) in electrons/s to labels (N, L), each in its own unit, or to class probabilities.
    record : dict
        As given to `save_network`.

    Raises
    ------
    RunError
        If the file is missing, damaged, not a network of this package, or contains other than built-in layers and
        plain arrays.
    """
    path = Path(path)
    record, has_flow = read_archive(path)
    try:
        if has_flow:
            import_bayesflow()
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (OSError, MemoryError) as error:
        raise RunError(f"cannot read {path}: {first_line(error)}") from error
    except Exception as error:
        # Keras raises exceptions of many types for a file that it did not write.
        raise RunError(f"{path} contains no usable network ({first_line(error)}): train again") from error
    return network, record


def replace_file(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file atomically: it appears completely or not at all.

    Parameters
    ----------
    path : Path
        A missing folder is created.
    write : Path -> None
        Writes a temporary file, whose path has the same suffix.

    Raises
    ------
    RunError
        If the file cannot be written; an existing file is then kept.
    """
    try:
        with replacing(path) as aside:
            write(aside)
    except OSError as error:
        raise RunError(f"cannot write {path}: {first_line(error)}") from error


def _to_json(value: object) -> object:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"a record cannot contain {type(value).__name__}")

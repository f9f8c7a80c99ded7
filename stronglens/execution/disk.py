"""Checks of disk space and folders before work starts."""

import os
import shutil
from pathlib import Path

from stronglens.parameters import RunError


def check_disk(folder: str | Path, size: float) -> None:
    """Check that a dataset fits on the disk.

    Parameters
    ----------
    folder : str or Path
        It need not exist.
    size : float, bytes

    Raises
    ------
    RunError
        When the file system of ``folder`` has less than ``size`` bytes free.
    """
    folder = Path(folder).absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < size:
        raise RunError(f"{folder} has {describe_bytes(free)} free, but the dataset needs {describe_bytes(size)}")


def require_folder(folder: str | Path, flag: str) -> None:
    """Create a folder for results, before the work starts.

    Parameters
    ----------
    folder : str or Path
    flag : str
        Flag that names the folder, for error messages.

    Raises
    ------
    RunError
        When the folder cannot be created or is not writable; the message names the flag.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise RunError(f"{flag} {folder} is a file, not a folder") from None
    except OSError as error:
        raise RunError(f"{flag} {folder}: {error.strerror or error}") from None
    if not os.access(folder, os.W_OK):
        raise RunError(f"{flag} {folder}: the folder is not writable")


def describe_bytes(number: float) -> str:
    """Return a number of bytes as text: ``16.7 MB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:,.3g} TB"

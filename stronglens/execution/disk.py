"""Whether a result will fit where it should go."""

import os
import shutil
from pathlib import Path

from stronglens.parameters import RunError


def check_disk(folder: str | Path, size: float) -> None:
    """Refuse to start what will not fit.

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
        raise RunError(f"{folder} has {describe_bytes(free)} free, the dataset needs {describe_bytes(size)}")


def require_folder(folder: str | Path, flag: str) -> None:
    """Make a folder that results will go to, before the work that makes them.

    Raises
    ------
    RunError
        When it cannot be made or written to: names the flag.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise RunError(f"{flag} {folder} is a file, not a folder") from None
    except OSError as error:
        raise RunError(f"{flag} {folder}: {error.strerror or error}") from None
    if not os.access(folder, os.W_OK):
        raise RunError(f"{flag} {folder}: cannot be written to")


def describe_bytes(number: float) -> str:
    """Return a number of bytes as people say it: ``16.7 MB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:,.3g} TB"

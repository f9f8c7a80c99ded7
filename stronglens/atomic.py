"""Single files that appear whole or not at all, whenever the process or the machine stops."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a path to write to, and put what was written there in the place of ``path`` when the block ends.

    The file written aside has the same ending and one fixed name: what a kill leaves behind, the next write replaces.

    Parameters
    ----------
    path : the file to appear; its folder is made when there is none

    Raises
    ------
    OSError
        When the disk is full or the folder cannot be written; the file that stood there is left as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        yield aside
        with open(aside, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(aside, path)
        if os.name == "posix":  # where the folder must reach the disk for the new name to
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    finally:
        with suppress(OSError):
            aside.unlink()

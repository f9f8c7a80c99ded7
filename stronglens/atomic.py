"""Atomic writes of files and small folders: they are complete or absent, even if the process or the machine stops."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Context that yields the path of a temporary file, which replaces ``path`` at the end.

    The temporary file has the same suffix and a fixed name, so that the next write replaces the remains of a killed
    process.

    Parameters
    ----------
    path : str or Path
        The file to write. A missing folder is created.

    Yields
    ------
    Path

    Raises
    ------
    OSError
        When the disk is full or the folder is not writable; an existing file does not change.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        yield aside
        with open(aside, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(aside, path)
        _sync_folder(path.parent)
    finally:
        with suppress(OSError):
            aside.unlink()


@contextmanager
def replacing_folder(path: str | Path) -> Iterator[Path]:
    """Context that yields an empty temporary folder, which replaces ``path`` at the end.

    A folder cannot replace another folder in one step: the old one is renamed first. If the process is killed between
    the two steps, the next call restores the old folder.

    Parameters
    ----------
    path : str or Path
        The folder to write.

    Yields
    ------
    Path

    Raises
    ------
    OSError
        When the disk is full or a folder is not writable; an existing folder does not change.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "a file has the name of the folder")
    aside, before = (path.with_name(f".{path.name}.{kind}") for kind in ("partial", "before"))
    if before.exists() and not path.exists():
        os.replace(before, path)
    for left in (aside, before):
        shutil.rmtree(left, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        yield aside
        for file in aside.iterdir():
            with open(file, "rb+") as opened:
                os.fsync(opened.fileno())
        _sync_folder(aside)
        if path.exists():
            os.replace(path, before)
        try:
            os.replace(aside, path)
        except OSError:
            if before.exists():
                os.replace(before, path)
            raise
        _sync_folder(path.parent)
        shutil.rmtree(before, ignore_errors=True)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _sync_folder(path: Path) -> None:
    """Write the names in a folder to the disk, on systems where this needs a separate call."""
    if os.name == "posix":
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

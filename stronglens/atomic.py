"""Files and small folders that appear whole or not at all, whenever the process or the machine stops."""

import errno
import os
import shutil
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
        _sync_folder(path.parent)
    finally:
        with suppress(OSError):
            aside.unlink()


@contextmanager
def replacing_folder(path: str | Path) -> Iterator[Path]:
    """Give an empty folder to write files to, and put it in the place of ``path`` when the block ends.

    A folder cannot replace another in one step: the old one is moved aside first. Where a kill falls between the two
    steps, the next call starts by moving it back.

    Parameters
    ----------
    path : the folder to appear

    Raises
    ------
    OSError
        When the disk is full or a folder cannot be written; the folder that stood there is left as it was.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "a file of this name is in the way")
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
    """Let new names in a folder reach the disk, where that needs a call of its own."""
    if os.name == "posix":
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

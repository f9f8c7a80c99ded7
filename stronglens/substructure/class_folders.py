"""Image files in class folders, one folder of .npy files per class.

::

    FOLDER/no/*.npy  FOLDER/sphere/*.npy  FOLDER/vort/*.npy         or, with a separate test set,
    FOLDER/train/no/*.npy ...  FOLDER/val/no/*.npy ...

The public DeepLense datasets have this form, with several names for the classes.
"""

import difflib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stronglens.dataset import checksum
from stronglens.parameters import Column, UsageError

CLASSES = ("no", "sphere", "vortex")
"""Classes: lenses without substructure, with subhalos, and with vortices. The label is the index of the class."""

CLASS_COLUMN = Column(
    "substructure", None, r"{\rm class}", "class of the substructure: 0 no, 1 sphere (subhalos), 2 vortex", drawn=False
)

FOLDERS = {
    "no": ("no", "nosub", "no_sub", "no_substructure"),
    "sphere": ("sphere", "cdm"),
    "vortex": ("vort", "vortex", "axion"),
}
"""Possible names of the folder of each class; case is ignored, and ``-`` is equivalent to ``_``."""

TRAIN, TEST = "train", ("val", "valid", "validation", "test")
"""Names of the folders of training and test images in a dataset with a separate test set."""

CONVERT = "generate_data.py --task substructure --convert-from"

_CLASS_OF = {name: number for number, known in enumerate(FOLDERS.values()) for name in known}


@dataclass(frozen=True, eq=False)
class ClassFolders:
    """Images in class folders, in the order of a dataset: training images first, then by class, then by file name.

    Attributes
    ----------
    folder : Path
    names : tuple of N str
        Files relative to the folder, such as ``train/no/1.npy``.
    classes : ndarray (N,) int
        Indices into ``CLASSES``.
    test : (int, int) or None
        Indices of the first test image and of the end of the test images; None without a separate test set.
    checksum : str
        Identity of the files, from their names and sizes.
    ignored : tuple of str
        Visible files that are not read as images.
    """

    folder: Path
    names: tuple[str, ...]
    classes: np.ndarray
    test: tuple[int, int] | None
    checksum: str
    ignored: tuple[str, ...]


def find_classes(folder: str | Path) -> ClassFolders:
    """Find the images of every class.

    Hidden files and folders are ignored. A folder with an unknown name is an error, since it can be a misspelt class.

    Raises
    ------
    UsageError
        When the folder cannot be read, a class is missing or has no images, or the folders are ambiguous.
    """
    folder = Path(folder)
    folders, loose = _list(folder)
    classes = [name for name in folders if _plain(name) in _CLASS_OF]
    parts = [name for name in folders if _plain(name) in (TRAIN, *TEST)]
    if not classes and not parts:
        found = _describe_found(folders)
        raise UsageError(f"{folder} contains no class folder{found}; possible names are {_describe_known()}")
    if classes and parts:
        raise UsageError(
            f"{folder} contains both class folders ({_listed(classes)}) and folders of these ({_listed(parts)}); keep "
            "one kind only"
        )
    _refuse_unknown(folder, folders, _CLASS_OF if classes else (TRAIN, *TEST))
    train = [name for name in parts if _plain(name) == TRAIN]
    test = [name for name in parts if _plain(name) != TRAIN]
    if parts and len(train) != 1:
        raise UsageError(f"{folder} contains {_listed(train or test)}, but not exactly one train/ for training images")
    if len(test) > 1:
        raise UsageError(f"{folder} contains {_listed(test)}, but there can be one test set only; remove the others")

    files: list[tuple[str, int, int]] = []
    ignored = [name for name in loose if _is_npy(name)]
    for part in (*train, *test) if parts else ("",):
        if part in test:
            first = len(files)
        of_part, others = _find_part(folder, part)
        files += of_part
        ignored += others
    _refuse_repeated(folder, files)
    return ClassFolders(
        folder=folder,
        names=tuple(name for name, _, _ in files),
        classes=np.array([number for _, number, _ in files]),
        test=(first, len(files)) if test else None,
        checksum=checksum("\n".join(f"{name}\t{size}" for name, _, size in files).encode()),
        ignored=tuple(ignored),
    )


def holds_class_folders(folder: str | Path) -> bool:
    """Whether a folder holds a folder of some class, directly or in one of its parts."""
    try:
        folders, _ = _list(Path(folder))
        within = [_list(Path(folder, name))[0] for name in folders if _plain(name) in (TRAIN, *TEST)]
    except UsageError:
        return False
    return any(_plain(name) in _CLASS_OF for names in (folders, *within) for name in names)


def _find_part(folder: Path, part: str) -> tuple[list[tuple[str, int, int]], list[str]]:
    """Return the name, class and size of each image in FOLDER/part, sorted, and the ignored files."""
    folders, loose = _list(folder / part)
    _refuse_unknown(folder / part, folders, _CLASS_OF)
    files, ignored = [], [f"{part}/{name}" for name in loose if part and _is_npy(name)]
    for number, known in enumerate(FOLDERS.values()):
        of_class = [name for name in folders if _CLASS_OF[_plain(name)] == number]
        if not of_class:
            raise UsageError(
                f"{folder / part} contains {_listed(folders) or 'no class folder'}, but no folder of the class "
                f"{CLASSES[number]} ({', '.join(known)})"
            )
        if len(of_class) > 1:
            raise UsageError(f"{folder / part} contains {_listed(of_class)}, which are the same class; merge them")
        where = Path(part, of_class[0])
        below, names = _list(folder / where)
        if below:
            raise UsageError(f"{folder / where} contains {_listed(below)}, but may contain .npy files only")
        images = {name: size for name, size in names.items() if _is_npy(name)}
        if not images:
            others = f" ({len(names):,} other files)" if names else ""
            raise UsageError(f"{folder / where} contains no .npy files{others}")
        for name, size in sorted(images.items()):
            if size is None or not name.isprintable():
                reason = "cannot be read" if size is None else "has a name that is not plain text"
                raise UsageError(f"{str(folder / where / name)!r} {reason}")
            files.append((f"{where.as_posix()}/{name}", number, size))
        ignored += sorted(f"{where.as_posix()}/{name}" for name in names.keys() - images.keys())
    return files, ignored


def _list(folder: Path) -> tuple[list[str], dict[str, int | None]]:
    """Return the visible subfolders, sorted, and the sizes of files; the size is None if a file is not regular."""
    folders, files = [], {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name == "__MACOSX":  # from archives and operating systems
                    continue
                if entry.is_dir():
                    folders.append(entry.name)
                else:
                    files[entry.name] = entry.stat().st_size if entry.is_file() else None
    except OSError as error:
        raise UsageError(f"cannot read {error.filename or folder}: {error.strerror or error}") from None
    return sorted(folders), files


def _refuse_unknown(folder: Path, folders: Iterable[str], known: Iterable[str]) -> None:
    for name in folders:
        if _plain(name) not in known:
            near = _nearest(name, known)
            remedy = (
                f"did you mean {near}/?" if near else f"possible names are {_describe_known()}; remove other folders"
            )
            raise UsageError(f"{folder / name} is a folder with an unknown name; {remedy}")


def _refuse_repeated(folder: Path, files: list[tuple[str, int, int]]) -> None:
    """Refuse two names of the same folder, since its images would be both in the training and in the test set."""
    places: dict[str, str] = {}
    for where in dict.fromkeys(name.rpartition("/")[0] for name, _, _ in files):
        place = os.path.realpath(folder / where)
        if place in places:
            raise UsageError(f"{folder / where} and {folder / places[place]} are the same folder")
        places[place] = where


def _describe_found(folders: list[str]) -> str:
    if not folders:
        return " (it contains no folder)"
    hints = ((name, _nearest(name, (*_CLASS_OF, TRAIN, *TEST))) for name in folders[:5])
    shown = ", ".join(f"{name}/{f' (did you mean {near}/?)' if near else ''}" for name, near in hints)
    return f", but {shown}{' ...' if len(folders) > 5 else ''}"


def _describe_known() -> str:
    each = (f"{', '.join(known)} for {name}" for name, known in FOLDERS.items())
    return f"{'; '.join(each)}; or {TRAIN} and {', '.join(TEST[:-1])} or {TEST[-1]} with these as subfolders"


def _nearest(name: str, known: Iterable[str]) -> str:
    return next(iter(difflib.get_close_matches(_plain(name)[:100], known, n=1, cutoff=0.6)), "")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"{name}/" for name in names)


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def _is_npy(name: str) -> bool:
    return name.lower().endswith(".npy")

"""List the images that ``--predict`` names: files, folders of files, lists of files, cubes of cut-outs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stronglens.measuring.naming import FileName, name_files
from stronglens.observation import FILE_ENDINGS, count_planes, is_zarr
from stronglens.parameters import RunError, StronglensError, UsageError


@dataclass(frozen=True)
class ImageFile:
    """An image to measure.

    Attributes
    ----------
    path : str
        As it was given.
    plane : int or None
        Plane of a cube, counted from 0.
    name : str
        For tables, messages and figures.
    stem : str
        For the names of its own figures and tables.
    """

    path: str
    plane: int | None = None
    name: str = field(default="", compare=False)
    stem: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.path if self.plane is None else f"{self.path}[{self.plane}]"


def list_images(given: Sequence[str], planes: str | None = None, hdu: str | None = None) -> list[ImageFile]:
    """Return the images that paths name, each once, in their order.

    Parameters
    ----------
    given : sequence of str
        Files; folders, whose files of a known format are taken, sorted by name; text files (.txt) with one path per
        line, where lines that begin with # are ignored; Zarr arrays (N, H, W), whose planes are all taken.
    planes : str, optional
        ``all`` planes of cubes, or the number of one plane, counted from 0.
    hdu : str, optional
        FITS extension of the cubes.

    Raises
    ------
    RunError
        If a folder holds no images, or a list cannot be read.
    UsageError
        If `planes` is neither.
    """
    plane = None
    if planes is not None and planes != "all":
        if not planes.isdecimal():
            raise UsageError(f"--planes must be all or a number, counted from 0; received {planes[:60]!r}")
        plane = int(planes)
    images = []
    for file in dict.fromkeys(name_files(_files(given))):
        if plane is not None:
            images.append(_plane_of(file, plane))
        elif (planes == "all" or is_zarr(file.path)) and (number := _count_planes(file.path, hdu)) is not None:
            images += [_plane_of(file, number) for number in range(number)]
        else:
            images.append(ImageFile(file.path, None, file.name, file.stem))
    return images


def _plane_of(file: FileName, plane: int) -> ImageFile:
    return ImageFile(file.path, plane, f"{file.name}[{plane}]", f"{file.stem}_{plane}")


def _count_planes(path: str, hdu: str | None) -> int | None:
    try:
        return count_planes(path, hdu)
    except StronglensError:  # reported when the file is read, with all others that cannot be used
        return None


def _files(given: Sequence[str]) -> list[str]:
    files = []
    for path in given:
        if Path(path).suffix.lower() == ".txt" and Path(path).is_file():
            files += _read_list(path)
        elif Path(path).is_dir() and not is_zarr(path):
            files += _list_folder(path)
        else:
            files.append(path)
    return files


def _read_list(path: str) -> list[str]:
    try:
        lines = [line.strip() for line in Path(path).read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text file"
        raise RunError(f"{path}: cannot be read as a list of files ({reason})") from None
    if not (files := [line for line in lines if line and not line.startswith("#")]):
        raise RunError(f"{path}: a list without files; it must have one path per line")
    return files


def _list_folder(path: str) -> list[str]:
    names = (file.name for file in Path(path).iterdir() if not file.name.startswith("."))
    files = [str(Path(path) / name) for name in sorted(names) if name.lower().endswith(FILE_ENDINGS)]
    if not files:
        raise RunError(f"{path}: contains no images; files end in {', '.join(FILE_ENDINGS)}")
    return files

"""Class folders of .npy files become a dataset, chunk by chunk like any other."""

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from stronglens.dataset.class_folders import CLASSES, ClassFolders, find_classes
from stronglens.dataset.files import npy_shape, read_npy
from stronglens.dataset.formats import chunk_indices
from stronglens.dataset.store import ChunkStore
from stronglens.parameters import Column, RunError

TASK = "substructure"

SUBSTRUCTURE = Column("substructure", None, "", "class of the substructure: 0 no, 1 sphere (sub-halos), 2 vortex")

CONVENTIONS = {
    "axes": "x to the right, y up; row 0 of an image is its top",
    "pixels": "as distributed: neither scaled nor calibrated",
    "labels": "the class of the folder that an image was in",
}


@dataclass(frozen=True)
class FolderConversion:
    """Convert class folders chunk by chunk: called with a chunk's number, returns its images' number.

    Attributes
    ----------
    origin : Path, the folder of class folders
    files : str, the checksum of its list of files, that no other files are read in their place
    target : ChunkStore
    """

    origin: Path
    files: str
    target: ChunkStore

    def __call__(self, chunk: int) -> int:
        """Read the images of a chunk, check them, and write them with their class.

        Raises
        ------
        RunError
            When an image is missing, damaged, not finite, not numeric or of another shape: names the file.
        """
        found = _find_again(self.origin, self.files)
        rows = chunk_indices(chunk, self.target.number)
        names = found.names[rows.start : rows.stop]
        images = np.empty((len(rows), *self.target.shape), np.float32)
        for row, name in enumerate(names):
            images[row] = _read_image(self.origin / name, self.target.shape)
        columns = {SUBSTRUCTURE.name: found.classes[rows.start : rows.stop]}
        self.target.write_chunk(chunk, images, columns, Counter(), list(names))
        return len(rows)


def folder_manifest(found: ClassFolders, kept: str, versions: dict, pixel_scale: float | None = None) -> dict:
    """Return the manifest that a dataset of class folders begins with; its first image decides on the shape of all.

    Parameters
    ----------
    found : what `find_classes` found
    kept : ``pickle`` or ``zarr``
    versions : of the libraries
    pixel_scale : arcsec, where it is known

    Raises
    ------
    RunError
        When the first image cannot be read, or is none.
    """
    counts = np.bincount(found.classes, minlength=len(CLASSES))
    unknown = ("zero-point", "sky", "exposure-time", "exposures", "read-noise", "psf")
    return {
        "number": len(found.names),
        "parameters": {"task": TASK, "format": kept},
        "versions": versions,
        "image-shape": list(_image_shape(found.folder / found.names[0])),
        "image-unit": "as distributed",
        "telescope": {"name": "unknown", "pixel-scale": pixel_scale, **dict.fromkeys(unknown)},
        "conventions": CONVENTIONS,
        "classes": list(CLASSES),
        "test-images": None if found.test is None else list(found.test),
        "origin": {
            "folder": found.folder.resolve().name,
            "images": {name: int(count) for name, count in zip(CLASSES, counts, strict=True)},
            "files-checksum": found.checksum,
        },
    }


@lru_cache(maxsize=4)  # once a process, not once a chunk: 90,000 files take a second or more to list
def _find_again(folder: Path, files: str) -> ClassFolders:
    found = find_classes(folder)
    if found.checksum != files:
        raise RunError(f"the files in {folder} changed meanwhile; run the command again")
    return found


def _image_shape(path: Path) -> tuple[int, int]:
    shape = npy_shape(path)
    if len(shape) == 3 and 1 in (shape[0], shape[-1]):
        shape = shape[1:] if shape[0] == 1 else shape[:-1]
    if len(shape) != 2:
        raise RunError(f"{path} has shape {shape}: an image has two dimensions, or a third of length 1")
    return shape


def _read_image(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Read an image (H, W), float32."""
    stored = read_npy(path, (shape, (1, *shape), (*shape, 1)))
    with np.errstate(over="ignore"):
        image = stored.reshape(shape).astype(np.float32)
    if not np.isfinite(image).all():
        raise RunError(f"{path} holds values that are not finite in float32")
    return image

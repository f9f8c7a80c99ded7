"""Conversion of external images, class folders of .npy files, to a dataset, chunk by chunk."""

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from stronglens.dataset import ChunkStore, DatasetPlan, chunk_indices, npy_shape, read_npy
from stronglens.parameters import RunError, UsageError
from stronglens.substructure.class_folders import CLASS_COLUMN, CLASSES, ClassFolders, find_classes

TASK = "substructure"

CONVENTIONS = {
    "axes": "x to the right, y up; row 0 of an image is its top",
    "pixels": "original values, neither scaled nor calibrated",
    "labels": "class of the folder of an image",
}


@dataclass(frozen=True)
class FolderConversion:
    """Convert class folders chunk by chunk: it is called with the index of a chunk and returns its number of images.

    Attributes
    ----------
    origin : Path
        Folder of the class folders.
    files : str
        Checksum of the list of files, which detects changes.
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
            When an image is missing, damaged, not finite, not numeric or has another shape; the message names the file.
        """
        found = _find_again(self.origin, self.files)
        rows = chunk_indices(chunk, self.target.number)
        names = found.names[rows.start : rows.stop]
        images = np.empty((len(rows), *self.target.shape), np.float32)
        for row, name in enumerate(names):
            images[row] = _read_image(self.origin / name, self.target.shape)
        columns = {CLASS_COLUMN.name: found.classes[rows.start : rows.stop]}
        self.target.write_chunk(chunk, images, columns, Counter(), sources=list(names))
        return len(rows)


FLAGS = ("pixel_scale",)
"""Parameters of a conversion in addition to ``--format``."""


def plan_foreign(origin: Path, parameters, versions: dict) -> DatasetPlan:
    """Plan the conversion of class folders to a dataset.

    Parameters
    ----------
    origin : Path
        Folder of the class folders.
    parameters : SubstructureSimulation
    versions : dict
        Versions of libraries.

    Returns
    -------
    DatasetPlan

    Raises
    ------
    UsageError
        When the folders are not class folders, or the dataset would be inside them.
    RunError
        When the first image cannot be read or is not an image.
    """
    folder, kept, pixel_scale = parameters.dataset_dir, parameters.format, parameters.pixel_scale
    if folder.resolve().is_relative_to(origin.resolve()):
        raise UsageError("--dataset-dir is inside the folder to convert; give another folder")
    found = find_classes(origin)
    title = f"Converting {len(found.names):,} images of {origin}/ to {kept}"
    if pixel_scale is not None:
        title += f", with pixels of {pixel_scale:g} arcsec (--pixel-scale)"
    if found.ignored:
        title += f"\nIgnored: {len(found.ignored):,} files that are not images of a class ({found.ignored[0]}, ...)"
    return DatasetPlan(
        title=title,
        verb="converting",
        manifest=folder_manifest(found, kept, versions, pixel_scale),
        columns=[CLASS_COLUMN.to_dict()],
        work=partial(FolderConversion, origin.absolute(), found.checksum),
    )


def folder_manifest(found: ClassFolders, kept: str, versions: dict, pixel_scale: float | None = None) -> dict:
    """Return the initial manifest of a dataset of class folders. The first image sets the shape of all images.

    Parameters
    ----------
    found : ClassFolders
    kept : {"pickle", "zarr"}
    versions : dict
        Versions of libraries.
    pixel_scale : float or None, arcsec
        None if it is unknown.

    Raises
    ------
    RunError
        When the first image cannot be read or is not an image.
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


@lru_cache(maxsize=4)  # once per process instead of once per chunk: listing 90,000 files takes a second or more
def _find_again(folder: Path, files: str) -> ClassFolders:
    found = find_classes(folder)
    if found.checksum != files:
        raise RunError(f"the files in {folder} changed during the conversion; run the command again")
    return found


def _image_shape(path: Path) -> tuple[int, int]:
    shape = npy_shape(path)
    if len(shape) == 3 and 1 in (shape[0], shape[-1]):
        shape = shape[1:] if shape[0] == 1 else shape[:-1]
    if len(shape) != 2:
        raise RunError(f"{path} has the shape {shape}; an image must have two dimensions, or a third one of length 1")
    return shape


def _read_image(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Read an image (H, W) as float32."""
    stored = read_npy(path, (shape, (1, *shape), (*shape, 1)))
    with np.errstate(over="ignore"):
        image = stored.reshape(shape).astype(np.float32)
    if not np.isfinite(image).all():
        raise RunError(f"{path} contains values that are not finite in float32")
    return image

"""Reading a dataset back, by its manifest, and splitting it."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stronglens.dataset.files import checksum, read_json
from stronglens.dataset.image_set import ImageSet, fits_in_memory
from stronglens.dataset.manifest import FORMAT, FORMAT_VERSION, IMAGES, LABELS, MANIFEST, is_signed
from stronglens.dataset.store import ChunkStore
from stronglens.parameters import Column, RunError, UsageError


@dataclass(frozen=True)
class Dataset:
    """A complete dataset, its labels in memory, its images there or on disk.

    Attributes
    ----------
    images : ImageSet (N, H, W) float32, e-/s
    labels : pandas.DataFrame, N rows, a column for each of ``columns``
    columns : dict of name to Column, what can be learned from it
    manifest : dict
    """

    images: ImageSet
    labels: "pandas.DataFrame"  # noqa: F821 - pandas is slow to import, and imported where it is used
    columns: dict[str, Column]
    manifest: dict

    def column_values(self, names) -> np.ndarray:
        """Return the values of some columns: (N, len(names)) float64.

        Raises
        ------
        UsageError
            For a column that the dataset does not have.
        """
        for name in names:
            if name not in self.columns:
                raise UsageError(
                    f"the dataset has no label {name!r}; it has {', '.join(self.columns)}"
                )
        return self.labels[list(names)].to_numpy(float)

    def describe(self, names) -> dict:
        """Return what a network trained on these labels must know to measure other images."""
        return {
            "task": self.manifest["parameters"]["task"],
            "labels": [self.columns[name].to_dict() for name in names],
            "image-shape": list(self.images.shape[1:]),
            "pixel-scale": self.manifest["telescope"]["pixel-scale"],
            "zero-point": self.manifest["telescope"]["zero-point"],
            "telescope": self.manifest["telescope"]["name"],
            "conventions": self.manifest["conventions"],
            "dataset": self.manifest["checksums"][LABELS],
        }


def read_manifest(folder: str | Path, task: str | None = None) -> dict:
    """Read a dataset's manifest and check that it is one of a complete dataset, for this task.

    Raises
    ------
    RunError
        When there is none, or it is foreign, incomplete, of another format version or another task.
    """
    folder = Path(folder)
    if not (folder / MANIFEST).exists():
        raise RunError(f"{folder} holds no dataset ({MANIFEST} is missing); make one with generate_data.py")
    manifest = read_json(folder / MANIFEST, "a dataset's manifest")
    if manifest.get("format") != FORMAT:
        raise RunError(f"{folder / MANIFEST} is not the manifest of a stronglens dataset")
    if (found := manifest.get("format-version")) != FORMAT_VERSION:
        raise RunError(f"{folder} is a dataset of format version {found}; this program reads {FORMAT_VERSION}")
    if not manifest.get("complete"):
        raise RunError(f"the dataset in {folder} is incomplete; finish it with generate_data.py --resume")
    if not is_signed(manifest):
        raise RunError(f"{folder / MANIFEST} is damaged or was edited; simulate the dataset again")
    found = manifest.get("parameters", {}).get("task") if isinstance(manifest.get("parameters"), dict) else None
    if task is not None and found != task:
        raise RunError(f"the dataset in {folder} was made for --task {found}, not {task}")
    return manifest


def load_dataset(
    folder: str | Path, task: str | None = None, advance: Callable[[int], None] | None = None, in_memory=None
) -> Dataset:
    """Load a complete dataset, verifying every checksum: of images that stay on disk, whenever they are read.

    Parameters
    ----------
    folder : the dataset's folder
    task : str, refuse a dataset made for another task
    advance : callable, called with the number of images read, as they are
    in_memory : bool, whether the images are loaded; by default when they take less than half of the memory that is free

    Raises
    ------
    RunError
        When anything is missing, damaged or foreign: names the file.
    """
    import pandas as pd

    folder = Path(folder)
    manifest = read_manifest(folder, task)
    store = ChunkStore.of(folder, manifest)
    try:
        columns = {item["name"]: Column.from_dict(item) for item in manifest["columns"]}
        sums, labels_sum = manifest["checksums"][IMAGES], manifest["checksums"][LABELS]
        if len(sums) != store.chunks:
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise RunError(f"{folder / MANIFEST} is damaged; simulate the dataset again") from None

    try:
        content = (folder / LABELS).read_bytes()
    except OSError as error:
        raise RunError(f"cannot read {folder / LABELS}: {error.strerror}") from None
    if checksum(content) != labels_sum:
        raise RunError(
            f"{folder / LABELS} is damaged or was edited: its checksum is not the one in the manifest; "
            "simulate the dataset again"
        )
    labels = pd.read_csv(io.BytesIO(content), float_precision="round_trip")

    images = ImageSet.stored(store, sums)
    if fits_in_memory(images) if in_memory is None else in_memory:
        images = images.loaded(advance)
    return Dataset(images, labels, columns, manifest)


def split_indices(
    number: int, valid_split: float, test_split: float, random: np.random.Generator
) -> dict[str, np.ndarray]:
    """Split images into disjoint training, validation and test sets by a random permutation.

    Parameters
    ----------
    number : images in all
    valid_split, test_split : fractions; each set gets at least one image when its fraction is not 0

    Returns
    -------
    dict of ``train``, ``valid`` and ``test`` to sorted arrays of indices

    Raises
    ------
    UsageError
        When no two images are left to train on, or there is none to validate with.
    """
    sizes = {
        name: max(1, round(number * fraction)) if fraction > 0 else 0
        for name, fraction in (("test", test_split), ("valid", valid_split))
    }
    train = number - sizes["test"] - sizes["valid"]
    if train < 2 or sizes["valid"] < 1:
        raise UsageError(
            f"{number} images cannot be split into {train} for training, {sizes['valid']} for validation and "
            f"{sizes['test']} for the test: simulate more, or change --valid-split and --test-split"
        )
    order = random.permutation(number)
    test, valid = sizes["test"], sizes["valid"]
    return {
        "train": np.sort(order[test + valid :]),
        "valid": np.sort(order[test : test + valid]),
        "test": np.sort(order[:test]),
    }

"""Load a dataset according to its manifest; split it into training, validation and test sets."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stronglens.dataset.files import checksum, read_json
from stronglens.dataset.image_set import ImageSet, fits_in_memory
from stronglens.dataset.manifest import (
    FORMAT,
    FORMAT_VERSION,
    FORMAT_VERSION_OF_ARRAYS,
    IMAGES,
    LABELS,
    MANIFEST,
    is_signed,
)
from stronglens.dataset.store import ChunkStore
from stronglens.parameters import Column, RunError, UsageError

if TYPE_CHECKING:  # pandas is slow to import, and imported where it is used
    import pandas


@dataclass(frozen=True)
class Dataset:
    """A complete dataset. Its labels are in memory, its images in memory or on disk.

    Attributes
    ----------
    images : ImageSet (N, H, W) or (N, H, W, B) float32, electrons/s
        External images have their original unit.
    labels : pandas.DataFrame
        N rows, with the columns in ``columns``, and ``source`` for external images.
    columns : dict of name to Column
        Quantities that a network can learn.
    manifest : dict
    others : dict of str to ImageSet (N, H, W) float32
        Other arrays of the task, such as the sources of the images.
    """

    images: ImageSet
    labels: "pandas.DataFrame"
    columns: dict[str, Column]
    manifest: dict
    others: dict[str, ImageSet] = field(default_factory=dict)

    def column_values(self, names) -> np.ndarray:
        """Return the values of columns: ndarray (N, len(names)) float64, each in its unit.

        Raises
        ------
        UsageError
            For a column that the dataset does not have.
        """
        for name in names:
            if name not in self.columns:
                raise UsageError(f"the dataset has no label {name!r}; it has {', '.join(self.columns)}")
        return self.labels[list(names)].to_numpy(float)

    def describe(self, names) -> dict:
        """Return the record that a network trained on these labels needs to measure other images."""
        more = ["classes", "image-unit"] if "classes" in self.manifest else []
        more += ["bands"] if "bands" in self.manifest else []
        return {
            "task": self.manifest["parameters"]["task"],
            "labels": [self.columns[name].to_dict() for name in names],
            "image-shape": list(self.images.shape[1:]),
            "pixel-scale": self.manifest["telescope"]["pixel-scale"],
            "zero-point": self.manifest["telescope"]["zero-point"],
            "telescope": self.manifest["telescope"]["name"],
            **self._describe_simulation(),
            "simulation": None if "origin" in self.manifest else self.manifest["parameters"],
            "psf": self.manifest["telescope"]["psf"] if self.manifest["parameters"].get("psf-fits") else None,
            "conventions": self.manifest["conventions"],
            "dataset": self.manifest["checksums"][LABELS],
            **{key: self.manifest[key] for key in more},
        }

    def _describe_simulation(self) -> dict:
        """Return the range of lens positions and, if all images have the same noise model, its parameters."""
        known: dict[str, Any] = {}
        centres = [self.columns.get(f"lens-center-{axis}") for axis in "xy"]
        priors = [column.prior for column in centres if column and column.prior]
        if len(priors) == len(centres):
            known["lens-center"] = {axis: list(prior) for axis, prior in zip("xy", priors, strict=True)}
        # The noise model differs between images if the signal-to-noise ratio is drawn (by the exposure time), or if the
        # noise is a fraction of the peak.
        if all(self.manifest["parameters"].get(name) is None for name in ("snr-range", "peak-noise-range")):
            names = ("sky", "exposure-time", "exposures", "read-noise")
            camera = {name: self.manifest["telescope"].get(name) for name in names}
            if (drawn := self.manifest["parameters"].get("exposure-time-range")) is not None:
                camera["exposure-time"] = drawn
            known |= {} if None in camera.values() else {"camera": camera}
        return known

    @property
    def test_images(self) -> np.ndarray | None:
        """Indices (T,) of a test set that external images come with; None if there is no such set."""
        given = self.manifest.get("test-images")
        return None if given is None else np.arange(*given)


def holds_dataset(folder: str | Path) -> bool:
    """Return whether a folder contains a manifest, of a complete or an incomplete dataset."""
    return (Path(folder) / MANIFEST).exists()


def read_manifest(folder: str | Path, task: str | None = None) -> dict:
    """Read the manifest of a complete dataset.

    Parameters
    ----------
    folder : str or Path
        Folder of the dataset.
    task : str, optional
        Task that the dataset must be made for.

    Raises
    ------
    RunError
        When there is no manifest, or it is foreign, damaged, incomplete, of another format version or another task.
    """
    folder = Path(folder)
    if not (folder / MANIFEST).exists():
        raise RunError(f"{folder} contains no dataset ({MANIFEST} is missing); make one with generate_data.py")
    manifest = read_json(folder / MANIFEST, "a dataset's manifest")
    if manifest.get("format") != FORMAT:
        raise RunError(f"{folder / MANIFEST} is not the manifest of a stronglens dataset")
    if (found := manifest.get("format-version")) not in (FORMAT_VERSION, FORMAT_VERSION_OF_ARRAYS):
        known = f"versions {FORMAT_VERSION} and {FORMAT_VERSION_OF_ARRAYS}"
        raise RunError(f"{folder} is a dataset of format version {found}; this program reads {known}")
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
    """Load a complete dataset and verify its checksums. Images that remain on disk are verified when they are read.

    Parameters
    ----------
    folder : str or Path
        Folder of the dataset.
    task : str, optional
        Task that the dataset must be made for.
    advance : callable, optional
        Called with the number of images that were read since the last call.
    in_memory : bool, optional
        Whether to load the images into memory; by default if they need at most half of the free memory.

    Returns
    -------
    Dataset

    Raises
    ------
    RunError
        When a file is missing, damaged or foreign; the message names it.
    """
    import pandas as pd

    folder = Path(folder)
    manifest = read_manifest(folder, task)
    store = ChunkStore.of(folder, manifest)
    try:
        columns = {item["name"]: Column.from_dict(item) for item in manifest["columns"]}
        sums, labels_sum = {name: manifest["checksums"][name] for name in store.shapes}, manifest["checksums"][LABELS]
        if any(len(of_array) != store.chunks for of_array in sums.values()):
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise RunError(f"{folder / MANIFEST} is damaged; simulate the dataset again") from None

    try:
        content = (folder / LABELS).read_bytes()
    except OSError as error:
        raise RunError(f"cannot read {folder / LABELS}: {error.strerror}") from None
    if checksum(content) != labels_sum:
        raise RunError(
            f"{folder / LABELS} is damaged or was edited: its checksum differs from that in the manifest; "
            "simulate the dataset again"
        )
    labels = pd.read_csv(io.BytesIO(content), float_precision="round_trip")

    arrays = {name: ImageSet.stored(store, of_array, name) for name, of_array in sums.items()}
    if fits_in_memory(*arrays.values()) if in_memory is None else in_memory:
        arrays = {name: array.loaded(advance if name == IMAGES else None) for name, array in arrays.items()}
    return Dataset(arrays.pop(IMAGES), labels, columns, manifest, arrays)


def split_indices(
    number: int,
    valid_split: float,
    test_split: float,
    random: np.random.Generator,
    strata: np.ndarray | None = None,
    test: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Split images at random into disjoint training, validation and test sets.

    Parameters
    ----------
    number : int
        Number of images.
    valid_split, test_split : float
        Fractions. A set with a fraction above 0 has at least one image.
    random : numpy.random.Generator
    strata : ndarray (N,) of int or str, optional
        Class of each image. Each class is split by these fractions and has images in every set that is not empty.
    test : ndarray (T,) of int, optional
        Indices of a given test set. ``test_split`` is then ignored, and ``valid_split`` is a fraction of the other
        images.

    Returns
    -------
    dict of ``train``, ``valid`` and ``test`` to ndarray of int
        Sorted indices.

    Raises
    ------
    UsageError
        When fewer than two images remain for training or none for validation; when a class has none in one of the sets.
    """
    is_given = np.zeros(number, bool)
    if test is not None:
        is_given[test] = True
    groups = {"": np.arange(number)}
    if strata is not None:
        groups = {f" of class {name}": np.flatnonzero(strata == name) for name in np.unique(strata)}
    split: dict[str, list[np.ndarray]] = {"train": [], "valid": [], "test": []}
    for which, members in groups.items():
        given, others = members[is_given[members]], members[~is_given[members]]
        tested = len(given) if test is not None else _share(len(members), test_split)
        valid = _share(len(others), valid_split)
        drawn = 0 if test is not None else tested
        train = len(others) - drawn - valid
        lacks_test = bool(which) and is_given.any() and not tested
        if train < (1 if which else 2) or valid < 1 or lacks_test:
            raise UsageError(
                f"{len(members)} image{'s' * (len(members) != 1)}{which} cannot be split into {max(train, 0)} for "
                f"training, {valid} for validation and {tested} for the test: {'add' if which else 'simulate'} more, "
                "or change --valid-split and --test-split"
            )
        order = others[random.permutation(len(others))]
        split["train"].append(order[drawn + valid :])
        split["valid"].append(order[drawn : drawn + valid])
        split["test"].append(np.concatenate([given, order[:drawn]]))
    return {name: np.sort(np.concatenate(parts)) for name, parts in split.items()}


def _share(number: int, fraction: float) -> int:
    return max(1, round(number * fraction)) if fraction > 0 else 0

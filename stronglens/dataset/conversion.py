"""Lossless conversion of a dataset between the two image formats."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from stronglens.dataset.formats import chunk_indices
from stronglens.dataset.loading import Dataset, load_dataset, read_manifest
from stronglens.dataset.manifest import IMAGES, SOURCE
from stronglens.dataset.store import ChunkStore, DatasetPlan
from stronglens.parameters import Column, UsageError

WRITTEN_LAST = ("format", "format-version", "complete", "columns", "rejected", "checksums")
"""Keys that the writer adds to the manifest of a complete dataset; they are not copied."""


@dataclass(frozen=True)
class ChunkConversion:
    """Convert a dataset chunk by chunk: it is called with the index of a chunk and returns its number of images.

    Attributes
    ----------
    origin : Path
        Folder of a complete dataset.
    target : ChunkStore
    """

    origin: Path
    target: ChunkStore

    def __call__(self, chunk: int) -> int:
        """Copy a chunk and verify its checksum.

        Raises
        ------
        RunError
            When the chunk is damaged.
        """
        manifest = self._dataset.manifest
        store = ChunkStore.of(self.origin, manifest)
        rows = chunk_indices(chunk, store.number)
        labels = self._dataset.labels.iloc[rows.start : rows.stop]
        columns = {item["name"]: labels[item["name"]].to_numpy(float) for item in manifest["columns"]}
        rejected = Counter(manifest["rejected"] if chunk == 0 else {})  # the manifest contains only their sum
        sums = manifest["checksums"]
        arrays = {name: store.read_chunk(chunk, sums[name][chunk], name) for name in store.shapes}
        sources = labels[SOURCE].tolist() if SOURCE in labels else None
        self.target.write_chunk(chunk, arrays.pop(IMAGES), columns, rejected, arrays, sources)
        return len(rows)

    @cached_property
    def _dataset(self) -> Dataset:
        return load_dataset(self.origin, in_memory=False)


def plan_conversion(origin: Path, folder: Path, wanted: str) -> DatasetPlan:
    """Plan the conversion of a complete dataset to another format.

    Parameters
    ----------
    origin : Path
        Folder of the dataset.
    folder : Path
        Folder of the converted dataset.
    wanted : {"pickle", "zarr"}
        The other format.

    Returns
    -------
    DatasetPlan

    Raises
    ------
    UsageError
        When the dataset has this format already, or both folders are the same.
    RunError
        When there is no complete dataset.
    """
    if origin.resolve() == folder.resolve():
        raise UsageError("--dataset-dir is the folder of the dataset to convert; give another folder")
    manifest = read_manifest(origin)
    if manifest["parameters"]["format"] == wanted:
        raise UsageError(f"the dataset to convert already has the format {wanted}; give the other --format")
    begun = {key: value for key, value in manifest.items() if key not in WRITTEN_LAST}
    return DatasetPlan(
        title=f"Converting {manifest['number']:,} images of {origin}/ to {wanted}",
        verb="converting",
        manifest=begun | {"parameters": manifest["parameters"] | {"format": wanted}},
        columns=[Column.from_dict(item).to_dict() for item in manifest["columns"]],
        work=partial(ChunkConversion, origin.absolute()),
    )

"""A dataset from one format of images to the other, without loss."""

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
"""What a manifest says once a dataset is finished, and its writer adds anew."""


@dataclass(frozen=True)
class ChunkConversion:
    """Convert a dataset chunk by chunk: called with a chunk's number, returns its images' number.

    Attributes
    ----------
    origin : Path, folder of a complete dataset
    target : ChunkStore
    """

    origin: Path
    target: ChunkStore

    def __call__(self, chunk: int) -> int:
        """Copy a chunk, verifying it."""
        manifest = self._dataset.manifest
        store = ChunkStore.of(self.origin, manifest)
        rows = chunk_indices(chunk, store.number)
        labels = self._dataset.labels.iloc[rows.start : rows.stop]
        columns = {item["name"]: labels[item["name"]].to_numpy(float) for item in manifest["columns"]}
        rejected = Counter(manifest["rejected"] if chunk == 0 else {})  # a manifest keeps their sum alone
        images = store.read_chunk(chunk, manifest["checksums"][IMAGES][chunk])
        sources = labels[SOURCE].tolist() if SOURCE in labels else None
        self.target.write_chunk(chunk, images, columns, rejected, sources)
        return len(rows)

    @cached_property
    def _dataset(self) -> Dataset:
        return load_dataset(self.origin, in_memory=False)


def plan_conversion(origin: Path, folder: Path, wanted: str) -> DatasetPlan:
    """Plan to keep a finished dataset in another format.

    Parameters
    ----------
    origin : the dataset's folder
    folder : where the converted dataset goes
    wanted : the other format

    Raises
    ------
    UsageError
        When it is in that format already, or both folders are one.
    RunError
        When there is no complete dataset.
    """
    if origin.resolve() == folder.resolve():
        raise UsageError("--dataset-dir is the folder of the dataset to convert: name another one")
    manifest = read_manifest(origin)
    if manifest["parameters"]["format"] == wanted:
        raise UsageError(f"the dataset to convert is kept as {wanted} already: give the other --format")
    begun = {key: value for key, value in manifest.items() if key not in WRITTEN_LAST}
    return DatasetPlan(
        title=f"Converting {manifest['number']:,} images of {origin}/ to {wanted}",
        verb="converting",
        manifest=begun | {"parameters": manifest["parameters"] | {"format": wanted}},
        columns=[Column.from_dict(item).to_dict() for item in manifest["columns"]],
        work=partial(ChunkConversion, origin.absolute()),
    )

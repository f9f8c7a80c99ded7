"""A dataset from one format of images to the other, without loss."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from stronglens.dataset.formats import chunk_indices
from stronglens.dataset.loading import Dataset, load_dataset
from stronglens.dataset.manifest import IMAGES
from stronglens.dataset.store import ChunkStore
from stronglens.parameters import UsageError

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
        self.target.write_chunk(chunk, store.read_chunk(chunk, manifest["checksums"][IMAGES][chunk]), columns, rejected)
        return len(rows)

    @cached_property
    def _dataset(self) -> Dataset:
        return load_dataset(self.origin, in_memory=False)


def converted_manifest(manifest: dict, wanted: str) -> dict:
    """Return the manifest that the same dataset begins with in another format.

    Raises
    ------
    UsageError
        When it is in that format already.
    """
    if manifest["parameters"]["format"] == wanted:
        raise UsageError(f"the dataset to convert is kept as {wanted} already: give the other --format")
    begun = {key: value for key, value in manifest.items() if key not in WRITTEN_LAST}
    return begun | {"parameters": manifest["parameters"] | {"format": wanted}}

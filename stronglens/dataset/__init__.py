"""Datasets on disk: one pickle an image, ``labels.csv`` and ``manifest.json``.

The only room that turns arrays into files and back.
"""

from stronglens.dataset.files import checksum, read_image, read_json, write_image, write_whole
from stronglens.dataset.loading import Dataset, load_dataset, read_manifest, split_indices
from stronglens.dataset.store import CHUNK_SIZE, DatasetWriter, chunk_indices, library_versions, remove_dataset

__all__ = [
    "CHUNK_SIZE",
    "Dataset",
    "DatasetWriter",
    "checksum",
    "chunk_indices",
    "library_versions",
    "load_dataset",
    "read_image",
    "read_json",
    "read_manifest",
    "remove_dataset",
    "split_indices",
    "write_image",
    "write_whole",
]

"""Datasets on disk: images (pickle files or a Zarr array), ``labels.csv`` and ``manifest.json``.

Only this package writes arrays to files and reads them.
"""

from stronglens.dataset.conversion import plan_conversion
from stronglens.dataset.cutouts import is_zarr, read_zarr_block, read_zarr_plane, zarr_shape
from stronglens.dataset.files import checksum, npy_shape, read_image, read_json, read_npy, write_image, write_whole
from stronglens.dataset.formats import CHUNK_SIZE, chunk_indices
from stronglens.dataset.image_set import ImageSet
from stronglens.dataset.loading import Dataset, holds_dataset, load_dataset, read_manifest, split_indices
from stronglens.dataset.manifest import library_versions
from stronglens.dataset.store import ChunkStore, DatasetPlan
from stronglens.dataset.writing import DatasetWriter, remove_dataset

__all__ = [
    "CHUNK_SIZE",
    "ChunkStore",
    "Dataset",
    "DatasetPlan",
    "DatasetWriter",
    "ImageSet",
    "checksum",
    "chunk_indices",
    "holds_dataset",
    "is_zarr",
    "library_versions",
    "load_dataset",
    "npy_shape",
    "plan_conversion",
    "read_image",
    "read_json",
    "read_manifest",
    "read_npy",
    "read_zarr_block",
    "read_zarr_plane",
    "remove_dataset",
    "split_indices",
    "write_image",
    "write_whole",
    "zarr_shape",
]

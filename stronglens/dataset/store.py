"""The chunks of a dataset: images and records, which any process may write, each its own."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from stronglens.dataset.files import checksum, read_json, write_whole
from stronglens.dataset.formats import CHUNK_SIZE, FORMATS, chunk_indices
from stronglens.dataset.manifest import MANIFEST, PROGRESS
from stronglens.parameters import RunError


@dataclass(frozen=True)
class DatasetPlan:
    """Say what there is to do for a dataset, chunk by chunk.

    Attributes
    ----------
    title : str, a line for the user
    verb : str, for the progress bar: ``simulating``
    manifest : dict, what is known before the first image
    columns : list of dict, the description of each column
    work : callable, ChunkStore -> picklable callable, chunk number -> number of images done
    """

    title: str
    verb: str
    manifest: dict
    columns: list[dict]
    work: Callable


@dataclass(frozen=True)
class ChunkStore:
    """Where the chunks of a dataset are: any process may write them, each its own, and read them back.

    Attributes
    ----------
    folder : Path, the dataset's
    format : ``pickle`` or ``zarr``
    number : int, images in all
    shape : (H, W)
    """

    folder: Path
    format: str
    number: int
    shape: tuple[int, int]

    @classmethod
    def of(cls, folder: str | Path, manifest: dict) -> "ChunkStore":
        """Return the store that a manifest describes.

        Raises
        ------
        RunError
            When the manifest does not say what it must.
        """
        try:
            kept = manifest["parameters"].get("format", "pickle")  # the only one there was in version 1
            number = manifest["number"]
            height, width = manifest["image-shape"]
            if kept not in FORMATS or not all(isinstance(size, int) and size > 0 for size in (number, height, width)):
                raise ValueError
        except (KeyError, TypeError, ValueError, AttributeError):
            raise RunError(f"{Path(folder) / MANIFEST} is damaged; simulate the dataset again") from None
        return cls(Path(folder).absolute(), kept, number, (height, width))  # for workers that started elsewhere

    @cached_property
    def images(self):
        return FORMATS[self.format](self.folder, self.number, self.shape)

    def bytes_an_image(self, columns: int) -> int:
        """Return what an image takes on disk at most, with its row of labels."""
        return self.images.bytes_an_image + 19 * (columns + 1)

    @property
    def chunks(self) -> int:
        return -(-self.number // CHUNK_SIZE)

    def write_chunk(
        self,
        chunk: int,
        images: np.ndarray,
        columns: dict[str, np.ndarray],
        rejected: Counter,
        sources: list[str] | None = None,
    ) -> None:
        """Write the images of one chunk, then the record that makes them count.

        Parameters
        ----------
        images : (M, H, W) float32, M the images in this chunk
        columns : dict of column to (M,) values
        rejected : reasons and counts of draws refused in this chunk
        sources : (M,) the files that the images were read from; of all chunks of a dataset, or of none
        """
        images = np.ascontiguousarray(images, np.float32)
        self.images.write(chunk, images)
        record = {
            "columns": {name: [float(value) for value in values] for name, values in columns.items()},
            "rejected": dict(sorted(rejected.items())),
            "checksum": checksum(images),
        }
        if sources is not None:
            record["sources"] = sources
        write_whole(self._record_path(chunk), json.dumps(record))

    def read_chunk(self, chunk: int, expected_checksum: str | None = None) -> np.ndarray:
        """Read the images of a chunk: (M, H, W) float32.

        Raises
        ------
        RunError
            When one is missing or damaged, or they do not have the expected checksum.
        """
        images = self.images.read(chunk)
        if expected_checksum is not None and checksum(images) != expected_checksum:
            indices = chunk_indices(chunk, self.number)
            raise RunError(
                f"images {indices[0]} to {indices[-1]} in {self.folder} are damaged: their checksum is not the one in "
                "the manifest; simulate the dataset again"
            )
        return images

    def read_record(self, chunk: int) -> dict:
        """Read the record of a finished chunk: columns, refused draws, checksum; sources, where images have them.

        Raises
        ------
        RunError
            When there is none, or it is damaged.
        """
        record = read_json(self._record_path(chunk), "a chunk's record")
        size = len(chunk_indices(chunk, self.number))
        try:
            intact = all(len(values) == size for values in record["columns"].values()) and all(
                isinstance(record[key], kind) for key, kind in (("rejected", dict), ("checksum", str))
            )
            intact = intact and len(record.get("sources", range(size))) == size
        except (KeyError, TypeError, AttributeError):
            intact = False
        if not intact:
            raise RunError(f"{self._record_path(chunk)} is damaged")
        return record

    def is_intact(self, chunk: int) -> bool:
        """Whether a chunk has a record and the images that it says."""
        try:
            self.read_chunk(chunk, self.read_record(chunk)["checksum"])
        except RunError:
            return False
        return True

    def _record_path(self, chunk: int) -> Path:
        return self.folder / PROGRESS / f"{chunk:05d}.json"

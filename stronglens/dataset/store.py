"""The chunks of a dataset: images and records. Any process may write its own chunks."""

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
    """The work for a dataset, in chunks.

    Attributes
    ----------
    title : str
        A line for the user.
    verb : str
        Text of the progress bar, such as ``simulating``.
    manifest : dict
        Content of the manifest before the first image.
    columns : list of dict
        Description of each column; see `Column.to_dict`.
    work : callable
        Takes a ChunkStore and returns a picklable callable, which takes the index of a chunk, makes it, and returns its
        number of images.
    """

    title: str
    verb: str
    manifest: dict
    columns: list[dict]
    work: Callable


@dataclass(frozen=True)
class ChunkStore:
    """Write and read the chunks of a dataset. Any process may write its own chunks.

    Attributes
    ----------
    folder : Path
        Folder of the dataset.
    format : {"pickle", "zarr"}
    number : int
        Number of images.
    shape : (H, W), pixels
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
            When a necessary entry is missing or damaged.
        """
        try:
            kept = manifest["parameters"].get("format", "pickle")  # the only format in version 1
            number = manifest["number"]
            height, width = manifest["image-shape"]
            if kept not in FORMATS or not all(isinstance(size, int) and size > 0 for size in (number, height, width)):
                raise ValueError
        except (KeyError, TypeError, ValueError, AttributeError):
            raise RunError(f"{Path(folder) / MANIFEST} is damaged; simulate the dataset again") from None
        return cls(Path(folder).absolute(), kept, number, (height, width))  # workers may run in another folder

    @cached_property
    def images(self):
        """The images on disk, `PickledImages` or `ZarrImages`."""
        return FORMATS[self.format](self.folder, self.number, self.shape)

    def bytes_an_image(self, columns: int) -> int:
        """Return the maximum size of an image and its row of labels on disk, bytes."""
        return self.images.bytes_an_image + 19 * (columns + 1)

    @property
    def chunks(self) -> int:
        """Number of chunks."""
        return -(-self.number // CHUNK_SIZE)

    def write_chunk(
        self,
        chunk: int,
        images: np.ndarray,
        columns: dict[str, np.ndarray],
        rejected: Counter,
        sources: list[str] | None = None,
    ) -> None:
        """Write the images of one chunk, then its record. Without a record the images are not valid.

        Parameters
        ----------
        chunk : int
        images : ndarray (M, H, W) float32, electrons/s
            The M images in this chunk.
        columns : dict of column to (M,) values
        rejected : Counter
            Numbers of rejected draws in this chunk, by reason.
        sources : list of M str, optional
            Original files of external images; for all chunks of a dataset or for none.

        Raises
        ------
        OSError
            When a file cannot be written.
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
        """Read the images of a chunk: (M, H, W) float32, electrons/s.

        Raises
        ------
        RunError
            When an image is missing or damaged, or their checksum is not the expected one.
        """
        images = self.images.read(chunk)
        if expected_checksum is not None and checksum(images) != expected_checksum:
            indices = chunk_indices(chunk, self.number)
            raise RunError(
                f"images {indices[0]} to {indices[-1]} in {self.folder} are damaged: their checksum differs from that "
                "in the manifest; simulate the dataset again"
            )
        return images

    def read_record(self, chunk: int) -> dict:
        """Read the record of a finished chunk: columns, rejected draws, checksum and, for external images, sources.

        Raises
        ------
        RunError
            When the record is missing or damaged.
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
        """Return whether a chunk has a record and its images have the recorded checksum."""
        try:
            self.read_chunk(chunk, self.read_record(chunk)["checksum"])
        except RunError:
            return False
        return True

    def _record_path(self, chunk: int) -> Path:
        return self.folder / PROGRESS / f"{chunk:05d}.json"

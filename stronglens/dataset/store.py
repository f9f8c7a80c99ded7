"""The chunks of a dataset: images and records. Any process may write its own chunks."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from stronglens.dataset.files import checksum, read_json, write_whole
from stronglens.dataset.formats import CHUNK_SIZE, FORMATS, chunk_indices
from stronglens.dataset.manifest import IMAGES, MANIFEST, PROGRESS
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
    shapes : dict of str to (H, W) or (H, W, B), pixels
        The arrays of the dataset by name: ``images``, and others that the task has for each image. Images of several
        bands have a last axis; its order is ``bands`` in the manifest.
    """

    folder: Path
    format: str
    number: int
    shapes: Mapping[str, tuple[int, ...]] = field(hash=False)  # a dict has no hash; workers keep the work by its hash

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
            others = dict(manifest.get("arrays", {}))
            # Each name is a folder, whose files --force removes: it must not lead out of the dataset's folder.
            if not all(name.isidentifier() and name not in (IMAGES, PROGRESS) for name in others):
                raise ValueError
            shapes = {IMAGES: manifest["image-shape"], **others}
            sizes = [number, *(size for shape in shapes.values() for size in shape)]
            if kept not in FORMATS or not all(isinstance(size, int) and size > 0 for size in sizes):
                raise ValueError
            bands = {name: shape[2:] for name, shape in shapes.items() if len(shape) != 2}
            if bands and bands != {IMAGES: [len(manifest["bands"])]}:
                raise ValueError
        except (KeyError, TypeError, ValueError, AttributeError):
            raise RunError(f"{Path(folder) / MANIFEST} is damaged; simulate the dataset again") from None
        shapes = {name: tuple(shape) for name, shape in shapes.items()}
        return cls(Path(folder).absolute(), kept, number, shapes)  # workers may run in another folder

    @cached_property
    def arrays(self) -> dict:
        """The arrays on disk by name, `PickledImages` or `ZarrImages`."""
        make = FORMATS[self.format]
        return {name: make(self.folder, self.number, shape, name) for name, shape in self.shapes.items()}

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (H, W) or (H, W, B) of an image, pixels."""
        return self.shapes[IMAGES]

    @property
    def images(self):
        """The images on disk, `PickledImages` or `ZarrImages`."""
        return self.arrays[IMAGES]

    def bytes_an_image(self, columns: int) -> int:
        """Return the maximum size of an image, its other arrays and its row of labels on disk, bytes."""
        return sum(array.bytes_an_image for array in self.arrays.values()) + 19 * (columns + 1)

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
        others: Mapping[str, np.ndarray] | None = None,
        sources: list[str] | None = None,
    ) -> None:
        """Write the images of one chunk, then its record. Without a record the images are not valid.

        Parameters
        ----------
        chunk : int
        images : ndarray (M, H, W) or (M, H, W, B) float32, electrons/s
            The M images in this chunk.
        columns : dict of column to (M,) values
        rejected : Counter
            Numbers of rejected draws in this chunk, by reason.
        others : dict of str to ndarray (M, H, W) float32, optional
            The other arrays of the dataset.
        sources : list of M str, optional
            Original files of external images; for all chunks of a dataset or for none.

        Raises
        ------
        OSError
            When a file cannot be written.
        """
        sums = {}
        for name, values in {IMAGES: images, **(others or {})}.items():
            values = np.ascontiguousarray(values, np.float32)
            self.arrays[name].write(chunk, values)
            sums[name] = checksum(values)
        record = {
            "columns": {name: [float(value) for value in values] for name, values in columns.items()},
            "rejected": dict(sorted(rejected.items())),
            "checksum": sums.pop(IMAGES),
        }
        if sums:
            record["checksums"] = sums
        if sources is not None:
            record["sources"] = sources
        write_whole(self._record_path(chunk), json.dumps(record))

    def read_chunk(self, chunk: int, expected_checksum: str | None = None, array: str = IMAGES) -> np.ndarray:
        """Read an array of a chunk: (M, H, W) float32, of the images in electrons/s.

        Raises
        ------
        RunError
            When an image is missing or damaged, or their checksum is not the expected one.
        """
        images = self.arrays[array].read(chunk)
        if expected_checksum is not None and checksum(images) != expected_checksum:
            indices = chunk_indices(chunk, self.number)
            raise RunError(
                f"{array} {indices[0]} to {indices[-1]} in {self.folder} are damaged: their checksum differs from that "
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
            intact = intact and {IMAGES, *record.get("checksums", {})} == self.shapes.keys()
        except (KeyError, TypeError, AttributeError):
            intact = False
        if not intact:
            raise RunError(f"{self._record_path(chunk)} is damaged")
        return record

    def checksums(self, chunk: int) -> dict[str, str]:
        """Return the recorded checksum of each array of a chunk.

        Raises
        ------
        RunError
            See `read_record`.
        """
        record = self.read_record(chunk)
        return {IMAGES: record["checksum"], **record.get("checksums", {})}

    def is_intact(self, chunk: int) -> bool:
        """Return whether a chunk has a record and its arrays have the recorded checksums."""
        try:
            for array, expected in self.checksums(chunk).items():
                self.read_chunk(chunk, expected, array)
        except RunError:
            return False
        return True

    def _record_path(self, chunk: int) -> Path:
        return self.folder / PROGRESS / f"{chunk:05d}.json"

"""The two formats of a dataset's images: one pickle file per image, or one Zarr array.

Both are written and read one chunk at a time, from any number of threads and processes: no two chunks share a file.
"""

import math
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import numpy as np

from stronglens.dataset.files import read_image, write_image
from stronglens.dataset.manifest import IMAGES
from stronglens.parameters import RunError

CHUNK_SIZE = 128
"""Images in a chunk, the unit of work, of retry, of resume and of storage."""

INNER_CHUNK = 16
"""Images that Zarr compresses together; to read one image, all of them are read. The speed of writing and reading whole
shards is equal for 16, 32 and 128 and ten times lower for 1."""


def chunk_indices(chunk: int, number: int) -> range:
    """Return the indices of the images in a chunk of a dataset of ``number`` images."""
    return range(chunk * CHUNK_SIZE, min((chunk + 1) * CHUNK_SIZE, number))


class PickledImages:
    """Images as pickled float32 arrays, one file per image: ``images/000000.pickle`` ...

    Parameters
    ----------
    folder : Path
        Folder of the dataset.
    number : int
        Number of images.
    shape : (H, W) or (H, W, B), pixels
    array : str
        Name of the array, and of its folder: ``images``, or another array that the task has.
    """

    def __init__(self, folder: Path, number: int, shape: tuple[int, ...], array: str = IMAGES):
        self.folder, self.number, self.shape, self.place = Path(folder), number, tuple(shape), array

    def name(self, index: int) -> str:
        """Return the path of an image, relative to the dataset's folder."""
        return f"{self.place}/{index:06d}.pickle"

    @property
    def bytes_an_image(self) -> int:
        """Maximum size of an image on disk, bytes."""
        return 4096 * -(-(4 * math.prod(self.shape) + 160) // 4096)  # in usual file-system blocks

    def describe(self) -> None:
        """Restore the description of the format if it is lost or damaged. Pickle files have none."""

    def create(self) -> None:
        """Prepare the folder for the first chunk."""
        (self.folder / self.place).mkdir(exist_ok=True)

    def write(self, chunk: int, images: np.ndarray) -> None:
        """Write the images of a chunk, (M, H, W) or (M, H, W, B), electrons/s."""
        for index, image in zip(chunk_indices(chunk, self.number), images, strict=True):
            write_image(self.folder / self.name(index), image)

    def read(self, chunk: int) -> np.ndarray:
        """Read the images of a chunk: (M, H, W) or (M, H, W, B) float32, electrons/s.

        Raises
        ------
        RunError
            When an image is missing, damaged, or has another shape; the message names the file.
        """
        indices = chunk_indices(chunk, self.number)
        images = np.empty((len(indices), *self.shape), np.float32)
        for row, index in enumerate(indices):
            path = self.folder / self.name(index)
            image = read_image(path)
            if image.shape != self.shape:
                raise RunError(f"{path} has the shape {image.shape}, but the manifest {self.shape}")
            images[row] = image
        return images

    def remove(self) -> None:
        """Remove the images of the dataset and no other files."""
        for path in (self.folder / self.place).glob("*.pickle"):
            if path.stem.isdecimal() and int(path.stem) < self.number:
                path.unlink()
        _remove_empty(self.folder / self.place)

    def foreign(self, listed: int) -> list[str]:
        """Return the existing files that have the names of images, but are not in the manifest.

        Parameters
        ----------
        listed : int
            Number of images in the manifest of the folder.
        """
        ahead = (self.name(index) for index in range(listed, self.number))
        return [name for name in ahead if (self.folder / name).exists()]


class ZarrImages:
    """Images as one compressed Zarr (version 3) array, ``images.zarr/``, with one shard per chunk of work.

    The array has the shape (N, H, W), or (N, H, W, B) for images of several bands.

    Dask, xarray and other Zarr readers can open it. Parameters and methods are those of `PickledImages`.
    """

    def __init__(self, folder: Path, number: int, shape: tuple[int, ...], array: str = IMAGES):
        self.folder, self.number, self.shape, self.place = Path(folder), number, tuple(shape), f"{array}.zarr"

    def name(self, index: int) -> str:
        return f"{self.place}[{index}]"

    @property
    def bytes_an_image(self) -> int:
        return 4 * math.prod(self.shape)  # noise hardly compresses

    def describe(self) -> None:
        if (self.folder / self.place).is_dir():
            try:
                self._open()
            except RunError:
                (self.folder / self.place / "zarr.json").unlink(missing_ok=True)
                self._create_array()

    def create(self) -> None:
        for left in (self.folder / self.place).glob(f"c/*/{self._inner}*.partial"):  # of a killed process
            left.unlink()
        if not (self.folder / self.place / "zarr.json").exists():
            self._create_array()

    def _create_array(self) -> None:
        import zarr
        from zarr.codecs import BloscCodec

        zarr.create_array(
            self.folder / self.place,
            shape=(self.number, *self.shape),
            dtype="float32",
            chunks=(INNER_CHUNK, *self.shape),
            shards=(CHUNK_SIZE, *self.shape),
            # The fastest codec in a test with noisy images; its size is within 4 % of the smallest.
            compressors=BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle"),
            dimension_names=("image", "y", "x", "band")[: 1 + len(self.shape)],
            zarr_format=3,
            config={"write_empty_chunks": True},  # so that no shard is missing
        )

    def write(self, chunk: int, images: np.ndarray) -> None:
        indices = chunk_indices(chunk, self.number)
        self._shard(chunk).unlink(missing_ok=True)  # Zarr would append to an incomplete last shard
        self._array[indices.start : indices.stop] = np.asarray(images, np.float32)

    def read(self, chunk: int) -> np.ndarray:
        indices = chunk_indices(chunk, self.number)
        # Zarr would read a missing shard as zeros.
        if not (shard := self._shard(chunk)).exists():
            raise RunError(f"cannot read {shard}: No such file or directory")
        try:
            return np.ascontiguousarray(self._array[indices.start : indices.stop], np.float32)
        except (OSError, ValueError, RuntimeError, TypeError, KeyError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise RunError(f"{shard} is damaged ({reason})") from None

    def remove(self) -> None:
        place = self.folder / self.place
        for chunk in range(-(-self.number // CHUNK_SIZE)):
            shard = self._shard(chunk)
            for path in (shard, *shard.parent.glob("*.partial")):
                path.unlink(missing_ok=True)
            _remove_empty(*shard.parents[: len(self.shape)])
        (place / "zarr.json").unlink(missing_ok=True)
        _remove_empty(place / "c", place)

    def foreign(self, listed: int) -> list[str]:
        return [self.place] if not listed and (self.folder / self.place).exists() else []

    @property
    def _inner(self) -> str:
        """Folders of a shard below the one of its chunk; a shard has all pixels and bands of its images."""
        return "0/" * (len(self.shape) - 1)

    def _shard(self, chunk: int) -> Path:
        return self.folder / self.place / "c" / str(chunk) / f"{self._inner}0"

    @cached_property
    def _array(self):
        return self._open()

    def _open(self):
        import zarr

        path = self.folder / self.place
        try:
            array = zarr.open_array(path, mode="r+", zarr_format=3)
        except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise RunError(
                f"{path} is not a Zarr array ({reason}): its zarr.json is lost or damaged. To restore it, run "
                "generate_data.py --resume with the flags of the dataset"
            ) from None
        if array.shape != (self.number, *self.shape) or array.dtype != np.float32:
            raise RunError(f"{path} has the shape {array.shape}, but the manifest {(self.number, *self.shape)}")
        return array


FORMATS = {"pickle": PickledImages, "zarr": ZarrImages}


def _remove_empty(*folders: Path) -> None:
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()

"""The images of a dataset as one array, in memory or read from disk on access."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np

from stronglens.dataset.files import checksum
from stronglens.dataset.formats import CHUNK_SIZE
from stronglens.dataset.manifest import IMAGES
from stronglens.dataset.store import ChunkStore

READERS = 4
"""Threads that read a store. Decompression and checksums run without Python's global lock."""

BLOCKS_HELD = 3
"""Prefetched blocks that are kept: a batch may need the last rows of one block and the first rows of the next, while a
third block is read."""

LARGEST_SHARE_OF_MEMORY = 0.5
"""Maximum fraction of the free memory for images."""


class ImageSet:
    """An array-like set of images (N, H, W) or (N, H, W, B), float32, electrons/s, in memory or on disk.

    ``images[rows]`` with a number, a slice or an array of numbers returns an ndarray. `subset` returns another set
    without reading images. Checksums are verified whenever images are read. Only one thread at a time may use a set.

    Attributes
    ----------
    digest : str
        Identity of the images, independent of where they are stored.
    in_memory : bool

    Raises
    ------
    RunError
        On access, when an image is missing or damaged.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, source: "_Memory | _Disk", rows: np.ndarray):
        self._source, self._rows = source, rows
        self.in_memory = isinstance(source, _Memory)

    @classmethod
    def stored(cls, store: ChunkStore, checksums: list[str], array: str = IMAGES) -> "ImageSet":
        """Return an array of a store, which is read from disk on access."""
        return cls(_Disk(store, checksums, array), np.arange(store.number))

    @classmethod
    def of(cls, images: np.ndarray, digest: str) -> "ImageSet":
        """Return images (N, H, W) float32 that are in memory, with their identity."""
        return cls(_Memory(images, digest), np.arange(len(images)))

    def loaded(self, advance: Callable[[int], None] | None = None) -> "ImageSet":
        """Return a copy of a stored set in memory; call ``advance(n)`` after n more images are read."""
        source = self._source
        assert isinstance(source, _Disk)
        images = np.empty((source.store.number, *source.shape), np.float32)
        with ThreadPoolExecutor(READERS) as readers:
            for chunk, part in enumerate(readers.map(source.read_chunk, range(source.store.chunks))):
                images[chunk * CHUNK_SIZE : chunk * CHUNK_SIZE + len(part)] = part
                if advance:
                    advance(len(part))
        return ImageSet(_Memory(images, source.digest), self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self._rows), *self._source.shape)

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape)) * self.dtype.itemsize

    @cached_property
    def digest(self) -> str:
        return checksum(self._source.digest.encode() + np.ascontiguousarray(self._rows, np.int64).tobytes())

    def subset(self, rows) -> "ImageSet":
        """Return the set of the images in some rows."""
        return ImageSet(self._source, self._rows[rows])

    def __getitem__(self, rows) -> np.ndarray:
        wanted = self._rows[rows]
        if np.ndim(wanted) == 0:
            return self._source.take(np.array([wanted]))[0]
        return self._source.take(wanted)

    def prefetch(self, rows) -> None:
        """Start to read images in the background, at most a few thousand; return at once."""
        self._source.prefetch(self._rows[rows])


class _Memory:
    def __init__(self, images: np.ndarray, digest: str):
        self.images, self.shape, self.digest = images, images.shape[1:], digest

    def take(self, rows: np.ndarray) -> np.ndarray:
        return self.images[rows]

    def prefetch(self, rows: np.ndarray) -> None:
        pass


class _Disk:
    def __init__(self, store: ChunkStore, checksums: list[str], array: str):
        self.store, self.shape, self.checksums, self.array = store, store.shapes[array], checksums, array
        self.digest = checksum("".join(checksums).encode())
        self._blocks: deque[tuple[np.ndarray, Future]] = deque(maxlen=BLOCKS_HELD)

    def read_chunk(self, chunk: int) -> np.ndarray:
        return self.store.read_chunk(chunk, self.checksums[chunk], self.array)

    def take(self, rows: np.ndarray) -> np.ndarray:
        images = np.empty((len(rows), *self.shape), np.float32)
        left = np.ones(len(rows), bool)
        for held, block in tuple(self._blocks):
            place = np.minimum(np.searchsorted(held, rows), len(held) - 1)
            there = left & (held[place] == rows)
            if there.any():
                images[there] = block.result()[place[there]]
                left &= ~there
        if left.any():
            images[left] = self._read(rows[left])
        return images

    def prefetch(self, rows: np.ndarray) -> None:
        held = np.unique(rows)
        if len(held) and not any(np.array_equal(held, other) for other, _ in self._blocks):
            self._blocks.append((held, self._prefetcher.submit(self._read, held)))

    def _read(self, rows: np.ndarray) -> np.ndarray:
        images = np.empty((len(rows), *self.shape), np.float32)
        chunks = rows // CHUNK_SIZE

        def read(chunk):
            of_chunk = chunks == chunk
            images[of_chunk] = self.read_chunk(chunk)[rows[of_chunk] % CHUNK_SIZE]

        for _ in self._readers.map(read, np.unique(chunks).tolist()):
            pass  # an exception of a reader is raised here
        return images

    @cached_property
    def _prefetcher(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1)

    @cached_property
    def _readers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(READERS)


def fits_in_memory(*sets: ImageSet) -> bool:
    """Return whether sets of images need together at most half of the free memory."""
    return sum(images.nbytes for images in sets) <= LARGEST_SHARE_OF_MEMORY * _free_memory()


def _free_memory() -> int:
    """Return the free memory for this process, bytes: of the machine or of its control group (a cluster job)."""
    import psutil

    free = [psutil.virtual_memory().available]
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            root = Path("/sys/fs/cgroup")
            free.append(int((root / limit).read_text()) - int((root / used).read_text()))
        except (OSError, ValueError):  # no control group, or no limit
            continue
    return min(free)

"""Endless data: lenses that no dataset holds, simulated while a network trains on others."""

import json
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any

import numpy as np

from stronglens.dataset import CHUNK_SIZE, checksum, library_versions
from stronglens.parameters import to_manifest
from stronglens.simulation.chunks import simulator_of

MEASURED = 1024
"""Images on which the scalings are fitted."""

KEPT = 32
"""Chunks kept, finished or not: what several ask for is simulated once."""


class SimulationStream:
    """One endless stream of simulated lenses that continues a dataset: image ``j`` has the index ``number + j``.

    No stored image has such an index, so that none of validation or test is ever trained on; and an image depends on
    the dataset's seed and its index alone, so that a training can be repeated and resumed.

    Parameters
    ----------
    make : callable, makes the task's simulator (see :mod:`stronglens.simulation.chunks`)
    parameters : Parameters, of a simulation, those of the dataset
    stored : int, images in the dataset
    number : int, images of an epoch
    labels : sequence of L str, the columns that are asked for
    executor : concurrent.futures.Executor, which simulates

    Attributes
    ----------
    number, chunk_size : int
    shape : (H, W)
    digest : str, says which images these are
    """

    chunk_size = CHUNK_SIZE

    def __init__(self, make: Callable, parameters, stored: int, number: int, labels, executor: Executor):
        self.stored, self.number = stored, number
        self.shape = (parameters.grid_size, parameters.grid_size)
        identity = [to_manifest(parameters), stored, number, *labels, library_versions("")]
        self.digest = checksum(json.dumps(identity).encode())
        self._work = FreshSimulation(make, parameters, stored, tuple(labels))
        self._executor = executor
        self._chunks: OrderedDict[int, Future] = OrderedDict()

    def request(self, chunk: int) -> Future:
        """Ask for a chunk of the stream: a future of images (chunk_size, H, W) float32 and labels (chunk_size, L)."""
        if chunk not in self._chunks:
            self._chunks[chunk] = self._executor.submit(self._work, chunk)
            while len(self._chunks) > KEPT:
                self._chunks.popitem(last=False)
        return self._chunks[chunk]

    def first(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the first images of the stream, a thousand or an epoch's, and their labels."""
        number = min(self.number, MEASURED)
        chunks = [self.request(chunk) for chunk in range(-(-number // CHUNK_SIZE))]
        images, labels = zip(*(chunk.result() for chunk in chunks), strict=True)
        return np.concatenate(images)[:number], np.concatenate(labels)[:number]

    def describe(self) -> dict:
        """Return what a network's record says of what it was trained on."""
        return {"first-index": self.stored, "images-an-epoch": self.number}


@dataclass(frozen=True)
class FreshSimulation:
    """Simulate a stream chunk by chunk: called with a chunk's number, returns its images and labels.

    Attributes
    ----------
    make : callable, makes the task's simulator
    parameters : Parameters, of a simulation
    first : int, index of the stream's first image
    labels : tuple of L str
    """

    make: Callable
    parameters: Any
    first: int
    labels: tuple[str, ...]

    def __call__(self, chunk: int) -> tuple[np.ndarray, np.ndarray]:
        """Simulate a chunk: images (chunk_size, H, W) float32, labels (chunk_size, L)."""
        start = self.first + chunk * CHUNK_SIZE
        images, columns, _ = simulator_of(self.make, self.parameters).simulate(range(start, start + CHUNK_SIZE))
        return images, np.stack([columns[label] for label in self.labels], axis=1)

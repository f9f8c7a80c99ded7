"""Simulation during training: an unbounded stream of new images that are not stored in a dataset."""

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
"""Number of images on which the scalings are fitted."""

KEPT = 32
"""Number of chunks in memory, complete or in progress, so that repeated requests are simulated once."""


class SimulationStream:
    """Unbounded stream of simulated lenses that continues a dataset: image ``j`` has the index ``stored + j``.

    No stored image has such an index, so no validation or test image is used for training. An image depends only on the
    seed of the dataset and its own index, so that a training can be repeated and resumed.

    Parameters
    ----------
    make : callable
        Makes the simulator of the task (see :mod:`stronglens.simulation.chunks`).
    parameters : Parameters
        Simulation parameters of the dataset.
    stored : int
        Number of images in the dataset.
    number : int
        Number of images per epoch.
    labels : sequence of L str
        Columns that are returned.
    executor : concurrent.futures.Executor
        Runs the simulation.

    Attributes
    ----------
    number, chunk_size : int
        Number of images per epoch and per chunk.
    shape : (H, W) or (H, W, B), pixels
    digest : str
        Identity of the images.
    """

    chunk_size = CHUNK_SIZE

    def __init__(self, make: Callable, parameters, stored: int, number: int, labels, executor: Executor):
        self.stored, self.number = stored, number
        identity = [to_manifest(parameters), stored, number, *labels, library_versions("")]
        self.digest = checksum(json.dumps(identity).encode())
        self._work = FreshSimulation(make, parameters, stored, tuple(labels))
        self._executor = executor
        self._chunks: OrderedDict[int, Future] = OrderedDict()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an image; the first chunk is simulated for it."""
        return self.request(0).result()[0].shape[1:]

    def request(self, chunk: int) -> Future:
        """Return a future of a chunk: see `FreshSimulation`."""
        if chunk not in self._chunks:
            self._chunks[chunk] = self._executor.submit(self._work, chunk)
            while len(self._chunks) > KEPT:
                self._chunks.popitem(last=False)
        return self._chunks[chunk]

    def first(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the first images of the stream and their labels; at most 1024 or an epoch."""
        number = min(self.number, MEASURED)
        chunks = [self.request(chunk) for chunk in range(-(-number // CHUNK_SIZE))]
        images, labels, *_ = zip(*(chunk.result() for chunk in chunks), strict=True)
        return np.concatenate(images)[:number], np.concatenate(labels)[:number]

    def describe(self) -> dict:
        """Return the entries on the stream in the record of a network."""
        return {"first-index": self.stored, "images-an-epoch": self.number}


@dataclass(frozen=True)
class FreshSimulation:
    """Simulate a stream chunk by chunk: it is called with the index of a chunk and returns its images and labels.

    Attributes
    ----------
    make : callable
        Makes the simulator of the task.
    parameters : Parameters
        Simulation parameters.
    first : int
        Index of the first image of the stream.
    labels : tuple of L str
    """

    make: Callable
    parameters: Any
    first: int
    labels: tuple[str, ...]

    def __call__(self, chunk: int) -> tuple:
        """Return a chunk: images (chunk_size, H, W) float32, electrons/s, and labels (chunk_size, L).

        A third entry has the other arrays by name, if the simulator makes some.
        """
        indices = range(self.first + chunk * CHUNK_SIZE, self.first + (chunk + 1) * CHUNK_SIZE)
        images, columns, _, *others = simulator_of(self.make, self.parameters).simulate(indices)
        labels = [np.asarray(columns[label])[:, None] for label in self.labels]
        return images, np.concatenate([np.empty((len(images), 0)), *labels], axis=1), *others

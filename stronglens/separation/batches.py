"""Batches of images with their noise and their sources, or their convergence, for training and validation."""

import json
from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np

from stronglens.dataset import Dataset, checksum
from stronglens.sampling import Stream, generator
from stronglens.separation.arrays import LENS, SOURCE
from stronglens.separation.camera import Camera, true_times
from stronglens.simulation.stream import SimulationStream
from stronglens.telescope import add_noise
from stronglens.training.augmentation import draw_symmetries, move_images
from stronglens.training.batches import AHEAD, Batches
from stronglens.training.objective import Objective
from stronglens.training.order import shuffle_rows

Encode = Callable[[np.ndarray, Mapping[str, np.ndarray]], np.ndarray]
"""Takes images (N, H, W) and the arrays of a dataset by name, (N, H, W) each; returns what a network learns."""


def encode_light(camera: Camera) -> Encode:
    """Return what gives noise and source in units of the noise: (N, H, W, 2) float32."""

    def encode(images, truths):
        times = camera.exposure_times(images)
        noise = camera.to_units(images, times) - camera.to_units(truths[SOURCE] + truths[LENS], times)
        return np.stack([noise, camera.to_units(truths[SOURCE], times)], axis=-1).astype(np.float32)

    return encode


class LightBatches(Batches):
    """Batches of images, and of what they are made of.

    Training images get new noise in every epoch; those of validation are the stored ones.

    Parameters
    ----------
    dataset : Dataset
    rows : ndarray of int
        Images of the set.
    encode : callable
        See `Encode`.
    camera : Camera
    batch_size, multiple, objective
        See `stronglens.training.batches.Batches`.
    is_training : bool
        Whether images are shuffled and get new noise in every epoch.
    augment : bool
        Whether images are rotated and flipped.
    seed : int
    """

    def __init__(
        self,
        dataset: Dataset,
        rows: np.ndarray,
        encode: Encode,
        camera: Camera,
        batch_size: int,
        multiple: int,
        *,
        objective: Objective,
        is_training: bool = False,
        augment: bool = False,
        seed: int = 0,
    ):
        steps = multiple * -(-len(rows) // batch_size)  # batches of one size: the network is compiled for each size
        super().__init__(len(rows) - len(rows) % steps, batch_size, multiple, objective)
        self.images = dataset.images.subset(rows)
        self.truths = {name: array.subset(rows) for name, array in dataset.others.items()}
        self.encode = encode
        times = true_times(dataset)
        self.times = None if times is None else times[rows]
        self.rows, self.camera, self.seed = rows, camera, seed
        self.is_training, self.augment = is_training, augment
        self._order = lru_cache(maxsize=2)(self._order_epoch)
        self._symmetries = lru_cache(maxsize=2)(lambda epoch: draw_symmetries(len(rows), seed, epoch + 1))
        digests = [array.digest for array in (self.images, *self.truths.values())]
        identity = [*digests, camera.to_dict(), augment]
        split = "training" if is_training else "validation"
        self.settings = {f"the {split} images": checksum(json.dumps(identity).encode())}

    def read(self, start, stop):
        rows = self._order(self.epoch)[start:stop]
        symmetries = self._symmetries(self.epoch)[rows] if self.augment else None
        truths = {name: _moved(array[rows], symmetries) for name, array in self.truths.items()}
        if not self.is_training:
            return self.images[rows], self.encode(self.images[rows], truths)
        generators = [generator(self.seed, Stream.OBSERVATION, self.epoch + 1, int(row)) for row in self.rows[rows]]
        times = None if self.times is None else self.times[rows]
        images = add_noise(truths[SOURCE] + truths[LENS], self.camera.telescope(), generators, times)
        return images, self.encode(images, truths)

    def _order_epoch(self, epoch):
        if not self.is_training:
            return np.arange(self.number)
        return shuffle_rows(len(self.rows), self.seed, epoch + 1, len(self.rows), 1)[: self.number]


class FreshBatches(Batches):
    """Batches of new simulations; no image repeats.

    Parameters
    ----------
    stream : SimulationStream
    encode : callable
        See `Encode`.
    batch_size, multiple, objective
        See `stronglens.training.batches.Batches`.
    augment : bool
        Whether images are rotated and flipped.
    seed : int
    epochs : int
        After which no chunks are requested.
    """

    def __init__(
        self,
        stream: SimulationStream,
        encode: Encode,
        batch_size: int,
        multiple: int,
        *,
        objective: Objective,
        augment: bool,
        seed: int,
        epochs: int,
    ):
        super().__init__(stream.number - stream.number % multiple, batch_size, multiple, objective)
        self.stream, self.encode = stream, encode
        self._chunks_in_all = -(-epochs * stream.number // stream.chunk_size)
        draw = lru_cache(maxsize=2)(lambda epoch: draw_symmetries(stream.number, seed, epoch + 1))
        self._symmetries = draw if augment else None
        self.settings = {"the simulations": stream.digest, "the number of images an epoch": stream.number}

    def read(self, start, stop):
        offset, size = self.epoch * self.stream.number, self.stream.chunk_size
        first, last = (offset + start) // size, (offset + stop - 1) // size
        ahead = range(first, max(last + 1, min(last + 1 + AHEAD, self._chunks_in_all)))
        waiting = [self.stream.request(chunk) for chunk in ahead]
        parts = [waiting[chunk - first].result() for chunk in range(first, last + 1)]
        rows = slice(offset + start - first * size, offset + stop - first * size)
        symmetries = self._symmetries(self.epoch)[start:stop] if self._symmetries else None
        arrays = [{"": images, **truths} for images, _, truths in parts]
        joined = {name: np.concatenate([part[name] for part in arrays])[rows] for name in arrays[0]}
        images, *truths = (_moved(array, symmetries) for array in joined.values())
        return images, self.encode(images, dict(zip([*joined][1:], truths, strict=True)))


def _moved(images: np.ndarray, symmetries: np.ndarray | None) -> np.ndarray:
    return images if symmetries is None else move_images(images, symmetries)

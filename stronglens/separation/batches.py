"""Batches of images with their noise and their sources, or their convergence, for training and validation."""

import json
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from stronglens.dataset import Dataset, checksum
from stronglens.sampling import Stream, generator
from stronglens.separation.arrays import CONVERGENCE, LENS, SOURCE
from stronglens.separation.camera import Camera, true_times
from stronglens.telescope import add_noise
from stronglens.training.augmentation import draw_symmetries, move_images
from stronglens.training.batches import Batches
from stronglens.training.objective import Objective
from stronglens.training.order import shuffle_rows


def make_targets(images: np.ndarray, rate: np.ndarray, source: np.ndarray, camera: Camera) -> np.ndarray:
    """Return what a network learns: noise and source in units of the noise, (N, H, W, 2) float32.

    Parameters
    ----------
    images, rate, source : ndarray (N, H, W), e-/s
        The images; all light without noise; that of the source.
    camera : Camera
    """
    times = camera.exposure_times(images)
    noise = camera.to_units(images, times) - camera.to_units(rate, times)
    return np.stack([noise, camera.to_units(source, times)], axis=-1).astype(np.float32)


class LightBatches(Batches):
    """Base class: batches of images, and what they are made of.

    Training images get new noise in every epoch; those of validation are the stored ones. A subclass gives the targets.

    Parameters
    ----------
    dataset : Dataset
    rows : ndarray of int
        Images of the set.
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
        self.source, self.lens = (dataset.others[name].subset(rows) for name in (SOURCE, LENS))
        times = true_times(dataset)
        self.times = None if times is None else times[rows]
        self.rows, self.camera, self.seed = rows, camera, seed
        self.is_training, self.augment = is_training, augment
        self._order = lru_cache(maxsize=2)(self._order_epoch)
        self._symmetries = lru_cache(maxsize=2)(lambda epoch: draw_symmetries(len(rows), seed, epoch + 1))
        identity = [self.images.digest, self.source.digest, self.lens.digest, camera.to_dict(), augment]
        split = "training" if is_training else "validation"
        self.settings = {f"the {split} images": checksum(json.dumps(identity).encode())}

    def read(self, start, stop):
        rows = self._order(self.epoch)[start:stop]
        symmetries = self._symmetries(self.epoch)[rows] if self.augment else None
        source, lens = (_moved(light[rows], symmetries) for light in (self.source, self.lens))
        rate = source + lens
        if self.is_training:
            generators = [generator(self.seed, Stream.OBSERVATION, self.epoch + 1, int(row)) for row in self.rows[rows]]
            times = None if self.times is None else self.times[rows]
            images = add_noise(rate, self.camera.telescope(), generators, times)
        else:
            images = self.images[rows]
        return images, self.targets(images, rate, source, rows, symmetries)

    def targets(self, images, rate, source, rows: np.ndarray, symmetries: np.ndarray | None) -> np.ndarray:
        """Return the targets of images (N, H, W), e-/s.

        Parameters
        ----------
        images, rate, source : ndarray (N, H, W), e-/s
            As given to the network; all light without noise; that of the source.
        rows : ndarray (N,) of int
            Places of the images in the set.
        symmetries : ndarray (N,) of int or None
            By which the images were moved.
        """
        raise NotImplementedError

    def _order_epoch(self, epoch):
        if not self.is_training:
            return np.arange(self.number)
        return shuffle_rows(len(self.rows), self.seed, epoch + 1, len(self.rows), 1)[: self.number]


class SeparationBatches(LightBatches):
    """Batches of images and of their noise and sources. Parameters are those of `LightBatches`."""

    def targets(self, images, rate, source, rows, symmetries):
        return make_targets(images, rate, source, self.camera)


class ConvergenceBatches(LightBatches):
    """Batches of images and of the logarithms of their convergence.

    Parameters
    ----------
    encode : callable
        Takes ln kappa (N, H, W), returns what the network learns.
    dataset, ...
        Others are those of `LightBatches`.
    """

    def __init__(self, encode: Callable[[np.ndarray], np.ndarray], dataset: Dataset, rows: np.ndarray, *args, **others):
        super().__init__(dataset, rows, *args, **others)
        self.encode, self.maps = encode, dataset.others[CONVERGENCE].subset(rows)

    def targets(self, images, rate, source, rows, symmetries):
        return self.encode(np.log(_moved(self.maps[rows], symmetries))).astype(np.float32)


def _moved(images: np.ndarray, symmetries: np.ndarray | None) -> np.ndarray:
    return images if symmetries is None else move_images(images, symmetries)

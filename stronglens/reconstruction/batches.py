"""Batches of observations and sources, for training and validation."""

import json
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from stronglens.dataset import Dataset, checksum
from stronglens.measuring.coolest import LENS_COLUMNS
from stronglens.reconstruction.observing import Conditions, Observation, observe
from stronglens.sampling import Stream, generator
from stronglens.training.augmentation import Pair, draw_symmetries, move_images, move_labels
from stronglens.training.batches import Batches
from stronglens.training.objective import Objective
from stronglens.training.order import shuffle_rows

LENS_PAIRS = (Pair(1, 2, 1), Pair(3, 4, 2), Pair(5, 6, 2))
"""Pairs of `LENS_COLUMNS` that rotate together: position, ellipticity, shear."""

BRIGHTNESS = (0.7, 1.4)
"""Range of the factor by which training images and sources are multiplied: the peak of a real source is unknown."""


def lens_values(dataset: Dataset, rows: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return the lens models of some images: (N, 7) float32, `LENS_COLUMNS`. Lenses lie at the image centre."""
    centred = [name for name in LENS_COLUMNS if not name.startswith("lens-center")]
    values = dict(zip(centred, dataset.column_values(centred)[rows].T, strict=True))
    zero = np.zeros(len(rows))
    return np.stack([values.get(name, zero) for name in LENS_COLUMNS], axis=1).astype(np.float32)


def disturb_lenses(lenses: np.ndarray, error: float, generators: Sequence[np.random.Generator]) -> np.ndarray:
    """Return lens models with Gaussian errors in Einstein radius, both ellipticities and both shears.

    Parameters
    ----------
    lenses : ndarray (N, 7), `LENS_COLUMNS`
    error : float
        Standard deviation, arcsec for the Einstein radius.
    generators : sequence of N numpy.random.Generator
    """
    moved = [name.startswith("lens-center") for name in LENS_COLUMNS]
    drawn = np.stack([random.standard_normal(len(LENS_COLUMNS)) for random in generators])
    lenses = lenses + np.where(moved, 0, error * drawn)
    lenses[:, 0] = np.maximum(lenses[:, 0], 1e-3)
    return lenses.astype(np.float32)


def given_lenses(dataset: Dataset, rows: np.ndarray, error: float) -> np.ndarray:
    """Return the lens models that a network is given of validation or test images: always the same errors."""
    generators = [generator(0, Stream.LENS_ERROR, int(row)) for row in rows]
    return disturb_lenses(lens_values(dataset, rows), error, generators)


def network_inputs(observation: Observation, lenses: np.ndarray) -> dict[str, np.ndarray]:
    """Return the inputs of a network by name; see `network.build_network`."""
    return {
        "image": observation.images,
        "lens": lenses,
        "noise": observation.noise,
        "psf_fwhm": observation.psf_fwhm,
    }


class ReconstructionBatches(Batches):
    """Batches of observed images, their lens models and their sources.

    Training images are observed again in every epoch, those of validation always in the same way.

    Parameters
    ----------
    dataset : Dataset
    rows : ndarray of int
        Images of the set.
    conditions : Conditions
    batch_size, multiple : int
        See `stronglens.training.batches.Batches`.
    objective : Objective
    is_training : bool
        Whether the images are shuffled, scaled and observed again in every epoch. An epoch leaves out the few random
        images that do not fill a batch.
    augment : bool
        Whether images, sources and lenses are rotated and flipped.
    seed : int
    lens_error : float
        Standard deviation of the errors of the lens models; see `disturb_lenses`.
    """

    def __init__(
        self,
        dataset: Dataset,
        rows: np.ndarray,
        conditions: Conditions,
        batch_size: int,
        multiple: int,
        *,
        objective: Objective,
        is_training: bool = False,
        augment: bool = False,
        seed: int = 0,
        lens_error: float = 0.0,
    ):
        steps = multiple * -(-len(rows) // batch_size)  # batches of one size: the network is compiled for each size
        super().__init__(len(rows) - len(rows) % steps, batch_size, multiple, objective)
        self.images, self.sources = dataset.images.subset(rows), dataset.others["sources"].subset(rows)
        self.lenses, self.rows = lens_values(dataset, rows), rows
        self.conditions, self.is_training, self.augment = conditions, is_training, augment
        self.seed, self.lens_error = seed, lens_error
        self._order = lru_cache(maxsize=2)(self._order_epoch)
        self._symmetries = lru_cache(maxsize=2)(lambda epoch: draw_symmetries(len(rows), seed, epoch + 1))
        identity = [self.images.digest, self.sources.digest, str(conditions), augment, lens_error]
        split = "training" if is_training else "validation"
        self.settings = {f"the {split} images": checksum(json.dumps(identity).encode())}

    def read(self, start, stop):
        rows = self._order(self.epoch)[start:stop]
        images, sources, lenses = self.images[rows], self.sources[rows], self.lenses[rows]
        epoch = (self.epoch + 1,) if self.is_training else ()
        generators = [generator(self.seed, Stream.OBSERVATION, *epoch, int(row)) for row in self.rows[rows]]
        if self.is_training:
            scale = np.array([random.uniform(*np.log(BRIGHTNESS)) for random in generators], np.float32)
            scale = np.exp(scale)[:, None, None]
            images, sources = images * scale, sources * scale
        if self.augment:
            symmetries = self._symmetries(self.epoch)[rows]
            images, sources = move_images(images, symmetries), move_images(sources, symmetries)
            lenses = move_labels(lenses, symmetries, LENS_PAIRS)
        observation = observe(images, self.conditions, generators)
        if self.lens_error:
            lenses = disturb_lenses(lenses, self.lens_error, generators)
        return network_inputs(observation, lenses), sources

    def _order_epoch(self, epoch):
        if not self.is_training:
            return np.arange(self.number)
        return shuffle_rows(len(self.rows), self.seed, epoch + 1, len(self.rows), 1)[: self.number]

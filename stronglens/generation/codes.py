"""Codes of images, and batches of them for the trainings of samplers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stronglens.generation.network import encode
from stronglens.learning.plan import TrainingPlan, find_partner_columns
from stronglens.learning.train import settings_of_fit
from stronglens.training import keras
from stronglens.training.augmentation import draw_symmetries, find_pairs, move_images, move_labels
from stronglens.training.batches import Batches
from stronglens.training.order import shuffle_rows
from stronglens.training.state import digest_array

NOISE_STREAM = 0xF104
BLOCK = 512


@dataclass(frozen=True)
class Codes:
    """Codes of images in each of S symmetries, and labels.

    Attributes
    ----------
    mean : ndarray (S, N, L)
    deviation : ndarray (S, N, L)
        Standard deviation of the encoder's distribution; 0 for a network that gives none.
    labels : ndarray (S, N, C), unit of each label
    """

    mean: np.ndarray
    deviation: np.ndarray
    labels: np.ndarray


def sampler_path(model_file: Path) -> Path:
    """Return the path of the flow that belongs to a network: ``x.sampler.keras`` for ``x.keras``."""
    return model_file.with_name(f"{model_file.stem}.sampler.keras")


def encode_images(plan: TrainingPlan, network: keras.Model, name: str, symmetries: int) -> Codes:
    """Return the codes of a set of images (``train``, ``valid`` or ``test``), and of their rotations and flips."""
    rows, condition = plan.split[name], plan.parameters.condition
    images = plan.dataset.images.subset(rows)
    names = (*condition, *find_partner_columns(plan.dataset.columns, condition)) if symmetries > 1 else condition
    labels = plan.dataset.column_values(names)[rows]
    pairs = find_pairs([plan.dataset.columns[one] for one in names]) if symmetries > 1 else ()
    means, deviations, moved = [], [], []
    for symmetry in range(symmetries):
        parts = []
        for start in range(0, len(images), BLOCK):
            block = images[start : start + BLOCK]
            parts.append(encode(network, move_images(block, np.full(len(block), symmetry))))
        mean = np.concatenate([part[0] for part in parts])
        means.append(mean)
        is_variational = parts[0][1] is not None
        deviations.append(
            np.exp(0.5 * np.concatenate([part[1] for part in parts])) if is_variational else np.zeros_like(mean)
        )
        moved.append(move_labels(labels, np.full(len(labels), symmetry), pairs)[:, : len(condition)])
    return Codes(*(np.stack(part).astype(np.float32) for part in (means, deviations, moved)))


class CodeBatches(Batches):
    """Batches of codes from the encoder's distributions, drawn again in each epoch; for validation, in stored order.

    Parameters
    ----------
    codes : Codes
    record : mapping
        Entry of the sampler in the network's record, with mean and deviation of codes and labels.
    batch_size, multiple : int
        See `Batches`.
    objective
        Of the training.
    seed : int or None
        None for validation.
    """

    def __init__(self, codes: Codes, record: Mapping, batch_size: int, multiple: int, objective, seed: int | None):
        number = codes.mean.shape[1]
        super().__init__(number - number % multiple, batch_size, multiple, objective)
        self.codes, self.record, self.seed = codes, record, seed
        split = "validation" if seed is None else "training"
        self.settings = {f"the {split} codes": digest_array(codes.mean)}
        self._drawn: tuple[int, tuple] | None = None

    def read(self, start, stop):
        points, labels = (part[start:stop] for part in self._draw())
        inputs = {"code": points} | ({"condition": labels} if labels.shape[1] else {})
        return inputs, np.zeros(stop - start, np.float32)

    def _draw(self):
        epoch = self.epoch + 1 if self.seed is not None else 0
        if self._drawn is None or self._drawn[0] != epoch:
            seed, (symmetries, number, latents) = self.seed or 0, self.codes.mean.shape
            rows, chosen = np.arange(number), np.zeros(number, int)
            if self.seed is not None:
                rows = shuffle_rows(number, seed, epoch, number, 1)
                chosen = draw_symmetries(number, seed, epoch) % symmetries
            random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(NOISE_STREAM, epoch)))
            noise = random.standard_normal((number, dimensions(latents)), np.float32)
            some = Codes(*(part[chosen, rows] for part in (self.codes.mean, self.codes.deviation, self.codes.labels)))
            points, labels = standardise(some, some.mean + some.deviation * noise[:, :latents], self.record)
            self._drawn = epoch, (np.concatenate([points, noise[:, latents:]], axis=1), labels)
        return self._drawn[1]


def standardise(codes: Codes, points: np.ndarray, record: Mapping) -> tuple[np.ndarray, np.ndarray]:
    """Return points (..., L) and the labels (..., C) of codes, by the means and deviations in the sampler's record."""

    def scaled(values, name):
        mean, deviation = (np.asarray(record[f"{name}-{what}"]) for what in ("mean", "deviation"))
        return ((values - mean) / deviation).astype(np.float32)

    return scaled(points, "code"), scaled(codes.labels, "label")


def dimensions(latents: int) -> int:
    """Return the dimensions of a sampler: a coupling needs two; with one code the second one is noise."""
    return max(2, latents)


def settings_of_sampler(parameters) -> dict:
    """Return the arguments of `training.fit` for a sampler, whose training has its own settings."""
    return settings_of_fit(parameters) | {
        "model_file": sampler_path(parameters.model_file),
        "epochs": parameters.sampler_epochs,
        "learning_rate": 1e-3,
        "learning_schedule": "cosine",
        "optimizer": "adam",
        "weight_decay": 0.0,
        "warm_up": 0,
        "log_dir": parameters.figures_dir / "logs" / "sampler",
    }

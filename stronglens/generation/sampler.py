"""Distributions of codes, from which new images are drawn.

``prior`` is the prior of a variational network, N(0, 1). ``gmm`` is a mixture of normal distributions. ``flow`` is a
normalising flow (BayesFlow's coupling flow, as in the posteriors of the regression task) that is fitted to the codes of
the training images: Gaussian gaps between the prior and the codes of real images (the aggregated posterior) are then
closed. The last two can be conditional: codes for images with given labels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from stronglens.generation.baseline import fit_mixture, sample_mixture
from stronglens.generation.network import encode
from stronglens.learning.plan import TrainingPlan, find_partner_columns
from stronglens.learning.train import settings_of_fit
from stronglens.parameters import RunError
from stronglens.training import FLOW, fit, import_bayesflow, keras, load_network, seed_flow, spread_seed
from stronglens.training.augmentation import SYMMETRIES, draw_symmetries, find_pairs, move_images, move_labels
from stronglens.training.batches import Batches
from stronglens.training.order import shuffle_rows
from stronglens.training.state import digest_array

NOISE_STREAM = 0xF104
MAX_SIGMA = 8.0
"""Largest distance of a sample from the mean of the training codes, standard deviations; others are drawn again."""

TRIES = 20
MOST_LABELS = 2000
"""Labels of training images that the record keeps, from which those of new images are drawn."""

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


def fit_sampler(plan: TrainingPlan, network: keras.Model) -> dict[str, Any]:
    """Fit the distribution of the codes of the training images.

    Parameters
    ----------
    plan : TrainingPlan
    network : keras.Model
        Trained.

    Returns
    -------
    dict
        Entry of the sampler in the record of the network. A flow has a file of its own (see `sampler_path`).

    Raises
    ------
    RunError
        See `training.fit`.
    """
    parameters = plan.parameters
    symmetries = SYMMETRIES if parameters.augment == "on" else 1
    codes = encode_images(plan, network, "train", symmetries)
    spread = np.sqrt(codes.mean.var(axis=(0, 1)) + np.square(codes.deviation).mean(axis=(0, 1)))
    standard = {
        "code-mean": codes.mean.mean(axis=(0, 1)),
        "code-deviation": np.maximum(spread, 1e-6),
        "label-mean": codes.labels.mean(axis=(0, 1)),
        "label-deviation": np.maximum(codes.labels.std(axis=(0, 1)), 1e-12),
    }
    record: dict[str, Any] = {"kind": parameters.sampler, "condition": list(parameters.condition)}
    record |= {name: values.astype(float).tolist() for name, values in standard.items()}
    record["labels"] = codes.labels[0, :MOST_LABELS].astype(float).tolist() if parameters.condition else []
    if parameters.sampler == "gmm":
        random = np.random.default_rng(parameters.seed)
        noise = random.standard_normal(codes.mean.shape, np.float32)
        points = _standardise(codes, codes.mean + codes.deviation * noise, record)
        record["mixture"] = fit_mixture(np.concatenate([part.reshape(-1, part.shape[-1]) for part in points], axis=1),
                                        parameters.seed)  # fmt: skip
    if parameters.sampler == "flow":
        _fit_flow(plan, codes, encode_images(plan, network, "valid", 1), record)
    return record


class Sampler:
    """Draw codes from the distribution that was fitted to those of the training images.

    Parameters
    ----------
    record : mapping
        Entry ``sampler`` of the network's record.
    latents : int
    model_file : Path
        Of the network.

    Raises
    ------
    RunError
        If the file of a flow cannot be read.
    """

    def __init__(self, record: Mapping, latents: int, model_file: Path):
        self.record, self.latents, self.kind = record, latents, record["kind"]
        if self.kind == "flow":
            flow, _ = load_network(sampler_path(model_file))
            base = keras.Input((_dimensions(latents),))
            conditions = [keras.Input((len(record["condition"]),))] if record["condition"] else []
            drawn = flow.get_layer("flow")(base, conditions=conditions[0] if conditions else None, inverse=True)
            self._inverse = keras.Model([base, *conditions], drawn)

    def __call__(self, number: int, seed: int, labels: np.ndarray | None = None) -> np.ndarray:
        """Return codes (number, L) float32; for the labels (number, C), in their units, of a conditional sampler."""
        random, record = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(NOISE_STREAM,))), self.record
        if self.kind == "prior":
            return random.standard_normal((number, self.latents), np.float32)
        condition = None
        if record["condition"]:
            assert labels is not None
            condition = (labels - np.asarray(record["label-mean"])) / np.asarray(record["label-deviation"])
        points = self._draw(np.arange(number), random, condition)
        for _ in range(TRIES):
            lost = np.flatnonzero(~(np.abs(points) <= MAX_SIGMA).all(axis=1))  # includes NaN
            if not len(lost):
                break
            points[lost] = self._draw(lost, random, condition)
        points = np.clip(points, -MAX_SIGMA, MAX_SIGMA)
        return (np.asarray(record["code-mean"]) + points * np.asarray(record["code-deviation"])).astype(np.float32)

    def _draw(self, rows: np.ndarray, random: np.random.Generator, condition: np.ndarray | None) -> np.ndarray:
        some = None if condition is None else condition[rows].astype(np.float32)
        if self.kind == "gmm":
            return sample_mixture(self.record["mixture"], len(rows), random, some)
        base = random.standard_normal((len(rows), _dimensions(self.latents)), np.float32)
        inputs = [base] if some is None else [base, some]
        return self._inverse.predict(inputs, batch_size=4096, verbose=0)[:, : self.latents]


@dataclass(frozen=True)
class CodeDensity:
    """Learn the density of codes with the negative log density of those of the training images."""

    shown: ClassVar[tuple[str, ...]] = ("loss",)
    clipped_at: ClassVar[float] = 1.0
    jit_compile: ClassVar[str | bool] = "auto"

    def describe(self) -> dict:
        """Return the settings that must not change when a training is resumed."""
        return {"the loss": "negative log density of codes"}

    def core(self, network: keras.Model) -> keras.Model:
        """Return the part of a network to which the loss is applied: the whole network."""
        return network

    def arrange(self, inputs: dict, targets: np.ndarray) -> tuple:
        """Return the inputs and the targets of a batch."""
        return inputs, targets

    def loss(self):
        """Return the loss function."""
        return _negative_log_density

    def metrics(self) -> list:
        """Return the additional metrics: none."""
        return []


def _negative_log_density(zeros, log_density):
    return -log_density


class _CodeBatches(Batches):
    # Codes from the encoder's distributions, drawn again in each epoch; for validation, in stored order.
    def __init__(self, codes: Codes, record: Mapping, batch_size: int, multiple: int, seed: int | None):
        number = codes.mean.shape[1]
        super().__init__(number - number % multiple, batch_size, multiple, CodeDensity())
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
            noise = random.standard_normal((number, _dimensions(latents)), np.float32)
            some = Codes(*(part[chosen, rows] for part in (self.codes.mean, self.codes.deviation, self.codes.labels)))
            points, labels = _standardise(some, some.mean + some.deviation * noise[:, :latents], self.record)
            self._drawn = epoch, (np.concatenate([points, noise[:, latents:]], axis=1), labels)
        return self._drawn[1]


def _standardise(codes: Codes, points: np.ndarray, record: Mapping) -> tuple[np.ndarray, np.ndarray]:
    def scaled(values, name):
        mean, deviation = (np.asarray(record[f"{name}-{what}"]) for what in ("mean", "deviation"))
        return ((values - mean) / deviation).astype(np.float32)

    return scaled(points, "code"), scaled(codes.labels, "label")


def _dimensions(latents: int) -> int:
    return max(2, latents)  # a coupling needs two; with one code the second one is noise


def build_flow(latents: int, conditions: int, seed: int) -> keras.Model:
    """Build an untrained flow.

    Parameters
    ----------
    latents : int
    conditions : int
        Number C of labels that the codes are conditional on.
    seed : int
        Seed of the initial weights.

    Returns
    -------
    keras.Model
        Inputs ``code`` (B, max(2, L)) and, if C > 0, ``condition`` (B, C), both standardised; output (B,), log density.
    """
    import_bayesflow()
    from bayesflow.networks import CouplingFlow

    point = keras.Input((_dimensions(latents),), name="code")
    condition = keras.Input((conditions,), name="condition") if conditions else None
    flow = CouplingFlow(**FLOW, name="flow")
    flow.build((1, _dimensions(latents)), (1, conditions) if conditions else None)
    seed_flow(flow, spread_seed(seed, 1)[0])
    inputs = {"code": point} | ({"condition": condition} if conditions else {})
    return keras.Model(inputs, flow(point, conditions=condition, density=True)[1], name="sampler")


def _fit_flow(plan: TrainingPlan, train: Codes, valid: Codes, record: dict) -> None:
    parameters = plan.parameters
    flow = build_flow(train.mean.shape[-1], len(parameters.condition), parameters.seed)
    settings = settings_of_fit(parameters) | {
        "model_file": sampler_path(parameters.model_file),
        "epochs": parameters.sampler_epochs,
        "learning_rate": 1e-3,
        "learning_schedule": "cosine",
        "optimizer": "adam",
        "weight_decay": 0.0,
        "warm_up": 0,
        "log_dir": parameters.figures_dir / "logs" / "sampler",
    }

    def make(codes: Codes, seed: int | None):
        return lambda batch_size, multiple: _CodeBatches(codes, record, batch_size, multiple, seed)

    plan.console.say(f"Sampler: a flow of {flow.count_params():,} parameters, on the codes of the training images")
    fit(
        flow, make(train, parameters.seed), make(valid, None), label_names=(), objective=CodeDensity(),
        record={"task": parameters.task, "sampler": dict(record)}, **settings,
    )  # fmt: skip


def draw_condition(record: Mapping, number: int, seed: int) -> np.ndarray | None:
    """Draw labels (number, C) for a conditional sampler from those of the training images; None for another one."""
    if not record["condition"]:
        return None
    given = np.asarray(record["labels"])
    if not len(given):
        raise RunError("the record of the sampler has no labels: train the network again")
    return given[np.random.default_rng(seed).integers(len(given), size=number)]

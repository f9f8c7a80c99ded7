"""Distributions of codes, from which new images are drawn.

``prior`` is the prior of a variational network, N(0, 1). ``gmm`` is a mixture of normal distributions. ``flow`` is a
normalising flow (BayesFlow's coupling flow, as in the posteriors of the regression task) that is fitted to the codes of
the training images: Gaussian gaps between the prior and the codes of real images (the aggregated posterior) are then
closed. ``flow-matching`` is a flow in steps, and ``gan`` a generator of codes. All but the prior can be conditional:
codes for images with given labels.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stronglens.generation.baseline import fit_mixture, sample_mixture
from stronglens.generation.code_gan import fit_code_gan
from stronglens.generation.codes import NOISE_STREAM, dimensions, encode_images, sampler_path, standardise
from stronglens.generation.flows import fit_flow, fit_path, follow_path
from stronglens.learning.plan import TrainingPlan
from stronglens.parameters import RunError
from stronglens.training import keras, load_network
from stronglens.training.augmentation import SYMMETRIES

MAX_SIGMA = 8.0
"""Largest distance of a sample from the mean of the training codes, standard deviations; others are drawn again."""

TRIES = 20
MOST_LABELS = 2000
"""Labels of training images that the record keeps, from which those of new images are drawn."""

TRAINED = {"flow": fit_flow, "flow-matching": fit_path, "gan": fit_code_gan}
"""Samplers that are networks, with a file of their own (see `codes.sampler_path`), and what trains them."""


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
        Entry of the sampler in the record of the network. Those in `TRAINED` have a file of their own.

    Raises
    ------
    RunError
        See `training.fit`.
    """
    parameters = plan.parameters
    symmetries = SYMMETRIES if parameters.augment == "on" else 1
    codes = encode_images(plan, network, "train", symmetries)
    record: dict[str, Any] = {"kind": parameters.sampler, "condition": list(parameters.condition)}
    record |= describe_codes(codes) | describe_labels(codes.labels)
    if parameters.sampler == "gmm":
        random = np.random.default_rng(parameters.seed)
        noise = random.standard_normal(codes.mean.shape, np.float32)
        points = standardise(codes, codes.mean + codes.deviation * noise, record)
        record["mixture"] = fit_mixture(np.concatenate([part.reshape(-1, part.shape[-1]) for part in points], axis=1),
                                        parameters.seed)  # fmt: skip
    if train := TRAINED.get(parameters.sampler):
        train(plan, codes, encode_images(plan, network, "valid", 1), record)
    return record


def describe_codes(codes) -> dict:
    """Return the entries of a sampler's record that standardise codes."""
    spread = np.sqrt(codes.mean.var(axis=(0, 1)) + np.square(codes.deviation).mean(axis=(0, 1)))
    mean = codes.mean.mean(axis=(0, 1))
    return {"code-mean": mean.astype(float).tolist(), "code-deviation": np.maximum(spread, 1e-6).astype(float).tolist()}


def describe_labels(labels: np.ndarray) -> dict:
    """Return the entries of a sampler's record on labels (S, N, C): their scale, and some of them."""
    return {
        "label-mean": labels.mean(axis=(0, 1)).astype(float).tolist(),
        "label-deviation": np.maximum(labels.std(axis=(0, 1)), 1e-12).astype(float).tolist(),
        "labels": labels[0, :MOST_LABELS].astype(float).tolist() if labels.shape[-1] else [],
    }


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
        if self.kind in TRAINED:
            self._network, _ = load_network(sampler_path(model_file))
        if self.kind == "flow":
            base = keras.Input((dimensions(latents),))
            conditions = [keras.Input((len(record["condition"]),))] if record["condition"] else []
            drawn = self._network.get_layer("flow")(
                base, conditions=conditions[0] if conditions else None, inverse=True
            )
            self._inverse = keras.Model([base, *conditions], drawn)

    def __call__(self, number: int, seed: int, labels: np.ndarray | None = None) -> np.ndarray:
        """Return codes (number, L) float32; for the labels (number, C), in their units, of a conditional sampler."""
        random, record = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(NOISE_STREAM,))), self.record
        condition = None
        if record["condition"]:
            assert labels is not None
            condition = (labels - np.asarray(record["label-mean"])) / np.asarray(record["label-deviation"])
        if self.kind == "prior":  # a conditional decoder, that of a GAN, takes the labels with the codes
            codes = random.standard_normal((number, self.latents), np.float32)
            return codes if condition is None else np.concatenate([codes, condition.astype(np.float32)], axis=1)
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
        base = random.standard_normal((len(rows), dimensions(self.latents)), np.float32)
        if self.kind == "flow-matching":
            return follow_path(self._network, base, some)[:, : self.latents]
        inputs = [base] if some is None else [base, some]
        if self.kind == "gan":
            return self._network.predict(np.concatenate(inputs, axis=1), batch_size=4096, verbose=0)[:, : self.latents]
        return self._inverse.predict(inputs, batch_size=4096, verbose=0)[:, : self.latents]


def draw_condition(record: Mapping, number: int, seed: int) -> np.ndarray | None:
    """Draw labels (number, C) for a conditional sampler from those of the training images; None for another one."""
    if not record["condition"]:
        return None
    given = np.asarray(record["labels"])
    if not len(given):
        raise RunError("the record of the sampler has no labels: train the network again")
    return given[np.random.default_rng(seed).integers(len(given), size=number)]

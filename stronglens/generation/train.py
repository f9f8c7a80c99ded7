"""Training of the generation task: principal components, then the network on them."""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

from stronglens.generation.comparison import FEATURES
from stronglens.generation.components import BLOCK, Components, fit_components, read_stretched, stretch
from stronglens.generation.cyclegan import train_cyclegan
from stronglens.generation.gan import train_gan
from stronglens.generation.generated import describe_origin
from stronglens.generation.network import ON_PIXELS, VARIATIONAL, build_network
from stronglens.generation.objective import PointBatches, Reconstruction
from stronglens.generation.request import read_numbers
from stronglens.generation.rows import train_rows
from stronglens.generation.sampler import describe_labels, fit_sampler
from stronglens.learning.plan import TrainingPlan
from stronglens.learning.train import announce, describe_training, settings_of_fit
from stronglens.parameters import RunError
from stronglens.scaling import ImageScaling, fit_image_scaling
from stronglens.simulation.stream import SimulationStream
from stronglens.training import fit, load_network, save_network
from stronglens.training.augmentation import SYMMETRIES, move_images


def train_network(plan: TrainingPlan, fresh: SimulationStream | None) -> dict[str, list[float]]:
    """Fit the principal components, then train the network that begins with them.

    Parameters
    ----------
    plan : TrainingPlan
    fresh : None

    Returns
    -------
    dict of str to list of float, one value per epoch
        See `training.fit`; empty for ``--network=pca``.

    Raises
    ------
    RunError, UsageError
        See `training.fit`.
    """
    parameters, console = plan.parameters, plan.console
    if parameters.spectra or parameters.example:
        return train_rows(plan)
    if parameters.network == "cyclegan":
        return train_cyclegan(plan)
    train = plan.dataset.images.subset(plan.split["train"])
    is_symmetric = parameters.augment == "on"
    with console.progress(2 * len(train), "measuring the images") as progress:
        scaling = fit_image_scaling(train, progress.advance)
        is_gan = parameters.network == "gan"
        number = FEATURES if is_gan else parameters.components
        components = fit_components(train, scaling, number, is_symmetric, parameters.seed, progress.advance)
    record = describe_training(plan, train) | describe_codes(parameters, scaling)
    record["origin"] = describe_origin(plan.dataset, plan.split["train"])
    if is_gan:
        labels = plan.dataset.column_values(parameters.condition)[plan.split["train"]]
        sampler = {"kind": "prior", "condition": list(parameters.condition)} | describe_labels(labels[None])
        return train_gan(plan, scaling, components, record | {"latents": parameters.latents, "sampler": sampler})
    if max(parameters.latents, *read_numbers(parameters.more_latents), 0) > len(components.deviation):
        raise RunError(f"{len(train)} training images are too few for so many codes")
    fit_one = _NetworkFit(plan, components, scaling, record)
    for latents in read_numbers(parameters.more_latents):
        of_one = replace(parameters, latents=latents, model_file=file_of(parameters.model_file, latents))
        fit_one(replace(of_one, figures_dir=parameters.figures_dir / f"latents-{latents}"))
    history = fit_one(parameters)
    if parameters.sampler != "none":
        network, record = load_network(parameters.model_file)
        save_network(network, parameters.model_file, record | {"sampler": fit_sampler(plan, network)})
    return history


def file_of(model_file: Path, latents: int) -> Path:
    """Return the path of a network of ``--more-latents``: ``x.latents-4.keras`` for ``x.keras``."""
    return model_file.with_name(f"{model_file.stem}.latents-{latents}.keras")


def describe_codes(parameters, scaling: ImageScaling) -> dict:
    """Return the entries of this task in the record of a network."""
    softening = scaling.softening
    stretch = {"softening": softening, "mean": scaling.mean, "variance": scaling.variance}
    return {
        "task": parameters.task,
        "network": parameters.network,
        "stretch": stretch,
    }


class _NetworkFit:
    # Trains networks of several numbers of codes on the same points.
    def __init__(self, plan: TrainingPlan, components: Components, scaling: ImageScaling, record: dict):
        self.plan, self.components, self.scaling, self.record = plan, components, scaling, record
        self.kind = plan.parameters.network
        self.images = {name: plan.dataset.images.subset(plan.split[name]) for name in ("train", "valid")}
        self.on_pixels = self.kind in ON_PIXELS
        self.is_symmetric = plan.parameters.augment == "on"

    def __call__(self, parameters) -> dict[str, list[float]]:
        shape = self.images["train"].shape[1:]
        parts = build_network(
            self.kind, shape, self.scaling, self.components, parameters.latents, parameters.width, parameters.depth,
            parameters.seed, self._limits,
        )  # fmt: skip
        announce(self.plan, parts.network, f"{parameters.latents} codes")
        record = self.record | {"latents": parameters.latents}
        if self.kind == "pca":
            save_network(parts.network, parameters.model_file, record)
            return {}
        pixels = int(np.prod(shape))
        weights = np.ones(pixels, np.float32) if self.on_pixels else self.components.deviation
        objective = Reconstruction(parts, weights, pixels, parameters.latents, self.kind in VARIATIONAL)

        def make(name: str, seed: int | None):
            turned = shape if self.on_pixels and self.is_symmetric and seed is not None else None
            return lambda batch_size, multiple: PointBatches(
                *self._points[name], batch_size, multiple, objective, seed, turned
            )

        return fit(
            parts.network, make("train", parameters.seed), make("valid", None), label_names=(), objective=objective,
            record=record, augment=self.is_symmetric, **settings_of_fit(parameters),
        )  # fmt: skip

    @cached_property
    def _points(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        symmetries = {"train": SYMMETRIES if self.is_symmetric and not self.on_pixels else 1, "valid": 1}
        return {
            name: project_images(images, self.scaling, self._project, symmetries[name])
            for name, images in self.images.items()
        }

    @cached_property
    def _limits(self) -> tuple[float, float]:
        if not self.on_pixels:
            return -1.0, 1.0
        extremes = [(block.min(), block.max()) for block in read_stretched(self.images["train"], self.scaling)]
        low, high = zip(*extremes, strict=True)
        return float(min(low)), float(max(high))

    def _project(self, stretched: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.on_pixels:
            return stretched, np.zeros(len(stretched), np.float32)
        points = self.components.project(stretched)
        inside = np.square(points * self.components.deviation).sum(axis=1)
        outside = np.square(stretched - self.components.mean).sum(axis=1) - inside
        return points.astype(np.float32), np.maximum(outside, 0).astype(np.float32)


def project_images(
    images, scaling: ImageScaling, project: Callable, symmetries: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Project images, and their rotations and flips, to the points that a network is trained on.

    Parameters
    ----------
    images : ImageSet or ndarray (M, H, W[, C]), electrons/s
    scaling : ImageScaling
    project : callable
        Takes stretched pixels (n, P); returns points (n, N) and what they do not contain (n,).
    symmetries : int
        1, or 8 for all rotations by 90 degrees and flips.

    Returns
    -------
    points : ndarray (symmetries, M, N) float32
    residual : ndarray (symmetries, M) float32
    """
    blocks = []
    for start in range(0, len(images), BLOCK):
        block = images[start : start + BLOCK]
        turned = [move_images(block, np.full(len(block), symmetry)) for symmetry in range(symmetries)]
        blocks.append([project(stretch(one, scaling)) for one in turned])
    return tuple(
        np.stack([np.concatenate([block[symmetry][part] for block in blocks]) for symmetry in range(symmetries)])
        for part in (0, 1)
    )

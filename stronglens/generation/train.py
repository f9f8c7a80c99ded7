"""Training of the generation task: principal components, then the network on them."""

from collections.abc import Callable

import numpy as np

from stronglens.generation.components import BLOCK, Components, fit_components, read_stretched, stretch
from stronglens.generation.network import VARIATIONAL, Parts, build_network
from stronglens.generation.objective import PointBatches, Reconstruction
from stronglens.learning.plan import TrainingPlan
from stronglens.learning.train import announce, describe_training, settings_of_fit
from stronglens.parameters import RunError
from stronglens.scaling import ImageScaling, fit_image_scaling
from stronglens.simulation.stream import SimulationStream
from stronglens.training import fit, save_network
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
    train = plan.dataset.images.subset(plan.split["train"])
    is_symmetric, kind = parameters.augment == "on", parameters.network
    with console.progress(2 * len(train), "measuring the images") as progress:
        scaling = fit_image_scaling(train, progress.advance)
        components = fit_components(
            train, scaling, parameters.components, is_symmetric, parameters.seed, progress.advance
        )
    if parameters.latents > len(components.deviation):
        raise RunError(f"{len(train)} training images are too few for {parameters.latents} codes")
    limits = _limits(train, scaling) if kind == "lecture" else (-1.0, 1.0)
    parts = build_network(
        kind, train.shape[1:], scaling, components, parameters.latents, parameters.width, parameters.depth,
        parameters.seed, limits,
    )  # fmt: skip
    announce(plan, parts.network, f"{parameters.latents} codes")
    record = describe_training(plan, train) | describe_codes(parameters, scaling)
    if kind == "pca":
        save_network(parts.network, parameters.model_file, record)
        return {}
    return _fit(plan, parts, components, scaling, record)


def describe_codes(parameters, scaling: ImageScaling) -> dict:
    """Return the entries of this task in the record of a network."""
    softening = scaling.softening
    stretch = {"softening": softening, "mean": scaling.mean, "variance": scaling.variance}
    return {
        "task": parameters.task,
        "network": parameters.network,
        "latents": parameters.latents,
        "stretch": stretch,
    }


def _fit(plan: TrainingPlan, parts: Parts, components: Components, scaling: ImageScaling, record: dict) -> dict:
    parameters = plan.parameters
    kind, pixels = parameters.network, int(np.prod(plan.dataset.images.shape[1:]))
    on_pixels = kind == "lecture"
    weights = np.ones(pixels, np.float32) if on_pixels else components.deviation
    objective = Reconstruction(parts, weights, pixels, parameters.latents, kind in VARIATIONAL)

    def project(stretched: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if on_pixels:
            return stretched, np.zeros(len(stretched), np.float32)
        points = components.project(stretched)
        inside = np.square(points * components.deviation).sum(axis=1)
        outside = np.square(stretched - components.mean).sum(axis=1) - inside
        return points.astype(np.float32), np.maximum(outside, 0).astype(np.float32)

    def make(name: str, symmetries: int, seed: int | None):
        images = plan.dataset.images.subset(plan.split[name])
        points, residual = project_images(images, scaling, project, symmetries)
        return lambda batch_size, multiple: PointBatches(points, residual, batch_size, multiple, objective, seed)

    symmetries = SYMMETRIES if parameters.augment == "on" and not on_pixels else 1
    train = make("train", symmetries, parameters.seed)
    return fit(
        parts.network, train, make("valid", 1, None), label_names=(), objective=objective, record=record,
        augment=symmetries > 1, **settings_of_fit(parameters),
    )  # fmt: skip


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


def _limits(images, scaling: ImageScaling) -> tuple[float, float]:
    extremes = [(block.min(), block.max()) for block in read_stretched(images, scaling)]
    low, high = zip(*extremes, strict=True)
    return float(min(low)), float(max(high))

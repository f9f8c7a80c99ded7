"""Learn from, and measure, the light of the source alone, as a network of the separation task separates it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from stronglens.dataset import Dataset, ImageSet, checksum
from stronglens.execution import Console
from stronglens.learning.plan import TrainingPlan
from stronglens.network_archive import read_archive
from stronglens.observation import describe_backgrounds
from stronglens.parameters import RunError, UsageError

SEPARATED_BY = "separated-by"
"""Entry in a network's record: the checksum of the separating network's file."""

OBSERVED = "observed"
"""Name of the images that were separated."""

SOURCE_PLANE, BATCH = 1, 256


def check_separation(parameters, record: Mapping) -> None:
    """Check that ``--separate`` names the network with which the images of a training were separated.

    Parameters
    ----------
    parameters : RegressionTraining
    record : mapping
        Of the network that measures.

    Raises
    ------
    UsageError
        If it names another file or none, or the training images were not separated.
    """
    wanted, given = record.get(SEPARATED_BY), parameters.separate
    if wanted and given is None:
        raise UsageError("this network was trained on separated images; give the same --separate=FILE as its training")
    if given is not None and not wanted:
        raise UsageError("--separate does not apply: this network was not trained on separated images")
    if given is not None and identify(given) != wanted:
        raise UsageError(f"--separate={given} is not the file with which the training images were separated")


def identify(path: Path) -> str:
    """Return the checksum of a separating network's file.

    Raises
    ------
    RunError
        If the file holds no network of the separation task for light.
    """
    record, _ = read_archive(path)
    if record.get("task") != "separation" or "map" in record:
        raise RunError(f"{path} does not separate light: train a network with --task=separation")
    return checksum(path.read_bytes())


def describe_separation(plan: TrainingPlan) -> dict:
    """Return the entries of a network's record: the separating network, and the backgrounds before the separation."""
    if not plan.parameters.separate:
        return {}
    observed = plan.dataset.others[OBSERVED].subset(plan.split["train"])
    return {SEPARATED_BY: identify(plan.parameters.separate), "background": describe_backgrounds(observed)}


def open_separator(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from images (N, H, W), e-/s, to the light of their sources.

    Raises
    ------
    RunError
        See `identify`.
    """
    from stronglens.training import load_network

    identify(path)
    network, _ = load_network(path)

    def separate(images):
        if images.shape[1:] != network.input_shape[1:]:
            raise RunError(f"{path} separates images of {network.input_shape[1:]} pixels, not {images.shape[1:]}")
        return network.predict(images, batch_size=BATCH, verbose=0)[..., SOURCE_PLANE]

    return separate


def separate_dataset(dataset: Dataset, path: Path, console: Console) -> Dataset:
    """Return a dataset with the light of the sources in place of the images, which become the array `OBSERVED`.

    Raises
    ------
    RunError
        If the file holds no such network, or one for another camera.
    """
    record, _ = read_archive(path)
    pixel, zero_point = dataset.manifest["telescope"]["pixel-scale"], dataset.manifest["telescope"]["zero-point"]
    if record.get("pixel-scale") != pixel or record.get("zero-point") != zero_point:
        raise RunError(f"{path} was trained for another pixel scale or zero point than the dataset has")
    separate, images = open_separator(path), dataset.images
    parts = []
    with console.progress(len(images), "separating") as progress:
        for start in range(0, len(images), BATCH):
            parts.append(separate(images[start : start + BATCH]))
            progress.advance(len(parts[-1]))
    identity = checksum(f"{images.digest} {identify(path)}".encode())
    return replace(dataset, images=ImageSet.of(np.concatenate(parts), identity), others={OBSERVED: images})

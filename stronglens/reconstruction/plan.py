"""Training plan of the reconstruction task: the dataset, split by galaxy."""

from collections.abc import Mapping

import numpy as np

from stronglens.dataset import Dataset, split_indices
from stronglens.execution import Console
from stronglens.learning.plan import TrainingPlan, load_training_set, require_isotropy
from stronglens.parameters import UsageError
from stronglens.sampling import Stream, generator

IDENTITIES = 2.0**52
"""Number of values of the column ``src-photograph``."""


def plan_training(parameters, console: Console, rebuild) -> TrainingPlan:
    """Load the dataset and split it such that no photographed galaxy is in two sets.

    Parameters
    ----------
    parameters : ReconstructionTraining
    console : Console
    rebuild : callable
        Takes the parameters in a manifest and returns the Parameters of a simulation.

    Raises
    ------
    RunError
        When there is no complete dataset of this task.
    UsageError
        When a set has too few images.
    """
    dataset, made_with = load_training_set(parameters, console, rebuild)
    if parameters.augment == "on":
        require_isotropy(dataset.columns.values())
    split = split_by_galaxy(
        dataset.column_values(["src-photograph"])[:, 0],
        {"valid": parameters.valid_split, "test": parameters.test_split},
        generator(parameters.seed, Stream.SPLIT),
    )
    return TrainingPlan(parameters, dataset, split, (), np.empty((len(dataset.images), 0)), made_with, console)


def list_labels(parameters, rebuild) -> str:
    """Return the labels that can be chosen: this task has none.

    Parameters
    ----------
    parameters : ReconstructionTraining
    rebuild : callable
    """
    return "--task=reconstruction learns the sources, not labels"


def split_by_galaxy(
    photographs: np.ndarray, fractions: Mapping[str, float], random: np.random.Generator
) -> dict[str, np.ndarray]:
    """Split images into training, validation and test sets, all images of a photographed galaxy into the same one.

    Parameters
    ----------
    photographs : ndarray (N,)
        Identity of the photographed galaxy, uniform from 0 to 2^52; 0 for model galaxies, which never repeat.
    fractions : dict
        ``valid`` and ``test``: fractions of the images and of the photographed galaxies.
    random : numpy.random.Generator
        It splits the images of model galaxies. The set of a photographed galaxy depends on its identity alone.

    Returns
    -------
    dict of ``train``, ``valid`` and ``test`` to ndarray of int
        Sorted indices.

    Raises
    ------
    UsageError
        When fewer than two images remain for training, or none for validation.
    """
    models, photographed = np.flatnonzero(photographs == 0), np.flatnonzero(photographs > 0)
    split: dict[str, np.ndarray] = {name: np.empty(0, int) for name in ("train", "valid", "test")}
    if len(models):
        of_models = split_indices(len(models), fractions["valid"], fractions["test"], random)
        split = {name: models[rows] for name, rows in of_models.items()}
    place = photographs[photographed] / IDENTITIES
    test, valid = fractions["test"], fractions["test"] + fractions["valid"]
    parts = {"train": place >= valid, "valid": (place >= test) & (place < valid), "test": place < test}
    split = {name: np.sort(np.concatenate([split[name], photographed[part]])) for name, part in parts.items()}
    if len(split["train"]) < 2 or not len(split["valid"]) or (test and not len(split["test"])):
        counts = ", ".join(f"{len(rows)} for {name}" for name, rows in split.items())
        raise UsageError(
            f"{len(photographs)} images and their galaxies give {counts}: simulate more, or change --valid-split and "
            "--test-split"
        )
    return split


def describe_galaxies(dataset: Dataset, split: Mapping[str, np.ndarray]) -> str:
    """Return a line with the number of photographed galaxies in each set."""
    identity = dataset.column_values(["src-photograph"])[:, 0]
    numbers = {name: len(np.unique(identity[rows][identity[rows] > 0])) for name, rows in split.items()}
    return (
        f"Photographed galaxies: {numbers['train']} for training, {numbers['valid']} for validation, "
        f"{numbers['test']} for the test; no galaxy is in two sets"
    )

"""Training plan of the separation task."""

import numpy as np

from stronglens.dataset import split_indices
from stronglens.execution import Console
from stronglens.learning.plan import TrainingPlan, load_training_set, require_isotropy
from stronglens.sampling import Stream, generator


def plan_training(parameters, console: Console, rebuild) -> TrainingPlan:
    """Load the dataset and split the images at random.

    Parameters
    ----------
    parameters : SeparationTraining
    console : Console
    rebuild : callable
        Takes the parameters in a manifest and returns the Parameters of a simulation.

    Raises
    ------
    RunError
        When there is no complete dataset of this task.
    UsageError
        When a set has too few images, or ``--augment=on`` would change the prior; see `radius.check_dataset`.
    """
    dataset, made_with = load_training_set(parameters, console, rebuild)
    if parameters.augment == "on":
        require_isotropy(dataset.columns.values())
    number, random = len(dataset.images), generator(parameters.seed, Stream.SPLIT)
    split = split_indices(number, parameters.valid_split, parameters.test_split, random)
    plan = TrainingPlan(parameters, dataset, split, (), np.empty((number, 0)), made_with, console)
    if parameters.measure_radius:
        from stronglens.separation.radius import check_dataset

        check_dataset(plan)
    return plan


def list_labels(parameters, rebuild) -> str:
    """Return the labels that can be chosen: this task has none.

    Parameters
    ----------
    parameters : SeparationTraining
    rebuild : callable
    """
    return "--task=separation learns the light of source and lens, not labels"

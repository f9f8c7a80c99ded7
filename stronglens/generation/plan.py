"""Training plan of the generation task: the images of a dataset of any task."""

import numpy as np

from stronglens.dataset import split_indices
from stronglens.execution import Console
from stronglens.generation.rows import plan_rows
from stronglens.learning.plan import TrainingPlan, load_training_set, require_isotropy
from stronglens.sampling import Stream, generator


def plan_training(parameters, console: Console, rebuild) -> TrainingPlan:
    """Load a dataset of any task and split its images at random.

    Parameters
    ----------
    parameters : GenerationTraining
    console : Console
    rebuild : callable
        Converts the parameters in a manifest to simulation parameters.

    Returns
    -------
    TrainingPlan
        Without labels.

    Raises
    ------
    RunError
        When there is no complete dataset.
    UsageError
        When the dataset has too few images, or augmentation does not suit it.
    """
    if parameters.spectra or parameters.example:
        return plan_rows(parameters, console)
    dataset, made_with = load_training_set(parameters, console, rebuild, any_task=True)
    if parameters.augment == "on":
        require_isotropy(dataset.columns.values())
    asked = [*parameters.condition, *([parameters.few_labels] if parameters.few_labels else [])]
    dataset.column_values(asked)  # refuses labels that the dataset does not have
    number = len(dataset.images)
    random = generator(parameters.seed, Stream.SPLIT)
    split = split_indices(number, parameters.valid_split, parameters.test_split, random, test=dataset.test_images)
    return TrainingPlan(parameters, dataset, split, (), np.empty((number, 0)), made_with, console)

"""Training plan of the substructure task."""

import numpy as np

from stronglens.dataset import holds_dataset, split_indices
from stronglens.execution import Console
from stronglens.learning.plan import TrainingPlan, load_training_set
from stronglens.parameters import RunError
from stronglens.sampling import Stream, generator
from stronglens.substructure.class_folders import CLASS_COLUMN, CONVERT, holds_class_folders


def plan_training(parameters, console: Console, rebuild) -> TrainingPlan:
    """Load the dataset and split the images at random, separately for each class.

    Parameters
    ----------
    parameters : SubstructureTraining
    console : Console
    rebuild : callable
        Converts the parameters in a manifest to simulation parameters.

    Returns
    -------
    TrainingPlan

    Raises
    ------
    UsageError
        When a class has too few images.
    RunError
        When there is no complete dataset of this task, or a class has no images.
    """
    folder = parameters.dataset_dir
    if not holds_dataset(folder) and holds_class_folders(folder):
        raise RunError(f"{folder} contains class folders, not a dataset; convert them with {CONVERT} {folder}")
    dataset, made_with = load_training_set(parameters, console, rebuild)
    truth = dataset.column_values([CLASS_COLUMN.name])
    classes = np.array(dataset.manifest["classes"])
    kind = truth[:, 0].astype(int)
    counts = np.bincount(kind, minlength=len(classes))
    if not counts.all():
        missing = ", ".join(classes[counts == 0])
        raise RunError(
            f"the dataset in {folder} has no image of class {missing}; all of {', '.join(classes)} are required"
        )
    if dataset.test_images is not None:
        console.say("These images come with a test set, which is used; --test-split is ignored")
    split = split_indices(
        len(truth),
        parameters.valid_split,
        parameters.test_split,
        generator(parameters.seed, Stream.SPLIT),
        strata=classes[kind],
        test=dataset.test_images,
    )
    return TrainingPlan(parameters, dataset, split, (CLASS_COLUMN.name,), truth, made_with, console)

"""What the substructure task is to learn from a dataset."""

import numpy as np

from stronglens.dataset import CLASS_COLUMN, split_indices
from stronglens.learning.plan import TrainingPlan
from stronglens.parameters import RunError
from stronglens.sampling import Stream, generator


def plan_training(parameters, dataset, made_with, progress, say) -> TrainingPlan:
    """Split the images at random, class by class.

    Parameters
    ----------
    parameters, dataset, made_with, progress, say
        As in `TrainingPlan`.

    Raises
    ------
    UsageError
        When a class has too few images.
    RunError
        When a class has none.
    """
    truth = dataset.column_values([CLASS_COLUMN.name])
    classes = np.array(dataset.manifest["classes"])
    kind = truth[:, 0].astype(int)
    counts = np.bincount(kind, minlength=len(classes))
    if not counts.all():
        missing = ", ".join(classes[counts == 0])
        raise RunError(f"the dataset in {parameters.dataset_dir} has no image of class {missing}: all of "
                       f"{', '.join(classes)} are needed")  # fmt: skip
    if dataset.test_images is not None:
        say("The test set is the one that these images came with: --test-split is not used")
    split = split_indices(
        len(truth),
        parameters.valid_split,
        parameters.test_split,
        generator(parameters.seed, Stream.SPLIT),
        strata=classes[kind],
        test=dataset.test_images,
    )
    return TrainingPlan(parameters, dataset, split, (CLASS_COLUMN.name,), truth, made_with, progress, say)

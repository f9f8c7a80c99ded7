"""Training plan of the finding task."""

import numpy as np

from stronglens.dataset import split_indices
from stronglens.execution import Console
from stronglens.finding.classes import GROUPS
from stronglens.finding.labels import DOUBTFUL, LENS, NON_LENS
from stronglens.learning.plan import TrainingPlan, load_training_set
from stronglens.parameters import RunError, UsageError
from stronglens.sampling import Stream, generator

GROUP = "group"
"""The column that is learned: the index in ``GROUPS``."""


def plan_training(parameters, console: Console, rebuild) -> TrainingPlan:
    """Load the dataset and split the images at random, lenses and non-lenses separately.

    Doubtful images are in no set. They are a fourth entry of the split, and scored apart.

    Parameters
    ----------
    parameters : FindingTraining
    console : Console
    rebuild : callable
        Converts the parameters in a manifest to simulation parameters.

    Returns
    -------
    TrainingPlan

    Raises
    ------
    UsageError
        When there are too few images of a group, or ``--field-images`` is given for a dataset that was not simulated.
    RunError
        When there is no complete dataset of this task, or it has no lenses or no non-lenses.
    """
    dataset, made_with = load_training_set(parameters, console, rebuild)
    if parameters.field_images and made_with is None:
        raise UsageError("--field-images needs a dataset that generate_data.py has simulated; this one was converted")
    truth = dataset.column_values([GROUP])
    groups = truth[:, 0].astype(int)
    for group in (NON_LENS, LENS):
        if not (groups == group).any():
            raise RunError(f"the dataset in {parameters.dataset_dir} has no {GROUPS[group]}; a training needs both")
    clear = np.flatnonzero(groups != DOUBTFUL)
    split = split_indices(
        len(clear),
        parameters.valid_split,
        parameters.test_split,
        generator(parameters.seed, Stream.SPLIT),
        strata=np.array(GROUPS)[groups[clear]],
    )
    split = {name: clear[rows] for name, rows in split.items()} | {"doubtful": np.flatnonzero(groups == DOUBTFUL)}
    return TrainingPlan(parameters, dataset, split, (GROUP,), truth, made_with, console)


def bands_of(entries) -> list[str]:
    """Return the bands of a dataset's images from its manifest, or from the record of a network, in their order."""
    return list(entries["bands"])

"""What the regression task is to learn from a dataset."""

import sys

from stronglens.dataset import split_indices
from stronglens.learning.lesson import Lesson
from stronglens.sampling import Stream, generator


def plan_lesson(parameters, dataset, made_with, progress, say) -> Lesson:
    """Choose labels and split the images at random; warn of labels that cannot be learned.

    Parameters
    ----------
    parameters, dataset, made_with, progress, say
        As in `Lesson`.

    Raises
    ------
    UsageError
        When the dataset lacks a label, or has too few images.
    """
    truth = dataset.column_values(parameters.labels)
    split = split_indices(
        dataset.manifest["number"],
        parameters.valid_split,
        parameters.test_split,
        generator(parameters.seed, Stream.SPLIT),
    )
    for line in warn_of_unseen(dataset.manifest["parameters"], parameters.labels):
        print(f"warning: {line}", file=sys.stderr)
    return Lesson(parameters, dataset, split, parameters.labels, truth, made_with, progress, say)


def warn_of_unseen(made_with: dict, labels) -> list[str]:
    """Return a line for each label that leaves no trace in the images.

    Parameters
    ----------
    made_with : dict, the parameters in the dataset's manifest
    labels : sequence of str
    """
    unseen = {}
    if made_with.get("redshift-effects") == "none":
        unseen |= dict.fromkeys(("src-redshift", "lens-redshift"), "--redshift-effects none")
    if made_with.get("lens-light") == "off" and made_with.get("lens-model") == "sie":
        unseen |= dict.fromkeys(("lens-intensity", "lens-effect", "lens-sersic"), "--lens-light off")
    return [
        f"the dataset was simulated with {unseen[label]}, so that {label} leaves no trace in its images and cannot be "
        "learned from them"
        for label in labels
        if label in unseen
    ]

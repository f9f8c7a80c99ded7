"""What the regression task is to learn from a dataset."""

import sys
from collections.abc import Mapping

from stronglens.dataset import split_indices
from stronglens.learning.lesson import Lesson
from stronglens.lens_models import LENS_MODELS
from stronglens.parameters import UsageError
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
        When the dataset lacks a label, or has too few images; when its images cannot be turned.
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
    companions = ()
    if parameters.augment == "on":
        require_isotropy(dataset.columns.values())
        companions = find_companions(dataset.columns, parameters.labels)
    return Lesson(parameters, dataset, split, parameters.labels, truth, made_with, progress, say, companions)


def find_companions(columns, labels) -> tuple[str, ...]:
    """Return the columns that turn together with some labels and are not among them.

    Parameters
    ----------
    columns : dict of name to Column
    labels : sequence of str
    """
    partners = [name for label in labels for name in columns[label].pair or ()]
    return tuple(dict.fromkeys(name for name in partners if name not in labels))


def require_isotropy(columns) -> None:
    """Refuse to turn images where turned ones are no longer drawn from what the others are.

    Parameters
    ----------
    columns : iterable of Column

    Raises
    ------
    UsageError
        Names the columns whose ranges a quarter turn or a flip changes.
    """
    priors = {column.name: column.prior for column in columns}
    for column in columns:
        if column.spin is None:
            raise UsageError(
                "--augment=on must know how the dataset's columns turn with the sky, and its manifest is from before "
                "that was written down: simulate it again, or give --augment=off"
            )
        if not column.spin or not column.drawn:  # what follows from others turns as they do
            continue
        # A quarter turn mixes the components of a place; those of an ellipticity or a shear only change their signs.
        mixed = column.pair if column.spin % 2 else (column.name,)
        if len({priors[name] for name in mixed}) > 1 or priors[mixed[0]][0] != -priors[mixed[0]][1]:
            one = "one range -v,v" if len(mixed) > 1 else "a range -v,v"
            found = " and ".join(f"{priors[name][0]:g},{priors[name][1]:g}" for name in mixed)
            raise UsageError(
                f"--augment=on would change the prior of the dataset: {' and '.join(mixed)} must be drawn from {one}, "
                f"not {found}; simulate it so, or give --augment=off"
            )


def warn_of_unseen(made_with: dict, labels) -> list[str]:
    """Return a line for each label that leaves no trace in the images.

    Parameters
    ----------
    made_with : dict, the parameters in the dataset's manifest
    labels : sequence of str
    """
    unseen = find_unseen(made_with)
    return [
        f"the dataset was simulated with {unseen[label]}, so that {label} leaves no trace in its images and cannot be "
        "learned from them"
        for label in labels
        if label in unseen
    ]


def find_unseen(made_with: Mapping) -> dict[str, str]:
    """Return the labels that leave no trace in simulated images, each with the flag that takes it away.

    Parameters
    ----------
    made_with : mapping, the parameters in the dataset's manifest
    """
    unseen = {}
    if made_with.get("redshift-effects") == "none":
        unseen |= dict.fromkeys(("src-redshift", "lens-redshift"), "--redshift-effects none")
    model = LENS_MODELS.get(made_with.get("lens-model"))
    if made_with.get("lens-light") == "off" and model and not model.mass_follows_light:
        light = [f"lens-{name}" for name in ("intensity", "magnitude", "effect", "sersic")]
        unseen |= dict.fromkeys((*light, "light-ellip-x", "light-ellip-y"), "--lens-light off")
    return unseen

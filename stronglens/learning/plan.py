"""Plans of trainings: the data and the labels. Steps shared by all tasks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stronglens.dataset import Dataset, load_dataset, read_manifest
from stronglens.execution import Console, describe_bytes
from stronglens.parameters import Column, UsageError
from stronglens.plotting import check_cmap


@dataclass(frozen=True)
class TrainingPlan:
    """The data and the labels of a training.

    Attributes
    ----------
    parameters : Parameters
        Of the task's training.
    dataset : Dataset
    split : dict of ``train``, ``valid``, ``test`` to ndarray of int
        Indices of the images in each set.
    labels : tuple of L str
        Names of the columns to learn.
    truth : ndarray (N, L), unit of each label
        Values of the labels for all images.
    made_with : Parameters or None
        Of the dataset's simulation; None if its images were not simulated by this package.
    console : Console
    partner_columns : tuple of str
        Columns that are not learned, but are the partner of a label in a rotation. Augmentation needs their values.
    """

    parameters: Any
    dataset: Dataset
    split: dict[str, np.ndarray]
    labels: tuple[str, ...]
    truth: np.ndarray
    made_with: Any
    console: Console
    partner_columns: tuple[str, ...] = ()

    @property
    def label_columns(self) -> tuple[str, ...]:
        """Names of the columns that the training uses: first the labels, then their partners."""
        return (*self.labels, *self.partner_columns)

    @property
    def test(self) -> tuple[np.ndarray, str]:
        """Indices (T,) of the test set and the set's name; the validation set if there is no test set."""
        rows = self.split["test"]
        return (rows, "test") if len(rows) else (self.split["valid"], "validation")


def check_flags(parameters) -> None:
    """Check that the flags of a training are compatible.

    Raises
    ------
    UsageError
        When two of them exclude each other.
    """
    if (parameters.workers or parameters.scheduler) and not parameters.simulate:
        raise UsageError("--workers and --scheduler apply with --simulate only")
    if parameters.simulate and parameters.predict:
        raise UsageError("--simulate (training) and --predict (no training) exclude each other; give only one")
    if parameters.epochs <= parameters.warm_up:
        raise UsageError(f"--warm-up={parameters.warm_up} must be less than --epochs={parameters.epochs}")
    if parameters.warm_up and parameters.learning_schedule == "exponential":
        raise UsageError("--warm-up does not apply with --learning-schedule=exponential; give only one")


def load_training_set(
    parameters, console: Console, rebuild: Callable[[Mapping[str, Any]], Any], any_task: bool = False
) -> tuple[Dataset, Any]:
    """Load the dataset of a training.

    Parameters
    ----------
    parameters : Parameters
        Of the task's training.
    console : Console
    rebuild : callable
        Takes the parameters in a manifest and returns the Parameters of a simulation.
    any_task : bool
        Whether the dataset may be made for another task.

    Returns
    -------
    dataset : Dataset
    made_with : Parameters or None
        Of its simulation; None if its images were not simulated by this package.

    Raises
    ------
    RunError
        When there is no complete dataset of this task, or one of its files is damaged.
    UsageError
        When the colour map does not exist, or ``--simulate`` is given for a dataset that was not simulated.
    """
    check_cmap(parameters.cmap)
    task = None if any_task else parameters.task
    manifest = read_manifest(parameters.dataset_dir, task)
    made_with = rebuild(manifest["parameters"]) if "origin" not in manifest else None
    if made_with is None and parameters.simulate:
        raise UsageError("--simulate needs a dataset that generate_data.py has simulated; this one was converted")
    with console.progress(manifest["number"], "loading") as progress:
        dataset = load_dataset(parameters.dataset_dir, task, progress.advance)
    if not dataset.images.in_memory:
        size = describe_bytes(dataset.images.nbytes)
        console.say(f"The images ({size}) do not fit in memory: reading them from disk during training")
    return dataset, made_with


def find_partner_columns(columns: Mapping[str, Column], labels: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that rotate together with a label and are not labels themselves.

    Parameters
    ----------
    columns : dict of name to Column
        All columns of the dataset.
    labels : sequence of str

    Returns
    -------
    tuple of str
    """
    partners = [name for label in labels for name in columns[label].pair or ()]
    return tuple(dict.fromkeys(name for name in partners if name not in labels))


def require_isotropy(columns: Iterable[Column]) -> None:
    """Check that 90-degree rotations and flips do not change the prior of a dataset.

    Parameters
    ----------
    columns : iterable of Column

    Raises
    ------
    UsageError
        When they change the range of a column, which the message names; when the spin of a column is unknown.
    """
    priors: dict[str, Any] = {column.name: column.prior for column in columns}
    for column in columns:
        if column.spin is None:
            raise UsageError(
                "--augment=on needs to know how the dataset's columns rotate with the sky; its manifest is too old to "
                "contain this: simulate the dataset again, or use --augment=off"
            )
        if not column.spin or not column.drawn:  # a derived column rotates with the columns that it is derived from
            continue
        # A rotation by 90 degrees exchanges the components of a position (spin 1); it only changes the signs of the
        # components of an ellipticity or a shear (spin 2).
        mixed: tuple[str, ...] = column.pair if column.pair and column.spin % 2 else (column.name,)
        if len({priors[name] for name in mixed}) > 1 or priors[mixed[0]][0] != -priors[mixed[0]][1]:
            one = "one range -v,v" if len(mixed) > 1 else "a range -v,v"
            found = " and ".join(f"{priors[name][0]:g},{priors[name][1]:g}" for name in mixed)
            raise UsageError(
                f"--augment=on would change the prior of the dataset: {' and '.join(mixed)} must be drawn from {one}, "
                f"not {found}; simulate a dataset with this range, or use --augment=off"
            )

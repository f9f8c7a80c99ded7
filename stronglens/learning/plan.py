"""What a network is to learn, from what: the half of planning that all tasks share."""

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
    """What is to be learned, from what.

    Attributes
    ----------
    parameters : Parameters, of the task's training
    dataset : Dataset
    split : dict of ``train``, ``valid``, ``test`` to indices
    labels : names of the L columns to learn
    truth : (N, L) their values, of all images
    made_with : Parameters of the dataset's simulation; None where others made its images
    console : Console
    partner_columns : names of columns that are not learned, but turn together with one that is
        Training needs their values where it turns images.
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
        """Names of the columns that training is given: first those that are learned."""
        return (*self.labels, *self.partner_columns)

    @property
    def test(self) -> tuple[np.ndarray, str]:
        """Test-set rows and the set's name; the validation set if there is no test set."""
        rows = self.split["test"]
        return (rows, "test") if len(rows) else (self.split["valid"], "validation")


def check_flags(parameters) -> None:
    """Refuse flags of training that do not go together.

    Raises
    ------
    UsageError
    """
    if (parameters.workers or parameters.scheduler) and not parameters.simulate:
        raise UsageError("--workers and --scheduler simulate training images: give them with --simulate")
    if parameters.simulate and parameters.predict:
        raise UsageError("--simulate is for training, --predict measures: give one of them")
    if parameters.epochs <= parameters.warm_up:
        raise UsageError(f"--warm-up={parameters.warm_up} must be less than --epochs={parameters.epochs}")


def load_training_set(parameters, console: Console, rebuild: Callable[[Mapping[str, Any]], Any]) -> tuple[Dataset, Any]:
    """Load the dataset that a network is trained on.

    Parameters
    ----------
    parameters : Parameters, of the task's training
    console : Console
    rebuild : callable, makes the parameters of a simulation of those in a manifest

    Returns
    -------
    dataset : Dataset
    made_with : Parameters of its simulation; None where others made its images

    Raises
    ------
    RunError
        When there is no complete dataset of this task, or a file of it is damaged.
    UsageError
        When there is no such colour map, or fresh simulations are asked for that cannot be made.
    """
    check_cmap(parameters.cmap)
    manifest = read_manifest(parameters.dataset_dir, parameters.task)
    made_with = rebuild(manifest["parameters"]) if "origin" not in manifest else None
    if made_with is None and parameters.simulate:
        raise UsageError("--simulate needs a dataset that generate_data.py simulated: this one was converted")
    with console.progress(manifest["number"], "loading") as progress:
        dataset = load_dataset(parameters.dataset_dir, parameters.task, progress.advance)
    if not dataset.images.in_memory:
        size = describe_bytes(dataset.images.nbytes)
        console.say(f"Reading {size} of images as they are needed: they do not fit in memory")
    return dataset, made_with


def find_partner_columns(columns: Mapping[str, Column], labels: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that turn together with some labels and are not among them.

    Parameters
    ----------
    columns : dict of name to Column
    labels : sequence of str
    """
    partners = [name for label in labels for name in columns[label].pair or ()]
    return tuple(dict.fromkeys(name for name in partners if name not in labels))


def require_isotropy(columns: Iterable[Column]) -> None:
    """Refuse to turn images where turned ones are no longer drawn from what the others are.

    Parameters
    ----------
    columns : iterable of Column

    Raises
    ------
    UsageError
        Names the columns whose ranges a quarter turn or a flip changes.
    """
    priors: dict[str, Any] = {column.name: column.prior for column in columns}
    for column in columns:
        if column.spin is None:
            raise UsageError(
                "--augment=on must know how the dataset's columns turn with the sky, and its manifest is from before "
                "that was written down: simulate it again, or give --augment=off"
            )
        if not column.spin or not column.drawn:  # what follows from others turns as they do
            continue
        # A quarter turn mixes the components of a place; those of an ellipticity or a shear only change their signs.
        mixed: tuple[str, ...] = column.pair if column.pair and column.spin % 2 else (column.name,)
        if len({priors[name] for name in mixed}) > 1 or priors[mixed[0]][0] != -priors[mixed[0]][1]:
            one = "one range -v,v" if len(mixed) > 1 else "a range -v,v"
            found = " and ".join(f"{priors[name][0]:g},{priors[name][1]:g}" for name in mixed)
            raise UsageError(
                f"--augment=on would change the prior of the dataset: {' and '.join(mixed)} must be drawn from {one}, "
                f"not {found}; simulate it so, or give --augment=off"
            )

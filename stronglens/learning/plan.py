"""What a network is to learn, from what."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from stronglens.dataset import Dataset
from stronglens.parameters import UsageError


@dataclass(frozen=True)
class TrainingPlan:
    """What is to be learned, from what.

    Attributes
    ----------
    parameters : TrainingParameters
    dataset : Dataset
    split : dict of ``train``, ``valid``, ``test`` to indices
    labels : names of the L columns to learn
    truth : (N, L) their values, of all images
    made_with : SimulationParameters of the dataset; None where others made its images
    progress : callable, (units, what) -> context manager with ``advance``
    say : callable, prints a line
    partner_columns : names of columns that are not learned, but turn together with one that is
        Training needs their values where it turns images.
    """

    parameters: Any
    dataset: Dataset
    split: dict[str, np.ndarray]
    labels: tuple[str, ...]
    truth: np.ndarray
    made_with: Any
    progress: Callable
    say: Callable[[str], None]
    partner_columns: tuple[str, ...] = ()

    @property
    def label_columns(self) -> tuple[str, ...]:
        """Names of the columns that training is given: first those that are learned."""
        return (*self.labels, *self.partner_columns)

    @property
    def test(self) -> tuple[np.ndarray, str]:
        """The images that are tested on, and what they are called: those of validation where none were kept."""
        rows = self.split["test"]
        return (rows, "test") if len(rows) else (self.split["valid"], "validation")


def check_together(parameters) -> None:
    """Refuse flags that make no sense beside each other, before any work.

    Raises
    ------
    UsageError
    """
    if (parameters.workers or parameters.scheduler) and not parameters.simulate:
        raise UsageError("--workers and --scheduler simulate training images: give them with --simulate")
    if parameters.simulate and parameters.predict:
        raise UsageError("--simulate is for training, --predict measures: give one of them")
    for name in ("published", "coolest"):
        if getattr(parameters, name) and not parameters.predict:
            raise UsageError(f"--{name} is for measured images: give it with --predict")
    if parameters.coolest and not parameters.published:
        raise UsageError("--coolest needs the redshifts of lens and source: give --published a table of them")
    if parameters.epochs <= parameters.warm_up:
        raise UsageError(f"--warm-up={parameters.warm_up} must be less than --epochs={parameters.epochs}")

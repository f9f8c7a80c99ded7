"""What can be known at all: matched filters on a sample of the test images, simulated anew in another process."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from stronglens.evaluation import mean_with_interval
from stronglens.execution import open_executor
from stronglens.learning.lesson import Lesson
from stronglens.substructure.effects import EffectMeasurement, Effects
from stronglens.substructure.simulator import make_simulator

PIECE = 32
"""Images measured at a time: the derivatives of one image are many images."""


@dataclass(frozen=True)
class MeasuredEffects:
    """What the substructure of a sample of images does.

    Attributes
    ----------
    rows : (N,) of the dataset
    effects : Effects of N images
    """

    rows: np.ndarray
    effects: Effects

    def of(self, rows: Sequence[int]) -> Effects:
        """Return the effects of some of the rows."""
        places = np.searchsorted(self.rows, rows)
        return Effects(*(getattr(self.effects, name)[places] for name in Effects.__dataclass_fields__))


def measure_effects(lesson: Lesson, rows: np.ndarray) -> MeasuredEffects:
    """Measure what the substructure of some images does to them.

    Parameters
    ----------
    lesson : Lesson of a simulated dataset
    rows : (N,) of the dataset, rising
    """
    table = lesson.dataset.labels
    columns = [name for name in table.columns if name != "file"]
    measure = EffectMeasurement(make_simulator, lesson.made_with)
    pieces = [rows[start : start + PIECE] for start in range(0, len(rows), PIECE)]
    # In another process: importing PyAutoLens would change this one's JAX (see stronglens.simulation.chunks).
    with lesson.progress(len(rows), "measuring the ceiling") as progress, open_executor(1) as executor:
        draws = [{name: table[name].to_numpy(float)[piece] for name in columns} for piece in pieces]
        waiting = [executor.submit(measure, work) for work in zip(pieces, draws, strict=True)]
        measured = []
        for piece, future in zip(pieces, waiting, strict=True):
            measured.append(future.result())
            progress.advance(len(piece))
    names = Effects.__dataclass_fields__
    effects = Effects(*(np.concatenate([getattr(part, name) for part in measured]) for name in names))
    return MeasuredEffects(rows, effects)


def matched_filter_auc(significance: np.ndarray, seed: int) -> dict:
    """Return the area under the ROC curve at which known signals are told from none, with a bootstrap interval.

    The filter's output is d times a standard normal number with a signal (mean d^2) and without (mean 0): the area is
    Phi(d / sqrt 2) (Green & Swets 1966, Signal Detection Theory, ch. 2), here its mean over the images.

    Parameters
    ----------
    significance : (N,) d of each image
    """
    return mean_with_interval(ndtr(np.asarray(significance) / np.sqrt(2)), seed=seed)


def share_of_ceiling(network: dict, refit: dict) -> float | None:
    """Return (A_network - 1/2) / (A_refit - 1/2) of two entries, None where one is undefined or the ceiling is 1/2."""
    if network["value"] is None or refit["value"] is None or refit["value"] <= 0.5:
        return None
    return (network["value"] - 0.5) / (refit["value"] - 0.5)

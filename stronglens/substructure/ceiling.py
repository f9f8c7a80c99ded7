"""What matched filters would know: on a sample of the test images, simulated anew in another process."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from stronglens.evaluation import count_draws, draw_resamples, make_entry, undefined
from stronglens.execution import open_executor
from stronglens.learning.plan import TrainingPlan
from stronglens.substructure.effects import EffectMeasurement, Effects

PIECE = 32
"""Images measured at a time: the derivatives of one image are many images."""

RESAMPLES, LEVEL = 1000, 0.95
MOST_PAIRED = 2000
"""Groups of images at most of which all pairs are looked at."""

FEW_IMAGES = "too few images"
LOWEST_CEILING = 0.55
"""Area under the ROC curve below which a share of it says nothing."""


@dataclass(frozen=True)
class MeasuredEffects:
    """What the substructure of a sample of images does.

    Attributes
    ----------
    rows : (N,) of the dataset, rising
    effects : Effects of N images
    """

    rows: np.ndarray
    effects: Effects

    def of(self, rows: Sequence[int]) -> Effects:
        """Return the effects of some of the rows.

        Raises
        ------
        ValueError
            If one of them was not measured.
        """
        strangers = np.setdiff1d(rows, self.rows)
        if len(strangers):
            raise ValueError(f"the effects of rows {strangers[:9].tolist()} were not measured")
        places = np.searchsorted(self.rows, rows)
        return Effects(*(getattr(self.effects, name)[places] for name in Effects.__dataclass_fields__))


def measure_effects(plan: TrainingPlan, rows: np.ndarray) -> MeasuredEffects:
    """Measure what the substructure of some images does to them.

    Parameters
    ----------
    plan : TrainingPlan of a simulated dataset
    rows : (N,) of the dataset, rising
    """
    table = plan.dataset.labels
    columns = [name for name in table.columns if name != "file"]
    measure = EffectMeasurement(plan.made_with)
    pieces = [rows[start : start + PIECE] for start in range(0, len(rows), PIECE)]
    # In another process: importing PyAutoLens would change this one's JAX (see stronglens.simulation.chunks).
    with plan.console.progress(len(rows), "measuring the ceiling") as progress, open_executor(1) as executor:
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
    """Return the area under the ROC curve of the observer who knows each image's signal, with a bootstrap interval.

    With a signal in image i the log-likelihood ratio is N(d_i^2 / 2, d_i^2), and in an image j without any,
    whose own would-be signal is known as well, N(-d_j^2 / 2, d_j^2). So i ranks above j with the probability
    Phi(sqrt(d_i^2 + d_j^2) / 2), and the area is its mean over the pairs of different images: no score of one image at
    a time has a larger one. If all d are alike it is Phi(d / sqrt 2) (Green & Swets 1966, Signal Detection Theory).

    Parameters
    ----------
    significance : (N,) d of each image
    seed : int, of the resamples of images

    Returns
    -------
    dict
        ``{"value", "low", "high"}``; undefined, with its ``"reason"``, for fewer than two images.
    """
    d = np.sort(np.asarray(significance, dtype=float))
    if len(d) < 2:
        return undefined(FEW_IMAGES)
    squares = d**2
    # Many images are paired by groups of nearly equal d, else the pairs of 100,000 would fill any memory.
    starts = np.unique(np.linspace(0, len(d), min(len(d), MOST_PAIRED), endpoint=False).astype(int))
    group = np.add.reduceat(squares, starts) / np.diff(np.append(starts, len(d)))
    won = ndtr(np.sqrt(group[:, None] + group) / 2)
    itself = ndtr(d / np.sqrt(2))

    def measure(weights: np.ndarray) -> np.ndarray:
        grouped = np.add.reduceat(weights, starts, axis=1)
        # However often an image was drawn, it is not paired with itself.
        pairs = weights.sum(axis=1) ** 2 - (weights**2).sum(axis=1)
        sums = np.einsum("rg,rg->r", grouped @ won, grouped) - weights**2 @ itself
        return np.divide(sums, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)

    drawn = np.empty(RESAMPLES)
    for places, which in draw_resamples(np.random.default_rng(seed), len(d), RESAMPLES):
        drawn[places] = measure(count_draws(which))
    return make_entry(measure(np.ones((1, len(d))))[0], drawn, LEVEL, FEW_IMAGES)


def share_of_ceiling(network: dict, refit: dict) -> dict:
    """Return which share of a filter's way from chance to its area the network goes: (A_net - 1/2) / (A_refit - 1/2).

    Parameters
    ----------
    network, refit : dict
        Entries ``{"value", "low", "high"}`` of areas under ROC curves.

    Returns
    -------
    dict
        Entry; its interval is that of the network, the ceiling being held at its value. Undefined where an area is,
        and where the ceiling is so near to chance that the share would be a ratio of noise.
    """
    for area, whose in ((network, "network"), (refit, "ceiling")):
        if area["value"] is None:
            return undefined(f"the {whose}'s area is undefined")
    if refit["value"] < LOWEST_CEILING:
        return undefined("the ceiling is too near to chance")
    reach = refit["value"] - 0.5
    share = {key: None if network[key] is None else (network[key] - 0.5) / reach for key in ("value", "low", "high")}
    return share | ({"reason": network["reason"]} if network.get("reason") else {})

"""Matched-filter upper limit on the classification.

A sample of the test images is simulated again, without noise, in another process.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from stronglens.evaluation import count_draws, draw_resamples, make_entry, undefined
from stronglens.execution import open_executor
from stronglens.learning.plan import TrainingPlan
from stronglens.substructure.effects import EffectMeasurement, Effects

PIECE = 32
"""Number of images in a batch; it is small because each image has many derivative images."""

RESAMPLES, LEVEL = 1000, 0.95
MOST_PAIRED = 2000
"""Maximum number of groups of images; all pairs of groups are evaluated."""

FEW_IMAGES = "too few images"
LOWEST_CEILING = 0.55
"""Minimum area under the ROC curve of the matched filter for which the network's share is defined."""


@dataclass(frozen=True)
class MeasuredEffects:
    """Effects of the substructure on a sample of images.

    Attributes
    ----------
    rows : ndarray (N,) int
        Indices in the dataset, in increasing order.
    effects : Effects
        Effects for N images.
    """

    rows: np.ndarray
    effects: Effects

    def of(self, rows: Sequence[int]) -> Effects:
        """Return the effects for a subset of the rows.

        Raises
        ------
        ValueError
            If a row was not measured.
        """
        unknown = np.setdiff1d(rows, self.rows)
        if len(unknown):
            raise ValueError(f"the effects of rows {unknown[:9].tolist()} were not measured")
        places = np.searchsorted(self.rows, rows)
        return Effects(*(getattr(self.effects, name)[places] for name in Effects.__dataclass_fields__))


def measure_effects(plan: TrainingPlan, rows: np.ndarray) -> MeasuredEffects:
    """Measure the effects of the substructure on images.

    Parameters
    ----------
    plan : TrainingPlan
        Plan with a simulated dataset.
    rows : ndarray (N,) int
        Indices in the dataset, in increasing order.

    Returns
    -------
    MeasuredEffects
    """
    table = plan.dataset.labels
    columns = [name for name in table.columns if name != "file"]
    measure = EffectMeasurement(plan.made_with)
    pieces = [rows[start : start + PIECE] for start in range(0, len(rows), PIECE)]
    # In another process, since importing PyAutoLens would change JAX in this one (see stronglens.simulation.chunks).
    with plan.console.progress(len(rows), "measuring the upper limit") as progress, open_executor(1) as executor:
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
    """Return the area under the ROC curve of the ideal observer with known signals, with a bootstrap interval.

    The log-likelihood ratio of an image i with a signal is N(d_i^2 / 2, d_i^2). That of an image j without its signal,
    which is also known, is N(-d_j^2 / 2, d_j^2). Then i ranks above j with the probability Phi(sqrt(d_i^2 + d_j^2) /
    2), and the area is the mean of this over pairs of different images. No score that uses one image at a time has a
    larger area. If all d are equal, the area is Phi(d / sqrt 2) (Green & Swets 1966, Signal Detection Theory).

    Parameters
    ----------
    significance : array_like (N,)
        Signal-to-noise ratio d of each image.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    dict
        ``{"value", "low", "high"}``; undefined, with a ``"reason"``, for fewer than two images.
    """
    d = np.sort(np.asarray(significance, dtype=float))
    if len(d) < 2:
        return undefined(FEW_IMAGES)
    squares = d**2
    # Groups of nearly equal d limit the number of pairs: those of 100,000 images would not fit in memory.
    starts = np.unique(np.linspace(0, len(d), min(len(d), MOST_PAIRED), endpoint=False).astype(int))
    group = np.add.reduceat(squares, starts) / np.diff(np.append(starts, len(d)))
    won = ndtr(np.sqrt(group[:, None] + group) / 2)
    itself = ndtr(d / np.sqrt(2))

    def measure(weights: np.ndarray) -> np.ndarray:
        grouped = np.add.reduceat(weights, starts, axis=1)
        # An image is never paired with itself, even if the resample contains it more than once.
        pairs = weights.sum(axis=1) ** 2 - (weights**2).sum(axis=1)
        sums = np.einsum("rg,rg->r", grouped @ won, grouped) - weights**2 @ itself
        return np.divide(sums, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)

    drawn = np.empty(RESAMPLES)
    for places, which in draw_resamples(np.random.default_rng(seed), len(d), RESAMPLES):
        drawn[places] = measure(count_draws(which))
    return make_entry(measure(np.ones((1, len(d))))[0], drawn, LEVEL, FEW_IMAGES)


def share_of_ceiling(network: dict, refit: dict) -> dict:
    """Return the network's share of the upper limit, (A_net - 1/2) / (A_refit - 1/2).

    Parameters
    ----------
    network, refit : dict
        Entries ``{"value", "low", "high"}`` of areas under ROC curves.

    Returns
    -------
    dict
        An entry. Its interval is from the interval of the network; the upper limit is fixed at its value. It is
        undefined if an area is undefined, or if the upper limit is so close to 1/2 that noise dominates the share.
    """
    for area, whose in ((network, "network"), (refit, "upper limit")):
        if area["value"] is None:
            return undefined(f"the area of the {whose} is undefined")
    if refit["value"] < LOWEST_CEILING:
        return undefined("the upper limit is too close to 0.5")
    reach = refit["value"] - 0.5
    share = {key: None if network[key] is None else (network[key] - 0.5) / reach for key in ("value", "low", "high")}
    return share | ({"reason": network["reason"]} if network.get("reason") else {})

"""What a network's draws are worth for one image: importance weights under the image's likelihood."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2 as chi2_distribution

from stronglens.regression.image_priors import Priors

MOST = 64
"""Largest number of the network's draws that are weighted."""

UNLIKELY = 1e-3
"""Probability of the refined mean under the network's posterior below which the network was wrong."""


@dataclass(frozen=True)
class Trust:
    """Comparison of a network's posterior with that of the likelihood.

    Attributes
    ----------
    effective : float
        Effective number of the network's draws with importance weights.
    number : int
        Number of weighted draws.
    probability : float
        Share of the network's posterior that is further from its mean than the refined mean, both Gaussian.
    farthest : str
        Column in which the means differ most, in standard deviations of the network.
    distance : float
        That difference.
    """

    effective: float
    number: int
    probability: float
    farthest: str
    distance: float

    @property
    def is_wrong(self) -> bool:
        """Whether the refined mean lies outside the network's posterior."""
        return self.probability < UNLIKELY

    @property
    def text(self) -> str:
        """One sentence for the user."""
        numbers = (
            f"the network's draws count as {self.effective:.1f} of {self.number} under the image's likelihood; the "
            f"means differ most in {self.farthest}: {self.distance:.1f} of the network's standard deviations"
        )
        return f"the network was wrong for this image: {numbers}" if self.is_wrong else numbers


def effective_number(logs: np.ndarray) -> float:
    """Return the effective number of draws from the logarithms (S,) of their importance weights."""
    weights = np.exp(logs - np.max(logs))
    return float(weights.sum() ** 2 / (weights**2).sum())


def judge_draws(
    density: Callable[[np.ndarray], float], priors: Priors, known: np.ndarray, refined: np.ndarray
) -> Trust | None:
    """Weight a network's draws with the likelihood over their own density.

    The density of the network's draws is that of a normal distribution with their mean and covariance. Columns that the
    network has not learned have their mean under the refined posterior, given the others.

    Parameters
    ----------
    density : callable
        Takes standard normal numbers (D,) and returns the logarithm of likelihood times prior.
    priors : Priors
    known : ndarray (S, D)
        The network's draws, as standard normal numbers; NaN for columns that it has not learned.
    refined : ndarray (R, D)
        Draws of the likelihood's posterior.

    Returns
    -------
    Trust or None
        None if the network has learned no column of the image, or gave no distribution.
    """
    learned = np.isfinite(known).all(axis=0) & priors.is_free
    if not learned.any() or len(known) < 2:
        return None
    mean, covariance = refined.mean(axis=0), np.cov(refined.T)
    of_learned, own = known[:, learned], np.atleast_2d(np.cov(known[:, learned].T))
    own = own + 1e-9 * np.eye(len(own))
    slope = np.linalg.solve(covariance[np.ix_(learned, learned)], covariance[np.ix_(learned, ~learned)])
    some = np.linspace(0, len(known) - 1, min(MOST, len(known))).astype(int)
    logs = []
    for draw in of_learned[some]:
        z = mean.copy()
        z[learned] = draw
        z[~learned] += (draw - mean[learned]) @ slope
        away = draw - of_learned.mean(axis=0)
        logs.append(density(z) + 0.5 * away @ np.linalg.solve(own, away))
    away = mean[learned] - of_learned.mean(axis=0)
    distances = np.abs(away) / np.sqrt(np.diag(own))
    farthest = int(np.argmax(distances))
    return Trust(
        effective=effective_number(np.array(logs)),
        number=len(some),
        probability=float(chi2_distribution.sf(away @ np.linalg.solve(own, away), learned.sum())),
        farthest=np.array(priors.names)[learned][farthest],
        distance=float(distances[farthest]),
    )

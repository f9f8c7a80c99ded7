"""Adaptive importance sampling of a nearly normal posterior (Cornuet et al. 2012, Scand. J. Stat. 39, 798).

Each round draws from a multivariate Student distribution, whose centre and covariance are those of the weighted draws
so far. All draws are weighted by the density over that of the mixture of all rounds. No gradients are needed.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logsumexp
from scipy.stats import genpareto, multivariate_t
from threadpoolctl import threadpool_limits

from stronglens.parameters import RunError

ROUND, MOST = 128, 3072
"""Draws of a round, and the largest number of all. A posterior that needs more is curved: in 17 dimensions, standard
deviations come out up to 30 % too small then, although all criteria are fulfilled, since no draw reaches its tails."""

DEGREES = 6
"""Degrees of freedom of the Student distributions: their tails are wider than those of a normal distribution."""

WANTED, LARGEST_TAIL = 1000, 0.7
"""Criteria of convergence: effective number of draws, and largest shape of the generalised Pareto distribution of the
largest weights (Vehtari et al. 2024, JMLR 25, 72)."""

FLATTENED = 20
"""Largest number of times that weights are flattened; by then all draws with a finite density have the same."""

WIDENED = 1.2
"""Factor on the covariance of the first round."""


@dataclass(frozen=True)
class Population:
    """Weighted draws of a posterior; it can be sent to another process.

    Attributes
    ----------
    centres : ndarray (R + 1, D)
    covariances : ndarray (R + 1, D, D)
        Of the R rounds that were drawn, and of the next one.
    draws : ndarray (N, D)
    logs : ndarray (N,)
        Logarithm of the density of each draw.
    proposed : ndarray (N,)
        Logarithm of the sum of the densities of all rounds.
    """

    centres: np.ndarray
    covariances: np.ndarray
    draws: np.ndarray
    logs: np.ndarray
    proposed: np.ndarray

    @classmethod
    def start(cls, centre: np.ndarray, covariance: np.ndarray) -> "Population":
        """Begin around a maximum (D,), with the covariance (D, D) there."""
        return cls(centre[None], WIDENED * covariance[None], np.empty((0, len(centre))), np.empty(0), np.empty(0))

    @property
    def weights(self) -> np.ndarray:
        """Importance weights (N,), which sum to 1."""
        weights = self.logs - self.proposed
        return np.exp(weights - logsumexp(weights))

    @property
    def effective(self) -> float:
        """Effective number of draws."""
        return float(1 / (self.weights**2).sum()) if len(self.draws) else 0.0

    @property
    def tail(self) -> float:
        """Shape of the generalised Pareto distribution of the largest weights; large if few draws dominate."""
        weights = np.sort(self.weights)
        number = int(min(0.2 * len(weights), 3 * np.sqrt(len(weights))))
        excess = weights[-number:] - weights[-number - 1]
        return float(genpareto.fit(excess / excess.mean(), floc=0)[0]) if number >= 5 else np.inf

    @property
    def is_converged(self) -> bool:
        """Whether both criteria are fulfilled."""
        return self.effective >= WANTED and self.tail < LARGEST_TAIL

    @property
    def is_exhausted(self) -> bool:
        """Whether the largest number of draws is reached."""
        return len(self.draws) >= MOST

    def advance(self, density: Callable[[np.ndarray], float], seed: int) -> "Population":
        """Draw another round.

        Parameters
        ----------
        density : callable
            Takes a point (D,) and returns the logarithm of the density; called from several threads.
        seed : int

        Raises
        ------
        RunError
            If no draw has a finite density.
        """
        random = np.random.default_rng([seed, len(self.draws)])
        shape = self.covariances[-1] * (DEGREES - 2) / DEGREES
        drawn = multivariate_t.rvs(self.centres[-1], shape, df=DEGREES, size=ROUND, random_state=random)
        with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count() or 1) as threads:
            logs = np.array(list(threads.map(density, drawn)))
        if not np.isfinite(logs).any():
            raise RunError("--refine: the likelihood of all draws is zero or not finite")
        here = self._propose(self.draws, -1)
        everywhere = logsumexp([self._propose(drawn, one) for one in range(len(self.centres))], axis=0)
        grown = replace(
            self,
            draws=np.concatenate([self.draws, drawn]),
            proposed=np.concatenate([np.logaddexp(self.proposed, here), everywhere]),
            logs=np.concatenate([self.logs, np.where(np.isfinite(logs), logs, -np.inf)]),
            centres=np.concatenate([self.centres, self.centres[-1:]]),
            covariances=np.concatenate([self.covariances, self.covariances[-1:]]),
        )
        return grown._adapt()

    def _propose(self, points: np.ndarray, one: int) -> np.ndarray:
        """Return the logarithm (N,) of the density of one round at points (N, D)."""
        shape = self.covariances[one] * (DEGREES - 2) / DEGREES
        return np.reshape(multivariate_t.logpdf(points, self.centres[one], shape, df=DEGREES), len(points))

    def _adapt(self) -> "Population":
        """Return the population with the moments of the weighted draws for the next round."""
        columns, weights = self.draws.shape[1], self.weights
        for _ in range(FLATTENED):  # few draws dominate: move towards them slowly
            if 1 / (weights**2).sum() >= 3 * columns:
                break
            weights = weights**0.7 / (weights**0.7).sum()
        centre = weights @ self.draws
        away = self.draws - centre
        effective = 1 / (weights**2).sum()
        share = effective / (effective + 2 * columns)
        covariance = share * (away * weights[:, None]).T @ away + (1 - share) * self.covariances[-1]
        return replace(
            self,
            centres=np.concatenate([self.centres[:-1], centre[None]]),
            covariances=np.concatenate([self.covariances[:-1], covariance[None]]),
        )

    def resample(self, number: int, seed: int) -> np.ndarray:
        """Return draws (number, D) of equal weight: those with large weights occur several times."""
        places = (np.arange(number) + np.random.default_rng(seed).uniform()) / number
        order = np.random.default_rng(seed).permutation(number)
        chosen = np.searchsorted(np.cumsum(self.weights), places).clip(max=len(self.draws) - 1)
        return self.draws[chosen][order]

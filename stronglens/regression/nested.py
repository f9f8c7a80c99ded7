"""Nested sampling (Lange 2023, MNRAS 525, 3181) of a posterior that is curved or has several maxima, with nautilus.

It begins with draws from the whole prior, and so does not depend on what was found before.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri
from threadpoolctl import threadpool_limits

from stronglens.regression.importance import WANTED

LIVE, NETWORKS = 500, 1
"""Numbers of live points, and of networks that estimate the density of new points."""

PART, MOST = 4_000, 200_000
"""Numbers of likelihoods between two reports, and the largest number of all."""

CLOSEST = 1e-14
"""Smallest distance of a place in the unit cube from its sides."""


@dataclass(frozen=True)
class NestedSampling:
    """State of the sampling of an image; it can be sent to another process.

    Attributes
    ----------
    sampler : nautilus.Sampler
        Without its functions. `advance` changes it.
    is_converged : bool
        Whether the effective number of draws is `importance.WANTED`, and the live points have less than 1 % of the
        evidence.
    """

    sampler: Any
    is_converged: bool = False

    @classmethod
    def start(cls, columns: int, seed: int) -> "NestedSampling":
        """Begin with a number of columns whose priors are standard normal distributions."""
        from nautilus import Sampler

        sampler = Sampler(_keep, _keep, columns, n_live=LIVE, n_networks=NETWORKS, vectorized=True, seed=seed)
        return cls(sampler)

    @property
    def number(self) -> int:
        """Number of likelihoods."""
        return int(self.sampler.n_like)

    @property
    def effective(self) -> float:
        """Effective number of draws; 0 while the maxima are searched."""
        return float(self.sampler.n_eff) if self.sampler.explored else 0.0

    @property
    def is_exhausted(self) -> bool:
        """Whether the largest number of likelihoods is reached."""
        return self.number >= MOST

    def advance(self, density: Callable[[np.ndarray], float]) -> "NestedSampling":
        """Compute `PART` likelihoods more.

        Parameters
        ----------
        density : callable
            Takes a point (D,) and returns the logarithm of likelihood times prior; called from several threads.
        """
        with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count() or 1) as threads:

            def likelihood(cube: np.ndarray) -> np.ndarray:
                z = _to_normal(cube)
                values = np.array(list(threads.map(density, z))) + 0.5 * (z**2).sum(axis=1)
                return np.where(np.isfinite(values), values, -np.inf)

            self.sampler.likelihood = likelihood
            try:
                is_converged = self.sampler.run(
                    n_eff=WANTED, n_like_max=min(self.number + PART, MOST), discard_exploration=True
                )
            finally:
                self.sampler.likelihood = _keep
        return NestedSampling(self.sampler, bool(is_converged))

    def resample(self, number: int, seed: int) -> np.ndarray:
        """Return draws (number, D) of equal weight: those with large weights occur several times."""
        cube, logs, _ = self.sampler.posterior()
        weights = np.exp(logs - logs.max())
        chosen = np.random.default_rng(seed).choice(len(cube), number, p=weights / weights.sum())
        return _to_normal(cube[chosen])


def _to_normal(cube: np.ndarray) -> np.ndarray:
    return ndtri(np.clip(cube, CLOSEST, 1 - CLOSEST))


def _keep(cube: np.ndarray) -> np.ndarray:
    """Return places in the unit cube as they are: the sampler works in them."""
    return cube

"""State of the chains that sample the posterior of an image; `nuts` moves them.

Positions are w with z = centre + factor w: the covariance of the best fit makes the posterior nearly a standard normal
distribution.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

CHAINS = 4
WARM_UP = (20, 30, 40)
"""Numbers of transitions after which the covariance is estimated anew; they are not part of the result."""

BATCH = 50
"""Transitions of each chain between two looks at the convergence."""

MOST = 1500
"""Largest number of transitions of each chain after the warm-up."""

LARGEST_RHAT, WANTED_ESS = 1.01, 400
"""Criteria of convergence (Vehtari et al. 2021, Bayesian Analysis 16, 667), for every parameter."""


@dataclass(frozen=True)
class Chains:
    """State of the chains of an image; it can be sent to another process.

    Attributes
    ----------
    centre : ndarray (D,)
    factor : ndarray (D, D)
    positions : ndarray (C, D)
        In the coordinates of centre and factor.
    step_size : float
    draws : ndarray (C, S, D)
        Standard normal numbers after the warm-up.
    transitions, gradients, divergences : int
        Transitions of each chain; gradients of all chains; divergent transitions after the warm-up.
    """

    centre: np.ndarray
    factor: np.ndarray
    positions: np.ndarray
    step_size: float = 0.5
    draws: np.ndarray = field(default_factory=lambda: np.empty((CHAINS, 0, 0)))
    transitions: int = 0
    gradients: int = 0
    divergences: int = 0

    def diagnose(self, is_free: np.ndarray) -> tuple[float, float]:
        """Return the largest R-hat and the smallest effective sample size of the free columns."""
        if self.draws.shape[1] < BATCH:
            return float("inf"), 0.0
        found = [diagnose_column(column) for column in np.moveaxis(self.draws[..., is_free], 2, 0)]
        return max(largest for largest, _ in found), min(effective for _, effective in found)

    def is_converged(self, is_free: np.ndarray) -> bool:
        """Whether both criteria are fulfilled."""
        largest, smallest = self.diagnose(is_free)
        return largest < LARGEST_RHAT and smallest >= WANTED_ESS

    @property
    def is_exhausted(self) -> bool:
        """Whether the largest number of transitions is reached."""
        return self.draws.shape[1] >= MOST


def diagnose_column(draws: np.ndarray) -> tuple[float, float]:
    """Return the rank-normalised split R-hat and the bulk effective sample size of draws (C, S).

    R-hat is the larger one of the draws and of their distances from the median (Vehtari et al. 2021, eqs. 4, 10 and
    14), in NumPy: compiled functions would be compiled again for every number of draws.
    """
    half = draws.shape[1] // 2
    split = np.concatenate([draws[:, :half], draws[:, -half:]])
    within, variance, z = _variances(split)
    folded, of_folded, _ = _variances(np.abs(split - np.median(split)))
    largest = np.sqrt(max(variance / within, of_folded / folded))
    # Autocovariances of each chain by Fourier transform; Geyer's initial monotone sequence of pairs.
    spectrum = np.abs(np.fft.rfft(z - z.mean(axis=1, keepdims=True), 2 * half, axis=1)) ** 2
    covariance = np.fft.irfft(spectrum, axis=1)[:, :half].mean(axis=0) / half
    correlation = 1 - (within - covariance * half / (half - 1)) / variance
    correlation[0] = 1
    pairs = correlation[: half // 2 * 2].reshape(-1, 2).sum(axis=1)
    last = int(np.argmax(pairs < 0)) if (pairs < 0).any() else len(pairs)
    time = max(-1 + 2 * np.minimum.accumulate(pairs[:last]).sum(), 1 / np.log10(z.size))
    return float(largest), float(z.size / time)


def _variances(split: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Return the variance within chains (C, S) and that of all, of the ranks as normal numbers, and these."""
    z = ndtri((rankdata(split).reshape(split.shape) - 0.375) / (split.size + 0.25))
    number = split.shape[1]
    within = z.var(axis=1, ddof=1).mean()
    return within, (number - 1) / number * within + z.mean(axis=1).var(ddof=1), z


def start_chains(centres: Sequence[np.ndarray], covariance: np.ndarray, seed: int) -> Chains:
    """Start chains at random around one or several modes (D,), with the covariance (D, D) of the first."""
    factor = np.linalg.cholesky(covariance)
    random = np.random.default_rng(seed)
    positions = random.normal(size=(CHAINS, len(factor)))
    for chain in range(CHAINS):
        positions[chain] += np.linalg.solve(factor, centres[chain % len(centres)] - centres[0])
    return Chains(centres[0], factor, positions)


def recentre(chains: Chains, z: np.ndarray) -> Chains:
    """Return the chains with centre and factor from recent draws (C, S, D), shrunk towards those before."""
    flat = z.reshape(-1, z.shape[-1])
    white = np.linalg.solve(chains.factor, (flat - chains.centre).T).T
    share = len(white) / (len(white) + 5 * white.shape[1])
    covariance = share * np.cov(white.T) + (1 - share) * np.eye(white.shape[1])
    factor = chains.factor @ np.linalg.cholesky(covariance)
    centre = flat.mean(axis=0)
    here = chains.centre + chains.positions @ chains.factor.T
    return replace(chains, centre=centre, factor=factor, positions=np.linalg.solve(factor, (here - centre).T).T)

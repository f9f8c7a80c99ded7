"""Metropolis chains whose proposals follow the fit's normal distribution: for likelihoods without a gradient.

A proposal is r w + sqrt(1 - r^2) times normal numbers, w being the position in units of the covariance. It leaves the
normal distribution unchanged (preconditioned Crank-Nicolson: Cotter et al. 2013, Stat. Sci. 28, 424), so that only the
difference between this distribution and the posterior decides on acceptance. With r = 0 it is independent of w.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from stronglens.regression.chains import BATCH, CHAINS, WARM_UP, Chains, recentre

MEMORY = (0.0, 0.7, 0.95)
"""Values of r, of which each proposal has one at random."""

WIDER = 1.15
"""Standard deviation of the proposals' distribution in units of the fit's."""


def advance_independently(chains: Chains, log_density: Callable[[np.ndarray], float], seed: int) -> Chains:
    """Run the next part of the warm-up, or the next batch after it.

    Parameters
    ----------
    chains : Chains
        Its positions are in units of a covariance that is wider than the posterior's.
    log_density : callable
        Of standard normal numbers z (D,).
    seed : int

    Returns
    -------
    Chains
        ``gradients`` counts the likelihoods.
    """
    ends = np.cumsum(WARM_UP)
    part = int(np.searchsorted(ends, chains.transitions, side="right"))
    is_warm = part == len(WARM_UP)
    number = BATCH if is_warm else WARM_UP[part]

    def weight(position: np.ndarray) -> float:
        return log_density(chains.centre + WIDER * chains.factor @ position) + 0.5 * float(position @ position)

    def run(chain: int) -> np.ndarray:
        random = np.random.default_rng((seed, chain, chains.transitions))
        here = chains.positions[chain] / WIDER
        value, kept = weight(here), []
        for _ in range(number):
            memory = random.choice(MEMORY)
            there = memory * here + np.sqrt(1 - memory**2) * random.normal(size=len(here))
            proposed = weight(there)
            if np.log(random.uniform()) < proposed - value:
                here, value = there, proposed
            kept.append(WIDER * here)
        return np.array(kept)

    with ThreadPoolExecutor(min(CHAINS, os.cpu_count() or 1)) as threads:
        positions = np.stack(list(threads.map(run, range(CHAINS))))
    z = chains.centre + positions @ chains.factor.T
    moved = replace(
        chains,
        positions=positions[:, -1],
        transitions=chains.transitions + number,
        gradients=chains.gradients + CHAINS * (number + 1),
    )
    if not is_warm:
        return recentre(moved, z)
    before = chains.draws.reshape(CHAINS, -1, z.shape[-1])
    return replace(moved, draws=np.concatenate([before, z], axis=1))

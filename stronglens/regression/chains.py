"""Chains of the No-U-Turn sampler (Hoffman & Gelman 2014, JMLR 15, 1593) for the posterior of an image.

Positions are w with z = centre + factor w: the covariance of the best fit makes the posterior nearly a standard normal
distribution.
"""

import functools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
from blackjax.adaptation.step_size import dual_averaging_adaptation
from blackjax.diagnostics import ess_bulk, rhat
from blackjax.mcmc.hmc import HMCState

from stronglens.regression.image_fit import ImageData
from stronglens.regression.image_likelihood import ImageLikelihood, Priors

CHAINS = 4
WARM_UP = (40, 60, 60)
"""Numbers of transitions after which the covariance is estimated anew; they are not part of the result."""

BATCH = 50
"""Transitions of each chain between two looks at the convergence."""

MOST = 1500
"""Largest number of transitions of each chain after the warm-up."""

LARGEST_RHAT, WANTED_ESS = 1.01, 400
"""Criteria of convergence (Vehtari et al. 2021, Bayesian Analysis 16, 667), for every parameter."""

ACCEPTANCE, DOUBLINGS = 0.8, 7


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
        free = self.draws[..., is_free]
        return float(np.max(rhat(free))), float(np.min(ess_bulk(free)))

    def is_converged(self, is_free: np.ndarray) -> bool:
        """Whether both criteria are fulfilled."""
        largest, smallest = self.diagnose(is_free)
        return largest < LARGEST_RHAT and smallest >= WANTED_ESS

    @property
    def is_exhausted(self) -> bool:
        """Whether the largest number of transitions is reached."""
        return self.draws.shape[1] >= MOST


def start_chains(centres: Sequence[np.ndarray], covariance: np.ndarray, seed: int) -> Chains:
    """Start chains at random around one or several modes (D,), with the covariance (D, D) of the first."""
    factor = np.linalg.cholesky(covariance)
    random = np.random.default_rng(seed)
    positions = random.normal(size=(CHAINS, len(factor)))
    for chain in range(CHAINS):
        positions[chain] += np.linalg.solve(factor, centres[chain % len(centres)] - centres[0])
    return Chains(centres[0], factor, positions)


def advance_chains(chains: Chains, likelihood: ImageLikelihood, priors: Priors, data: ImageData, seed: int) -> Chains:
    """Run the next part of the warm-up, or the next batch after it.

    Parameters
    ----------
    chains : Chains
    likelihood : ImageLikelihood
    priors : Priors
    data : ImageData
    seed : int

    Returns
    -------
    Chains
    """
    ends = np.cumsum(WARM_UP)
    part = int(np.searchsorted(ends, chains.transitions, side="right"))
    is_warm = part == len(WARM_UP)
    number = BATCH if is_warm else WARM_UP[part]
    step = _step_of(likelihood)
    whole = priors.array, data.image, data.weight
    begin, update, finish = dual_averaging_adaptation(ACCEPTANCE)
    size, kept, gradients, divergences = chains.step_size, [], 0, 0
    with jax.enable_x64(True), ThreadPoolExecutor(min(CHAINS, os.cpu_count() or 1)) as threads:
        tuning = None if is_warm else begin(size)

        def first_state(position: np.ndarray) -> HMCState:
            value, gradient = likelihood.evaluate(chains.centre + chains.factor @ position, *whole)
            return HMCState(jnp.asarray(position), jnp.asarray(value), jnp.asarray(chains.factor.T @ gradient))

        states = [first_state(position) for position in chains.positions]

        def move(chain: int, index: int, state: HMCState, size: float):
            with jax.enable_x64(True):  # applies to the current thread only
                key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), chain), index)
                return jax.block_until_ready(step(key, state, size, chains.centre, chains.factor, *whole))

        for index in range(chains.transitions, chains.transitions + number):
            in_order = map if index == chains.transitions else threads.map  # threads would each compile the program
            moved = list(in_order(move, range(CHAINS), [index] * CHAINS, states, [size] * CHAINS))
            states = [state for state, _ in moved]
            kept.append([np.asarray(state.position) for state in states])
            gradients += sum(int(info.num_integration_steps) for _, info in moved)
            divergences += sum(bool(info.is_divergent) for _, info in moved)
            if tuning is not None:
                tuning = update(tuning, float(np.mean([info.acceptance_rate for _, info in moved])))
                size = float(np.exp(tuning.log_step_size))
        if tuning is not None:
            size = float(finish(tuning))
    positions = np.array(kept).swapaxes(0, 1)
    z = chains.centre + positions @ chains.factor.T
    moved_chains = replace(
        chains,
        positions=positions[:, -1],
        step_size=size,
        transitions=chains.transitions + number,
        gradients=chains.gradients + gradients,
    )
    if is_warm:
        before = chains.draws.reshape(CHAINS, -1, z.shape[-1])
        return replace(
            moved_chains, draws=np.concatenate([before, z], axis=1), divergences=chains.divergences + divergences
        )
    return _recentre(moved_chains, z[:, number // 4 :])


def _recentre(chains: Chains, z: np.ndarray) -> Chains:
    """Return the chains with centre and factor from recent draws (C, S, D), shrunk towards those before."""
    flat = z.reshape(-1, z.shape[-1])
    white = np.linalg.solve(chains.factor, (flat - chains.centre).T).T
    share = len(white) / (len(white) + 5 * white.shape[1])
    covariance = share * np.cov(white.T) + (1 - share) * np.eye(white.shape[1])
    factor = chains.factor @ np.linalg.cholesky(covariance)
    centre = flat.mean(axis=0)
    here = chains.centre + chains.positions @ chains.factor.T
    return replace(chains, centre=centre, factor=factor, positions=np.linalg.solve(factor, (here - centre).T).T)


@functools.lru_cache(maxsize=1)
def _step_of(likelihood: ImageLikelihood):
    """Return the compiled transition of one chain."""
    kernel = blackjax.nuts.build_kernel()

    @jax.jit
    def step(key, state, step_size, centre, factor, *data):
        def log_density(position):
            return likelihood.log_density(centre + factor @ position, *data)

        return kernel(key, state, log_density, step_size, jnp.ones(len(centre)), DOUBLINGS)

    return step

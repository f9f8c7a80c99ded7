"""The No-U-Turn sampler (Hoffman & Gelman 2014, JMLR 15, 1593) for the posterior of an image."""

import functools
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
from blackjax.adaptation.step_size import dual_averaging_adaptation
from blackjax.mcmc.hmc import HMCState

from stronglens.regression.chains import BATCH, CHAINS, WARM_UP, Chains, recentre
from stronglens.regression.image_fit import ImageData
from stronglens.regression.image_likelihood import ImageLikelihood
from stronglens.regression.image_priors import Priors

ACCEPTANCE, DOUBLINGS = 0.8, 7
"""Wanted mean acceptance, and largest number of doublings of a trajectory."""


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
    whole = priors.array, data.image, data.weight, data.correction
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
    return recentre(moved_chains, z[:, number // 4 :])


@functools.lru_cache(maxsize=2)
def _step_of(likelihood: ImageLikelihood):
    """Return the compiled transition of one chain."""
    kernel = blackjax.nuts.build_kernel()

    @jax.jit
    def step(key, state, step_size, centre, factor, *data):
        def log_density(position):
            return likelihood.log_density(centre + factor @ position, *data)

        return kernel(key, state, log_density, step_size, jnp.ones(len(centre)), DOUBLINGS)

    return step

"""Seeds for the layers of a network."""

import numpy as np


def spread_seed(seed: int, count: int) -> list[int]:
    """Derive several seeds from one. Layers with equal seeds would have equal initial weights.

    Parameters
    ----------
    seed : int
    count : int
        Number of seeds.

    Returns
    -------
    list of count int
        Equal arguments give equal seeds.
    """
    return [int(word) >> 1 for word in np.random.SeedSequence(seed).generate_state(count)]

"""Seeds of a network's layers, spread from one."""

import numpy as np


def spread_seed(seed: int, count: int) -> list[int]:
    """Return seeds for layers, which with one and the same would start with one and the same numbers.

    Parameters
    ----------
    seed : int
    count : int

    Returns
    -------
    list of int, count of them
        The same for the same arguments.
    """
    return [int(word) >> 1 for word in np.random.SeedSequence(seed).generate_state(count)]

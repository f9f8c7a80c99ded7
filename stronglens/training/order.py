"""Random order of the rows in an epoch, for a store with chunks."""

import numpy as np

SHUFFLE_STREAM = 0x5F17


def shuffle_rows(number: int, seed: int, epoch: int, window: int, run: int) -> np.ndarray:
    """Shuffle rows for one epoch, so that few of a store's chunks are needed at a time.

    First the runs of neighbouring rows are shuffled, then the rows within each window of the result. If all rows fit
    into one window, they are simply permuted.

    Parameters
    ----------
    number : int
        Number of rows.
    seed : int
    epoch : int
        Counted from 1.
    window, run : int
        Number of rows in a window and in a run.

    Returns
    -------
    ndarray (number,) of int
        A permutation of the rows; equal arguments give equal permutations.
    """
    random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(SHUFFLE_STREAM, epoch)))
    if number <= window:
        return random.permutation(number)
    runs = random.permutation(-(-number // run))
    rows = (runs[:, np.newaxis] * run + np.arange(run)).ravel()
    rows = rows[rows < number]  # the last run of the store may be shorter
    for start in range(0, number, window):
        random.shuffle(rows[start : start + window])
    return rows

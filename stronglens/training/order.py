"""The order of rows in an epoch, which suits their store."""

import numpy as np

SHUFFLE_STREAM = 0x5F17


def shuffle_rows(number: int, seed: int, epoch: int, window: int, run: int) -> np.ndarray:
    """Shuffle rows for one epoch, so that few of a store's chunks are needed at a time.

    Runs of neighbouring rows are put in random order, and all rows within each window of the result.
    Rows that fit in one window are permuted at random.

    Parameters
    ----------
    number : int, rows
    seed : int
    epoch : int, counted from 1
    window, run : int, rows

    Returns
    -------
    ndarray (number,) of int
        Every row once; the same for the same arguments.
    """
    random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(SHUFFLE_STREAM, epoch)))
    if number <= window:
        return random.permutation(number)
    runs = random.permutation(-(-number // run))
    rows = (runs[:, np.newaxis] * run + np.arange(run)).ravel()
    rows = rows[rows < number]  # the run at the end of the store may be a short one
    for start in range(0, number, window):
        random.shuffle(rows[start : start + window])
    return rows

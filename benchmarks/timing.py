"""Measurement of speeds."""

import statistics
import time
from collections.abc import Callable

ROUNDS = 3


def measure_rates(works: dict[str, tuple[Callable[[], None], int]], seconds: float) -> dict[str, float]:
    """Return the rate of each piece of work in units per second: the median of three interleaved rounds.

    Parameters
    ----------
    works : dict of name to (function, int)
        Function, and number of units in one call.
    seconds : float, s
        Duration of a round, at least one call.
    """
    for work, _ in works.values():
        work()  # compiles, fills caches
    rates = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, (work, units) in works.items():
            done, start = 0, time.perf_counter()
            while (elapsed := time.perf_counter() - start) < seconds or not done:
                work()
                done += units
            rates[name].append(done / elapsed)
    return {name: statistics.median(values) for name, values in rates.items()}

"""The regression task's chunks of work, for any process that is to do some."""

import time
from dataclasses import dataclass
from threading import Lock
from typing import Any

from stronglens.dataset import ChunkStore, chunk_indices
from stronglens.regression.scene import LensSimulator

_simulators: dict[Any, LensSimulator] = {}
_lock = Lock()


def simulator_of(parameters) -> LensSimulator:
    """Return the simulator of some parameters: made once in a process, shared by its threads."""
    with _lock:
        if parameters not in _simulators:
            _simulators.clear()
            _simulators[parameters] = LensSimulator(parameters)
        return _simulators[parameters]


@dataclass(frozen=True)
class ChunkSimulation:
    """Simulate a dataset chunk by chunk: called with a chunk's number, returns its images' number.

    Attributes
    ----------
    parameters : SimulationParameters
    store : ChunkStore
    """

    parameters: Any
    store: ChunkStore

    def __call__(self, chunk: int) -> int:
        """Simulate a chunk and store it."""
        indices = chunk_indices(chunk, self.store.number)
        self.store.write_chunk(chunk, *simulator_of(self.parameters).simulate(indices))
        return len(indices)


def measure_rate(parameters, images: int) -> float:
    """Return how many images a second this process simulates, measured on the first ones after compilation."""
    simulator = simulator_of(parameters)
    simulator.simulate(range(1))
    start = time.perf_counter()
    simulator.simulate(range(images))
    return images / (time.perf_counter() - start)

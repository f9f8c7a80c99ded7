"""The regression task's chunks of work, for any process that is to do some."""

import time
from dataclasses import dataclass
from threading import Lock
from typing import Any

from stronglens.dataset import CHUNK_SIZE, ChunkStore, chunk_indices
from stronglens.execution import available_threads
from stronglens.regression.scene import LensSimulator

MEASURED = CHUNK_SIZE
"""Images simulated, and thrown away, to see how long a run will take."""

_simulators: dict[Any, LensSimulator] = {}
_lock = Lock()


def simulator_of(parameters) -> LensSimulator:
    """Return the simulator of some parameters: made once in a process, shared by its threads."""
    with _lock:
        if parameters not in _simulators:
            _simulators.clear()
            _simulators[parameters] = LensSimulator(parameters, available_threads())
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


def measure_rate(parameters) -> float:
    """Return how many images a second this process simulates once it has compiled."""
    simulator = simulator_of(parameters)
    simulator.simulate(range(1))
    start = time.perf_counter()
    simulator.simulate(range(MEASURED))
    return MEASURED / (time.perf_counter() - start)

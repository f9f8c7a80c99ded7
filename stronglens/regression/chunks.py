"""The regression task's chunks of work, for any process that is to do some."""

import time
from dataclasses import dataclass
from threading import Lock
from typing import Any

from stronglens.dataset import CHUNK_SIZE, ChunkStore, chunk_indices, library_versions
from stronglens.execution import available_threads

MEASURED = CHUNK_SIZE
"""Images simulated, and thrown away, to see how long a run will take."""

_simulators = {}
_lock = Lock()


def simulator_of(parameters) -> "LensSimulator":  # noqa: F821
    """Return the simulator of some parameters: made once in a process, shared by its threads."""
    # Here: PyAutoLens switches JAX to 64 bits as it is imported, which a process that trains must be spared.
    from stronglens.regression.scene import LensSimulator

    with _lock:
        if parameters not in _simulators:
            _simulators.clear()
            _simulators[parameters] = LensSimulator(parameters, available_threads())
        return _simulators[parameters]


def describe_environment(program_version: str) -> dict[str, str]:
    """Return what an image's bytes depend on beside its parameters: versions of libraries, kind of device."""
    from stronglens.raytracing import has_gpu

    return library_versions(program_version) | {"device": "gpu" if has_gpu() else "cpu"}


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

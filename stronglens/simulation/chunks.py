"""Chunks of simulation, for any process that is to do some.

A task hands in ``make``: an importable function, (parameters, threads) -> simulator. What it imports, it imports when
called: PyAutoLens switches JAX to 64 bits as it is imported, which a process that trains must be spared.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any

from stronglens.dataset import CHUNK_SIZE, ChunkStore, DatasetPlan, chunk_indices, library_versions
from stronglens.execution import available_threads
from stronglens.parameters import to_manifest

MEASURED = CHUNK_SIZE
"""Images simulated, and thrown away, to see how long a run will take."""

_simulators = {}
_lock = Lock()


def simulator_of(make: Callable, parameters):
    """Return the simulator that a task makes of some parameters: once in a process, shared by its threads."""
    with _lock:
        if (make, parameters) not in _simulators:
            _simulators.clear()
            _simulators[make, parameters] = make(parameters, available_threads())
        return _simulators[make, parameters]


def describe_environment(program_version: str) -> dict[str, str]:
    """Return what an image's bytes depend on beside its parameters: versions of libraries, kind of device."""
    from stronglens.raytracing import has_gpu

    return library_versions(program_version) | {"device": "gpu" if has_gpu() else "cpu"}


@dataclass(frozen=True)
class ChunkSimulation:
    """Simulate a dataset chunk by chunk: called with a chunk's number, returns its images' number.

    Attributes
    ----------
    make : callable, makes the task's simulator
    parameters : Parameters, of a simulation
    store : ChunkStore
    """

    make: Callable
    parameters: Any
    store: ChunkStore

    def __call__(self, chunk: int) -> int:
        """Simulate a chunk and store it."""
        indices = chunk_indices(chunk, self.store.number)
        self.store.write_chunk(chunk, *simulator_of(self.make, self.parameters).simulate(indices))
        return len(indices)


def plan_simulation(make: Callable, parameters, program_version: str) -> DatasetPlan:
    """Plan to simulate a dataset.

    Raises
    ------
    UsageError
        When the parameters contradict one another.
    """
    simulator = simulator_of(make, parameters)
    title = f"Simulating {parameters.generated_number:,} {simulator.title}, seed {parameters.seed}"
    return DatasetPlan(
        title="\n".join([title, *simulator.notes]),
        verb="simulating",
        manifest={
            "number": parameters.generated_number,
            "parameters": to_manifest(parameters),
            "versions": describe_environment(program_version),
            **simulator.describe(),
        },
        columns=[column.to_dict() for column in simulator.columns.values()],
        work=partial(ChunkSimulation, make, parameters),
    )


def measure_rate(make: Callable, parameters) -> float:
    """Return how many images a second this process simulates once it has compiled."""
    simulator = simulator_of(make, parameters)
    simulator.simulate(range(MEASURED))  # some images need programs that others do not
    start = time.perf_counter()
    simulator.simulate(range(MEASURED))
    return MEASURED / (time.perf_counter() - start)

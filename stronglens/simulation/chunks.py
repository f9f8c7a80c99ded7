"""Picklable units of simulation work for threads, processes or Dask workers.

The argument ``make`` of a task is an importable function, (parameters, threads) -> simulator, with imports inside the
function: importing PyAutoLens switches JAX to 64 bits, which must not happen in a process that trains.
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
"""Number of images that are simulated and discarded to estimate the duration of a run."""

_simulators = {}
_lock = Lock()


def simulator_of(make: Callable, parameters):
    """Return the simulator of a task, which is made once per process and shared by its threads."""
    with _lock:
        if (make, parameters) not in _simulators:
            _simulators.clear()
            _simulators[make, parameters] = make(parameters, available_threads())
        return _simulators[make, parameters]


def describe_environment(program_version: str) -> dict[str, str]:
    """Return the environment on which images depend in addition to parameters: library versions and kind of device."""
    from stronglens.raytracing import has_gpu

    return library_versions(program_version) | {"device": "gpu" if has_gpu() else "cpu"}


@dataclass(frozen=True)
class ChunkSimulation:
    """Simulate a dataset chunk by chunk: it is called with the index of a chunk and returns its number of images.

    Attributes
    ----------
    make : callable
        Makes the simulator of the task.
    parameters : Parameters
        Simulation parameters.
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
    """Plan the simulation of a dataset.

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
    """Return the rate of simulation in this process after compilation, images/s."""
    simulator = simulator_of(make, parameters)
    simulator.simulate(range(MEASURED))  # compiles the programs for all kinds of images
    start = time.perf_counter()
    simulator.simulate(range(MEASURED))
    return MEASURED / (time.perf_counter() - start)

"""The unbounded stream of simulations that continues a dataset."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from small_datasets import SMALL_PARAMETERS

import params_and_cli as panel
from stronglens.dataset import CHUNK_SIZE
from stronglens.regression.simulator import make_simulator
from stronglens.simulation.chunks import simulator_of
from stronglens.simulation.stream import KEPT, SimulationStream

PARAMETERS = panel.RegressionSimulation.of(panel.OVERRIDES, generated_number=60, **SMALL_PARAMETERS)
LABELS = ("einstein-radius", "src-center-x")


class CountingExecutor(ThreadPoolExecutor):
    def __init__(self):
        super().__init__(1)
        self.asked = []

    def submit(self, work, chunk):
        self.asked.append(chunk)
        return super().submit(work, chunk)


@pytest.fixture
def executor():
    with CountingExecutor() as executor:
        yield executor


def test_stream_continues_the_dataset(executor):
    fresh = SimulationStream(make_simulator, PARAMETERS, 60, 100, LABELS, executor)
    images, labels = fresh.request(1).result()
    expected, columns, _ = simulator_of(make_simulator, PARAMETERS).simulate(
        range(60 + CHUNK_SIZE, 60 + 2 * CHUNK_SIZE)
    )
    np.testing.assert_array_equal(images, expected)
    np.testing.assert_array_equal(labels[:, 1], columns["src-center-x"])
    assert fresh.shape == images.shape[1:]


def test_repeated_requests_are_simulated_once_and_the_cache_is_bounded(executor):
    fresh = SimulationStream(make_simulator, PARAMETERS, 60, 200, LABELS, executor)
    images, labels = fresh.first()
    assert images.shape == (200, 16, 16)
    assert labels.shape == (200, 2)
    fresh.request(0)
    fresh.request(1)
    assert executor.asked == [0, 1]
    fresh._executor = type("Still", (), {"submit": lambda self, work, chunk: chunk})()
    for chunk in range(2, KEPT + 9):
        fresh.request(chunk)
    assert len(fresh._chunks) == KEPT


def test_digest_tells_streams_apart(executor):
    digests = [
        SimulationStream(make_simulator, parameters, stored, number, LABELS, executor).digest
        for parameters in (PARAMETERS, panel.RegressionSimulation.of(panel.OVERRIDES, seed=1, **SMALL_PARAMETERS))
        for stored in (60, 61)
        for number in (100, 101)
    ]
    assert len(set(digests)) == 8

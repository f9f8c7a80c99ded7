"""Simulated non-lenses that are scored and not kept."""

from concurrent.futures import Executor, Future

import numpy as np
import pytest
from small_finder import make_images

from stronglens.finding.network import build_network
from stronglens.finding.scores import score_field
from stronglens.parameters import RunError
from stronglens.scaling import fit_image_scaling


class Now(Executor):
    """Run work at once; count the chunks that were asked for."""

    def __init__(self):
        self.asked = 0

    def submit(self, work, chunk):
        self.asked += 1
        future = Future()
        future.set_result(work(chunk))
        return future


class Simulator:
    """A third of its images are doubtful; their kind is their index, so that repeated images are seen."""

    has_others = True

    def __init__(self, parameters, threads):
        pass

    def simulate(self, indices):
        indices = np.asarray(indices)
        images, _ = make_images(len(indices))
        group = np.where(indices % 3 == 0, 2.0, 0.0 if self.has_others else 2.0)
        return images, {"group": group, "kind": indices.astype(float)}, {}


class Doubtful(Simulator):
    has_others = False


@pytest.fixture(scope="module")
def network():
    images, _ = make_images(20)
    return build_network("small", (16, 16, 2), fit_image_scaling(images))


def test_a_field_has_the_wanted_number_of_different_non_lenses(network):
    executor, seen = Now(), []
    scores = score_field(network, Simulator, "parameters", 200, executor, seen.append)
    assert scores.probability.shape == (200,)
    assert sum(seen) == 200
    assert len(set(scores.kind)) == 200
    assert (scores.kind % 3 != 0).all()
    assert scores.kind.min() >= 10**9  # no dataset and no training has these images
    assert executor.asked <= 8 + 3  # three chunks have 256 non-lenses; eight are simulated ahead


def test_a_simulation_without_non_lenses_is_refused(network):
    with pytest.raises(RunError, match="draws no non-lenses"):
        score_field(network, Doubtful, "parameters", 10, Now())

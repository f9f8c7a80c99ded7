"""The test of maps: a true map, wrong maps, controls."""

import numpy as np
import pytest
from small_network import SIDE, convolving_output, linear_output, make_images

from stronglens.explaining.fidelity import compare_maps, describe_fidelity, sum_blocks
from stronglens.explaining.maps import Settings


@pytest.fixture(scope="module")
def compared():
    """Images with a bright patch that a linear network counts, at different places, and twins without it."""
    random = np.random.default_rng(0)
    twins, effects = make_images(8), np.zeros((8, SIDE, SIDE), np.float32)
    for effect in effects:
        row, column = random.integers(0, 3, 2) * 3
        effect[row : row + 3, column : column + 3] = 20.0
    output = linear_output(1 + 0.1 * random.random((SIDE, SIDE)))
    methods = ["gradient", "input-x-gradient", "occlusion", "guided-backpropagation"]
    return compare_maps(output, twins + effects, twins, effects, Settings(), methods)


def test_a_true_map_follows_the_network(compared):
    found, _ = compared
    best, chance = found["input-x-gradient"], found["random"]
    assert best.pointing == 1
    assert best.share > 0.6  # of the light 180 is in the patch, about 80 elsewhere
    assert best.deletion_twin < 0.15 < chance.deletion_twin  # the patch goes in the first of 16 steps
    assert abs(chance.rho) < 0.4  # 16 blocks a map, 8 maps
    assert best.images == 8


def test_controls_are_there(compared):
    found, refused = compared
    assert {"random", "brightness", "mean-mask"} <= set(found)
    assert found["brightness"].rho_random != found["brightness"].rho_random  # it has no weights
    assert found["random"].verdicts == ["no better than brightness"]
    assert not refused
    described = {name: one.to_dict() for name, one in found.items()}
    assert "brightness" in describe_fidelity(described, "gradient")[1]
    assert described["brightness"]["milliseconds"] is None


def test_methods_without_meaning_are_refused():
    images = make_images(2)
    found, refused = compare_maps(
        convolving_output("tanh"), images, 0.5 * images, None, Settings(), ["gradient", "guided-grad-cam"]
    )
    assert "means nothing without ReLU" in refused["guided-grad-cam"]
    assert np.isnan(found["gradient"].share)  # without effects there is no mask
    assert "mean-mask" not in found


def test_blocks_are_sums():
    maps = make_images(2)
    blocks = sum_blocks(maps, 5)  # the last block overlaps its neighbour
    corners = [(row, column) for row in (0, 5, 7) for column in (0, 5, 7)]
    expected = [maps[1, row : row + 5, column : column + 5].sum() for row, column in corners]
    np.testing.assert_allclose(blocks[1], expected, atol=1e-5)

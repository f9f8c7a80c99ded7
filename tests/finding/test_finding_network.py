"""Networks that find lenses: their sizes, their scaling, their files, and committees."""

import numpy as np
import pytest

from stronglens.finding.network import build_network, join_members
from stronglens.parameters import RunError
from stronglens.scaling import ImageScaling
from stronglens.training import keras, load_network, save_network


def draw_images(count, shape, seed=0):
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype(np.float32)


def scaling_of(bands):
    return ImageScaling((1.0,) * bands if bands > 1 else 1.0, 0.0, 1.0)


@pytest.mark.parametrize(
    # Counted in the published files of weights (ou66, ou200) and in the prototype (small).
    ("kind", "side", "counts"),
    [
        ("ou66", 66, {1: 201_842, 3: 202_742, 4: 203_192}),
        ("ou200", 200, {1: 327_882, 3: 330_382, 4: 331_632}),
        ("small", 66, {1: 205_282}),
    ],
)
def test_networks_have_the_published_number_of_parameters(kind, side, counts):
    for bands, count in counts.items():
        shape = (side, side) if bands == 1 else (side, side, bands)
        assert build_network(kind, shape, scaling_of(bands)).count_params() == count


def test_198_and_200_pixels_give_the_same_network():
    shapes = [[w.shape for w in build_network("ou200", (side, side), None).weights] for side in (198, 200)]
    assert shapes[0] == shapes[1]


def test_too_small_images_are_refused():
    for kind, side in (("ou66", 57), ("ou200", 101), ("small", 15)):
        with pytest.raises(RunError, match="too small"):
            build_network(kind, (side, side), None)


def test_scaling_by_the_range_ignores_flux_and_colour():
    network = build_network("small", (16, 16, 2), None)
    images = draw_images(3, (16, 16, 2))
    other = images * np.float32([3, 7]) + np.float32([1, -2])
    # The scaled images agree to the rounding of single precision.
    np.testing.assert_allclose(network.predict(images, verbose=0), network.predict(other, verbose=0), atol=1e-5)
    assert np.isfinite(network.predict(np.zeros_like(images), verbose=0)).all()


def test_a_score_is_independent_of_its_batch():
    network = build_network("small", (16, 16), scaling_of(1))
    images = draw_images(4, (16, 16))
    others = np.concatenate([images[:1], draw_images(3, (16, 16), seed=1)])
    together = network.predict(images, verbose=0)
    assert np.array_equal(together[0], network.predict(others, verbose=0)[0])
    alone = network.predict(images[:1], verbose=0)
    assert alone.shape == (1, 2)
    np.testing.assert_allclose(alone[0], together[0], atol=1e-5)


def test_a_committee_is_one_file_with_the_mean_of_its_members(tmp_path):
    members = [
        build_network("small", (16, 16, 2), scaling, seed=seed) for seed, scaling in enumerate([scaling_of(2), None])
    ]
    save_network(join_members(members), tmp_path / "committee.keras", {})
    committee, _ = load_network(tmp_path / "committee.keras")
    images = draw_images(3, (16, 16, 2))
    mean = np.mean([member.predict(images, verbose=0) for member in members], axis=0)
    np.testing.assert_allclose(committee.predict(images, verbose=0), mean, atol=1e-6)
    assert [layer.name for layer in committee.layers if isinstance(layer, keras.Model)] == [
        "member_1", "member_2"
    ]  # fmt: skip

"""Detection of lens light in images with arcs, and the limit in a network's record."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from stronglens.out_of_distribution import ImageFeatures, TrainingSetComparison, describe_training_set
from stronglens.out_of_distribution.lens_light import find_limit, measure_central_excess
from stronglens.out_of_distribution.score import MahalanobisScore, OutOfDistribution
from stronglens.parameters import RunError
from stronglens.scaling import fit_image_scaling
from stronglens.substructure.network import build_network

WITHOUT = {"simulation": {"lens-light": "off"}, "pixel-scale": 0.1}
SIDE = 32


def draw_rings(number, light=0.0, seed=0, offset=0.0):
    """Rings of 7 to 12 pixels with noise, and a galaxy of so many times their peak ``offset`` pixels off the centre."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    radius = np.hypot(x, y) - random.uniform(7, 12, (number, 1, 1))
    images = np.exp(-(radius**2) / 2 / random.uniform(0.5, 1.2, (number, 1, 1)) ** 2)
    images += light * np.exp(-np.hypot(x - offset, y) / 1.5)
    return (images + 0.03 * random.normal(size=images.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def network():
    """A classifier, untrained."""
    return build_network("resnet18", (SIDE, SIDE), fit_image_scaling(draw_rings(50)), 3)


@pytest.fixture(scope="module")
def record(network):
    images = draw_rings(400)
    split = {"train": np.arange(250), "valid": np.arange(250, 400)}
    stored = SimpleNamespace(subset=lambda rows: images[rows])
    written = describe_training_set(ImageFeatures(network), stored, split, WITHOUT)
    return json.loads(json.dumps(WITHOUT | written))


def warn(network, record, images):
    found = TrainingSetComparison(network, record)(images)[1]
    return np.array([any(one.is_unlike and "LIGHT AT THE CENTRE" in one.text for one in said) for said in found])


def test_central_light_is_told_from_rings():
    rings = measure_central_excess(draw_rings(1000))
    limit = find_limit(rings)
    assert np.mean(measure_central_excess(draw_rings(1000, seed=1)) > limit) < 0.02  # 1 % is meant
    for offset in (0, 2):
        assert (measure_central_excess(draw_rings(200, 1.0, 2, offset)) > limit).all()
    # A galaxy alone reaches nearly 1: nothing but itself is around it. Turns of an image change nothing.
    galaxy = draw_rings(1, 100.0, 3)
    assert measure_central_excess(galaxy)[0] == pytest.approx(1, abs=0.1)
    np.testing.assert_allclose(measure_central_excess(np.rot90(galaxy, axes=(1, 2))), measure_central_excess(galaxy))


def test_a_network_trained_without_light_says_so(network, record):
    assert warn(network, record, draw_rings(100, seed=4)).mean() < 0.02
    assert warn(network, record, draw_rings(50, 1.0, 5)).mean() > 0.95
    lit = record | {"simulation": {"lens-light": "on"}}
    assert not warn(network, lit, draw_rings(50, 1.0, 5)).any()


def test_networks_of_older_versions_are_still_used(network):
    older = {"simulation": {"lens-light": "off"}}
    images = np.concatenate([draw_rings(20), draw_rings(20, 4.0, 6)])
    np.testing.assert_array_equal(warn(network, older, images), np.arange(40) >= 20)
    for record in ({}, {"simulation": None}, older):
        first = TrainingSetComparison(network, record)(images)[1][0][0]
        assert first.percentile is None
        assert "by an older version" in first.text
    with pytest.raises(RunError, match="damaged"):
        TrainingSetComparison(network, {"familiarity": {"version": 2}})


def test_a_classifier_has_a_score(network, record):
    seen, found = TrainingSetComparison(network, record)(draw_rings(200, seed=7))
    assert seen["output"].shape == (200, 3)
    assert np.mean([said[0].is_unlike for said in found]) < 0.06  # 1 % is meant; of 150 images, 5 are beyond
    noise = 0.5 * np.random.default_rng(0).normal(size=(20, SIDE, SIDE)).astype(np.float32)
    far = TrainingSetComparison(network, record)(draw_rings(20, seed=8) + noise)[1]
    assert all(said[0].is_unlike and "UNLIKE THE TRAINING SET" in said[0].text for said in far)
    # An image's score does not depend on those beside it, but for rounding.
    alone = TrainingSetComparison(network, record)(draw_rings(200, seed=7)[:1])[1][0][0]
    assert alone.percentile == pytest.approx(found[0][0].percentile, abs=0.1)


def test_a_record_of_many_features_stays_small():
    random = np.random.default_rng(0)
    values = random.normal(size=(600, 1024)) * np.linspace(0.1, 3, 1024)
    score = MahalanobisScore.fit(values[:400], values[400:])
    assert score.whitening.shape == (1024, 256)
    assert score.is_sound
    assert (score.score(values[400:]) > 1).mean() == pytest.approx(0.01, abs=0.005)
    assert (score.score(3 * values[400:]) > 1).all()
    assert OutOfDistribution.from_dict(None) is None

"""Numbers that compare generated with real images: their floor, and what they say of known differences."""

import numpy as np
import pytest
from small_images import draw_spots

from stronglens.generation.comparison import (
    Ruler,
    compare,
    describe_comparison,
    find_collapse,
    kernel_distance,
    neighbourhoods,
)
from stronglens.generation.components import fit_components
from stronglens.generation.statistics import count_peaks, measure_statistics, power_spectrum, wasserstein
from stronglens.scaling import fit_image_scaling


@pytest.fixture(scope="module")
def measured():
    train, test, valid = (draw_spots(200, seed) for seed in (0, 1, 2))
    scaling = fit_image_scaling(train)
    ruler = Ruler(scaling, fit_components(train, scaling, 32, False), 0.1, test)
    few = np.repeat(draw_spots(5, 3), 40, axis=0)
    few = few + 0.001 * np.random.default_rng(0).standard_normal(few.shape)
    sets = {"real": test, "other": valid, "bright": 1.5 * valid, "collapsed": few.astype(np.float32)}
    found = {name: ruler(images) for name, images in sets.items()}
    training = ruler(train).components

    def numbers(name):
        return compare(found[name], found["real"], training, found["other"].components, 0)

    return {name: numbers(name) for name in ("other", "bright", "collapsed")}


def test_real_images_against_real_ones_are_the_floor(measured):
    floor = measured["other"]
    assert floor["mean-wasserstein"] < 0.25  # of 200 images; the deviation of a mean is 0.07
    assert abs(floor["auc-components"] - 0.5) < 0.12
    assert floor["coverage"] > 0.9
    assert floor["nearest-training"] == pytest.approx(1)
    assert find_collapse(floor) is None


def test_images_that_are_too_bright_are_seen(measured):
    bright = measured["bright"]
    assert bright["wasserstein"]["flux"] > 3 * measured["other"]["wasserstein"]["flux"]
    assert bright["auc-statistics"] > 0.7
    assert bright["power-large-scales"] > 0.5


def test_a_collapse_is_named(measured):
    collapsed = measured["collapsed"]
    assert collapsed["coverage"] < 0.5
    assert find_collapse(collapsed).startswith("Collapse: generated images are too much alike")
    assert any("coverage" in line for line in describe_comparison(collapsed, measured["other"]))


def test_neighbourhoods_of_a_part_have_precision_but_no_recall():
    points = np.random.default_rng(0).standard_normal((400, 2))
    found = neighbourhoods(points, np.random.default_rng(1).standard_normal((400, 2)) * [0.2, 1])
    assert found["precision"] > 0.95
    assert found["recall"] < 0.6
    assert abs(kernel_distance(points[:200], points[200:])) < 0.3


def test_statistics_of_a_round_and_of_a_flat_spot():
    grid = np.arange(32) - 15.5
    round_spot = np.exp(-(grid**2 + grid[:, None] ** 2) / 32)
    flat_spot = np.exp(-(grid**2 / 32 + grid[:, None] ** 2 / 8))
    found = measure_statistics(np.stack([round_spot, flat_spot]), 0.1)
    assert found["half-light"][0] == pytest.approx(
        0.1 * 4 * np.sqrt(2 * np.log(2)), rel=0.05
    )  # of a Gaussian, 4 pixels
    assert found["ellipticity"][0] < 0.01
    assert found["ellipticity"][1] == pytest.approx(0.6, abs=0.05)  # (16 - 4) / (16 + 4)
    np.testing.assert_allclose(found["asymmetry"], 0, atol=0.01)


def test_power_of_white_noise_is_its_variance_and_cross_power_vanishes():
    noise = np.random.default_rng(0).normal(0, 2, (200, 32, 32))
    frequency, power = power_spectrum(noise)
    np.testing.assert_allclose(power, 4, rtol=0.15)  # the first bin has 4 independent numbers of each image
    assert frequency[-1] == 16
    assert np.abs(power_spectrum(noise, np.roll(noise, 1, axis=0))[1]).mean() < 0.1


def test_peaks_and_distances():
    image = np.zeros((1, 9, 9))
    image[0, 2, 2], image[0, 6, 6] = 1.5, 2.5
    assert count_peaks(image, np.array([1, 2, 3])).tolist() == [1, 1]
    normal = np.random.default_rng(0).standard_normal(5000)
    assert wasserstein(normal + 0.5, normal) == pytest.approx(0.5, rel=0.02)

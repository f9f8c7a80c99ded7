"""Star-forming clumps: they contain part of a source's light and do not depend on other draws."""

import numpy as np
import pytest
from scipy import stats

import params_and_cli as panel
from stronglens.parameters import Range
from stronglens.raytracing import sersic_flux
from stronglens.simulation.clumps import LARGEST_SHARE, SIZES, draw_clumps, place_clumps
from stronglens.simulation.lens_simulator import LensSimulator

MOST = 4


@pytest.fixture(scope="module")
def clumps():
    return draw_clumps(MOST, 0, range(4000))


def values_of(clumps, name):
    return np.stack([clumps[f"src-clump-{clump}-{name}"] for clump in range(1, MOST + 1)])


def test_numbers_shares_sizes_and_positions_have_the_documented_distributions(clumps):
    number, shares = clumps["src-clumps"], values_of(clumps, "share")
    counts = np.bincount(number.astype(int))
    assert len(counts) == MOST + 1
    assert stats.chisquare(counts).pvalue > 1e-3
    np.testing.assert_array_equal((shares > 0).sum(axis=0), number)
    together = shares.sum(axis=0)[number > 0]
    assert stats.kstest(together / LARGEST_SHARE, "uniform").pvalue > 1e-3
    pair = shares[:2, number == 2]  # uniform on the simplex: the share of one of two is uniform
    assert stats.kstest(pair[0] / pair.sum(axis=0), "uniform").pvalue > 1e-3
    size = np.log(values_of(clumps, "size").ravel() / SIZES[0]) / np.log(SIZES[1] / SIZES[0])
    assert stats.kstest(size, "uniform").pvalue > 1e-3
    for axis in "xy":
        assert stats.kstest(values_of(clumps, axis).ravel(), "norm").pvalue > 1e-3
    assert abs(np.corrcoef(values_of(clumps, "x").ravel(), values_of(clumps, "y").ravel())[0, 1]) < 0.03


def test_clumps_depend_on_the_seed_and_the_image_only(clumps):
    alone = draw_clumps(MOST, 0, [17])
    assert all(values[0] == clumps[name][17] for name, values in alone.items())
    assert draw_clumps(MOST, 1, [17])["src-clump-1-x"] != alone["src-clump-1-x"]


def test_a_source_keeps_its_light(clumps):
    number = 200
    rng = np.random.default_rng(0)
    scene = {"src_intensity": rng.uniform(1, 2, number), "src_effect": rng.uniform(0.1, 0.4, number)}
    scene |= {"src_sersic": rng.uniform(0.5, 4, number)} | {f"src_center_{axis}": np.ones(number) for axis in "xy"}
    some = {name: values[:number] for name, values in clumps.items()}
    placed = place_clumps(MOST, some, scene, smallest=0.03)
    whole = scene["src_intensity"] * sersic_flux(scene, "src")
    smooth = placed["src_intensity"] * sersic_flux(scene, "src")
    in_clumps = sum(
        2 * np.pi * placed[f"clump_{clump}_sigma"] ** 2 * placed[f"clump_{clump}_intensity"]
        for clump in range(1, MOST + 1)
    )
    np.testing.assert_allclose(smooth + in_clumps, whole)
    assert min(placed[f"clump_{clump}_sigma"].min() for clump in range(1, MOST + 1)) >= 0.03 / 1.1775
    there = place_clumps(MOST, {}, scene, smallest=0.03)
    np.testing.assert_array_equal(there["src_intensity"], scene["src_intensity"])
    assert not any(there[f"clump_{clump}_intensity"].any() for clump in range(1, MOST + 1))


def test_clumps_change_only_the_light_of_the_source():
    values = {"lens_model": "sie", "grid_size": 32, "pixel_scale": 0.2, "over_sampling": 2, "telescope": "none"}
    values |= {"src_effect_range": Range(0.3, 0.4), "lens_light": "off"}
    smooth, clumpy = (
        LensSimulator(panel.RegressionSimulation.of(overrides=panel.OVERRIDES, **values, src_clumps=most), threads=1)
        for most in (0, MOST)
    )
    plain, truth, _ = smooth.simulate(range(16))
    images, labels, _ = clumpy.simulate(range(16))
    assert "src-clumps" not in truth
    for name in set(truth) - {"magnification"}:  # of more than one place
        np.testing.assert_array_equal(truth[name], labels[name])
    differ = np.abs(images - plain).max(axis=(1, 2)) > 1e-3 * plain.max(axis=(1, 2))
    np.testing.assert_array_equal(differ, labels["src-clumps"] > 0)
    again, _, _ = clumpy.simulate([5])
    np.testing.assert_array_equal(again[0], images[5])

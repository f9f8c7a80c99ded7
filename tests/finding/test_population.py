"""Lens population: distributions, colours, and draws that depend on seed and index alone."""

from itertools import pairwise

import numpy as np
import pytest

from stronglens import cosmology
from stronglens.finding import non_lenses, population
from stronglens.finding.classes import KINDS
from stronglens.finding.colours import BANDS, apparent_magnitudes, draw_coefficients, magnitude_of_luminosity
from stronglens.finding.non_lenses import NONLENS_SHARES, draw_kinds, draw_scenes
from stronglens.finding.population import draw_lenses, source_counts

NUMBERS = np.random.default_rng(0).random((4000, population.NUMBERS))


@pytest.fixture(scope="module")
def lenses():
    return draw_lenses(NUMBERS)


def test_lenses_are_those_of_lenspop(lenses):
    radius = lenses["einstein-radius-sie"]
    low, middle, high = np.percentile(radius, (5, 50, 95))
    # A prototype with other source counts had 0.53, 0.83, 1.55.
    assert (0.5 < low < 0.56) & (0.75 < middle < 0.9) & (1.4 < high < 1.9)
    # Mean 229 km/s of the gamma distribution of sigma^2.67, a little more since small radii are cut.
    assert 225 < np.median(lenses["velocity-dispersion"]) < 245
    assert 0.4 < np.median(lenses["lens-redshift"]) < 0.6
    assert np.all(lenses["src-redshift"] > lenses["lens-redshift"])
    assert all(np.isfinite(values).all() for values in lenses.values())


def test_einstein_radii_follow_from_dispersions_and_redshifts(lenses):
    expected = cosmology.isothermal_einstein_radius(
        lenses["velocity-dispersion"], lenses["lens-redshift"], lenses["src-redshift"]
    )
    np.testing.assert_allclose(lenses["einstein-radius-sie"], expected)
    assert expected.min() > 0.499
    assert expected.max() < 2.601


def test_sources_lie_within_the_einstein_radius_uniformly(lenses):
    offset = np.hypot(
        lenses["src-center-x"] - lenses["lens-center-x"], lenses["src-center-y"] - lenses["lens-center-y"]
    )
    share = (offset / lenses["einstein-radius-sie"]) ** 2
    assert share.max() <= 1
    # The mean of 4000 uniform numbers is 0.5 +- 0.0046.
    assert abs(share.mean() - 0.5) < 0.02


def test_one_lens_does_not_depend_on_the_others(lenses):
    alone = draw_lenses(NUMBERS[17:18])
    assert all(alone[name][0] == values[17] for name, values in lenses.items())


def test_radii_and_shears_are_those_of_the_papers(lenses):
    # Radii that Shibuya et al. are quoted with at z = 3, 4, 5, kpc, at the luminosity L_0.
    np.testing.assert_allclose(population.median_radius(-21.0, np.array([3.0, 4, 5])), [1.3, 1.0, 0.8], atol=0.05)
    assert population.median_radius(-23.5, 1.0) / population.median_radius(-21.0, 1.0) == pytest.approx(10**0.27)
    shear = np.log10(np.hypot(lenses["shear-1"], lenses["shear-2"]))
    # Oguri's code: log10(0.05) with a deviation of 0.2; the mean of 4000 scatters by 0.003.
    assert abs(shear.mean() - np.log10(0.05)) < 0.01
    assert abs(shear.std() - 0.2) < 0.01


def test_counts_of_sources():
    magnitudes = np.array([23.5, 24.5, 25.0])
    redshifts = np.arange(0.005, 8, 0.01)
    total = source_counts(magnitudes, redshifts).sum(axis=0) * 0.01
    # 46 (10^(0.31 (24.5 - 25)) - 10^(0.31 (23.5 - 25))) and 46 (1 - 10^(0.31 (24.5 - 25))) per square arcminute.
    np.testing.assert_allclose(total, [16.43, 13.81], rtol=2e-3)


@pytest.mark.parametrize(
    ("name", "redshift", "expected"),
    [
        ("red", 0.2, (0.72, 0.30, 0.20)),
        ("red", 1.0, (1.58, 0.48, 0.43)),
        ("blue", 0.6, (0.65, 0.22, 0.24)),
        ("blue", 2.0, (0.73, 0.70, 0.37)),
    ],
)
def test_colours_are_those_of_skypy(name, redshift, expected):
    redshift = np.full(4000, redshift)
    coefficients = draw_coefficients(name, redshift, NUMBERS[:, :5])
    np.testing.assert_allclose(coefficients.sum(axis=1), 1)
    magnitudes = apparent_magnitudes(np.zeros(4000), coefficients, redshift)
    found = [np.median(magnitudes[blue] - magnitudes[red]) for blue, red in pairwise(BANDS)]
    # Medians of skypy's own draws; those of 4000 galaxies scatter by 0.01.
    np.testing.assert_allclose(found, expected, atol=0.03)


def test_k_correction_is_small_where_vis_is_red_light():
    # VIS (0.55 to 0.9 um) at z = 0.15 sees 0.48 to 0.78 um; the r band is within it.
    redshift = np.full(1000, 0.15)
    coefficients = draw_coefficients("red", redshift, NUMBERS[:1000, :5])
    modulus = 5 * np.log10(cosmology.comoving_distance(0.15) * 1.15) + 25
    correction = magnitude_of_luminosity(np.full(1000, -22.0), coefficients, redshift) + 22 - modulus
    assert -0.5 < np.median(correction) < 0.2


def test_kinds_have_their_shares():
    kinds = draw_kinds(0, range(2000), lens_share=0.3)
    shares = np.bincount(kinds, minlength=len(KINDS)) / 2000
    assert abs(shares[0] - 0.3) < 0.04  # 4 standard deviations
    for kind, share in NONLENS_SHARES.items():
        assert abs(shares[KINDS.index(kind)] - 0.7 * share) < 0.04
    assert np.array_equal(draw_kinds(0, range(100), lens_share=0.0) > 0, np.ones(100, bool))
    assert set(draw_kinds(0, range(50), {"lone": 1.0}, 0.0)) == {KINDS.index("lone")}


@pytest.fixture(scope="module")
def scenes():
    kinds = np.arange(480) % 8
    return kinds, draw_scenes(3, range(480), kinds)


def test_draws_depend_on_seed_and_index_alone(scenes):
    kinds, draws = scenes
    again = draw_scenes(3, [100, 5], kinds[[100, 5]])
    assert all(np.array_equal(values, draws[name][[100, 5]]) for name, values in again.items())
    retried = draw_scenes(3, [100, 5], kinds[[100, 5]], np.array([1, 0]))
    assert retried["lens-redshift"][0] != again["lens-redshift"][0]
    assert retried["lens-redshift"][1] == again["lens-redshift"][1]


def test_each_kind_has_the_light_it_should(scenes):
    kinds, draws = scenes

    def present(name, kind):
        return np.isfinite(draws[name][kinds == KINDS.index(kind)])

    for kind in NONLENS_SHARES:
        assert present("src-magnitude-vis", kind).all() == (kind == "single-image")
        assert present("disk-magnitude-h", kind).all() == (kind in non_lenses.DISKS)
        assert present("companion-1-magnitude-vis", kind).all() == (kind in ("companions", "merger"))
    assert np.all(draws["einstein-radius-sie"][(kinds > 0) & (kinds != KINDS.index("single-image"))] == 0)
    assert present("companion-3-magnitude-vis", "companions").any()
    assert not any(np.isnan(values).any() for values in draws.values())


def test_a_single_image_lies_beyond_the_einstein_radius_and_in_the_field(scenes):
    kinds, draws = scenes
    some = {name: values[kinds == KINDS.index("single-image")] for name, values in draws.items()}
    offset = np.hypot(some["src-center-x"] - some["lens-center-x"], some["src-center-y"] - some["lens-center-y"])
    radius = some["einstein-radius-sie"]
    assert np.all((offset > 1.7 * radius) & (offset < 2.5 * radius))
    assert np.all(offset + radius < 3.3)
    expected = cosmology.isothermal_einstein_radius(
        some["velocity-dispersion"], some["lens-redshift"], some["src-redshift"]
    )
    np.testing.assert_allclose(radius, expected, rtol=2e-3)  # the redshift is interpolated


def test_companions_are_as_bright_as_arcs(scenes):
    kinds, draws = scenes
    rows = kinds == KINDS.index("companions")
    flux = sum(10 ** (-0.4 * draws[f"companion-{k}-magnitude-vis"][rows]) for k in (1, 2, 3))
    arcs = non_lenses._arcs(20.0)["src-magnitude-vis"]
    # Medians of 60 galaxies of a scatter of about one magnitude.
    assert abs(np.median(-2.5 * np.log10(flux)) - np.median(arcs)) < 0.5

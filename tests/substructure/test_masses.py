"""Mass functions and positions of dark substructure."""

import numpy as np
import pytest
from scipy import integrate, stats

import params_and_cli as panel
from stronglens.substructure.masses import (
    class_of,
    draw_subhalos,
    masses_at,
    mean_mass,
    mean_number,
    most_masses,
    place_vortex,
)


def parameters(**values):
    return panel.SubstructureSimulation.of(panel.OVERRIDES, **values)


@pytest.mark.parametrize("slope", [-1.9, -0.9, -1.0, -2.0, 0.5])
def test_masses_follow_the_mass_function(slope):
    masses = masses_at(np.random.default_rng(1).random(20_000), slope, 1e6, 1e10)
    assert masses.min() >= 1e6 * (1 - 1e-9)
    assert masses.max() <= 1e10 * (1 + 1e-9)

    def cumulative(mass):
        power = slope + 1
        if power == 0:
            return np.log(mass / 1e6) / np.log(1e4)
        return (mass**power - 1e6**power) / (1e10**power - 1e6**power)

    assert stats.kstest(masses, cumulative).pvalue > 1e-3


@pytest.mark.parametrize("slope", [-1.9, -0.9, -1.0, -2.0])
def test_mean_mass_is_the_integral(slope):
    moments = [integrate.quad(lambda t, p=p: np.exp(t * (slope + 1 + p)), np.log(1e6), np.log(1e10))[0] for p in (0, 1)]
    np.testing.assert_allclose(mean_mass(slope, 1e6, 1e10), moments[1] / moments[0], rtol=1e-8)


def test_a_full_population_and_the_public_one():
    # The numbers of the literature: about 2,200 halos make up 3e10 Msun; the public recipe's 25 halos have 3.8e10.
    assert mean_number(parameters(), 3e10) == pytest.approx(2204, abs=1)
    public = parameters(substructure_preset="public")
    assert mean_number(public, 3e10) == 25
    assert 25 * mean_mass(public.subhalo_mass_slope, 1e6, 1e10) == pytest.approx(3.8e10, rel=0.01)
    assert most_masses(public) == 100  # points of a vortex


def test_subhalos_have_the_mass_that_was_drawn():
    for index in range(5):
        mass, x, y = draw_subhalos(parameters(), 0, index, 3e10)
        assert mass.sum() == pytest.approx(3e10)
        assert 1900 < len(mass) < 2500  # Poisson
        assert np.hypot(x, y).max() <= 2.0
    again = draw_subhalos(parameters(), 0, 4, 3e10)
    np.testing.assert_array_equal(again[0], mass)
    assert not np.array_equal(draw_subhalos(parameters(), 1, 4, 3e10)[0][:50], mass[:50])


def test_a_given_number_keeps_the_masses_as_drawn():
    mass, _, _ = draw_subhalos(parameters(subhalo_number=7), 0, 0, 3e10)
    assert len(mass) == 7
    assert mass.sum() != pytest.approx(3e10)


@pytest.mark.parametrize(("density", "power"), [("area", 2), ("radius", 1)])
def test_positions_of_subhalos(density, power):
    chosen = parameters(subhalo_number=10_000, subhalo_density=density, subhalo_radius_min=0.5)
    _, x, y = draw_subhalos(chosen, 0, 0, 3e10)
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    assert stats.kstest(radius, lambda r: (r**power - 0.5**power) / (2.0**power - 0.5**power)).pvalue > 1e-3
    assert stats.kstest(angle, stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-3


def test_a_vortex_is_a_line():
    draws = {
        "vortex-log-length": np.array([0.0, np.log10(0.5)]),
        "vortex-angle": np.array([90.0, 0.0]),
        "vortex-center-x": np.array([0.1, 0.0]),
        "vortex-center-y": np.array([0.0, -0.2]),
        "substructure-mass": np.array([3e10, 1e10]),
    }
    mass, x, y = place_vortex(draws, 100)
    np.testing.assert_allclose(mass.sum(axis=1), [3e10, 1e10])
    np.testing.assert_allclose(x[0], 0.1)
    np.testing.assert_allclose(y[0], np.linspace(-1, 1, 100))  # half-length 1
    np.testing.assert_allclose(x[1], np.linspace(-0.5, 0.5, 100))
    np.testing.assert_allclose(y[1], -0.2)


def test_classes_alternate():
    np.testing.assert_array_equal(class_of([0, 1, 2, 3, 128]), [0, 1, 2, 0, 2])

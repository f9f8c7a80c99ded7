import numpy as np
import pytest
from astropy import constants, units
from astropy.cosmology import Planck18

from stronglens import cosmology

Z_LENS, Z_SOURCE = np.array([0.2, 0.5, 0.8, 1.5]), np.array([1.0, 2.0, 3.0, 9.0])


def test_distances_are_astropys():
    d_lens, d_source, d_lens_source = cosmology.angular_diameter_distances(Z_LENS, Z_SOURCE)
    # 1e-6: the interpolation's error; Planck18 is flat to 1e-10, and its neutrinos are in the table
    np.testing.assert_allclose(d_lens, Planck18.angular_diameter_distance(Z_LENS).value, rtol=1e-6)
    np.testing.assert_allclose(d_source, Planck18.angular_diameter_distance(Z_SOURCE).value, rtol=1e-6)
    np.testing.assert_allclose(d_lens_source, Planck18.angular_diameter_distance(Z_LENS, Z_SOURCE).value, rtol=1e-6)


def test_convergence_scale_is_ratio_of_critical_densities():
    def critical(z_lens, z_source):
        distances = (
            Planck18.angular_diameter_distance(z_source)
            / Planck18.angular_diameter_distance(z_lens)
            / Planck18.angular_diameter_distance(z_lens, z_source)
        )
        return (constants.c**2 / (4 * np.pi * constants.G) * distances).to(units.kg / units.m**2).value

    pairs = zip(Z_LENS, Z_SOURCE, strict=True)
    expected = critical(0.5, 2.0) / np.array([critical(lens, source) for lens, source in pairs])
    np.testing.assert_allclose(cosmology.convergence_scale(Z_LENS, Z_SOURCE), expected, rtol=1e-6)
    assert cosmology.convergence_scale(0.5, 2.0) == pytest.approx(1)


def test_convergence_scale_over_the_default_ranges():
    # at the corners of the ranges z_l 0.2-0.8, z_s 1-3; random draws span 0.30 to 1.11
    z_lens, z_source = np.meshgrid(np.linspace(0.2, 0.8, 50), np.linspace(1, 3, 50))
    scale = cosmology.convergence_scale(z_lens, z_source)
    assert scale.min() == pytest.approx(0.30, abs=0.01)
    assert scale.max() == pytest.approx(1.12, abs=0.01)


def test_isothermal_einstein_radius():
    # a lens of 220 km/s at infinite distance ratio: 4 pi (220 / c)^2 = 1.40 arcsec (Narayan & Bartelmann 1996, eq. 48)
    _, d_source, d_lens_source = cosmology.angular_diameter_distances(0.5, 2.0)
    radius = cosmology.isothermal_einstein_radius(220.0, 0.5, 2.0)
    assert radius / (d_lens_source / d_source) == pytest.approx(1.40, abs=0.005)


def test_dimming_is_tolmans():
    assert cosmology.surface_brightness_dimming(1.0, 1.0) == 1
    assert cosmology.surface_brightness_dimming(3.0, 1.0) == pytest.approx(1 / 16)


def test_redshift_beyond_the_table_is_refused():
    with pytest.raises(ValueError, match="redshift outside"):
        cosmology.comoving_distance(21.0)


def test_point_masses_by_constants_of_astropy():
    d_lens, d_source = (Planck18.angular_diameter_distance(z) for z in (0.4, 1.7))
    d_lens_source = Planck18.angular_diameter_distance(0.4, 1.7)
    squared = 4 * constants.G * 1e9 * constants.M_sun / constants.c**2 * d_lens_source / (d_lens * d_source)
    expected = (np.sqrt(squared.to_value(units.dimensionless_unscaled)) * units.rad).to_value(units.arcsec) ** 2
    assert cosmology.point_mass_strength(1e9, 0.4, 1.7) == pytest.approx(expected, rel=1e-4)  # masses of the sun differ


def test_halo_scale_radius_by_its_definition():
    radius, concentration = cosmology.halo_scale_radius([1e8, 1e12], 0.5)
    # Duffy et al. 2008 give c_200 = 5.71 for M_200 = 2e12 Msun / h at z = 0.
    at_pivot = cosmology.halo_scale_radius(2e12 / Planck18.h, 1e-6)[1]
    assert at_pivot == pytest.approx(5.71, rel=1e-5)
    kpc = (radius * units.arcsec).to_value(units.rad) * Planck18.angular_diameter_distance(0.5).to_value("kpc")
    density = Planck18.critical_density(0.5).to_value("Msun / kpc3")
    mass = 4 / 3 * np.pi * (kpc * concentration) ** 3 * 200 * density
    np.testing.assert_allclose(mass, [1e8, 1e12], rtol=1e-3)

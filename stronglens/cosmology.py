"""Distances, lensing strength and surface-brightness dimming in the Planck 2018 cosmology.

Distances are from astropy's ``Planck18``. Its integrals take tens of microseconds per redshift, so the comoving
distance is tabulated once and interpolated. The cosmology is flat, so all angular-diameter distances follow from the
comoving distance.
"""

from functools import cache

import numpy as np

SPEED_OF_LIGHT = 299_792.458
"""Speed of light, km/s, exact."""

ARCSEC_PER_RADIAN = 180 * 3600 / np.pi

GRAVITATION = 4.30091727e-9
"""Gravitational constant, Mpc (km/s)^2 / Msun: G of CODATA 2018 and the IAU's nominal solar mass."""

REFERENCE_REDSHIFTS = (0.5, 2.0)
"""Lens and source redshift for which mass-to-light ratios and halo convergences are defined."""

QUOTED_LENS_REDSHIFT = 0.5
QUOTED_SOURCE_REDSHIFT = 1.0
"""Redshifts for which the intensities of lens and source are defined."""

MAXIMUM_REDSHIFT = 20.0
"""Upper end of the tabulated redshifts."""


def comoving_distance(redshift):
    """Return the line-of-sight comoving distance.

    Parameters
    ----------
    redshift : array_like, 0 to 20

    Returns
    -------
    ndarray, Mpc

    Raises
    ------
    ValueError
        For a redshift outside the tabulated range.
    """
    redshift = np.asarray(redshift, float)
    if np.any((redshift < 0) | (redshift > MAXIMUM_REDSHIFT)):
        raise ValueError(f"redshift outside 0 to {MAXIMUM_REDSHIFT:g}")
    return _comoving_spline()(np.log1p(redshift))


def angular_diameter_distances(z_lens, z_source):
    """Return the three angular-diameter distances of a lens system.

    Parameters
    ----------
    z_lens, z_source : array_like

    Returns
    -------
    (d_lens, d_source, d_lens_source) : ndarrays, Mpc
        The last is (chi_s - chi_l) / (1 + z_s), valid in a flat universe (Hogg 1999, astro-ph/9905116, eq. 19); it is
        negative if the source is in front of the lens.

    Raises
    ------
    ValueError
        For a redshift outside the tabulated range.
    """
    chi_lens, chi_source = comoving_distance(z_lens), comoving_distance(z_source)
    scale_source = 1 + np.asarray(z_source, float)
    return chi_lens / (1 + np.asarray(z_lens, float)), chi_source / scale_source, (chi_source - chi_lens) / scale_source


def convergence_scale(z_lens, z_source, reference=REFERENCE_REDSHIFTS):
    """Return S = Sigma_cr(reference) / Sigma_cr(z_lens, z_source).

    The factor S converts a convergence for the reference redshifts to that for other redshifts, since a surface density
    Sigma has the convergence Sigma / Sigma_cr, with Sigma_cr = c^2 / (4 pi G) D_s / (D_l D_ls) (Schneider, Ehlers &
    Falco 1992, eq. 5.5).

    Parameters
    ----------
    z_lens, z_source : array_like
    reference : (float, float)
        Redshifts of lens and source.

    Returns
    -------
    ndarray, dimensionless
    """
    return _inverse_critical_density(z_lens, z_source) / _inverse_critical_density(*reference)


def isothermal_einstein_radius(velocity_dispersion, z_lens, z_source):
    """Return the Einstein radius of an isothermal lens on the intermediate axis.

    theta_E = 4 pi (sigma_v / c)^2 D_ls / D_s (Narayan & Bartelmann 1996, astro-ph/9606001, eq. 47).

    Parameters
    ----------
    velocity_dispersion : array_like, km/s
    z_lens, z_source : array_like

    Returns
    -------
    ndarray, arcsec
    """
    _, d_source, d_lens_source = angular_diameter_distances(z_lens, z_source)
    ratio = np.asarray(velocity_dispersion, float) / SPEED_OF_LIGHT
    return 4 * np.pi * ratio**2 * d_lens_source / d_source * ARCSEC_PER_RADIAN


def plane_scale(z_lens, z_middle, z_source):
    """Return beta = D_lm D_s / (D_m D_ls), the deflection by a lens of a nearer source relative to a farther one.

    With two source planes, a deflection angle alpha for the farther source is beta alpha for the nearer one (Schneider,
    Ehlers & Falco 1992, section 9.1).

    Parameters
    ----------
    z_lens, z_middle, z_source : array_like, increasing

    Returns
    -------
    ndarray, 0 to 1
    """
    _, middle, lens_middle = angular_diameter_distances(z_lens, z_middle)
    _, source, lens_source = angular_diameter_distances(z_lens, z_source)
    return lens_middle * source / (middle * lens_source)


def point_mass_strength(mass, z_lens, z_source, distances: str = "angular"):
    """Return the square of the Einstein radius of a point mass.

    theta_E^2 = 4 G M / c^2 D_ls / (D_l D_s) (Narayan & Bartelmann 1996, astro-ph/9606001, eq. 21).

    Parameters
    ----------
    mass : array_like, Msun
    z_lens, z_source : array_like
    distances : {"angular", "luminosity"}
        Angular-diameter distances; or, incorrectly, luminosity distances and their difference, as in the public
        DeepLense simulator.

    Returns
    -------
    ndarray, arcsec^2
    """
    d_lens, d_source, d_lens_source = angular_diameter_distances(z_lens, z_source)
    if distances == "luminosity":
        d_lens, d_source = d_lens * (1 + np.asarray(z_lens)) ** 2, d_source * (1 + np.asarray(z_source)) ** 2
        d_lens_source = d_source - d_lens
    focus = d_lens_source / (d_lens * d_source)
    return 4 * GRAVITATION / SPEED_OF_LIGHT**2 * np.asarray(mass, float) * focus * ARCSEC_PER_RADIAN**2


def halo_scale_radius(virial_mass, redshift):
    """Return the scale radius and concentration of an NFW halo.

    c_200 = 5.71 (M_200 h / 2e12 Msun)^-0.084 (1 + z)^-0.47, a fit to all (relaxed and unrelaxed) halos above 1e11 Msun
    (Duffy et al. 2008, MNRAS 390, L64, table 1), extrapolated to lower masses. The mean density within r_200 is 200
    times the critical density.

    Parameters
    ----------
    virial_mass : array_like, Msun, M_200
    redshift : array_like

    Returns
    -------
    scale_radius : ndarray, arcsec
    concentration : ndarray
    """
    from astropy.cosmology import Planck18

    mass, redshift = np.asarray(virial_mass, float), np.asarray(redshift, float)
    hubble = Planck18.H0.value * Planck18.efunc(redshift)  # km/s/Mpc
    concentration = 5.71 * (mass * Planck18.h / 2e12) ** -0.084 * (1 + redshift) ** -0.47
    radius_200 = (mass * GRAVITATION / (100 * hubble**2)) ** (1 / 3)  # Mpc
    distance = comoving_distance(redshift) / (1 + redshift)
    return radius_200 / concentration / distance * ARCSEC_PER_RADIAN, concentration


def surface_brightness_dimming(redshift, quoted_redshift):
    """Return the ratio of the surface brightness at one redshift to that at another.

    The ratio is ((1 + z_quoted) / (1 + z))^4 (Tolman 1930, PNAS 16, 511). For photon counts in a band without
    K-correction this corresponds to a spectrum f_nu ~ 1 / nu.

    Parameters
    ----------
    redshift : array_like
    quoted_redshift : float
        Redshift for which the surface brightness is defined.

    Returns
    -------
    ndarray, dimensionless
    """
    return ((1 + quoted_redshift) / (1 + np.asarray(redshift, float))) ** 4


def _inverse_critical_density(z_lens, z_source):
    """Return D_l D_ls / D_s, Mpc, to which 1 / Sigma_cr is proportional."""
    d_lens, d_source, d_lens_source = angular_diameter_distances(z_lens, z_source)
    return d_lens * d_lens_source / d_source


@cache
def _comoving_spline():
    from astropy.cosmology import Planck18
    from scipy.interpolate import CubicSpline

    nodes = np.linspace(0, np.log1p(MAXIMUM_REDSHIFT), 800)
    return CubicSpline(nodes, Planck18.comoving_distance(np.expm1(nodes)).to_value("Mpc"))

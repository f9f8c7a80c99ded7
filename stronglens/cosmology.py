"""Redshifts to distances, lensing strength and dimming, in the Planck 2018 cosmology.

Distances come from astropy's ``Planck18``. Its integrals cost tens of microseconds a redshift, so the
comoving distance is tabulated once and interpolated; the cosmology is flat, so that every angular-diameter
distance follows from it.
"""

from functools import cache

import numpy as np

SPEED_OF_LIGHT = 299_792.458
"""km/s, exact."""

ARCSEC_PER_RADIAN = 180 * 3600 / np.pi

REFERENCE_REDSHIFTS = (0.5, 2.0)
"""Lens and source redshift for which mass-to-light ratios and halo convergences are quoted."""

QUOTED_LENS_REDSHIFT = 0.5
QUOTED_SOURCE_REDSHIFT = 1.0
"""Redshifts at which the intensities of lens and source are quoted."""

MAXIMUM_REDSHIFT = 20.0


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

    Returns
    -------
    (d_lens, d_source, d_lens_source) : ndarrays, Mpc
        The last is (chi_s - chi_l) / (1 + z_s), which holds in a flat universe (Hogg 1999,
        astro-ph/9905116, eq. 19); negative where the source stands in front of the lens.
    """
    chi_lens, chi_source = comoving_distance(z_lens), comoving_distance(z_source)
    scale_source = 1 + np.asarray(z_source, float)
    return chi_lens / (1 + np.asarray(z_lens, float)), chi_source / scale_source, (chi_source - chi_lens) / scale_source


def convergence_scale(z_lens, z_source, reference=REFERENCE_REDSHIFTS):
    """Return S = Sigma_cr(reference) / Sigma_cr(z_lens, z_source).

    A convergence quoted for the reference pair of redshifts is multiplied by S, because a given surface density
    has the convergence Sigma / Sigma_cr, with Sigma_cr = c^2 / (4 pi G) D_s / (D_l D_ls)
    (Schneider, Ehlers & Falco 1992, eq. 5.5).

    Returns
    -------
    ndarray, dimensionless
    """
    return _inverse_critical_density(z_lens, z_source) / _inverse_critical_density(*reference)


def isothermal_einstein_radius(velocity_dispersion, z_lens, z_source):
    """Return the Einstein radius of an isothermal lens, on the intermediate axis.

    theta_E = 4 pi (sigma_v / c)^2 D_ls / D_s (Narayan & Bartelmann 1996, astro-ph/9606001, eq. 47).

    Parameters
    ----------
    velocity_dispersion : array_like, km/s

    Returns
    -------
    ndarray, arcsec
    """
    _, d_source, d_lens_source = angular_diameter_distances(z_lens, z_source)
    ratio = np.asarray(velocity_dispersion, float) / SPEED_OF_LIGHT
    return 4 * np.pi * ratio**2 * d_lens_source / d_source * ARCSEC_PER_RADIAN


def surface_brightness_dimming(redshift, quoted_redshift):
    """Return the factor on a surface brightness quoted at one redshift and seen at another.

    ((1 + z_quoted) / (1 + z))^4 (Tolman 1930, PNAS 16, 511). In a photon-counting band without K-correction this
    stands for a spectrum f_nu ~ 1 / nu.
    """
    return ((1 + quoted_redshift) / (1 + np.asarray(redshift, float))) ** 4


def _inverse_critical_density(z_lens, z_source):
    """Return D_l D_ls / D_s, which 1 / Sigma_cr is proportional to."""
    d_lens, d_source, d_lens_source = angular_diameter_distances(z_lens, z_source)
    return d_lens * d_lens_source / d_source


@cache
def _comoving_spline():
    from astropy.cosmology import Planck18
    from scipy.interpolate import CubicSpline

    nodes = np.linspace(0, np.log1p(MAXIMUM_REDSHIFT), 800)
    return CubicSpline(nodes, Planck18.comoving_distance(np.expm1(nodes)).to_value("Mpc"))

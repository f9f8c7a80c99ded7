"""Masses of the substructure: subhalos drawn from a mass function, and vortices."""

from collections.abc import Sequence

import numpy as np

from stronglens.sampling import Draws, Stream, generator
from stronglens.substructure.class_folders import CLASSES

NO, SPHERE, VORTEX = range(len(CLASSES))


def class_of(indices: Sequence[int]) -> np.ndarray:
    """Return the classes of images by index. Classes alternate, so that every sequence of images is balanced."""
    return np.asarray(indices) % len(CLASSES)


def mean_mass(slope: float, lightest: float, heaviest: float) -> float:
    """Return the mean mass for dN/dm ~ m^slope between two masses, in their unit."""
    return _power_integral(slope + 1, lightest, heaviest) / _power_integral(slope, lightest, heaviest)


def mean_number(parameters, total: float) -> float:
    """Return the mean number of subhalos of a lens with a total subhalo mass, Msun."""
    function = parameters.subhalo_mass_slope, parameters.subhalo_mass_min, parameters.subhalo_mass_max
    return float(parameters.subhalo_number or total / mean_mass(*function))


def most_masses(parameters) -> int:
    """Return the maximum number of point masses of a lens, for subhalos seven standard deviations above the mean."""
    number = mean_number(parameters, parameters.substructure_mass_range.high)
    if not parameters.subhalo_number:
        number = int(number + 7 * number**0.5 + 10)
    return max(int(number), parameters.vortex_points)


def masses_at(fractions: np.ndarray, slope: float, lightest: float, heaviest: float) -> np.ndarray:
    """Return quantiles of the mass function dN/dm ~ m^slope (inverse of its cumulative distribution).

    Parameters
    ----------
    fractions : ndarray (M,)
        Cumulative fractions, 0 to 1.
    slope : float
    lightest, heaviest : float
        Limits of the mass function, in any unit.

    Returns
    -------
    ndarray (M,), in the unit of the limits
    """
    power = slope + 1
    if abs(power) < 1e-9:
        return lightest * (heaviest / lightest) ** fractions
    low, high = lightest**power, heaviest**power
    return (low + fractions * (high - low)) ** (1 / power)


def draw_subhalos(parameters, seed: int, index: int, total: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw the subhalos of one lens. They depend only on the seed, the index of the image and the total mass.

    Parameters
    ----------
    parameters : SubstructureSimulation
    seed : int
    index : int
        Index of the image.
    total : float, Msun
        Total mass to which the masses are scaled; unused if the number of subhalos is given.

    Returns
    -------
    mass : ndarray (M,), Msun
    x, y : ndarray (M,), arcsec
        Positions relative to the centre of the lens.
    """
    random = generator(seed, Stream.SUBSTRUCTURE, index)
    function = parameters.subhalo_mass_slope, parameters.subhalo_mass_min, parameters.subhalo_mass_max
    number = parameters.subhalo_number
    if not number:
        number = int(np.clip(random.poisson(mean_number(parameters, total)), 1, most_masses(parameters)))
    fraction, place, turn = random.random((3, number))
    mass = masses_at(fraction, *function)
    if not parameters.subhalo_number:
        mass *= total / mass.sum()
    inner, outer = parameters.subhalo_radius_min, parameters.subhalo_radius_max
    if parameters.subhalo_density == "area":
        radius = np.sqrt(inner**2 + place * (outer**2 - inner**2))
    else:
        radius = inner + place * (outer - inner)
    return mass, radius * np.cos(2 * np.pi * turn), radius * np.sin(2 * np.pi * turn)


def place_vortex(draws: Draws, points: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the point masses of vortices, evenly spaced along each vortex.

    Parameters
    ----------
    draws : dict of column to ndarray (N,)
    points : int
        Number of point masses per vortex.

    Returns
    -------
    mass : ndarray (N, points), Msun
    x, y : ndarray (N, points), arcsec
        Positions relative to the centre of the lens.
    """
    along = 10 ** draws["vortex-log-length"][:, None] * np.linspace(-1, 1, points)
    angle = np.radians(draws["vortex-angle"])[:, None]
    x = draws["vortex-center-x"][:, None] + along * np.cos(angle)
    y = draws["vortex-center-y"][:, None] + along * np.sin(angle)
    return np.repeat(draws["substructure-mass"][:, None] / points, points, axis=1), x, y


def _power_integral(slope: float, low: float, high: float) -> float:
    """Return the integral of m^slope."""
    power = slope + 1
    return np.log(high / low) if abs(power) < 1e-9 else (high**power - low**power) / power

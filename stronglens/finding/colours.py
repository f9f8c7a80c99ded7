"""Colours and K-corrections of galaxies, from five spectral templates seen through the bands of Euclid."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from scipy.special import gammaincinv

from stronglens import cosmology

BANDS = ("VIS", "Y", "J", "H")
TABLE = Path(__file__).with_name("templates.txt")
LAST_REDSHIFT = 3.95
"""Upper end of the table of templates."""

DIRICHLET = {
    "blue": (
        (2.079, 3.524, 1.917, 1.992, 2.536),
        (2.265, 3.862, 1.921, 1.685, 2.480),
        (3.47e9, 3.31e6, 2.13e9, 1.64e10, 1.01e9),
    ),
    "red": (
        (2.461, 2.358, 2.568, 2.268, 2.402),
        (2.410, 2.340, 2.200, 2.540, 2.464),
        (3.84e9, 1.57e6, 3.91e8, 4.66e10, 3.03e7),
    ),
}
"""Exponents at redshift 0, at redshift 1, and weights of the templates (Herbel et al. 2017, JCAP 08, 035)."""

TEMPLATES = 5


def draw_coefficients(population: str, redshift: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Draw the masses of the templates in galaxies, relative to each other.

    They follow a Dirichlet distribution of exponents alpha_0^(1 - z) alpha_1^z, times a weight of each template
    (Herbel et al. 2017, JCAP 08, 035, eq. 3.9).

    Parameters
    ----------
    population : {"red", "blue"}
    redshift : ndarray (N,)
    numbers : ndarray (N, 5)
        Uniform random numbers, 0 to 1.

    Returns
    -------
    ndarray (N, 5)
        Each row sums to 1.
    """
    first, second, weights = (np.array(row) for row in DIRICHLET[population])
    progress = np.asarray(redshift, float)[:, None]
    # A Dirichlet vector is a vector of independent gamma variates, divided by its sum.
    masses = gammaincinv(first ** (1 - progress) * second**progress, numbers) * weights
    return masses / masses.sum(axis=1, keepdims=True)


def apparent_magnitudes(
    brightness: np.ndarray, coefficients: np.ndarray, redshift: np.ndarray, bands: Sequence[str] = BANDS
) -> dict[str, np.ndarray]:
    """Return the magnitudes in all bands of galaxies of known magnitude in VIS.

    Parameters
    ----------
    brightness : ndarray (N,), AB mag
        In VIS.
    coefficients : ndarray (N, 5)
        From `draw_coefficients`.
    redshift : ndarray (N,)
        Redshifts outside the table, 0.05 to 3.95, have the colours of its ends.
    bands : sequence of str

    Returns
    -------
    dict of band to ndarray (N,), AB mag
    """
    fluxes = _band_fluxes(coefficients, redshift)
    return {band: brightness - 2.5 * np.log10(fluxes[:, BANDS.index(band)] / fluxes[:, 0]) for band in bands}


def magnitude_of_luminosity(absolute: np.ndarray, coefficients: np.ndarray, redshift: np.ndarray) -> np.ndarray:
    """Return the apparent magnitude in VIS of galaxies of known absolute magnitude in the rest-frame SDSS r band.

    m = M_r + distance modulus + K, where K compares VIS at the redshift with r at redshift 0 (Hogg et al. 2002,
    astro-ph/0210394, eq. 2).

    Parameters
    ----------
    absolute : ndarray (N,), AB mag
    coefficients : ndarray (N, 5)
    redshift : ndarray (N,), more than 0

    Returns
    -------
    ndarray (N,), AB mag
    """
    redshift = np.asarray(redshift, float)
    distance = cosmology.comoving_distance(redshift) * (1 + redshift)  # Mpc, of luminosity
    correction = -2.5 * np.log10(_band_fluxes(coefficients, redshift)[:, 0] / (coefficients @ _table()[2]))
    return absolute + 5 * np.log10(distance) + 25 + correction


def name_magnitudes(prefix: str, magnitudes: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return magnitudes by band under the names of columns, such as ``src-magnitude-vis``."""
    return {f"{prefix}-magnitude-{band.lower()}": values for band, values in magnitudes.items()}


def _band_fluxes(coefficients: np.ndarray, redshift: np.ndarray) -> np.ndarray:
    """Return the fluxes (N, B) of galaxies at 10 pc, redshifted; linear in redshift between lines of the table."""
    redshifts, fluxes, _ = _table()
    place = np.clip(np.interp(redshift, redshifts, np.arange(len(redshifts))), 0, len(redshifts) - 1 - 1e-9)
    below = place.astype(int)
    share = (place - below)[:, None, None]
    return np.einsum("nt,ntb->nb", coefficients, fluxes[below] * (1 - share) + fluxes[below + 1] * share)


@cache
def _table() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return redshifts (Z,), fluxes of the templates (Z, 5, B), and those in the rest-frame r band (5,)."""
    rows = np.loadtxt(TABLE)
    fluxes = 10 ** (-0.4 * rows[:, 2:])
    rest, shifted = rows[:, 0] == 0, rows[:, 0] > 0
    return np.unique(rows[shifted, 0]), fluxes[shifted].reshape(-1, TEMPLATES, len(BANDS)), fluxes[rest, 0]

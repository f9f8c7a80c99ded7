"""Decomposition of Sersic profiles into cored steep ellipsoids, as a function of the Sersic index.

Lensing by an elliptical Sersic profile has no closed form, but lensing by a sum of cored steep ellipsoids has one:

    kappa(r) = sum_j A_j / (2 (s_j^2 + r^2)^(3/2))                                (Oguri 2021, PASP 133, 074504)

PyAutoLens solves for the A_j for every lens, over a radial range in arcsec. Here radii are in units of the effective
radius, so that core radii and amplitudes depend only on the Sersic index. The solutions are computed once, at the
Chebyshev nodes of log n, and interpolated.
"""

from functools import cache

import numpy as np
from numpy.polynomial import chebyshev
from scipy.special import gamma, gammainc

SERSIC_INDEX_RANGE = (1.0, 6.0)
"""Below 1 a Sersic profile has a flat core that these ellipsoids cannot represent; above 6 its cusp is smaller than the
smallest core radius."""

ELLIPSOIDS = 36
_NODES = 40
_SAMPLES = 160
_RIDGE = 1e-8


def sersic_constant(sersic_index: np.ndarray) -> np.ndarray:
    """Return b_n, for which the effective radius contains half of the light.

    It is the expansion of Ciotti & Bertin 1999, A&A 352, 447, with PyAutoLens's number of terms.

    Parameters
    ----------
    sersic_index : ndarray

    Returns
    -------
    ndarray
    """
    n = np.asarray(sersic_index, float)
    return 2 * n - 1 / 3 + 4 / (405 * n) + 46 / (25515 * n**2) + 131 / (1148175 * n**3) - 2194697 / (30690717750 * n**4)


def mean_convergence(radius: np.ndarray, sersic_index: np.ndarray) -> np.ndarray:
    """Return the mean within a circle of a circular Sersic profile that is 1 at the effective radius.

    It is 2 n exp(b) b^(-2n) gamma(2n, b x^(1/n)) / x^2 with the lower incomplete gamma function (Graham & Driver 2005,
    PASA 22, 118).

    Parameters
    ----------
    radius : ndarray, effective radii
    sersic_index : ndarray
        It is broadcast with ``radius``.

    Returns
    -------
    ndarray
    """
    n = np.asarray(sersic_index, float)
    b = sersic_constant(n)
    return 2 * n * np.exp(b) * b ** (-2 * n) * gamma(2 * n) * gammainc(2 * n, b * radius ** (1 / n)) / radius**2


def sersic_ellipsoids(sersic_index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the ellipsoids of a Sersic profile that is 1 at its effective radius.

    The maximum error of a deflection, relative to the maximum deflection, is 2e-7 for n <= 3 and 8e-7 for n <= 6.

    Parameters
    ----------
    sersic_index : ndarray (N,), 1 to 6

    Returns
    -------
    amplitudes : ndarray (N, ELLIPSOIDS) float64, effective radii cubed
    core_radii : ndarray (N, ELLIPSOIDS) float64, effective radii

    Raises
    ------
    ValueError
        When an index is outside ``SERSIC_INDEX_RANGE``.
    """
    n = np.atleast_1d(np.asarray(sersic_index, float))
    low, high = SERSIC_INDEX_RANGE
    if not np.all((n >= low) & (n <= high)):
        raise ValueError(
            f"sersic_index must lie in {low:g} to {high:g} for a stellar mass profile, not {n.min():g} to {n.max():g}"
        )
    core_radii = _core_radii(n)
    return chebyshev.chebval(_position(n), _coefficients()).T * core_radii**2, core_radii


def _core_radii(n: np.ndarray) -> np.ndarray:
    """Return core radii from inside the cusp (smaller for larger n) to beyond the edge of a profile."""
    low, high = -3 - 6 * np.log10(n), 1.4 + 0.1 * n
    return 10 ** (low[:, None] + (high - low)[:, None] * np.linspace(0, 1, ELLIPSOIDS))


def _position(n: np.ndarray) -> np.ndarray:
    low, high = np.log(SERSIC_INDEX_RANGE)
    return (2 * np.log(n) - low - high) / (high - low)


@cache
def _coefficients() -> np.ndarray:
    """Return the Chebyshev coefficients (nodes, ELLIPSOIDS), in log n, of the amplitudes over squared core radii."""
    position = np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES)
    low, high = np.log(SERSIC_INDEX_RANGE)
    n = np.exp((position * (high - low) + low + high) / 2)
    return chebyshev.chebfit(position, np.stack([_solve(n) for n in n]), _NODES - 1)


def _solve(n: float) -> np.ndarray:
    """Fit r kappa and the deflection jointly with equal weights, since small values hardly deflect rays.

    Ridge regularisation prevents amplitudes that cancel, so that float32 is sufficient for their sum.
    """
    s = _core_radii(np.array([n]))[0]
    r = np.geomspace(s[0] / 3, s[-1] * 10, _SAMPLES)[:, None]
    root = np.sqrt(r**2 + s**2)
    design = np.concatenate([r * s**2 / (2 * root**3), r * s / (root * (root + s))])
    r = r[:, 0]
    profile = np.exp(-sersic_constant(n) * (r ** (1 / n) - 1))
    target = np.concatenate([r * profile, r * mean_convergence(r, n)])
    left, values, right = np.linalg.svd(design, full_matrices=False)
    return (right.T * (values / (values**2 + 2 * _SAMPLES * _RIDGE**2))) @ (left.T @ target)

"""Independent reference: elliptical Sersic lenses by quadrature in NumPy."""

import functools

import numpy as np

gauss_legendre = functools.cache(np.polynomial.legendre.leggauss)  # a tenth of a second


def sersic_b(n):
    """The expansion of Ciotti & Bertin 1999, as PyAutoLens writes it."""
    return 2 * n - 1 / 3 + 4 / (405 * n) + 46 / (25515 * n**2) + 131 / (1148175 * n**3) - 2194697 / (30690717750 * n**4)


def sersic_deflections(rays, centre, ell_comps, height, effective_radius, sersic_index, nodes=300, power=8):
    """alpha_x = q x int_0^1 kappa(xi(u)) / sqrt(1 - (1 - q^2) u) du, and the same in y (Keeton 2001).

    u = t^power takes the cusp out of the integrand: 300 nodes agree with 1500 to 1e-10, for an axis ratio of 0.05.
    """
    modulus = np.hypot(*ell_comps)
    q, angle = (1 - modulus) / (1 + modulus), np.arctan2(*ell_comps) / 2
    y, x = (np.asarray(rays) - np.asarray(centre)).T
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    node, weight = gauss_legendre(nodes)
    t, weight = (node + 1) / 2, weight / 2
    u, weight = t**power, weight * power * t ** (power - 1)
    flattening = 1 - (1 - q**2) * u
    radius = np.sqrt(q * u * (along[:, None] ** 2 + across[:, None] ** 2 / flattening))
    kappa = height * np.exp(-sersic_b(sersic_index) * ((radius / effective_radius) ** (1 / sersic_index) - 1))
    a = q * along * (kappa @ (weight / flattening**0.5))
    b = q * across * (kappa @ (weight / flattening**1.5))
    return np.stack([a * np.sin(angle) + b * np.cos(angle), a * np.cos(angle) - b * np.sin(angle)], axis=-1)

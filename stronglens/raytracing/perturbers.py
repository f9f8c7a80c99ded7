"""Perturbers of a smooth lens: point masses and truncated NFW halos.

The strength of a perturber is the square of the Einstein radius of a point with its total mass: at large distances r it
deflects light by strength / r.
"""

from dataclasses import dataclass

import autoarray as aa
import autolens as al
import numpy as np

from stronglens.raytracing.profiles import SMALLEST_RADIUS, _arctanh_over_root, _materialize

KINDS = ("point", "nfw")
"""Point masses, and spherical NFW halos truncated as by Baltz, Marshall & Oguri 2009."""

_NODES, _FEW_NODES = 24, 4
"""Numbers of quadrature nodes in direction, for halos near to and far from the edge of a circle."""

_FAR = 8.0
"""Distance of far halos, in truncation radii. Less than 2 % of a halo's mass is beyond it, and varies slowly."""


@dataclass(frozen=True)
class Perturbers:
    """Perturbers of N lenses, one row per lens; rows are padded with strength 0.

    Parameters
    ----------
    x, y : ndarray (N, M), arcsec
    strength : ndarray (N, M), arcsec^2
        Square of the Einstein radius of a point with the total mass.
    scale_radius : ndarray (N, M), arcsec, or None
        None for point masses.
    truncation_radius : ndarray (N, M), arcsec, or None
        None for point masses.

    Raises
    ------
    ValueError
        When shapes differ, a strength is negative, or a halo has no radius.
    """

    x: np.ndarray
    y: np.ndarray
    strength: np.ndarray
    scale_radius: np.ndarray | None = None
    truncation_radius: np.ndarray | None = None

    def __post_init__(self):
        if (self.scale_radius is None) != (self.truncation_radius is None):
            raise ValueError("halos need both a scale radius and a truncation radius; point masses have neither")
        for name in ("x", "y", "strength", "scale_radius", "truncation_radius"):
            values = getattr(self, name)
            if values is None:
                continue
            values = np.asarray(values, float)
            object.__setattr__(self, name, values)
            if values.ndim != 2 or values.shape != np.shape(self.x):
                raise ValueError(f"{name} must have the shape (N, M) of x, {np.shape(self.x)}, not {values.shape}")
        if not (self.strength >= 0).all():
            raise ValueError("strength must not be negative")
        if (
            self.kind == "nfw"
            and not ((self.strength == 0) | (self.scale_radius > 0) & (self.truncation_radius > 0)).all()
        ):
            raise ValueError("scale_radius and truncation_radius must be above 0 for halos with mass")

    def __len__(self) -> int:
        return len(self.x)

    @property
    def kind(self) -> str:
        """``point`` or ``nfw``."""
        return "point" if self.scale_radius is None else "nfw"

    def of_lens(self, row: int) -> np.ndarray:
        """Return the masses of one lens.

        Parameters
        ----------
        row : int

        Returns
        -------
        ndarray (3 or 5, m) float64
            x, y, strength (and scale and truncation radius) of the perturbers with a mass.
        """
        has_mass = self.strength[row] > 0
        columns = (self.x, self.y, self.strength, self.scale_radius, self.truncation_radius)
        return np.stack([column[row, has_mass] for column in columns if column is not None])


class NFWTruncatedSph(al.mp.NFWTruncatedSph):
    """Truncated spherical NFW halo, accurate in float32 and compatible with JAX.

    Parameters
    ----------
    centre : (y, x), arcsec
    kappa_s : rho_s r_s / Sigma_cr
    scale_radius : arcsec
    truncation_radius : arcsec
    """

    @classmethod
    def from_strength(cls, centre, strength, scale_radius, truncation_radius):
        """Build a halo from its total mass (Baltz, Marshall & Oguri 2009, JCAP 01, 015, equation A.5).

        Parameters
        ----------
        centre : (y, x), arcsec
        strength : float, arcsec^2
            Square of the Einstein radius of a point with the total mass.
        scale_radius, truncation_radius : float, arcsec
        """
        total = total_mass_of_truncated_nfw(truncation_radius / scale_radius)
        return cls(centre, strength / (4 * scale_radius**2 * total), scale_radius, truncation_radius)

    @aa.decorators.to_vector_yx
    @aa.decorators.transform
    def deflections_yx_2d_from(self, grid, xp=np, **kwargs):
        """Return deflection angles: 4 kappa_s m(x) / x^2 times the position, x = r / r_s.

        Parameters
        ----------
        grid : (N, 2) of (y, x), arcsec
        xp : module, ``numpy`` or ``jax.numpy``

        Returns
        -------
        (N, 2) of (y, x), arcsec
        """
        y, x = grid.array[:, 0], grid.array[:, 1]
        radius = xp.maximum(xp.sqrt(x * x + y * y) / self.scale_radius, SMALLEST_RADIUS)
        factor = _materialize(4 * self.kappa_s * enclosed_truncated_nfw_mass(radius, self.tau, xp), xp)
        return xp.stack([factor * y, factor * x], axis=-1)


def total_mass_of_truncated_nfw(tau: np.ndarray) -> np.ndarray:
    """Return the total mass of a truncated NFW halo.

    Parameters
    ----------
    tau : array_like
        Truncation radius in scale radii.

    Returns
    -------
    array of the same shape
        Mass in units of 4 pi rho_s r_s^3; in these units an NFW halo has ln(1 + x) - x / (1 + x) within x scale radii.
    """
    squared = tau * tau
    return squared / (squared + 1) ** 2 * ((squared - 1) * np.log(tau) + np.pi * tau - (squared + 1))


def enclosed_truncated_nfw_mass(x, tau, xp=np):
    """Return m(x) / x^2, with the projected mass m within x scale radii in units of 4 pi rho_s r_s^3.

    It is equation A.7 of Baltz, Marshall & Oguri 2009 for n = 1, with terms combined so that they do not cancel near
    the centre or beyond the truncation. With w^2 = x^2 + tau^2, d = 1 / (tau (w + tau)), and h and f of the NFW halo,

        m / x^2 = tau^2 / (tau^2 + 1)^2 [(tau^2 - 1) (h / x^2 - ln(1 + x^2 d / 2) / x^2 - d arcsinh(tau / x))
                                         + 2 f - pi tau d]
    """
    return tau * tau / (tau * tau + 1) ** 2 * _bracket(x, tau, xp)


def _bracket(x, tau, xp):
    # The logarithms dominate the cost. There are three, and only one of them could suffer from cancellation.
    squared = x * x
    w = xp.sqrt(squared + tau * tau)
    d = 1 / (tau * (w + tau))
    inverse = 1 / squared

    s = xp.sqrt(xp.maximum(1 - squared, 0))
    deep, inside = x < 0.9, x < 1
    logarithm = xp.log((1 + s) / x) / xp.where(deep, s, 1)
    f = xp.where(deep, logarithm, _arctanh_over_root((1 - x) * (1 + x), xp, halvings=2, terms=10))
    # ln(1 + x^2 d / 2) = ln((w + tau) / (2 tau)) is combined with the logarithm of h, ln((1 + s) / 2) or ln(x / 2)
    shrunk = -squared * (1 / (1 + s) + d) / (2 + squared * d)
    logarithm = xp.log1p(xp.where(inside, shrunk, x * tau / (w + tau) - 1))
    h = logarithm * inverse + f * xp.where(inside, 1 / (1 + s), inverse)
    return (tau * tau - 1) * (h - d * xp.log((w + tau) / x)) + 2 * f - np.pi * tau * d


def enclosed_strength(
    perturbers: Perturbers, radius: np.ndarray, centre_x: np.ndarray, centre_y: np.ndarray
) -> np.ndarray:
    """Return the projected strength of the perturbers inside a circle on the sky.

    For a halo inside the circle, it is the mean over directions of its mass within the distance to the edge of the
    circle. For a halo outside, it is the mean of its mass between the two intersections with the edge.

    Parameters
    ----------
    perturbers : Perturbers
        Perturbers of N lenses.
    radius, centre_x, centre_y : ndarray (N,), arcsec

    Returns
    -------
    ndarray (N,) float64, arcsec^2
        The perturbers add the mean convergence strength / radius^2 inside the circle.
    """
    radius, centre_x, centre_y = (np.asarray(a, float)[:, None] for a in (radius, centre_x, centre_y))
    distance = np.hypot(perturbers.x - centre_x, perturbers.y - centre_y)
    if perturbers.kind == "point":
        return np.where(distance < radius, perturbers.strength, 0).sum(axis=1)
    enclosed = np.zeros(distance.shape)
    has_mass = (perturbers.strength > 0) & (radius > 0)
    is_near = abs(distance - radius) < _FAR * np.where(has_mass, perturbers.truncation_radius, 0)
    radius = np.broadcast_to(radius, distance.shape)
    for chosen, nodes in ((has_mass & is_near, _NODES), (has_mass & ~is_near, _FEW_NODES)):
        scale = perturbers.scale_radius[chosen]
        arguments = distance[chosen] / scale, radius[chosen] / scale, perturbers.truncation_radius[chosen] / scale
        enclosed[chosen] = perturbers.strength[chosen] * _share_inside(*arguments, nodes)
    return enclosed.sum(axis=1)


def _share_inside(distance, radius, tau, nodes):
    """Return the fraction of the mass of halos inside circles, from radii and distances in scale radii."""
    node, weight = np.polynomial.legendre.leggauss(nodes)
    # The distance to the edge varies as a square root near directions tangential to it; the substitution removes this.
    t, weight = (node + 1) / 2, weight / 2
    slope, weight = np.pi / 2 * (1 - t**2), weight * np.pi * t
    distance, radius, tau = (a[:, None] for a in (distance, radius, tau))
    # sin(direction) = min(1, R / d) sin(slope): all directions from inside; those that intersect the circle from
    # outside.
    ratio = np.minimum(1, radius / np.maximum(distance, 1e-12))
    sine = ratio * np.sin(slope)
    cosine = np.sqrt((1 - sine) * (1 + sine))
    measure = weight * np.where(ratio < 1, ratio * np.cos(slope) / np.maximum(cosine, 1e-12), 1)
    half = np.sqrt(np.maximum((radius - distance * sine) * (radius + distance * sine), 0))
    there, back = distance * cosine + half, (radius - distance) * (radius + distance)
    back = back / there  # equals half - distance * cosine without cancellation; negative from outside
    mass = _mass_share(there, tau) + np.sign(back) * _mass_share(abs(back), tau)
    return (measure * mass).sum(axis=1) / np.pi


def _mass_share(x, tau):
    x = np.maximum(x, SMALLEST_RADIUS)
    return x * x * enclosed_truncated_nfw_mass(x, tau) / total_mass_of_truncated_nfw(tau)

"""Integrals over profiles that need no image: Einstein radii and fluxes, in closed form along each direction.

In a direction phi an elliptical profile is a circular one with its radius stretched by rho(phi), so that what it holds
within any outline is the mean over phi of a circular integral. NumPy, vectorised over images.
"""

import numpy as np
from scipy.special import ellipk

from stronglens.raytracing.ellipsoids import circular_mass
from stronglens.raytracing.profiles import nfw_deflection_function

DIRECTIONS_IN_A_QUADRANT = 24
"""By symmetry a quadrant is enough for a circle; the mean converges exponentially (1e-8 at q = 0.3)."""

DIRECTIONS_OF_A_FIELD = 256
ROOT_STEPS = 45
SMALLEST_RADIUS, LARGEST_RADIUS = 1e-4, 100.0


def einstein_radius(lens_model: str, scene: dict[str, np.ndarray]) -> np.ndarray:
    """Return the radius of the circle about the lens centre within which the mean convergence is 1.

    Unique, because the mean convergence falls with radius, and blind to shear. For an isothermal ellipsoid it is
    theta (2 / pi) sqrt(q) K(1 - q^2) with theta the intermediate-axis radius; for a composite lens the root is found by
    bisection of log r.

    Parameters
    ----------
    lens_model : ``composite`` or ``sie``
    scene : dict of (N,), as the ray tracer takes it

    Returns
    -------
    (N,) arcsec; 0 where no circle has a mean convergence of 1
    """
    if lens_model == "sie":
        size = np.hypot(scene["lens_ellip_x"], scene["lens_ellip_y"])
        q = (1 - size) / (1 + size)
        return scene["einstein_radius_sie"] * 2 / np.pi * np.sqrt(q) * ellipk(1 - q**2)
    number = len(scene["halo_kappa"])
    low = np.full(number, np.log(SMALLEST_RADIUS))
    high = np.full(number, np.log(LARGEST_RADIUS))
    for _ in range(ROOT_STEPS):
        middle = (low + high) / 2
        is_within = mean_convergence(scene, np.exp(middle)) > 1
        low, high = np.where(is_within, middle, low), np.where(is_within, high, middle)
    root = np.exp((low + high) / 2)
    return np.where(root > 1.001 * SMALLEST_RADIUS, root, 0.0)


def mean_convergence(scene: dict[str, np.ndarray], radius: np.ndarray) -> np.ndarray:
    """Return the mean convergence of composite lenses within circles about their centres: (N,) from (N,) arcsec."""
    stars = _mean_sersic(
        radius, scene["lens_effect"], scene["lens_sersic"], scene["lens_ellip_x"], scene["lens_ellip_y"]
    )
    disk = _mean_sersic(
        radius, scene["disk_effect"], np.ones_like(radius), scene["disk_ellip_x"], scene["disk_ellip_y"]
    )
    x = radius / scene["halo_radius"]
    return (
        scene["masslight_ratio"] * scene["lens_intensity"] * stars
        + scene["disk_masslight_ratio"] * scene["disk_intensity"] * disk
        + 4 * scene["halo_kappa"] * nfw_deflection_function(x) / x**2
    )


def sersic_flux_in_field(scene: dict[str, np.ndarray], shape: tuple[int, int], pixel_scale: float) -> np.ndarray:
    """Return the flux of the unlensed source within the field, as the sum over its pixels.

    Along each direction from the source's centre, between where it enters the rectangle and where it leaves it.

    Parameters
    ----------
    scene : dict of (N,), as the ray tracer takes it
    shape : (H, W) pixels
    pixel_scale : float, arcsec

    Returns
    -------
    (N,) intensity unit
    """
    angle = (np.arange(DIRECTIONS_OF_A_FIELD) + 0.5) * 2 * np.pi / DIRECTIONS_OF_A_FIELD
    enter = np.zeros((len(scene["src_intensity"]), angle.size))
    leave = np.full_like(enter, np.inf)
    for axis, direction, pixels in (("x", np.cos(angle), shape[1]), ("y", np.sin(angle), shape[0])):
        half, centre = pixels * pixel_scale / 2, scene[f"src_center_{axis}"][:, None]
        edges = np.sort(((-half - centre) / direction, (half - centre) / direction), axis=0)
        enter, leave = np.maximum(enter, edges[0]), np.minimum(leave, edges[1])
    leave = np.maximum(leave, enter)
    stretch = _stretch(angle, scene["src_ellip_x"], scene["src_ellip_y"]) / scene["src_effect"][:, None]
    n = scene["src_sersic"][:, None]
    held = circular_mass(leave * stretch, n) - circular_mass(enter * stretch, n)
    return scene["src_intensity"] * 2 * np.pi * np.mean(held / stretch**2, axis=1) / pixel_scale**2


def _mean_sersic(radius, effective_radius, sersic_index, ellip_x, ellip_y):
    """Return the mean over circles of Sersic profiles of value 1 at R_e: (N,)."""
    angle = (np.arange(DIRECTIONS_IN_A_QUADRANT) + 0.5) * np.pi / 2 / DIRECTIONS_IN_A_QUADRANT
    size = np.hypot(ellip_x, ellip_y)
    stretch = _stretch(angle, size, np.zeros_like(size)) / effective_radius[:, None]
    held = circular_mass(radius[:, None] * stretch, sersic_index[:, None]) / stretch**2
    return 2 * np.mean(held, axis=1) / radius**2


def _stretch(angle, ellip_x, ellip_y):
    """Return rho(phi): the eccentric radius over the radius, (N, directions).

    The eccentric radius is sqrt(q x^2 + y^2 / q) along the axes of the ellipse, PyAutoGalaxy's convention, by which
    R_e is a circularised radius.
    """
    size = np.hypot(ellip_x, ellip_y)[:, None]
    q = (1 - size) / (1 + size)
    cosine = np.cos(2 * (angle - np.arctan2(ellip_y, ellip_x)[:, None] / 2))
    return np.sqrt(q * (1 + cosine) / 2 + (1 - cosine) / (2 * q))

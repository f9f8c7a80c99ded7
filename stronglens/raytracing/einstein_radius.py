"""Einstein radius and unlensed flux of the source, from a scene without ray tracing.

Both integrate elliptical Sersic profiles in polar coordinates: in closed form over the radius, and by quadrature over
the angle.
"""

import numpy as np
from scipy.optimize import elementwise
from scipy.special import ndtr

from stronglens.lens_models import LENS_MODELS, circular_einstein_radius
from stronglens.raytracing.ellipsoids import mean_convergence
from stronglens.raytracing.scene import Scene, columns_of_clump, count_clumps

SMALLEST_EINSTEIN_RADIUS = 1e-4
"""Minimum Einstein radius, arcsec; below it the result is 0. (With an NFW halo of any mass, the mean convergence
exceeds 1 within some radius.)"""

_LARGEST_EINSTEIN_RADIUS = 1e5
_DIRECTIONS = 32  # angles in a quadrant; sufficient for an axis ratio of 0.05
_EVERYTHING = 1e60
"""Radius that contains all light for Sersic indices up to 8, in effective radii."""

_NODES = 64


def einstein_radius(lens_model: str, scene: Scene) -> np.ndarray:
    """Return the radius of the circle around the lens centre within which the mean convergence is 1.

    It has a closed form for an ellipsoid (`circular_einstein_radius`). An external shear has no convergence.

    Parameters
    ----------
    lens_model : str
        A key of ``LENS_MODELS``.
    scene : mapping of str to ndarray (N,)
        Values by the names in ``SCENE_COLUMNS``.

    Returns
    -------
    ndarray (N,) float64, arcsec
        0 if there is no such radius, or if it is below ``SMALLEST_EINSTEIN_RADIUS``.
    """
    if LENS_MODELS[lens_model].is_ellipsoid:
        ellipticity = _ellipticity(scene, "lens")
        return circular_einstein_radius(scene["einstein_radius_sie"], ellipticity, scene.get("mass_slope"))
    mean = _mean_convergence_of_composite(scene)
    low, high = (np.log(r) for r in (SMALLEST_EINSTEIN_RADIUS, _LARGEST_EINSTEIN_RADIUS))
    rows = np.arange(len(np.asarray(scene["halo_kappa"])))
    is_lens = mean(np.full(len(rows), low), rows) > 1
    radius = np.zeros(len(rows))
    rows = rows[is_lens]
    if rows.size:
        bracket = np.full(rows.size, low), np.full(rows.size, high)
        root = elementwise.find_root(
            lambda log_radius, rows: np.log(mean(log_radius, rows)),
            bracket,
            args=(rows,),
            tolerances={"xatol": 1e-12, "xrtol": 0, "fatol": 0, "frtol": 0},
        )
        radius[rows] = np.exp(root.x)
    return radius


def source_flux_in_field(scene: Scene, shape: tuple[int, int], pixel_scale: float) -> np.ndarray:
    """Return the flux of the unlensed source inside the field.

    Parameters
    ----------
    scene : mapping of str to ndarray (N,)
        ``src_center_x``, ``src_center_y``, ``src_ellip_x``, ``src_ellip_y``, ``src_intensity``, ``src_effect``,
        ``src_sersic``, and the columns of clumps.
    shape : (H, W), pixels
    pixel_scale : float, arcsec

    Returns
    -------
    ndarray (N,) float64
        Sum over pixels: the integral over the field, divided by the area of a pixel.
    """
    column = {name: np.asarray(scene[f"src_{name}"], float) for name in ("center_x", "center_y", "effect", "sersic")}
    half_height, half_width = (pixel_scale * pixels / 2 for pixels in shape)
    x, y = column["center_x"], column["center_y"]
    # Green's theorem: the flux is a sum over the edges of the field of the light between edge and centre, with a
    # negative sign if an edge faces away. For each edge: distance along its outward normal, ends along the edge
    # (anticlockwise), direction of the normal.
    edges = (
        (half_width - x, -half_height - y, half_height - y, 0.0),
        (half_height - y, x - half_width, x + half_width, np.pi / 2),
        (half_width + x, y - half_height, y + half_height, np.pi),
        (half_height + y, -half_width - x, half_width - x, -np.pi / 2),
    )
    node, weight = np.polynomial.legendre.leggauss(_NODES)
    flux = 0.0
    for distance, start, stop, normal in edges:
        # The position along the edge is |d| sinh(w); the integrand is smooth in w even if the edge crosses the centre.
        floor = np.maximum(np.abs(distance), 1e-9)[:, None]
        start, stop = np.arcsinh(start[:, None] / floor), np.arcsinh(stop[:, None] / floor)
        w = (start + stop) / 2 + (stop - start) / 2 * node
        radius = floor * np.cosh(w)
        angle = normal + np.sign(distance)[:, None] * np.arctan(np.sinh(w))
        shape_factor = _eccentric_radius(scene, "src", angle)
        inside = mean_convergence(radius * shape_factor / column["effect"][:, None], column["sersic"][:, None])
        sector = radius**2 / 2 * inside / np.cosh(w)
        light = (sector * weight).sum(axis=1)  # the rounding of @ would depend on the number of rows
        flux = flux + np.sign(distance) * (stop - start)[:, 0] / 2 * light
    flux = np.asarray(scene["src_intensity"], float) * flux
    for clump in range(1, count_clumps(scene) + 1):
        x, y, intensity, sigma = (scene[name] for name in columns_of_clump(clump))
        along, across = (
            ndtr((half - middle) / sigma) - ndtr((-half - middle) / sigma)
            for half, middle in ((half_width, x), (half_height, y))
        )
        flux = flux + 2 * np.pi * sigma**2 * intensity * along * across
    return flux / pixel_scale**2


def sersic_flux(scene: Scene, galaxy: str) -> np.ndarray:
    """Return the total flux of a Sersic profile with 1 per square arcsec at its effective radius.

    The flux does not depend on the ellipticity, since the effective radius is on the intermediate axis.

    Parameters
    ----------
    scene : mapping of str to ndarray (N,)
    galaxy : {"lens", "src"}

    Returns
    -------
    ndarray (N,) float64
    """
    radius, index = (np.asarray(scene[f"{galaxy}_{name}"], float) for name in ("effect", "sersic"))
    return np.pi * radius**2 * mean_convergence(_EVERYTHING, index) * _EVERYTHING**2


def _mean_convergence_of_composite(scene: Scene):
    """Return a function (log radius, rows) -> mean convergence within this radius, for the lenses in these rows."""
    angle = (np.arange(_DIRECTIONS) + 0.5) * (np.pi / 2 / _DIRECTIONS)
    stars = []
    for galaxy, ratio, index in (("lens", "masslight_ratio", "lens_sersic"), ("disk", "disk_masslight_ratio", None)):
        q = _axis_ratio(scene, galaxy)[:, None]
        stars.append(
            {
                "height": np.asarray(scene[f"{galaxy}_intensity"], float) * np.asarray(scene[ratio], float),
                "scale": np.sqrt(q * np.cos(angle) ** 2 + np.sin(angle) ** 2 / q)
                / np.asarray(scene[f"{galaxy}_effect"], float)[:, None],
                "index": np.ones(len(q)) if index is None else np.asarray(scene[index], float),
            }
        )
    kappa, scale_radius = (np.asarray(scene[name], float) for name in ("halo_kappa", "halo_radius"))

    def mean(log_radius, rows):
        radius = np.exp(log_radius)
        total = 4 * kappa[rows] * _enclosed_nfw_mass(radius / scale_radius[rows])
        for star in stars:
            within = mean_convergence(radius[:, None] * star["scale"][rows], star["index"][rows, None])
            total = total + star["height"][rows] * within.mean(axis=1)
        return total

    return mean


def _enclosed_nfw_mass(x: np.ndarray) -> np.ndarray:
    """Return h(x) / x^2 (Wright & Brainerd 2000), with a complex root that is valid below and above x = 1."""
    x = np.where(np.abs(x - 1) < 1e-6, 1 + 1e-6, x)
    s = np.sqrt(1 - x.astype(complex) ** 2)
    exact = np.log(x / 2) + (np.log((1 + s) / x) / s).real
    return np.where(x < 1e-3, 0.5 * np.log(2 / x) - 0.25, exact / x**2)


def _ellipticity(scene: Scene, galaxy: str) -> np.ndarray:
    return np.hypot(*(np.asarray(scene[f"{galaxy}_ellip_{axis}"], float) for axis in "xy"))


def _axis_ratio(scene: Scene, galaxy: str) -> np.ndarray:
    ellipticity = _ellipticity(scene, galaxy)
    return (1 - ellipticity) / (1 + ellipticity)


def _eccentric_radius(scene: Scene, galaxy: str, angle: np.ndarray) -> np.ndarray:
    """Return the elliptical radius (of the circle with equal area) of points at distance 1.

    Parameters
    ----------
    scene : mapping of str to ndarray (N,)
    galaxy : str
    angle : ndarray (N, M), radians
        From +x towards +y.
    """
    x, y = (np.asarray(scene[f"{galaxy}_ellip_{axis}"], float)[:, None] for axis in "xy")
    squared = x**2 + y**2
    return np.sqrt((1 + squared - 2 * (x * np.cos(2 * angle) + y * np.sin(2 * angle))) / (1 - squared))

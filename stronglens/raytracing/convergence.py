"""Maps of the convergence of lenses, averaged over pixels."""

import numpy as np

from stronglens.lens_models import LENS_MODELS
from stronglens.raytracing.ellipsoids import sersic_constant
from stronglens.raytracing.scene import Scene

_NODES = 2
"""Gauss nodes along each side of a pixel; three pixels from a cusp the error is below 1e-4 of the convergence."""

_NEAR, _GRADED, _POWER = 3, 12, 4
"""Pixels on each side of the lens's centre whose nodes are graded, their nodes on each side of the centre, and the
power with which the nodes approach it."""


def convergence_maps(lens_model: str, scene: Scene, shape: tuple[int, int], pixel_scale: float) -> np.ndarray:
    """Return the convergence of lenses, averaged over each pixel. An external shear has none.

    Near the centre, where the convergence has a cusp or is infinite, the nodes are at powers of the distance from it.

    Parameters
    ----------
    lens_model : str
        A key of ``LENS_MODELS``.
    scene : mapping of str to ndarray (N,)
    shape : (H, W), pixels
    pixel_scale : float, arcsec

    Returns
    -------
    ndarray (N, H, W) float32
        Row 0 is at the top.
    """
    rows, columns = shape
    centre_x, centre_y = (np.asarray(scene[f"lens_center_{axis}"], float) for axis in "xy")
    across = np.arange(columns + 1) * pixel_scale - columns * pixel_scale / 2
    up = np.arange(rows + 1) * pixel_scale - rows * pixel_scale / 2
    x, of_x = _even_nodes(across)
    y, of_y = _even_nodes(up)
    maps = np.empty((len(centre_x), rows, columns), np.float32)
    for lens in range(len(centre_x)):
        values = {name: float(np.asarray(scene[name])[lens]) for name in LENS_MODELS[lens_model].scene_columns}
        maps[lens] = _average(lens_model, values, x - centre_x[lens], of_x, y - centre_y[lens], of_y)
        near_x, near_y = (_near_pixels(edges, at) for edges, at in ((across, centre_x[lens]), (up, centre_y[lens])))
        nodes = [
            _graded_nodes(edges[near.start : near.stop + 1] - at)
            for edges, near, at in ((across, near_x, centre_x[lens]), (up, near_y, centre_y[lens]))
        ]
        maps[lens, near_y, near_x] = _average(lens_model, values, *nodes[0], *nodes[1])
    return maps[:, ::-1]  # y points up


def convergence_at(lens_model: str, values: dict[str, float], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the convergence of one lens at positions relative to its centre, arcsec.

    With rho^2 = q x'^2 + y'^2 / q along the axes of each ellipsoid: a power law of slope g has (3 - g) / 2 (theta /
    rho)^(g - 1) (Tessore & Metcalf 2015, A&A 580, A79); stars have the mass-to-light ratio times the Sersic profile of
    rho; the halo is that of Wright & Brainerd (2000, ApJ 534, 34).

    Parameters
    ----------
    lens_model : str
    values : dict of scene column to float
    x, y : ndarray of shapes that broadcast
    """
    if not LENS_MODELS[lens_model].mass_follows_light:
        slope = values.get("mass_slope", 2.0)
        rho = np.maximum(_elliptical_radius(x, y, values, "lens"), 1e-9)
        return (3 - slope) / 2 * (values["einstein_radius_sie"] / rho) ** (slope - 1)
    total = _halo(np.hypot(x, y) / values["halo_radius"]) * values["halo_kappa"]
    for galaxy, ratio, index in (
        ("lens", "masslight_ratio", values["lens_sersic"]), ("disk", "disk_masslight_ratio", 1.0)
    ):  # fmt: skip
        rho = _elliptical_radius(x, y, values, galaxy) / values[f"{galaxy}_effect"]
        profile = np.exp(-float(sersic_constant(np.asarray(index))) * (rho ** (1 / index) - 1))
        total = total + values[ratio] * values[f"{galaxy}_intensity"] * profile
    return total


def _average(lens_model, values, x, of_x, y, of_y):
    """Return the means over pixels (H, W) from nodes (W, A) and (H, B), relative to the centre, and their weights."""
    found = convergence_at(lens_model, values, x.ravel()[None, :], y.ravel()[:, None])
    found = found.reshape(*y.shape, *x.shape)
    return np.einsum("hbwa,hb,wa->hw", found, of_y, of_x)


def _even_nodes(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    node, weight = np.polynomial.legendre.leggauss(_NODES)
    middle, half = (edges[1:] + edges[:-1]) / 2, (edges[1:] - edges[:-1]) / 2
    return middle[:, None] + half[:, None] * node, np.broadcast_to(weight / 2, (len(middle), _NODES))


def _near_pixels(edges: np.ndarray, at: float) -> slice:
    middle = int(np.clip(np.searchsorted(edges, at) - 1, 0, len(edges) - 2))
    return slice(max(0, middle - _NEAR), min(len(edges) - 1, middle + _NEAR + 1))


def _graded_nodes(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes (P, 2 G) and weights of pixels, on both sides of 0; the weights of a pixel add up to 1."""
    node, weight = np.polynomial.legendre.leggauss(_GRADED)
    node, weight = (node + 1) / 2, weight / 2
    low, high = edges[:-1, None], edges[1:, None]
    nodes, weights = [], []
    for start, stop in ((np.maximum(low, 0), np.maximum(high, 0)), (np.minimum(high, 0), np.minimum(low, 0))):
        # On each side: sign * u^power, with u even between the pixel's ends.
        sign = np.where(start + stop < 0, -1.0, 1.0)
        near, far = np.abs(start) ** (1 / _POWER), np.abs(stop) ** (1 / _POWER)
        u = near + (far - near) * node
        nodes.append(sign * u**_POWER)
        weights.append(_POWER * u ** (_POWER - 1) * (far - near) * weight)
    return np.concatenate(nodes, axis=1), np.concatenate(weights, axis=1) / (high - low)


def _elliptical_radius(x, y, values, galaxy):
    e_x, e_y = values[f"{galaxy}_ellip_x"], values[f"{galaxy}_ellip_y"]
    e = np.hypot(e_x, e_y)
    # rho^2 = q x'^2 + y'^2 / q = ((1 + e^2) r^2 - 2 e (x'^2 - y'^2)) / (1 - e^2), and x'^2 - y'^2 is turned by 2 phi.
    squared = ((1 + e**2) * (x**2 + y**2) - 2 * (e_x * (x**2 - y**2) + 2 * e_y * x * y)) / (1 - e**2)
    return np.sqrt(np.maximum(squared, 0))


def _halo(x):
    """Return the convergence of an NFW halo over kappa_s at radii over r_s."""
    x = np.maximum(x, 1e-9)
    x = np.where(np.abs(x - 1) < 1e-6, 1 + 1e-6, x)
    s = np.sqrt(1 - x.astype(complex) ** 2)
    return 2 * ((1 - (np.log((1 + s) / x) / s).real) / (x**2 - 1))

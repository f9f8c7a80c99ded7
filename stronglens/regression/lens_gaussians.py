"""The light of a lens as a sum of Gaussians (Cappellari 2002, MNRAS 333, 400).

Two families of elliptical Gaussians have one centre and their own ellipticities. Their intensities enter linearly and
are not negative.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stronglens import telescope

NUMBER = 14
"""Gaussians of each family."""

NARROWEST, WIDEST = 0.5, 0.6
"""Smallest standard deviation in pixels, and the largest relative to the side of the image, both on the intermediate
axis. The point-spread function hides narrower ones."""

FLATTEST = 0.6
"""Largest ellipticity (1 - q) / (1 + q)."""


APART = 0.03
"""Differences of the two first ellipticities from that of a Sersic profile."""


@dataclass(frozen=True)
class LensGaussians:
    """Gaussians of one lens.

    Attributes
    ----------
    geometry : ndarray (6,)
        x and y of the centre, arcsec, and two ellipticities (cos 2 phi, sin 2 phi).
    images : ndarray (2 * NUMBER, H, W)
        Blurred; each has a peak near 1.
    """

    geometry: np.ndarray
    images: np.ndarray


def geometry_of_sersic(values: Mapping[str, float]) -> np.ndarray:
    """Return the geometry (6,) with which a fit begins, from the columns of the light with one Sersic profile."""
    kind = "light" if "light-ellip-x" in values else "lens"
    ellipticity = np.array([values[f"{kind}-ellip-x"], values[f"{kind}-ellip-y"]])
    centre = values["lens-center-x"], values["lens-center-y"]
    return np.concatenate([centre, ellipticity + APART, ellipticity - APART])


def describe_gaussians(geometry: np.ndarray, shape: tuple[int, int], pixel_scale: float) -> np.ndarray:
    """Return the Gaussians (2 * NUMBER, 5).

    The columns are x and y of the centre and the standard deviation on the intermediate axis, arcsec, and the
    ellipticity (cos 2 phi, sin 2 phi). Parameters are those of `render_gaussians`.
    """
    widths = np.geomspace(NARROWEST, WIDEST * max(shape), NUMBER) * pixel_scale
    families = []
    for ellipticity in (geometry[2:4], geometry[4:6]):
        shrink = min(1, FLATTEST / max(np.hypot(*ellipticity), 1e-12))
        families += [[*geometry[:2], width, *(shrink * ellipticity)] for width in widths]
    return np.array(families)


def render_gaussians(
    geometry: np.ndarray, shape: tuple[int, int], psf: np.ndarray | None, pixel_scale: float
) -> np.ndarray:
    """Return images of the Gaussians, blurred, and of a background: (2 * NUMBER + 1, H, W), each with a peak near 1.

    Parameters
    ----------
    geometry : ndarray (6,)
        x and y of the centre, arcsec, and two ellipticities (cos 2 phi, sin 2 phi).
    shape : (H, W)
    psf : ndarray (K, K) or None
    pixel_scale : float, arcsec
    """
    margin = 0 if psf is None else len(psf) // 2
    rows, columns = shape[0] + 2 * margin, shape[1] + 2 * margin
    y = (rows - 1) / 2 - np.arange(rows)[:, None] - geometry[1] / pixel_scale
    x = np.arange(columns) - (columns - 1) / 2 - geometry[0] / pixel_scale
    images = []
    for family in describe_gaussians(geometry, shape, pixel_scale).reshape(2, NUMBER, 5):
        c, s = family[0, 3:]
        # q x'^2 + y'^2 / q on the axes of the ellipse, with q + 1/q and q - 1/q by the ellipticity
        squared = ((1 + c**2 + s**2) * (x**2 + y**2) - 2 * c * (x**2 - y**2) - 4 * s * x * y) / (1 - c**2 - s**2)
        images += [np.exp(-0.5 * squared / width**2) for width in family[:, 2] / pixel_scale]
    blurred = telescope.blur(np.array(images), psf)
    return np.concatenate([blurred, np.ones((1, *shape))])

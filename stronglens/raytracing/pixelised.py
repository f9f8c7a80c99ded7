"""Rays through a lens to a source that is an array of pixels."""

from collections.abc import Mapping

import autolens as al
import numpy as np
from scipy import ndimage

from stronglens.raytracing.scene import STOCK, build_lens


def start_rays(shape: tuple[int, int], pixel_scale: float, rays: int) -> np.ndarray:
    """Return y and x, arcsec, of an image's rays, ``rays`` x ``rays`` to a pixel, pixel by pixel: (K, 2).

    The image's middle is the origin, its first row is at the top.
    """
    inside = ((np.arange(rays) + 0.5) / rays - 0.5) * pixel_scale
    y, x = ((np.arange(side) - (side - 1) / 2) * pixel_scale for side in shape)
    y = np.broadcast_to(-y[:, None, None, None] - inside[:, None], (*shape, rays, rays))
    x = np.broadcast_to(x[:, None, None] + inside, (*shape, rays, rays))
    return np.stack([y.ravel(), x.ravel()], axis=1)


def trace_rays(lens_model: str, row: Mapping[str, float], rays: np.ndarray) -> np.ndarray:
    """Return y and x, arcsec, where rays (K, 2) of a scene meet its source plane, by PyAutoLens's own profiles.

    Parameters
    ----------
    lens_model : ``composite`` or ``sie``
    row : the scene's columns of one lens
    rays : (K, 2), y and x of the image, arcsec
    """
    masses, _ = build_lens(lens_model, row, STOCK)
    grid = al.Grid2DIrregular(rays)
    return rays - sum(np.asarray(mass.deflections_yx_2d_from(grid=grid)) for mass in masses.values())


def brightness_at(light: np.ndarray, centre: np.ndarray, pixel: float, places: np.ndarray) -> np.ndarray:
    """Return what an array of pixels shows at places of the source plane, between its pixels linearly.

    Parameters
    ----------
    light : (H, W), zero beyond
    centre : row and column that lie at the origin
    pixel : arcsec
    places : (K, 2), arcsec; the first coordinate counts along rows

    Returns
    -------
    (K,)
    """
    return ndimage.map_coordinates(light, np.asarray(centre)[:, None] + places.T / pixel, order=1, cval=0.0)

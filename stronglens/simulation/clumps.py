"""Clumps of star formation in sources: part of a galaxy's light, in knots about its centre.

Star-forming galaxies at the redshifts of sources are clumpy (Guo et al. 2015, ApJ 800, 39). A network that has seen
none may take the images of two knots for two images of one place.
"""

from collections.abc import Sequence

import numpy as np

from stronglens.raytracing import columns_of_clump, sersic_flux
from stronglens.sampling import Draws, Stream, generator

LARGEST_SHARE = 0.6
"""Of a source's light in its clumps: uniform from 0 on, divided among them by chance."""

SCATTER = 1.0
"""Standard deviation of a clump's place on either axis, in effective radii of the source."""

SIZES = 0.1, 0.5
"""Half-light radii, in effective radii of the source: uniform in the logarithm."""


def draw_clumps(most: int, seed: int, indices: Sequence[int]) -> Draws:
    """Draw the clumps of some images' sources, relative to the source: by the seed and the image's index alone.

    Parameters
    ----------
    most : int
        A source has from none to so many, each number as likely.
    seed : int
    indices : (N,) ints

    Returns
    -------
    dict of column to (N,) float64
        ``src-clumps``, their number; of each ``src-clump-1-x`` and ``-y``, in effective radii from the source's
        centre, ``-size``, its half-light radius in effective radii, and ``-share`` of the source's light.
    """
    rows = np.stack([generator(seed, Stream.CLUMPS, index).random(2 + 2 * most) for index in indices])
    places = np.stack(
        [generator(seed, Stream.CLUMPS, index, 1).standard_normal((2, most)) for index in indices], axis=1
    )
    number = np.floor(rows[:, 0] * (most + 1))
    is_there = np.arange(most) < number[:, None]
    # Exponential deviates over their sum: uniform on the simplex.
    parts = np.where(is_there, -np.log1p(-rows[:, 2 : 2 + most]), 0.0)
    total = parts.sum(axis=1, keepdims=True)
    shares = LARGEST_SHARE * rows[:, 1:2] * np.divide(parts, total, out=np.zeros_like(parts), where=total > 0)
    sizes = SIZES[0] * (SIZES[1] / SIZES[0]) ** rows[:, 2 + most :]
    draws = {"src-clumps": number}
    for clump in range(most):
        of_clump = {"x": SCATTER * places[0], "y": SCATTER * places[1], "size": sizes, "share": shares}
        draws |= {f"src-clump-{clump + 1}-{name}": values[:, clump] for name, values in of_clump.items()}
    return draws


def place_clumps(most: int, draws: Draws, scene: Draws, smallest: float) -> Draws:
    """Return the columns of a ray tracer's scene of clumps, and the smooth source's intensity without their light.

    Parameters
    ----------
    most : int
    draws : dict of column to (N,)
        With what `draw_clumps` returns; without any of it sources are smooth.
    scene : dict of (N,) arrays, the source's columns, its intensity as if it were smooth
    smallest : arcsec, the distance of rays, between which a smaller clump would slip through

    Returns
    -------
    dict of (N,) arrays

    Raises
    ------
    ValueError
        When there are clumps and their places are not said: labels without what `LensSimulator.complete` adds.
    """
    if not most:
        return {}
    if np.any(draws.get("src-clumps", 0)) and "src-clump-1-x" not in draws:
        raise ValueError("these sources have clumps, and it is not said where")
    intensity, radius = scene["src_intensity"], scene["src_effect"]
    flux, nothing = intensity * sersic_flux(scene, "src"), np.zeros(len(intensity))
    placed, smooth = {}, 1.0
    for clump in range(1, most + 1):
        x, y, size, share = (
            np.asarray(draws.get(f"src-clump-{clump}-{name}", nothing)) for name in ("x", "y", "size", "share")
        )
        sigma = np.maximum(size * radius, smallest) / np.sqrt(2 * np.log(2))  # half the light of a round Gaussian
        centre = scene["src_center_x"] + x * radius, scene["src_center_y"] + y * radius
        values = *centre, flux * share / (2 * np.pi * sigma**2), sigma
        placed |= dict(zip(columns_of_clump(clump), values, strict=True))
        smooth = smooth - share
    return placed | {"src_intensity": intensity * smooth}

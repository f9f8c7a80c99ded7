"""Star-forming clumps in sources, which contain part of the light of a galaxy.

Star-forming galaxies at the redshifts of sources are clumpy (Guo et al. 2015, ApJ 800, 39). A network that is trained
without clumps can mistake the images of two clumps for two images of one point.
"""

from collections.abc import Sequence

import numpy as np

from stronglens.raytracing import columns_of_clump, sersic_flux
from stronglens.sampling import Draws, Stream, generator

LARGEST_SHARE = 0.6
"""Maximum fraction of a source's light in its clumps. The fraction is uniform from 0 and divided at random."""

SCATTER = 1.0
"""Standard deviation of a clump's position along each axis, in effective radii of the source."""

SIZES = 0.1, 0.5
"""Range of the half-light radii, uniform in the logarithm, in effective radii of the source."""


def draw_clumps(most: int, seed: int, indices: Sequence[int]) -> Draws:
    """Draw the clumps of sources. They depend only on the seed and the index of the image.

    Parameters
    ----------
    most : int
        Maximum number of clumps per source; the number is uniform from 0.
    seed : int
    indices : sequence of N int
        Indices of the images.

    Returns
    -------
    dict of column to ndarray (N,) float64
        ``src-clumps``, the number of clumps; for each clump, ``src-clump-1-x`` and ``-y``, its position relative to the
        centre of the source, and ``-size``, its half-light radius, all in effective radii of the source; and
        ``-share``, its fraction of the source's light.
    """
    rows = np.stack([generator(seed, Stream.CLUMPS, index).random(2 + 2 * most) for index in indices])
    places = np.stack(
        [generator(seed, Stream.CLUMPS, index, 1).standard_normal((2, most)) for index in indices], axis=1
    )
    number = np.floor(rows[:, 0] * (most + 1))
    is_there = np.arange(most) < number[:, None]
    # Exponential variates divided by their sum are uniform on the simplex.
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
    """Return the scene columns of the clumps, and the intensity of the smooth source without their light.

    Parameters
    ----------
    most : int
        Maximum number of clumps per source.
    draws : dict of column to ndarray (N,)
        It includes the columns of `draw_clumps`; without them the sources are smooth.
    scene : dict of ndarray (N,)
        Scene columns of the source, with the intensity of a source without clumps.
    smallest : float, arcsec
        Minimum half-light radius: the distance of rays, which would miss a smaller clump.

    Returns
    -------
    dict of ndarray (N,)

    Raises
    ------
    ValueError
        When sources have clumps but ``draws`` does not contain their positions (see `LensSimulator.complete`).
    """
    if not most:
        return {}
    if np.any(draws.get("src-clumps", 0)) and "src-clump-1-x" not in draws:
        raise ValueError("these sources have clumps, but their positions are missing")
    intensity, radius = scene["src_intensity"], scene["src_effect"]
    flux, nothing = intensity * sersic_flux(scene, "src"), np.zeros(len(intensity))
    placed, smooth = {}, 1.0
    for clump in range(1, most + 1):
        x, y, size, share = (
            np.asarray(draws.get(f"src-clump-{clump}-{name}", nothing)) for name in ("x", "y", "size", "share")
        )
        sigma = np.maximum(size * radius, smallest) / np.sqrt(2 * np.log(2))  # from the half-light radius of a Gaussian
        centre = scene["src_center_x"] + x * radius, scene["src_center_y"] + y * radius
        values = *centre, flux * share / (2 * np.pi * sigma**2), sigma
        placed |= dict(zip(columns_of_clump(clump), values, strict=True))
        smooth = smooth - share
    return placed | {"src_intensity": intensity * smooth}

"""Adaptive refinement of rays around the cusp of a source, for pixels whose rays are too coarse.

The cells with the largest errors are split, a few times (adaptive quadrature). The method needs only rays from the
lens, so it works for every image of the source and on critical curves. Its arrays have fixed sizes.
"""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import gammainc

from stronglens.raytracing.profiles import SersicLight

PIXELS, SMOOTH = 96, 192
"""Number of refined pixels of an image, those with the largest expected errors; and the number with which the image
hardly jumps when another pixel becomes one of them, for gradients."""

CELLS = 128
"""Number of cells that are split at each level."""

SPLIT = 4
"""Number of rays along each side of a split cell, and the minimum along each side of a refined pixel."""

LEVELS = 3
"""Number of levels after the pixels; the final rays are SPLIT**LEVELS times as dense."""


LARGEST_ERROR = 0.021
"""Maximum `cusp_error` of the unlensed source without refinement. A lens spreads the source over more rays: at this
error the flux of its image is accurate to 0.4 % (standard deviation; 0.9 % for the worst of 16 lenses)."""


def needs_refinement(effective_radius: float, sersic_index: float, pixel_scale: float, over_sampling: int) -> bool:
    """Return whether the cusps of sources need refinement.

    Fewer than ``SPLIT`` rays along each side of a pixel are treated as ``SPLIT``, since such a choice favours speed.

    Parameters
    ----------
    effective_radius : float, arcsec
        Smallest effective radius.
    sersic_index : float
        Largest Sersic index.
    pixel_scale : float, arcsec
    over_sampling : int
        Number of rays along each side of a pixel.
    """
    return cusp_error(effective_radius, sersic_index, pixel_scale / max(over_sampling, SPLIT)) > LARGEST_ERROR


def cusp_error(effective_radius: float, sersic_index: float, spacing: float) -> float:
    """Estimate the relative error of a galaxy's flux when it is summed over uniform rays.

    The estimate is the light within a quarter of the spacing of the rays: gamma(2n, b x^(1/n)) / Gamma(2n), x = spacing
    / (4 R_e). It is the deficit of the sum for a centre between four rays, and the standard deviation over random
    centres, to within a third for indices from 2 and errors from 0.5 to 20 %.
    """
    light = SersicLight(effective_radius=effective_radius, sersic_index=sersic_index)
    edge = light.sersic_constant * (spacing / 4 / effective_radius) ** (1 / sersic_index)
    return float(gammainc(2 * sersic_index, edge))


def refine_image(
    image, traced, trace, shine, light: SersicLight, pixel_scale: float, over_sampling: int, number: int = PIXELS
):
    """Return the image (H, W) of a source with refined pixels around its cusp, in JAX.

    Parameters
    ----------
    image : array (H, W)
        Mean of the rays of each pixel.
    traced : pair of array (H, W), arcsec
        Positions (y, x) in the source plane of one ray per pixel, at the same position in each pixel.
    trace : callable
        Traces rays (R, 2) of (y, x), arcsec, to positions in the source plane, a pair of arrays (R,).
    shine : callable
        Takes positions in the source plane and returns the brightness (R,) of the source.
    light : SersicLight
        Smooth profile of the source.
    pixel_scale : float, arcsec
    over_sampling : int
        Number of rays along each side of a pixel of ``image``.
    number : int
        Number of refined pixels.
    """
    rows, columns = image.shape
    _, pixels = jax.lax.top_k(_expected_error(light, traced)[0].ravel(), min(number, image.size))
    centres = jnp.stack([(rows - 1) / 2 - pixels // columns, pixels % columns - (columns - 1) / 2]).astype(image.dtype)
    owners = places = jnp.arange(len(pixels))
    split, side, share, old, means = max(over_sampling, SPLIT), 1.0, 1.0, 0.0, 0.0
    for level in range(LEVELS + 1):
        offsets = (np.arange(split) + 0.5) / split - 0.5
        offsets = np.stack(np.meshgrid(-offsets, offsets, indexing="ij")).reshape(2, 1, -1)
        children = (centres[..., None] + jnp.asarray(side * offsets, image.dtype)).reshape(2, -1)
        traced = trace(jax.lax.optimization_barrier(pixel_scale * children).T)
        error, correction = _expected_error(light, [axis.reshape(-1, split, split) for axis in traced])
        values = shine(traced) + correction.ravel()
        change = share * (values.reshape(-1, split**2).mean(axis=1) - old)
        # A sum over cells instead of a scatter, since the order of additions on a GPU is not deterministic.
        means = means + jnp.where(owners == places[:, None], change, 0).sum(axis=1)
        if level < LEVELS:
            _, worst = jax.lax.top_k(error.ravel(), min(CELLS, error.size))
            centres, old, owners = children[:, worst], values[worst], owners[worst // split**2]
            split, side, share = SPLIT, side / split, share / split**2
    return image.ravel().at[pixels].set(means).reshape(image.shape)


def _expected_error(light, traced):
    """Return the error of a cell's central value as its mean, up to a factor, and the second-order correction.

    The correction, mean minus central value, is 1/24 of the sum of the second derivatives along the sides of the cell,
    for a Sersic profile under a linear map.

    Parameters
    ----------
    light : SersicLight
    traced : pair of array (..., h, w), arcsec
        Centres (y, x) of adjacent cells in the source plane.
    """
    sine, cosine = light.ell_comps
    stretch = 1 / jnp.sqrt(1 - sine**2 - cosine**2)
    y, x = (axis - centre for axis, centre in zip(traced, light.centre, strict=True))
    # Map to circular isophotes, as for the cusp of the lens.
    v, u = stretch * ((1 + cosine) * y - sine * x), stretch * ((1 - cosine) * x - sine * y)
    sides = list(zip(*(jnp.gradient(axis, axis=(-2, -1)) for axis in (v, u)), strict=True))
    squared_size = sum(dv * dv + du * du for dv, du in sides)
    # Cells around the centre have equal weight, independent of their centres. If there are too many to split (on a
    # ring), the selection must not prefer cells whose central values are too bright.
    squared_radius = jnp.maximum(v * v + u * u, squared_size / 3) + 1e-16
    radial = sum((v * dv + u * du) ** 2 for dv, du in sides) / squared_radius
    power = jnp.exp(jnp.log(squared_radius / light.effective_radius**2) / (2 * light.sersic_index))
    slope = light.sersic_constant / light.sersic_index * power  # -dlnI/dlnr
    scale = light.intensity * jnp.exp(-light.sersic_constant * (power - 1)) * slope / squared_radius
    curvature = (slope + 2 - 1 / light.sersic_index) * radial - squared_size
    # The series is valid only away from the centre; closer cells are split, or, if there are too many, not corrected.
    correction = jnp.where(v * v + u * u > squared_size, scale * curvature / 24, 0)
    return scale * (1 + slope) * squared_size, correction

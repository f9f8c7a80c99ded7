"""Integration of the light in the pixels around the cusp of a Sersic profile.

A Sersic profile increases towards its centre as exp(-r^(1/n)), where the mean over sub-pixels converges slowly. The
light in a pixel is a sum over its edges of the light in the triangle between edge and centre, with a negative sign if
the edge faces away from the centre (Green's theorem). A linear map that preserves areas makes isophotes circular. Then
a point of the edge at a distance R from the centre bounds a sector with the mean light within the radius R. On an edge
at a distance d, the position along the edge is d sinh(w) and R = d cosh(w); the integrand is smooth in w. Gauss
quadrature with a few nodes is then more accurate than thousands of sub-pixels.
"""

from collections.abc import Iterable

import jax
import jax.numpy as jnp
import numpy as np

BLOCK = 5
"""Number of pixels along each side of the block around the centre."""

_NODES = 4
"""Number of nodes along an edge. The error relative to the brightest pixel of the block is 3e-5 in the median and below
4e-4 in nine of ten cases (n = 0.5 to 6, effective radii of half a pixel to twenty pixels, axis ratios of 0.05 to 1)."""

_FLOOR = 1e-4
"""Minimum distance of an edge from the centre, pixels. The triangle of a closer edge has negligible light."""


def integrate_block(lights: Iterable, centre: tuple, shape: tuple[int, int], pixel_scale: float, dtype: str) -> tuple:
    """Return the mean light of the pixels around a centre, computed in JAX.

    Parameters
    ----------
    lights : iterable of SersicLight or Sersic
        Profiles with this centre.
    centre : (y, x), arcsec
    shape : (H, W), pixels
        Shape of the image, at least ``BLOCK``.
    pixel_scale : float, arcsec
    dtype : {"float32", "float64"}

    Returns
    -------
    block : array (BLOCK, BLOCK)
        Light averaged over each pixel.
    start : (row, column)
        Corner of the block in the image.
    is_near : array (BLOCK, BLOCK) bool
        False for pixels that are not close to the centre; the block is always inside the image, but the centre may not
        be.
    """
    centre = jnp.stack([jnp.asarray(place, dtype) for place in centre])
    pixel = jnp.stack([(shape[0] - 1) / 2 - centre[0] / pixel_scale, (shape[1] - 1) / 2 + centre[1] / pixel_scale])
    pixel = jnp.round(pixel)
    start = jnp.clip(pixel - BLOCK // 2, 0, jnp.asarray(shape) - BLOCK)
    near = jnp.abs(start[:, None] + np.arange(BLOCK) - pixel[:, None]) <= BLOCK // 2

    # Horizontal (from the top) and vertical grid lines of the block, in pixels from the centre.
    lines = np.arange(BLOCK + 1)
    y = shape[0] / 2 - start[0] - lines - centre[0] / pixel_scale
    x = start[1] + lines - shape[1] / 2 - centre[1] / pixel_scale
    block = sum(_integrate(light, y, x, pixel_scale) for light in lights)
    return block, start.astype(int), near[0][:, None] & near[1][None, :]


def replace_block(image, block, start, is_near):
    """Return the image (H, W) with the pixels around the centre replaced."""
    old = jax.lax.dynamic_slice(image, start, block.shape)
    return jax.lax.dynamic_update_slice(image, jnp.where(is_near, block, old), start)


def _integrate(light, y, x, pixel_scale):
    """Return the mean light (BLOCK, BLOCK) of the pixels between lines at y and x, in pixels from the centre."""
    sine, cosine = light.ell_comps
    stretch = 1 / jnp.sqrt(1 - sine**2 - cosine**2)
    # Columns of the map to circular isophotes: images of unit steps along y and along x, as (y, x).
    along_y = stretch * (1 + cosine), -stretch * sine
    along_x = -stretch * sine, stretch * (1 - cosine)
    downwards, rightwards = _triangles(x, y, along_x, along_y), _triangles(y, x, along_y, along_x)
    radii, weights = (jnp.stack(pair) for pair in zip(downwards, rightwards, strict=True))
    radii = jax.lax.optimization_barrier(pixel_scale * radii.ravel())
    means = light.mean_image_within_radii_from(radii, xp=jnp).reshape(weights.shape)
    downwards, rightwards = (means * weights).sum(axis=-1)  # (line, position along it)
    # Anticlockwise around a pixel: left edge downwards, right edge upwards, lower edge to the right, upper to the left.
    return (downwards[:-1] - downwards[1:]).T + rightwards[:-1] - rightwards[1:]


def _triangles(across, along, across_step, along_step):
    """Return nodes and weights for the triangles between the centre and the edges on parallel lines.

    Parameters
    ----------
    across : array (BLOCK + 1,), pixels
        Positions of the lines.
    along : array (BLOCK + 1,), pixels
        Ends of the edges along a line.
    across_step, along_step : pairs of numbers
        Images of unit steps under the map to circular isophotes.

    Returns
    -------
    radii : array (BLOCK + 1, BLOCK, NODES), pixels
        Radii of the nodes on the edges.
    weights : array of the same shape
        Weights of the mean light within the radii; their sum over the nodes gives the light in a triangle. They are
        negative for negative ``across`` or decreasing ``along``.
    """
    node, weight = _gauss(_NODES)
    length = jnp.hypot(*along_step)
    distance = (across / length)[:, None]  # since the map preserves areas
    size = jnp.maximum(jnp.abs(distance), _FLOOR)
    shear = (along_step[0] * across_step[0] + along_step[1] * across_step[1]) / length
    w = jnp.arcsinh((along * length + across[:, None] * shear) / size)
    begin, step = w[:, :-1, None], (w[:, 1:] - w[:, :-1])[..., None]
    growing = jnp.exp(begin + step * node)  # faster than cosh, which is a library call for every node
    radii = size[..., None] * (growing + 1 / growing) / 2
    return radii, distance[..., None] * radii * step * weight / 2


def _gauss(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the nodes and weights of Gauss-Legendre quadrature on (0, 1), in JAX's current precision."""
    nodes, weights = np.polynomial.legendre.leggauss(nodes)
    return jnp.asarray((nodes + 1) / 2), jnp.asarray(weights / 2)

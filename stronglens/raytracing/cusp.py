"""The light of a cusp, integrated over the pixels around it.

A Sersic profile rises towards its centre as exp(-r^(1/n)): no sub-grid of a pixel converges quickly there. But the
light in a pixel is a sum over its edges of the light in the triangle between edge and centre, negative where the edge
faces away (Green). Where isophotes are circles - a linear map of the sky that keeps areas - a point of the edge at
distance R from the centre closes a sector whose mean light is that within the radius R, and along an edge at distance d
everything is smooth in w, the position along it being d sinh(w), R being d cosh(w). A Gauss rule of a few nodes then
does what a sub-grid of thousands does not.
"""

from collections.abc import Iterable

import jax
import jax.numpy as jnp
import numpy as np

BLOCK = 5
"""Pixels along each side of the block about the centre."""

_NODES = 4
"""Along an edge. The error, as a fraction of the block's brightest pixel, is 3e-5 in the median and 4e-4 in nine cases
of ten (n = 0.5 to 6, effective radii of half a pixel to twenty, axis ratios of 0.05 to 1)."""

_FLOOR = 1e-4  # of a pixel: nearer edges count as so far off, and bound a triangle of next to no light


def integrate_block(lights: Iterable, centre: tuple, shape: tuple[int, int], pixel_scale: float, dtype: str) -> tuple:
    """Return the mean light of the pixels about a centre, computed in JAX.

    Parameters
    ----------
    lights : Sersic profiles with that centre
    centre : (y, x), arcsec
    shape : (H, W) of the image, at least ``BLOCK``
    pixel_scale : arcsec
    dtype : ``float32`` or ``float64``

    Returns
    -------
    block : (BLOCK, BLOCK), light averaged over each pixel
    start : (row, column) of its corner
    is_near : (BLOCK, BLOCK) bool
        False for pixels that are not about the centre: the block is kept inside the image, wherever the centre lies.
    """
    centre = jnp.stack([jnp.asarray(place, dtype) for place in centre])
    pixel = jnp.stack([(shape[0] - 1) / 2 - centre[0] / pixel_scale, (shape[1] - 1) / 2 + centre[1] / pixel_scale])
    pixel = jnp.round(pixel)
    start = jnp.clip(pixel - BLOCK // 2, 0, jnp.asarray(shape) - BLOCK)
    near = jnp.abs(start[:, None] + np.arange(BLOCK) - pixel[:, None]) <= BLOCK // 2

    # In pixels from the centre: the block's horizontal lines (from the top) and vertical ones.
    lines = np.arange(BLOCK + 1)
    y = shape[0] / 2 - start[0] - lines - centre[0] / pixel_scale
    x = start[1] + lines - shape[1] / 2 - centre[1] / pixel_scale
    block = sum(_integrate(light, y, x, pixel_scale) for light in lights)
    return block, start.astype(int), near[0][:, None] & near[1][None, :]


def replace_block(image, block, start, is_near):
    """Return the image (H, W) with the pixels about the centre replaced."""
    old = jax.lax.dynamic_slice(image, start, block.shape)
    return jax.lax.dynamic_update_slice(image, jnp.where(is_near, block, old), start)


def _integrate(light, y, x, pixel_scale):
    """Return the mean light (BLOCK, BLOCK) of the pixels between lines at y and x, in pixels from the centre."""
    sine, cosine = light.ell_comps
    stretch = 1 / jnp.sqrt(1 - sine**2 - cosine**2)
    # Columns: where the map to round isophotes takes unit steps along y and along x, in (y, x).
    along_y = stretch * (1 + cosine), -stretch * sine
    along_x = -stretch * sine, stretch * (1 - cosine)
    downwards, rightwards = _triangles(x, y, along_x, along_y), _triangles(y, x, along_y, along_x)
    radii, weights = (jnp.stack(pair) for pair in zip(downwards, rightwards, strict=True))
    radii = jax.lax.optimization_barrier(pixel_scale * radii.ravel())
    means = light.mean_image_within_radii_from(radii, xp=jnp).reshape(weights.shape)
    downwards, rightwards = (means * weights).sum(axis=-1)  # (line, place along it)
    # Anticlockwise about a pixel: its left edge downwards, its right one upwards, its lower one to the right...
    return (downwards[:-1] - downwards[1:]).T + rightwards[:-1] - rightwards[1:]


def _triangles(across, along, across_step, along_step):
    """Return nodes and weights for the triangles between the centre and the edges on parallel lines.

    Parameters
    ----------
    across : (BLOCK + 1,), the lines' places across them
    along : (BLOCK + 1,), where edges begin and end along a line
    across_step, along_step : pairs of numbers, images of unit steps under the map to round isophotes

    Returns
    -------
    radii : (BLOCK + 1, BLOCK, NODES), of nodes on the edges, in pixels
    weights : the same
        Of the mean light within a radius, for the light in the triangle; negative where ``across`` is, or where
        ``along`` falls.
    """
    node, weight = _gauss(_NODES)
    length = jnp.hypot(*along_step)
    distance = (across / length)[:, None]  # the map keeps areas
    size = jnp.maximum(jnp.abs(distance), _FLOOR)
    shear = (along_step[0] * across_step[0] + along_step[1] * across_step[1]) / length
    w = jnp.arcsinh((along * length + across[:, None] * shear) / size)
    begin, step = w[:, :-1, None], (w[:, 1:] - w[:, :-1])[..., None]
    growing = jnp.exp(begin + step * node)  # cosh would be a library call for every node
    radii = size[..., None] * (growing + 1 / growing) / 2
    return radii, distance[..., None] * radii * step * weight / 2


def _gauss(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the nodes and weights of Gauss's rule on (0, 1), as numbers that leave the precision to JAX."""
    nodes, weights = np.polynomial.legendre.leggauss(nodes)
    return jnp.asarray((nodes + 1) / 2), jnp.asarray(weights / 2)

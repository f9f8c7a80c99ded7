"""The light of a cusp, integrated over the pixels around it.

A Sersic profile rises towards its centre as exp(-r^(1/n)): no sub-grid of a pixel converges quickly there. But the
light in a pixel is a sum over its edges of the light in the triangle between edge and centre, negative where the edge
faces away (Green), and over such a triangle the integrand is smooth in the right variables: out from the centre in u,
r being proportional to u^5 (Duffy 1982, SIAM J. Numer. Anal. 19, 1260), and along an edge at distance d in w, the
position along it being d sinh(w). A Gauss rule of a few nodes then does what a sub-grid of thousands does not.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

BLOCK = 5
"""Pixels along each side of the block about the centre."""

_RADIAL, _ALONG, _POWER = 6, 6, 5
_FLOOR = 1e-4  # of a pixel: nearer edges count as so far off, and bound a triangle of next to no light


def integrate_block(light: Callable, centre: tuple, shape: tuple[int, int], pixel_scale: float, dtype: str) -> tuple:
    """Return the mean light of the pixels about a centre, computed in JAX.

    Parameters
    ----------
    light : callable, (N, 2) of (y, x) arcsec -> (N,)
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
    across, along, weights = (jnp.stack(pair) for pair in zip(_triangles(x, y[1:]), _triangles(y, x[:-1]), strict=True))
    y = centre[0] + pixel_scale * jnp.stack([along[0], across[1]])
    x = centre[1] + pixel_scale * jnp.stack([across[0], along[1]])
    places = jax.lax.optimization_barrier((y.ravel(), x.ravel()))
    values = light(jnp.stack(places, axis=-1)).reshape(weights.shape)
    upwards, rightwards = (values * weights).sum(axis=(-2, -1))  # (line, place along it)

    # Anticlockwise about a pixel: its right edge upwards, its left one downwards, its lower one to the right...
    block = (upwards[1:] - upwards[:-1]).T + rightwards[:-1] - rightwards[1:]
    return block, start.astype(int), near[0][:, None] & near[1][None, :]


def replace_block(image, block, start, is_near):
    """Return the image (H, W) with the pixels about the centre replaced."""
    old = jax.lax.dynamic_slice(image, start, block.shape)
    return jax.lax.dynamic_update_slice(image, jnp.where(is_near, block, old), start)


def _triangles(distance, places):
    """Return nodes and weights for the triangles between the centre and the unit edges on parallel lines.

    Parameters
    ----------
    distance : (BLOCK + 1,) signed distances of the lines from the centre
    places : (BLOCK,) where edges begin along a line; the foot of the centre is at 0

    Returns
    -------
    across, along, weights : (BLOCK + 1, BLOCK, ALONG, RADIAL)
        Coordinates across and along the lines. Weights are negative where the distance is.
    """
    u, u_weights = _gauss(_RADIAL)
    v, v_weights = _gauss(_ALONG)
    reach, radial_weights = u**_POWER, u_weights * _POWER * u ** (2 * _POWER - 1)
    distance = distance[:, None, None]
    size = jnp.maximum(jnp.abs(distance), _FLOOR)
    begin, end = (jnp.arcsinh(t[:, None] / size) for t in (places, places + 1))
    w = begin + (end - begin) * v
    growing = jnp.exp(w)  # sinh and cosh would be a library call for every node
    weights = distance * size * (growing + 1 / growing) / 2 * (end - begin) * v_weights
    across = jnp.broadcast_to(distance, w.shape)[..., None] * reach
    along = (size * (growing - 1 / growing) / 2)[..., None] * reach
    return across, along, weights[..., None] * radial_weights


def _gauss(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the nodes and weights of Gauss's rule on (0, 1), as numbers that leave the precision to JAX."""
    nodes, weights = np.polynomial.legendre.leggauss(nodes)
    return jnp.asarray((nodes + 1) / 2), jnp.asarray(weights / 2)

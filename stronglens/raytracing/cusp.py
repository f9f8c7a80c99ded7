"""The light of a cusp, integrated over the pixels around it.

A Sersic profile rises towards its centre as exp(-r^(1/n)): no sub-grid of a pixel converges quickly there. The light in
a pixel is the sum over its four edges of the (signed) light in the triangle between edge and centre (Green), and over
such a triangle, with r = edge x u^5, the integrand is smooth in u and along the edge (Duffy 1982, SIAM J. Numer. Anal.
19, 1260): a Gauss rule of a few nodes will do.
"""

import jax
import jax.numpy as jnp
import numpy as np

BLOCK = 3
"""Pixels along each side of the block about the centre."""

_RADIAL, _ALONG, _POWER = 8, 8, 5


def integrate_block(light, centre: tuple, shape: tuple[int, int], pixel_scale: float, dtype) -> tuple:
    """Return the mean light of the pixels about a centre, computed in JAX.

    Parameters
    ----------
    light : callable, (N, 2) of (y, x) arcsec -> (N,)
    centre : (y, x), arcsec
    shape : (H, W) of the image, at least ``BLOCK``
    pixel_scale : arcsec
    dtype : of the result

    Returns
    -------
    block : (BLOCK, BLOCK), light averaged over each pixel
    start : (row, column) of its corner
    is_near : (BLOCK, BLOCK) bool, False for pixels that are not about the centre: where the block would stick out of
        the image it is moved inside, all the way when the centre lies outside
    """
    places = [jnp.asarray(c, dtype) for c in centre]
    pixel = jnp.stack([(shape[0] - 1) / 2 - places[0] / pixel_scale, (shape[1] - 1) / 2 + places[1] / pixel_scale])
    pixel = jnp.round(pixel)
    start = jnp.clip(pixel - BLOCK // 2, 0, jnp.asarray(shape) - BLOCK)
    near = jnp.abs(start[:, None] + np.arange(BLOCK) - pixel[:, None]) <= BLOCK // 2

    edges = np.arange(BLOCK + 1)
    y = (shape[0] / 2 - start[0] - edges) * pixel_scale - places[0]
    x = (start[1] + edges - shape[1] / 2) * pixel_scale - places[1]
    u, u_weights = _gauss(_RADIAL)
    v, v_weights = _gauss(_ALONG)
    reach, weights = u**_POWER, np.outer(v_weights, u_weights * _POWER * u ** (2 * _POWER - 1))

    along_y = y[1:, None] + pixel_scale * v  # (BLOCK, ALONG), up along vertical edges
    along_x = x[:-1, None] + pixel_scale * v
    grid = (BLOCK + 1, BLOCK, _ALONG, _RADIAL)
    vertical = along_y[None, :, :, None] * reach, x[:, None, None, None] * reach
    horizontal = y[:, None, None, None] * reach, along_x[None, :, :, None] * reach
    points = [jnp.stack([jnp.broadcast_to(a, grid) for a in pair], axis=-1) for pair in (vertical, horizontal)]
    points = jnp.stack(points).reshape(-1, 2) + jnp.stack(places)
    mean = (light(points).reshape(2, *grid) * weights.astype(dtype)).sum(axis=(-2, -1))

    # Twice the triangle's area over the pixel's, positive where the edge runs anticlockwise about the centre.
    right = mean[0] * (x / pixel_scale)[:, None]  # (x edge, row), upwards
    bottom = -mean[1] * (y / pixel_scale)[:, None]  # (y edge, column), to the right
    block = (right[1:] - right[:-1]).T + bottom[1:] - bottom[:-1]
    return block, start.astype(int), near[0][:, None] & near[1][None, :]


def _gauss(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    position, weights = np.polynomial.legendre.leggauss(nodes)
    return (position + 1) / 2, weights / 2


def replace_block(image, block, start, is_near):
    """Return the image (H, W) with the pixels about the centre replaced."""
    old = jax.lax.dynamic_slice(image, start, block.shape)
    return jax.lax.dynamic_update_slice(image, jnp.where(is_near, block, old), start)

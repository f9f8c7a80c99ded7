"""Deflections by thousands of masses, over an image divided into square tiles.

The deflection by masses far from a tile is smooth in the tile. It is summed only at a few Chebyshev nodes of the tile
and interpolated (the local part of a fast multipole method, after Fong & Darve 2009, J. Comput. Phys. 228, 8712; it
only requires that the centre of a mass is far away). The deflection by masses near a tile is summed for every ray. The
near-field radius is set per mass: outside it, the interpolation error and the deflection by a halo's outskirts are
below a tolerance. A far halo is approximated by a softened point mass.

The loops run over the actual number of masses. Arrays have the length of their bucket, so padding costs nothing.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from stronglens.raytracing.perturbers import Perturbers, _bracket, total_mass_of_truncated_nfw

SIDE = 8
"""Number of pixels along each side of a tile."""

NODES = 4
"""Number of Chebyshev nodes along each side of a tile."""

TOLERANCE = 2e-5
"""Maximum error of the deflection by one far mass, arcsec. The errors of thousands of masses mostly cancel."""

_UNROLL = {"point": 16, "nfw": 4}
"""Number of masses in one step of a loop, before the sums are stored. XLA's CPU backend is eight times slower for 8
point masses than for 16."""

_AWAY = 1e4
"""Position of the masses of strength 0 that pad arrays, arcsec."""


PARTS = 3
"""Number of arrays for the masses of a lens, in addition to the numbers of loop steps."""


class Bucket(NamedTuple):
    """Static array sizes of a compiled program: for all masses, and for the masses near one tile."""

    halos: int
    near: int


_SMALLEST = Bucket(halos=128, near=32)


@dataclass(frozen=True)
class Arrangement:
    """The masses of one lens, and the masses near each tile.

    Parameters
    ----------
    bucket : Bucket
    turns : ndarray (2,) int
        Numbers of steps of the loops over near and over all masses.
    halos : ndarray (P, m)
        Parameters of the masses for :func:`_deflect`.
    tile, place, halo : ndarray (pairs,) int
        The mass ``halo`` is number ``place`` of the masses near ``tile``.
    """

    bucket: Bucket
    turns: np.ndarray
    halos: np.ndarray
    tile: np.ndarray
    place: np.ndarray
    halo: np.ndarray


class Tiles:
    """The rays of an image, ordered by tiles.

    Parameters
    ----------
    shape : (H, W), pixels
    pixel_scale : float, arcsec
    over_sampling : int
        Number of rays along each side of a pixel.
    kind : {"point", "nfw"}
    dtype : {"float32", "float64"}
    """

    def __init__(self, shape: tuple[int, int], pixel_scale: float, over_sampling: int, kind: str, dtype: str):
        self.shape, self.kind, self.dtype = shape, kind, dtype
        self.count = tuple(-(-pixels // SIDE) for pixels in shape)
        middle = np.arange(max(self.count)) * SIDE + (SIDE - 1) / 2
        self.centre_y = pixel_scale * ((shape[0] - 1) / 2 - middle[: self.count[0]])
        self.centre_x = pixel_scale * (middle[: self.count[1]] - (shape[1] - 1) / 2)
        self.half_side = pixel_scale * SIDE / 2
        self.node = np.cos((np.arange(NODES) + 0.5) * np.pi / NODES)
        offset = (np.arange(over_sampling) + 0.5) / over_sampling - 0.5
        pixel = np.arange(SIDE) - (SIDE - 1) / 2
        self.pixels = pixel_scale * pixel
        self.weights_x = _interpolation(self.node, (offset[:, None] + pixel) * 2 / SIDE)
        self.weights_y = _interpolation(self.node, (offset[:, None] - pixel) * 2 / SIDE)  # rows run downwards
        self._reach_by_strength = _reach_by_strength(self.node)

    def rays(self) -> np.ndarray:
        """Return the centres of pixels in the order of tiles; some lie outside the image.

        Returns
        -------
        ndarray (2, SIDE * SIDE * tiles), arcsec
            y and x.
        """
        y = self.centre_y[:, None] - self.pixels[:, None, None, None]
        x = self.centre_x + self.pixels[:, None, None]
        whole = (SIDE, SIDE, *self.count)
        return np.stack([np.broadcast_to(y, whole).ravel(), np.broadcast_to(x, whole).ravel()])

    def to_image(self, values):
        """Return an image (H, W) from values in the order of tiles."""
        values = values.reshape(SIDE, SIDE, *self.count).transpose(2, 0, 3, 1)
        return values.reshape(self.count[0] * SIDE, -1)[: self.shape[0], : self.shape[1]]

    def arrange(self, perturbers: Perturbers, row: int) -> Arrangement | None:
        """Return the masses of a lens and those near each tile; None if there are no masses."""
        masses = perturbers.of_lens(row)
        number = masses.shape[1]
        if not number:
            return None
        near = self._is_near(*masses)
        tile, halo = np.divmod(np.flatnonzero(near), number)
        counts = np.bincount(tile, minlength=len(near))
        place = np.arange(len(tile)) - np.repeat(np.cumsum(counts) - counts, counts)
        most = int(counts.max())
        # One more than the number of masses: the last one has strength 0.
        bucket = Bucket(_bucket(number + 1, _SMALLEST.halos), _bucket(most, _SMALLEST.near))
        turns = -(-np.array([most, number]) // [_UNROLL[self.kind], _UNROLL["point"]])
        return Arrangement(bucket, turns, _parameters(masses), tile, place, halo)

    def stack(self, arrangements: list[Arrangement], rows: int) -> list[np.ndarray]:
        """Return the arrays of a program (see :meth:`describe`) for lenses of one bucket, padded to ``rows``."""
        described = self.describe(arrangements[0].bucket, rows)
        turns, halos, near, is_far = (np.empty(array.shape, array.dtype) for array in described)
        turns[:], near[:], is_far[:] = 0, halos.shape[-1] - 1, True
        halos[:] = np.array([_AWAY, _AWAY, 0, 1, 1, 1, 1])[: halos.shape[1], None]
        for row, one in enumerate(arrangements):
            turns[row] = one.turns
            halos[row, :, : one.halos.shape[1]] = one.halos
            near[row, one.place, one.tile] = one.halo
            is_far[row, one.halo, one.tile] = False
        return [turns, halos, near, is_far]

    def describe(self, bucket: Bucket, rows: int) -> list[jax.ShapeDtypeStruct]:
        """Return the shapes of a program's arrays: turns (2,), halos (P, halos), near (near, tiles), is_far.

        ``near`` contains the indices of the masses near a tile; ``is_far`` (halos, tiles) marks the other masses.
        """
        tiles, parameters = self.count[0] * self.count[1], {"point": 4, "nfw": 7}[self.kind]
        return [
            jax.ShapeDtypeStruct((rows, 2), np.int32),
            jax.ShapeDtypeStruct((rows, parameters, bucket.halos), self.dtype),
            jax.ShapeDtypeStruct((rows, bucket.near, tiles), np.int32),
            jax.ShapeDtypeStruct((rows, bucket.halos, tiles), bool),
        ]

    def _is_near(self, x, y, strength, *radii):
        """Return whether each mass is near each tile, (tiles, masses) bool."""
        reach = self.half_side * np.interp(np.log(strength / (TOLERANCE * self.half_side)), *self._reach_by_strength)
        if radii:
            reach = np.maximum(reach, self.half_side + _extent(strength, *radii))
        across = ((self.centre_x[:, None] - x) ** 2).astype(np.float32)
        along = (reach**2 - (self.centre_y[:, None] - y) ** 2).astype(np.float32)
        return (across < along[:, None]).reshape(-1, len(x))

    def sum_deflections(self, turns, halos, near, is_far):
        """Return two functions for the deflections (y, x) of rays (R, 2) by the masses of one lens, in JAX.

        The first function takes rays in the order of tiles and their index in the pixel; the second takes any rays.

        Parameters
        ----------
        turns, halos, near, is_far : arrays
            Rows of one lens in the arrays of :meth:`stack`.
        """
        tiles = self.count[0] * self.count[1]
        node_y = (self.half_side * self.node[:, None, None] + np.repeat(self.centre_y, self.count[1])).astype(
            self.dtype
        )
        node_x = (self.half_side * self.node[:, None] + np.tile(self.centre_x, self.count[0])).astype(self.dtype)
        node_y, node_x = (
            jnp.asarray(np.broadcast_to(a, (NODES, NODES, tiles)).reshape(-1, tiles)) for a in (node_y, node_x)
        )
        far = self.sum_masses(node_y, node_x, [column[:, None] for column in halos[:4]], turns[1], is_far)
        far = far.reshape(NODES, NODES, tiles)
        beside = jax.lax.optimization_barrier([column[near] for column in halos])
        weights = [jnp.asarray(weights, self.dtype) for weights in (self.weights_y, self.weights_x)]
        per_side = len(self.weights_x)

        def deflections(rays, index):
            total = self.sum_masses(*(axis.reshape(-1, tiles) for axis in rays.T), beside, turns[0])
            along, across = weights[0][index // per_side], weights[1][index % per_side]
            angles = []
            for part, own in ((far.imag, total.imag), (far.real, total.real)):
                lines = sum(along[:, a, None, None] * part[a] for a in range(NODES))
                lines = jax.lax.optimization_barrier(lines)
                smooth = sum(across[:, b, None] * lines[:, None, b] for b in range(NODES))
                angles.append((smooth.reshape(-1, tiles) + own).ravel())
            return angles

        def deflections_anywhere(rays):
            y, x = rays.T
            row = self._find_tile(self.centre_y[0] - y, self.count[0])
            column = self._find_tile(x - self.centre_x[0], self.count[1])
            tile = row * self.count[1] + column
            along, across = (
                _interpolation(self.node, (place - jnp.asarray(centre, self.dtype)[index]) / self.half_side, jnp)
                for place, centre, index in ((y, self.centre_y, row), (x, self.centre_x, column))
            )
            smooth = (far[:, :, tile] * along.T[:, None] * across.T).sum(axis=(0, 1))
            near = [column[:, tile] for column in beside]
            total = smooth + self.sum_masses(y[None], x[None], near, turns[0])[0]
            return [total.imag, total.real]

        return deflections, deflections_anywhere

    def _find_tile(self, distance, count):
        """Return the index of the tile at a distance, arcsec, from the centre of the first tile along an axis."""
        return jnp.clip(jnp.floor(distance / (2 * self.half_side) + 0.5).astype(int), 0, count - 1)

    def sum_masses(self, ray_y, ray_x, halos, turns, is_far=None):
        """Return the deflections alpha_x + i alpha_y of rays (R, tiles) by the masses (C, tiles or 1) of each tile."""
        unroll = _UNROLL["point" if len(halos) == 4 else "nfw"]

        def add_masses(turn, sums):
            columns = [jax.lax.dynamic_slice_in_dim(column, turn * unroll, unroll) for column in halos]
            if is_far is not None:
                columns[2] = jnp.where(jax.lax.dynamic_slice_in_dim(is_far, turn * unroll, unroll), columns[2], 0)
            along = across = 0.0
            for mass in range(unroll):
                x, y, strength, softening, *halo = (column[mass] for column in columns)
                dy, dx = ray_y - y, ray_x - x
                factor = _deflect(dx * dx + dy * dy, strength, softening, *halo)
                if halo:  # too complex for one fused loop over rays: XLA would compute parts of it repeatedly
                    factor = jax.lax.optimization_barrier(factor)
                along, across = along + factor * dy, across + factor * dx
            # One complex result, since XLA's CPU backend would compute every term twice for two real results.
            return sums + jax.lax.complex(across, along)

        zero = jnp.zeros(ray_y.shape, np.result_type(ray_y.dtype, np.complex64))
        return jax.lax.fori_loop(0, turns, add_masses, zero)


def _deflect(squared, strength, softening, share=None, inverse_radius=None, tau=None):
    """Return deflection / distance, dimensionless, at a squared distance in arcsec^2."""
    if share is None:
        return strength / (squared + softening)
    squared = jax.lax.optimization_barrier(squared)
    x = jnp.maximum(jnp.sqrt(squared) * inverse_radius, 1e-9)
    return strength * share * _bracket(x, tau, jnp)


def _parameters(masses: np.ndarray) -> np.ndarray:
    """Return the parameters for :func:`_deflect`: x, y, strength, softening; for halos also share, 1 / r_s and tau."""
    x, y, strength, *radii = masses
    if not radii:
        return np.stack([x, y, strength, np.full(len(x), 1e-20)])  # PyAutoLens's softening
    scale_radius, truncation_radius = radii
    tau = truncation_radius / scale_radius
    share = tau**2 / (tau**2 + 1) ** 2 / total_mass_of_truncated_nfw(tau) / scale_radius**2
    return np.stack([x, y, strength, _outskirts(*radii), share, 1 / scale_radius, tau])


def _extent(strength, scale_radius, truncation_radius):
    """Return the radius beyond which the deflection by a halo's outer mass is below the tolerance."""
    return (strength * _outskirts(scale_radius, truncation_radius) / TOLERANCE) ** (1 / 3)


def _outskirts(scale_radius, truncation_radius):
    """Return a, arcsec^2: the fraction of a halo's mass beyond r is below a / r^2 and approaches it at large r.

    The density is below rho_s tau^2 / x^5, which in projection gives tau^2 / (3 x^2) in the units of the total mass. A
    softened point mass, with the deflection strength r / (r^2 + a), has the same fraction at large r.
    """
    return truncation_radius**2 / (3 * total_mass_of_truncated_nfw(truncation_radius / scale_radius))


def _bucket(number: int, smallest: int) -> int:
    while smallest < number:
        smallest *= 2
    return smallest


def _interpolation(node: np.ndarray, place, xp=np):
    """Return the weights (..., nodes) that interpolate values at nodes to a position."""
    weights = []
    for mine in range(len(node)):
        others = np.delete(node, mine)
        weights.append(xp.prod((place[..., None] - others) / (node[mine] - others), axis=-1))
    return xp.stack(weights, axis=-1)


def _reach_by_strength(node: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance of a point mass at which the maximum interpolation error in a tile is 1.

    Returns
    -------
    log_strength : ndarray (D,)
        In increasing order, in units of half a side of a tile.
    distance : ndarray (D,)
        Distance from the centre of the tile, in increasing order, in half sides; at least half a diagonal.
    """
    distance = np.geomspace(1.02 * np.sqrt(2), 200, 60)
    angle = np.linspace(0, np.pi / 4, 7)
    place = np.linspace(-1, 1, 17)
    mass = distance[:, None] * np.exp(1j * angle)
    nodes, places = node + 1j * node[:, None], place + 1j * place[:, None]
    weights = _interpolation(node, place)
    coarse = 1 / np.conj(nodes - mass[..., None, None])
    wrong = np.einsum("ia,dkab,jb->dkij", weights, coarse, weights) - 1 / np.conj(places - mass[..., None, None])
    error = np.maximum(abs(wrong).max(axis=(1, 2, 3)), 1e-300)
    return -np.log(error), distance

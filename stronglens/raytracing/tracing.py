"""The compiled program: ray tracing back to the source for each pixel, for a piece of a chunk."""

import functools
import math
from dataclasses import dataclass

import autolens as al
import jax
import jax.numpy as jnp
import numpy as np

from stronglens.raytracing.cusp import integrate_block, replace_block
from stronglens.raytracing.refinement import refine_image
from stronglens.raytracing.scene import FAST, build_lens, build_middle, build_source
from stronglens.raytracing.tiles import PARTS, Tiles


@dataclass(frozen=True)
class ImageTracer:
    """Trace images with JAX. Attributes that are not listed are arguments of `ImageRenderer`.

    Attributes
    ----------
    columns : tuple of str
        Names of the values of scenes.
    shape : (H, W), pixels
        Shape of an image including padding.
    batch_size : int
        Number of images in one vectorised step.
    refined : int
        Number of pixels around the cusp of the source that have more rays.
    tiles : Tiles or None
        Tiles for lenses with perturbers.
    middle : bool
        Whether there is a galaxy between lens and source; scenes then include ``MIDDLE``.
    """

    lens_model: str
    columns: tuple[str, ...]
    lens_light: bool
    shape: tuple[int, int]
    pixel_scale: float
    over_sampling: int
    precision: str
    batch_size: int
    integrate_cusp: bool
    refined: int
    tiles: Tiles | None
    lens_rays: int | None = None
    middle: bool = False

    def render_piece(self, *arrays):
        """Return the images of lenses without perturbers, each (N, H, W): source, lens if it has light, middle galaxy.

        Parameters
        ----------
        *arrays : arrays
            Values (N, columns) of scenes; for composite lenses also their ellipsoids, two arrays (N, J).
        """
        images = jax.lax.map(lambda row: self._render_image(*row), arrays, batch_size=self.batch_size)
        return self._add_cusps(images, arrays)

    def render_perturbed_piece(self, turns, *arrays):
        """Return the images of lenses with perturbers. The arrays of `Tiles.stack` come before those of the scenes.

        On a GPU several images are vectorised in one step; on a CPU only one image fits in the cache.
        """
        batch = 1 if jax.default_backend() == "cpu" else math.gcd(len(turns), self.batch_size)
        groups = [array.reshape(-1, batch, *array.shape[1:]) for array in (turns, *arrays)]

        def render_group(group):
            turns = group[0].max(axis=0)  # common number of loop steps; additional steps add masses of strength 0
            return jax.vmap(lambda *row: self._render_image(*row[PARTS:], perturbers=(turns, *row[:PARTS])))(*group[1:])

        images = jax.lax.map(render_group, groups)
        images = [image.reshape(len(turns), *self.shape) for image in images]
        return self._add_cusps(images, arrays[PARTS:])

    def _add_cusps(self, images, arrays):
        if self.lens_light and self.integrate_cusp:
            # The whole piece at once: there are few numbers per image, so the number of steps dominates the cost.
            blocks = jax.vmap(self._integrate_cusp)(*arrays)
            images[1] = jax.vmap(replace_block)(images[1], *blocks)
        return images

    def _integrate_cusp(self, *row):
        scene, _, lights = self._build_lens(*row)
        centre = scene["lens_center_y"], scene["lens_center_x"]
        return integrate_block(lights.values(), centre, self.shape, self.pixel_scale, self.precision)

    def _build_lens(self, values, *ellipsoids):
        scene = dict(zip(self.columns, values, strict=True))
        bulge = {"ellipsoids": ellipsoids} if ellipsoids else {}
        return scene, *build_lens(self.lens_model, scene, FAST, **bulge)

    def _render_image(self, *row, perturbers=None):
        scene, masses, lights = self._build_lens(*row)
        source = build_source(scene, FAST)
        middle_mass, middle_light = build_middle(scene, FAST) if self.middle else (None, None)

        perturb, perturb_anywhere = self.tiles.sum_deflections(*perturbers) if perturbers else (None, None)

        def trace_back(rays, perturb):
            grid = _grid(rays)
            deflections = [mass.deflections_yx_2d_from(grid, xp=jnp).array for mass in masses.values()]
            # Components are separate, since XLA does not vectorise arrays of pairs or transposed arrays.
            angles = [sum(pairs[:, axis] for pairs in deflections) for axis in (0, 1)]
            if perturb:
                angles = [one + other for one, other in zip(angles, perturb(rays), strict=True)]
            traced = [rays[:, axis] - angles[axis] for axis in (0, 1)]
            if self.middle:
                # Angles are those for the source. The middle galaxy is nearer: the lens deflects its light by less.
                nearer = [rays[:, axis] - scene["beta"] * angles[axis] for axis in (0, 1)]
                nearer = jax.lax.optimization_barrier(nearer)
                pairs = middle_mass.deflections_yx_2d_from(_grid(jnp.stack(nearer, axis=-1)), xp=jnp).array
                traced = [*(one - pairs[:, axis] for axis, one in enumerate(traced)), *nearer]
            return jax.lax.optimization_barrier(traced)

        def trace_in_order(rays, index):
            return trace_back(rays, perturb and functools.partial(perturb, index=index))

        def shine(traced):
            grid = _grid(jnp.stack(traced, axis=-1))
            return sum(light.image_2d_from(grid, xp=jnp).array for light in source.values())

        def shine_directly(rays, index):
            return (sum(light.image_2d_from(_grid(rays), xp=jnp).array for light in lights.values()),)

        lens_apart = self.lens_light and self.lens_rays is not None

        def trace(rays, index):
            traced = trace_in_order(rays, index)
            images = [shine(traced[:2])]
            if self.lens_light and not lens_apart:
                images += shine_directly(rays, index)
            if self.middle:
                images.append(middle_light.image_2d_from(_grid(jnp.stack(traced[2:], axis=-1)), xp=jnp).array)
            return jax.lax.optimization_barrier(tuple(images)) if len(images) > 1 else tuple(images)

        rays = self.tiles.rays() if perturbers else pixel_centers(self.shape, self.pixel_scale).T
        to_image = self.tiles.to_image if perturbers else lambda image: image.reshape(self.shape)
        together = 1 + bool(self.lens_light and not lens_apart) + self.middle
        images = [to_image(image) for image in self._average(trace, rays, self.over_sampling, together)]
        if lens_apart:
            images.insert(1, to_image(*self._average(shine_directly, rays, self.lens_rays, 1)))
        if self.refined:
            middle = self.over_sampling // 2 * (self.over_sampling + 1)
            middle_rays = self._ray_of_pixels(rays, middle, self.over_sampling)
            traced = [to_image(axis) for axis in trace_in_order(middle_rays, middle)[:2]]
            images[0] = refine_image(
                images[0], traced, lambda rays: trace_back(rays, perturb_anywhere)[:2], shine, source["light"],
                self.pixel_scale, self.over_sampling, self.refined,
            )  # fmt: skip
        return images

    def _average(self, trace, rays, side: int, kinds: int):
        """Return the means over the ``side`` x ``side`` rays of each pixel, for the ``kinds`` arrays of ``trace``.

        They are summed one ray of every pixel at a time, to fit in the cache.
        """
        number = side**2

        def trace_ray(index):
            return trace(self._ray_of_pixels(rays, index, side), index)

        if number == 1:
            return trace_ray(0)

        def add_ray(index, sums):
            return jax.tree.map(jnp.add, sums, trace_ray(index))

        zero = jnp.zeros(rays.shape[1], self.precision)
        sums = jax.lax.fori_loop(0, number, add_ray, (zero,) * kinds)
        return jax.tree.map(lambda total: total / number, sums)

    def _ray_of_pixels(self, centres, index, side: int):
        """Return one of ``side`` x ``side`` rays of every pixel, (R, 2), from the centres (2, R) of the pixels."""
        offsets = ((np.arange(side) + 0.5) / side - 0.5) * self.pixel_scale
        offsets = np.stack(np.meshgrid(offsets, offsets, indexing="ij"), axis=-1).reshape(-1, 2)
        centres, offsets = jnp.asarray(centres, self.precision), jnp.asarray(offsets, self.precision)
        shifted = jax.lax.optimization_barrier([centres[axis] + offsets[index, axis] for axis in (0, 1)])
        return jnp.stack(shifted, axis=-1)


def pixel_centers(shape: tuple[int, int], pixel_scale: float) -> np.ndarray:
    """Return the centres of the pixels of an image, row by row from the top left.

    Parameters
    ----------
    shape : (H, W), pixels
    pixel_scale : float, arcsec

    Returns
    -------
    ndarray (H * W, 2), arcsec
        (y, x) relative to the image centre.
    """
    y = (shape[0] - 1) / 2 - np.arange(shape[0])
    x = np.arange(shape[1]) - (shape[1] - 1) / 2
    return pixel_scale * np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 2)


def _grid(rays) -> al.Grid2DIrregular:
    return al.Grid2DIrregular(rays, xp=jnp)

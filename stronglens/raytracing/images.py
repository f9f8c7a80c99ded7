"""Physical scenes to batches of images, ray by ray, under JAX."""

import math

import autolens as al
import jax
import jax.numpy as jnp
import numpy as np

from stronglens.parameters import RunError
from stronglens.raytracing.ellipsoids import sersic_amplitudes
from stronglens.raytracing.profiles import Exponential, NFWSph, Sersic

_LENS = ("lens_center_x", "lens_center_y", "lens_ellip_x", "lens_ellip_y", "lens_intensity", "lens_effect", "lens_sersic")
_SOURCE = ("src_center_x", "src_center_y", "src_ellip_x", "src_ellip_y", "src_intensity", "src_effect", "src_sersic")
SCENE_COLUMNS = {
    "composite": (
        *_LENS,
        "masslight_ratio",
        "disk_intensity",
        "disk_effect",
        "disk_ellip_x",
        "disk_ellip_y",
        "disk_masslight_ratio",
        "halo_kappa",
        "halo_radius",
        *_SOURCE,
    ),
    "sie": (*_LENS, "einstein_radius_sie", "shear_1", "shear_2", *_SOURCE),
}
"""What the ray tracer takes: values as they act on the image, redshifts and telescope applied."""

CUSP_PIXELS = 3
CUSP_RAYS = 32
"""The lens's own light is steep at its centre: this many pixels about it get this many rays along each side."""

RAYS_IN_CACHE = 2**17
"""Rays traced at once on a CPU: more do not fit into the cache of a core."""


class ImageRenderer:
    """Trace batches of lens systems through one compiled program.

    Every image runs at the same place of the same program whatever else is traced beside it: a batch is filled up to
    the size of a chunk.

    Parameters
    ----------
    lens_model : ``composite`` or ``sie``
    lens_light : whether to render the lens's own light
    shape : (H, W) pixels of the field
    pixel_scale : float, arcsec
    over_sampling : rays along each side of a pixel
    padding : pixels beyond each edge, for the light that a blur brings in
    precision : ``float32`` or ``float64``
    chunk_size : images in a chunk
    """

    def __init__(
        self,
        lens_model: str,
        lens_light: bool,
        shape: tuple[int, int],
        pixel_scale: float,
        over_sampling: int,
        padding: int = 0,
        precision: str = "float32",
        chunk_size: int = 128,
    ):
        self.lens_model, self.lens_light, self.over_sampling = lens_model, lens_light, over_sampling
        self.shape = (shape[0] + 2 * padding, shape[1] + 2 * padding)
        self.pixel_scale, self.precision, self.chunk_size = pixel_scale, precision, chunk_size
        rays = math.prod(self.shape) * over_sampling**2
        batch = max(1, min(16, RAYS_IN_CACHE // rays)) if jax.default_backend() == "cpu" else chunk_size
        with self._precise():
            self._grid = jnp.asarray(ray_grid(self.shape, pixel_scale, over_sampling), precision)
            self._program = jax.jit(lambda scenes: jax.lax.map(self._render_one, scenes, batch_size=batch))

    def __call__(self, scene: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
        """Render the images of some scenes.

        Parameters
        ----------
        scene : dict of the names in ``SCENE_COLUMNS`` to (N,) float64, N at most a chunk

        Returns
        -------
        source : (N, H, W) of the precision's type, intensity averaged over each pixel
        lens : the same of the lens's light; None where it is off

        Raises
        ------
        RunError
            When an image has pixels that are not finite: names its place in the batch.
        ValueError
            When there are more scenes than a chunk holds.
        """
        number = len(scene["src_intensity"])
        if number > self.chunk_size:
            raise ValueError(f"{number} scenes are more than a chunk of {self.chunk_size}")
        scenes = {name: np.asarray(scene[name], float) for name in SCENE_COLUMNS[self.lens_model]}
        if self.lens_model == "composite":
            scenes["amplitudes"] = sersic_amplitudes(scenes["lens_sersic"])
        else:
            q = axis_ratio(scenes["lens_ellip_x"], scenes["lens_ellip_y"])
            # PyAutoGalaxy quotes the mean of the critical ellipse's semi-axes, catalogues their geometric mean.
            scenes["einstein_radius"] = scenes["einstein_radius_sie"] * (1 + q) / (2 * np.sqrt(q))
        rest = self.chunk_size - number
        filled = {name: np.concatenate((v, np.repeat(v[-1:], rest, axis=0))) for name, v in scenes.items()}
        with self._precise():
            images = self._program({name: v.astype(self.precision) for name, v in filled.items()})
        images = tuple(np.asarray(image)[:number] for image in images)
        for image in images:
            bad = np.flatnonzero(~np.isfinite(image).all(axis=(1, 2)))
            if bad.size:
                raise RunError(
                    f"image {bad[0]} of this chunk has pixels that are not finite: narrow the ranges, "
                    "those of the Sersic indices and ellipticities first"
                )
        return images if self.lens_light else (images[0], None)

    def _precise(self):
        """Return a context of this renderer's precision: PyAutoLens switches JAX to float64 when it is imported."""
        return jax.enable_x64(self.precision == "float64")

    def _render_one(self, scene):
        masses, lights = _lens_profiles(self.lens_model, scene)
        source = al.lp.Sersic(**_geometry(scene, "src"), **_light(scene, "src"))
        deflections = sum(_deflections(mass, self._grid) for mass in masses)
        images = [self._average(_brightness([source], self._grid - deflections))]
        if self.lens_light:
            images.append(self._sharpen_cusp(self._average(_brightness(lights, self._grid)), scene, lights))
        return tuple(images)

    def _average(self, values):
        """Average the rays of each pixel: (rays,) to (H, W)."""
        height, width = self.shape
        return values.reshape(height, width, self.over_sampling**2).mean(axis=-1)

    def _sharpen_cusp(self, image, scene, lights):
        """Render the pixels about the lens's centre anew with many rays."""
        if self.over_sampling >= CUSP_RAYS or min(self.shape) < CUSP_PIXELS:
            return image
        height, width = self.shape
        row = jnp.floor(height / 2 - scene["lens_center_y"] / self.pixel_scale) - CUSP_PIXELS // 2
        column = jnp.floor(width / 2 + scene["lens_center_x"] / self.pixel_scale) - CUSP_PIXELS // 2
        row = jnp.clip(row, 0, height - CUSP_PIXELS)
        column = jnp.clip(column, 0, width - CUSP_PIXELS)
        offset = (CUSP_PIXELS - 1) / 2
        centre = (height - 1) / 2 - row - offset, column + offset - (width - 1) / 2
        rays = ray_grid((CUSP_PIXELS, CUSP_PIXELS), self.pixel_scale, CUSP_RAYS)
        rays = jnp.asarray(rays, image.dtype) + self.pixel_scale * jnp.stack(centre)
        block = _brightness(lights, rays).reshape(CUSP_PIXELS, CUSP_PIXELS, CUSP_RAYS**2).mean(axis=-1)
        return jax.lax.dynamic_update_slice(image, block, (row.astype(int), column.astype(int)))


def ray_grid(shape: tuple[int, int], pixel_scale: float, over_sampling: int) -> np.ndarray:
    """Return where the rays of an image pass: (H W o^2, 2) float64, (y, x) in arcsec, those of a pixel together.

    Row 0 is at the top, y = +max; the rays of a pixel stand on a uniform sub-grid.
    """
    height, width = shape
    sub = (np.arange(over_sampling) + 0.5) / over_sampling - 0.5
    y = ((height - 1) / 2 - np.arange(height))[:, None] - sub
    x = (np.arange(width) - (width - 1) / 2)[:, None] + sub
    full = (height, width, over_sampling, over_sampling)
    grid = np.stack((np.broadcast_to(y[:, None, :, None], full), np.broadcast_to(x[None, :, None, :], full)), axis=-1)
    return grid.reshape(-1, 2) * pixel_scale


def axis_ratio(ellip_x: np.ndarray, ellip_y: np.ndarray) -> np.ndarray:
    """Return q of ellipticity components (1-q)/(1+q) (cos 2phi, sin 2phi)."""
    size = np.hypot(ellip_x, ellip_y)
    return (1 - size) / (1 + size)


def _lens_profiles(lens_model: str, scene):
    """Return the lens's mass profiles and its light profiles."""
    if lens_model == "sie":
        mass = al.mp.Isothermal(**_geometry(scene, "lens"), einstein_radius=scene["einstein_radius"])
        shear = al.mp.ExternalShear(gamma_1=scene["shear_1"], gamma_2=scene["shear_2"])
        return [mass, shear], [al.lp.Sersic(**_geometry(scene, "lens"), **_light(scene, "lens"))]
    bulge = Sersic(
        **_geometry(scene, "lens"),
        **_light(scene, "lens"),
        mass_to_light_ratio=scene["masslight_ratio"],
        amplitudes=scene["amplitudes"],
    )
    centre = (scene["lens_center_y"], scene["lens_center_x"])
    disk = Exponential(
        centre=centre,
        ell_comps=(scene["disk_ellip_y"], scene["disk_ellip_x"]),
        intensity=scene["disk_intensity"],
        effective_radius=scene["disk_effect"],
        mass_to_light_ratio=scene["disk_masslight_ratio"],
    )
    halo = NFWSph(centre=centre, kappa_s=scene["halo_kappa"], scale_radius=scene["halo_radius"])
    return [bulge, disk, halo], [bulge, disk]


def _geometry(scene, galaxy: str) -> dict:
    return {
        "centre": (scene[f"{galaxy}_center_y"], scene[f"{galaxy}_center_x"]),
        "ell_comps": (scene[f"{galaxy}_ellip_y"], scene[f"{galaxy}_ellip_x"]),
    }


def _light(scene, galaxy: str) -> dict:
    return {
        "intensity": scene[f"{galaxy}_intensity"],
        "effective_radius": scene[f"{galaxy}_effect"],
        "sersic_index": scene[f"{galaxy}_sersic"],
    }


def _deflections(profile, grid):
    vectors = profile.deflections_yx_2d_from(grid=al.Grid2DIrregular(values=grid, xp=jnp), xp=jnp)
    return getattr(vectors, "array", vectors)


def _brightness(profiles, grid):
    irregular = al.Grid2DIrregular(values=grid, xp=jnp)
    images = (profile.image_2d_from(grid=irregular, xp=jnp) for profile in profiles)
    return sum(getattr(image, "array", image) for image in images)

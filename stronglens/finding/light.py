"""Light of unit flux of the galaxies in an image, each rendered once for all bands."""

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stronglens.finding.camera import FINE
from stronglens.finding.classes import KINDS
from stronglens.finding.compounds import COMPOUND_KINDS
from stronglens.finding.disks import PARAMETERS, disk_brightness
from stronglens.finding.non_lenses import COMPANIONS, DISKS
from stronglens.lens_models import ISOTHERMAL
from stronglens.raytracing import ImageRenderer, sersic_flux
from stronglens.raytracing.tracing import pixel_centers
from stronglens.sampling import Draws

PIECE = 8
"""Images in a call of the compiled program: few images are drawn again and rendered at once."""

FEW_RAYS = 2
"""Rays along each side of a pixel for disks, which have no cusps, and for galaxies in the middle, whose cusps are
integrated."""

ENOUGH_RAYS = 4
"""Rays with which the flux of a source is accurate to 1 % without refined pixels around its cusp."""

MASS = ("einstein-radius-sie", "shear-1", "shear-2")
MIDDLE = ("middle-einstein-radius", "beta")
SHAPE = ("center-x", "center-y", "ellip-x", "ellip-y", "effect", "sersic")


@dataclass(frozen=True)
class Light:
    """Light of one kind of component in some images.

    Attributes
    ----------
    component : str
        Prefix of its magnitudes: ``lens``, ``src``, ``middle``, ``companion-1``, ``disk``.
    rows : ndarray (M,) int
        Images that have it.
    planes : ndarray (M, F, F) float32
        Flux in each pixel; the flux of the component is 1.
    """

    component: str
    rows: NDArray[np.integer]
    planes: NDArray[np.float32]


class LightRenderer:
    """Render the galaxies of images: elliptical ones by ray tracing, disks in NumPy. A renderer is thread-safe.

    Parameters
    ----------
    side : int
        Pixels of 0.1 arcsec along each side of the field.
    padding : int
        More pixels beyond each edge.
    over_sampling : int
        Rays along each side of a pixel.
    chunk_size : int
        Maximum number of images at once.
    threads : int, optional
    """

    def __init__(self, side: int, padding: int, over_sampling: int, chunk_size: int, threads: int | None = None):
        self._side, self._padding, self._over_sampling = side, padding, over_sampling
        self._chunk_size, self._threads = chunk_size, threads
        self._first_use, self._made = threading.Lock(), {}
        self._rays = _disk_rays(side + 2 * padding, FEW_RAYS)

    def __call__(self, draws: Draws, kinds: NDArray[np.integer]) -> list[Light]:
        """Render the components of N images.

        Parameters
        ----------
        draws : dict of column to ndarray (N,)
            See `non_lenses.draw_scenes` and `compounds.add_middle`.
        kinds : ndarray (N,) int

        Returns
        -------
        list of Light
            First ``lens``, of all images; then ``src``, of those that have a source.
        """
        every = np.arange(len(kinds))
        has_source = np.isfinite(draws["src-magnitude-vis"])
        has = [np.isfinite(draws[f"companion-{k}-magnitude-vis"]) for k in range(1, COMPANIONS + 1)]
        # A source and the first companion exclude each other; further companions need another row of the renderer. Both
        # of its slots then have unlensed light.
        behind = np.where(has_source, "src", np.where(has[0], "companion-1", ""))
        side = self._side + 2 * self._padding
        source, lens = np.empty((2, len(every), side, side), np.float32)
        lights = [Light("lens", every, lens)]
        is_compound = np.isin(kinds, COMPOUND_KINDS)
        for has_middle in (False, True):
            if len(rows := np.flatnonzero(is_compound == has_middle)):
                front = np.full(len(rows), "lens")
                source[rows], lens[rows], *middle = self._render(draws, rows, front, behind[rows], has_middle)
                lights += [Light("middle", rows, planes) for planes in middle]
        for component in ("src", "companion-1"):
            rows = np.flatnonzero(behind == component)
            lights.append(Light(component, rows, source[rows]))
        if len(rows := np.flatnonzero(has[1])):
            front, behind = (np.full(len(rows), f"companion-{k}") for k in (2, 3))
            third, second = self._render(draws, rows, front, np.where(has[2][rows], behind, ""))
            lights.append(Light("companion-2", rows, second))
            lights.append(Light("companion-3", rows[has[2][rows]], third[has[2][rows]]))
        disks = np.flatnonzero(np.isin(kinds, [KINDS.index(kind) for kind in DISKS]))
        if len(disks):
            lights.append(Light("disk", disks, np.stack([self._draw_disk(draws, kinds[row], row) for row in disks])))
        return [light for light in lights if len(light.rows)]

    def _render(self, draws: Draws, rows, front, behind, middle: bool = False) -> NDArray[np.float32]:
        """Return the planes of the components ``behind`` and in ``front`` of the mass, and of a middle galaxy."""
        scene = {name.replace("-", "_"): draws[name][rows] for name in MASS}
        slots = {"lens": front, "src": behind}
        if middle:
            scene |= {name.replace("-", "_"): draws[name][rows] for name in MIDDLE}
            slots["middle"] = np.full(len(rows), "middle")
        for slot, components in slots.items():
            shape = {name: np.full(len(rows), float(name in ("effect", "sersic"))) for name in SHAPE}
            for component in np.unique(components[components != ""]):
                those = components == component
                for name in SHAPE:
                    shape[name][those] = draws[f"{component}-{name}"][rows][those]
            scene |= {f"{slot}_{name.replace('-', '_')}": values for name, values in shape.items()}
            scene[f"{slot}_intensity"] = np.where(components == "", 0, FINE**2 / sersic_flux(scene, slot))
        # Only a source is lensed. Mass about the second companion would be in its centre.
        is_lensed = behind == "src"
        for name in MASS:
            scene[name.replace("-", "_")] = np.where(is_lensed, scene[name.replace("-", "_")], 0)
        return self._renderer(middle).render_planes(scene)

    def _draw_disk(self, draws: Draws, kind: int, row: int) -> NDArray[np.float32]:
        parameters = {name: draws[f"disk-{name}"][row] for name in PARAMETERS}
        light = disk_brightness(KINDS[kind], parameters, *self._rays)
        side, rays = self._side + 2 * self._padding, FEW_RAYS
        return light.reshape(rays * rays, side, side).mean(axis=0) * np.float32(FINE**2)

    def _renderer(self, middle: bool) -> ImageRenderer:
        """Return a ray tracer, made on first use, so that parameters are checked without starting JAX."""
        with self._first_use:
            if middle not in self._made:
                self._made[middle] = ImageRenderer(
                    ISOTHERMAL,
                    True,
                    (self._side, self._side),
                    FINE,
                    self._over_sampling,
                    padding=self._padding,
                    chunk_size=self._chunk_size,
                    threads=self._threads,
                    refine_source=self._over_sampling < ENOUGH_RAYS,
                    piece=PIECE,
                    lens_rays=FEW_RAYS,
                    middle=middle,
                )
            return self._made[middle]


def _disk_rays(side: int, rays: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return x and y, arcsec, of the rays of all pixels: one ray of each pixel after the other."""
    y, x = pixel_centers((side, side), FINE).T
    inside = ((np.arange(rays) + 0.5) / rays - 0.5) * FINE
    down, right = np.meshgrid(inside, inside, indexing="ij")
    return tuple((axis + offset.reshape(-1, 1)).ravel().astype(np.float32) for axis, offset in ((x, right), (y, down)))

"""Source galaxies on a fine grid: model galaxies and photographed ones, turned, scaled and placed at random.

Galaxy ``index`` depends on the seed, its index and the photographs alone. Images have y up and x to the right, their
middle at the origin; the largest pixel is 1.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from stronglens.observation.galaxies import Galaxy, half_light, light_radii
from stronglens.parameters import UsageError
from stronglens.reconstruction.morphology import Shape, draw_shape
from stronglens.sampling import Stream, generator

FIELD, SIDE = 1.5, 128
"""Width of the source's field, arcsec, and its pixels: four times those that are recovered."""
RADII = (0.09, 0.28)
"""Half-light radii, arcsec."""
FARTHEST = 0.2
"""Arcsec from the middle to a galaxy's place, along x and y; less for large galaxies."""
FILL = 0.72
"""Of the half field: within it lies 90 % of a galaxy's light."""
SATELLITES, SEEN = 3, 0.8
"""How many a galaxy has at most; those beyond this share of the half field are faded out, and not told."""
PHOTOGRAPH = "photograph"
TOLERANCE = 0.03
"""Relative, of the half-light radius."""
BLUR = (0.012, 0.03)
"""Sigma, arcsec, of what blurs model galaxies: their photographs have a telescope's."""
STRETCH = (5, 50)
"""Of every other model galaxy: brightness of its peak over that where asinh turns from linear to logarithmic."""


@dataclass(frozen=True, eq=False)
class SourceGalaxies:
    """Source galaxies of N images.

    Attributes
    ----------
    images : (N, S, S) float32, peak 1
    kinds : (N,) str: a kind of `morphology`, or ``photograph``
    radii : (N,) arcsec, the half-light radii asked for
    satellites : (N, 3, 2) arcsec, x and y of compact satellites of model galaxies; nan where there is none
    checksums : (N,) uint64, of the photographed galaxies, 0 for model galaxies
    """

    images: np.ndarray
    kinds: np.ndarray
    radii: np.ndarray
    satellites: np.ndarray
    checksums: np.ndarray


def draw_galaxies(
    seed: int,
    indices: Sequence[int],
    photographs: Sequence[Galaxy] = (),
    real_share: float = 0.0,
    side: int = SIDE,
    field: float = FIELD,
    radii: tuple[float, float] = RADII,
) -> SourceGalaxies:
    """Draw the source galaxies of some indices.

    Parameters
    ----------
    seed : int
    indices : (N,) ints; a galaxy does not depend on the others
    photographs : photographed galaxies
    real_share : 0 to 1, the share of photographed galaxies
    side, field : pixels and arcsec
    radii : arcsec, the least and the greatest half-light radius

    Raises
    ------
    UsageError
        If photographed galaxies are asked for and there is none, or if the greatest radius does not fit the field.
    """
    if real_share and not photographs:
        raise UsageError("a share of photographed galaxies needs photographs")
    if not 0 < radii[0] <= radii[1] <= field / 5:
        raise UsageError(f'half-light radii of {radii[0]:g} to {radii[1]:g}" do not fit a field of {field:g}"')
    images = np.empty((len(indices), side, side), np.float32)
    satellites = np.full((len(indices), SATELLITES, 2), np.nan, np.float32)
    kinds, chosen, checksums = [], np.empty(len(indices)), np.zeros(len(indices), np.uint64)
    for row, index in enumerate(indices):
        random = generator(seed, Stream.SOURCE_GALAXY, int(index))
        size, way = random.random(), random.uniform(-1, 1, 2)
        if random.random() < real_share:
            model, galaxy = None, photographs[int(random.integers(len(photographs)))]
            angle, mirror = random.uniform(0, 2 * np.pi), bool(random.random() < 0.5)
            extent = light_radii(galaxy.light, (0.9,))[1][0] / galaxy.radius
        else:
            model = Model.draw(random, field, side)
            extent = model.extent
        most = np.clip(FILL * field / 2 / extent, *radii)  # long galaxies are smaller, that their ends be seen
        chosen[row] = radius = radii[0] + size * (most - radii[0])
        place = way * np.clip(field / 2 - radius * extent / FILL, 0, FARTHEST)
        if model is None:
            images[row] = place_photograph(galaxy, radius, place, angle, mirror, side, field)
            checksums[row] = galaxy.checksum
        else:
            images[row], found = model.place(radius, place, field, side)
            satellites[row, : len(found)] = found
        kinds.append(PHOTOGRAPH if model is None else model.shape.kind)
    return SourceGalaxies(images, np.array(kinds), chosen, satellites, checksums)


def place_photograph(
    galaxy: Galaxy,
    radius: float,
    place: Sequence[float] = (0.0, 0.0),
    angle: float = 0.0,
    mirror: bool = False,
    side: int = SIDE,
    field: float = FIELD,
) -> np.ndarray:
    """Return a photographed galaxy (S, S) float32 in the source's field, peak 1.

    Resampled with a cubic spline, after averages over blocks of pixels where the new pixels are larger.

    Parameters
    ----------
    galaxy : Galaxy
    radius : arcsec, its half-light radius there
    place : x and y of its centroid, arcsec
    angle : radians counter-clockwise, after mirroring x
    side, field : pixels and arcsec
    """
    blocks = max(1, int(galaxy.radius * field / side / radius))
    light, centre = _average(galaxy.light, blocks), (galaxy.centre - (blocks - 1) / 2) / blocks
    light = ndimage.spline_filter(np.pad(light, 3), order=3, mode="constant", output=np.float32)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])  # of (row, column)
    flip = np.diag([1.0, -1.0 if mirror else 1.0])

    def render(scale: float, axis: np.ndarray) -> np.ndarray:
        """Return pixels at y = -axis and x = axis."""
        matrix = flip @ turn * galaxy.radius / blocks / scale
        offset = centre + 3 + matrix @ (axis[0] + np.array([place[1], -place[0]]))
        step = axis[1] - axis[0]
        return ndimage.affine_transform(light, matrix * step, offset, (axis.size,) * 2, order=3, prefilter=False)

    return _fit_radius(render, radius, radius, place, field, side)[0]


@dataclass(frozen=True, eq=False)
class Model:
    """A model galaxy as a telescope shows it.

    Attributes
    ----------
    shape : Shape
    blur : arcsec, the sigma of a Gaussian
    stretch : factor of the brightness within asinh, or None: linear
    middle : x and y of its centroid, in the shape's units
    radius : its half-light radius in these units, nearly
    extent : radius that holds 90 % of its light, over its half-light radius
    """

    shape: Shape
    blur: float
    stretch: float | None = None
    middle: tuple[float, float] = (0.0, 0.0)
    radius: float = 1.0
    extent: float = 1.0

    @classmethod
    def draw(cls, random: np.random.Generator, field: float, side: int) -> "Model":
        """Draw a galaxy and measure it on a trial image of a field, in which it is small."""
        stretched, stretch = random.random() < 0.5, float(np.exp(random.uniform(*np.log(STRETCH))))
        model = cls(draw_shape(random), random.uniform(*BLUR))
        scale, axis = field / 10, _axis(field, side)[:: _step(side)]
        trial = model.render(scale, axis, (0.0, 0.0))
        if stretched:
            model = replace(model, stretch=stretch / float(trial.max()))
            trial = _stretch(model.stretch * trial)
        (row, column), (half, most) = light_radii(trial, (0.5, 0.9))
        unit = (axis[1] - axis[0]) / scale  # of the shape, a pixel
        middle = axis[0] / scale + column * unit, -axis[0] / scale - row * unit
        return replace(model, middle=middle, radius=half * unit, extent=most / half)

    def render(self, scale: float, axis: np.ndarray, place: Sequence[float]) -> np.ndarray:
        """Return pixels at y = -axis and x = axis, arcsec, of the galaxy at a place; one of its units is ``scale``."""
        x, y = (float(middle) - float(at) / scale for middle, at in zip(self.middle, place, strict=True))
        image = self.shape.light(axis / scale + x, -axis / scale + y)
        image = ndimage.gaussian_filter(image, self.blur / (axis[1] - axis[0]), truncate=3)
        return image if self.stretch is None else _stretch(self.stretch * image)

    def place(self, radius: float, place: np.ndarray, field: float, side: int) -> tuple[np.ndarray, np.ndarray]:
        """Return an image (S, S) and the galaxy's satellites (M, 2) in it, arcsec."""

        def render(scale, axis):
            return self.render(scale, axis, place)

        image, scale = _fit_radius(render, radius, radius / self.radius, place, field, side)
        satellites = place + scale * (self.shape.satellites - self.middle)
        return image, satellites[np.abs(satellites).max(axis=1, initial=0) < SEEN * field / 2]


def _stretch(image: np.ndarray) -> np.ndarray:
    """Return asinh of an image that is nowhere below 0, several times as fast as np.arcsinh."""
    return np.log(image + np.sqrt(image**2 + 1))


def _axis(field: float, side: int) -> np.ndarray:
    return ((np.arange(side) - (side - 1) / 2) * field / side).astype(np.float32)


def _step(side: int) -> int:
    """Return how many pixels apart a galaxy is sampled while its radius is sought."""
    return max(1, side // 64)


def _fit_radius(render: Callable, radius: float, scale: float, place: Sequence[float], field: float, side: int):
    """Return the image (S, S) whose half-light radius is as asked, faded at the field's edge, and its scale.

    ``render`` takes a scale and the axis of the pixels, arcsec. The scale is found on some of the pixels.
    """
    axis, step = _axis(field, side), _step(side)
    coarse = axis[::step]
    reach = float(field / 2 - np.abs(place).max() - field / side)
    away = np.sqrt((axis - float(place[0])) ** 2 + (axis[:, None] + float(place[1])) ** 2) / reach
    fade = np.cos(np.pi / 2 * np.clip((away - 0.75) / 0.25, 0, 1)) ** 2
    for _ in range(6):
        found = half_light((render(scale, coarse) * fade[::step, ::step]).clip(min=0))[1] * step * field / side
        if abs(found / radius - 1) < TOLERANCE:
            break
        scale *= float(radius / found)
    image = (render(scale, axis) * fade).clip(min=0)
    return (image / image.max()).astype(np.float32), scale


def _average(light: np.ndarray, blocks: int) -> np.ndarray:
    """Return the image of means over blocks of pixels, padded with zeros to whole blocks."""
    if blocks == 1:
        return light
    light = np.pad(light, [(0, -side % blocks) for side in light.shape])
    return light.reshape(light.shape[0] // blocks, blocks, -1, blocks).mean(axis=(1, 3))

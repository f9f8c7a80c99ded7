"""Photographed galaxies: a stamp with noise and neighbours -> the light of one galaxy."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from stronglens.parameters import RunError

RIM = 4
"""Pixels along the edges of a galaxy's image, which show its noise."""
SIGMAS = 2.0
"""Above it, smoothed over a pixel, begins the galaxy."""

BLENDED = 0.5
"""Light of neighbours that touch a galaxy, over its own, with which it cannot be parted from them."""


@dataclass(frozen=True, eq=False)
class Galaxy:
    """A galaxy as it was photographed, the noise around it gone.

    Attributes
    ----------
    light : (H, W), the sum is 1
    centre : row and column of the centroid
    radius : pixels, holds half of the light
    checksum : of the pixels that were photographed, see `pixel_checksum`
    name : where it was read
    """

    light: np.ndarray
    centre: np.ndarray
    radius: float
    checksum: int = 0
    name: str = ""


def clean(image: np.ndarray, name: str = "") -> Galaxy:
    """Cut out what stands above the noise together with the brightest place, smoothed over a pixel.

    The brightest place is looked for in the middle half of the image, both ways: a star near an edge may be brighter.

    Parameters
    ----------
    image : (H, W)
    name : said in errors

    Raises
    ------
    RunError
        If the image is smaller than its rim, has pixels that are no numbers, or shows nothing above its noise.
    """
    image = np.asarray(image, float)
    if image.ndim != 2 or min(image.shape) <= 4 * RIM:
        raise RunError(f"{name or 'image'}: {' x '.join(map(str, image.shape))} pixels are too few for a galaxy")
    if not np.isfinite(image).all():
        raise RunError(f"{name or 'image'}: pixels without a number")
    rim = np.concatenate([image[:RIM].ravel(), image[-RIM:].ravel(), image[:, :RIM].ravel(), image[:, -RIM:].ravel()])
    smooth = ndimage.gaussian_filter(image - np.median(rim), 1)
    edge = np.concatenate([smooth[:RIM].ravel(), smooth[-RIM:].ravel()])
    parts, _ = ndimage.label(smooth > SIGMAS * edge.std())
    top, left = image.shape[0] // 4, image.shape[1] // 4
    middle = smooth[top : image.shape[0] - top, left : image.shape[1] - left]
    row, column = np.unravel_index(middle.argmax(), middle.shape)
    if not parts[top + row, left + column]:
        raise RunError(f"{name or 'image'}: nothing stands above the noise")
    part = ndimage.binary_dilation(parts == parts[top + row, left + column])
    light = np.where(part, smooth, 0).clip(min=0)
    return measure_galaxy(light, pixel_checksum(image), name)


def isolate(image: np.ndarray, name: str = "") -> Galaxy:
    """Cut out a galaxy as `clean` does, without what is joined to it, and let its edge fade out.

    Blurred by a quarter of its radius, what `clean` finds may have several peaks: by watershed, the galaxy is what
    belongs to that nearest the image's middle. Threads of noise at the edge are cut off by opening with a disk of an
    eighth of the radius. The rest is that of `cut_out`.

    Parameters and errors are those of `clean`; and a RunError where the neighbours that touch the galaxy have more
    than half its light, for then its shape is not known.
    """
    from skimage.feature import peak_local_max
    from skimage.segmentation import watershed

    found = clean(image, name)
    mask = found.light > 0
    depth = max(1.0, found.radius / 8)
    core = ndimage.distance_transform_edt(mask) > depth
    if not core.any():
        raise RunError(f"{name or 'image'}: filaments of noise, no galaxy")
    body = ndimage.distance_transform_edt(~core) <= depth
    blurred = ndimage.gaussian_filter(found.light, max(1.0, found.radius / 4))
    places = peak_local_max(blurred, min_distance=max(1, round(found.radius / 2)), labels=body.astype(int))
    peaks = np.zeros(mask.shape, int)
    peaks[tuple(places.T)] = np.arange(1, len(places) + 1)
    parts = watershed(-blurred, peaks, mask=body)
    nearest = np.hypot(*(places - np.divide(mask.shape, 2)).T).argmin()
    own = parts == 1 + nearest
    others = body & ~own
    if found.light[others].sum() > BLENDED * found.light[own].sum():
        raise RunError(f"{name or 'image'}: blended with another")
    light = cut_out(np.asarray(image, float), own, others, max(2.0, found.radius / 3))
    return measure_galaxy(light, found.checksum, name)


def cut_out(image: np.ndarray, own: np.ndarray, others: np.ndarray, margin: float) -> np.ndarray:
    """Return the light of one object of an image (H, W), sky and neighbours taken away, not below zero.

    Parameters
    ----------
    image : (H, W)
    own, others : (H, W) bool, pixels of the object and of its neighbours; neighbours do not touch the sky's value
    margin : pixels around its own over which the object fades out; the sky is the median beyond them

    Notes
    -----
    Where a neighbour lies in front, the object has the light of the pixel opposite its centroid.
    """
    free = ~(own | others)
    away = ndimage.distance_transform_edt(~own)
    sky = next(pixels for pixels in (image[free & (away > margin)], image[free], image) if pixels.size)
    light = image - np.median(sky)
    centre = ndimage.center_of_mass(np.where(own, light.clip(min=0), 0))
    turned = [2 * middle - line for middle, line in zip(centre, np.indices(light.shape), strict=True)]
    opposite = ndimage.map_coordinates(np.where(others, 0, light), turned, order=1)
    fade = np.clip(1 - away / margin, 0, 1)
    return ndimage.gaussian_filter(np.where(others, opposite, light) * fade, 0.7).clip(min=0)


def measure_galaxy(light: np.ndarray, checksum: int = 0, name: str = "") -> Galaxy:
    """Return the galaxy of an image (H, W) that holds its light alone; see `half_light`."""
    light = light / light.sum()
    return Galaxy(light, *half_light(light), checksum, name)


def half_light(light: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the centroid (row, column) of an image (H, W) and the radius about it that holds half of its light."""
    centre, radii = light_radii(light, (0.5,))
    return centre, float(radii[0])


def light_radii(light: np.ndarray, shares: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return the centroid (row, column) of an image (H, W) and the radii about it that hold these shares of its light.

    Pixels; linear between the pixels in order of distance.
    """
    rows, columns = np.arange(light.shape[0]), np.arange(light.shape[1])
    weight = light.sum(axis=1), light.sum(axis=0)
    centre = np.array([rows @ weight[0], columns @ weight[1]]) / weight[0].sum()
    distance = np.hypot(rows[:, None] - centre[0], columns - centre[1]).ravel()
    order = distance.argsort()
    inside = np.cumsum(light.ravel()[order], dtype=float)
    return centre, np.interp(shares, inside / inside[-1], distance[order])


def crop(galaxy: Galaxy) -> Galaxy:
    """Return the galaxy in the smallest image that holds its light and a pixel around it, float32."""
    rows, columns = (np.flatnonzero(galaxy.light.any(axis=axis)) for axis in (1, 0))
    top, left = max(rows[0] - 1, 0), max(columns[0] - 1, 0)
    light = galaxy.light[top : rows[-1] + 2, left : columns[-1] + 2].astype(np.float32)
    return replace(galaxy, light=light, centre=galaxy.centre - (top, left))


def pixel_checksum(image: np.ndarray) -> int:
    """Return 64 bits that name an image by its pixel values, whichever way it is turned or mirrored by the square.

    The values are sorted first, so that the eight turned and mirrored copies of an image have the same checksum.
    """
    values = np.sort(np.asarray(image, "<f4"), axis=None)
    return int.from_bytes(hashlib.sha256(values.tobytes()).digest()[:8], "big")

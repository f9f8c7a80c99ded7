"""The galaxies of the Hubble eXtreme Deep Field, from the picture that comes with scikit-image.

The picture is a JPEG made for the eye: brightness is not linear in flux, faint light is lifted, bright centres are
compressed, and its three colours are averaged here. Its galaxies have the shapes of real ones; their profiles do not.
NASA, ESA and the HUDF09 team; free of copyright (hubblesite.org, release 2012-37).
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from stronglens.observation.galaxies import Galaxy, crop, cut_out, measure_galaxy, pixel_checksum
from stronglens.parameters import RunError

PICTURE = "hubble_deep_field.jpg"
PIXELS = 150
"""A galaxy has at least so many pixels above the threshold."""
THRESHOLD = 2.5
"""In standard deviations of the sky."""
BLUR = 3.0
"""Pixels, before peaks are counted: what has two peaks is two galaxies."""
MARGIN = 6
"""Pixels around a galaxy's own, over which its light fades out."""
STARS = ((17, 405), (163, 249), (209, 146), (575, 756))
"""Rows and columns of what has the four spikes of a star."""


def read_deep_field() -> list[Galaxy]:
    """Return the galaxies of the deep field, neighbours and sky taken away.

    Pixels above the threshold are divided between the peaks of the blurred picture, by watershed. The local sky is
    the median of the pixels around a galaxy that belong to none. Where a neighbour lies in front, a galaxy has the
    light of the pixel opposite its centre. Galaxies cut by the picture's edge and stars are left out.

    Raises
    ------
    RunError
        If scikit-image is installed without its picture.
    """
    import skimage
    from PIL import Image
    from skimage.feature import peak_local_max
    from skimage.segmentation import watershed

    path = Path(skimage.__file__).parent / "data" / PICTURE  # skimage.data's functions may download; a path does not
    if not path.exists():
        raise RunError(f"{PICTURE} is not in {path.parent}: install scikit-image again")
    with Image.open(path) as file:
        picture = np.asarray(file, float).mean(axis=-1)
    sky = np.median(picture)
    noise = 1.4826 * np.median(np.abs(picture - sky))
    above = ndimage.gaussian_filter(picture, 1) > sky + THRESHOLD * noise
    blurred = ndimage.gaussian_filter(picture, BLUR)
    peaks = np.zeros(picture.shape, int)
    found = peak_local_max(blurred, min_distance=int(2 * BLUR), labels=ndimage.label(above)[0])
    peaks[tuple(found.T)] = np.arange(1, len(found) + 1)
    parts = watershed(-blurred, peaks, mask=above)
    stars = {parts[star] for star in STARS}
    galaxies = []
    for number, place in enumerate(ndimage.find_objects(parts), 1):
        if place is None or np.sum(parts[place] == number) < PIXELS:
            continue
        if any(part.start == 0 or part.stop == side for part, side in zip(place, picture.shape, strict=True)):
            continue
        if number in stars:
            continue
        galaxies.append(_cut_out(picture, parts, number, place))
    return galaxies


def _cut_out(picture: np.ndarray, parts: np.ndarray, number: int, place: tuple[slice, slice]) -> Galaxy:
    place = tuple(slice(max(part.start - 2 * MARGIN, 0), part.stop + 2 * MARGIN) for part in place)
    stamp, owner = picture[place], parts[place]
    own = owner == number
    galaxy = measure_galaxy(cut_out(stamp, own, (owner > 0) & ~own, MARGIN), pixel_checksum(stamp))
    row, column = (part.start + middle for part, middle in zip(place, galaxy.centre, strict=True))
    return crop(replace(galaxy, name=f"deep field, row {row:.0f}, column {column:.0f}"))

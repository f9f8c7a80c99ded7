"""Augmentation by 90-degree rotations and flips of images, with their labels.

The random symmetry of an image depends on the seed, the epoch and the image's position in the epoch. It is drawn
separately from the transformation, so that image and labels are transformed by the same symmetry.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from stronglens.parameters import Column

SYMMETRIES = 8  # of a square: the dihedral group
SYMMETRY_STREAM = 0xD1ED


class Pair(NamedTuple):
    """Two columns that rotate together: the components of a position, an ellipticity or a shear.

    Attributes
    ----------
    first, second : int
        Indices of the columns with the components along x and y (or cosine and sine).
    spin : int
        A rotation of the sky by an angle a, from x towards y, rotates the pair by spin times a.
    """

    first: int
    second: int
    spin: int


def find_pairs(columns: Sequence[Column]) -> list[Pair]:
    """Return the pairs of columns that rotate together.

    Parameters
    ----------
    columns : sequence of L Column
        It contains both components of a pair, or none.
    """
    names = [column.name for column in columns]
    return [
        Pair(place, names.index(column.pair[1]), column.spin)
        for place, column in enumerate(columns)
        if column.pair and column.name == column.pair[0]
    ]


def draw_symmetries(number: int, seed: int, epoch: int) -> np.ndarray:
    """Draw a random symmetry for each image of an epoch.

    Parameters
    ----------
    number : int
        Number of images.
    seed : int
    epoch : int
        Counted from 1.

    Returns
    -------
    ndarray (number,) uint8, 0 to 7
        Equal arguments give equal symmetries.
    """
    random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(SYMMETRY_STREAM, epoch)))
    return random.integers(SYMMETRIES, size=number, dtype=np.uint8)


def move_images(images: np.ndarray, symmetries: np.ndarray) -> np.ndarray:
    """Rotate and flip each image by its symmetry.

    Parameters
    ----------
    images : ndarray (n, H, H) or (n, H, H, B)
    symmetries : ndarray (n,) of int, 0 to 7
        Symmetry s is s % 4 rotations by 90 degrees, in the direction of `numpy.rot90`; for s >= 4 followed by a flip
        of the columns.

    Returns
    -------
    ndarray of the same shape
    """
    moved = np.empty_like(images)
    for symmetry in range(SYMMETRIES):
        rows = np.flatnonzero(symmetries == symmetry)
        turned = np.rot90(images[rows], symmetry % 4, axes=(1, 2))
        moved[rows] = turned if symmetry < 4 else turned[:, :, ::-1]
    return moved


def move_labels(labels: np.ndarray, symmetries: np.ndarray, pairs: Sequence[Pair]) -> np.ndarray:
    """Transform labels by the symmetries that `move_images` applies to the images (x to the right, y up).

    A rotation by an angle a changes the pair z = first + i second to z exp(i spin a). The flip of x changes it to
    (-1)^spin times its complex conjugate: a position to (-x, y), an ellipticity or a shear to (cosine, -sine).

    Parameters
    ----------
    labels : ndarray (n, L), unit of each label
    symmetries : ndarray (n,) of int, 0 to 7
        See `move_images`.
    pairs : sequence of Pair
        Other columns do not change.

    Returns
    -------
    ndarray (n, L)
    """
    moved = labels.copy()
    quarters, flipped = symmetries % 4, symmetries >= 4
    for first, second, spin in pairs:
        x, y = labels[:, first], labels[:, second]
        turns = spin * quarters % 4
        moved[:, first] = np.choose(turns, (x, -y, -x, y)) * np.where(flipped, (-1) ** spin, 1)
        moved[:, second] = np.choose(turns, (y, x, -y, -x)) * np.where(flipped, -((-1) ** spin), 1)
    return moved

"""Augmentation: an image and its flips and quarter turns show the same lens, its places and shapes moved along.

Which of them an image gets is drawn apart from how the image is moved, and belongs to its place in the
epoch: what else is taught about the image is moved with it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from stronglens.parameters import Column

SYMMETRIES = 8  # of a square: the dihedral group
SYMMETRY_STREAM = 0xD1ED


class Pair(NamedTuple):
    """Two columns that turn together.

    Attributes
    ----------
    first, second : int
        Which columns hold the components along x and y: spin times the angle is counted from x towards y.
    spin : int
        By how many times the angle they turn when the sky is turned.
    """

    first: int
    second: int
    spin: int


def find_pairs(columns: Sequence[Column]) -> list[Pair]:
    """Return which of some columns turn together.

    Parameters
    ----------
    columns : sequence of L Column
        Both components of a pair, or none.
    """
    names = [column.name for column in columns]
    return [
        Pair(place, names.index(column.pair[1]), column.spin)
        for place, column in enumerate(columns)
        if column.pair and column.name == column.pair[0]
    ]


def draw_symmetries(number: int, seed: int, epoch: int) -> np.ndarray:
    """Draw which symmetry each image gets in an epoch.

    Parameters
    ----------
    number : int, images
    seed : int
    epoch : int, counted from 1

    Returns
    -------
    ndarray (number,) uint8, 0 to 7
        The same for the same arguments.
    """
    random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(SYMMETRY_STREAM, epoch)))
    return random.integers(SYMMETRIES, size=number, dtype=np.uint8)


def move_images(images: np.ndarray, symmetries: np.ndarray) -> np.ndarray:
    """Turn and flip each image by its symmetry.

    Parameters
    ----------
    images : ndarray (n, H, H)
    symmetries : ndarray (n,) of int, 0 to 7
        s % 4 quarter turns, as `numpy.rot90` turns; then, from 4 on, columns in reverse order.

    Returns
    -------
    ndarray (n, H, H)
    """
    moved = np.empty_like(images)
    for symmetry in range(SYMMETRIES):
        rows = np.flatnonzero(symmetries == symmetry)
        turned = np.rot90(images[rows], symmetry % 4, axes=(1, 2))
        moved[rows] = turned if symmetry < 4 else turned[:, :, ::-1]
    return moved


def move_labels(labels: np.ndarray, symmetries: np.ndarray, pairs: Sequence[Pair]) -> np.ndarray:
    """Turn and flip what is known of each image as `move_images` does the image, x to the right and y up.

    A turn by the angle a takes the pair z = first + i second to z exp(i spin a), and the flip of x takes it to
    (-1)^spin times its conjugate: a place to (-x, y), an ellipticity or a shear to (cosine, -sine).

    Parameters
    ----------
    labels : ndarray (n, L)
    symmetries : ndarray (n,) of int, 0 to 7
        As for `move_images`.
    pairs : sequence of Pair
        All other columns stay as they are.

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

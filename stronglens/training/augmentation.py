"""Augmentation: an image and its flips and quarter turns show the same lens.

Which of them an image gets is drawn apart from how the image is moved, and belongs to its place in the
epoch: what else is taught about the image can be moved with it.
"""

import numpy as np

SYMMETRIES = 8  # of a square: the dihedral group
SYMMETRY_STREAM = 0xD1ED


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

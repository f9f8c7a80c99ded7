"""Occlusion: what changes when a patch of an image is replaced (Zeiler & Fergus 2014, ECCV; arXiv:1311.2901)."""

from collections.abc import Callable, Iterator

import numpy as np
from scipy.ndimage import gaussian_filter

from stronglens.explaining.bands import noise_of_bands
from stronglens.explaining.outputs import Output

FILLS = ("zero", "blur", "noise", "twin")
BLOCK_BYTES = 2**26
"""Occluded images that are in memory at a time, bytes."""
BLUR = 3.0
"""Standard deviation of the blur, pixels."""


def patch_corners(side: int, patch: int, stride: int) -> list[int]:
    """Return the first rows of patches that cover an image; the last patch ends at the edge."""
    last = max(0, side - patch)
    corners = list(range(0, last + 1, stride))
    return corners if corners[-1] == last else [*corners, last]


def count_patches(image: np.ndarray, patch: int, stride: int | None) -> int:
    """Return the number of patches of an image (H, W[, B])."""
    return int(np.prod([len(patch_corners(side, patch, stride or patch)) for side in image.shape[:2]]))


def blur(image: np.ndarray) -> np.ndarray:
    """Return an image (H, W[, B]) smoothed with a Gaussian of 3 pixels."""
    return gaussian_filter(image, (BLUR, BLUR, *(0,) * (image.ndim - 2)), mode="nearest")


def make_fill(image: np.ndarray, fill: str, twin: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
    """Return the image whose patches replace those of an image.

    Parameters
    ----------
    image : ndarray (H, W) or (H, W, B), e-/s
    fill : {"zero", "blur", "noise", "twin"}
        No light; the image smoothed with a Gaussian of 3 pixels; Gaussian noise like that of the image; the same image
        without what is looked for.
    twin : ndarray of the image's shape, for the fill ``twin``
    seed : int
    """
    if fill == "twin":
        if twin is None:
            raise ValueError("this image has no twin")
        return twin
    if fill == "blur":
        return blur(image)
    if fill == "zero":
        return np.zeros_like(image)
    bands = image.reshape(*image.shape[:2], -1)
    noise = np.random.default_rng(seed).standard_normal(bands.shape) * noise_of_bands(image)
    return noise.reshape(image.shape).astype(np.float32)


def occlude(
    output: Output,
    image: np.ndarray,
    filled: np.ndarray,
    patch: int = 3,
    stride: int | None = None,
    advance: Callable[[int], None] = lambda number: None,
) -> tuple[np.ndarray, np.ndarray, list[tuple[int, int]]]:
    """Replace one patch after the other, and measure how much the output changes.

    Parameters
    ----------
    output : Output
    image, filled : ndarray (H, W) or (H, W, B), e-/s
        The image, and what replaces its patches.
    patch : int
        Side of the square patches, pixels.
    stride : int, optional
        Distance of neighbouring patches, pixels; by default their side.
    advance : callable
        Called with the number of patches that were done since the last call.

    Returns
    -------
    changes : ndarray (P,)
        The output of the image less that with each patch replaced: positive where the patch raises the output.
    heat : ndarray (H, W)
        Mean change of the patches that cover each pixel.
    corners : list of P (row, column)
    """
    height, width = image.shape[:2]
    corners = [
        (row, column)
        for row in patch_corners(height, patch, stride or patch)
        for column in patch_corners(width, patch, stride or patch)
    ]
    changes = np.concatenate(
        [_compare(output, image, some, advance) for some in _replaced(image, filled, corners, patch)]
    )
    total, count = np.zeros((height, width)), np.zeros((height, width))
    for (row, column), change in zip(corners, changes, strict=True):
        total[row : row + patch, column : column + patch] += change
        count[row : row + patch, column : column + patch] += 1
    return changes, total / np.maximum(count, 1), corners


def _replaced(image, filled, corners, patch: int) -> Iterator[np.ndarray]:
    size = max(1, BLOCK_BYTES // image.nbytes)
    for start in range(0, len(corners), size):
        some = corners[start : start + size]
        copies = np.repeat(image[None], len(some), axis=0)
        for copy, (row, column) in zip(copies, some, strict=True):
            at = slice(row, row + patch), slice(column, column + patch)
            copy[at] = filled[at]
        yield copies


def _compare(output: Output, image: np.ndarray, images: np.ndarray, advance) -> np.ndarray:
    # The image itself is in the same batch: a network rounds batches of other sizes differently.
    scores = output.score(np.concatenate([image[None], images]))
    advance(len(images))
    return scores[0] - scores[1:]

"""Animations of an occlusion and of an ascent."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from stronglens.explaining.bands import mean_band
from stronglens.explaining.figures.page import TOWARDS, map_norm
from stronglens.plotting import asinh_norm
from stronglens.plotting.animation import MOST_FRAMES, colour_image, join_panels, write_animation

FRAME_COLOUR = (98, 210, 255)


def write_occlusion(path: Path, image, filled, corners: Sequence, changes, patch: int, cmap: str) -> Path:
    """Write an animation of an occlusion: left the image with its patch, right the map as it grows.

    Parameters
    ----------
    path : Path
    image, filled : ndarray (H, W) or (H, W, B), e-/s
    corners : sequence of P (row, column)
    changes : ndarray (P,)
        See `occlusion.occlude`.
    patch : int, pixels
    cmap : str
    """
    flat = [mean_band(one) for one in (image, filled)]
    light, scale = asinh_norm(flat[0]), map_norm(np.asarray(changes))
    shown = set(np.linspace(0, len(corners) - 1, min(MOST_FRAMES, len(corners))).astype(int).tolist())

    def frames() -> Iterator[Image.Image]:
        total, count = np.zeros(flat[0].shape), np.zeros(flat[0].shape)
        for number, ((row, column), change) in enumerate(zip(corners, changes, strict=True)):
            at = slice(row, row + patch), slice(column, column + patch)
            total[at] += change
            count[at] += 1
            if number in shown:
                hidden = flat[0].copy()
                hidden[at] = flat[1][at]
                left = colour_image(hidden, light, cmap)
                _frame(left, row, column, patch, len(hidden))
                right = colour_image(total / np.maximum(count, 1), scale, TOWARDS)
                yield join_panels([left, right], f"change {change:+.3f}")

    return write_animation(path, list(frames()))


def write_ascent(path: Path, frames: np.ndarray, values: np.ndarray, title: str, cmap: str) -> Path:
    """Write an animation of an ascent.

    Parameters
    ----------
    path : Path
    frames : ndarray (S, H, W) or (S, H, W, B), e-/s
    values : ndarray (S,)
    title : str
    cmap : str
    """
    flat = mean_band(frames)
    norm = asinh_norm(flat[-1])
    chosen = np.linspace(0, len(flat) - 1, min(MOST_FRAMES, len(flat))).astype(int)
    return write_animation(
        path,
        [join_panels([colour_image(flat[k], norm, cmap)], f"step {k}: {title} {values[k]:.3g}") for k in chosen],
    )


def _frame(colours: np.ndarray, row: int, column: int, patch: int, side: int) -> None:
    """Draw a light frame around a patch; ``side`` is the height of the image in its own pixels."""
    factor = colours.shape[0] // side
    top, left, size = row * factor, column * factor, patch * factor
    inside = np.zeros(colours.shape[:2], bool)
    inside[top : top + size, left : left + size] = True
    inside[top + 3 : top + size - 3, left + 3 : left + size - 3] = False
    colours[inside] = FRAME_COLOUR

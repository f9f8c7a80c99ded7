"""Animations: GIF files, written with Pillow."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.colors import Normalize
from PIL import Image, ImageDraw, ImageFont

from stronglens.atomic import replacing
from stronglens.explaining.bands import mean_band
from stronglens.explaining.figures.page import TOWARDS, map_norm
from stronglens.parameters import RunError
from stronglens.plotting import asinh_norm

SIDE = 300
"""Least side of an image, screen pixels."""
MOST_FRAMES = 90
FRAME = 80
LAST = 1500
"""Duration of a frame and of the last one, ms."""
BAR = 24
"""Height of the line of text, screen pixels."""
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
                left = _colour(hidden, light, cmap)
                _frame(left, row, column, patch, len(hidden))
                right = _colour(total / np.maximum(count, 1), scale, TOWARDS)
                yield _join([left, right], f"change {change:+.3f}")

    return _write(path, list(frames()))


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
    return _write(
        path,
        [_join([_colour(flat[k], norm, cmap)], f"step {k}: {title} {values[k]:.3g}") for k in chosen],
    )


def _colour(image: np.ndarray, norm: Normalize, cmap: str) -> np.ndarray:
    """Return the colours of an image, enlarged by a whole factor: ndarray (h, w, 3) uint8."""
    factor = max(1, -(-SIDE // image.shape[0]))
    colours = (255 * mpl.colormaps[cmap](norm(image))[..., :3]).astype(np.uint8)
    return colours.repeat(factor, axis=0).repeat(factor, axis=1)


def _frame(colours: np.ndarray, row: int, column: int, patch: int, side: int) -> None:
    """Draw a light frame around a patch; ``side`` is the height of the image in its own pixels."""
    factor = colours.shape[0] // side
    top, left, size = row * factor, column * factor, patch * factor
    inside = np.zeros(colours.shape[:2], bool)
    inside[top : top + size, left : left + size] = True
    inside[top + 3 : top + size - 3, left + 3 : left + size - 3] = False
    colours[inside] = FRAME_COLOUR


def _join(panels: Sequence[np.ndarray], text: str) -> Image.Image:
    gap = np.full((panels[0].shape[0], 6, 3), 255, np.uint8)
    parts = [part for panel in panels for part in (panel, gap)][:-1]
    joined = np.concatenate(parts, axis=1)
    whole = Image.new("RGB", (joined.shape[1], joined.shape[0] + BAR), "white")
    whole.paste(Image.fromarray(joined), (0, BAR))
    ImageDraw.Draw(whole).text((4, 4), text, fill="black", font=ImageFont.load_default(14))
    return whole


def _write(path: Path, frames: Sequence[Image.Image]) -> Path:
    reduced = [frame.quantize(128) for frame in frames]
    durations = [FRAME] * (len(reduced) - 1) + [LAST]
    try:
        with replacing(path) as aside:
            reduced[0].save(aside, format="GIF", save_all=True, append_images=reduced[1:], duration=durations, loop=0)
    except OSError as error:
        raise RunError(f"{path}: cannot write the animation ({error.strerror or error})") from error
    return path

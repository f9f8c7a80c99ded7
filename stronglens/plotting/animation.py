"""Animations: GIF files, written with Pillow."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.colors import Normalize
from PIL import Image, ImageDraw, ImageFont

from stronglens.atomic import replacing
from stronglens.parameters import RunError

SIDE = 300
"""Least side of an image, screen pixels."""
MOST_FRAMES = 90
FRAME = 80
LAST = 1500
"""Duration of a frame and of the last one, ms."""
BAR = 24
"""Height of the line of text, screen pixels."""


def colour_image(image: np.ndarray, norm: Normalize, cmap: str) -> np.ndarray:
    """Return the colours of an image, enlarged by a whole factor: ndarray (h, w, 3) uint8."""
    factor = max(1, -(-SIDE // image.shape[0]))
    colours = (255 * mpl.colormaps[cmap](norm(image))[..., :3]).astype(np.uint8)
    return colours.repeat(factor, axis=0).repeat(factor, axis=1)


def join_panels(panels: Sequence[np.ndarray], text: str) -> Image.Image:
    """Return a frame: coloured panels (h, w, 3) side by side, below a line of text."""
    gap = np.full((panels[0].shape[0], 6, 3), 255, np.uint8)
    parts = [part for panel in panels for part in (panel, gap)][:-1]
    joined = np.concatenate(parts, axis=1)
    whole = Image.new("RGB", (joined.shape[1], joined.shape[0] + BAR), "white")
    whole.paste(Image.fromarray(joined), (0, BAR))
    ImageDraw.Draw(whole).text((4, 4), text, fill="black", font=ImageFont.load_default(14))
    return whole


def write_animation(path: Path, frames: Sequence[Image.Image], duration: int = FRAME) -> Path:
    """Write a GIF file and return its path.

    Parameters
    ----------
    path : Path
    frames : sequence of PIL.Image.Image
    duration : int, ms
        Of a frame.

    Raises
    ------
    RunError
        If the file cannot be written.
    """
    reduced = [frame.quantize(128) for frame in frames]
    durations = [duration] * (len(reduced) - 1) + [LAST]
    try:
        with replacing(path) as aside:
            reduced[0].save(aside, format="GIF", save_all=True, append_images=reduced[1:], duration=durations, loop=0)
    except OSError as error:
        raise RunError(f"{path}: cannot write the animation ({error.strerror or error})") from error
    return path

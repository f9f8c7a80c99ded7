"""A figure of many images with captions and a common stretch."""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from stronglens.plotting.images import PanelGrid, draw_image, explain_indices, length_unit, write_index
from stronglens.plotting.words import add_title, caption_size

LINE = 0.155  # line height of small text, inches


def draw_panels(
    images: Sequence[np.ndarray],
    captions: Sequence[str],
    pixel_scale: float | None,
    norm: Normalize,
    cmap: str,
    bar: str,
    title: str,
    subtitle: str = "",
    narrowest: float = 1.15,
    indices: Sequence[int] | None = None,
) -> Figure:
    """Draw images in a square grid with a caption above each and one colour bar.

    Parameters
    ----------
    images : sequence of N ndarray (H, W)
        At least one.
    captions : sequence of N str
        A few lines each.
    pixel_scale : float, arcsec
        None if it is unknown.
    norm : Normalize
        Stretch of all images.
    cmap : str
    bar : str
        Label of the colour bar.
    title, subtitle : str
    narrowest : float, inches
        Minimum width of a panel, so that captions can be read.
    indices : sequence of N int, optional
        Indices of the images in their dataset, written into the panels.

    Returns
    -------
    Figure
    """
    columns = int(np.ceil(np.sqrt(len(images))))
    width = next(size for most, size in ((1, 3.4), (2, 2.6), (4, 2.0), (8, 1.5), (99, 1.15)) if columns <= most)
    width = max(width, narrowest)
    lines = max(caption.count("\n") + 1 if caption else 0 for caption in captions)
    grid = PanelGrid(len(images), (width, width), caption=LINE * lines + 0.07, bar=True)
    size = caption_size(grid.figure, captions, width, size=8.0 if width >= 1.3 else 7.5)
    for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
        at_left, at_bottom = grid.is_at_edge(index)
        axes = grid.add_panel(index)
        draw_image(axes, image, pixel_scale, norm, cmap, ticks=at_left or at_bottom)
        axes.tick_params(labelleft=at_left, labelbottom=at_bottom, left=at_left, bottom=at_bottom)
        if caption:
            axes.set_title(caption, fontsize=size, pad=3, linespacing=1.15, loc="left")
        if indices is not None:
            write_index(axes, indices[index])
    if indices is not None:
        explain_indices(grid.figure)
    grid.add_bar(norm, cmap, bar)
    title_grid(grid, title, subtitle, length_unit(pixel_scale))
    return grid.figure


def title_grid(grid: PanelGrid, title: str, subtitle: str = "", unit: str = "arcsec") -> None:
    """Write the title of a grid of images and one pair of axis labels."""
    add_title(grid.figure, title, subtitle)
    middle = grid.left + (grid.columns * (grid.panel_width + grid.gap_x) - grid.gap_x) / 2
    grid.figure.text(middle / grid.width, 0.08 / grid.height, f"x [{unit}]", ha="center", va="bottom")
    up = (grid.bottom + (grid.height - grid.top - grid.bottom) / 2) / grid.height
    grid.figure.text(0.08 / grid.width, up, f"y [{unit}]", rotation=90, ha="left", va="center")

"""Figures of images that codes restore."""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from stronglens.plotting import (
    DIVERGING,
    add_colour_bar,
    add_title,
    asinh_norm,
    draw_image,
    inches,
    new_figure,
    style,
    write_index,
)

PANEL, GAP = 1.15, 0.06
"""Side of an image, and the space between images, inches."""


def draw_reconstructions(
    rows: Sequence[tuple[str, np.ndarray]],
    residuals: Sequence[tuple[str, np.ndarray]],
    indices: Sequence[int],
    pixel_scale: float,
    cmap: str,
    subtitle: str,
    title: str = "Images and what their codes restore",
) -> Figure:
    """Draw images, what a network makes of them, and the residuals, one image in each column.

    Parameters
    ----------
    rows : sequence of (title, images (N, H, W)), electrons/s
    residuals : sequence of (title, differences (N, H, W)), electrons/s
    indices : sequence of N int
        Indices of the images in the dataset.
    pixel_scale : float, arcsec
    cmap : str
    subtitle, title : str
    """
    with style():
        number = len(indices)
        left, right, top, bottom = 1.25, 0.95, 0.75, 0.15
        lines = [*rows, *residuals]
        step = PANEL + GAP
        figure = new_figure(left + number * step + right, top + bottom + len(lines) * step)
        norm = asinh_norm(np.concatenate([images for _, images in rows]))
        limit = float(np.percentile(np.abs(np.concatenate([part for _, part in residuals])), 99.5))
        for line, (name, images) in enumerate(lines):
            up = bottom + (len(lines) - 1 - line) * step
            is_residual = line >= len(rows)
            of_line = (Normalize(-limit, limit), DIVERGING) if is_residual else (norm, cmap)
            figure.text(
                0.12 / figure.get_figwidth(), (up + PANEL / 2) / figure.get_figheight(), name, va="center", size=8.5
            )
            for column, image in enumerate(images):
                axes = figure.add_axes(inches(figure, left + column * step, up, PANEL, PANEL))
                draw_image(axes, image, pixel_scale, *of_line, ticks=False)
                if line == 0:
                    write_index(axes, indices[column])
        x = left + number * step + 0.05
        y = bottom + len(residuals) * step
        box = inches(figure, x, y + GAP, 0.13, len(rows) * step - 2 * GAP)
        add_colour_bar(figure, box, norm, cmap, "e-/s per pixel")
        box = inches(figure, x, bottom + GAP, 0.13, len(residuals) * step - 2 * GAP)
        add_colour_bar(figure, box, Normalize(-limit, limit), DIVERGING, "difference [e-/s]")
        add_title(figure, title, subtitle)
    return figure


def draw_grid(images: np.ndarray, pixel_scale: float, cmap: str, title: str, subtitle: str, labels=("", "")) -> Figure:
    """Draw a square grid of images without space between them, such as those of two codes that vary.

    Parameters
    ----------
    images : ndarray (R, C, H, W), electrons/s
        Row 0 is at the top.
    pixel_scale : float, arcsec
    cmap : str
    title, subtitle : str
    labels : (str, str)
        Of the horizontal and of the vertical axis.
    """
    rows, columns, height, width = images.shape
    sheet = images.transpose(0, 2, 1, 3).reshape(rows * height, columns * width)
    with style():
        side = 8.0
        figure = new_figure(side + 1.6, side * rows / columns + 1.25)
        axes = figure.add_axes(inches(figure, 0.5, 0.4, side, side * rows / columns))
        norm = asinh_norm(images, floor=0.0)
        draw_image(axes, sheet, pixel_scale, norm, cmap, ticks=False)
        axes.set(xlabel=labels[0], ylabel=labels[1])
        box = inches(figure, side + 0.6, 0.4, 0.13, min(4.0, side * rows / columns))
        add_colour_bar(figure, box, norm, cmap, "e-/s per pixel")
        add_title(figure, title, subtitle)
    return figure


def draw_samples(real: np.ndarray, generated: np.ndarray, pixel_scale: float, cmap: str, subtitle: str) -> Figure:
    """Draw real images beside generated ones, all in the same stretch.

    Parameters
    ----------
    real, generated : ndarray (N, H, W), electrons/s
    pixel_scale : float, arcsec
    cmap : str
    subtitle : str
    """
    with style():
        columns = 4
        down = -(-len(real) // columns)
        step, left, top, bottom, between = PANEL + GAP, 0.15, 1.05, 0.15, 0.35
        half = columns * step
        figure = new_figure(left + 2 * half + between + 0.95, top + bottom + down * step)
        norm = asinh_norm(np.concatenate([real, generated]))
        for side, (title, images) in enumerate((("real (test images)", real), ("generated", generated))):
            across = left + side * (half + between)
            up = (bottom + down * step + 0.05) / figure.get_figheight()
            figure.text(across / figure.get_figwidth(), up, title, size=9.5, weight="bold")
            for place, image in enumerate(images):
                row, column = divmod(place, columns)
                box = inches(figure, across + column * step, bottom + (down - 1 - row) * step, PANEL, PANEL)
                draw_image(figure.add_axes(box), image, pixel_scale, norm, cmap, ticks=False)
        box = inches(figure, left + 2 * half + between, bottom, 0.13, down * step - GAP)
        add_colour_bar(figure, box, norm, cmap, "e-/s per pixel")
        add_title(figure, "Real and generated images", subtitle)
    return figure

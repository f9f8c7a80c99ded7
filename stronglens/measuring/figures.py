"""The figure of measured files."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from stronglens.plotting import (
    add_colour_bar,
    add_title,
    asinh_norm,
    draw_image,
    fit_text,
    inches,
    new_figure,
    plain_text,
    style,
)

MOST_FILES = 12
"""Rows in the figure."""


def draw_measured(
    images_original: Sequence[ArrayLike],
    images_seen: Sequence[ArrayLike],
    names: Sequence[str],
    texts: Sequence[str],
    pixel_scales_original: Sequence[float],
    pixel_scale: float,
    cmap: str = "magma",
) -> Figure:
    """Draw what each file holds, beside what the network saw of it and the values that it predicts.

    Parameters
    ----------
    images_original : sequence of array_like (H, W), counts/s
        Row 0 at the top.
    images_seen : sequence of array_like (h, w), e-/s
    names : sequence of str
    texts : sequence of str
        Predicted values, some lines each, as from `stronglens.plotting.write_captions`.
    pixel_scales_original : sequence of float, arcsec
    pixel_scale : float, arcsec
        Of the images seen.
    cmap : str
    """
    files = min(len(names), MOST_FILES)
    size, row_height = 2.3, 2.95
    with style():
        figure = new_figure(9.6, 0.75 + row_height * files + 0.2)
        for row in range(files):
            bottom = figure.get_figheight() - 0.75 - row_height * (row + 1) + 0.4
            seen, original = np.asarray(images_seen[row]), np.asarray(images_original[row])
            top = (bottom + size + 0.1) / figure.get_figheight()
            fit_text(
                figure, 0.6 / 9.6, top, plain_text(names[row], longest=110), 9.0, smallest=7.0, width=8.8, weight="bold"
            )
            for left, image, scale, label in (
                (0.6, original, pixel_scales_original[row], "in the file [counts/s]"),
                (4.1, seen, pixel_scale, "seen by the network [e-/s]"),
            ):
                axes = figure.add_axes(inches(figure, left, bottom, size, size))
                norm = asinh_norm(image)
                draw_image(axes, image, scale, norm, cmap)
                axes.set_anchor("W")
                box = inches(figure, left + size + 0.06, bottom, 0.09, size)
                add_colour_bar(figure, box, norm, cmap, label)
                if image is original:
                    half_y, half_x = (count * pixel_scale / 2 for count in seen.shape)
                    axes.add_patch(Rectangle((-half_x, -half_y), 2 * half_x, 2 * half_y, fill=False, ec="w", lw=0.8))
                if row == files - 1:
                    axes.set_xlabel("x [arcsec]")
                if image is original:
                    axes.set_ylabel("y [arcsec]", labelpad=1)
            for k, line in enumerate(str(texts[row]).splitlines()[:12]):
                height = (bottom + size - 0.05 - 0.2 * k) / figure.get_figheight()
                fit_text(figure, 7.45 / 9.6, height, line, 10.0, smallest=6.5, va="top")
        more = f"; {files} of {len(names)} files" if len(names) > files else ""
        add_title(figure, "Measured images", f"left, the file with the network's field framed; right, its input{more}")
    return figure

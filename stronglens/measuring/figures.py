"""Figure of measured images."""

from collections.abc import Collection, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from stronglens.observation import Observation, Prepared
from stronglens.plotting import (
    LINE,
    RED,
    add_colour_bar,
    add_title,
    asinh_norm,
    draw_image,
    fit_text,
    inches,
    new_figure,
    plain_text,
    style,
    wrap_warnings,
    write_warnings,
)

MAX_DRAWN = 12
"""Largest number of images in the figure."""
WIDTH = 8.8
"""Width of the text above the images of a file, in inches."""
GAP = 0.04
"""Distance between the panels of bands, in inches."""
OUTLINE = "#62d2ff"
"""Colour of the outline of filled pixels: light blue, which the usual colour maps of images do not contain."""


def draw_measured(
    observations: Sequence[Observation],
    prepared: Sequence[Prepared],
    texts: Sequence[str],
    pixel_scale: float,
    cmap: str = "magma",
    unit: str = "e-/s",
    warnings: Sequence[Sequence[str]] = (),
    doubtful: Sequence[Collection[int]] = (),
    number: int | None = None,
    treatment: str = "filled",
    bands: Sequence[str] = (),
) -> Figure:
    """Draw the image in each file, the input of the network, and the predicted values.

    A frame and a cross in the file's image show the network's field and its centre. Filled pixels are outlined.

    Parameters
    ----------
    observations : sequence of Observation
    prepared : sequence of Prepared
        Input of the network for each.
    texts : sequence of str
        Predicted values, several lines each, as from `stronglens.plotting.write_captions`.
    pixel_scale : float, arcsec
        Of the network's input.
    cmap : str
    unit : str
        Unit of the network's input. If it is not e-/s, the files are not calibrated and have the same unit.
    warnings : sequence of sequences of str, optional
        Reasons why the values of each file are doubtful; red, below its name.
    doubtful : sequence of collections of int, optional
        Numbers of the red lines in the text of each file.
    number : int, optional
        Number of all images, if not all are given.
    treatment : str
        What is done with masked and bad pixels.
    bands : sequence of B str, optional
        Names of the bands of an input (H, W, B): each has a panel with its own scale. The file's image is the first.
    """
    files = min(len(observations), MAX_DRAWN)
    file_unit = "counts/s" if unit == "e-/s" else unit
    has_bands = any(one.image.ndim == 3 for one in prepared)
    in_file = f"{bands[0]} in the file" if has_bands else "in the file"
    warnings = [wrap_warnings(some, WIDTH) for some in warnings[:files]] or [[]] * files
    size, row_height = 2.3, 2.95
    with style():
        figure = new_figure(9.6, 0.75 + row_height * files + LINE * sum(map(len, warnings)) + 0.2)
        bottom = figure.get_figheight() - 0.75 + 0.4
        for row in range(files):
            bottom -= row_height + LINE * len(warnings[row])
            observation, seen = observations[row], prepared[row]
            top = bottom + size + 0.1 + LINE * len(warnings[row])
            name = plain_text(observation.name, longest=110)
            at = 0.6 / 9.6, top / figure.get_figheight()
            fit_text(figure, *at, name, 9.0, smallest=7.0, width=WIDTH, weight="bold")
            write_warnings(figure, 0.6, top - 0.05, warnings[row], WIDTH)
            for left, image, hidden, scale, label in (
                (0.6, observation.image, observation.hidden, observation.pixel_scale, f"{in_file} [{file_unit}]"),
                (4.1, seen.image, seen.mask, pixel_scale, f"input of the network [{unit}]"),
            ):
                if image.ndim == 3:
                    _draw_bands(figure, left, bottom, size, seen, scale, cmap, bands)
                    continue
                axes = figure.add_axes(inches(figure, left, bottom, size, size))
                norm = asinh_norm(image)
                draw_image(axes, image, scale, norm, cmap)
                _outline(axes, hidden, scale)
                axes.set_anchor("W")
                box = inches(figure, left + size + 0.06, bottom, 0.09, size)
                add_colour_bar(figure, box, norm, cmap, label)
                if image is observation.image:
                    _frame(axes, seen, pixel_scale)
                    axes.set_ylabel("y [arcsec]", labelpad=1)
                if row == files - 1:
                    axes.set_xlabel("x [arcsec]")
            lines = str(texts[row]).splitlines()
            pitch = min(0.2, (row_height - 0.2) / max(len(lines), 1))
            for k, line in enumerate(lines):
                height = (bottom + size - 0.05 - pitch * k) / figure.get_figheight()
                color = RED if doubtful and k in doubtful[row] else "black"
                fit_text(figure, 7.45 / 9.6, height, line, 10.0, smallest=6.5, va="top", color=color)
        number = number or len(observations)
        more = f"; {files} of {number:,} images" if number > files else ""
        outlined = f"; outlined: {treatment}" if any(one.mask.any() for one in prepared[:files]) else ""
        scaled = ", each band with its own scale" if has_bands else ""
        below = "left: image in the file, with the network's field framed; right: input of the network"
        below += f"{scaled}{outlined}{more}"
        add_title(figure, "Measured images", below)
    return figure


def _draw_bands(
    figure: Figure,
    left: float,
    bottom: float,
    size: float,
    seen: Prepared,
    scale: float,
    cmap: str,
    bands: Sequence[str],
) -> None:
    """Draw the bands of an input in small panels in a square of a given side, inches."""
    columns = int(np.ceil(np.sqrt(len(bands))))
    side = (size - GAP * (columns - 1)) / columns
    for place, name in enumerate(bands):
        row, column = divmod(place, columns)
        below = bottom + size - side - row * (side + GAP)
        axes = figure.add_axes(inches(figure, left + column * (side + GAP), below, side, side))
        image = seen.image[..., place]
        draw_image(axes, image, scale, asinh_norm(image), cmap)
        _outline(axes, seen.mask, scale)
        axes.set(xticks=[], yticks=[])
        axes.text(0.05, 0.94, name, transform=axes.transAxes, va="top", size=8, color="white", weight="bold")


def _frame(axes: Axes, seen: Prepared, pixel_scale: float) -> None:
    half_y, half_x = (count * pixel_scale / 2 for count in seen.image.shape[:2])
    y, x = seen.centre
    axes.add_patch(Rectangle((x - half_x, y - half_y), 2 * half_x, 2 * half_y, fill=False, ec="w", lw=0.8))
    axes.plot([x], [y], "+", color="w", ms=5, mew=0.6, scalex=False, scaley=False)


def _outline(axes: Axes, hidden: np.ndarray, pixel_scale: float) -> None:
    """Draw the edges between hidden pixels and others."""
    if not hidden.any() or hidden.all():
        return
    half_y, half_x = (count * pixel_scale / 2 for count in hidden.shape)
    padded = np.pad(hidden, 1).astype(np.int8)
    lines = []
    for row, column in np.argwhere(np.diff(padded, axis=0)[:, 1:-1]):  # an edge above row `row`
        y = half_y - row * pixel_scale
        lines.append([(column * pixel_scale - half_x, y), ((column + 1) * pixel_scale - half_x, y)])
    for row, column in np.argwhere(np.diff(padded, axis=1)[1:-1]):
        x = column * pixel_scale - half_x
        lines.append([(x, half_y - row * pixel_scale), (x, half_y - (row + 1) * pixel_scale)])
    axes.add_collection(LineCollection(lines, colors=OUTLINE, linewidths=0.7), autolim=False)

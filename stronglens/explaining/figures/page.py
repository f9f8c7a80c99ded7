"""Figure of all maps of one image."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from stronglens.explaining.bands import mean_band
from stronglens.plotting import (
    BLUE,
    GREY,
    RED,
    add_title,
    asinh_norm,
    draw_image,
    fit_text,
    inches,
    new_figure,
    plain_text,
    style,
)

TOWARDS = "RdBu"
"""Colour map of the maps: blue above zero, white at zero, red below."""
SIDE, GAP, LEFT, ABOVE, LINE = 1.78, 0.16, 0.5, 0.24, 0.125
"""Of a panel, in inches: its side, the gap to the next, the left margin, the title above, and a line below."""
COLUMNS = 5
CEILING = 99.5
"""Percentile of a map's absolute values that has the full colour."""


def draw_page(
    title: str,
    subtitle: str,
    image: np.ndarray,
    maps: Mapping[str, np.ndarray],
    lines: Mapping[str, Sequence[str]],
    refused: Mapping[str, str],
    ends: tuple[str, str],
    caveats: Sequence[str],
    pixel_scale: float,
    cmap: str,
    outline: np.ndarray | None = None,
) -> Figure:
    """Draw an image and its maps, and what a map cannot say.

    Each map has its own scale. Contours show the light that is looked for, where it is known.

    Parameters
    ----------
    title, subtitle : str
    image : ndarray (H, W) or (H, W, B), e-/s
    maps : dict of title to ndarray (H, W)
    lines : dict of title to sequence of str
        Lines below a map, at most 4.
    refused : dict of title to str
        Methods without a map, and why.
    ends : (str, str)
        What red and blue mean.
    caveats : sequence of str
    pixel_scale : float, arcsec
    cmap : str
        Of the image.
    outline : ndarray (H, W), optional
        Of the light that is looked for, in units of the noise: contours at 1 and 5.
    """
    titles = [*maps, *refused]
    rows = -(-(len(titles) + 1) // COLUMNS)
    columns = min(COLUMNS, len(titles) + 1)
    width = max(LEFT + columns * (SIDE + GAP) + 0.1, 6.3)
    most = max((len(some) for some in lines.values()), default=0)
    step, foot = SIDE + ABOVE + 0.18 + LINE * most, 0.5 + 0.16 * len(caveats)
    with style():
        figure = new_figure(width, 0.72 + rows * step + foot)
        height = figure.get_figheight()
        for place, name in enumerate(["image", *titles]):
            row, column = divmod(place, columns)
            left, bottom = LEFT + column * (SIDE + GAP), height - 0.72 - ABOVE - SIDE - row * step
            axes = figure.add_axes(inches(figure, left, bottom, SIDE, SIDE))
            fit_text(figure, left / width, (bottom + SIDE + 0.06) / height, name, 9.0, 7.0, SIDE, weight="bold")
            if name in refused:
                _write_refusal(axes, refused[name])
                continue
            if name == "image":
                light = mean_band(image)
                draw_image(axes, light, pixel_scale, asinh_norm(light), cmap)
            else:
                draw_image(axes, maps[name], pixel_scale, map_norm(maps[name]), TOWARDS)
                if outline is not None:
                    _outline(axes, outline, pixel_scale)
            axes.tick_params(labelleft=column == 0, labelbottom=False)
            if column == 0:
                axes.set_ylabel("y [arcsec]", labelpad=1)
            for number, line in enumerate(lines.get(name, ())):
                at = left / width, (bottom - 0.06 - LINE * number) / height
                colour = RED if "no better" in line or line.startswith("fails") else GREY
                fit_text(figure, *at, line, 7.0, 5.0, SIDE + 0.1, va="top", color=colour)
        _add_bar(figure, ends, foot)
        for number, line in enumerate(caveats):
            fit_text(
                figure, 0.15 / width, (foot - 0.5 - 0.16 * number) / height, line, 7.6, 5.5, va="top", color="0.25"
            )
        add_title(figure, plain_text(title), plain_text(subtitle))
    return figure


def map_norm(values: np.ndarray) -> Normalize:
    """Return the scale of a map: symmetric about zero."""
    top = float(np.percentile(np.abs(values), CEILING)) or float(np.abs(values).max()) or 1.0
    return Normalize(-top, top)


def _write_refusal(axes: Axes, reason: str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_facecolor("0.96")
    axes.text(0.5, 0.5, textwrap.fill(reason, 27), transform=axes.transAxes, ha="center", va="center", size=7.2,
              color=RED)  # fmt: skip


def _outline(axes: Axes, outline: np.ndarray, pixel_scale: float) -> None:
    y, x = ((np.arange(side) - (side - 1) / 2) * pixel_scale for side in outline.shape)
    axes.contour(x, -y, outline, levels=[1, 5], colors="0.35", linewidths=0.5)


def _add_bar(figure: Figure, ends: tuple[str, str], foot: float) -> None:
    width, length = figure.get_figwidth(), 1.6
    bar = figure.add_axes(inches(figure, (width - length) / 2, foot - 0.26, length, 0.1))
    figure.colorbar(ScalarMappable(Normalize(-1, 1), TOWARDS), cax=bar, orientation="horizontal", ticks=[0])
    bar.tick_params(length=2, pad=1, labelsize=7)
    for at, text, side, colour in ((-0.03, ends[0], "right", RED), (1.03, ends[1], "left", BLUE)):
        bar.text(at, 0.5, text, transform=bar.transAxes, ha=side, va="center", size=8, color=colour)

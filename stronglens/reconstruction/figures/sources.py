"""Figures of reconstructed sources beside their images and the truth."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from stronglens.plotting import add_title, draw_image, fit_text, inches, new_figure, style

SIDE, GAP, LEFT, TOP, BOTTOM = 1.18, 0.08, 1.5, 0.8, 0.62
"""Side of a panel, gap between panels, and margins of the figure, inches."""

SOURCES, ERRORS, DEVIATIONS = "source", "error", "sigma"
"""Scales that panels share."""

BARS = {
    SOURCES: "surface brightness (true peak: 1)",
    ERRORS: "estimate minus truth",
    DEVIATIONS: "sigma",
}


@dataclass(frozen=True, eq=False)
class Panel:
    """An image in a row of panels.

    Attributes
    ----------
    title : str
        Title of the column.
    image : ndarray (H, W)
    pixel_scale : float, arcsec
    scale : str or None
        ``source``, ``error`` or ``sigma``: the colour scale that it shares; None for a scale of its own.
    """

    title: str
    image: np.ndarray
    pixel_scale: float
    scale: str | None = None


def draw_sources(rows: Sequence[tuple[str, Sequence[Panel]]], title: str, subtitle: str, cmap: str = "magma") -> Figure:
    """Draw one row of panels for each lens.

    Parameters
    ----------
    rows : sequence of (caption, panels)
        All rows have the same columns.
    title, subtitle : str
    cmap : str
        Colour map of images and sources.
    """
    columns = len(rows[0][1])
    every = [panel for _, panels in rows for panel in panels]

    def largest(scale):
        values = [np.abs(panel.image[np.isfinite(panel.image)]).max() for panel in every if panel.scale == scale]
        return float(max(values, default=0) or 1)

    norms = {
        SOURCES: Normalize(0, 1),
        ERRORS: Normalize(-largest(ERRORS), largest(ERRORS)),
        DEVIATIONS: Normalize(0, largest(DEVIATIONS)),
    }
    maps = {SOURCES: cmap, ERRORS: "RdBu_r", DEVIATIONS: "viridis"}
    width = LEFT + columns * (SIDE + GAP) + 0.1
    height = TOP + len(rows) * (SIDE + GAP) + BOTTOM
    with style():
        figure = new_figure(width, height)
        for row, (caption, panels) in enumerate(rows):
            bottom = height - TOP - (row + 1) * SIDE - row * GAP
            middle = (bottom + SIDE / 2) / height
            figure.text((LEFT - 0.1) / width, middle, caption, ha="right", va="center", size=7.5, linespacing=1.35)
            for column, panel in enumerate(panels):
                axes = figure.add_axes(inches(figure, LEFT + column * (SIDE + GAP), bottom, SIDE, SIDE))
                norm = norms.get(panel.scale or "") or _own_norm(panel.image)
                draw_image(axes, panel.image, panel.pixel_scale, norm, maps.get(panel.scale or "", cmap), ticks=False)
                if row == 0:
                    axes.set_title(panel.title, size=8.0, pad=4)
                _draw_length(axes, panel)
        _draw_bars(figure, [panel.scale for panel in rows[0][1]], norms, maps)
        add_title(figure, title, subtitle)
    return figure


def _own_norm(image: np.ndarray) -> Normalize:
    values = image[np.isfinite(image)]
    return Normalize(min(0.0, float(np.percentile(values, 1))), float(np.percentile(values, 99.9)) or 1.0)


def _draw_length(axes, panel: Panel) -> None:
    """Draw a bar of a round length in the lower left corner."""
    half = panel.pixel_scale * panel.image.shape[1] / 2
    length = next(
        length for length in (5.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.01) if length < 0.8 * half or length < 0.02
    )
    colour = "0.15" if panel.scale == ERRORS else "white"
    axes.plot([-0.9 * half, -0.9 * half + length], [-0.88 * half] * 2, color=colour, lw=1.4, solid_capstyle="butt")
    axes.text(-0.9 * half + length / 2, -0.8 * half, f'{length:g}"', color=colour, size=6, ha="center", va="bottom")


def _draw_bars(figure: Figure, scales: Sequence[str | None], norms, maps) -> None:
    """Draw the shared colour bars below their first columns."""
    width = figure.get_figwidth()
    for scale, label in BARS.items():
        if scale not in scales:
            continue
        first = LEFT + scales.index(scale) * (SIDE + GAP)
        length = min(2, scales.count(scale)) * (SIDE + GAP) - 3 * GAP
        box = (first / width, 0.42 / figure.get_figheight(), length / width, 0.09 / figure.get_figheight())
        axes = figure.add_axes(box)
        bar = figure.colorbar(ScalarMappable(norm=norms[scale], cmap=maps[scale]), cax=axes, orientation="horizontal")
        bar.outline.set_linewidth(0.5)
        bar.ax.tick_params(labelsize=6, length=2, pad=1.5)
        bar.ax.locator_params(nbins=4 if length > 1.5 * SIDE else 3)
        fit_text(figure, first / width, 0.1 / figure.get_figheight(), label, 6.5, smallest=5.0, color="0.35")

"""Figure of a source of pixels."""

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from stronglens.plotting import add_colour_bar, add_title, draw_image, inches, new_figure, plain_text, style


def draw_source(name: str, source, cmap: str = "magma") -> Figure:
    """Draw the most probable source, its standard deviation, and the brightness over it.

    Parameters
    ----------
    name : str
        Name of the file.
    source : `stronglens.regression.pixel_posterior.PixelModel`
    cmap : str
        Matplotlib colour map.

    Returns
    -------
    Figure
    """
    brightest = max(float(source.brightness.max()), 1e-30)
    over_noise = source.brightness / source.deviation
    reach = max(float(np.abs(over_noise).max()), 1.0)
    panels = (
        ("brightness", source.brightness, Normalize(0, brightest), cmap, "e-/s\nper pixel"),
        ("standard deviation", source.deviation, Normalize(0, float(source.deviation.max())), cmap, "e-/s\nper pixel"),
        ("brightness / deviation", over_noise, Normalize(-reach, reach), "RdBu_r", "σ"),
    )
    size, bottom = 2.4, 0.6
    with style():
        figure = new_figure(10.2, bottom + size + 1.0)
        for number, (title, values, norm, colours, unit) in enumerate(panels):
            left = 0.6 + number * (size + 0.8)
            axes = figure.add_axes(inches(figure, left, bottom, size, size))
            draw_image(axes, values, source.shown.pixel, norm, colours)
            axes.set_title(title, fontsize=9, pad=4, loc="left")
            axes.set_xlabel("x [arcsec]", labelpad=1)
            if number == 0:
                axes.set_ylabel("y [arcsec]", labelpad=1)
            place = inches(figure, left + size + 0.05, bottom, 0.08, size)
            add_colour_bar(figure, place, norm, colours, "").ax.set_xlabel(unit, fontsize=6.5, labelpad=2)
        add_title(
            figure,
            f"Source of {plain_text(name, longest=90)}",
            f"best lens model; middle at ({source.grid.x:.2f}, {source.grid.y:.2f}) arcsec; the image determines "
            f"{source.determined:.0f} of {source.grid.side**2} pixels",
        )
    return figure

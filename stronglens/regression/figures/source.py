"""Figure of a source of pixels."""

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from stronglens.plotting import add_title, draw_image, new_figure, plain_text, style


def draw_source(name: str, source, cmap: str = "magma") -> Figure:
    """Draw the most probable source, and its brightness over its standard deviation.

    Parameters
    ----------
    name : str
        Name of the file.
    source : `stronglens.regression.source_pixels.PixelSource`
    cmap : str
        Matplotlib colour map.

    Returns
    -------
    Figure
    """
    significance = source.brightness / source.deviation
    brightest = max(float(source.brightness.max()), 1e-30)
    reach = max(float(np.abs(significance).max()), 1.0)
    with style():
        figure = new_figure(7.2, 3.7)
        panels = (
            (
                source.brightness,
                Normalize(0, brightest),
                cmap,
                "brightness [e-/s per pixel of the image]",
            ),
            (significance, Normalize(-reach, reach), "RdBu_r", "brightness over its standard deviation"),
        )
        width, height = 0.32, 0.32 * 7.2 / 3.7
        for number, (values, norm, colours, title) in enumerate(panels):
            axes = figure.add_axes((0.09 + 0.48 * number, 0.13, width, height))
            draw_image(axes, values, source.pixel, norm, colours)
            axes.set_title(title, fontsize=8)
            axes.set_xlabel("x [arcsec]", fontsize=8, labelpad=1)
            bar = figure.add_axes((0.42 + 0.48 * number, 0.13, 0.012, height))
            figure.colorbar(axes.images[0], cax=bar).ax.tick_params(labelsize=6)
        add_title(
            figure,
            f"Source of {plain_text(name)}",
            f"best lens model; centre ({source.x:.2f}, {source.y:.2f}) arcsec; the image determines "
            f"{source.determined:.0f} of {source.brightness.size} pixels",
        )
    return figure

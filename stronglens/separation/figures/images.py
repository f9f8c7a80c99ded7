"""Figures of separated images beside the truth."""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import AsinhNorm, Normalize
from matplotlib.figure import Figure

from stronglens.plotting import (
    DIVERGING,
    add_colour_bar,
    add_title,
    draw_image,
    fit_text,
    inches,
    new_figure,
    style,
)
from stronglens.separation.evaluation import Separated, TestSet
from stronglens.separation.metrics import flux_ratio, peak_ratio

SIDE, GAP, LEFT, TOP, BOTTOM = 1.22, 0.06, 1.25, 0.95, 0.4
"""Side of a panel, gap between panels, and margins of the figure, inches."""

RESIDUALS = Normalize(-5, 5)


def draw_separated(
    test: TestSet,
    separated: Separated,
    chosen: Sequence[int] | np.ndarray,
    pixel_scale: float,
    title: str,
    subtitle: str,
    cmap: str = "magma",
) -> Figure:
    """Draw a row for each lens: image, light without noise, source and lens with their truths, residuals.

    Image, light without noise and both lens panels share the stretch of the image; both source panels share that of the
    true source.

    Parameters
    ----------
    test : TestSet
    separated : Separated
    chosen : sequence of int
        Places in the test set.
    pixel_scale : float, arcsec
    title, subtitle : str
    cmap : str
    """
    titles = "image", "denoised", "source", "true source", "lens", "true lens", "residual / noise"
    residuals = test.residuals(separated.denoised)
    noise = np.sqrt(test.camera.variance(np.zeros(1), test.times))[:, 0, 0]
    psnr, flux = peak_ratio(separated.source, test.source), flux_ratio(separated.source, test.source)
    width = LEFT + len(titles) * (SIDE + GAP) + 0.75
    height = TOP + len(chosen) * (SIDE + GAP) + BOTTOM
    with style():
        figure = new_figure(width, height)
        for row, place in enumerate(chosen):
            bottom = height - TOP - (row + 1) * SIDE - row * GAP
            light = stretch_light(test.images[place], noise[place])
            source = stretch_light(np.stack([test.source[place], separated.source[place]]), noise[place])
            panels = (
                (test.images, light), (separated.denoised, light), (separated.source, source), (test.source, source),
                (separated.lens, light), (test.lens, light), (residuals, RESIDUALS),
            )  # fmt: skip
            caption = f"#{test.rows[place]}\nS/N {test.snr[place]:.0f}\n"
            caption += f"source: {psnr[place]:.1f} dB\nflux × {flux[place]:.2f}"
            middle = (bottom + SIDE / 2) / height
            figure.text((LEFT - 0.1) / width, middle, caption, ha="right", va="center", size=7.5, linespacing=1.4)
            for column, (images, norm) in enumerate(panels):
                axes = figure.add_axes(inches(figure, LEFT + column * (SIDE + GAP), bottom, SIDE, SIDE))
                colours = DIVERGING if norm is RESIDUALS else cmap
                draw_image(axes, images[place], pixel_scale, norm, colours, ticks=False)
                if row == 0:
                    axes.set_title(titles[column], size=8.5, pad=4)
        left = LEFT + len(titles) * (SIDE + GAP)
        bottom = height - TOP - SIDE
        add_colour_bar(figure, inches(figure, left + 0.02, bottom, 0.09, SIDE), RESIDUALS, DIVERGING, "")
        side = test.images.shape[2] * pixel_scale
        note = (
            f"panels are {side:.3g} arcsec wide; in each row image, denoised and lens have one stretch, and both "
            "sources another; #: index in the dataset"
        )
        fit_text(figure, LEFT / width, 0.12 / height, note, 7.5, 6.0, color="0.35")
        add_title(figure, title, subtitle)
    return figure


def stretch_light(images: np.ndarray, noise: float) -> AsinhNorm:
    """Return a stretch that is linear at the noise of the sky."""
    peak = float(np.percentile(images, 99.9))
    return AsinhNorm(2 * noise, vmin=-2 * noise, vmax=max(peak, 5 * noise))

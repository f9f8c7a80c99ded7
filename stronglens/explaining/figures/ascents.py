"""Figures of ascents, kernels and feature maps."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from stronglens.explaining.figures.page import TOWARDS, map_norm
from stronglens.plotting import (
    BLUE,
    add_title,
    asinh_norm,
    draw_image,
    fit_text,
    inches,
    new_figure,
    plain_text,
    style,
)

SIDE, GAP = 1.75, 0.16
SMALL, NARROW = 1.0, 0.07
SHOWN = 4
"""Images of an ascent in its figure."""


def draw_ascent(
    title: str, frames: np.ndarray, values: np.ndarray, what: str, pixel_scale: float, cmap: str, is_noise: bool,
    note: str,
) -> Figure:  # fmt: skip
    """Draw images of an ascent, what it added, and the value at each step.

    Parameters
    ----------
    title : str
    frames : ndarray (S, H, W), e-/s
    values : ndarray (S,)
    what : str
        What the value is.
    pixel_scale : float, arcsec
    cmap : str
    is_noise : bool
        Whether it started from noise: what was added is then the image.
    note : str
    """
    steps = np.linspace(0, len(frames) - 1, SHOWN).round().astype(int)
    panels = [(f"step {step}", frames[step]) for step in steps]
    columns = len(panels) + (not is_noise) + 1
    width = 0.5 + columns * (SIDE + GAP) + 0.45
    with style():
        figure = new_figure(width, 0.72 + SIDE + 0.62)
        height = figure.get_figheight()
        norm = asinh_norm(frames[-1])
        for place, (name, image) in enumerate(panels):
            axes = figure.add_axes(inches(figure, 0.5 + place * (SIDE + GAP), 0.62, SIDE, SIDE))
            draw_image(axes, image, pixel_scale, norm, cmap)
            axes.set_title(name, loc="left", fontsize=9, pad=3)
            axes.tick_params(labelleft=place == 0)
            if place == 0:
                axes.set_ylabel("y [arcsec]", labelpad=1)
        if not is_noise:
            axes = figure.add_axes(inches(figure, 0.5 + len(panels) * (SIDE + GAP), 0.62, SIDE, SIDE))
            added = frames[-1] - frames[0]
            draw_image(axes, added, pixel_scale, map_norm(added), TOWARDS)
            axes.set_title("added (blue), removed (red)", loc="left", fontsize=9, pad=3)
            axes.tick_params(labelleft=False)
        axes = figure.add_axes(inches(figure, 0.9 + (columns - 1) * (SIDE + GAP), 0.62, SIDE - 0.1, SIDE))
        axes.plot(np.arange(len(values)), values, color=BLUE)
        axes.set_xlabel("step", labelpad=1)
        axes.set_title(what, loc="left", fontsize=9, pad=3)
        fit_text(figure, 0.15 / width, 0.26 / height, note, 7.6, 5.5, va="top", color="0.25")
        add_title(figure, plain_text(title))
    return figure


def draw_kernels(
    title: str,
    subtitle: str,
    kernels: Sequence[int],
    made: np.ndarray,
    found: Sequence[Sequence[tuple[np.ndarray, tuple[float, float], str]]],
    pixel_scale: float,
    cmap: str,
) -> Figure:
    """Draw the image that excites each kernel, and the images of the dataset that excite it most.

    Parameters
    ----------
    title, subtitle : str
    kernels : sequence of K int
    made : ndarray (K, H, W), e-/s
    found : sequence of K sequences of (image, (x, y), text)
        Images of the dataset, the place of the largest response, arcsec, and a caption; empty without a dataset.
    pixel_scale : float, arcsec
    cmap : str
    """
    across = 2 if len(kernels) > 4 else 1
    wide = 1 + max((len(one) for one in found), default=0)
    rows = -(-len(kernels) // across)
    block = wide * (SMALL + NARROW) + 0.5
    width = max(0.15 + across * block, 6.0)
    with style():
        figure = new_figure(width, 0.75 + rows * (SMALL + 0.3) + 0.1)
        height = figure.get_figheight()
        for place, kernel in enumerate(kernels):
            column, row = divmod(place, rows)
            left, bottom = 0.15 + column * block, height - 0.75 - 0.22 - SMALL - row * (SMALL + 0.3)
            panels = [(made[place], None, f"kernel {kernel}"), *(found[place] if found else [])]
            for number, (image, at, text) in enumerate(panels):
                axes = figure.add_axes(inches(figure, left + number * (SMALL + NARROW), bottom, SMALL, SMALL))
                draw_image(axes, image, pixel_scale, asinh_norm(image), cmap, ticks=False)
                bold = "bold" if number == 0 else "normal"
                axes.set_title(text, loc="left", fontsize=7.5, pad=2, fontweight=bold)
                if at is not None:
                    axes.plot(*at, "o", mfc="none", mec="#62d2ff", ms=9, mew=1.0, scalex=False, scaley=False)
        add_title(figure, plain_text(title), plain_text(subtitle))
    return figure


def draw_feature_maps(
    title: str, subtitle: str, layers: Sequence[tuple[str, np.ndarray]], pixel_scale: float
) -> Figure:
    """Draw the strongest feature maps of layers for an image.

    Parameters
    ----------
    title, subtitle : str
    layers : sequence of (name, ndarray (h, w, C))
    pixel_scale : float, arcsec
    """
    most = 8
    width = 1.55 + most * (SMALL + NARROW) + 0.1
    with style():
        figure = new_figure(width, 0.75 + len(layers) * (SMALL + 0.22) + 0.15)
        height = figure.get_figheight()
        for row, (name, maps) in enumerate(layers):
            bottom = height - 0.75 - 0.16 - SMALL - row * (SMALL + 0.22)
            text = f"{name}\n{maps.shape[0]} x {maps.shape[1]}\n{maps.shape[2]} kernels"
            figure.text(0.12 / width, (bottom + SMALL / 2) / height, text, va="center", fontsize=8)
            strongest = np.argsort(-np.abs(maps).mean(axis=(0, 1)))[:most]
            for column, kernel in enumerate(strongest):
                axes = figure.add_axes(inches(figure, 1.5 + column * (SMALL + NARROW), bottom, SMALL, SMALL))
                draw_image(axes, maps[..., kernel], pixel_scale, map_norm(maps[..., kernel]), TOWARDS, ticks=False)
                axes.set_title(f"{kernel}", loc="left", fontsize=7, pad=1.5)
        add_title(figure, plain_text(title), plain_text(subtitle))
    return figure

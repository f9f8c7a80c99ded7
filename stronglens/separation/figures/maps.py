"""Figures of maps of the convergence."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from stronglens.plotting import (
    BLUE,
    DIVERGING,
    GREY,
    ORANGE,
    add_colour_bar,
    add_title,
    asinh_norm,
    best_epoch,
    draw_image,
    fit_text,
    inches,
    new_figure,
    style,
)
from stronglens.separation.figures.graphs import scale_snr

SIDE, GAP, LEFT, TOP, BOTTOM = 1.35, 0.06, 1.0, 0.95, 0.55
"""Side of a panel, gap between panels, and margins of the figure, inches."""

SHOWN = 5
ERRORS = Normalize(-0.3, 0.3)
KAPPA = LogNorm(0.1, 5)
KAPPA_TICKS = (0.1, 0.2, 0.5, 1, 2, 5)


def draw_maps(test: Any, errors: np.ndarray, pixel_scale: float, cmap: str = "magma") -> Figure:
    """Draw a row for each lens, from the best to the worst: image, true and found map, error, profile.

    Parameters
    ----------
    test : map_report.TestMaps
    errors : ndarray (N,)
        Error of each lens.
    pixel_scale : float, arcsec
    cmap : str
        Of the images.
    """
    order = np.argsort(errors)
    chosen = order[np.linspace(0, len(order) - 1, min(SHOWN, len(order))).astype(int)]
    titles = "image", "true convergence", "found", "found / true − 1"
    width = LEFT + len(titles) * (SIDE + GAP) + 1.1 + 2.3
    height = TOP + len(chosen) * (SIDE + 0.14) + BOTTOM
    with style():
        figure = new_figure(width, height)
        for row, place in enumerate(chosen):
            bottom = height - TOP - SIDE - row * (SIDE + 0.14)
            caption = f"#{test.rows[place]}\nerror {errors[place]:.1%}"
            figure.text((LEFT - 0.1) / width, (bottom + SIDE / 2) / height, caption, ha="right", va="center", size=7.5)
            true, found = test.truth[place], test.found[place]
            panels = (
                (test.images[place], asinh_norm(test.images[place]), cmap), (true, KAPPA, "viridis"),
                (found, KAPPA, "viridis"), (found / true - 1, ERRORS, DIVERGING),
            )  # fmt: skip
            for column, (image, norm, colours) in enumerate(panels):
                axes = figure.add_axes(inches(figure, LEFT + column * (SIDE + GAP), bottom, SIDE, SIDE))
                draw_image(axes, image, pixel_scale, norm, colours, ticks=False)
                if norm is KAPPA:
                    axes.contour(
                        image[::-1], [1.0], colors="w", linewidths=0.8, extent=axes.get_images()[0].get_extent()
                    )
                if row == 0:
                    axes.set_title(titles[column], size=8.5, pad=4)
            box = (LEFT + len(titles) * (SIDE + GAP) + 1.05, bottom + 0.02, 2.15, SIDE - 0.04)
            axes = figure.add_axes(inches(figure, *box))
            _draw_profile(axes, test, place)
            axes.tick_params(labelbottom=row == len(chosen) - 1)
            if row == 0:
                axes.legend(fontsize=6.5, loc="upper right")
                axes.set_title("profile about the centre", size=8.5, pad=4)
        axes.set_xlabel("radius / Einstein radius", labelpad=2)
        left, bottom = LEFT + len(titles) * (SIDE + GAP), height - TOP - SIDE
        add_colour_bar(figure, inches(figure, left, bottom, 0.09, SIDE), ERRORS, DIVERGING, "")
        if len(chosen) > 1:
            below = inches(figure, left, bottom - SIDE - 0.14, 0.09, SIDE)
            add_colour_bar(figure, below, KAPPA, "viridis", "convergence").set_ticks(KAPPA_TICKS)
        note = "white: convergence 1. The maps have the mass sheet of the simulated lens models"
        fit_text(figure, LEFT / width, 0.12 / height, note, 7.5, 6.0, width - 3.6 - LEFT, color="0.35")
        add_title(
            figure, "Convergence of test lenses", "from the smallest error to the largest; #: index in the dataset"
        )
    return figure


def draw_map_errors(errors: Mapping[str, np.ndarray], snr: np.ndarray, reach: float) -> Figure:
    """Draw the error of each lens against the signal-to-noise ratio of its source.

    Parameters
    ----------
    errors : mapping of method to ndarray (N,)
    snr : ndarray (N,)
    reach : float, Einstein radii
    """
    with style():
        figure = new_figure(5.8, 4.6)
        axes = figure.add_axes(inches(figure, 0.8, 1.1, 4.8, 2.65))
        for (name, values), colour in zip(errors.items(), (GREY, ORANGE, BLUE), strict=True):
            axes.plot(snr, values, ".", ms=3, color=colour, label=f"{name}: median {np.median(values):.1%}", alpha=0.7)
        scale_snr(axes)
        axes.set(yscale="log", xlabel="S/N of the lensed source", ylabel="median |found / true − 1|")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.1%}" if value < 0.01 else f"{value:.0%}")
        axes.grid(color="0.92", lw=0.6)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.19), ncol=2, fontsize=7, columnspacing=1.0)
        add_title(figure, "Error of the convergence", f"pixels within {reach:g} Einstein radii")
    return figure


def draw_losses(history: Mapping[str, Sequence[float]]) -> Figure:
    """Draw the negative log density by epoch, and mark the best epoch.

    Parameters
    ----------
    history : mapping of str to sequence of float
    """
    with style():
        figure = new_figure(5.2, 3.6)
        axes = figure.add_axes(inches(figure, 0.75, 0.55, 4.25, 2.25))
        for name, label, colour in (("loss", "training", BLUE), ("val_loss", "validation", ORANGE)):
            values = np.asarray(history.get(name, ()), float)
            axes.plot(np.arange(1, len(values) + 1), values, "o-", ms=3, color=colour, label=label)
        if (best := best_epoch(history)) is not None:
            axes.axvline(best, color=GREY, lw=0.8, ls="--", zorder=0, label=f"best epoch: {best}")
        axes.set(xlabel="epoch", ylabel="negative log density")
        axes.grid(color="0.92", lw=0.6)
        axes.legend(loc="best")
        add_title(figure, "Training history", "training images get new noise in every epoch")
    return figure


def _draw_profile(axes, test, place: int) -> None:
    """Draw the means of the true and the found convergence in rings, and the median 68 % interval."""
    radius, edges = test.radius[place], np.linspace(0, 2.5, 16)
    ring = np.digitize(radius, edges) - 1
    middle, true, found, low, high = [], [], [], [], []
    for number in range(len(edges) - 1):
        near = ring == number
        if near.sum() < 4:
            continue
        middle.append((edges[number] + edges[number + 1]) / 2)
        value, factor = test.found[place][near].mean(), np.exp(np.median(test.sigma[place][near]))
        true.append(test.truth[place][near].mean())
        found.append(value)
        low.append(value / factor)
        high.append(value * factor)
    axes.fill_between(middle, low, high, color=BLUE, alpha=0.25, lw=0, label="68 %")
    axes.plot(middle, found, color=BLUE, label="found")
    axes.plot(middle, true, color=ORANGE, ls="--", label="true")
    axes.axhline(1, color=GREY, lw=0.6, zorder=0)
    axes.set(yscale="log", xlim=(0, 2.5), ylim=(0.12, 12))
    axes.tick_params(labelsize=7)

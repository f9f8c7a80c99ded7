"""Figures of codes: where images lie, and how that compares with the prior."""

from collections.abc import Sequence

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from stronglens.parameters import Column
from stronglens.plotting import (
    BLUE,
    GREY,
    ORANGE,
    add_title,
    count_of,
    inches,
    new_figure,
    plain_text,
    style,
    symbol_of,
)

MOST_POINTS = 3000
SHOWN = 3.5
"""Range of the codes in a figure, standard deviations of the prior."""


def draw_latents(codes: np.ndarray, pair: tuple[int, int], labels: np.ndarray, columns: Sequence[Column]) -> Figure:
    """Draw two codes of all images, coloured by labels.

    Parameters
    ----------
    codes : ndarray (N, L)
    pair : (int, int)
        Indices of the two codes.
    labels : ndarray (N, K), unit of each column
    columns : sequence of K Column
    """
    codes, labels = codes[:MOST_POINTS], labels[:MOST_POINTS]
    across = min(3, max(1, len(columns)))
    down = -(-max(1, len(columns)) // across)
    with style():
        step_x, step_y = 3.75, 2.95
        figure = new_figure(0.6 + across * step_x, 0.85 + down * step_y)
        for place, column in enumerate(columns):
            row, column_number = divmod(place, across)
            left, up = 0.6 + column_number * step_x, 0.5 + (down - 1 - row) * step_y
            axes = figure.add_axes(inches(figure, left, up, 2.35, 2.35))
            values = labels[:, place]
            norm = Normalize(*np.percentile(values, (2, 98)))
            axes.scatter(*codes[:, pair].T, c=values, s=4, cmap="viridis", norm=norm, linewidths=0, rasterized=True)
            axes.set(xlabel=f"code {pair[0] + 1}", ylabel=f"code {pair[1] + 1}")
            bar = figure.colorbar(
                ScalarMappable(norm, "viridis"), cax=figure.add_axes(inches(figure, left + 2.42, up, 0.1, 2.35))
            )
            bar.outline.set_linewidth(0.5)
            unit = f" [{plain_text(column.unit)}]" if column.unit else ""
            axes.set_title(f"{symbol_of(column)}{unit} ({column.name})", size=8.5, loc="left", pad=3)
        add_title(
            figure,
            "Codes of the images, by label",
            f"{count_of(len(codes), 'test image')}; the training does not use labels",
        )
    return figure


def draw_aggregate(codes: np.ndarray, deviations: np.ndarray | None, seed: int, subtitle: str) -> Figure:
    """Draw the distribution of each code over all images beside the prior N(0, 1).

    Parameters
    ----------
    codes : ndarray (N, L)
    deviations : ndarray (N, L) or None
        Standard deviations of the encoder's distributions. With them the distribution is the aggregated posterior, the
        mean of the distributions of all images.
    seed : int
        Of the samples from it.
    subtitle : str
    """
    number = codes.shape[1]
    across = min(5, number)
    down = -(-number // across)
    random = np.random.default_rng(seed)
    sampled = codes if deviations is None else codes + deviations * random.standard_normal(codes.shape)
    grid = np.linspace(-SHOWN, SHOWN, 200)
    with style():
        step_x, step_y = 1.85, 1.62
        figure = new_figure(max(5.2, 0.55 + across * step_x), 1.05 + down * step_y)
        for place in range(number):
            row, column = divmod(place, across)
            box = inches(figure, 0.5 + column * step_x, 0.5 + (down - 1 - row) * step_y, 1.6, 1.2)
            axes = figure.add_axes(box)
            axes.hist(
                np.clip(sampled[:, place], -SHOWN, SHOWN), bins=np.linspace(-SHOWN, SHOWN, 40), density=True,
                color=BLUE, alpha=0.35, label="images",
            )  # fmt: skip
            axes.plot(grid, np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi), color=ORANGE, label="prior")
            axes.set(xlim=(-SHOWN, SHOWN), yticks=[], xticks=[-3, 0, 3])
            axes.text(0.03, 0.95, f"code {place + 1}", transform=axes.transAxes, va="top", size=7.5)
            axes.text(0.97, 0.95, f"σ = {sampled[:, place].std():.2f}", transform=axes.transAxes, va="top", ha="right",
                      size=7.5, color=GREY)  # fmt: skip
            if place == number - 1 or row == down - 1:
                axes.set_xlabel("code")
            if place == 0:
                handles = axes.get_legend_handles_labels()
        figure.legend(*handles, loc="upper right", ncols=2, bbox_to_anchor=(0.995, 0.995))
        add_title(figure, "Codes of all images and the prior", subtitle)
    return figure

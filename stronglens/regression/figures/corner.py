"""Corner plots: marginal posteriors of single quantities and of pairs for one image."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter

from stronglens.parameters import Column
from stronglens.plotting import (
    BLUE,
    GREY,
    ORANGE,
    add_title,
    caption_size,
    count_of,
    inches,
    new_figure,
    plain_text,
    round_to_error,
    style,
    symbol_of,
    typeset_minus,
)

SHARES = (0.68, 0.95)  # posterior probability inside the contours
MOST = 10  # maximum number of labels in a figure
GAP = 0.07  # inches between panels
CHARACTER = 0.059  # width of a character of a tick label, inches


def draw_corner(
    samples: ArrayLike, columns: Sequence[Column], truth: ArrayLike | None = None, name: str = ""
) -> Figure:
    """Draw the posterior of one image: a histogram of each label, and 68 % and 95 % contours of each pair.

    Parameters
    ----------
    samples : array_like (S, L), unit of each label
    columns : sequence of L Column
        The first ten are drawn.
    truth : array_like (L,), unit of each label, optional
        Finite values are drawn as lines.
    name : str
        Name of the image.
    """
    samples, shown = np.asarray(samples, dtype=float), columns[:MOST]
    good = np.isfinite(samples).all(axis=1)
    samples, count = samples[good, :MOST], len(shown)
    side = count * (1.55 if count <= 5 else 1.2 if count <= 8 else 1.0)
    with style():
        left, bottom = 0.85, 0.5
        figure = new_figure(max(left + side + 0.25, 4.0), bottom + side + 1.0)
        draw_corner_panels(figure, (left, bottom), side, samples, shown, truth, has_titles=True)
        handles = [Patch(fc=BLUE, alpha=0.55, label="68 %"), Patch(fc=BLUE, alpha=0.25, label="95 %")]
        handles = handles if count > 1 else []
        handles += [Line2D([], [], color=ORANGE, lw=1.2, label="truth")] if truth is not None else []
        if handles:
            corner = (1 - 0.1 / figure.get_figwidth(), 1 - 0.62 / figure.get_figheight())
            figure.legend(handles=handles, loc="upper right", bbox_to_anchor=corner, ncols=2 if count < 3 else 1)
        left_out = f"; {count} of {len(columns)} labels" if count < len(columns) else ""
        subtitle = f"{count_of(len(samples), 'sample')}{left_out}; titles: median and 68 % interval"
        add_title(figure, f"Posterior of {plain_text(name)}" if name else "Posterior of one image", subtitle)
    return figure


def draw_corner_panels(
    figure: Figure,
    place: tuple[float, float],
    side: float,
    samples: np.ndarray,
    columns: Sequence[Column],
    marks: ArrayLike | None = None,
    has_titles: bool = False,
    others: np.ndarray | None = None,
) -> None:
    """Draw the panels of a corner plot into a square of a figure. Axis labels are outside the square.

    Parameters
    ----------
    figure : Figure
    place : (float, float), inches
        Left and lower end of the square.
    side : float, inches
    samples : ndarray (S, L), unit of each column
    columns : sequence of L Column
    marks : array_like (L,), unit of each column, optional
        Finite values are drawn as lines, or as arrows if they lie outside the axes.
    has_titles : bool
        Write median and errors above each histogram.
    others : ndarray (S, L), optional
        Samples of another posterior, drawn as grey outlines; NaN in columns that it does not have.
    """
    count = len(columns)
    others = np.full((1, count), np.nan) if others is None else np.asarray(others, dtype=float)
    marks = np.full(count, np.nan) if marks is None else np.asarray(marks, dtype=float)[:count]
    pitch = side / count
    cell = pitch - GAP
    limits = [
        _limits(values if np.isnan(other).any() else np.concatenate([values, other]), mark)
        for values, other, mark in zip(samples.T, others.T, marks, strict=True)
    ]
    size = caption_size(figure, [column.axis_text for column in columns], cell, size=8.0)
    for row in range(count):
        for along in range(row + 1):
            box = inches(figure, place[0] + along * pitch, place[1] + (count - 1 - row) * pitch, cell, cell)
            axes = figure.add_axes(box)
            if along == row:
                _draw_histogram(axes, samples[:, row], limits[row], marks[row], others[:, row])
                if has_titles and len(samples):
                    title = f"{symbol_of(columns[row])}\n{_median_text(samples[:, row])}"
                    axes.set_title(title, fontsize=min(size, 7.5), pad=3)
            else:
                _draw_outlines(axes, others[:, along], others[:, row])
                _draw_contours(axes, samples[:, along], samples[:, row])
                axes.axhline(marks[row], color=ORANGE, lw=1)
                axes.set_ylim(limits[row])
                axes.set_yticks(*_ticks(*limits[row], cell))
            axes.axvline(marks[along], color=ORANGE, lw=1)
            axes.set_xlim(limits[along])
            axes.set_xticks(*_ticks(*limits[along], cell))
            at_left, at_bottom = along == 0 and row > 0, row == count - 1
            axes.tick_params(labelsize=6.5, length=2, pad=1.5, labelbottom=at_bottom, labelleft=at_left)
            if at_bottom:
                axes.set_xlabel(columns[along].axis_text, fontsize=size, labelpad=2)
            if at_left:
                axes.set_ylabel(columns[row].axis_text, fontsize=size)
                axes.yaxis.set_label_coords(-0.58 / cell, 0.5)


def _draw_histogram(
    axes: Axes, values: np.ndarray, limits: tuple[float, float], mark: float, others: np.ndarray
) -> None:
    counts, edges = np.histogram(values, 30, _limits(values, np.nan))
    if np.isfinite(others).all():
        of_others, edges_of_others = np.histogram(others, 30, limits)
        axes.stairs(of_others * counts.max() / max(of_others.max(), 1), edges_of_others, color=GREY, lw=1)
    axes.stairs(counts, edges, color=BLUE, fill=True, alpha=0.25)
    axes.stairs(counts, edges, color=BLUE, lw=1)
    for end in _middle(values)[::2]:
        axes.axvline(end, color=BLUE, lw=0.8, ls="--")
    if np.isfinite(mark) and not limits[0] <= mark <= limits[1]:  # the arrow points towards it
        x, arrow = (0.94, ">") if mark > limits[1] else (0.06, "<")
        axes.plot(x, 0.5, arrow, color=ORANGE, ms=5, transform=axes.transAxes)
    axes.set_ylim(0, 1.1 * max(counts.max(), 1))
    axes.set_yticks([])


def _median_text(values: np.ndarray) -> str:
    """Return the median and its errors with the same number of decimals."""
    low, middle, high = _middle(values)
    up, down = high - middle, middle - low
    text, plus, minus = round_to_error([middle, up, down], max(up, down))
    return f"${text}^{{+{plus}}}_{{-{minus}}}$"


def _middle(values: np.ndarray) -> np.ndarray:
    """Return the lower end, the median and the upper end of the central 68 %; NaN if there are no values."""
    ends = (0.5 - SHARES[0] / 2, 0.5, 0.5 + SHARES[0] / 2)
    return np.quantile(values, ends) if len(values) else np.full(3, np.nan)


def _draw_outlines(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    if np.isfinite(x).all() and np.isfinite(y).all():
        middles, density, thresholds = _density(x, y)
        if thresholds:
            axes.contour(*middles, density, thresholds, colors=GREY, linewidths=0.8)


def _draw_contours(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    middles, density, thresholds = _density(x, y)
    if not thresholds:
        return
    for threshold, alpha in zip(thresholds, (0.25, 0.4), strict=False):
        axes.contourf(*middles, density, [threshold, density.max()], colors=[BLUE], alpha=alpha)
    axes.contour(*middles, density, thresholds, colors=BLUE, linewidths=0.8)


def _density(x: np.ndarray, y: np.ndarray) -> tuple[list[np.ndarray], np.ndarray, list[float]]:
    """Return the middles of bins, the smoothed density in them, and its values at the contours."""
    # More samples give finer bins; the smoothing is about as wide as the remaining scatter.
    bins = int(np.clip(len(x) ** 0.5, 14, 50))
    density, x_edges, y_edges = np.histogram2d(x, y, bins, (_limits(x, np.nan), _limits(y, np.nan)))
    density = gaussian_filter(np.pad(density, 2), 0.045 * bins).T
    middles = [edges[0] + (edges[1] - edges[0]) * (np.arange(-2, len(edges) + 1) + 0.5) for edges in (x_edges, y_edges)]
    if density.max() <= 0:
        return middles, density, []
    order = np.sort(density.ravel())[::-1]
    inside = np.cumsum(order) / order.sum()
    thresholds = sorted({float(order[min(np.searchsorted(inside, share), len(order) - 1)]) for share in SHARES})
    return middles, density, [threshold for threshold in thresholds if threshold < density.max()]


def _limits(values: np.ndarray, mark: float) -> tuple[float, float]:
    """Return the limits of an axis: nearly all samples, and the mark unless it is too far from them."""
    if not len(values):
        return 0.0, 1.0
    low, high = np.quantile(values, (0.003, 0.997))
    width = (high - low) or max(abs(low), 1.0) * 0.01
    low, high = low - 0.1 * width, high + 0.1 * width
    if low - 2 * width < mark < high + 2 * width:
        low, high = min(low, mark - 0.1 * width), max(high, mark + 0.1 * width)
    return float(low), float(high)


def _ticks(low: float, high: float, length: float) -> tuple[list[float], list[str]]:
    """Return one or two round numbers inside an axis of a length in inches, and their labels, without overlap."""
    inner = low + 0.22 * (high - low), high - 0.22 * (high - low)
    values = [value for value in MaxNLocator(nbins=9).tick_values(low, high) if inner[0] <= value <= inner[1]]
    longest = max((len(f"{value:.5g}") for value in values), default=0)
    if len(values) > 1 and values[-1] - values[0] < CHARACTER * longest * (high - low) / length:
        values = [min(values, key=lambda value: abs(value - (low + high) / 2))]
    values = values[:: max(len(values) - 1, 1)]
    return values, [typeset_minus(f"{value:.5g}") for value in values]

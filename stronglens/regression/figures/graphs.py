"""Figures of losses and predictions of the regression task."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from stronglens.parameters import Column
from stronglens.plotting import (
    BLUE,
    GREY,
    ORANGE,
    add_title,
    best_epoch,
    count_of,
    draw_epochs,
    inches,
    new_figure,
    pair_curves,
    plain_text,
    scale_losses,
    style,
    unit_of,
)

MANY_POINTS = 3000  # above this number of points, a density replaces the scatter plot


def draw_losses(history: Mapping[str, Sequence[float]], loss: str = "mean squared error") -> Figure:
    """Draw losses and mean absolute errors of training and validation by epoch, and mark the best epoch.

    Parameters
    ----------
    history : mapping of str to sequence of E float
        ``loss`` and optionally ``val_loss``, ``mae``, ``val_mae`` (Keras's names), all for standardised labels. Values
        that are not finite are omitted.
    loss : str
        Name of the loss.
    """
    with style():
        panels = [("loss", f"{loss} (loss)"), ("mae", "mean absolute error")]
        history = {key.replace("mean_absolute_error", "mae"): np.asarray(values) for key, values in history.items()}
        panels = [panel for panel in panels if panel[0] in history] or panels[:1]
        figure = new_figure(4.6 * len(panels) + 0.4, 3.9)
        best = best_epoch(history)
        for place, (key, text) in enumerate(panels):
            axes = figure.add_axes(inches(figure, 0.75 + 4.6 * place, 0.55, 3.85, 2.5))
            if draw_epochs(axes, pair_curves(history, key), best, text):
                axes.legend(loc="best")
        unit = "; labels in standard deviations" if loss == "mean squared error" else ""
        add_title(figure, "Training and validation losses", _describe_training(history, best) + unit)
    return figure


def draw_generalisation_gap(histories: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """Draw the losses of trainings that differ only in their training images, and their generalisation gaps.

    Parameters
    ----------
    histories : mapping of str to (mapping of str to sequence of E float)
        Histories with ``loss`` and ``val_loss`` for standardised labels, by a description of the training images.
    """
    with style():
        figure = new_figure(9.6, 3.9)
        losses, gaps = (figure.add_axes(inches(figure, left, 0.55, 3.85, 2.5)) for left in (0.75, 5.35))
        drawn = []
        for colour, (name, history) in zip((BLUE, ORANGE, GREY), histories.items(), strict=False):
            train, valid = (np.asarray(history[key], dtype=float) for key in ("loss", "val_loss"))
            epochs = np.arange(1, len(train) + 1)
            losses.plot(epochs, train, color=colour, ls=":", label=f"training, {name}")
            losses.plot(epochs, valid, color=colour, label=f"validation, {name}")
            gaps.plot(epochs, valid - train, color=colour, label=name)
            drawn += [train, valid]
        scale_losses(losses, drawn)
        gaps.set_xlim(losses.get_xlim())
        gaps.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
        gaps.axhline(0, color=GREY, lw=0.8, ls="--", zorder=0)
        losses.set_ylabel("mean squared error (loss)")
        gaps.set_ylabel("validation − training")
        for axes in (losses, gaps):
            axes.set_xlabel("epoch")
            axes.grid(color="0.92", lw=0.6)
            axes.legend(loc="best")
        add_title(
            figure,
            "Generalisation gap by training data",
            "same network, number of steps and validation images; dropout acts only in training and lowers the gap",
        )
    return figure


def draw_predictions(
    true: ArrayLike,
    predicted: ArrayLike,
    columns: Sequence[Column],
    metrics: Mapping | None = None,
    estimate: str = "",
) -> Figure:
    """Draw predicted against true values of each label, with the residuals below.

    Parameters
    ----------
    true, predicted : array_like (N, L), unit of each label
    columns : sequence of L Column
    metrics : mapping, optional
        As `stronglens.evaluation.regression_metrics` returns it. R^2 and RMSE are written in a corner.
    estimate : str
        Description of the predicted values if they are not the output of a network.
    """
    true, predicted = np.asarray(true, dtype=float), np.asarray(predicted, dtype=float)
    across = min(len(columns), 4)
    down = -(-len(columns) // across)
    with style():
        figure = new_figure(max(0.25 + 3.25 * across, 4.2), 0.75 + 4.25 * down)
        for place, column in enumerate(columns):
            row, along = divmod(place, across)
            left, bottom = 0.8 + 3.25 * along, figure.get_figheight() - 0.75 - 4.25 * row - 3.75
            above = figure.add_axes(inches(figure, left, bottom + 1.05, 2.4, 2.4))
            below = figure.add_axes(inches(figure, left, bottom, 2.4, 0.95), sharex=above)
            entries = metrics["labels"].get(column.name) if metrics else None
            _draw_label(above, below, true[:, place], predicted[:, place], column, entries)
        subtitle = f"{count_of(len(true), 'test image')}; dashed: predicted = true"
        subtitle += f"; predicted: {estimate}" if estimate else ""
        subtitle += "; darker: more images (logarithmic)" if len(true) > MANY_POINTS else ""
        add_title(figure, "Predicted against true values", subtitle)
    return figure


def _describe_training(history: Mapping[str, np.ndarray], best: int | None) -> str:
    if best is None:
        return "no finite loss"
    key = "val_loss" if "val_loss" in history else "loss"
    kind = "validation" if key == "val_loss" else "training"
    lowest = f"lowest {kind} loss {history[key][best - 1]:.4g} in epoch {best}"
    return f"{count_of(len(history[key]), 'epoch')}; {lowest}"


def _draw_label(above, below, true: np.ndarray, predicted: np.ndarray, column: Column, entries: Mapping | None) -> None:
    good = np.isfinite(true) & np.isfinite(predicted)
    true, predicted = true[good], predicted[good]
    low, high = (float(true.min()), float(true.max())) if len(true) else (0.0, 1.0)
    span = (high - low) or max(abs(low), 1.0)
    low, high = low - 0.05 * span, high + 0.05 * span
    if len(true):  # an outlier must not compress the others into a line
        low = max(min(low, float(predicted.min()) - 0.02 * span), low - 0.5 * span)
        high = min(max(high, float(predicted.max()) + 0.02 * span), high + 0.5 * span)
    residual = predicted - true
    size = np.abs(residual) if len(true) else np.ones(1)
    reach = max(min(1.1 * float(size.max()), 2 * float(np.percentile(size, 98))), 1e-3 * span)
    if len(true) > MANY_POINTS:
        how = {"gridsize": 45, "mincnt": 1, "cmap": "Blues", "norm": LogNorm(vmin=0.3), "linewidths": 0.1}
        above.hexbin(true, predicted, extent=(low, high, low, high), **how)
        below.hexbin(true, residual, extent=(low, high, -reach, reach), **{**how, "gridsize": (45, 15)})
    else:
        how = {"s": 11 if len(true) < 500 else 6, "color": BLUE, "alpha": 0.7 if len(true) < 200 else 0.35, "lw": 0}
        above.scatter(true, predicted, rasterized=len(true) > 500, **how)
        below.scatter(true, residual, rasterized=len(true) > 500, **how)
    above.plot([low, high], [low, high], color=GREY, ls="--", lw=1, zorder=3)
    below.axhline(0, color=GREY, ls="--", lw=1, zorder=3)
    above.set(xlim=(low, high), ylim=(low, high), ylabel="predicted")
    below.set(ylim=(-reach, reach), xlabel=f"true {column.axis_text}", ylabel="pred. − true")
    above.tick_params(labelbottom=False)
    for axes in (above, below):
        axes.locator_params(nbins=5 if axes is above else 4, axis="y")
        axes.locator_params(nbins=5, axis="x")
        axes.grid(color="0.93", lw=0.6)
        axes.set_axisbelow(True)
    outside = int(np.count_nonzero((predicted < low) | (predicted > high)))
    lines = (
        [f"$R^2$ = {_entry(entries, 'r2')}", f"RMSE = {_entry(entries, 'rmse')}{unit_of(column)}"] if entries else []
    )
    lines += [f"{outside} outside"] if outside else []
    if lines:
        frame = {"fc": "white", "ec": "none", "alpha": 0.8, "pad": 1.5}
        above.text(0.04, 0.96, "\n".join(lines), transform=above.transAxes, va="top", fontsize=8, zorder=5, bbox=frame)
    above.set_title(plain_text(column.name), loc="left", pad=4)


def _entry(entries: Mapping, key: str) -> str:
    value = entries.get(key, {}).get("value")
    return "n/a" if value is None else f"{value:.3g}".replace("-", "−")

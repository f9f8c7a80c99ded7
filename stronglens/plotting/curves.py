"""Training curves: the best epoch, and a panel of curves by epoch."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from stronglens.plotting.style import BLUE, GREY, ORANGE

Curve = tuple[str, str, Sequence[float]]
"""Label, colour and values by epoch."""

FEW = 25
"""Epochs below which each has a marker: a curve of one epoch has no line."""


def best_epoch(history: Mapping[str, Sequence[float]]) -> int | None:
    """Return the epoch, counted from one, with the lowest validation loss, or training loss without validation.

    Parameters
    ----------
    history : mapping of str to sequence of E float
        ``val_loss``, ``loss``.

    Returns
    -------
    int or None
        None if no loss is finite.
    """
    values = np.asarray(history.get("val_loss", history.get("loss", [])), dtype=float)
    return int(np.nanargmin(np.where(np.isfinite(values), values, np.nan))) + 1 if np.isfinite(values).any() else None


def pair_curves(history: Mapping[str, Sequence[float]], key: str) -> list[Curve]:
    """Return the curves of training and validation of an entry of a history."""
    return [("training", BLUE, history.get(key, ())), ("validation", ORANGE, history.get(f"val_{key}", ()))]


def draw_epochs(axes: Axes, curves: Iterable[Curve], best: int | None, label: str) -> bool:
    """Draw curves by epoch, mark the best epoch, and return whether there is a curve.

    Parameters
    ----------
    axes : Axes
    curves : iterable of Curve
        Those without a finite value are left out.
    best : int or None
        The best epoch, from one.
    label : str
        Of the y axis.
    """
    drawn = []
    for name, colour, values in curves:
        values = np.asarray(values, dtype=float)
        if np.isfinite(values).any():
            marker = "o" if len(values) < FEW else ""
            axes.plot(np.arange(1, len(values) + 1), values, color=colour, label=name, marker=marker, ms=3.5)
            drawn.append(values[np.isfinite(values)])
    if best is not None and drawn:
        axes.axvline(best, color=GREY, lw=0.8, ls="--", zorder=0, label=f"best epoch: {best}")
    scale_losses(axes, drawn)
    axes.set(xlabel="epoch", ylabel=label)
    axes.grid(color="0.92", lw=0.6)
    return bool(drawn)


def scale_losses(axes: Axes, drawn: Sequence[np.ndarray]) -> None:
    """Set the axes of loss curves.

    The y axis is logarithmic if the values are positive and differ by a factor above 3; ticks in x are whole epochs.

    Parameters
    ----------
    axes : Axes
    drawn : sequence of ndarray (E,)
        Finite values of the curves.
    """
    values = np.concatenate(drawn) if drawn else np.ones(1)
    if values.min() > 0 and values.max() > 3 * values.min():
        axes.set_yscale("log")
        if values.max() < 100 * values.min():  # less than two decades: label ticks between the powers of ten
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:.3g}")
            axes.yaxis.set_minor_formatter(lambda value, _: f"{value:.3g}" if f"{value:e}"[0] in "2357" else "")
            axes.tick_params(axis="y", which="minor", labelsize=7)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    epochs = max((len(values) for values in drawn), default=1)
    axes.set_xlim(0.5, epochs + 0.5 + 0.01 * epochs)

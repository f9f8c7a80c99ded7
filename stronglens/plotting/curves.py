"""Training curves: the best epoch, and the axes of a loss curve."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator


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

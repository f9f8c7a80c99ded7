"""Figure of the training of a classifier."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from stronglens.plotting.curves import best_epoch, draw_epochs, pair_curves
from stronglens.plotting.images import inches
from stronglens.plotting.style import GREY, new_figure, style
from stronglens.plotting.words import add_title, count_of


def draw_history(history: Mapping[str, Sequence[float]]) -> Figure:
    """Draw loss and accuracy of training and validation by epoch, and mark the best epoch.

    Parameters
    ----------
    history : mapping of str to sequence of E float
        ``loss`` and optionally ``accuracy``, ``val_loss``, ``val_accuracy``, ``learning_rate`` (Keras's names). Values
        that are not finite are omitted.
    """
    history = {key: np.asarray(values, dtype=float) for key, values in history.items()}
    with style():
        figure = new_figure(9.6, 3.9)
        best = best_epoch(history)
        for place, (key, text) in enumerate((("loss", "cross-entropy (loss)"), ("accuracy", "accuracy"))):
            axes = figure.add_axes(inches(figure, 0.75 + 4.6 * place, 0.55, 3.85, 2.5))
            is_drawn = draw_epochs(axes, pair_curves(history, key), best, text)
            if key == "accuracy":
                axes.set_yscale("linear")
                axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}" if value <= 1 else "")
            if is_drawn:
                axes.legend(loc="best")
            else:
                axes.text(0.5, 0.5, "not recorded", transform=axes.transAxes, ha="center", color=GREY)
        add_title(figure, "Training history", _describe_training(history, best))
    return figure


def _describe_training(history: Mapping[str, np.ndarray], best: int | None) -> str:
    if best is None:
        return "no finite loss"
    key = "val_loss" if "val_loss" in history else "loss"
    kind = "validation" if key == "val_loss" else "training"
    text = f"{count_of(len(history[key]), 'epoch')}; lowest {kind} loss {history[key][best - 1]:.4g} in epoch {best}"
    accuracy = history.get(key.replace("loss", "accuracy"), np.empty(0))
    if len(accuracy) >= best and np.isfinite(accuracy[best - 1]):
        text += f" with accuracy {accuracy[best - 1]:.1%}"
    rates = history.get("learning_rate", np.empty(0))
    if len(rates) > 1 and np.isfinite(rates).all():
        text += f"; learning rate {rates[0]:.2g}" + (f" to {rates[-1]:.2g}" if rates[-1] != rates[0] else "")
    return text

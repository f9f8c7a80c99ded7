"""Graphs of losses and errors of the generation task."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from stronglens.plotting import BLUE, GREY, ORANGE, add_title, best_epoch, inches, new_figure, scale_losses, style

PANELS = {
    "loss": "loss [nat/image]",
    "rms": "RMS error [stretched units]",
    "divergence": "KL divergence [nat/image]",
}


def draw_losses(history: Mapping[str, Sequence[float]]) -> Figure:
    """Draw loss, error and divergence of training and validation by epoch, and mark the best epoch.

    Parameters
    ----------
    history : mapping of str to sequence of E float
        See `training.fit`.
    """
    with style():
        panels = [name for name in PANELS if name in history]
        figure = new_figure(0.4 + 3.9 * len(panels), 3.7)
        best = best_epoch(history)
        for place, key in enumerate(panels):
            axes = figure.add_axes(inches(figure, 0.85 + 3.9 * place, 0.55, 3.0, 2.35))
            drawn = []
            for name, label, colour in ((key, "training", BLUE), (f"val_{key}", "validation", ORANGE)):
                values = np.asarray(history.get(name, []), dtype=float)
                if np.isfinite(values).any():
                    axes.plot(np.arange(1, len(values) + 1), values, color=colour, label=label)
                    drawn.append(values[np.isfinite(values)])
            if best is not None:
                axes.axvline(best, color=GREY, lw=0.8, ls="--", zorder=0, label=f"best epoch: {best}")
            scale_losses(axes, drawn)
            axes.set(xlabel="epoch", ylabel=PANELS[key])
            axes.grid(color="0.92", lw=0.6)
            if place == 0:
                axes.legend(loc="best")
        add_title(figure, "Training and validation", f"{len(history['loss'])} epochs; the best has the lowest loss")
    return figure

"""Graphs of reconstruction errors: by noise, by step, with wrong lens models; flux; training history."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from stronglens.plotting import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    add_title,
    best_epoch,
    draw_epochs,
    inches,
    new_figure,
    pair_curves,
    style,
)

SIDE = 2.9
"""Height of a graph, inches."""

LINES = {
    "zero": {"color": GREY, "ls": ":"},
    "back-projection": {"color": "0.7", "ls": "--"},
    "curvature": {"color": GREEN, "ls": "--"},
    "non-negative": {"color": ORANGE, "ls": "-"},
}
NETWORK = {"color": BLUE, "ls": "-", "lw": 2.0, "marker": "o", "ms": 4}
NAMES = {"zero": "zero image", "curvature": "linear inversion", "non-negative": "non-negative inversion"}


def draw_errors(metrics: Mapping[str, Mapping[str, Mapping]]) -> Figure:
    """Draw the RMSE of all methods by noise, one graph for each kind of galaxy.

    Parameters
    ----------
    metrics : mapping
        By noise level and kind of galaxy; see `evaluation.evaluate`.
    """
    levels = list(metrics)
    kinds = list(dict.fromkeys(kind for found in metrics.values() for kind in found))
    with style():
        figure = new_figure(0.3 + 4.3 * len(kinds), SIDE + 1.5)
        for place, kind in enumerate(kinds):
            axes = figure.add_axes(inches(figure, 0.75 + 4.3 * place, 0.6, 3.4, SIDE))
            methods = metrics[levels[0]][kind]["methods"]
            for method in methods:
                entries = [metrics[level][kind]["methods"][method] for level in levels]
                value, low, high = (np.array([entry[key] for entry in entries]) for key in ("value", "low", "high"))
                look = LINES.get(method, NETWORK)
                axes.plot(range(len(levels)), value, label=NAMES.get(method, method), **look)
                if method not in LINES or method == "non-negative":
                    axes.fill_between(range(len(levels)), low, high, color=look["color"], alpha=0.15, lw=0)
            axes.set_yscale("log")
            axes.set_xticks(range(len(levels)), [f"{float(level):.0%}" for level in levels])
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:.3g}")
            axes.yaxis.set_minor_formatter(lambda value, _: f"{value:.3g}" if f"{value:e}"[0] in "235" else "")
            axes.tick_params(axis="y", which="minor", labelsize=7)
            count = metrics[levels[0]][kind]
            galaxies = f", {count['galaxies']} galaxies" if count["galaxies"] != count["lenses"] else ""
            axes.set_title(f"{kind} galaxies ({count['lenses']} lenses{galaxies})", size=9)
            axes.set(xlabel="noise / peak of the image", ylabel="RMSE per source pixel" if place == 0 else "")
            axes.grid(color="0.92", lw=0.6)
            if place == 0:
                axes.legend(fontsize=7, loc="lower right")
        add_title(
            figure, "Error of the reconstructed sources",
            "unseen galaxies, true peak 1; noisy images have a PSF; bands: 95 % bootstrap intervals",
        )  # fmt: skip
    return figure


def draw_flux(fluxes: Mapping[str, tuple[np.ndarray, np.ndarray]], kinds: Mapping[str, np.ndarray]) -> Figure:
    """Draw the flux of reconstructed against true sources, one graph for each noise level.

    Parameters
    ----------
    fluxes : mapping of noise level to (true, estimated) ndarray (N,)
        Sum over the pixels of the source.
    kinds : mapping of str to ndarray (N,) bool
    """
    with style():
        figure = new_figure(0.6 + 2.9 * len(fluxes), SIDE + 1.05)
        every = np.concatenate([np.concatenate(pair) for pair in fluxes.values()])
        ends = np.array([every[every > 0].min() / 1.15, every.max() * 1.15])  # log axes
        for place, (level, (true, estimated)) in enumerate(fluxes.items()):
            axes = figure.add_axes(inches(figure, 0.65 + 2.9 * place, 0.6, 2.45, 2.45))
            axes.plot(ends, ends, color=GREY, lw=0.8, zorder=0)
            for (kind, chosen), colour in zip(kinds.items(), (BLUE, ORANGE), strict=True):
                axes.plot(true[chosen], estimated[chosen], ".", ms=3, color=colour, label=kind, alpha=0.6)
            ratio = estimated / true
            low, middle, high = np.percentile(ratio, (16, 50, 84))
            text = f"estimate / truth: {middle:.3f}\nscatter: {(high - low) / 2:.3f}"
            axes.text(0.97, 0.04, text, transform=axes.transAxes, ha="right", va="bottom", size=7.5)
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set(xlim=ends, ylim=ends, xlabel="true flux", ylabel="reconstructed flux" if place == 0 else "")
            axes.set_title(f"noise {float(level):.0%}", size=9)
            if place == 0:
                axes.legend(fontsize=7, loc="upper left")
        add_title(figure, "Flux of the sources", "sum over all source pixels; the line is 1:1")
    return figure


def draw_steps(errors: Sequence[float], trained: int) -> Figure:
    """Draw the RMSE at 5 % noise after each step of the network, to more steps than it was trained for.

    Parameters
    ----------
    errors : sequence of float
        After 0, 1, ... steps; 0 is the non-negative inversion.
    trained : int
        Number of steps of the training.
    """
    with style():
        figure = new_figure(5.2, SIDE + 1.1)
        axes = figure.add_axes(inches(figure, 0.8, 0.55, 4.2, SIDE - 0.3))
        axes.plot(range(len(errors)), errors, **NETWORK)
        axes.axvline(trained, color=GREY, lw=0.8, ls="--", label=f"trained: {trained} steps")
        axes.set(xlabel="step (0: non-negative inversion)", ylabel="RMSE per source pixel", xticks=range(len(errors)))
        axes.grid(color="0.92", lw=0.6)
        axes.legend(fontsize=7.5)
        add_title(figure, "Error after each step", "noise 5 % of the peak, with PSF")
    return figure


def draw_lens_errors(found: Mapping[str, Mapping[str, float]], trained_with: float) -> Figure:
    """Draw the RMSE with wrong lens models.

    Parameters
    ----------
    found : mapping
        RMSE by noise level, then by the standard deviation of the errors of the lens model.
    trained_with : float
        Standard deviation of the errors in training.
    """
    with style():
        figure = new_figure(5.2, SIDE + 1.1)
        axes = figure.add_axes(inches(figure, 0.8, 0.55, 4.2, SIDE - 0.3))
        for (level, errors), colour in zip(found.items(), (BLUE, ORANGE), strict=True):
            axes.plot(range(len(errors)), list(errors.values()), "o-", color=colour, label=f"noise {float(level):.0%}")
        axes.set_xticks(range(len(errors)), list(errors))
        axes.set(
            xlabel='error of the lens model (Einstein radius ["], ellipticities, shears)',
            ylabel="RMSE per source pixel", ylim=(0, None),
        )  # fmt: skip
        axes.grid(color="0.92", lw=0.6)
        axes.legend(fontsize=7.5)
        known = f"with errors of {trained_with:g}" if trained_with else "without errors"
        add_title(figure, "Sources with wrong lens models", f"the network was trained with lens models {known}")
    return figure


def draw_history(history: Mapping[str, Sequence[float]]) -> Figure:
    """Draw loss and RMSE of training and validation by epoch, and mark the best epoch.

    Parameters
    ----------
    history : mapping of str to sequence of float
    """
    with style():
        figure = new_figure(9.6, 3.9)
        best = best_epoch(history)
        for place, (key, text) in enumerate((("loss", "loss"), ("rmse", "RMSE per source pixel"))):
            axes = figure.add_axes(inches(figure, 0.75 + 4.6 * place, 0.55, 3.85, 2.5))
            draw_epochs(axes, pair_curves(history, key), best, text)
            axes.legend(loc="best")
        add_title(
            figure,
            "Training history",
            "training images get new noise and PSF in every epoch",
        )
    return figure

"""Graphs of the test: fluxes, peak signal-to-noise ratios, the training."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from stronglens.plotting import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    add_colour_bar,
    add_title,
    best_epoch,
    draw_epochs,
    inches,
    new_figure,
    pair_curves,
    style,
)
from stronglens.separation.evaluation import INPUT, NETWORK, PERFECT_LENS

BINS = 6
"""Points of a curve of medians, at most."""

FEWEST = 8
"""Images for a median, at least."""

OTHERS = (ORANGE, GREEN, "#8c6bb1", "#c9a227", "#b05c8e", "#6b8e23")


ROUND = tuple(factor * 10.0**power for power in range(5) for factor in (1, 2, 5))
"""Ticks of signal-to-noise ratios."""


def draw_flux(fluxes: Mapping[str, tuple[np.ndarray, np.ndarray]], snr: np.ndarray, note: str) -> Figure:
    """Draw the flux of source and lens against the true one, and their ratio.

    Parameters
    ----------
    fluxes : mapping of ``source`` and ``lens`` to (true, estimated) ndarray (N,), e-/s
    snr : ndarray (N,)
        Signal-to-noise ratio of the source, shown as colour.
    note : str
        Subtitle.
    """
    norm = LogNorm(max(snr.min(), 1), max(snr.max(), 10))
    with style():
        figure = new_figure(9.4, 5.0)
        for place, (part, (true, estimated)) in enumerate(fluxes.items()):
            left = 0.75 + 4.1 * place
            above = figure.add_axes(inches(figure, left, 1.75, 3.3, 2.4))
            below = figure.add_axes(inches(figure, left, 0.55, 3.3, 1.1))
            positive = estimated > 0
            ends = np.array([min(true.min(), estimated[positive].min()) / 1.2, max(true.max(), estimated.max()) * 1.2])
            above.plot(ends, ends, color=GREY, lw=0.8, zorder=0)
            above.scatter(true[positive], estimated[positive], c=snr[positive], norm=norm, cmap="viridis", s=7, lw=0)
            above.set(xscale="log", yscale="log", xlim=ends, ylim=ends, ylabel=f"separated flux of the {part} [e⁻/s]")
            above.tick_params(labelbottom=False)
            ratio = estimated / true
            low, middle, high = np.percentile(ratio, (16, 50, 84))
            text = f"ratio: {middle:.3f}, half-width {(high - low) / 2:.3f}"
            above.text(0.03, 0.96, text, transform=above.transAxes, va="top", size=8)
            reach = max(1.2 * float(np.percentile(np.abs(ratio - 1), 97)), 0.01)
            below.axhline(1, color=GREY, lw=0.8, zorder=0)
            below.scatter(true, np.clip(ratio, 1 - reach, 1 + reach), c=snr, norm=norm, cmap="viridis", s=7, lw=0)
            below.set(xscale="log", xlim=ends, ylim=(1 - 1.08 * reach, 1 + 1.08 * reach))
            below.set(xlabel=f"true flux of the {part} [e⁻/s]", ylabel="ratio")
            below.yaxis.set_label_coords(-0.155, 0.5)
            above.yaxis.set_label_coords(-0.155, 0.5)
        bar = add_colour_bar(figure, inches(figure, 8.3, 0.75, 0.12, 3.2), norm, "viridis", "S/N of the source")
        bar.set_ticks([value for value in ROUND if norm.vmin <= value <= norm.vmax])
        add_title(figure, "Flux of source and lens", f"sum over all pixels of the field; {note}")
    return figure


def draw_psnr(values: Mapping[str, Mapping[str, np.ndarray]], snr: np.ndarray) -> Figure:
    """Draw the PSNR of each method against the signal-to-noise ratio of the source: medians of bins.

    Parameters
    ----------
    values : mapping of ``denoising`` and ``source`` to mapping of method to ndarray (N,), dB
    snr : ndarray (N,)
    """
    with style():
        figure = new_figure(9.6, 4.5)
        parts = np.array_split(np.argsort(snr), int(np.clip(len(snr) // FEWEST, 1, BINS)))
        middle = [float(np.median(snr[part])) for part in parts]
        for place, (part, title) in enumerate(
            (("denoising", "all light, denoised"), ("source", "light of the source"))
        ):
            axes = figure.add_axes(inches(figure, 0.75 + 4.75 * place, 1.1, 3.95, 2.35))
            colours = iter(OTHERS)
            for name, found in values[part].items():
                look = {"color": BLUE, "lw": 2.2, "zorder": 3} if name == NETWORK else {"lw": 1.1}
                if name in (INPUT, PERFECT_LENS):
                    look |= {"color": GREY, "ls": "--"}
                elif name != NETWORK:
                    look["color"] = next(colours)
                axes.plot(middle, [np.median(found[one]) for one in parts], marker="o", ms=3, label=name, **look)
            axes.plot(snr, values[part][NETWORK], ".", color=BLUE, ms=2, alpha=0.35, zorder=0)
            axes.set(xlabel="S/N of the lensed source", ylabel="PSNR [dB]" if place == 0 else "")
            scale_snr(axes)
            axes.set_title(title, size=9)
            axes.grid(color="0.92", lw=0.6)
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.19), ncol=3 if place == 0 else 2, fontsize=7.5)
        add_title(
            figure,
            "Peak signal-to-noise ratio",
            "medians of test images; points: network; peak: that of each true image",
        )
    return figure


def draw_history(history: Mapping[str, Sequence[float]]) -> Figure:
    """Draw the errors of noise and source by epoch, the losses of an adversarial training, and mark the best epoch.

    Parameters
    ----------
    history : mapping of str to sequence of float
    """
    panels = {
        f"RMSE of the {part} [noise of a pixel]": pair_curves(history, f"rmse_{part}") for part in ("noise", "source")
    }
    if "adversarial_loss" in history:
        panels["loss in training (0.69: a tie)"] = [
            (name, colour, history[f"{name}_loss"])
            for name, colour in (("adversarial", BLUE), ("discriminator", ORANGE))
        ]
    with style():
        figure = new_figure(0.4 + 4.6 * len(panels), 3.9)
        best = best_epoch(history)
        for place, (title, curves) in enumerate(panels.items()):
            axes = figure.add_axes(inches(figure, 0.75 + 4.6 * place, 0.55, 3.85, 2.5))
            draw_epochs(axes, curves, best, title)
            axes.legend(loc="best")
        subtitle = "training images get new noise in every epoch; validation images are the stored ones"
        add_title(figure, "Training history", subtitle)
    return figure


def scale_snr(axes: Axes) -> None:
    """Give the x axis, of signal-to-noise ratios, a logarithmic scale with ticks at 1, 2 and 5 times powers of ten."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())

"""Graphs of losses and errors of the generation task."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from stronglens.generation.comparison import Measured
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
    style,
)

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
            draw_epochs(axes, pair_curves(history, key), best, PANELS[key])
            if place == 0:
                axes.legend(loc="best")
        number = count_of(len(history["loss"]), "epoch")
        add_title(figure, "Training and validation", f"{number}; the best epoch has the lowest validation loss")
    return figure


def draw_statistics(found: Measured, real: Measured, other: Measured, edges: np.ndarray, subtitle: str) -> Figure:
    """Draw pixel histogram, peak counts, power and cross power spectrum of generated and of real images.

    Parameters
    ----------
    found, real, other : Measured
        Of generated images, of test images, and of other real images.
    edges : ndarray (B + 1,)
        Bins of the stretched brightness.
    subtitle : str
    """
    middle = (edges[1:] + edges[:-1]) / 2
    frequency = np.arange(1, len(real.power) + 1)
    sets = (
        ("generated", found, ORANGE, "-"),
        ("real (test)", real, BLUE, "-"),
        ("real (validation)", other, GREY, ":"),
    )
    with style():
        figure = new_figure(8.4, 6.6)
        boxes = [inches(figure, 0.8 + 4.1 * column, 3.5 - 3.0 * row, 3.2, 2.2) for row in (0, 1) for column in (0, 1)]
        pixels, peaks, power, cross = (figure.add_axes(box) for box in boxes)
        for name, one, colour, line in sets:
            how = {"color": colour, "ls": line, "label": name}
            pixels.step(middle, one.pixels, where="mid", **how)
            peaks.step(middle, one.peaks, where="mid", **how)
            power.plot(frequency, one.power, **how)
            cross.plot(frequency, one.cross_power / real.power, **how)
        for axes in (pixels, peaks):
            axes.set_yscale("log")
            axes.set_xlabel("brightness [stretched units]")
        pixels.set(title="Pixels", ylabel="pixels of an image in a bin")
        peaks.set(title="Peaks", ylabel="local maxima of an image in a bin")
        ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100, 200) if tick <= frequency[-1]]
        for axes in (power, cross):
            axes.set_xscale("log")
            axes.set_xticks(ticks, [str(tick) for tick in ticks])
            axes.minorticks_off()
            axes.set_xlabel("cycles over the image")
        power.set(yscale="log", title="Power spectrum, less the mean image", ylabel="power")
        cross.set(title="Cross power of different images", ylabel="cross power / power of real images")
        cross.axhline(0, color="0.8", lw=0.7, zorder=0)
        pixels.legend(loc="best")
        add_title(figure, "Statistics of generated and real images", subtitle)
    return figure


def draw_errors(by_latents: Mapping[int, Mapping], kind: str) -> Figure:
    """Draw the error of restored images against the number of codes, of a network and of principal components.

    Parameters
    ----------
    by_latents : mapping of int to mapping
        `compression.compression_metrics` by the number of codes.
    kind : str
        Name of the network.
    """
    numbers = sorted(by_latents)
    panels = [name for name in ("image", "truth") if all(name in by_latents[number] for number in numbers)]
    titles = {"image": "against the images", "truth": "against noise-free images"}
    noise = by_latents[numbers[0]].get("noise")
    with style():
        figure = new_figure(0.5 + 4.1 * len(panels), 3.9)
        for place, against in enumerate(panels):
            axes = figure.add_axes(inches(figure, 0.85 + 4.1 * place, 0.6, 3.2, 2.4))
            for name, colour in (("pca", GREY), ("network", BLUE)):
                entries = [by_latents[number][against][name] for number in numbers]
                values = np.array([entry["value"] for entry in entries])
                # An undefined end is None, which becomes NaN.
                ends = np.array([[entry[end] for entry in entries] for end in ("low", "high")], dtype=float)
                spread = np.abs(ends - values)
                label = "PCA" if name == "pca" else kind
                axes.errorbar(numbers, values, spread, color=colour, marker="o", ms=4, capsize=2, label=label)
            if noise:
                what = "noise of the images" + ("" if against == "image" else ", of a pixel")
                axes.axhline(noise, color=ORANGE, ls="--", lw=1, label=what)
            axes.set(xscale="log", yscale="log", xlabel="codes", title=titles[against])
            axes.set_xticks(numbers, [str(number) for number in numbers])
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7)))
            axes.yaxis.set_major_formatter("{x:.3g}")
            axes.minorticks_off()
            axes.grid(color="0.92", lw=0.6)
            axes.set_ylabel("RMS error [stretched units]")
            axes.legend(loc="best")
        add_title(figure, "Error of restored images", "test images; error bars: 95 % intervals (bootstrap)")
    return figure

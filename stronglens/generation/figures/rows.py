"""Figures of spectra and of other rows of numbers."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from stronglens.generation.components import Components
from stronglens.plotting import BLUE, GREEN, GREY, ORANGE, add_title, inches, new_figure, plain_text, style

COLOURS = {"pca": BLUE, "linear": GREY, "relu": GREEN, "vae": ORANGE}
NAMES = {"pca": "PCA", "linear": "linear", "relu": "ReLU", "vae": "VAE"}


def draw_row_errors(metrics: Mapping[int, Mapping], kinds: Sequence[str], title: str) -> Figure:
    """Draw the error of each kind of autoencoder over that of PCA, with intervals, by the number of codes.

    Parameters
    ----------
    metrics : mapping of int to mapping
        As `rows.report_rows` returns it.
    kinds : sequence of str
    title : str
    """
    numbers = sorted(metrics)
    with style():
        figure = new_figure(5.6, 3.9)
        axes = figure.add_axes(inches(figure, 0.75, 0.6, 4.5, 2.4))
        places = np.arange(len(numbers))
        for order, kind in enumerate(kinds):
            entries = [metrics[number][kind]["ratio"] for number in numbers]
            values = np.array([entry["value"] for entry in entries])
            ends = np.array([[entry[end] for entry in entries] for end in ("low", "high")], dtype=float)
            shift = 0.12 * (order - (len(kinds) - 1) / 2)
            how = {"color": COLOURS[kind], "marker": "o", "ms": 4, "capsize": 2, "ls": "", "label": NAMES[kind]}
            axes.errorbar(places + shift, values, np.abs(ends - values), **how)
        axes.axhline(1, color=GREY, lw=0.8, ls="--", zorder=0, label="PCA")
        axes.set_xticks(places, [str(number) for number in numbers])
        axes.set(xlabel="codes", ylabel="RMS error / that of PCA", xlim=(-0.5, len(numbers) - 0.5))
        axes.grid(color="0.92", lw=0.6, axis="y")
        axes.legend(loc="best", ncols=2)
        add_title(figure, "Error beside principal components", f"{title}; test rows, 95 % intervals (paired bootstrap)")
    return figure


def draw_components(axis: np.ndarray, components: Components, title: str, number: int = 4) -> Figure:
    """Draw the mean spectrum and the leading principal components.

    Parameters
    ----------
    axis : ndarray (P,), Angstrom
    components : Components
    title : str
    number : int
    """
    number = min(number, len(components.deviation))
    with style():
        figure = new_figure(7.4, 1.2 + 1.25 * (number + 1))
        for place in range(number + 1):
            box = inches(figure, 0.75, 0.5 + 1.25 * (number - place), 6.4, 1.15)
            axes = figure.add_axes(box)
            values = components.mean if place == 0 else components.axes[place - 1] * components.deviation[place - 1]
            axes.plot(axis, values, color=BLUE if place else GREY, lw=0.9)
            text = "mean" if place == 0 else f"component {place}, one standard deviation"
            axes.text(0.01, 0.95, text, transform=axes.transAxes, va="top", size=7.5)
            axes.set(xlim=(axis[0], axis[-1]))
            axes.margins(y=0.25)
            axes.tick_params(labelbottom=place == number, labelsize=7)
        axes.set_xlabel("wavelength in the rest frame [Å]")
        add_title(figure, "Mean and principal components", f"{title}; the median of each spectrum is 1")
    return figure


def draw_spectra(
    axis: np.ndarray,
    values: np.ndarray,
    is_good: np.ndarray,
    restored: Mapping[str, np.ndarray],
    names: Sequence[str],
    latents: int,
) -> Figure:
    """Draw spectra, what codes restore, and the residuals.

    Parameters
    ----------
    axis : ndarray (P,), Angstrom
    values, is_good : ndarray (N, P)
    restored : mapping of str to ndarray (N, P)
        By kind of network.
    names : sequence of N str
    latents : int
    """
    number = len(values)
    with style():
        figure = new_figure(8.4, 1.15 + 1.75 * number)
        for row in range(number):
            up = 0.5 + 1.75 * (number - 1 - row)
            axes = figure.add_axes(inches(figure, 0.75, up + 0.5, 7.4, 1.1))
            below = figure.add_axes(inches(figure, 0.75, up, 7.4, 0.48))
            shown = np.where(is_good[row], values[row], np.nan)
            axes.plot(axis, shown, color="0.6", lw=1.2, label="spectrum")
            for kind, spectra in restored.items():
                axes.plot(axis, spectra[row], color=COLOURS[kind], lw=0.8, label=NAMES[kind])
                below.plot(axis, shown - spectra[row], color=COLOURS[kind], lw=0.6)
            axes.text(0.01, 0.95, plain_text(names[row]), transform=axes.transAxes, va="top", size=7.5)
            axes.margins(y=0.2)
            for one in (axes, below):
                one.set_xlim(axis[0], axis[-1])
                one.tick_params(labelsize=7)
            axes.tick_params(labelbottom=False)
            below.tick_params(labelbottom=row == number - 1)
            below.axhline(0, color="0.8", lw=0.6, zorder=0)
            if row == 0:
                axes.legend(loc="upper right", ncols=3, fontsize=7.5)
        below.set_xlabel("wavelength in the rest frame [Å]")
        text = f"test spectra, {latents} codes; below each: spectrum minus what the codes restore"
        add_title(figure, "Spectra and what their codes restore", text)
    return figure


def draw_row_codes(coefficients: np.ndarray, codes: np.ndarray, classes: np.ndarray | None) -> Figure:
    """Draw the first two principal components and the first two codes of the variational autoencoder.

    Parameters
    ----------
    coefficients : ndarray (N, K)
    codes : ndarray (N, L)
    classes : ndarray (N,) of int, or None
    """
    with style():
        figure = new_figure(7.6, 4.1)
        for place, (points, name) in enumerate(((coefficients, "component"), (codes, "code of the VAE"))):
            axes = figure.add_axes(inches(figure, 0.75 + 3.7 * place, 0.6, 2.9, 2.65))
            second = points[:, 1] if points.shape[1] > 1 else np.zeros(len(points))
            if classes is None:
                axes.scatter(points[:, 0], second, s=6, color=BLUE, linewidths=0)
            else:
                for one, colour in zip(np.unique(classes), (BLUE, ORANGE, GREEN, GREY), strict=False):
                    some = classes == one
                    axes.scatter(points[some, 0], second[some], s=9, color=colour, linewidths=0, label=f"class {one}")
                if place == 0:
                    axes.legend(loc="best", fontsize=7.5)
            axes.set(xlabel=f"{name} 1", ylabel=f"{name} 2")
        add_title(figure, "Principal components and codes", f"{len(codes)} rows; no class was learned")
    return figure

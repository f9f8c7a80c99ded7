"""Figures of a classifier: ROC curves, confusion matrix and reliability."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from stronglens.evaluation import roc_curve
from stronglens.plotting import (
    BLUE,
    GREY,
    add_title,
    inches,
    new_figure,
    plain_text,
    style,
)
from stronglens.substructure.figures.look import count_text, entry_text, line_style

SIDE = 3.3  # side of a square panel, inches


def draw_roc(true: ArrayLike, probabilities: ArrayLike, classes: Sequence[str], metrics: Mapping) -> Figure:
    """Draw the ROC curve of each class against all others, with linear and logarithmic false positive rate.

    Parameters
    ----------
    true : ndarray (N,) int
    probabilities : ndarray (N, C)
    classes : sequence of C str
    metrics : mapping
        As `stronglens.evaluation.classification_metrics` returns it; areas and intervals are in the legend.
    """
    true, probabilities = np.asarray(true), np.asarray(probabilities, dtype=float)
    with style():
        figure = new_figure(2 * SIDE + 1.7, SIDE + 1.98)
        bottom = 1.28
        panels = [figure.add_axes(inches(figure, left, bottom, SIDE, SIDE)) for left in (0.65, SIDE + 1.45)]
        lowest = 1.0
        lines = []
        for k, name in enumerate(classes):
            false_rate, true_rate = roc_curve(true == k, probabilities[:, k])
            if np.isfinite(false_rate).all() and np.isfinite(true_rate).all():
                lowest = min(lowest, 1 / max(np.count_nonzero(true != k), 1))
                for axes in panels:
                    (line,) = axes.plot(false_rate, true_rate, **line_style(name), drawstyle="steps-post")
            else:
                (line,) = panels[0].plot([], [], **line_style(name))
            lines.append((line, f"{plain_text(name)}: {entry_text(metrics['auc'].get(name))}"))
        lowest = min(lowest / 1.5, 0.01)
        panels[1].set_xscale("log")
        panels[1].xaxis.set_minor_formatter(lambda value, _: "")
        for axes, start in zip(panels, (0.0, lowest), strict=True):
            rates = np.linspace(0, 1, 2) if start == 0 else np.geomspace(start, 1, 200)
            (chance,) = axes.plot(rates, rates, color=GREY, ls=":", lw=1, zorder=1)
            # The margins keep a perfect curve off the frame.
            axes.set(
                xlim=(start or -0.015, 1), ylim=(0, 1.02), xlabel="false positive rate", ylabel="true positive rate"
            )
            axes.grid(color="0.92", lw=0.6)
        lines.append((chance, "random classifier: 0.500"))
        figure.legend(
            *zip(*lines, strict=True), loc="lower left", bbox_to_anchor=(0.6 / figure.get_figwidth(), 0.0),
            title=f"area under the curve ({metrics['level']:.0%} interval)", title_fontsize=8, alignment="left",
            ncols=2, handlelength=3.2,
        )  # fmt: skip
        mean = f"mean area {entry_text(metrics['macro_auc'])}"
        subtitle = f"each class against all others; {count_text(len(true), 'test image')}; {mean}"
        add_title(figure, "ROC curves", subtitle)
    return figure


def draw_confusion(metrics: Mapping, classes: Sequence[str]) -> Figure:
    """Draw the confusion matrix: numbers of images by true and predicted class, and fractions of the true class.

    Parameters
    ----------
    metrics : mapping
        As `stronglens.evaluation.classification_metrics` returns it.
    classes : sequence of C str
    """
    counts = np.asarray(metrics["confusion"], dtype=float)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    names = [plain_text(name) for name in classes]
    with style():
        side = max(1.05 * len(classes), 2.2)
        figure = new_figure(side + 1.7, side + 1.5)
        axes = figure.add_axes(inches(figure, 1.05, 0.6, side, side))
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.15)
        for (row, column), count in np.ndenumerate(counts):
            share = f"{shares[row, column]:.1%}" if totals[row] else "–"
            colour = "white" if shares[row, column] > 0.6 else "0.1"
            axes.text(column, row - 0.1, share, ha="center", va="center", color=colour, size=11, weight="bold")
            axes.text(column, row + 0.2, f"{count:,.0f}", ha="center", va="center", color=colour, size=8)
        axes.set_xticks(range(len(names)), names)
        axes.set_yticks(
            range(len(names)), [f"{name}\n({total:,.0f})" for name, total in zip(names, totals[:, 0], strict=True)]
        )
        axes.set(xlabel="predicted class", ylabel="true class (images)")
        axes.tick_params(length=0)
        for edge in np.arange(0.5, len(names) - 1):
            axes.axhline(edge, color="white", lw=1.5)
            axes.axvline(edge, color="white", lw=1.5)
        add_title(
            figure, "Confusion matrix", f"accuracy {entry_text(metrics['accuracy'])}; fractions of the true class"
        )
    return figure


def draw_reliability(metrics: Mapping) -> Figure:
    """Draw the accuracy of the most probable class against its probability, and a histogram of this probability.

    Bars are Wilson's 95 % intervals of a proportion (1927, J. Am. Stat. Assoc. 22, 209).

    Parameters
    ----------
    metrics : mapping
        As `stronglens.evaluation.classification_metrics` returns it.
    """
    bins = [one for one in metrics["reliability"] if one["count"]]
    with style():
        figure = new_figure(SIDE + 1.0, SIDE + 2.45)
        above = figure.add_axes(inches(figure, 0.75, 1.55, SIDE, SIDE))
        below = figure.add_axes(inches(figure, 0.75, 0.55, SIDE, 0.85), sharex=above)
        above.plot([0, 1], [0, 1], color=GREY, ls="--", lw=1, zorder=1)
        if bins:
            confidence, accuracy, count = (
                np.array([one[key] for one in bins]) for key in ("confidence", "accuracy", "count")
            )
            low, high = _wilson_interval(accuracy, count)
            above.vlines(confidence, low, high, color=BLUE, lw=1.2)
            above.plot(confidence, accuracy, color=BLUE, marker="o", ms=4.5, lw=1, clip_on=False, zorder=3)
            edges = [*(one["low"] for one in bins)]
            widths = [one["high"] - one["low"] for one in bins]
            below.bar(edges, count, width=widths, align="edge", color=BLUE, alpha=0.75, ec="white", lw=0.5)
            if count.max() > 30 * count.min():
                below.set_yscale("log")
                below.set_ylim(0.5, 3 * count.max())
                below.yaxis.minorticks_off()
            else:
                below.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True, min_n_ticks=1))
        frame = {"fc": "white", "ec": "none", "alpha": 0.85, "pad": 1.5}
        above.text(0.04, 0.96, "under-confident", transform=above.transAxes, va="top", color=GREY, size=8, bbox=frame)
        above.text(0.96, 0.04, "over-confident", transform=above.transAxes, ha="right", color=GREY, size=8, bbox=frame)
        above.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
        above.tick_params(labelbottom=False)
        below.set(xlabel="probability of the predicted class", ylabel="images")
        for axes in (above, below):
            axes.grid(color="0.92", lw=0.6)
            axes.set_axisbelow(True)
        figure.align_ylabels([above, below])
        chance = metrics["calibration_error_by_chance"]["value"]
        expected = "" if chance is None else f", {chance:.3f} if calibrated (dashed)"
        subtitle = f"calibration error {entry_text(metrics['calibration_error'])}{expected}"
        add_title(figure, "Reliability", subtitle)
    return figure


def _wilson_interval(share: np.ndarray, count: np.ndarray, z: float = 1.96) -> tuple[np.ndarray, np.ndarray]:
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return middle - half, middle + half

"""Figures on the calibration of posteriors: coverage, ranks, contraction and z-scores."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from stronglens.parameters import Column
from stronglens.plotting import BLUE, GREY, ORANGE, add_title, count_of, plain_text, style
from stronglens.regression.figures.panels import add_panels, spread_out

MOST_POINTS = 1000  # maximum number of points in a scatter plot
BAND = "0.88"  # grey of the bands


def draw_coverage(metrics: Mapping, columns: Sequence[Column]) -> Figure:
    """Draw coverage minus level for the central intervals of each label, and for all labels jointly.

    Parameters
    ----------
    metrics : mapping
        As `stronglens.evaluation.posterior_metrics` returns it.
    columns : sequence of L Column
    """
    found = [(plain_text(column.name), metrics["labels"][column.name]) for column in columns]
    found.append(("all jointly (TARP)", metrics["joint"]))
    levels = 100 * np.asarray(metrics["levels"])
    chance = metrics["chance"]["largest_coverage_deviation"]
    curves = [100 * np.subtract(item["coverage"], metrics["levels"]) for _, item in found if item["coverage"]]
    # The factor leaves space for text above the curves.
    reach = 1.55 * max([100 * (chance or 0.01), *(np.abs(curve).max() for curve in curves)])
    with style():
        figure, panels = add_panels(len(found), (1.75, 1.45), (0.75, 0.18, 0.45), 6 if len(found) > 12 else 5)
        for (heading, item), (axes, at_left, at_bottom) in zip(found, panels, strict=True):
            if chance:
                axes.axhspan(-100 * chance, 100 * chance, color=BAND, lw=0)
            axes.axhline(0, color=GREY, lw=0.8)
            entry = item["coverage_deviation"]
            if entry["value"] is None:
                axes.text(50, 0.5 * reach, "not defined", ha="center", va="center", fontsize=8, color=GREY)
            else:
                colour = BLUE if entry["is_within_chance"] else ORANGE
                axes.plot(levels, 100 * np.subtract(item["coverage"], metrics["levels"]), color=colour)
                axes.plot(100 * entry["at"], 100 * entry["signed"], "o", ms=4, color=colour)
                words = f"{100 * entry['signed']:+.1f} % at {100 * entry['at']:.0f} %".replace("-", "−")
                axes.text(0.04, 0.95, words, transform=axes.transAxes, va="top", fontsize=7.5, color=colour)
            axes.set(xlim=(0, 100), ylim=(-reach, reach), xticks=(0, 50, 100))
            axes.locator_params(axis="y", nbins=5)
            axes.set_title(heading, loc="left", pad=3)
            axes.tick_params(labelleft=at_left, labelbottom=at_bottom)
            if at_left:
                axes.set_ylabel("coverage − level [%]")
            if at_bottom:
                axes.set_xlabel("level [%]")
        subtitle = (
            f"{metrics['images']:,} test images; band: scatter if calibrated ({metrics['level']:.0%}, all tests "
            "jointly); below: over-confident; above: under-confident"
        )
        add_title(figure, "Coverage of central intervals", subtitle)
    return figure


def draw_ranks(metrics: Mapping, columns: Sequence[Column]) -> Figure:
    """Draw the ranks of the truth among posterior samples: histograms, and below them the ECDF minus the rank.

    Parameters
    ----------
    metrics : mapping
        As `stronglens.evaluation.posterior_metrics` returns it.
    columns : sequence of L Column
    """
    chance, levels = metrics["chance"], np.asarray(metrics["levels"])
    ranks = [metrics["labels"][column.name]["ranks"] for column in columns]
    tallest = max([1.3 * (chance["rank_high"] or 1), *(1.08 * max(rank["counts"]) for rank in ranks if rank["counts"])])
    curves = [np.abs(rank["ecdf_difference"]).max() for rank in ranks if rank["counts"]]
    reach = 1.2 * max([np.abs(chance["ecdf_low"] or 1e-2).max(), *curves])
    with style():
        across = 6 if len(columns) > 12 else 5
        figure, panels = add_panels(len(columns), (1.75, 2.05), (0.75, 0.18, 0.45), across)
        for column, rank, (axes, at_left, at_bottom) in zip(columns, ranks, panels, strict=True):
            box = axes.get_position()
            axes.set_position((box.x0, box.y0 + 0.44 * box.height, box.width, 0.56 * box.height))
            below = figure.add_axes((box.x0, box.y0, box.width, 0.38 * box.height), sharex=axes)
            if rank["counts"]:
                bins = len(rank["counts"])
                axes.axhspan(chance["rank_low"], chance["rank_high"], color=BAND, lw=0)
                colour = BLUE if rank["is_within_chance"] else ORANGE
                axes.stairs(rank["counts"], np.linspace(0, 1, bins + 1), color=colour, lw=1.2)
                axes.axhline(metrics["images"] / bins, color=GREY, lw=0.8, zorder=1)
                p_value = rank["p_value"]
                words = "p < 0.001" if p_value < 1e-3 else f"p = {p_value:.2g}"
                axes.text(0.5, 0.95, words, transform=axes.transAxes, ha="center", va="top", fontsize=7.5, color=colour)
                below.fill_between(levels, chance["ecdf_low"], chance["ecdf_high"], color=BAND, lw=0)
                below.plot(levels, rank["ecdf_difference"], color=colour, lw=1.2)
            else:
                axes.text(0.5, tallest / 2, "not defined", ha="center", va="center", fontsize=8, color=GREY)
            below.axhline(0, color=GREY, lw=0.8, zorder=1)
            axes.set(xlim=(0, 1), ylim=(0, tallest))
            below.set(ylim=(-reach, reach), xticks=(0, 0.5, 1), xticklabels=("0", "0.5", "1"))
            axes.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
            below.locator_params(axis="y", nbins=3)
            axes.set_title(plain_text(column.name), loc="left", pad=3)
            axes.tick_params(labelbottom=False, labelleft=at_left)
            below.tick_params(labelbottom=at_bottom, labelleft=at_left)
            if at_left:
                axes.set_ylabel("images")
                below.set_ylabel("ECDF − rank", fontsize=7.5)
                for one in (axes, below):
                    one.yaxis.set_label_coords(-0.27, 0.5)
            if at_bottom:
                below.set_xlabel("rank of truth / samples")
        subtitle = (
            f"{metrics['images']:,} test images; {metrics['level']:.0%} bands if calibrated, for bins (top) and "
            "curves (bottom); U shape: over-confident"
        )
        add_title(figure, "Ranks of the truth among posterior samples", subtitle)
    return figure


def draw_contraction(
    truth: ArrayLike, samples: ArrayLike, training_truth: ArrayLike, columns: Sequence[Column]
) -> Figure:
    """Draw the posterior z-score against the contraction for each image, with one panel per label.

    Parameters
    ----------
    truth : array_like (N, L), unit of each label
    samples : array_like (N, S, L), unit of each label
    training_truth : array_like (M, L), unit of each label
        Samples from the prior.
    columns : sequence of L Column

    Notes
    -----
    After Schad, Betancourt & Vasishth 2021, Psychol. Methods 26, 103, figure 8. At a contraction near 1, posteriors are
    much narrower than the prior. More than two in a hundred z-scores beyond 2.5 indicate over-confidence.
    """
    truth, samples = np.asarray(truth), np.asarray(samples)
    prior = np.asarray(training_truth, dtype=float).var(axis=0, ddof=1)
    shown = spread_out(len(truth), MOST_POINTS)
    with style():
        figure, panels = add_panels(len(columns), (1.75, 1.6), (0.6, 0.18, 0.45), 6 if len(columns) > 12 else 5)
        for place, (column, (axes, at_left, at_bottom)) in enumerate(zip(columns, panels, strict=True)):
            drawn = samples[shown, :, place].astype(float)
            sd = drawn.std(axis=1, ddof=1)
            with np.errstate(divide="ignore", invalid="ignore"):
                score = (drawn.mean(axis=1) - truth[shown, place]) / sd
                contraction = 1 - sd**2 / prior[place]
            axes.axhspan(-2, 2, color=BAND, lw=0)
            axes.axhline(0, color=GREY, lw=0.8, zorder=1)
            axes.axvline(0, color=GREY, lw=0.8, ls=":", zorder=1)
            good = np.isfinite(score) & np.isfinite(contraction)
            # Points outside the axes are drawn at the edge.
            x, y = np.clip(contraction[good], -0.23, 1.0), np.clip(score[good], -4.85, 4.85)
            beyond = int(np.count_nonzero(np.abs(score[good]) > 2))
            how = {"s": 6, "color": BLUE, "lw": 0, "alpha": 0.5 if len(x) < 300 else 0.3}
            axes.scatter(x, y, rasterized=len(x) > 500, **how)
            share = f"{100 * beyond / len(x):.1f} % beyond 2" if len(x) else "not defined"
            axes.text(0.04, 0.96, share, transform=axes.transAxes, va="top", fontsize=7.5, color="0.3")
            axes.set(xlim=(-0.26, 1.05), ylim=(-5, 6.4), xticks=(0, 0.5, 1), xticklabels=("0", "0.5", "1"))
            axes.set_yticks((-4, -2, 0, 2, 4))
            axes.set_title(plain_text(column.name), loc="left", pad=3)
            axes.tick_params(labelleft=at_left, labelbottom=at_bottom)
            if at_left:
                axes.set_ylabel("posterior z-score")
            if at_bottom:
                axes.set_xlabel("contraction")
        subtitle = (
            f"{count_of(len(shown), 'test image')}; contraction: 1 − posterior / prior variance; "
            "z-score: (mean − truth) / sd, 4.6 % beyond 2 if normal"
        )
        add_title(figure, "Posterior contraction and z-scores", subtitle)
    return figure

"""Graphs of a lens finder: ROC curve, completeness, purity."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from stronglens.finding.evaluation import CANDIDATES, FEWEST_FALSE, called, purity, trade_off
from stronglens.plotting import BLUE, GREEN, GREY, ORANGE, add_title, count_of, inches, new_figure, style

SIDE = 3.4
"""Side of a square panel, inches."""

PALE = "0.92"
COMPLETENESS = (0.2, 0.5, 0.8)
TITLES = {"best_f1": "at the threshold of the best F1", "one_per_cent": "at a false-positive rate of 0.01"}
"""Titles of the thresholds of `finding_metrics`."""


def draw_roc(
    lenses: np.ndarray,
    negatives: np.ndarray,
    auroc: Mapping,
    scalars: tuple[np.ndarray, np.ndarray] | None = None,
    prevalence: float = 1 / 2000,
) -> Figure:
    """Draw the ROC curve on a logarithmic axis, with false positives in a field of a million galaxies.

    Parameters
    ----------
    lenses, negatives : ndarray
        Scores of lenses and of all non-lenses.
    auroc : mapping
        Entry of the area under the curve on the test images.
    scalars : (ndarray, ndarray), optional
        Scores of lenses and non-lenses of the test from scalar measurements.
    prevalence : float
        Of lenses in the sky, for the curve of 50 % purity.
    """
    with style():
        figure = new_figure(SIDE + 1.9, SIDE + 2.2)
        axes = figure.add_axes(inches(figure, 0.75, 1.18, SIDE + 0.9, SIDE - 0.1))
        curve = trade_off(lenses, negatives)
        start = 1 / max(len(negatives), 1) / 2
        axes.axvspan(start / 10, FEWEST_FALSE / max(len(negatives), 1), color="0.955", lw=0, zorder=0)
        rates, recall = _from_zero(curve, start)
        axes.plot(rates, recall, color=BLUE, drawstyle="steps-post", zorder=3, label=f"network: area {_text(auroc)}")
        if scalars is not None:
            rates, recall = _from_zero(trade_off(*scalars), start)
            axes.plot(rates, recall, color=ORANGE, lw=1.1, drawstyle="steps-post", label="scalar measurements")
        found = np.linspace(0.001, 1, 300)
        label = f"purity of 50 % at one lens in {round(1 / prevalence):,} galaxies"
        axes.plot(found * prevalence / (1 - prevalence), found, color=GREEN, ls=(0, (5, 1.5)), lw=1.2, label=label)
        chance = np.geomspace(start, 1, 200)
        axes.plot(chance, chance, color=GREY, ls=":", lw=1, label="random classifier")
        axes.set(xscale="log", xlim=(start, 1), ylim=(0, 1.02))
        axes.set(xlabel="false-positive rate", ylabel="recall of lenses")
        axes.grid(color=PALE, lw=0.6)
        above = axes.twiny()
        above.set(
            xscale="log", xlim=(start * CANDIDATES, CANDIDATES), xlabel="false positives among a million galaxies"
        )
        axes.text(
            start * 1.15,
            0.62,  # beside the curve of purity
            f"fewer than {FEWEST_FALSE}\nfalse positives:\nnot measured",
            va="top",
            color="0.4",
            size=7,
        )
        figure.legend(
            *axes.get_legend_handles_labels(), loc="lower left", bbox_to_anchor=(0.65 / figure.get_figwidth(), 0.0),
            ncols=1, handlelength=2.6, labelspacing=0.25,
        )  # fmt: skip
        add_title(figure, "ROC curve", f"{count_of(len(lenses), 'lens').replace('lenss', 'lenses')}, "
                  f"{len(negatives):,} non-lenses")  # fmt: skip
    return figure


def draw_completeness(rows: Sequence[Mapping]) -> Figure:
    """Draw the completeness in cells of Einstein radius and signal-to-noise ratio, one panel for each threshold.

    Parameters
    ----------
    rows : sequence of mapping
        From `stronglens.finding.completeness.completeness_table`.
    """
    names = list(dict.fromkeys(row["threshold"] for row in rows))
    radii = sorted({(row["radius_low"], row["radius_high"]) for row in rows})
    ratios = sorted({(row["snr_low"], row["snr_high"] or np.inf) for row in rows})
    width, height = 0.95 * len(radii), 0.62 * len(ratios)
    with style():
        figure = new_figure(0.85 + len(names) * (width + 0.25) + 0.75, height + 1.6)
        for place, name in enumerate(names):
            axes = figure.add_axes(inches(figure, 0.85 + place * (width + 0.25), 0.62, width, height))
            some = [row for row in rows if row["threshold"] == name]
            cells = np.full((len(ratios), len(radii)), np.nan)
            for row in some:
                x = radii.index((row["radius_low"], row["radius_high"]))
                y = ratios.index((row["snr_low"], row["snr_high"] or np.inf))
                if row["completeness"] is None:
                    axes.text(x, y, "no lenses", ha="center", va="center", size=7, color="0.5")
                    continue
                cells[y, x] = row["completeness"]
                colour = "white" if row["completeness"] > 0.6 else "0.1"
                axes.text(x, y + 0.13, f"{row['completeness']:.2f}", ha="center", va="center", color=colour, size=10,
                          weight="bold")  # fmt: skip
                axes.text(x, y - 0.22, f"{row['low']:.2f}–{row['high']:.2f}  ({row['lenses']})", ha="center",
                          va="center", color=colour, size=6)  # fmt: skip
            artist = axes.imshow(cells, cmap="Blues", vmin=0, vmax=1.1, aspect="auto", origin="lower")
            axes.set_xticks(range(len(radii)), [f"{low:g}–{high:g}" for low, high in radii])
            axes.set_yticks(range(len(ratios)), [_range_text(*ends) if place == 0 else "" for ends in ratios])
            axes.set_xlabel("Einstein radius [arcsec]")
            axes.set_ylabel("signal-to-noise ratio of the arcs" if place == 0 else "")
            axes.set_title(TITLES.get(name, name), loc="left", pad=4)
            axes.tick_params(length=0)
            for edges, line in ((radii, axes.axvline), (ratios, axes.axhline)):
                for edge in np.arange(0.5, len(edges) - 1):
                    line(edge, color="white", lw=1.5)
        box = inches(figure, 0.85 + len(names) * (width + 0.25) - 0.1, 0.62, 0.13, height)
        bar = figure.colorbar(artist, cax=figure.add_axes(box), boundaries=np.linspace(0, 1, 101), ticks=[0, 0.5, 1])
        bar.outline.set_linewidth(0.5)
        subtitle = "share of lenses found; below: 95 % interval and number of lenses"
        add_title(figure, "Completeness", subtitle)
    return figure


def draw_purity(lenses: np.ndarray, negatives: np.ndarray, prevalences: Sequence[float]) -> Figure:
    """Draw the purity against completeness at each prevalence, and against prevalence at fixed completeness.

    Parameters
    ----------
    lenses, negatives : ndarray
        Scores of lenses and of all non-lenses.
    prevalences : sequence of float
        Numbers of lenses per galaxy, up to four.
    """
    curve = trade_off(lenses, negatives)
    measured = curve["false_positives"] >= FEWEST_FALSE
    with style():
        figure = new_figure(2 * SIDE + 1.75, SIDE + 1.85)
        left, right = (figure.add_axes(inches(figure, at, 1.15, SIDE, SIDE - 0.1)) for at in (0.75, SIDE + 1.5))
        colours = (BLUE, ORANGE, GREEN, GREY)
        for prevalence, colour in zip(prevalences, colours, strict=False):
            pure = purity(curve["completeness"], curve["false_positive_rate"], prevalence)
            label = f"one lens in {round(1 / prevalence):,} galaxies"
            left.plot(curve["completeness"][measured], pure[measured], color=colour, label=label)
            some = ~measured
            left.plot(curve["completeness"][some], pure[some], color=_paler(colour), ls=":", lw=1.1)
        left.set(xlabel="completeness", ylabel="purity", xlim=(0, 1), yscale="log")
        lowest = np.nanmin(purity(np.ones(1), np.ones(1), min(prevalences)))
        left.set_ylim(lowest / 1.5, 1.3)
        shares = np.geomspace(1e-5, 0.5, 200)
        for complete, colour in zip(COMPLETENESS, colours, strict=False):
            threshold = np.nextafter(np.quantile(lenses, 1 - complete, method="lower"), -np.inf)
            found, false = called(lenses, threshold), called(negatives, threshold)
            label = f"completeness {complete:g}"
            if false["count"] < FEWEST_FALSE:
                right.plot([], [], color=colour, ls=":", label=f"{label}: not measured")
                continue
            right.plot(shares, purity(found["value"], false["value"], shares), color=colour, label=label)
            low, high = (purity(found[one], false[other], shares) for one, other in (("low", "high"), ("high", "low")))
            right.fill_between(shares, low, high, color=colour, alpha=0.18, lw=0)
        for prevalence in prevalences:
            label = "prevalences of the left panel" if prevalence == prevalences[0] else None
            right.axvline(prevalence, color=GREY, ls="--", lw=0.8, zorder=1, label=label)
        right.set(xlabel="lenses per galaxy", ylabel="purity", xscale="log", xlim=(1e-5, 0.5), ylim=(0, 1.02))
        for axes in (left, right):
            axes.grid(color=PALE, lw=0.6)
            figure.legend(
                *axes.get_legend_handles_labels(), loc="upper left", handlelength=2.2, labelspacing=0.25,
                bbox_to_anchor=(axes.get_position().x0 - 0.01, 0.74 / figure.get_figheight()),
            )  # fmt: skip
        subtitle = f"{len(lenses):,} lenses, {len(negatives):,} non-lenses; dotted: fewer than 10 false positives"
        add_title(figure, "Purity", subtitle)
    return figure


def _from_zero(curve: Mapping[str, np.ndarray], start: float) -> tuple[np.ndarray, np.ndarray]:
    """Return rates and recall of a ROC curve from the left end of a logarithmic axis."""
    rates = np.concatenate([[start / 2], np.maximum(curve["false_positive_rate"], start / 2), [1.0]])
    return rates, np.concatenate([[0.0], curve["completeness"], [1.0]])


def _text(entry: Mapping) -> str:
    if entry["value"] is None:
        return "undefined"
    return f"{entry['value']:.3f}" + ("" if entry["low"] is None else f" ({entry['low']:.3f}–{entry['high']:.3f})")


def _range_text(low: float, high: float) -> str:
    return f"{low:g}–{high:g}" if np.isfinite(high) else f"> {low:g}"


def _paler(colour: str) -> tuple[float, ...]:
    return tuple(0.45 + 0.55 * part for part in to_rgb(colour)) if colour != GREY else (0.7,) * 3

"""Figures of the separation of classes: against brightness and mass, and compared with the matched-filter limit."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from matplotlib.transforms import ScaledTranslation
from numpy.typing import ArrayLike

from stronglens.evaluation import REFERENCE
from stronglens.plotting import GREY, add_title, fit_text, inches, new_figure, plain_text, style, typeset_minus
from stronglens.substructure.figures.look import COLOURS, MARKERS, METHODS, OTHER, entry_text, share_text

TITLE = "ROC area by image property"
MEAN = "mean of the classes, each against the others"
NOTE = 0.15  # height of a line above a panel, inches


def draw_auc_against(bins_by_quantity: Mapping[str, Sequence[Mapping] | None]) -> Figure:
    """Draw the area under the ROC curve in bins of each quantity, with one panel per quantity.

    The figure shows the area of each class against ``"no"``. If bins do not share images, it also shows the mean of
    the areas of each class against all others. A point is at the median of a bin; the horizontal line spans the bin,
    and the vertical line is the interval. A line above a panel lists areas that are undefined in every bin.

    Parameters
    ----------
    bins_by_quantity : mapping of str to sequence of dict
        Bins as `stronglens.evaluation.auc_in_bins` returns them, by the axis label. Quantities with None or no bins
        are omitted.
    """
    quantities = {text: bins for text, bins in bins_by_quantity.items() if bins}
    with style():
        if not quantities:
            figure = new_figure(4.6, 0.8)
            add_title(figure, TITLE, "no quantity was measured")
            return figure
        legend_rows = 1 if len(quantities) > 1 else 3
        bottom = 0.65 + 0.18 * legend_rows
        series_of = {text: _series_of(bins) for text, bins in quantities.items()}
        notes_of = {text: _notes_on(series) for text, series in series_of.items()}
        room = NOTE * max(map(len, notes_of.values()))
        figure = new_figure(max(4.0 * len(quantities) + 0.35, 4.6), bottom + 3.1 + room)
        lowest, handles, panels = 0.45, {}, []
        for place, (text, bins) in enumerate(quantities.items()):
            left = 0.7 + 4.0 * place
            axes = figure.add_axes(inches(figure, left, bottom, 3.35, 2.35))
            panels.append(axes)
            ends = np.array([[one["low"], one["high"]] for one in bins])
            if ends.min() > 0 and ends.max() > 30 * ends.min():
                axes.set_xscale("log")
            for offset, (label, (name, entries)) in zip((-2.5, 2.5, 0, 5, -5), series_of[text].items(), strict=False):
                drawn = [(one, entry) for one, entry in zip(bins, entries, strict=True) if entry["value"] is not None]
                if drawn:
                    handles.setdefault(label, _draw_series(figure, axes, drawn, name, offset))
                    lowest = min(lowest, *(entry.get("low") or entry["value"] for _, entry in drawn))
            for line, note in enumerate(reversed(notes_of[text])):
                up = (bottom + 2.35 + 0.05 + NOTE * line) / figure.get_figheight()
                fit_text(figure, left / figure.get_figwidth(), up, note, 7.5, 6.0, 3.35, color="0.35")
            if len(notes_of[text]) == len(series_of[text]):
                axes.text(0.5, 0.6, "undefined in every bin", transform=axes.transAxes, ha="center", color=GREY)
            axes.axhline(0.5, color=GREY, ls=":", lw=1, zorder=0)
            axes.set_xlabel(text)
            axes.set_ylabel("area under the ROC curve" if place == 0 else "")
            axes.grid(color="0.92", lw=0.6)
        for axes in panels:
            axes.set_ylim(max(0.0, lowest - 0.02), 1.02)
        if handles:
            figure.legend(
                handles.values(), map(plain_text, handles), loc="lower left", handlelength=2.4, borderaxespad=0,
                bbox_to_anchor=(0.65 / figure.get_figwidth(), 0.08 / figure.get_figheight()), ncols=3 // legend_rows,
            )  # fmt: skip
        subtitle = "bins of equal size; vertical lines: bootstrap intervals; dotted: random"
        add_title(figure, TITLE, subtitle)
    return figure


def draw_ceiling(
    areas: Mapping[str, Mapping[str, Mapping]],
    shares: Mapping[str, Mapping],
    significances: Mapping[str, Mapping[str, ArrayLike]] | None = None,
) -> Figure:
    """Draw the separation of each class from ``"no"`` by scalar measurements, the network and matched filters.

    Parameters
    ----------
    areas : mapping of str to mapping
        By class, ``{"scalars": entry, "network": entry, "refit": entry, "known": entry}``: areas under the ROC curve
        of scalar measurements, of the network, and of the matched filter for a refitted and for a known smooth lens.
        Entries ``{"value", "low", "high"}`` may be absent or undefined.
    shares : mapping of str to mapping
        By class, the entry that `stronglens.substructure.ceiling.share_of_ceiling` returns; classes may be absent.
    significances : mapping of str to mapping, optional
        By class, ``{"refit": ndarray (N,), "known": ndarray (N,)}``: expected significance of the matched filter in
        each image, in standard deviations.
    """
    row, label_width, value_width, plot = 0.27, 2.15, 1.55, 3.0
    blocks = list(areas)
    tall = max((len(METHODS) + 1.6) * row * len(blocks), 2.5)
    left_side = label_width + plot + value_width
    with style():
        figure = new_figure(left_side + (4.3 if significances else 0.2), tall + 1.35)
        bottom = 0.55
        axes = figure.add_axes(inches(figure, label_width, bottom, plot, tall))
        drawn = [
            entry[key]
            for block in areas.values()
            for entry in block.values()
            if entry and entry["value"] is not None
            for key in ("value", "low")
            if entry.get(key) is not None
        ]
        axes.set(xlim=(min([0.48, *(value - 0.01 for value in drawn)]), 1.005), ylim=(tall / row, 0))
        axes.axvline(0.5, color=GREY, ls=":", lw=1, zorder=0)
        axes.text(0.5, -0.25, "random", color=GREY, size=7.5, ha="center", clip_on=False)
        for k, (name, block) in enumerate(areas.items()):
            first = k * (len(METHODS) + 1.6) + 0.8
            up = (bottom + tall - row * (first + 0.15)) / figure.get_figheight()
            # The heading overlaps the grid of the axes.
            frame = {"fc": "white", "ec": "none", "pad": 1.0}
            head = f"{plain_text(name)} against no: {_share_head(shares.get(name))}"
            fit_text(
                figure, 0.15 / figure.get_figwidth(), up, head, 9.0, 7.0, left_side - 0.3, weight="bold", bbox=frame
            )
            for line, (key, text) in enumerate(METHODS.items(), start=1):
                _draw_method(axes, first + line, key, text, block.get(key), COLOURS.get(name, OTHER))
            if k:
                axes.axhline(first - 0.95, color="0.85", lw=0.7)
        axes.set_yticks([])
        axes.spines[["left", "right", "top"]].set_visible(False)
        axes.set_xlabel("area under the ROC curve")
        axes.grid(axis="x", color="0.92", lw=0.6)
        axes.set_axisbelow(True)
        if significances:
            right = figure.add_axes(inches(figure, left_side + 0.8, bottom + 0.8, 3.25, tall - 0.8))
            _draw_significances(right, significances)
        add_title(
            figure,
            "Network compared with the matched-filter upper limit",
            "matched filter: the substructure signal is known; "
            "refitted: signal degenerate with lens and source parameters is projected out",
        )
    return figure


def _series_of(bins: Sequence[Mapping]) -> dict[str, tuple[str, list[Mapping]]]:
    """Return the curves of a panel: label to class (empty for the mean) and entries by bin."""
    against = f"auc_against_{REFERENCE}"
    series = {f"{name} against {REFERENCE}": (name, [one[against][name] for one in bins]) for name in bins[0][against]}
    if not bins[0]["shared"]:
        series[MEAN] = ("", [one["macro_auc"] for one in bins])
    return series


def _notes_on(series: Mapping[str, tuple[str, list[Mapping]]]) -> list[str]:
    """Return a line for each curve that is undefined in every bin."""
    notes = []
    for label, (_, entries) in series.items():
        if all(entry["value"] is None for entry in entries):
            reasons = {entry.get("reason") for entry in entries}
            why = entries[0].get("reason") if len(reasons) == 1 else None
            notes.append(plain_text(f"{label.split(',')[0]}: undefined, {why or 'too few images'}"))
    return notes


def _draw_series(figure: Figure, axes, drawn: Sequence[tuple[Mapping, Mapping]], name: str, offset: float):
    # Classes share bins; the offset keeps their intervals apart.
    shift = axes.transData + ScaledTranslation(offset / 72, 0, figure.dpi_scale_trans)
    colour = COLOURS.get(name, OTHER if name else "0.15")
    middle, value = (
        np.array(column) for column in zip(*((one["middle"], e["value"]) for one, e in drawn), strict=True)
    )
    for one, entry in drawn:
        axes.plot([one["low"], one["high"]], [entry["value"]] * 2, color=colour, lw=0.8, alpha=0.45)
        if entry.get("low") is not None:
            axes.plot([one["middle"]] * 2, [entry["low"], entry["high"]], color=colour, lw=1.2, transform=shift)
    how = {"ls": "-" if name else "--", "marker": MARKERS.get(name, "^"), "ms": 4.5, "lw": 1.1}
    (line,) = axes.plot(middle, value, color=colour, transform=shift, **how)
    return line


def _draw_method(axes, height: float, key: str, text: str, entry: Mapping | None, colour: str) -> None:
    beside = axes.get_yaxis_transform()
    axes.text(-0.03, height, text, transform=beside, ha="right", va="center", size=8.5,
              weight="bold" if key == "network" else "normal")  # fmt: skip
    known = entry is not None and entry["value"] is not None
    axes.text(1.03, height, entry_text(entry) if known else "n/a", transform=beside, va="center", size=8)
    if not known:
        return
    face = colour if key in ("network", "refit") else "white"
    axes.plot([0.5, entry["value"]], [height] * 2, color=colour, lw=5 if key == "network" else 2.5, alpha=0.25)
    if entry.get("low") is not None:
        axes.plot([entry["low"], entry["high"]], [height] * 2, color=colour, lw=1.4)
    marker = {"scalars": "s", "network": "o", "refit": "D", "known": "D"}[key]
    axes.plot(entry["value"], height, marker=marker, ms=6, mfc=face, mec=colour, mew=1.3, ls="", clip_on=False)


def _draw_significances(axes, significances: Mapping[str, Mapping[str, ArrayLike]]) -> None:
    every = [np.asarray(values, float) for block in significances.values() for values in block.values()]
    every = np.concatenate([np.ravel(values) for values in every] or [np.empty(0)])
    every = every[np.isfinite(every) & (every > 0)]
    high = float(every.max()) * 1.3 if every.size else 10.0
    low = max(float(np.percentile(every, 0.5)), high / 1e4) / 1.3 if every.size else 0.1
    for name, block in significances.items():
        for key, dashes, text in (("refit", "-", "lens refitted"), ("known", (0, (4, 1.5)), "lens known")):
            values = np.asarray(block.get(key, ()), dtype=float)
            values = np.sort(values[np.isfinite(values)])
            if not len(values):
                continue
            label = f"{plain_text(name)}, {text} (median {np.median(values):.{0 if np.median(values) >= 10 else 1}f})"
            steps = np.concatenate([[low], np.maximum(values, low), [high]])
            share = np.concatenate([[1.0], 1 - np.arange(1, len(values) + 1) / len(values), [0.0]])
            axes.plot(steps, share, drawstyle="steps-post", color=COLOURS.get(name, OTHER), ls=dashes, label=label)
    for sigma in (1, 5):
        if low < sigma < high:
            axes.axvline(sigma, color=GREY, ls=":", lw=0.8, zorder=0)
            axes.text(sigma, 1.01, f"{sigma}σ", transform=axes.get_xaxis_transform(), ha="center", size=7.5, color=GREY)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.minorticks_off()
    axes.set(xlim=(low, high), ylim=(0, 1), xlabel="detection significance d [σ]", ylabel="fraction of images above d")
    axes.grid(color="0.92", lw=0.6)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            loc="upper left",
            bbox_to_anchor=(-0.16, -0.45 / axes.get_position().height / axes.figure.get_figheight()),
            fontsize=7.5,
            ncols=1,
        )


def _share_head(share: Mapping | None) -> str:
    if share is None:
        return "no upper limit"
    if share["value"] is None:
        return f"share undefined: {share['reason']}"
    return f"{typeset_minus(share_text(share))} of the upper limit"

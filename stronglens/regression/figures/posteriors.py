"""Figures of the posteriors of many images against the truth."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from stronglens.parameters import Column
from stronglens.plotting import BLUE, GREY, add_title, count_of, plain_text, style
from stronglens.regression.figures.panels import add_panels, spread_out

MOST_BARS = 120  # maximum number of distinguishable error bars


def draw_posteriors(truth: ArrayLike, samples: ArrayLike, columns: Sequence[Column]) -> Figure:
    """Draw posterior means with central 68 % intervals against the truth, with one panel per label.

    Parameters
    ----------
    truth : array_like (N, L), unit of each label
    samples : array_like (N, S, L), unit of each label
    columns : sequence of L Column
    """
    truth, samples = np.asarray(truth, dtype=float), np.asarray(samples)
    shown = spread_out(len(truth), MOST_BARS)
    with style():
        figure, panels = add_panels(len(columns), (2.3, 2.3), (0.75, 0.85, 0.85), 5 if len(columns) > 12 else 4)
        for place, (column, (axes, at_left, _)) in enumerate(zip(columns, panels, strict=True)):
            drawn = samples[shown, :, place].astype(float)
            true = truth[shown, place]
            good = np.isfinite(drawn).all(axis=1) & np.isfinite(true)
            true, drawn = true[good], drawn[good]
            mean = drawn.mean(axis=1)
            low, high = np.quantile(drawn, (0.16, 0.84), axis=1)
            _draw_against_truth(axes, true, mean, low, high)
            inside = np.count_nonzero((low <= true) & (true <= high))
            words = f"{100 * inside / len(true):.0f} % of bars" if len(true) else "not defined"
            _write_in_corner(axes, words)
            axes.set_xlabel(f"true {column.axis_text}")
            axes.set_title(plain_text(column.name), loc="left", pad=4)
            if at_left:
                axes.set_ylabel("posterior")
        of = f" of {len(truth):,}" if len(shown) < len(truth) else ""
        subtitle = (
            f"{count_of(len(shown), 'test image')}{of}; mean and central 68 % interval; "
            "in the corner: fraction of bars that contain the truth, 68 % if calibrated"
        )
        add_title(figure, "Posteriors against the truth", subtitle)
    return figure


def draw_prior_dependence(found: Mapping[str, tuple[np.ndarray, Mapping]], symbol: str) -> Figure:
    """Draw the posteriors of one label against the truth for datasets with different priors, with one panel each.

    Parameters
    ----------
    found : mapping of str to (ndarray (4, N), mapping)
        By the name of a dataset: true values, posterior means, and lower and upper ends of central 68 % intervals; and
        the entries ``contraction`` and ``r2`` as `stronglens.evaluation.posterior_metrics` returns them, and
        ``brightness_alone``, the R^2 of a perfectly measured surface brightness.
    symbol : str
        Symbol of the label, for the axes.
    """
    with style():
        figure, panels = add_panels(len(found), (1.85, 1.85), (0.62, 0.18, 0.85), 5)
        every = np.concatenate([values.ravel() for values, _ in found.values()])
        for (name, (values, entry)), (axes, at_left, _) in zip(found.items(), panels, strict=True):
            shown = spread_out(values.shape[1], MOST_BARS)
            _draw_against_truth(axes, *values[:, shown], ends=(every.min(), every.max()))
            axes.set_ylim(top=every.max() + 0.16 * np.ptp(every))  # space for text
            numbers = entry["contraction"]["value"], entry["r2"]["value"], entry["brightness_alone"]
            # Adding 0.0 avoids "-0".
            contraction, r2, alone = (f"{round(number, 2) + 0.0:.2f}".replace("-", "−") for number in numbers)
            axes.set_xlabel(f"true {symbol}")
            axes.set_title(f"{name}\ncontraction {contraction}", loc="left", pad=4, fontsize=8.5)
            _write_in_corner(axes, f"R² {r2} (brightness alone {alone})")
            axes.tick_params(labelleft=at_left)
            if at_left:
                axes.set_ylabel(f"posterior {symbol}")
        subtitle = (
            "same network and number of images; means and central 68 % intervals of test images; in brackets: "
            "R² of the source's surface brightness alone, measured without error"
        )
        add_title(figure, "Redshift posteriors for brightness priors of different widths", subtitle)
    return figure


def _draw_against_truth(axes, true, mean, low, high, ends: tuple[float, float] | None = None) -> None:
    """Draw values (N,) with their intervals against the truth, and the line of equality."""
    if ends is None:
        ends = (min(true.min(), low.min()), max(true.max(), high.max())) if len(true) else (0.0, 1.0)
    first, last = ends
    margin = 0.04 * ((last - first) or max(abs(first), 1.0))
    limits = (first - margin, last + margin)
    axes.plot(limits, limits, color=GREY, ls="--", lw=1, zorder=1)
    # The mean of a very skewed posterior can lie outside its 68 % interval, so bars and points are drawn separately.
    axes.vlines(true, low, high, color=BLUE, lw=0.8, alpha=0.45, zorder=2)
    axes.plot(true, mean, "o", ms=2.8, mew=0, color=BLUE, zorder=3)
    axes.set(xlim=limits, ylim=limits)
    axes.locator_params(nbins=5)
    axes.grid(color="0.93", lw=0.6)
    axes.set_axisbelow(True)


def _write_in_corner(axes, words: str) -> None:
    frame = {"fc": "white", "ec": "none", "alpha": 0.8, "pad": 1.5}
    axes.text(0.04, 0.96, words, transform=axes.transAxes, va="top", fontsize=7.5, zorder=5, bbox=frame)

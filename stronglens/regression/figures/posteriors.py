"""Figures of the regression task that show posteriors: whether they can be trusted, and one image's own."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter

from stronglens.parameters import Column
from stronglens.plotting import (
    BLUE,
    GREY,
    ORANGE,
    add_title,
    caption_size,
    inches,
    new_figure,
    plain_text,
    symbol_of,
)
from stronglens.plotting import style as house_style

MOST_POINTS = 1000  # of a scatter plot
MOST_BARS = 120  # error bars beyond which none can be told apart
SHARES = (0.6827, 0.9545)  # of the posterior inside the contours of a corner plot
BAND = "0.88"


def draw_coverage(metrics: Mapping, columns: Sequence[Column]) -> Figure:
    """Draw how far the coverage of each label's central intervals, and of all labels jointly, is off at each level.

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
    reach = 1.25 * max([100 * (chance or 0.01), *(np.abs(curve).max() for curve in curves)])
    with house_style():
        figure, panels = _add_panels(len(found), (1.75, 1.45), (0.75, 0.18, 0.45), 6 if len(found) > 12 else 5)
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
            f"{metrics['images']:,} test images; in the band: chance ({metrics['level']:.0%}, all tests together); "
            "below it: over-confident, above: under-confident"
        )
        add_title(figure, "Coverage of central intervals", subtitle)
    return figure


def draw_ranks(metrics: Mapping, columns: Sequence[Column]) -> Figure:
    """Draw the ranks of the truth among the posterior's draws: their histograms, and the ECDF's difference below.

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
    with house_style():
        across = 6 if len(columns) > 12 else 5
        figure, panels = _add_panels(len(columns), (1.75, 2.05), (0.75, 0.18, 0.45), across)
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
                below.set_xlabel("rank of the truth / draws")
        subtitle = (
            f"{metrics['images']:,} test images, {metrics['draws']:,} draws each; {metrics['level']:.0%} bands of "
            "chance: of each bin above, of all whole curves below; a hollow in the middle: over-confident"
        )
        add_title(figure, "Ranks of the truth among posterior draws", subtitle)
    return figure


def draw_contraction(
    truth: ArrayLike, samples: ArrayLike, training_truth: ArrayLike, columns: Sequence[Column]
) -> Figure:
    """Draw each image's posterior z-score against its contraction, a panel a label.

    Parameters
    ----------
    truth : array_like (N, L), unit of each label
    samples : array_like (N, S, L), unit of each label
    training_truth : array_like (M, L), unit of each label
        The prior's draws.
    columns : sequence of L Column

    Notes
    -----
    After Schad, Betancourt & Vasishth 2021, Psychol. Methods 26, 103, figure 8. At the right, posteriors are much
    narrower than the prior; more than two in a hundred z-scores beyond 2.5 tell of over-confidence.
    """
    truth, samples = np.asarray(truth), np.asarray(samples)
    prior = np.asarray(training_truth, dtype=float).var(axis=0, ddof=1)
    shown = _spread_out(len(truth), MOST_POINTS)
    with house_style():
        figure, panels = _add_panels(len(columns), (1.75, 1.6), (0.6, 0.18, 0.45), 6 if len(columns) > 12 else 5)
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
            # What lies outside is drawn at the edge.
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
            f"{_count(len(shown), 'test image')}; contraction: 1 − posterior / prior variance; "
            "z-score: (mean − truth) / sd, 4.6 % beyond 2 if Gaussian and right"
        )
        add_title(figure, "What the images say, and how right it is", subtitle)
    return figure


def draw_posteriors(truth: ArrayLike, samples: ArrayLike, columns: Sequence[Column]) -> Figure:
    """Draw posterior means with their central 68 % intervals against the truth, a panel a label.

    Parameters
    ----------
    truth : array_like (N, L), unit of each label
    samples : array_like (N, S, L), unit of each label
    columns : sequence of L Column
    """
    truth, samples = np.asarray(truth, dtype=float), np.asarray(samples)
    shown = _spread_out(len(truth), MOST_BARS)
    with house_style():
        figure, panels = _add_panels(len(columns), (2.3, 2.3), (0.75, 0.85, 0.85), 5 if len(columns) > 12 else 4)
        for place, (column, (axes, at_left, _)) in enumerate(zip(columns, panels, strict=True)):
            drawn = samples[shown, :, place].astype(float)
            true = truth[shown, place]
            good = np.isfinite(drawn).all(axis=1) & np.isfinite(true)
            true, drawn = true[good], drawn[good]
            mean = drawn.mean(axis=1)
            low, high = np.quantile(drawn, (0.5 - SHARES[0] / 2, 0.5 + SHARES[0] / 2), axis=1)
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
            f"{_count(len(shown), 'test image')}{of}; mean and central 68 % interval; "
            "in the corner: bars that hold the truth, 68 % if right"
        )
        add_title(figure, "Posteriors against the truth", subtitle)
    return figure


def draw_prior_dependence(found: Mapping[str, tuple[np.ndarray, Mapping]], symbol: str) -> Figure:
    """Draw the posteriors of one label against the truth for several data sets that differ in a prior, a panel each.

    Parameters
    ----------
    found : mapping
        Of a data set, in words, to (4, N) true values, posterior means, and ends of central 68 % intervals; and to what
        was measured: entries ``contraction`` and ``r2`` as `stronglens.evaluation.posterior_metrics` returns them, and
        ``brightness_alone``, the R^2 that a perfectly read surface brightness would have.
    symbol : str
        Of the label, for the axes.
    """
    with house_style():
        figure, panels = _add_panels(len(found), (1.85, 1.85), (0.62, 0.18, 0.85), 5)
        every = np.concatenate([values.ravel() for values, _ in found.values()])
        for (name, (values, entry)), (axes, at_left, _) in zip(found.items(), panels, strict=True):
            shown = _spread_out(values.shape[1], MOST_BARS)
            _draw_against_truth(axes, *values[:, shown], ends=(every.min(), every.max()))
            axes.set_ylim(top=every.max() + 0.16 * np.ptp(every))  # for what is written there
            numbers = entry["contraction"]["value"], entry["r2"]["value"], entry["brightness_alone"]
            # Minus nothing is nothing.
            contraction, r2, alone = (f"{round(number, 2) + 0.0:.2f}".replace("-", "−") for number in numbers)
            axes.set_xlabel(f"true {symbol}")
            axes.set_title(f"{name}\ncontraction {contraction}", loc="left", pad=4, fontsize=8.5)
            _write_in_corner(axes, f"R² {r2} (brightness alone {alone})")
            axes.tick_params(labelleft=at_left)
            if at_left:
                axes.set_ylabel(f"posterior {symbol}")
        subtitle = (
            "the same network and number of images; means and central 68 % intervals of test images; in brackets: "
            "R² of the source's surface brightness alone, read without error"
        )
        add_title(figure, "A learned redshift is as good as the prior of brightness is narrow", subtitle)
    return figure


def draw_corner(
    samples: ArrayLike,
    columns: Sequence[Column],
    truth: ArrayLike | None = None,
    published: ArrayLike | None = None,
    name: str = "",
    most: int = 10,
) -> Figure:
    """Draw the posterior of one image: each label's histogram, and each pair's 68 % and 95 % contours.

    Parameters
    ----------
    samples : array_like (S, L), unit of each label
    columns : sequence of L Column
    truth, published : array_like (L,), unit of each label, optional
        Drawn as lines, where finite.
    name : str
        Of the image.
    most : int
        Labels that are drawn: those with a published value first, then in their order.
    """
    samples = np.asarray(samples, dtype=float)
    marks = [
        (text, np.asarray(values, dtype=float), colour)
        for text, values, colour in (("truth", truth, ORANGE), ("published", published, "0.15"))
        if values is not None
    ]
    known = np.zeros(len(columns), dtype=bool) if published is None else np.isfinite(np.asarray(published, dtype=float))
    chosen = np.sort(np.argsort(~known, kind="stable")[:most])
    good = np.isfinite(samples).all(axis=1)
    samples, shown = samples[good][:, chosen], [columns[place] for place in chosen]
    marks = [(text, values[chosen], colour) for text, values, colour in marks]
    count = len(shown)
    side = 1.55 if count <= 5 else 1.2 if count <= 8 else 1.0
    with house_style():
        left, bottom, gap, top = 0.85, 0.9, 0.09, 1.0
        figure = new_figure(max(left + count * side + 0.25, 4.0), bottom + count * side + top)
        size = caption_size(figure, [column.axis_text for column in shown], side - gap, size=8.0)
        limits = [_limits(samples[:, place], [values[place] for _, values, _ in marks]) for place in range(count)]
        for row in range(count):
            for along in range(row + 1):
                up = bottom + (count - 1 - row) * side
                axes = figure.add_axes(inches(figure, left + along * side, up, side - gap, side - gap))
                if along == row:
                    _draw_histogram(axes, samples[:, row], limits[row], shown[row], size)
                else:
                    _draw_contours(axes, samples[:, along], samples[:, row], limits[along], limits[row])
                for _, values, colour in marks:
                    if np.isfinite(values[along]):
                        axes.axvline(values[along], color=colour, lw=1)
                    if along != row and np.isfinite(values[row]):
                        axes.axhline(values[row], color=colour, lw=1)
                axes.set_xlim(limits[along])
                axes.xaxis.set_major_locator(MaxNLocator(nbins=3, prune="both"))
                axes.tick_params(axis="x", rotation=90 if count > 5 else 45, labelbottom=row == count - 1, labelsize=7)
                axes.tick_params(axis="y", labelleft=along == 0 and row > 0, left=along != row, labelsize=7)
                if along != row:
                    axes.set_ylim(limits[row])
                    axes.yaxis.set_major_locator(MaxNLocator(nbins=3, prune="both"))
                if row == count - 1:
                    axes.set_xlabel(shown[along].axis_text, fontsize=size)
                    axes.xaxis.set_label_coords(0.5, -0.6 / (side - gap))
                if along == 0 and row > 0:
                    axes.set_ylabel(shown[row].axis_text, fontsize=size)
                    axes.yaxis.set_label_coords(-0.6 / (side - gap), 0.5)
        handles = [Patch(fc=BLUE, alpha=0.55, label="68 %"), Patch(fc=BLUE, alpha=0.25, label="95 %")]
        handles = handles if count > 1 else []
        handles += [Line2D([], [], color=colour, lw=1.2, label=text) for text, _, colour in marks]
        if handles:
            corner = (1 - 0.1 / figure.get_figwidth(), 1 - 0.62 / figure.get_figheight())
            figure.legend(handles=handles, loc="upper right", bbox_to_anchor=corner, ncols=2 if count < 3 else 1)
        left_out = f"; {count} of {len(columns)} labels" if count < len(columns) else ""
        subtitle = f"{_count(len(samples), 'draw')}{left_out}; above: median and 68 % interval"
        add_title(figure, f"Posterior of {plain_text(name)}" if name else "Posterior of one image", subtitle)
    return figure


def _draw_histogram(axes, values: np.ndarray, limits: tuple[float, float], column: Column, size: float) -> None:
    if not len(values):
        return
    counts, edges = np.histogram(values, 30, limits)
    axes.stairs(counts, edges, color=BLUE, fill=True, alpha=0.25)
    axes.stairs(counts, edges, color=BLUE, lw=1)
    low, middle, high = np.quantile(values, (0.5 - SHARES[0] / 2, 0.5, 0.5 + SHARES[0] / 2))
    for place in (low, high):
        axes.axvline(place, color=BLUE, lw=0.8, ls="--")
    axes.set_ylim(0, 1.1 * max(counts.max(), 1))
    axes.set_yticks([])
    # The errors' decimals are those of the number.
    error = max(high - middle, middle - low)
    decimals = int(np.clip(1 - np.floor(np.log10(error)), 0, 6)) if error > 0 else 3
    # Minus nothing is nothing.
    middle_text = f"{round(middle, decimals) + 0.0:.{decimals}f}"
    text = f"${middle_text}^{{+{high - middle:.{decimals}f}}}_{{-{middle - low:.{decimals}f}}}$"
    axes.set_title(f"{symbol_of(column)}\n{text}", fontsize=min(size, 7.5), pad=3)


def _draw_contours(axes, x: np.ndarray, y: np.ndarray, across, up) -> None:
    if not len(x):
        return
    # Finer where there are draws enough; smoothed by about the scatter that is left.
    bins = int(np.clip(len(x) ** 0.5, 14, 50))
    density, x_edges, y_edges = np.histogram2d(x, y, bins, (across, up))
    density = gaussian_filter(np.pad(density, 2), 0.045 * bins)
    x_middle, y_middle = (_middles(edges, 2) for edges in (x_edges, y_edges))
    if density.max() <= 0:
        return
    order = np.sort(density.ravel())[::-1]
    inside = np.cumsum(order) / order.sum()
    thresholds = sorted({float(order[min(np.searchsorted(inside, share), len(order) - 1)]) for share in SHARES})
    for threshold, alpha in zip(thresholds, (0.25, 0.4), strict=False):
        if threshold < density.max():
            axes.contourf(x_middle, y_middle, density.T, [threshold, density.max()], colors=[BLUE], alpha=alpha)
    lines = [threshold for threshold in thresholds if threshold < density.max()]
    axes.contour(x_middle, y_middle, density.T, lines, colors=BLUE, linewidths=0.8)


def _middles(edges: np.ndarray, padding: int) -> np.ndarray:
    step = edges[1] - edges[0]
    return edges[0] + step * (np.arange(-padding, len(edges) - 1 + padding) + 0.5)


def _limits(values: np.ndarray, marks: Sequence[float]) -> tuple[float, float]:
    """Return limits that hold all but a few draws, and every finite mark."""
    held = [mark for mark in marks if np.isfinite(mark)]
    held += list(np.quantile(values, (0.002, 0.998))) if len(values) else []
    low, high = (min(held), max(held)) if held else (0.0, 1.0)
    margin = 0.07 * (high - low) or 0.01 * max(abs(low), 1.0)
    return low - margin, high + margin


def _draw_against_truth(axes, true, mean, low, high, ends: tuple[float, float] | None = None) -> None:
    """Draw values (N,) with their intervals against the truth, and the line on which both are equal."""
    if ends is None:
        ends = (min(true.min(), low.min()), max(true.max(), high.max())) if len(true) else (0.0, 1.0)
    first, last = ends
    margin = 0.04 * ((last - first) or max(abs(first), 1.0))
    limits = (first - margin, last + margin)
    axes.plot(limits, limits, color=GREY, ls="--", lw=1, zorder=1)
    # A mean can lie outside the middle of a very skewed posterior: the bar is drawn where it is.
    axes.vlines(true, low, high, color=BLUE, lw=0.8, alpha=0.45, zorder=2)
    axes.plot(true, mean, "o", ms=2.8, mew=0, color=BLUE, zorder=3)
    axes.set(xlim=limits, ylim=limits)
    axes.locator_params(nbins=5)
    axes.grid(color="0.93", lw=0.6)
    axes.set_axisbelow(True)


def _write_in_corner(axes, words: str) -> None:
    frame = {"fc": "white", "ec": "none", "alpha": 0.8, "pad": 1.5}
    axes.text(0.04, 0.96, words, transform=axes.transAxes, va="top", fontsize=7.5, zorder=5, bbox=frame)


def _add_panels(count: int, size: tuple[float, float], margins: tuple[float, float, float], most: int):
    """Return a figure and its panels in rows: (axes, whether at the left, whether nothing stands below).

    ``size`` is a panel's in inches; ``margins`` are left of all panels, between columns, and below each row.
    """
    width, height = size
    left, between, below = margins
    across = min(count, most)
    down = -(-count // across)
    top = 0.95
    pitch = height + 0.32 if between < 0.5 else height + below
    figure = new_figure(max(left + across * (width + between), 4.6), top + (down - 1) * pitch + height + 0.55)
    panels = []
    for place in range(count):
        row, along = divmod(place, across)
        up = figure.get_figheight() - top - row * pitch - height
        axes = figure.add_axes(inches(figure, left + along * (width + between), up, width, height))
        panels.append((axes, along == 0, place + across >= count))
    return figure, panels


def _spread_out(count: int, most: int) -> np.ndarray:
    """Return the places of at most so many images, evenly spread: images come in no order."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"

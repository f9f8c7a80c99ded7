"""Figure of one measured lens: image, model, residual, posterior and published values."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from stronglens.parameters import Column
from stronglens.plotting import (
    BLUE,
    GREY,
    LINE,
    ORANGE,
    RED,
    add_colour_bar,
    add_title,
    asinh_norm,
    caption_size,
    draw_image,
    fit_text,
    inches,
    new_figure,
    plain_text,
    round_to_error,
    style,
    symbol_of,
    typeset_minus,
    unit_of,
    wrap_warnings,
    write_warnings,
)
from stronglens.regression.figures.corner import draw_corner_panels

CORNER = (
    "einstein-radius-sie", "einstein-radius", "mass-slope", "lens-ellip-x", "lens-ellip-y", "src-center-x",
    "src-center-y", "shear-1", "shear-2",
)  # fmt: skip
"""Quantities with priority in the corner plot."""

MOST_IN_CORNER = 5
"""Maximum number of quantities in the corner plot."""

RESIDUAL_REACH = 5.0
"""Colour range of the residual, in standard deviations of the noise."""


def draw_lens_model(
    name: str,
    image: ArrayLike,
    mask: ArrayLike | None,
    pixel_scale: float,
    columns: Sequence[Column],
    samples: ArrayLike,
    summaries: Sequence,
    model=None,
    notes: Sequence[str] = (),
    cmap: str = "magma",
    warnings: Sequence[str] = (),
    judgement: str | None = None,
    others: ArrayLike | None = None,
) -> Figure:
    """Draw a measured lens: image, model at the posterior mean, residual over noise, posterior and table.

    Parameters
    ----------
    name : str
        Name of the file.
    image : array_like (H, W), electrons/s
        Row 0 is at the top.
    mask : array_like (H, W) of bool, or None
        Pixels that are excluded from the fit; they are hatched.
    pixel_scale : float, arcsec
    columns : sequence of M Column
    samples : array_like (S, M), unit of each column
    summaries : sequence of M `stronglens.regression.published.Summary`
    model : `stronglens.regression.lens_model.LensModel` or None
        None if the labels do not determine a model.
    notes : sequence of str
        Lines below the title, such as the out-of-distribution score, or the reason why there is no model.
    cmap : str
    warnings : sequence of str
        Reasons why values are unreliable, in red above the notes.
    judgement : str, optional
        Line below the title, by default on a model at the posterior mean.
    others : array_like (S, M), optional
        Samples of another posterior of the same columns, drawn as grey outlines; NaN in columns that it does not have.
    """
    image = np.asarray(image, float)
    samples = np.asarray(samples, float)
    shown = _choose(columns)
    panel, across = 2.15, 4 if model is not None else 1
    side = max(0.95 * len(shown), 1.9)
    notes = [line for line in (*notes, *(model.notes if model is not None else ())) if line]
    table_height = 0.5 + 0.2 * (len(summaries) + 1)
    lower = max(side + 0.65, table_height)
    warnings = wrap_warnings(warnings, 11.3)
    top = 0.75 + 0.17 * len(notes) + LINE * len(warnings)
    with style():
        figure = new_figure(11.6, top + 0.25 + panel + 0.55 + lower + 0.1)
        height = figure.get_figheight()
        add_title(figure, plain_text(name, longest=110), judgement or _judge(model))
        write_warnings(figure, 0.15, height - 0.6, warnings, 11.3)
        for k, line in enumerate(notes, start=len(warnings)):
            place = 0.15 / 11.6, 1 - (0.6 + 0.17 * k) / height
            fit_text(figure, *place, plain_text(line, longest=400), 8.0, smallest=6.0, va="top", color="0.35")
        bottom = height - top - 0.25 - panel
        boxes = [(0.55 + place * (panel + 0.66), bottom) for place in range(across)]
        _draw_images(figure, boxes, panel, image, mask, pixel_scale, model, cmap)
        marks = [one.published if one.verdict.is_comparable else None for one in summaries]
        place, published = (0.85, bottom - 0.7 - side), np.array(marks, dtype=float)
        beside = None if others is None else np.asarray(others, float)[:, shown]
        draw_corner_panels(
            figure, place, side, samples[:, shown], [columns[k] for k in shown], published[shown], others=beside
        )
        _draw_table(figure, summaries, 0.85 + side + 0.45, bottom - 0.62, is_of_network=others is None)
    return figure


def _judge(model) -> str:
    if model is None:
        return "posterior only; there is no model of the image"
    shape = " and the shape of the lens light" if model.fitted else ""
    return (
        f"model: posterior mean, with the brightness of source, lens light and background{shape} fitted to the image; "
        rf"reduced $\chi^2$ = {model.chi2:.3g} (best of {model.candidates} samples: {model.best_chi2:.3g})"
    )


def _draw_images(figure, boxes, size, image, mask, pixel_scale, model, cmap) -> None:
    is_hidden = None if mask is None or not np.any(mask) else np.asarray(mask, bool)
    norm = _stretch(image, is_hidden)
    panels = [("image", image, norm, cmap)]
    if model is not None:
        arcs = image - model.lens
        panels += [
            ("model", model.image, norm, cmap),
            ("image − model lens light", arcs, _stretch(arcs, is_hidden), cmap),
            ("residual / noise", model.residual, Normalize(-RESIDUAL_REACH, RESIDUAL_REACH), "RdBu_r"),
        ]
    for place, ((left, bottom), (title, values, one_norm, one_cmap)) in enumerate(zip(boxes, panels, strict=True)):
        axes = figure.add_axes(inches(figure, left, bottom, size, size))
        axes.set_facecolor("0.85")
        draw_image(axes, values, pixel_scale, one_norm, one_cmap)
        limits = axes.get_xlim(), axes.get_ylim()
        axes.set_title(title, fontsize=9, pad=4, loc="left")
        axes.set_xlabel("x [arcsec]", labelpad=1)
        if place == 0:
            axes.set_ylabel("y [arcsec]", labelpad=1)
        axes.tick_params(labelleft=place == 0)
        bar = add_colour_bar(figure, inches(figure, left + size + 0.05, bottom, 0.08, size), one_norm, one_cmap, "")
        # The unit is below the bar, since there is no space beside it.
        bar.ax.set_xlabel("σ" if title.startswith("residual") else "e-/s\nper pixel", fontsize=6.5, labelpad=2)
        if is_hidden is not None:
            _hatch(axes, is_hidden, pixel_scale)
        if model is not None and place in (0, 2):
            axes.plot(*model.critical_curve.T, color="white", lw=0.9, ls="--", alpha=0.9)
            axes.plot(model.values["src-center-x"], model.values["src-center-y"], "+", color="white", ms=6, mew=1)
        if model is not None and place == 2 and model.source.max() > 0:
            half_y, half_x = (count * pixel_scale / 2 for count in image.shape)
            levels = model.source.max() * np.array([0.1, 0.5])
            axes.contour(
                model.source, levels, colors=[BLUE], linewidths=0.9, origin="upper",
                extent=(-half_x, half_x, -half_y, half_y),
            )  # fmt: skip
        axes.set(xlim=limits[0], ylim=limits[1])
    if model is not None:
        handles = [
            Line2D([], [], color="0.35", ls="--", lw=0.9, label="critical curve"),
            Line2D([], [], color="0.35", marker="+", ls="", ms=6, label="source"),
            Line2D([], [], color=BLUE, lw=0.9, label="model arcs at 10 and 50 % of their peak"),
        ]
        left, bottom = boxes[2]
        anchor = (left / figure.get_figwidth(), (bottom + size + 0.2) / figure.get_figheight())
        figure.legend(
            handles=handles, loc="lower left", bbox_to_anchor=anchor, ncols=3, fontsize=7, handlelength=1.6,
            columnspacing=1.2, borderaxespad=0, borderpad=0,
        )  # fmt: skip


def _stretch(image: np.ndarray, is_hidden: np.ndarray | None):
    """Return a stretch for the unmasked pixels, since a bright neighbour would dominate it."""
    return asinh_norm(image if is_hidden is None else image[~is_hidden])


def _hatch(axes: Axes, is_hidden: np.ndarray, pixel_scale: float) -> None:
    half_y, half_x = (count * pixel_scale / 2 for count in is_hidden.shape)
    shade = np.where(is_hidden, 0.6, np.nan)
    extent = (-half_x, half_x, -half_y, half_y)
    axes.imshow(shade, cmap="gray", vmin=0, vmax=1, extent=extent, aspect="equal", alpha=0.6, zorder=2)
    filled = axes.contourf(
        is_hidden.astype(float), levels=[0.5, 1.5], colors="none", hatches=["////"], origin="upper", extent=extent
    )
    filled.set(edgecolor="0.25", linewidth=0.0)


def _choose(columns: Sequence[Column]) -> list[int]:
    """Return the indices of the quantities in the corner plot."""
    names = [column.name for column in columns]
    wanted = [name for name in CORNER if name in names]
    if "einstein-radius-sie" in wanted and "einstein-radius" in wanted:
        wanted.remove("einstein-radius")
    wanted += [name for name in names if name not in wanted and name != "lens-axis-ratio"]
    return [names.index(name) for name in wanted[:MOST_IN_CORNER]]


def _draw_table(figure: Figure, summaries: Sequence, left: float, top: float, is_of_network: bool) -> None:
    """Write a table with median, intervals and published value of each quantity, or whether a network learned it."""
    width, height = figure.get_figwidth(), figure.get_figheight()
    has_published = any(one.published is not None for one in summaries)
    more = ["published", "in 95 %"] if has_published else ["learned"] if is_of_network else []
    rows = [(["", "median", "68 %", "95 %", *more], None, None)]
    for one in summaries:
        median, low_68, high_68, low_95, high_95 = map(typeset_minus, round_to_error(one.central, one.deviation))
        unit = unit_of(one.column)
        head = f"{plain_text(one.column.name)}  {symbol_of(one.column) if one.column.symbol else ''}"
        cells = [head, median + unit, f"{low_68} to {high_68}", f"{low_95} to {high_95}"]
        word = one.verdict.word.lower()
        if not has_published:
            cells += [word] if is_of_network else []
        elif not one.verdict.is_comparable:
            cells += ["", word]
        else:
            cells.append("" if one.published is None else typeset_minus(f"{one.published:.4g}") + unit)
            cells.append({None: "", True: "yes", False: "no"}[one.is_inside])
        rows.append((cells, one.is_inside, one.verdict.is_doubtful))
    room = width - left - 0.15
    places = np.array([0.0, 0.35, 0.57, 0.79, 0.9, 1.0] if has_published else [0.0, 0.38, 0.585, 0.79, 1.0]) * room
    size = caption_size(figure, [cells[3] for cells, *_ in rows], (places[3] - places[2]) * 0.88, size=7.5)
    for line, (cells, inside, is_doubtful) in enumerate(rows):
        for column, cell in enumerate(cells):
            figure.text(
                (left + places[column]) / width, (top - 0.2 * line) / height, cell, fontsize=size, va="top",
                ha="left" if column == 0 else "right", weight="bold" if line == 0 else "normal",
                color=RED if is_doubtful else ORANGE if inside is False and column >= 4 else "0.1",
            )  # fmt: skip
    text = "orange: published" if has_published else "no published values"
    text += "; blue: 68 % (dashed, dark) and 95 % (light) of the posterior"
    text += "" if is_of_network else "; grey: network"
    figure.text(left / width, (top - 0.2 * len(rows) - 0.08) / height, text, fontsize=7.5, va="top", color=GREY)

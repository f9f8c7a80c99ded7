"""Figures of the regression task: arrays in, Matplotlib figures out."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from stronglens.parameters import Column
from stronglens.plotting import (
    BLUE,
    GREY,
    ORANGE,
    PanelGrid,
    add_colour_bar,
    add_title,
    asinh_norm,
    caption_size,
    draw_image,
    fit_text,
    format_values,
    new_figure,
    plain_text,
    style,
    symbol_of,
    unit_of,
)

BRIGHTNESS = "brightness [e-/s per pixel]"
LINE = 0.155  # inches from one line of small text to the next
MANY_POINTS = 3000  # beyond which a scatter plot is a blot
MOST_FILES = 12  # rows in the figure of measured files
CAPTION_LINES = 4


def draw_samples(
    images: ArrayLike,
    captions: Sequence[str],
    pixel_scale: float,
    cmap: str = "magma",
    n: int = 16,
    title: str = "Simulated lenses",
) -> Figure:
    """Draw the first n images in one stretch, so that bright and faint can be told apart.

    Parameters
    ----------
    images : array_like (N, H, W), e-/s
    captions : sequence of N str
        A few lines each, as from `stronglens.plotting.write_captions`; may be empty.
    pixel_scale : float, arcsec
    cmap : str
    n : int
    title : str
    """
    images = np.asarray(images)[:n]
    captions = list(captions)[: len(images)] or [""] * len(images)
    with style():
        grid = _grid_of_images(len(images), captions)
        norm = asinh_norm(images)
        for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
            _draw_panel(grid, index, image, caption, pixel_scale, norm, cmap)
        grid.add_bar(norm, cmap, BRIGHTNESS)
        _title_grid(grid, title, f"{_count(len(images), 'image')}, one asinh stretch; axes in arcsec")
    return grid.figure


def draw_losses(history: Mapping[str, Sequence[float]]) -> Figure:
    """Draw the losses and the mean absolute errors of training and validation by epoch, the best epoch marked.

    Parameters
    ----------
    history : mapping of str to sequence of E float
        ``loss`` and, where there are, ``val_loss``, ``mae``, ``val_mae`` (Keras's names), all of
        standardised labels; what is not finite is left out.
    """
    with style():
        panels = [("loss", "mean squared error (loss)"), ("mae", "mean absolute error")]
        history = {key.replace("mean_absolute_error", "mae"): np.asarray(values) for key, values in history.items()}
        panels = [panel for panel in panels if panel[0] in history] or panels[:1]
        figure = new_figure(4.6 * len(panels) + 0.4, 3.9)
        best = _best_epoch(history)
        for place, (key, text) in enumerate(panels):
            axes = figure.add_axes(_inches(figure, 0.75 + 4.6 * place, 0.55, 3.85, 2.5))
            drawn = []
            for name, label, colour in ((key, "training", BLUE), (f"val_{key}", "validation", ORANGE)):
                values = np.asarray(history.get(name, []), dtype=float)
                if not np.isfinite(values).any():
                    continue
                epochs = np.arange(1, len(values) + 1)
                axes.plot(epochs, values, color=colour, label=label, marker="o" if len(values) < 25 else "", ms=3.5)
                drawn.append(values[np.isfinite(values)])
            if best is not None:
                axes.axvline(best, color=GREY, lw=0.8, ls="--", zorder=0, label=f"best epoch: {best}")
            _scale_losses(axes, drawn)
            axes.set_xlabel("epoch")
            axes.set_ylabel(text)
            axes.grid(color="0.92", lw=0.6)
            if axes.lines:
                axes.legend(loc="best")
        add_title(figure, "Training and validation losses", _describe_training(history, best))
    return figure


def draw_activations(
    image: ArrayLike, activations: Sequence[ArrayLike], pixel_scale: float, cmap: str = "magma"
) -> dict[str, Figure]:
    """Draw an input image, and what each filter of each convolution layer makes of it.

    Parameters
    ----------
    image : array_like (H, W), e-/s
    activations : sequence of array_like (h, w, F)
        One a layer, each covering the field of the image.
    pixel_scale : float, arcsec
    cmap : str

    Returns
    -------
    dict of str to Figure
        ``activations-input``, ``activations-layer-1``, and so on.
    """
    image = np.asarray(image)
    with style():
        grid = PanelGrid(1, (3.6, 3.6 * image.shape[0] / image.shape[1]), caption=0.0, bar=True)
        norm = asinh_norm(image)
        axes = grid.add_panel(0)
        draw_image(axes, image, pixel_scale, norm, cmap)
        grid.add_bar(norm, cmap, BRIGHTNESS)
        _title_grid(grid, "Input image", f"{image.shape[1]} × {image.shape[0]} pixels, asinh stretch")
        field = f"{image.shape[1] * pixel_scale:.3g}″ × {image.shape[0] * pixel_scale:.3g}″"
        figures = {"activations-input": grid.figure}
        for layer, maps in enumerate(activations, start=1):
            figures[f"activations-layer-{layer}"] = _draw_layer(layer, np.asarray(maps), field, cmap)
    return figures


def draw_predictions(
    true: ArrayLike, predicted: ArrayLike, columns: Sequence[Column], metrics: Mapping | None = None
) -> Figure:
    """Draw predicted against true values of each label, and the residuals below.

    Parameters
    ----------
    true, predicted : array_like (N, L), unit of each label
    columns : sequence of L Column
    metrics : mapping, optional
        As `stronglens.evaluation.regression_metrics` returns it: R^2 and RMSE are written in a corner.
    """
    true, predicted = np.asarray(true, dtype=float), np.asarray(predicted, dtype=float)
    across = min(len(columns), 4)
    down = -(-len(columns) // across)
    with style():
        figure = new_figure(max(0.25 + 3.25 * across, 4.2), 0.75 + 4.25 * down)
        for place, column in enumerate(columns):
            row, along = divmod(place, across)
            left, bottom = 0.8 + 3.25 * along, figure.get_figheight() - 0.75 - 4.25 * row - 3.75
            above = figure.add_axes(_inches(figure, left, bottom + 1.05, 2.4, 2.4))
            below = figure.add_axes(_inches(figure, left, bottom, 2.4, 0.95), sharex=above)
            entries = metrics["labels"].get(column.name) if metrics else None
            _draw_label(above, below, true[:, place], predicted[:, place], column, entries)
        subtitle = f"{_count(len(true), 'test image')}; dashed: predicted = true"
        add_title(figure, "Predicted against true values", subtitle)
    return figure


def draw_gallery(
    images: ArrayLike,
    true: ArrayLike,
    predicted: ArrayLike,
    columns: Sequence[Column],
    errors: ArrayLike,
    pixel_scale: float,
    which: str = "best",
    n: int = 16,
    cmap: str = "magma",
) -> Figure:
    """Draw the test images that the network measures best, or worst, with true -> predicted values.

    Parameters
    ----------
    images : array_like (N, H, W), e-/s
    true, predicted : array_like (N, L), unit of each label
    columns : sequence of L Column
    errors : array_like (N,)
        What the images are ordered by: root mean square of the errors in standard deviations, for instance.
    pixel_scale : float, arcsec
    which : {"best", "worst"}
    n : int
    cmap : str
    """
    images, true, predicted, errors = (np.asarray(array) for array in (images, true, predicted, errors))
    order = np.argsort(errors if which == "best" else -errors, kind="stable")[:n]
    shown = list(columns)[:CAPTION_LINES]
    captions = [""] * len(order)
    for k, column in enumerate(shown):
        numbers = format_values(np.concatenate([true[order, k], predicted[order, k]]))
        for place, (before, after) in enumerate(zip(numbers[: len(order)], numbers[len(order) :], strict=True)):
            captions[place] += f"{symbol_of(column)}: {before} → {after}{unit_of(column)}\n"
    captions = [caption.rstrip("\n") for caption in captions]
    with style():
        grid = _grid_of_images(len(order), captions, narrowest=1.3)
        norm = asinh_norm(images[order])
        for place, (index, caption) in enumerate(zip(order, captions, strict=True)):
            _draw_panel(grid, place, images[index], caption, pixel_scale, norm, cmap)
        grid.add_bar(norm, cmap, BRIGHTNESS)
        left_out = f" ({len(shown)} of {len(columns)} labels)" if len(columns) > len(shown) else ""
        _title_grid(
            grid, f"Test images measured {which}", f"true → predicted{left_out}, {which} first; one asinh stretch"
        )
    return grid.figure


def draw_measured(
    images_original: Sequence[ArrayLike],
    images_seen: Sequence[ArrayLike],
    names: Sequence[str],
    texts: Sequence[str],
    pixel_scales_original: Sequence[float],
    pixel_scale: float,
    cmap: str = "magma",
) -> Figure:
    """Draw what each file holds, beside what the network saw of it and the values that it predicts.

    Parameters
    ----------
    images_original : sequence of array_like (H, W), counts/s
        Row 0 at the top.
    images_seen : sequence of array_like (h, w), e-/s
    names : sequence of str
    texts : sequence of str
        Predicted values, some lines each, as from `stronglens.plotting.write_captions`.
    pixel_scales_original : sequence of float, arcsec
    pixel_scale : float, arcsec
        Of the images seen.
    cmap : str
    """
    files = min(len(names), MOST_FILES)
    size, row_height = 2.3, 2.95
    with style():
        figure = new_figure(9.6, 0.75 + row_height * files + 0.2)
        for row in range(files):
            bottom = figure.get_figheight() - 0.75 - row_height * (row + 1) + 0.4
            seen, original = np.asarray(images_seen[row]), np.asarray(images_original[row])
            top = (bottom + size + 0.1) / figure.get_figheight()
            fit_text(
                figure, 0.6 / 9.6, top, plain_text(names[row], longest=110), 9.0, smallest=7.0, width=8.8, weight="bold"
            )
            for left, image, scale, label in (
                (0.6, original, pixel_scales_original[row], "in the file [counts/s]"),
                (4.1, seen, pixel_scale, "seen by the network [e-/s]"),
            ):
                axes = figure.add_axes(_inches(figure, left, bottom, size, size))
                norm = asinh_norm(image)
                draw_image(axes, image, scale, norm, cmap)
                axes.set_anchor("W")
                box = _inches(figure, left + size + 0.06, bottom, 0.09, size)
                add_colour_bar(figure, box, norm, cmap, label)
                if image is original:
                    half_y, half_x = (count * pixel_scale / 2 for count in seen.shape)
                    axes.add_patch(Rectangle((-half_x, -half_y), 2 * half_x, 2 * half_y, fill=False, ec="w", lw=0.8))
                if row == files - 1:
                    axes.set_xlabel("x [arcsec]")
                if image is original:
                    axes.set_ylabel("y [arcsec]", labelpad=1)
            for k, line in enumerate(str(texts[row]).splitlines()[:12]):
                height = (bottom + size - 0.05 - 0.2 * k) / figure.get_figheight()
                fit_text(figure, 7.45 / 9.6, height, line, 10.0, smallest=6.5, va="top")
        more = f"; {files} of {len(names)} files" if len(names) > files else ""
        add_title(figure, "Measured images", f"left, the file with the network's field framed; right, its input{more}")
    return figure


def _inches(figure: Figure, left: float, bottom: float, width: float, height: float):
    across, up = figure.get_figwidth(), figure.get_figheight()
    return left / across, bottom / up, width / across, height / up


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _grid_of_images(count: int, captions: Sequence[str], narrowest: float = 1.15) -> PanelGrid:
    columns = int(np.ceil(np.sqrt(max(count, 1))))
    width = next(size for most, size in ((1, 3.4), (2, 2.6), (4, 2.0), (8, 1.5), (99, 1.15)) if columns <= most)
    width = max(width, narrowest)
    lines = max((caption.count("\n") + 1 if caption else 0 for caption in captions), default=0)
    grid = PanelGrid(count, (width, width), caption=LINE * lines + 0.07, bar=True)
    grid.caption_size = caption_size(grid.figure, captions, width, size=8.0 if width >= 1.3 else 7.5)
    return grid


def _draw_panel(grid: PanelGrid, index: int, image, caption: str, pixel_scale: float, norm, cmap: str) -> None:
    at_left, at_bottom = grid.is_at_edge(index)
    axes = grid.add_panel(index)
    draw_image(axes, image, pixel_scale, norm, cmap, ticks=at_left or at_bottom)
    axes.tick_params(labelleft=at_left, labelbottom=at_bottom, left=at_left, bottom=at_bottom)
    if caption:
        axes.set_title(caption, fontsize=grid.caption_size, pad=3, linespacing=1.15, loc="left")


def _title_grid(grid: PanelGrid, title: str, subtitle: str) -> None:
    add_title(grid.figure, title, subtitle)
    middle = grid.left + (grid.columns * (grid.panel_width + grid.gap_x) - grid.gap_x) / 2
    grid.figure.text(middle / grid.width, 0.08 / grid.height, "x [arcsec]", ha="center", va="bottom")
    up = (grid.bottom + (grid.height - grid.top - grid.bottom) / 2) / grid.height
    grid.figure.text(0.08 / grid.width, up, "y [arcsec]", rotation=90, ha="left", va="center")


def _draw_layer(layer: int, maps: np.ndarray, field: str, cmap: str) -> Figure:
    """Draw all maps of a layer as one picture with gaps, which is quick and lines up to the pixel."""
    height, width, filters = maps.shape
    across = 8 if filters <= 64 else 16
    down = -(-filters // across)
    gap = max(1, round(width * 0.06))
    mosaic = np.full((down * (height + gap) - gap, across * (width + gap) - gap), np.nan)
    for index in range(filters):
        row, column = divmod(index, across)
        y, x = row * (height + gap), column * (width + gap)
        mosaic[y : y + height, x : x + width] = maps[:, :, index]
    finite = maps[np.isfinite(maps)]
    low, high = np.percentile(finite, [0.2, 99.8]) if finite.size else (0.0, 1.0)
    if high - low < 1e-6:
        low, high = low - 0.5e-6, high + 0.5e-6
    norm = Normalize(low, high)
    panel_width = 7.2 if across == 8 else 10.5
    grid = PanelGrid(
        1, (panel_width, panel_width * mosaic.shape[0] / mosaic.shape[1]), caption=0.0, bar=True, bottom=0.15
    )
    axes = grid.add_panel(0)
    axes.imshow(mosaic, cmap=cmap, norm=norm, interpolation="nearest")
    axes.set_xticks([])
    rows = [f"{k * across + 1}–{min((k + 1) * across, filters)}" for k in range(down)]
    axes.set_yticks(np.arange(down) * (height + gap) + height / 2 - 0.5, rows)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    grid.add_bar(norm, cmap, "activation (tanh, no unit)")
    add_title(
        grid.figure,
        f"Convolution layer {layer}: {filters} filters",
        f"numbered at the left; each has {width} × {height} positions over the image's field of {field}; one scale",
    )
    return grid.figure


def _best_epoch(history: Mapping[str, np.ndarray]) -> int | None:
    values = np.asarray(history.get("val_loss", history.get("loss", [])), dtype=float)
    return int(np.nanargmin(np.where(np.isfinite(values), values, np.nan))) + 1 if np.isfinite(values).any() else None


def _scale_losses(axes, drawn: Sequence[np.ndarray]) -> None:
    values = np.concatenate(drawn) if drawn else np.ones(1)
    if values.min() > 0 and values.max() > 3 * values.min():
        axes.set_yscale("log")
        if values.max() < 100 * values.min():  # less than two decades: plain numbers between the powers of ten
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:.3g}")
            axes.yaxis.set_minor_formatter(lambda value, _: f"{value:.3g}" if f"{value:e}"[0] in "2357" else "")
            axes.tick_params(axis="y", which="minor", labelsize=7)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    epochs = max((len(values) for values in drawn), default=1)
    axes.set_xlim(0.5, epochs + 0.5 + 0.01 * epochs)


def _describe_training(history: Mapping[str, np.ndarray], best: int | None) -> str:
    if best is None:
        return "no finite loss"
    key = "val_loss" if "val_loss" in history else "loss"
    kind = "validation" if key == "val_loss" else "training"
    return f"{_count(len(history[key]), 'epoch')}; lowest {kind} loss {history[key][best - 1]:.4g} in epoch {best}; labels in standard deviations"


def _draw_label(above, below, true: np.ndarray, predicted: np.ndarray, column: Column, entries: Mapping | None) -> None:
    good = np.isfinite(true) & np.isfinite(predicted)
    true, predicted = true[good], predicted[good]
    low, high = (float(true.min()), float(true.max())) if len(true) else (0.0, 1.0)
    span = (high - low) or max(abs(low), 1.0)
    low, high = low - 0.05 * span, high + 0.05 * span
    if len(true):  # a wild prediction must not squeeze the others into a line
        low = max(min(low, float(predicted.min()) - 0.02 * span), low - 0.5 * span)
        high = min(max(high, float(predicted.max()) + 0.02 * span), high + 0.5 * span)
    residual = predicted - true
    size = np.abs(residual) if len(true) else np.ones(1)
    reach = max(min(1.1 * float(size.max()), 2 * float(np.percentile(size, 98))), 1e-3 * span)
    if len(true) > MANY_POINTS:
        how = {"gridsize": 45, "mincnt": 1, "cmap": "Blues", "norm": LogNorm(vmin=0.3), "linewidths": 0.1}
        above.hexbin(true, predicted, extent=(low, high, low, high), **how)
        below.hexbin(true, residual, extent=(low, high, -reach, reach), **{**how, "gridsize": (45, 15)})
    else:
        how = {"s": 11 if len(true) < 500 else 6, "color": BLUE, "alpha": 0.7 if len(true) < 200 else 0.35, "lw": 0}
        above.scatter(true, predicted, rasterized=len(true) > 500, **how)
        below.scatter(true, residual, rasterized=len(true) > 500, **how)
    above.plot([low, high], [low, high], color=GREY, ls="--", lw=1, zorder=3)
    below.axhline(0, color=GREY, ls="--", lw=1, zorder=3)
    above.set(xlim=(low, high), ylim=(low, high), ylabel="predicted")
    below.set(ylim=(-reach, reach), xlabel=f"true {column.axis_text}", ylabel="pred. − true")
    above.tick_params(labelbottom=False)
    for axes in (above, below):
        axes.locator_params(nbins=5 if axes is above else 4, axis="y")
        axes.locator_params(nbins=5, axis="x")
        axes.grid(color="0.93", lw=0.6)
        axes.set_axisbelow(True)
    outside = int(np.count_nonzero((predicted < low) | (predicted > high)))
    lines = (
        [f"$R^2$ = {_entry(entries, 'r2')}", f"RMSE = {_entry(entries, 'rmse')}{unit_of(column)}"] if entries else []
    )
    lines += [f"{outside} outside"] if outside else []
    if lines:
        frame = {"fc": "white", "ec": "none", "alpha": 0.8, "pad": 1.5}
        above.text(0.04, 0.96, "\n".join(lines), transform=above.transAxes, va="top", fontsize=8, zorder=5, bbox=frame)
    above.set_title(plain_text(column.name), loc="left", pad=4)


def _entry(entries: Mapping, key: str) -> str:
    value = entries.get(key, {}).get("value")
    return "n/a" if value is None else f"{value:.3g}".replace("-", "−")

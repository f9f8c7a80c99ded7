"""Figures of lens images: samples of each class with the effect of the substructure, and misclassified images."""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import AsinhNorm
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from stronglens.plotting import (
    DIVERGING,
    add_colour_bar,
    add_title,
    asinh_norm,
    draw_image,
    draw_panels,
    explain_indices,
    fit_text,
    inches,
    length_unit,
    new_figure,
    plain_text,
    style,
    write_index,
)
from stronglens.substructure.figures.look import COLOURS, OTHER, count_text

MOST_EXAMPLES = 4  # maximum number of images per class
BAR_TEXT = 2.0  # length of the text at a colour bar, inches
PANEL, CLOSE, APART = 1.3, 0.05, 0.2  # side of a panel, gap inside a pair, and gap between pairs, inches


def draw_samples(
    images: Sequence[ArrayLike],
    titles: Sequence[str],
    effects: Sequence[ArrayLike | None] | None,
    pixel_scale: float | None,
    cmap: str = "magma",
    *,
    effect_unit: str = "σ of pixel noise",
    indices: Sequence[Sequence[int] | np.ndarray] | None = None,
) -> Figure:
    """Draw a row of images for each class and, next to each image, the effect of its substructure.

    Each image is divided by its brightest pixel, since lenses differ much in brightness.

    Parameters
    ----------
    images : sequence of C array_like (n, H, W), any unit
        A few images of each class; the first four are drawn. A class may have none.
    titles : sequence of C str
        Titles of the rows. If the first word is the name of a class, the title has its colour.
    effects : sequence of C (array_like (n, H, W) or None), ``effect_unit``
        Image minus the image of the same lens with smooth dark matter, both without noise. None for a class without
        effect; None for all classes if the smooth images are unknown.
    pixel_scale : float or None, arcsec
        None if it is unknown.
    cmap : str
    effect_unit : str
    indices : sequence of C sequence of n int, optional
        Indices of the images in their dataset, written into the panels.
    """
    images = [_divide_by_peak(some[:MOST_EXAMPLES]) for some in images]
    paired = effects is not None and any(some is not None for some in effects)
    examples = max((len(some) for some in images), default=0) or 1
    shown = next((some for some in images if len(some)), np.zeros((1, 8, 8)))
    height = PANEL * shown.shape[1] / shown.shape[2]
    step = (2 * PANEL + CLOSE + APART) if paired else PANEL + CLOSE
    left, right, row, top = 0.6, 1.75 if paired else 0.95, height + 0.36, 0.72
    tall = min(row * max(len(images), 1) - 0.36, 3.0)
    bottom = max(0.5, BAR_TEXT / 2 - tall / 2)
    norm = asinh_norm(np.concatenate([np.ravel(some) for some in images] or [np.empty(0)]))
    spread = _symmetric_norm([some[:MOST_EXAMPLES] for some in effects if some is not None]) if paired else None
    with style():
        inside = examples * step - (APART if paired else CLOSE)
        figure = new_figure(max(left + inside + right, 5.6 if paired else 4.6), top + bottom + row * len(images))
        for k, (some, title) in enumerate(zip(images, titles, strict=True)):
            low = figure.get_figheight() - top - (k + 1) * row
            colour = COLOURS.get(str(title).split(":")[0].split(",")[0].split()[0] if str(title).split() else "", OTHER)
            head = (low + height + 0.07) / figure.get_figheight()
            fit_text(
                figure, left / figure.get_figwidth(), head, plain_text(title), 9.5, 7.0, weight="bold", color=colour
            )
            last = k == len(images) - 1
            for place, image in enumerate(some):
                axes = figure.add_axes(inches(figure, left + place * step, low, PANEL, height))
                _draw_framed(axes, image, pixel_scale, norm, cmap, at_left=place == 0, at_bottom=last)
                if indices is not None:
                    write_index(axes, indices[k][place])
                if paired:
                    axes = figure.add_axes(inches(figure, left + place * step + PANEL + CLOSE, low, PANEL, height))
                    _draw_effect(
                        axes, None if effects[k] is None else effects[k][place], image, pixel_scale, spread, last
                    )
            if not len(some):
                figure.text(
                    (left + 0.1) / figure.get_figwidth(), (low + height / 2) / figure.get_figheight(), "no images"
                )
        low = figure.get_figheight() - top - 0.36 - tall
        add_colour_bar(
            figure, inches(figure, left + inside + 0.1, low, 0.12, tall), norm, cmap, "brightness [image peak]"
        )
        if paired:
            box = inches(figure, left + inside + 0.95, low, 0.12, tall)
            add_colour_bar(figure, box, spread, DIVERGING, f"effect [{effect_unit}]")
        middle = (left + inside / 2) / figure.get_figwidth()
        figure.text(middle, 0.08 / figure.get_figheight(), f"x [{length_unit(pixel_scale)}]", ha="center", va="bottom")
        up = (bottom + row * len(images) / 2) / figure.get_figheight()
        figure.text(0.08 / figure.get_figwidth(), up, f"y [{length_unit(pixel_scale)}]", rotation=90, va="center")
        pair = "right in each pair: image minus the image of the same lens with smooth dark matter, without noise"
        add_title(figure, "Examples of each class", pair if paired else "each image in units of its peak")
        if indices is not None:
            explain_indices(figure)
    return figure


def draw_mistakes(
    images: ArrayLike,
    true: ArrayLike,
    probabilities: ArrayLike,
    classes: Sequence[str],
    pixel_scale: float | None,
    count: int = 16,
    cmap: str = "magma",
    *,
    unit: str = "e-/s per pixel",
    indices: Sequence[int] | None = None,
) -> Figure:
    """Draw the misclassified images with the highest probabilities of the predicted class.

    Parameters
    ----------
    images : ndarray or ImageSet (N, H, W), ``unit``
    true : array_like (N,) int
    probabilities : array_like (N, C)
    classes : sequence of C str
    pixel_scale : float or None, arcsec
        None if it is unknown.
    count : int
        Maximum number of images.
    cmap : str
    unit : str
        Unit of the images.
    indices : sequence of N int, optional
        Indices of the images in their dataset, written into the panels.
    """
    true, probabilities = np.asarray(true), np.asarray(probabilities, dtype=float)
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != true)
    order = wrong[np.argsort(-confidence[wrong], kind="stable")][:count]
    share = f"{len(wrong):,} of {count_text(len(true), 'test image')}"
    title = "Most confident misclassifications"
    with style():
        if not len(order):
            figure = new_figure(4.6, 1.1)
            add_title(figure, title, f"{share} misclassified")
            figure.text(0.15 / 4.6, 0.15, "There is nothing to show." if not len(wrong) else "No images requested.")
            return figure
        shown = np.asarray(images[order])
        names = [plain_text(name) for name in classes]
        captions = [f"true {names[true[k]]},\npredicted {names[predicted[k]]} ({confidence[k]:.0%})" for k in order]
        subtitle = f"{share} misclassified, most confident first; common asinh stretch"
        if indices is not None:
            indices = np.asarray(indices)[order]
        bar = f"brightness [{unit}]"
        return draw_panels(shown, captions, pixel_scale, asinh_norm(shown), cmap, bar, title, subtitle, 1.3, indices)


def _divide_by_peak(images: ArrayLike) -> np.ndarray:
    images = np.asarray(images, dtype=float)
    peaks = np.max(np.nan_to_num(images, posinf=0), axis=(1, 2), keepdims=True, initial=0)
    return images / np.where(peaks > 0, peaks, 1)


def _symmetric_norm(effects: Sequence[ArrayLike]) -> AsinhNorm:
    """Return a symmetric stretch, linear in the faintest tenth, so that weak and strong effects are both visible."""
    values = np.concatenate([np.abs(np.ravel(some)) for some in effects] or [np.zeros(1)])
    values = values[np.isfinite(values)]
    reach = float(np.percentile(values, 99.9)) if values.size else 0.0
    reach = reach or (float(values.max()) if values.size else 0.0) or 1.0
    return AsinhNorm(reach / 10, vmin=-reach, vmax=reach)


def _draw_framed(axes, image, pixel_scale, norm, cmap, at_left: bool, at_bottom: bool) -> None:
    draw_image(axes, image, pixel_scale, norm, cmap, ticks=at_left or at_bottom)
    axes.tick_params(labelleft=at_left, labelbottom=at_bottom, left=at_left, bottom=at_bottom)


def _draw_effect(axes, effect, image, pixel_scale, norm, at_bottom: bool) -> None:
    none = effect is None or not np.any(effect)
    effect = np.zeros_like(image) if effect is None else effect
    _draw_framed(axes, effect, pixel_scale, norm, DIVERGING, at_left=False, at_bottom=at_bottom)
    if none:
        axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", va="center", color="0.4")

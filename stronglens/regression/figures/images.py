"""Figures of images of the regression task: samples, activations and galleries."""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from stronglens.parameters import Column
from stronglens.plotting import (
    DIVERGING,
    PanelGrid,
    add_title,
    asinh_norm,
    count_of,
    draw_image,
    draw_panels,
    explain_indices,
    format_values,
    style,
    symbol_of,
    title_grid,
    unit_of,
    write_index,
)

BRIGHTNESS = "brightness [e-/s per pixel]"
CAPTION_LINES = 4


def draw_samples(
    images: ArrayLike,
    captions: Sequence[str],
    pixel_scale: float,
    cmap: str = "magma",
    n: int = 16,
    title: str = "Simulated lenses",
    indices: Sequence[int] | None = None,
) -> Figure:
    """Draw the first n images with a common stretch, so that their brightness can be compared.

    Parameters
    ----------
    images : array_like (N, H, W), electrons/s
    captions : sequence of N str
        A few lines each, as from `stronglens.plotting.write_captions`; may be empty.
    pixel_scale : float, arcsec
    cmap : str
    n : int
    title : str
    indices : sequence of N int, optional
        Indices of the images in their dataset, written into the panels.
    """
    images = np.asarray(images)[:n]
    captions = list(captions)[: len(images)] or [""] * len(images)
    with style():
        subtitle = f"{count_of(len(images), 'image')}, common asinh stretch; axes in arcsec"
        norm = asinh_norm(images)
        return draw_panels(images, captions, pixel_scale, norm, cmap, BRIGHTNESS, title, subtitle, indices=indices)


def draw_activations(
    image: ArrayLike,
    activations: Sequence[ArrayLike],
    pixel_scale: float,
    cmap: str = "magma",
    index: int | None = None,
) -> dict[str, Figure]:
    """Draw an input image, and the activations of each filter of each convolution layer.

    A layer with negative activations (tanh, GELU, sums of residual blocks) has a diverging colour map centred on zero.
    Another layer (ReLU) has ``cmap``, which starts at zero.

    Parameters
    ----------
    image : array_like (H, W), electrons/s
    activations : sequence of array_like (h, w, F)
        One array per layer; each covers the field of the image.
    pixel_scale : float, arcsec
    cmap : str
    index : int, optional
        Index of the image in its dataset, written into the panel.

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
        if index is not None:
            write_index(axes, index)
            explain_indices(grid.figure)
        title_grid(grid, "Input image", f"{image.shape[1]} × {image.shape[0]} pixels, asinh stretch")
        field = f"{image.shape[1] * pixel_scale:.3g}″ × {image.shape[0] * pixel_scale:.3g}″"
        figures = {"activations-input": grid.figure}
        for layer, maps in enumerate(activations, start=1):
            figures[f"activations-layer-{layer}"] = _draw_layer(layer, np.asarray(maps), field, cmap)
    return figures


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
    indices: Sequence[int] | None = None,
    estimate: str = "predicted",
) -> Figure:
    """Draw the test images with the smallest or largest errors, with true -> predicted values.

    Parameters
    ----------
    images : ndarray or ImageSet (N, H, W), electrons/s
    true, predicted : array_like (N, L), unit of each label
    columns : sequence of L Column
    errors : array_like (N,)
        Sort key, for example the root mean square of the errors in standard deviations.
    pixel_scale : float, arcsec
    which : {"best", "worst"}
    n : int
    cmap : str
    indices : sequence of N int, optional
        Indices of the images in their dataset, written into the panels.
    estimate : str
        Description of the predicted values.
    """
    true, predicted, errors = (np.asarray(array) for array in (true, predicted, errors))
    order = np.argsort(errors if which == "best" else -errors, kind="stable")[:n]
    images = images[order]
    shown = list(columns)[:CAPTION_LINES]
    captions = [""] * len(order)
    for k, column in enumerate(shown):
        numbers = format_values(np.concatenate([true[order, k], predicted[order, k]]))
        for place, (before, after) in enumerate(zip(numbers[: len(order)], numbers[len(order) :], strict=True)):
            captions[place] += f"{symbol_of(column)}: {before} → {after}{unit_of(column)}\n"
    captions = [caption.rstrip("\n") for caption in captions]
    with style():
        left_out = f" ({len(shown)} of {len(columns)} labels)" if len(columns) > len(shown) else ""
        title = f"Test images with the {'smallest' if which == 'best' else 'largest'} errors"
        subtitle = f"true → {estimate}{left_out}, {which} first; common asinh stretch"
        norm = asinh_norm(images)
        if indices is not None:
            indices = np.asarray(indices)[order]
        return draw_panels(images, captions, pixel_scale, norm, cmap, BRIGHTNESS, title, subtitle, 1.3, indices)


def _draw_layer(layer: int, maps: np.ndarray, field: str, cmap: str) -> Figure:
    """Draw all activation maps of a layer as one image with gaps, which is fast and aligned to the pixel."""
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
    reach = max(float(np.percentile(np.abs(finite), 99.8)), 1e-6) if finite.size else 1.0
    is_signed = bool((finite < 0).any())
    norm, cmap = (Normalize(-reach, reach), DIVERGING) if is_signed else (Normalize(0.0, reach), cmap)
    panel_width = 7.2 if across == 8 else 10.5
    grid = PanelGrid(
        1, (panel_width, panel_width * mosaic.shape[0] / mosaic.shape[1]), caption=0.0, bar=True, bottom=0.15
    )
    axes = grid.add_panel(0)
    axes.imshow(mosaic, cmap=cmap, norm=norm, interpolation="nearest")
    axes.set_facecolor("0.65" if is_signed else "white")  # colour of the gaps; zero is white in a signed map
    axes.set_xticks([])
    rows = [f"{k * across + 1}–{min((k + 1) * across, filters)}" for k in range(down)]
    axes.set_yticks(np.arange(down) * (height + gap) + height / 2 - 0.5, rows)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    grid.add_bar(norm, cmap, "activation [dimensionless]")
    add_title(
        grid.figure,
        f"Convolution layer {layer}: {filters} filters",
        f"filter numbers at the left; {width} × {height} positions over the field of {field}; common colour scale",
    )
    return grid.figure

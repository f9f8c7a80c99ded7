"""Sheet of the worst mistakes of each kind."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike
from scipy.ndimage import uniform_filter

from stronglens.finding.classes import KINDS
from stronglens.finding.labels import LENS, NON_LENS
from stronglens.plotting import (
    add_title,
    asinh_norm,
    draw_image,
    explain_indices,
    fit_text,
    inches,
    new_figure,
    style,
    typeset_minus,
    write_index,
)

PANEL, GAP, HEAD = 1.15, 0.06, 0.27
"""Side of a panel, distance of panels, height of the line above a row, inches."""


def draw_mistakes(
    images: Any,
    score: np.ndarray,
    group: np.ndarray,
    kind: np.ndarray,
    pixel_scale: float,
    *,
    count: int = 6,
    cmap: str = "gray",
    bands: Sequence[str] = ("VIS",),
    indices: np.ndarray | None = None,
) -> Figure:
    """Draw the lenses with the lowest scores and the non-lenses of each kind with the highest scores.

    Parameters
    ----------
    images : ndarray or ImageSet (N, H, W) or (N, H, W, B), e-/s per pixel
        Images of several bands are drawn in colour.
    score : ndarray (N,)
    group, kind : ndarray (N,) int
        Indices into `GROUPS` and `KINDS`.
    pixel_scale : float, arcsec
    count : int
        Maximum number of images of a row.
    cmap : str
        Of images of one band.
    bands : sequence of B str
    indices : ndarray (N,) int, optional
        Indices of the images in their dataset, written into the panels.
    """
    rows = []
    for place in np.unique(kind):
        for side, sign in ((LENS, 1), (NON_LENS, -1)):
            some = np.flatnonzero((kind == place) & (group == side))
            if len(some):
                rows.append((place, side, some[np.argsort(sign * score[some], kind="stable")][:count]))
    widest = max((len(chosen) for _, _, chosen in rows), default=1)
    with style():
        figure = new_figure(0.3 + max(widest * (PANEL + GAP), 4.2), 0.95 + len(rows) * (PANEL + HEAD))
        for line, (place, side, chosen) in enumerate(rows):
            low = figure.get_figheight() - 0.65 - (line + 1) * (PANEL + HEAD)
            number = np.sum((kind == place) & (group == side))
            title = f"{KINDS[place]}: {'lowest' if side == LENS else 'highest'} scores of {number:,}"
            at = 0.15 / figure.get_figwidth(), (low + PANEL + 0.06) / figure.get_figheight()
            fit_text(figure, *at, title, 9.0, 7.0, weight="bold", color="0.2")
            for column, (row, image) in enumerate(
                zip(chosen, np.asarray(images[np.sort(chosen)])[_ranks(chosen)], strict=True)
            ):
                axes = figure.add_axes(inches(figure, 0.15 + column * (PANEL + GAP), low, PANEL, PANEL))
                if image.ndim == 2:
                    draw_image(axes, image, pixel_scale, asinh_norm(image), cmap, ticks=False)
                else:
                    axes.imshow(compose_colours(image))
                    axes.set_axis_off()
                text = axes.text(0.04, 0.95, typeset_minus(f"{score[row]:.2f}"), transform=axes.transAxes, va="top",
                                 color="white", size=8)  # fmt: skip
                text.set_path_effects([withStroke(linewidth=1.5, foreground="0.1")])
                if indices is not None:
                    write_index(axes, indices[row])
        side = np.asarray(images[:1]).shape[2] * pixel_scale
        colours = bands[0] if len(bands) == 1 else f"blue {bands[0]} to red {bands[-1]}"
        add_title(
            figure, "Worst mistakes of each kind", f"{colours}; {side:.3g}″ on a side; own stretch; in the panel: score"
        )
        if indices is not None:
            explain_indices(figure)
    return figure


def compose_colours(image: ArrayLike) -> np.ndarray:
    """Return a colour image of an image of several bands, bluest first.

    The arcsinh stretch of the mean keeps colours (Lupton et al. 2004, PASP 116, 133). Each band is scaled to its own
    brightest pixels. Colours are those of 5 x 5 pixels, so that bands with different point-spread functions give no
    blue centres.

    Parameters
    ----------
    image : array_like (H, W, B), at least two bands

    Returns
    -------
    ndarray (H, W, 3), 0 to 1
    """
    image = np.nan_to_num(np.asarray(image, float))
    image = image - np.median(image, axis=(0, 1))
    channels = image[..., np.linspace(image.shape[-1] - 1, 0, 3).round().astype(int)]
    if image.shape[-1] == 2:
        channels[..., 1] = image.mean(axis=-1)
    smooth = uniform_filter(channels, (5, 5, 1))
    scale = np.maximum(np.percentile(smooth, 99.5, axis=(0, 1)), 1e-12)
    smooth, mean = smooth / scale, (channels / scale).mean(axis=-1, keepdims=True)
    noise = 1.4826 * np.median(np.abs(mean - np.median(mean))) + 1e-12
    stretched = np.arcsinh(np.maximum(mean, 0) / (3 * noise)) / np.arcsinh(np.percentile(mean, 99.8) / (3 * noise))
    # Colours fade where the smooth light is not much above its own noise.
    tint = np.maximum(smooth, 0) + noise / 2
    colours = stretched * tint / tint.mean(axis=-1, keepdims=True)
    return np.clip(colours / np.maximum(colours.max(axis=-1, keepdims=True), 1), 0, 1)


def _ranks(chosen: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(chosen))

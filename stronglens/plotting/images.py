"""Image panels: their stretch, axes in arcsec or pixels, colour bars, and grids of them."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import AsinhNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike

from stronglens.plotting.style import new_figure

DIVERGING = "RdBu_r"
"""Colour map of values of either sign: white at zero, red above it, blue below."""


def grid_shape(count: int, columns_max: int | None = None) -> tuple[int, int]:
    """Return rows and columns of a grid, about square and never taller than wide."""
    columns = max(1, int(np.ceil(np.sqrt(count))))
    if columns_max is not None:
        columns = min(columns, columns_max)
    return max(1, -(-count // columns)), columns


def asinh_norm(images: ArrayLike, floor: float = 2.0, ceiling: float = 99.8) -> AsinhNorm:
    """Return a stretch that is linear in the noise and logarithmic in the light.

    Parameters
    ----------
    images : array_like (..., H, W), e-/s
        What shares the stretch. Values that are not finite are ignored.
    floor, ceiling : float, per cent
        Percentiles of the values that become black and white.
    """
    values = np.asarray(images, dtype=np.float64)
    values = values[np.isfinite(values)]
    if values.size == 0:
        return AsinhNorm(1.0, vmin=0.0, vmax=1.0)
    low, high = np.percentile(values, [floor, ceiling])
    if high - low <= 1e-12 * max(abs(low), abs(high), 1e-300):  # almost empty images
        low, high = float(values.min()), float(values.max())
    if high <= low:
        high = low + max(abs(low), 1.0) * 1e-3
    # The scatter of the faintest half is noise where there is noise, and the faintest light where there is none.
    faint = values[values <= np.median(values)]
    width = 1.4826 * float(np.median(np.abs(faint - np.median(faint)))) * 2
    peak = max(abs(low), abs(high))
    return AsinhNorm(float(np.clip(width, peak / 300, peak / 3)), vmin=float(low), vmax=float(high))


def draw_image(axes: Axes, image: ArrayLike, pixel_scale: float | None, norm: Normalize, cmap: str, ticks: bool = True):
    """Draw an image with axes in arcsec about its centre, y up, and return the artist.

    Parameters
    ----------
    axes : Axes
    image : array_like (H, W)
        Row 0 at the top.
    pixel_scale : float, arcsec
        None where it is unknown: the axes are then in pixels, as `length_unit` says.
    norm : Normalize
    cmap : str
    ticks : bool
        Whether the axes are numbered.
    """
    image = np.asarray(image)
    half_y, half_x = (count * (pixel_scale or 1.0) / 2 for count in image.shape)
    artist = axes.imshow(image, cmap=cmap, norm=norm, extent=(-half_x, half_x, -half_y, half_y), aspect="equal")
    # Noise of 0.4 pixels of the screen turns into moire where pixels are dropped.
    artist.set_interpolation("antialiased")
    if ticks:
        for axis, half in ((axes.xaxis, half_x), (axes.yaxis, half_y)):
            axis.set_ticks(symmetric_ticks(half))
        axes.tick_params(length=2.5, pad=2)
    else:
        axes.set_xticks([])
        axes.set_yticks([])
    return artist


def write_index(axes: Axes, index: int) -> None:
    """Write an image's index in its dataset into the upper right corner of its panel, as ``#137``."""
    text = axes.text(0.97, 0.96, f"#{index}", transform=axes.transAxes, ha="right", va="top", color="white", size=7.0)
    text.set_path_effects([withStroke(linewidth=1.5, foreground="0.1")])  # legible on any colour map


def explain_indices(figure: Figure) -> None:
    """Say in the lower right corner of a figure what `write_index` wrote into its panels."""
    right, up = 1 - 0.1 / figure.get_figwidth(), 0.08 / figure.get_figheight()
    figure.text(right, up, "#: index in the dataset", ha="right", va="bottom", color="0.35", size=7.0)


def length_unit(pixel_scale: float | None) -> str:
    """Return the unit of an image's axes: arcsec where the size of a pixel is known."""
    return "pixels" if pixel_scale is None else "arcsec"


def add_colour_bar(figure: Figure, box: tuple[float, float, float, float], norm: Normalize, cmap: str, label: str):
    """Draw a vertical colour bar in a box (left, bottom, width, height; fractions of the figure)."""
    axes = figure.add_axes(box)
    bar = figure.colorbar(ScalarMappable(norm=norm, cmap=cmap), cax=axes)
    height = box[3] * figure.get_figheight()
    if isinstance(norm, AsinhNorm):
        bar.set_ticks(_round_ticks(norm, wanted=max(3, int(height / 0.3))))
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:.6g}".replace("-", "\N{MINUS SIGN}"))
    bar.minorticks_off()
    bar.outline.set_linewidth(0.5)
    bar.set_label(label)
    bar.ax.tick_params(length=2.5, pad=2)
    return bar


def symmetric_ticks(half_width: float) -> list[float]:
    """Return zero and a round number on either side that lies inside an axis."""
    power = 10.0 ** np.floor(np.log10(half_width))
    step = next(power * factor for factor in (8, 6, 5, 4, 3, 2, 1.5, 1, 0.5) if power * factor <= 0.85 * half_width)
    return [-step, 0.0, step]


class PanelGrid:
    """A figure of equal panels laid out in inches, which is quick for many and the same for one.

    Parameters
    ----------
    count : int
        Panels.
    panel : (float, float), inches
        Width and height of each.
    caption : float, inches
        Room above each panel for its text.
    columns_max : int, optional
    bar : bool
        Whether there is one colour bar for all, at the right.
    top, bottom : float, inches
        Room for the title, and for what stands below the panels.
    """

    def __init__(self, count, panel, *, caption=0.2, columns_max=None, bar=False, top=0.7, bottom=0.5):
        self.rows, self.columns = grid_shape(count, columns_max)
        self.count = count
        self.panel_width, self.panel_height = panel
        self.gap_x, self.left, self.bottom, self.caption, self.top = 0.08, 0.6, bottom, caption, top
        self.right = 0.95 if bar else 0.15
        columns_wide = self.columns * self.panel_width + (self.columns - 1) * self.gap_x
        self.width = max(self.left + columns_wide + self.right, 4.2)  # a title must be readable above one panel
        self.height = top + self.bottom + self.rows * (self.panel_height + caption + 0.08)
        self.figure = new_figure(self.width, self.height)

    def add_panel(self, index: int) -> Axes:
        """Return new axes in place ``index``, counted along rows."""
        return self.figure.add_axes(self._box(index))

    def is_at_edge(self, index: int) -> tuple[bool, bool]:
        """Return whether a panel has nothing to its left, and nothing below it."""
        return index % self.columns == 0, index + self.columns >= self.count

    def add_bar(self, norm: Normalize, cmap: str, label: str) -> None:
        """Draw the one colour bar of all panels at their right."""
        left = self.left + self.columns * (self.panel_width + self.gap_x) + 0.02
        top = self.height - self.top - self.caption
        length = min(top - self.bottom - 0.08, 4.0)
        box = (left / self.width, (top - length) / self.height, 0.13 / self.width, length / self.height)
        add_colour_bar(self.figure, box, norm, cmap, label)

    def _box(self, index: int) -> tuple[float, float, float, float]:
        row, column = divmod(index, self.columns)
        x = self.left + column * (self.panel_width + self.gap_x)
        y = self.height - self.top - (row + 1) * (self.panel_height + self.caption) - row * 0.08
        return x / self.width, y / self.height, self.panel_width / self.width, self.panel_height / self.height


def inches(figure: Figure, left: float, bottom: float, width: float, height: float):
    """Return a box as fractions of the figure, as Matplotlib wants it, from one in inches."""
    across, up = figure.get_figwidth(), figure.get_figheight()
    return left / across, bottom / up, width / across, height / up


def _round_ticks(norm: Normalize, wanted: int) -> list[float]:
    """Return round numbers, zero among them, that stand well apart on a colour bar."""
    low, high = float(norm.vmin), float(norm.vmax)
    peak = max(abs(low), abs(high))
    top = int(np.floor(np.log10(peak))) if peak > 0 else 0
    sizes = [factor * 10.0**power for power in range(top, top - 5, -1) for factor in (5.0, 2.0, 1.0)]
    chosen = [0.0] if low <= 0 <= high else []
    apart = 0.8 / wanted
    for value in (sign * size for size in sizes for sign in (1, -1)):
        if low <= value <= high and all(abs(float(norm(value)) - float(norm(tick))) >= apart for tick in chosen):
            chosen.append(value)
    if len(chosen) < 2:  # a narrow range far from zero
        chosen = [low, (low + high) / 2, high]
    return sorted(chosen)

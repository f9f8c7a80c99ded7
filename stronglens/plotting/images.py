"""Image panels: stretch, axes in arcsec or pixels, colour bars, and grids of panels."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import AsinhNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike

from stronglens.plotting.style import new_figure

DIVERGING = "RdBu_r"
"""Colour map for values of both signs: white at zero, red above zero, blue below."""


def grid_shape(count: int, columns_max: int | None = None) -> tuple[int, int]:
    """Return the rows and columns of a grid for ``count`` panels, about square and never taller than wide."""
    columns = max(1, int(np.ceil(np.sqrt(count))))
    if columns_max is not None:
        columns = min(columns, columns_max)
    return max(1, -(-count // columns)), columns


def asinh_norm(images: ArrayLike, floor: float = 2.0, ceiling: float = 99.8) -> AsinhNorm:
    """Return an arcsinh stretch: linear at the level of the noise, logarithmic for brighter pixels.

    Parameters
    ----------
    images : array_like (..., H, W), electrons/s
        All images that share the stretch. Values that are not finite are ignored.
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
    # The scatter of the faintest half of the pixels is the noise, or faint light in a noise-free image.
    faint = values[values <= np.median(values)]
    width = 1.4826 * float(np.median(np.abs(faint - np.median(faint)))) * 2
    peak = max(abs(low), abs(high))
    return AsinhNorm(float(np.clip(width, peak / 300, peak / 3)), vmin=float(low), vmax=float(high))


def draw_image(axes: Axes, image: ArrayLike, pixel_scale: float | None, norm: Normalize, cmap: str, ticks: bool = True):
    """Draw an image with axes in arcsec relative to its centre, y upwards, and return the artist.

    Parameters
    ----------
    axes : Axes
    image : array_like (H, W)
        Row 0 is at the top.
    pixel_scale : float, arcsec
        None if it is unknown; the axes are then in pixels (see `length_unit`).
    norm : Normalize
    cmap : str
    ticks : bool
        Whether the axes have ticks.
    """
    image = np.asarray(image)
    half_y, half_x = (count * (pixel_scale or 1.0) / 2 for count in image.shape[:2])
    artist = axes.imshow(image, cmap=cmap, norm=norm, extent=(-half_x, half_x, -half_y, half_y), aspect="equal")
    # Without antialiasing, noise in images with more pixels than the screen shows moire patterns.
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
    """Write the index of an image in its dataset in the upper right corner of its panel, as ``#137``."""
    text = axes.text(0.97, 0.96, f"#{index}", transform=axes.transAxes, ha="right", va="top", color="white", size=7.0)
    text.set_path_effects([withStroke(linewidth=1.5, foreground="0.1")])  # legible on any colour map


def explain_indices(figure: Figure) -> None:
    """Explain the text of `write_index` in the lower right corner of a figure."""
    right, up = 1 - 0.1 / figure.get_figwidth(), 0.08 / figure.get_figheight()
    figure.text(right, up, "#: index in the dataset", ha="right", va="bottom", color="0.35", size=7.0)


def length_unit(pixel_scale: float | None) -> str:
    """Return the unit of an image's axes: arcsec if the pixel scale is known, else pixels."""
    return "pixels" if pixel_scale is None else "arcsec"


def add_colour_bar(figure: Figure, box: tuple[float, float, float, float], norm: Normalize, cmap: str, label: str):
    """Draw a vertical colour bar in a box (left, bottom, width, height; fractions of the figure) and return it."""
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
    """Return the ticks -t, 0 and t of an axis from -half_width to half_width, with a round number t."""
    power = 10.0 ** np.floor(np.log10(half_width))
    step = next(power * factor for factor in (8, 6, 5, 4, 3, 2, 1.5, 1, 0.5) if power * factor <= 0.85 * half_width)
    return [-step, 0.0, step]


class PanelGrid:
    """A figure of equal panels, laid out in inches, which is fast for many panels.

    Parameters
    ----------
    count : int
        Number of panels.
    panel : (float, float), inches
        Width and height of each panel.
    caption : float, inches
        Height of the caption above each panel.
    columns_max : int, optional
        Maximum number of columns.
    bar : bool
        Whether there is a colour bar for all panels, at the right.
    top, bottom : float, inches
        Height of the title, and height of the space below the panels.
    """

    def __init__(self, count, panel, *, caption=0.2, columns_max=None, bar=False, top=0.7, bottom=0.5):
        self.rows, self.columns = grid_shape(count, columns_max)
        self.count = count
        self.panel_width, self.panel_height = panel
        self.gap_x, self.left, self.bottom, self.caption, self.top = 0.08, 0.6, bottom, caption, top
        self.right = 0.95 if bar else 0.15
        columns_wide = self.columns * self.panel_width + (self.columns - 1) * self.gap_x
        self.width = max(self.left + columns_wide + self.right, 4.2)  # the width of a readable title
        self.height = top + self.bottom + self.rows * (self.panel_height + caption + 0.08)
        self.figure = new_figure(self.width, self.height)

    def add_panel(self, index: int) -> Axes:
        """Add the axes of panel ``index``, counted along rows, and return them."""
        return self.figure.add_axes(self._box(index))

    def is_at_edge(self, index: int) -> tuple[bool, bool]:
        """Return whether a panel is at the left edge, and whether it is at the bottom edge."""
        return index % self.columns == 0, index + self.columns >= self.count

    def add_bar(self, norm: Normalize, cmap: str, label: str) -> None:
        """Draw the colour bar of all panels to their right."""
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
    """Convert a box in inches to fractions of the figure, as Matplotlib needs it."""
    across, up = figure.get_figwidth(), figure.get_figheight()
    return left / across, bottom / up, width / across, height / up


def _round_ticks(norm: Normalize, wanted: int) -> list[float]:
    """Return round numbers, including zero, that are well separated on a colour bar."""
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

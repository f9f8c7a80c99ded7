"""One style for all figures: image panels, colour bars, titles, saving.

Figures are made without pyplot, so that nothing needs a display and no global state is
touched: every drawing function works inside `style()` and returns a `Figure`, which
`save_figure` writes.
"""

import difflib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import AsinhNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from numpy.typing import ArrayLike

from stronglens.parameters import RunError, UsageError

FORMATS = ("png", "jpg", "pdf", "svg")
STYLE = {
    "font.family": "DejaVu Sans",  # comes with Matplotlib: the same on every machine
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.labelsize": 9.0,
    "axes.linewidth": 0.7,
    "axes.edgecolor": "0.25",
    "axes.unicode_minus": True,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.color": "0.25",
    "ytick.color": "0.25",
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "image.interpolation": "nearest",
    "image.origin": "upper",
    "mathtext.fontset": "dejavusans",
    "svg.hashsalt": "stronglens",  # ids in SVG files are random without it
    "pdf.fonttype": 42,
    "text.parse_math": True,
}
BLUE, ORANGE, GREY = "#2a6fbb", "#d9652b", "0.45"
DPI = 150


@contextmanager
def style() -> Iterator[None]:
    """Draw in the project's style inside a ``with`` block, whatever the user's own settings are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def check_cmap(name: str) -> str:
    """Return the name of a Matplotlib colour map, spelt as Matplotlib spells it.

    Raises
    ------
    UsageError
        If there is no such colour map; the message suggests the nearest.
    """
    known = {known.lower(): known for known in mpl.colormaps}
    if name in mpl.colormaps:
        return name
    near = difflib.get_close_matches(str(name).lower(), known, n=1, cutoff=0.4)
    hint = f"did you mean {known[near[0]]}?" if near else "try magma, viridis or gray"
    raise UsageError(f"--cmap={name}: not a Matplotlib colour map; {hint}")


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


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of so many inches, drawn without a display."""
    figure = Figure(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure


def draw_image(axes: Axes, image: ArrayLike, pixel_scale: float, norm: Normalize, cmap: str, ticks: bool = True):
    """Draw an image with axes in arcsec about its centre, y up, and return the artist.

    Parameters
    ----------
    axes : Axes
    image : array_like (H, W)
        Row 0 at the top.
    pixel_scale : float, arcsec
    norm : Normalize
    cmap : str
    ticks : bool
        Whether the axes are numbered.
    """
    image = np.asarray(image)
    half_y, half_x = (count * pixel_scale / 2 for count in image.shape)
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


def add_title(figure: Figure, title: str, subtitle: str = "", size: float = 13.0) -> None:
    """Write a title and a line below it at the top left, shrunk or cut until they fit the figure's width."""
    height = figure.get_figheight()
    left = 0.15 / figure.get_figwidth()
    fit_text(figure, left, 1 - 0.12 / height, title, size, smallest=8.0, weight="bold", va="top", color="0.1")
    if subtitle:
        fit_text(figure, left, 1 - 0.40 / height, subtitle, 9.0, smallest=6.5, va="top", color="0.35")


def fit_text(figure: Figure, x: float, y: float, text: str, size: float, smallest: float, width: float = 0.0, **how):
    """Write text no wider than the figure (or ``width`` in inches): smaller first, then cut with an ellipsis."""
    room = width or figure.get_figwidth() * (1 - x) - 0.1
    artist = figure.text(x, y, text, fontsize=size, **how)
    taken = _width_of(figure, artist)
    if taken > room:
        artist.set_fontsize(max(smallest, size * room / taken * 0.99))
    while _width_of(figure, artist) > room and len(text) > 1:
        # Formulae are cut whole, words by the letter.
        cut = max(1, int(len(text) * (1 - room / _width_of(figure, artist)) * 0.8))
        text = text[: len(text) - cut].rstrip()
        if len(re.findall(r"(?<!\\)\$", text)) % 2:
            text = text[: text.rindex("$")].rstrip()
        text = text.rstrip("\\")
        artist.set_text(f"{text}…")
    return artist


def plain_text(text: str, longest: int = 200) -> str:
    """Return text from outside (a file's name) such that Matplotlib takes none of it for a formula or a missing glyph.

    Where it is too long, its middle goes: names of files tell themselves apart by both ends.
    """
    font = get_font(findfont("DejaVu Sans"))
    text = "".join(one if one.isprintable() and font.get_char_index(ord(one)) else "?" for one in str(text))
    if len(text) > longest:
        text = f"{text[: (longest - 1) // 2]}…{text[-(longest // 2) :]}"
    return text.replace("\\", "/").replace("$", r"\$")


def write_captions(values: ArrayLike, columns: Sequence, most: int = 3) -> list[str]:
    """Return one text for each row of values, such as ``$z_{\\rm src}$ = 1.52``, a line for each column.

    Parameters
    ----------
    values : array_like (N, L)
    columns : sequence of Column, length L
    most : int
        Columns beyond so many are left out.
    """
    shown = list(columns)[:most]
    texts = [format_values(column) for column in np.asarray(values, dtype=np.float64).T[: len(shown)]]
    return [
        "\n".join(f"{symbol_of(column)} = {text}{unit_of(column)}" for column, text in zip(shown, row, strict=True))
        for row in zip(*texts, strict=True)
    ]


def caption_size(figure: Figure, captions: Sequence[str], width: float, size: float, smallest: float = 5.0) -> float:
    """Return the font size at which the longest line of the captions is no wider than ``width`` inches."""
    lines = {line for caption in captions for line in caption.splitlines()}
    # Drawing each text to measure it would take longer than the figure: measure the likeliest few.
    longest = sorted(lines, key=lambda line: len(re.sub(r"\\rm|[${}_^]|(?<=\\)[A-Za-z]+", "", line)))[-3:]
    taken = 0.0
    for line in longest:
        artist = figure.text(0, 0, line, fontsize=size)
        taken = max(taken, _width_of(figure, artist))
        artist.remove()
    return size if taken <= width else max(smallest, size * width / taken)


def symbol_of(column) -> str:
    """Return a column's symbol in dollars, or its name where it has none."""
    return f"${column.symbol}$" if column.symbol else plain_text(column.name)


def unit_of(column) -> str:
    """Return a column's unit after a space, as it follows a number; arcsec as a double prime."""
    if column.unit == "arcsec":
        return "″"
    return f" {plain_text(column.unit)}" if column.unit else ""


def format_values(values: ArrayLike) -> list[str]:
    """Return numbers with as many decimals, the same for all, as the largest needs for about three figures."""
    values = np.asarray(values, dtype=np.float64)
    finite = np.abs(values[np.isfinite(values)])
    largest = float(finite.max()) if finite.size else 0.0
    power = int(np.floor(np.log10(largest))) if largest > 0 else 0
    if -4 <= power < 6:
        texts = [f"{value:.{max(0, 2 - power) if power >= 0 else 1 - power}f}" for value in values]
    else:
        texts = [f"{value:.2e}" for value in values]
    return [
        # Minus nothing is nothing.
        text.lstrip("-") if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}") if finite else "n/a"
        for text, finite in zip(texts, np.isfinite(values), strict=True)
    ]


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write a figure whole or not at all, in the format of its ending; the same figure gives the same bytes.

    Raises
    ------
    UsageError
        If the ending is not one of png, jpg, pdf, svg.
    RunError
        If the file cannot be written.
    """
    path = Path(path)
    kind = path.suffix.lower().lstrip(".")
    if kind not in FORMATS:
        raise UsageError(f"--figure-format: {path.name!r} is none of {', '.join(FORMATS)}")
    # Dates and versions would change the bytes of a figure that has not changed.
    metadata = {
        "png": {"Software": None},
        "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
        "svg": {"Date": None, "Creator": None},
    }.get(kind)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with style(), open(aside, "wb") as stream:
            figure.savefig(stream, format=kind, dpi=DPI, metadata=metadata)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(aside, path)
    except OSError as error:
        raise RunError(f"{path}: cannot write the figure ({error.strerror or error})") from error
    finally:
        with suppress(OSError):
            aside.unlink()
    return path


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


def _width_of(figure: Figure, artist) -> float:
    """Return the drawn width of a text in inches."""
    return artist.get_window_extent(figure.canvas.get_renderer()).width / figure.dpi


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

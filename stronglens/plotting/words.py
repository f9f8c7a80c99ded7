"""Titles, captions and numbers in figures."""

import re
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from numpy.typing import ArrayLike

from stronglens.parameters import Column


def add_title(figure: Figure, title: str, subtitle: str = "", size: float = 13.0) -> None:
    """Write a title and a subtitle at the upper left, shrunk or shortened to the width of the figure."""
    height = figure.get_figheight()
    left = 0.15 / figure.get_figwidth()
    fit_text(figure, left, 1 - 0.12 / height, title, size, smallest=8.0, weight="bold", va="top", color="0.1")
    if subtitle:
        fit_text(figure, left, 1 - 0.40 / height, subtitle, 9.0, smallest=6.5, va="top", color="0.35")


def fit_text(figure: Figure, x: float, y: float, text: str, size: float, smallest: float, width: float = 0.0, **how):
    """Write text within the figure (or within ``width`` inches): first reduce its size, then shorten it.

    Parameters
    ----------
    figure : Figure
    x, y : float, fractions of the figure
    text : str
    size, smallest : float, points
        Usual and minimum font size.
    width : float, inches
        Maximum width; 0 for the space to the right edge of the figure.
    **how
        Passed to `Figure.text`.

    Returns
    -------
    matplotlib.text.Text
    """
    available = width or figure.get_figwidth() * (1 - x) - 0.1
    artist = figure.text(x, y, text, fontsize=size, **how)
    taken = _width_of(figure, artist)
    if taken > available:
        artist.set_fontsize(max(smallest, size * available / taken * 0.99))
    while _width_of(figure, artist) > available and len(text) > 1:
        # A formula is removed as a whole, other text by characters.
        cut = max(1, int(len(text) * (1 - available / _width_of(figure, artist)) * 0.8))
        text = text[: len(text) - cut].rstrip()
        if len(re.findall(r"(?<!\\)\$", text)) % 2:
            text = text[: text.rindex("$")].rstrip()
        text = text.rstrip("\\")
        artist.set_text(f"{text}…")
    return artist


def caption_size(figure: Figure, captions: Sequence[str], width: float, size: float, smallest: float = 5.0) -> float:
    """Return the font size, in points, at which the longest line of the captions fits into ``width`` inches."""
    lines = {line for caption in captions for line in caption.splitlines()}
    # Measuring all lines would take longer than drawing the figure: measure the three longest.
    longest = sorted(lines, key=lambda line: len(re.sub(r"\\rm|[${}_^]|(?<=\\)[A-Za-z]+", "", line)))[-3:]
    taken = 0.0
    for line in longest:
        artist = figure.text(0, 0, line, fontsize=size)
        taken = max(taken, _width_of(figure, artist))
        artist.remove()
    return size if taken <= width else max(smallest, size * width / taken)


def plain_text(text: str, longest: int = 200) -> str:
    """Escape external text (such as a file name) so that Matplotlib finds no formulas and no missing glyphs in it.

    The middle of a long text is removed, since file names differ at both ends.
    """
    font = get_font(findfont("DejaVu Sans"))
    text = "".join(one if one.isprintable() and font.get_char_index(ord(one)) else "?" for one in str(text))
    if len(text) > longest:
        text = f"{text[: (longest - 1) // 2]}…{text[-(longest // 2) :]}"
    return text.replace("\\", "/").replace("$", r"\$")


def write_captions(values: ArrayLike, columns: Sequence[Column], most: int = 3) -> list[str]:
    """Return a caption for each row of values, with a line such as ``$z_{\\rm src}$ = 1.52`` for each column.

    Parameters
    ----------
    values : array_like (N, L), unit of each column
    columns : sequence of Column, length L
    most : int
        Maximum number of columns in a caption.

    Returns
    -------
    list of N str
    """
    shown = list(columns)[:most]
    texts = [format_values(column) for column in np.asarray(values, dtype=np.float64).T[: len(shown)]]
    return [
        "\n".join(f"{symbol_of(column)} = {text}{unit_of(column)}" for column, text in zip(shown, row, strict=True))
        for row in zip(*texts, strict=True)
    ]


def format_values(values: ArrayLike) -> list[str]:
    """Return numbers as text, all with the number of decimals that gives the largest three significant digits."""
    values = np.asarray(values, dtype=np.float64)
    finite = np.abs(values[np.isfinite(values)])
    largest = float(finite.max()) if finite.size else 0.0
    power = int(np.floor(np.log10(largest))) if largest > 0 else 0
    if -4 <= power < 6:
        texts = [f"{value:.{max(0, 2 - power) if power >= 0 else 1 - power}f}" for value in values]
    else:
        texts = [f"{value:.2e}" for value in values]
    return [
        # Avoid printing "-0".
        text.lstrip("-") if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}") if finite else "n/a"
        for text, finite in zip(texts, np.isfinite(values), strict=True)
    ]


def round_to_error(values: ArrayLike, error: float) -> list[str]:
    """Round numbers to two significant digits of their error; if the error is 0, to two digits of the first number."""
    values = np.asarray(values, dtype=np.float64)
    size = error or abs(values[0]) or 1.0
    decimals = int(np.clip(1 - np.floor(np.log10(size)), 0, 6))
    return [f"{round(value, decimals) + 0.0:.{decimals}f}" for value in values]  # + 0.0 avoids "-0"


def typeset_minus(text: str) -> str:
    """Replace the hyphen in the text of a number by a minus sign."""
    return text.replace("-", "\N{MINUS SIGN}")


def count_of(number: int, what: str) -> str:
    """Return a number with a noun in singular or plural, such as ``1,000 test images``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def symbol_of(column: Column) -> str:
    """Return the symbol of a column as a formula, or its name if it has no symbol."""
    return f"${column.symbol}$" if column.symbol else plain_text(column.name)


def unit_of(column: Column) -> str:
    """Return the unit of a column as written after a number: with a space, or a double prime for arcsec."""
    if column.unit == "arcsec":
        return "″"
    return f" {plain_text(column.unit)}" if column.unit else ""


def _width_of(figure: Figure, artist) -> float:
    """Return the width of a drawn text, inches."""
    return artist.get_window_extent(figure.canvas.get_renderer()).width / figure.dpi

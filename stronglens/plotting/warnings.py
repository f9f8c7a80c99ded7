"""Warnings inside figures, since a figure may be shown without the messages of the terminal."""

import textwrap
from collections.abc import Iterable, Sequence

from matplotlib.figure import Figure

from stronglens.plotting.words import fit_text, plain_text

RED = "#c00000"
LINE = 0.17
"""Height of a line, inches."""
CHARACTER = 0.077
"""Mean width of a bold character of 8 points, inches."""


def wrap_warnings(warnings: Iterable[str], width: float) -> list[str]:
    """Wrap warnings to lines of about ``width`` inches, for `write_warnings`."""
    return [line for text in warnings for line in textwrap.wrap(text, int(width / CHARACTER), break_on_hyphens=False)]


def write_warnings(figure: Figure, left: float, top: float, lines: Sequence[str], width: float) -> None:
    """Write lines in bold red text.

    Parameters
    ----------
    figure : Figure
    left, top : float, inches
        Position of the upper left corner of the text, from the lower left corner of the figure.
    lines : sequence of str
    width : float, inches
    """
    for k, line in enumerate(lines):
        at = left / figure.get_figwidth(), (top - LINE * k) / figure.get_figheight()
        fit_text(figure, *at, plain_text(line), 8.0, 6.0, width, weight="bold", va="top", color=RED)

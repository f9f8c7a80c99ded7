"""Warnings inside figures: a figure travels without what the terminal said."""

import textwrap
from collections.abc import Iterable, Sequence

from matplotlib.figure import Figure

from stronglens.plotting.words import fit_text, plain_text

RED = "#c00000"
LINE = 0.17
"""Height of a line, inches."""
CHARACTER = 0.077
"""Mean width of a letter at 8 points, bold, inches."""


def wrap_warnings(warnings: Iterable[str], width: float) -> list[str]:
    """Return the lines, each about as wide as ``width`` inches, that `write_warnings` writes."""
    return [line for text in warnings for line in textwrap.wrap(text, int(width / CHARACTER), break_on_hyphens=False)]


def write_warnings(figure: Figure, left: float, top: float, lines: Sequence[str], width: float) -> None:
    """Write lines in red and bold, the first one's top at ``top``, all in inches from the lower left corner."""
    for k, line in enumerate(lines):
        at = left / figure.get_figwidth(), (top - LINE * k) / figure.get_figheight()
        fit_text(figure, *at, plain_text(line), 8.0, 6.0, width, weight="bold", va="top", color=RED)

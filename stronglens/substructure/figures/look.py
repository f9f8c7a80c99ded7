"""Colours and line styles of the classes, and text for numbers with intervals."""

from collections.abc import Mapping

from stronglens.plotting import BLUE, GREEN, ORANGE

COLOURS = {"no": GREEN, "sphere": BLUE, "vortex": ORANGE}
# Line styles distinguish the classes without colour.
DASHES = {"no": "-", "sphere": (0, (7, 1.2)), "vortex": (0, (4, 1.2, 1, 1.2))}
MARKERS = {"no": "s", "sphere": "o", "vortex": "D"}
OTHER = "0.35"
"""Grey for a class with another name."""

METHODS = {
    "scalars": "scalar measurements",
    "network": "network",
    "refit": "matched filter, lens refitted",
    "known": "matched filter, lens known",
}
"""Names of the methods of classification in figures and the terminal."""


def line_style(name: str) -> dict:
    """Return colour and line style of a class."""
    return {"color": COLOURS.get(name, OTHER), "ls": DASHES.get(name, ":")}


def entry_text(entry: Mapping | None) -> str:
    """Return an entry as text, ``0.812 (0.800–0.823)``, or the reason why it is undefined."""
    if entry is None:
        return "n/a"
    if entry["value"] is None:
        return f"undefined ({entry['reason']})" if entry.get("reason") else "undefined"
    interval = "" if entry.get("low") is None else f" ({entry['low']:.3f}–{entry['high']:.3f})"
    return f"{entry['value']:.3f}{interval}"


def share_text(share: Mapping) -> str:
    """Return the entry of a share as text, ``37 % (31 to 43)``, or ``undefined``."""
    if share["value"] is None:
        return "undefined"
    interval = "" if share.get("low") is None else f" ({100 * share['low']:.0f} to {100 * share['high']:.0f})"
    return f"{100 * share['value']:.0f} %{interval}"


def count_text(number: int, what: str) -> str:
    """Return a count with a noun, ``7,500 test images``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"

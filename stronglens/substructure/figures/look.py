"""How the classes look in every figure, and how numbers with intervals are written."""

from collections.abc import Mapping

from stronglens.plotting import BLUE, GREEN, ORANGE

COLOURS = {"no": GREEN, "sphere": BLUE, "vortex": ORANGE}
# Lines also differ where there is no colour.
DASHES = {"no": "-", "sphere": (0, (7, 1.2)), "vortex": (0, (4, 1.2, 1, 1.2))}
MARKERS = {"no": "s", "sphere": "o", "vortex": "D"}
SPARE = "0.35"
"""Grey of a class with another name."""

JUDGES = {
    "scalars": "scalar measurements",
    "network": "network",
    "refit": "matched filter, lens refitted",
    "known": "matched filter, lens known",
}
"""Who tells the classes apart, as figures and terminal name them."""


def look_of(name: str) -> dict:
    """Return colour and dashes of a class's line."""
    return {"color": COLOURS.get(name, SPARE), "ls": DASHES.get(name, ":")}


def entry_text(entry: Mapping | None) -> str:
    """Return an entry as text, ``0.812 (0.800–0.823)``, or why it is undefined."""
    if entry is None:
        return "n/a"
    if entry["value"] is None:
        return f"undefined ({entry['reason']})" if entry.get("reason") else "undefined"
    interval = "" if entry.get("low") is None else f" ({entry['low']:.3f}–{entry['high']:.3f})"
    return f"{entry['value']:.3f}{interval}"


def share_text(share: Mapping) -> str:
    """Return an entry of a share as text, ``37 % (31 to 43)``, or ``undefined``."""
    if share["value"] is None:
        return "undefined"
    interval = "" if share.get("low") is None else f" ({100 * share['low']:.0f} to {100 * share['high']:.0f})"
    return f"{100 * share['value']:.0f} %{interval}"


def count_text(number: int, what: str) -> str:
    """Return a number of things, ``7,500 test images``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"

"""The style of all figures; saving of figures."""

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from stronglens.atomic import replacing
from stronglens.parameters import RunError, UsageError

FORMATS = ("png", "jpg", "pdf", "svg")
STYLE = {
    "font.family": "DejaVu Sans",  # included in Matplotlib, so it exists on every machine
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
    "svg.hashsalt": "stronglens",  # otherwise ids in SVG files are random
    "pdf.fonttype": 42,
    "text.parse_math": True,
}
# Colours that can be distinguished with all kinds of colour blindness, and in greyscale, where blue is darker.
BLUE, ORANGE, GREEN, GREY = "#2a6fbb", "#d9652b", "#4bb39a", "0.45"
DPI = 150


@contextmanager
def style() -> Iterator[None]:
    """Context with the style of this project, independent of the user's Matplotlib settings."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure with a width and height in inches; it needs no display."""
    figure = Figure(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure


def check_cmap(name: str) -> str:
    """Return the name of a Matplotlib colour map.

    Raises
    ------
    UsageError
        If the colour map does not exist; the message suggests a similar name.
    """
    known = {known.lower(): known for known in mpl.colormaps}
    if name in mpl.colormaps:
        return name
    near = difflib.get_close_matches(str(name).lower(), known, n=1, cutoff=0.4)
    hint = f"did you mean {known[near[0]]}?" if near else "try magma, viridis or gray"
    raise UsageError(f"--cmap={name}: not a Matplotlib colour map; {hint}")


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write a figure atomically, in the format of its suffix. Equal figures give equal bytes.

    Returns
    -------
    Path

    Raises
    ------
    UsageError
        If the suffix is not one of png, jpg, pdf, svg.
    RunError
        If the file cannot be written.
    """
    path = Path(path)
    kind = path.suffix.lower().lstrip(".")
    if kind not in FORMATS:
        raise UsageError(f"--figure-format: {path.name!r} is not one of {', '.join(FORMATS)}")
    # Dates and versions would change the bytes of equal figures.
    metadata = {
        "png": {"Software": None},
        "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
        "svg": {"Date": None, "Creator": None},
    }.get(kind)
    try:
        with style(), replacing(path) as aside:
            figure.savefig(aside, format=kind, dpi=DPI, metadata=metadata)
    except OSError as error:
        raise RunError(f"{path}: cannot write the figure ({error.strerror or error})") from error
    return path

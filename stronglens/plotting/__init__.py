"""The style of all figures: image panels, colour bars, titles, saving.

Figures are made without pyplot: they need no display and change no global state. A drawing function works inside
`style()` and returns a `Figure`, which `save_figure` writes.
"""

from stronglens.plotting.curves import best_epoch, draw_epochs, pair_curves, scale_losses
from stronglens.plotting.history import draw_history
from stronglens.plotting.images import (
    DIVERGING,
    PanelGrid,
    add_colour_bar,
    asinh_norm,
    draw_image,
    explain_indices,
    grid_shape,
    inches,
    length_unit,
    symmetric_ticks,
    write_index,
)
from stronglens.plotting.panels import draw_panels, title_grid
from stronglens.plotting.style import BLUE, FORMATS, GREEN, GREY, ORANGE, check_cmap, new_figure, save_figure, style
from stronglens.plotting.warnings import LINE, RED, wrap_warnings, write_warnings
from stronglens.plotting.words import (
    add_title,
    caption_size,
    count_of,
    fit_text,
    format_values,
    plain_text,
    round_to_error,
    symbol_of,
    typeset_minus,
    unit_of,
    write_captions,
)

__all__ = [
    "BLUE",
    "DIVERGING",
    "FORMATS",
    "GREEN",
    "GREY",
    "LINE",
    "ORANGE",
    "RED",
    "PanelGrid",
    "add_colour_bar",
    "add_title",
    "asinh_norm",
    "best_epoch",
    "caption_size",
    "check_cmap",
    "count_of",
    "draw_epochs",
    "draw_history",
    "draw_image",
    "draw_panels",
    "explain_indices",
    "fit_text",
    "format_values",
    "grid_shape",
    "inches",
    "length_unit",
    "new_figure",
    "pair_curves",
    "plain_text",
    "round_to_error",
    "save_figure",
    "scale_losses",
    "style",
    "symbol_of",
    "symmetric_ticks",
    "title_grid",
    "typeset_minus",
    "unit_of",
    "wrap_warnings",
    "write_captions",
    "write_index",
    "write_warnings",
]

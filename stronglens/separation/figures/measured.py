"""Figure of one measured image: what the network was given, and what it separated."""

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from stronglens.measuring import Measurement
from stronglens.plotting import (
    DIVERGING,
    LINE,
    add_colour_bar,
    add_title,
    draw_image,
    fit_text,
    inches,
    new_figure,
    plain_text,
    style,
    wrap_warnings,
    write_warnings,
)
from stronglens.separation.figures.images import RESIDUALS, stretch_light

PANEL, GAP, LEFT = 2.0, 0.08, 0.25
"""Side of a panel, gap between panels that share a stretch, left margin, inches."""

BAR = 0.95
"""Width of a colour bar with its numbers, inches."""


def draw_measured_light(one: Measurement, pixel_scale: float, cmap: str = "magma") -> Figure:
    """Draw the input of the network, the light without noise, lens, source and residuals over noise.

    Parameters
    ----------
    one : Measurement
        Of a `SeparationPrediction`.
    pixel_scale : float, arcsec
    cmap : str
    """
    planes, deviation = one.prediction.planes, one.prediction.deviation
    noise = float(np.median(deviation))
    light, faint = stretch_light(one.seen, noise), stretch_light(planes["SOURCE"], noise)
    groups: list[tuple[list[tuple[str, np.ndarray]], Normalize, str, str]] = [
        ([("image", one.seen), ("denoised", planes["DENOISED"]), ("lens", planes["LENS"])], light, cmap, "e⁻/s"),
        ([("source", planes["SOURCE"])], faint, cmap, "e⁻/s"),
        ([("residual / noise", planes["RESIDUAL"] / deviation)], RESIDUALS, DIVERGING, ""),
    ]
    width = LEFT + 5 * PANEL + 2 * GAP + 3 * BAR
    warnings = wrap_warnings(one.prediction.warnings, width - 0.4)
    notes = [plain_text(note, longest=190) for note in one.notes if note not in one.prediction.warnings]
    head, foot = 0.95 + LINE * len(warnings), 0.35 + LINE * len(notes)
    with style():
        figure = new_figure(width, head + PANEL + foot)
        height = figure.get_figheight()
        source, lens, chi2 = one.values
        below = f"source {source:.4g} e⁻/s, lens {lens:.4g} e⁻/s in this field; chi2 per pixel {chi2:.2f}"
        add_title(figure, f"Light of {plain_text(one.name, longest=90)}", below)
        write_warnings(figure, LEFT, height - 0.68, warnings, width - 0.4)
        left, bottom = LEFT, height - head - PANEL
        for panels, norm, colours, unit in groups:
            for title, image in panels:
                axes = figure.add_axes(inches(figure, left, bottom, PANEL, PANEL))
                draw_image(axes, image, pixel_scale, norm, colours, ticks=False)
                axes.set_title(title, size=9, pad=3, loc="left")
                left += PANEL + GAP
            add_colour_bar(figure, inches(figure, left - 0.02, bottom, 0.1, PANEL), norm, colours, unit)
            left += BAR - GAP
        side = one.seen.shape[1] * pixel_scale
        for line, note in enumerate([f"field of {side:.3g} arcsec; source + lens + residual = image", *notes]):
            at = LEFT / width, (foot - 0.12 - LINE * line) / height
            fit_text(figure, *at, note, 8.0, 6.0, width - 0.4, va="top", color="0.35")
    return figure

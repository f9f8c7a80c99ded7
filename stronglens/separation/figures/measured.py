"""Figure of one measured image: what the network was given, and what it separated."""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from stronglens.measuring import Measurement
from stronglens.plotting import (
    DIVERGING,
    LINE,
    add_colour_bar,
    add_title,
    asinh_norm,
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
from stronglens.separation.figures.maps import KAPPA, KAPPA_TICKS

PANEL, GAP, LEFT = 2.0, 0.08, 0.25
"""Side of a panel, gap between panels that share a stretch, left margin, inches."""

BAR = 0.95
"""Width of a colour bar with its numbers, inches."""

Group = tuple[list[tuple[str, np.ndarray]], Normalize, str, str]
"""Titles and images of panels, their stretch, colour map and unit."""


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
    groups: list[Group] = [
        ([("image", one.seen), ("denoised", planes["DENOISED"]), ("lens", planes["LENS"])], light, cmap, "e⁻/s"),
        ([("source", planes["SOURCE"])], faint, cmap, "e⁻/s"),
        ([("residual / noise", planes["RESIDUAL"] / deviation)], RESIDUALS, DIVERGING, ""),
    ]
    source, lens, chi2 = one.values
    below = f"source {source:.4g} e⁻/s, lens {lens:.4g} e⁻/s in this field; chi2 per pixel {chi2:.2f}"
    return _draw_groups(one, groups, pixel_scale, "Light", below, "source + lens + residual = image")


def draw_measured_map(one: Measurement, pixel_scale: float, cmap: str = "magma") -> Figure:
    """Draw the input of the network, the convergence and its uncertainty.

    Parameters
    ----------
    one : Measurement
        Of a `SeparationPrediction`.
    pixel_scale : float, arcsec
    cmap : str
    """
    planes = one.prediction.planes
    sigma = Normalize(0, float(np.percentile(planes["SIGMA_LN"], 99)))
    groups: list[Group] = [
        ([("image", one.seen)], asinh_norm(one.seen), cmap, "e⁻/s"),
        ([("convergence", planes["CONVERGENCE"])], KAPPA, "viridis", ""),
        ([("standard deviation of ln convergence", planes["SIGMA_LN"])], sigma, "viridis", ""),
    ]
    radius, _ = one.values
    below = f"Einstein radius {radius:.3g} arcsec: mean convergence 1 about the centre"
    note = "mass-sheet degeneracy: the map has the mass sheet of the lens models that were simulated"
    return _draw_groups(one, groups, pixel_scale, "Convergence", below, note)


def _draw_groups(
    one: Measurement, groups: Sequence[Group], pixel_scale: float, what: str, below: str, note: str
) -> Figure:
    """Draw groups of panels that share a stretch, with a colour bar each, and the notes below."""
    panels_in_all = sum(len(panels) for panels, *_ in groups)
    width = LEFT + panels_in_all * (PANEL + GAP) + len(groups) * (BAR - GAP)
    warnings = wrap_warnings(one.prediction.warnings, width - 0.4)
    notes = [plain_text(text, longest=190) for text in one.notes if text not in one.prediction.warnings]
    head, foot = 0.95 + LINE * len(warnings), 0.35 + LINE * len(notes)
    with style():
        figure = new_figure(width, head + PANEL + foot)
        height = figure.get_figheight()
        add_title(figure, f"{what} of {plain_text(one.name, longest=90)}", below)
        write_warnings(figure, LEFT, height - 0.68, warnings, width - 0.4)
        left, bottom = LEFT, height - head - PANEL
        for panels, norm, colours, unit in groups:
            for title, image in panels:
                axes = figure.add_axes(inches(figure, left, bottom, PANEL, PANEL))
                draw_image(axes, image, pixel_scale, norm, colours, ticks=False)
                axes.set_title(title, size=9, pad=3, loc="left")
                left += PANEL + GAP
            bar = add_colour_bar(figure, inches(figure, left - 0.02, bottom, 0.1, PANEL), norm, colours, unit)
            if norm is KAPPA:
                bar.set_ticks(KAPPA_TICKS)
            left += BAR - GAP
        side = one.seen.shape[1] * pixel_scale
        for line, text in enumerate([f"field of {side:.3g} arcsec; {note}", *notes]):
            at = LEFT / width, (foot - 0.12 - LINE * line) / height
            fit_text(figure, *at, text, 8.0, 6.0, width - 0.4, va="top", color="0.35")
    return figure

"""Figure of one measured image: the observation, the reconstructed source and its image."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

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
from stronglens.reconstruction.source_prediction import SourcePrediction

WIDTH, PANEL, GAP, LEFT = 10.4, 2.35, 1.0, 0.25
"""Of the figure, of a panel, between panels, and left of them, in inches."""

BARS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Lengths of scale bars, arcsec."""

RESIDUALS = Normalize(-5, 5)


def draw_reconstruction(
    name: str,
    prediction: SourcePrediction,
    pixel_scale: float,
    source_pixel: float,
    unit: str,
    cmap: str = "magma",
    notes: Sequence[str] = (),
) -> Figure:
    """Draw the observed image, the model and the residuals; the source, its error and the inversion.

    Image and model share a colour scale, and so do source and inversion.

    Parameters
    ----------
    name : str
        Of the image.
    prediction : SourcePrediction
    pixel_scale, source_pixel : float, arcsec
        Of the image and of the source.
    unit : str
        Of the surface brightness.
    cmap : str
    notes : sequence of str
        Written below the panels.
    """
    warnings = wrap_warnings(prediction.warnings, WIDTH - 0.4)
    notes = [plain_text(note, longest=180) for note in notes]
    head, row_height, foot = 0.75 + LINE * len(warnings), PANEL + 0.35, 0.2 + LINE * len(notes)
    light, sources = asinh_norm(prediction.image, ceiling=99.9), asinh_norm(prediction.source, ceiling=100)
    per_pixel = f"[{unit}]"
    rows = [
        [
            ("observed", prediction.image, light, cmap, per_pixel),
            ("image of the source", prediction.model, light, cmap, per_pixel),
            ("residuals", prediction.residuals, RESIDUALS, DIVERGING, "(observed - model) / deviation"),
        ],
        [
            ("source", prediction.source, sources, cmap, per_pixel),
            ("68 % half-width of its error", prediction.sigma, _linear(prediction.sigma), cmap, per_pixel),
            ("non-negative inversion", prediction.inversion, sources, cmap, per_pixel),
        ],
    ]
    with style():
        figure = new_figure(WIDTH, head + 2 * row_height + foot)
        height = figure.get_figheight()
        _, peak, radius, magnification, chi2, of_inversion = prediction.values
        below = (
            f"peak {peak:.3g} {unit}, half-light radius {radius:.2g} arcsec, magnification {magnification:.3g}; "
            f"chi2 per pixel {chi2:.2f}, of the inversion {of_inversion:.2f}"
        )
        add_title(figure, f"Source of {plain_text(name, longest=80)}", plain_text(below))
        write_warnings(figure, LEFT, height - 0.68, warnings, WIDTH - 0.4)
        for row, panels in enumerate(rows):
            bottom, scale = height - head - (row + 1) * row_height + 0.05, (pixel_scale, source_pixel)[row]
            for column, (title, image, norm, colours, label) in enumerate(panels):
                left = LEFT + column * (PANEL + GAP)
                axes = figure.add_axes(inches(figure, left, bottom, PANEL, PANEL))
                axes.set_title(title, loc="left", pad=3)
                if image is None:
                    axes.set(xticks=[], yticks=[])
                    axes.text(
                        0.5, 0.5, "not given: the network\nis not trained", ha="center", va="center",
                        transform=axes.transAxes, color="0.35",
                    )  # fmt: skip
                    continue
                axes.set_facecolor("0.75")  # excluded pixels
                draw_image(axes, image, scale, norm, colours, ticks=False)
                _draw_scale_bar(axes, len(image) * scale, "0.1" if norm is RESIDUALS else "w")
                box = inches(figure, left + PANEL + 0.06, bottom, 0.09, PANEL)
                add_colour_bar(figure, box, norm, colours, label)
        for line, note in enumerate(notes):
            at = LEFT / WIDTH, (foot - 0.05 - LINE * line) / height
            fit_text(figure, *at, note, 8.0, 6.0, WIDTH - 0.4, va="top", color="0.35")
    return figure


def _linear(sigma: np.ndarray | None) -> Normalize:
    return Normalize(0, 1 if sigma is None else float(sigma.max()) or 1)


def _draw_scale_bar(axes: Axes, field: float, color: str) -> None:
    """Draw a bar of a round length, at most a third of the field, in the lower left corner."""
    length = max((bar for bar in BARS if bar <= field / 3), default=BARS[0])
    x, y = -0.45 * field, -0.45 * field
    outline = [withStroke(linewidth=2.5, foreground="0.1" if color == "w" else "w")]
    axes.plot([x, x + length], [y, y], color=color, lw=1.5, path_effects=outline, scalex=False, scaley=False)
    text = axes.text(x + length / 2, y + 0.02 * field, f"{length:g}″", color=color, size=7.0, ha="center", va="bottom")
    text.set_path_effects(outline)

"""Figures of the reconstruction task."""

from stronglens.reconstruction.figures.graphs import draw_errors, draw_flux, draw_history, draw_lens_errors, draw_steps
from stronglens.reconstruction.figures.sources import Panel, draw_sources

__all__ = [
    "Panel",
    "draw_errors",
    "draw_flux",
    "draw_history",
    "draw_lens_errors",
    "draw_sources",
    "draw_steps",
]

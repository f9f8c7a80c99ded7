"""Figures of the separation task."""

from stronglens.separation.figures.graphs import draw_flux, draw_history, draw_psnr
from stronglens.separation.figures.images import draw_separated
from stronglens.separation.figures.maps import draw_losses, draw_map_errors, draw_maps

__all__ = [
    "draw_flux",
    "draw_history",
    "draw_losses",
    "draw_map_errors",
    "draw_maps",
    "draw_psnr",
    "draw_separated",
]

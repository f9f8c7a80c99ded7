"""Figures of the separation task."""

from stronglens.separation.figures.graphs import draw_flux, draw_history, draw_psnr
from stronglens.separation.figures.images import draw_separated

__all__ = ["draw_flux", "draw_history", "draw_psnr", "draw_separated"]

"""Figures of the generation task: arrays in, Matplotlib figures out."""

from stronglens.generation.figures.codes import draw_aggregate, draw_latents
from stronglens.generation.figures.graphs import draw_errors, draw_losses, draw_statistics
from stronglens.generation.figures.images import draw_grid, draw_reconstructions, draw_samples

__all__ = [
    "draw_aggregate",
    "draw_errors",
    "draw_grid",
    "draw_latents",
    "draw_losses",
    "draw_reconstructions",
    "draw_samples",
    "draw_statistics",
]

"""Figures of the generation task: arrays in, Matplotlib figures out."""

from stronglens.generation.figures.codes import draw_aggregate, draw_latents
from stronglens.generation.figures.graphs import draw_losses
from stronglens.generation.figures.images import draw_grid, draw_reconstructions

__all__ = ["draw_aggregate", "draw_grid", "draw_latents", "draw_losses", "draw_reconstructions"]

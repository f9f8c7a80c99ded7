"""Figures of the generation task: arrays in, Matplotlib figures out."""

from stronglens.generation.figures.adversaries import draw_players, draw_there_and_back, write_samples
from stronglens.generation.figures.codes import draw_aggregate, draw_latents
from stronglens.generation.figures.graphs import draw_errors, draw_losses, draw_statistics
from stronglens.generation.figures.images import draw_grid, draw_reconstructions, draw_samples
from stronglens.generation.figures.rows import draw_components, draw_row_codes, draw_row_errors, draw_spectra

__all__ = [
    "draw_aggregate",
    "draw_components",
    "draw_errors",
    "draw_grid",
    "draw_latents",
    "draw_losses",
    "draw_players",
    "draw_reconstructions",
    "draw_row_codes",
    "draw_row_errors",
    "draw_samples",
    "draw_spectra",
    "draw_statistics",
    "draw_there_and_back",
    "write_samples",
]

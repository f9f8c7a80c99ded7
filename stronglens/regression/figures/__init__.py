"""Figures of the regression task: arrays in, Matplotlib figures out."""

from stronglens.regression.figures.calibration import draw_contraction, draw_coverage, draw_ranks
from stronglens.regression.figures.corner import draw_corner
from stronglens.regression.figures.graphs import draw_generalisation_gap, draw_losses, draw_predictions
from stronglens.regression.figures.images import draw_activations, draw_gallery, draw_samples
from stronglens.regression.figures.lens_model import draw_lens_model
from stronglens.regression.figures.posteriors import draw_posteriors, draw_prior_dependence
from stronglens.regression.figures.source import draw_source

__all__ = [
    "draw_activations",
    "draw_contraction",
    "draw_corner",
    "draw_coverage",
    "draw_gallery",
    "draw_generalisation_gap",
    "draw_lens_model",
    "draw_losses",
    "draw_posteriors",
    "draw_predictions",
    "draw_prior_dependence",
    "draw_ranks",
    "draw_samples",
    "draw_source",
]

"""Figures of the finding task: arrays in, Matplotlib figures out."""

from stronglens.finding.figures.graphs import draw_completeness, draw_purity, draw_roc
from stronglens.finding.figures.mistakes import draw_mistakes

__all__ = ["draw_completeness", "draw_mistakes", "draw_purity", "draw_roc"]

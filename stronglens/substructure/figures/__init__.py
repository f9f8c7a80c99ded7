"""Figures of the substructure task: arrays in, Matplotlib figures out."""

from stronglens.plotting import draw_history
from stronglens.substructure.figures.ceiling import draw_auc_against, draw_ceiling
from stronglens.substructure.figures.graphs import draw_confusion, draw_reliability, draw_roc
from stronglens.substructure.figures.images import draw_mistakes, draw_samples
from stronglens.substructure.figures.look import METHODS, share_text

__all__ = [
    "METHODS",
    "draw_auc_against",
    "draw_ceiling",
    "draw_confusion",
    "draw_history",
    "draw_mistakes",
    "draw_reliability",
    "draw_roc",
    "draw_samples",
    "share_text",
]

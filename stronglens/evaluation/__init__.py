"""Metrics with confidence intervals and a no-information baseline. NumPy and SciPy only, but for ``baseline.py``."""

from stronglens.evaluation.bins import auc_in_bins
from stronglens.evaluation.bootstrap import count_draws, draw_resamples, make_entry, undefined
from stronglens.evaluation.calibration import NOT_CONSTRAINED, posterior_metrics
from stronglens.evaluation.classification import classification_metrics, classification_table
from stronglens.evaluation.ranking import REFERENCE, area_under_curve, odds_against, roc_curve
from stronglens.evaluation.regression import metrics_table, regression_metrics
from stronglens.evaluation.verdict import describe_calibration

__all__ = [
    "NOT_CONSTRAINED",
    "REFERENCE",
    "area_under_curve",
    "auc_in_bins",
    "classification_metrics",
    "classification_table",
    "count_draws",
    "describe_calibration",
    "draw_resamples",
    "make_entry",
    "metrics_table",
    "odds_against",
    "posterior_metrics",
    "regression_metrics",
    "roc_curve",
    "undefined",
]

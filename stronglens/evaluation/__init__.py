"""Metrics with confidence intervals, beside what one would say without looking. NumPy only."""

from stronglens.evaluation.bins import auc_in_bins
from stronglens.evaluation.bootstrap import mean_with_interval
from stronglens.evaluation.classification import auc_with_interval, classification_metrics, classification_table
from stronglens.evaluation.ranking import area_under_curve, odds_against, roc_curve
from stronglens.evaluation.regression import metrics_table, regression_metrics

__all__ = [
    "area_under_curve",
    "auc_in_bins",
    "auc_with_interval",
    "classification_metrics",
    "classification_table",
    "mean_with_interval",
    "metrics_table",
    "odds_against",
    "regression_metrics",
    "roc_curve",
]

"""Stub of the metrics of lens finding."""

from stronglens.evaluation import area_under_curve


def evaluate(valid, tested, *, doubtful, others, field, scalars, prevalence, seed):
    """Return the metrics."""
    areas = {
        name: area_under_curve(one.is_lens, one.probability) for name, one in (("auroc", tested), ("scalars", scalars))
    }
    return areas | {"others": {name: float(one.probability.mean()) for name, one in others.items()}}


def format_report(metrics):
    """Return lines for the terminal."""
    return [str(metrics)]

"""Metrics of point estimates, with bootstrap intervals and a baseline: predicting the mean."""

from collections.abc import Callable, Sequence

import numpy as np

from stronglens.evaluation.bootstrap import draw_resamples, format_interval, format_number, make_entry, undefined

METRICS = {
    "rmse": "RMSE",
    "mae": "MAE",
    "median_absolute_error": "median |error|",
    "half_width_68": "68 % half-width",
    "bias": "bias",
    "r2": "R^2",
}
UNITLESS = ("r2",)


def regression_metrics(
    true: np.ndarray,
    predicted: np.ndarray,
    baseline: np.ndarray,
    names: Sequence[str],
    *,
    seed: int,
    n_bootstrap: int = 1000,
    level: float = 0.95,
) -> dict:
    """Compute the metrics of each label with bootstrap intervals.

    With the error e = predicted - true, the metrics are RMSE = sqrt(mean e^2), MAE = mean |e|, median |e|, the 68 %
    half-width = half the distance between the 16th and 84th percentile of e, bias = mean e, and
    R^2 = 1 - sum e^2 / sum (true - mean true)^2. Intervals are percentiles of ``n_bootstrap`` resamples of the images
    with replacement (Efron 1979, Ann. Statist. 7, 1). All labels have the same resamples.

    Parameters
    ----------
    true, predicted : ndarray (N, L), unit of each label
    baseline : ndarray (L,), unit of each label
        Prediction without information: the mean of the training labels.
    names : sequence of L str
    seed : int
        Seed of the resampling.
    n_bootstrap : int
        Number of resamples.
    level : float
        Probability of an interval, for example 0.95.

    Returns
    -------
    dict
        ``{"images": N, "level": level, "resamples": n_bootstrap, "labels": {name: {"rmse": entry, ...,
        "baseline": {"rmse": entry, "r2": entry}}}}`` with entries ``{"value", "low", "high"}``. All data are JSON
        types: an undefined number is None, and its entry has a ``"reason"``.

    Raises
    ------
    ValueError
        If the shapes do not agree.
    """
    true, predicted = np.asarray(true, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    baseline = np.asarray(baseline, dtype=np.float64)
    if true.ndim != 2 or true.shape != predicted.shape or baseline.shape != true.shape[1:] == (len(names),):
        raise ValueError(
            f"shapes do not agree: true {true.shape}, predicted {predicted.shape}, "
            f"baseline {baseline.shape}, {len(names)} names"
        )
    labels = {}
    for name, truth, guess, mean in zip(names, true.T, predicted.T, baseline, strict=True):
        # A new generator for each label: the resamples are the same for all labels.
        labels[name] = _bootstrap(truth, guess, _all_metrics, np.random.default_rng(seed), n_bootstrap, level)
        labels[name]["baseline"] = _bootstrap(
            truth, np.full_like(truth, mean), _baseline_metrics, np.random.default_rng(seed), n_bootstrap, level
        )
    return {"images": len(true), "level": level, "resamples": n_bootstrap, "labels": labels}


def metrics_table(metrics: dict, units: dict[str, str | None]) -> str:
    """Format metrics as a table for a terminal.

    Parameters
    ----------
    metrics : dict
        From `regression_metrics`.
    units : dict
        Unit of each label by name; None without a unit.

    Returns
    -------
    str
        One block per label and one line per metric: value, interval, and the baseline's value.
    """
    head = f"{metrics['level']:.0%} interval"
    lines = [f"{metrics['images']} test images"]
    for name, entries in metrics["labels"].items():
        unit = units.get(name)
        lines += ["", f"{name} [{unit}]" if unit else name]
        lines.append(f"  {'':<16}{'value':>10}  {head:>22}  {'predicting the mean':>19}")
        for metric, title in METRICS.items():
            entry, baseline = entries[metric], entries["baseline"].get(metric)
            beside = "" if baseline is None else format_number(baseline["value"])
            line = f"  {title:<16}{format_number(entry['value']):>10}  {format_interval(entry):>22}  {beside:>19}"
            lines.append(line.rstrip() + (f"  ({entry['reason']})" if entry.get("reason") else ""))
    return "\n".join(lines)


def _all_metrics(true: np.ndarray, error: np.ndarray) -> dict[str, np.ndarray]:
    # Both arrays are (..., N); each metric is (...).
    size = np.abs(error)
    low, high = np.percentile(error, (50 - 34.135, 50 + 34.135), axis=-1)
    return {
        "rmse": np.sqrt(np.mean(np.square(error), axis=-1)),
        "mae": size.mean(axis=-1),
        "median_absolute_error": np.median(size, axis=-1),
        "half_width_68": (high - low) / 2,
        "bias": error.mean(axis=-1),
        "r2": _coefficient_of_determination(true, error),
    }


def _baseline_metrics(true: np.ndarray, error: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "rmse": np.sqrt(np.mean(np.square(error), axis=-1)),
        "r2": _coefficient_of_determination(true, error),
    }


def _coefficient_of_determination(true: np.ndarray, error: np.ndarray) -> np.ndarray:
    spread = np.square(true - true.mean(axis=-1, keepdims=True)).sum(axis=-1)
    # The mean of equal numbers differs from them by rounding, so test for equality, not for zero spread.
    constant = true.max(axis=-1) == true.min(axis=-1)
    return np.where(constant, np.nan, 1 - np.square(error).sum(axis=-1) / np.where(constant, 1.0, spread))


def _bootstrap(
    true: np.ndarray,
    predicted: np.ndarray,
    measure: Callable[[np.ndarray, np.ndarray], dict[str, np.ndarray]],
    rng: np.random.Generator,
    resamples: int,
    level: float,
) -> dict[str, dict]:
    error = predicted - true
    if not len(true):
        names = measure(np.zeros(1), np.zeros(1))
        return {name: undefined("no test images") for name in names}
    if not (np.isfinite(error).all()):
        return {name: undefined("values that are not finite") for name in measure(true, np.zeros_like(true))}
    values = measure(true, error)
    drawn = {name: np.empty(resamples if len(true) > 1 else 0) for name in values}
    for places, which in draw_resamples(rng, len(true), resamples):
        for name, numbers in measure(true[which], error[which]).items():
            drawn[name][places] = numbers
    because = "the truth is the same in every test image"
    return {name: make_entry(value, drawn[name], level, because) for name, value in values.items()}

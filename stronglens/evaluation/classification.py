"""Metrics of predicted class probabilities, with bootstrap intervals and a no-information baseline."""

from collections.abc import Sequence

import numpy as np

from stronglens.evaluation.bootstrap import (
    count_draws,
    draw_resamples,
    format_interval,
    format_number,
    make_entry,
    undefined,
)
from stronglens.evaluation.ranking import REFERENCE, area_under_curve, odds_against

CALIBRATION_BINS = 15
CHANCE_DRAWS = 200
"""Simulations for the calibration error expected under calibration: their mean is accurate to a few per cent."""
# Lower bound on probabilities in the log loss. It is Keras's own, so that the log loss equals the training loss.
SMALLEST_PROBABILITY = 1e-7
# Tolerance on the sum of the probabilities, for a softmax in half precision.
SUM_TOLERANCE = 1e-2

SCALARS = {
    "accuracy": "accuracy",
    "macro_auc": "mean AUC",
    "log_loss": "log loss",
    "calibration_error": "calibration error",
}
CHANCE = {"value": 0.5, "low": 0.5, "high": 0.5}
"""AUC of a score without information."""
NO_IMAGES, NOT_FINITE = "no test images", "values that are not finite"


def classification_metrics(
    true: np.ndarray,
    probabilities: np.ndarray,
    classes: Sequence[str],
    *,
    seed: int,
    n_bootstrap: int = 1000,
    level: float = 0.95,
) -> dict:
    """Compute the metrics of class probabilities with bootstrap intervals.

    The metrics are: accuracy of the most probable class; AUC of each class against all others (score P(class)) and
    their unweighted mean; AUC of each class against ``"no"`` among the images of the two (score P(class) / (P(class)
    + P(no))); log loss = -mean log P(true class); expected calibration error
    ECE = sum_b n_b / N |accuracy_b - confidence_b| over 15 equal bins of the probability of the most probable class
    (Guo et al. 2017, ICML, 1321).

    Intervals are percentiles of ``n_bootstrap`` resamples of the images with replacement (Efron 1979, Ann. Statist.
    7, 1). Images are drawn independently of their class, so that an interval includes the scatter of the class
    fractions. The calibration error has the basic bootstrap interval, 2 value - percentile, since noise increases this
    error and a resample increases it again. If the true error is nearly zero, this interval is still too high; compare
    it with ``"calibration_error_by_chance"``, the mean and range of the errors of a perfectly calibrated network, whose
    true classes are drawn from the same probabilities (Broecker & Smith 2007, Weather and Forecasting 22, 651).

    Parameters
    ----------
    true : ndarray (N,) int
        Index of the true class.
    probabilities : ndarray (N, C)
        Non-negative; the sum of each row is one.
    classes : sequence of C str
    seed : int
        Seed of the resampling.
    n_bootstrap : int
        Number of resamples.
    level : float
        Probability of an interval, for example 0.95.

    Returns
    -------
    dict
        ``{"images": N, "level", "resamples", "classes", "counts": {class: images}, "accuracy": entry,
        "macro_auc": entry, "log_loss": entry, "calibration_error": entry, "calibration_error_by_chance": entry,
        "auc": {class: entry}, "auc_against_no": {class: entry}, "confusion": [[number of images of true class i and
        predicted class j]], "reliability": [{"low", "high", "count", "confidence", "accuracy"}], "baseline":
        {"accuracy": entry, "log_loss": entry, "auc": entry}}`` with entries ``{"value", "low", "high"}``. The
        baseline's accuracy is that of the most frequent class, its log loss that of the class fractions. All data are
        JSON types: an undefined number is None, and its entry has a ``"reason"``.

    Raises
    ------
    ValueError
        If the shapes do not agree, rows are not probabilities, or an index is not a class.
    """
    true, probabilities = check_probabilities(true, probabilities, classes)
    finite = bool(np.isfinite(probabilities).all())
    reason = NO_IMAGES if not len(true) else None if finite else NOT_FINITE
    predicted = np.argmax(np.nan_to_num(probabilities), axis=1) if finite else np.empty(0, int)
    confusion = np.zeros((len(classes), len(classes)), dtype=int)
    if finite:
        np.add.at(confusion, (true, predicted), 1)
    counts = np.bincount(true, minlength=len(classes))
    result = {
        "images": len(true),
        "level": level,
        "resamples": n_bootstrap,
        "classes": list(classes),
        "counts": {name: int(count) for name, count in zip(classes, counts, strict=True)},
    }
    entries = bootstrap_metrics(
        true, probabilities, classes, np.random.default_rng(seed), n_bootstrap, level, reason=reason
    )
    others = [name for name in classes if name != REFERENCE and REFERENCE in classes]
    return result | {
        **{name: entries[name,] for name in SCALARS},
        "calibration_error_by_chance": undefined(reason)
        if reason
        else _calibration_by_chance(probabilities, seed, level),
        "auc": {name: entries["auc", name] for name in classes},
        f"auc_against_{REFERENCE}": {name: entries["against", name] for name in others},
        "confusion": confusion.tolist(),
        "reliability": _reliability(true, probabilities) if finite else [],
        "baseline": {
            "accuracy": entries["baseline", "accuracy"],
            "log_loss": entries["baseline", "log_loss"],
            "auc": dict(CHANCE),
        },
    }


def classification_table(metrics: dict) -> str:
    """Format metrics as a table for a terminal.

    Parameters
    ----------
    metrics : dict
        From `classification_metrics`.

    Returns
    -------
    str
        One line per metric: value, interval and baseline (for the calibration error: the error expected under
        calibration); then the confusion matrix.
    """
    baseline, classes = metrics["baseline"], metrics["classes"]
    chance, by_chance = baseline["auc"], metrics["calibration_error_by_chance"]
    baselines = baseline | {"macro_auc": chance, "calibration_error": by_chance}
    rows = [(title, metrics[name], baselines[name]) for name, title in SCALARS.items()]
    rows += [(f"AUC of {name}", entry, chance) for name, entry in metrics["auc"].items()]
    against = metrics[f"auc_against_{REFERENCE}"]
    rows += [(f"AUC of {name} against {REFERENCE}", entry, chance) for name, entry in against.items()]
    width = max(len(title) for title, _, _ in rows)
    lines = [
        f"{metrics['images']} test images: "
        + ", ".join(f"{count} {name}" for name, count in metrics["counts"].items()),
        "",
        f"  {'':<{width}}{'value':>8}  {f'{metrics["level"]:.0%} interval':>18}  {'baseline':>15}",
    ]
    for title, entry, expected in rows:
        line = f"  {title:<{width}}{format_number(entry['value']):>8}  {format_interval(entry):>18}"
        words = format_number(expected["value"])
        if expected is by_chance and expected["value"] is not None:
            words = f"{expected['value']:.2g} expected"
        line += f"  {words:>15}"
        lines.append(line.rstrip() + (f"  ({entry['reason']})" if entry.get("reason") else ""))
    first = max(len("true class"), *map(len, classes))
    wide = max(8, *(len(name) + 2 for name in classes))
    lines += ["", f"  {'true class':<{first}}  {'predicted':<10}" + "".join(f"{name:>{wide}}" for name in classes)]
    for name, counts in zip(classes, metrics["confusion"], strict=True):
        lines.append(f"  {name:<{first}}  {'':<10}" + "".join(f"{count:>{wide}}" for count in counts))
    return "\n".join(lines)


def check_probabilities(
    true: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Check true classes and probabilities; return them as (N,) int and (N, C) float64.

    Raises
    ------
    ValueError
        If the shapes do not agree, rows are not probabilities, or an index is not a class.
    """
    true, probabilities = np.asarray(true), np.asarray(probabilities, dtype=np.float64)
    if true.ndim != 1 or probabilities.shape != (len(true), len(classes)):
        raise ValueError(
            f"shapes do not agree: true {true.shape}, probabilities {probabilities.shape}, {len(classes)} classes"
        )
    if len(true) and not (np.issubdtype(true.dtype, np.integer) and true.min() >= 0 and true.max() < len(classes)):
        raise ValueError(f"true classes are whole numbers from 0 to {len(classes) - 1}, not {np.unique(true)[:9]}")
    sums = probabilities.sum(axis=1)
    if (probabilities < 0).any() or (np.abs(sums[np.isfinite(sums)] - 1) > SUM_TOLERANCE).any():
        raise ValueError("probabilities must not be negative, and their sum must be one for each image")
    return true.astype(int), probabilities


def bootstrap_metrics(true, probabilities, classes, rng, resamples: int, level: float, *, reason=None, only=None):
    """Return the entry of each metric by its key, such as ``("auc", "sphere")``.

    Parameters
    ----------
    true : ndarray (N,) int
    probabilities : ndarray (N, C) float64
    classes : sequence of C str
    rng : numpy.random.Generator
    resamples : int
    level : float
    reason : str, optional
        If given, all metrics are undefined for this reason.
    only : {"ranks"}, optional
        Compute only the areas under ROC curves.
    """
    missing = _reasons_of_missing(np.bincount(true, minlength=len(classes)), classes)
    if reason is not None:
        return dict.fromkeys(missing, undefined(reason))
    measure = _prepare(true, probabilities, classes, only)
    values = measure(np.ones((1, len(true))))
    drawn = {key: np.empty(resamples if len(true) > 1 else 0) for key in values}
    for places, which in draw_resamples(rng, len(true), resamples):
        for key, numbers in measure(count_draws(which)).items():
            drawn[key][places] = numbers
    return {
        key: make_entry(value[0], drawn[key], level, missing[key], reflect=key == ("calibration_error",))
        for key, value in values.items()
    }


def _prepare(true, probabilities, classes, only):
    """Return a function that takes weights (R, N) and returns the values of each metric in the resamples (R,)."""
    kinds = np.eye(len(classes))[true]
    confidence, predicted = probabilities.max(axis=1), probabilities.argmax(axis=1)
    correct = (predicted == true).astype(np.float64)
    surprise = -np.log(np.maximum(probabilities[np.arange(len(true)), true], SMALLEST_PROBABILITY))
    excess = np.eye(CALIBRATION_BINS)[_calibration_bins(confidence)] * (correct - confidence)[:, None]
    shares = kinds.mean(axis=0)
    # One matrix product computes the sums over images for all resamples.
    table = np.column_stack([correct, surprise, kinds[:, shares.argmax()], -np.log(shares[true]), excess])

    def measure(weights: np.ndarray) -> dict[tuple[str, ...], np.ndarray]:
        found = {("auc", name): area_under_curve(kinds[:, k] > 0, probabilities[:, k], weights)
                 for k, name in enumerate(classes)}  # fmt: skip
        found["macro_auc",] = np.mean(list(found.values()), axis=0)
        for name in classes:
            if REFERENCE in classes and name != REFERENCE:
                pair = np.isin(true, [list(classes).index(name), list(classes).index(REFERENCE)])
                score = odds_against(probabilities[pair], classes, name, REFERENCE)
                positive = true[pair] == list(classes).index(name)
                found["against", name] = area_under_curve(positive, score, weights[:, pair])
        if only == "ranks":
            return found
        means = weights @ table / len(true)
        found["accuracy",], found["log_loss",] = means[:, 0], means[:, 1]
        found["baseline", "accuracy"], found["baseline", "log_loss"] = means[:, 2], means[:, 3]
        found["calibration_error",] = np.abs(means[:, 4:]).sum(axis=1)
        return found

    return measure


def _reasons_of_missing(counts: np.ndarray, classes: Sequence[str]) -> dict[tuple[str, ...], str]:
    """Return, for each metric, the reason that applies if it is undefined."""
    absent = [name for name, count in zip(classes, counts, strict=True) if not count]
    reasons = {(name,): _lacking(absent) for name in SCALARS}
    reasons |= {("baseline", name): NO_IMAGES for name in ("accuracy", "log_loss")}
    for name in classes:
        reasons["auc", name] = _lacking([name]) if name in absent else f"every test image is of class {name}"
        reasons["against", name] = _lacking([one for one in (name, REFERENCE) if one in absent])
    return reasons


def _lacking(absent: Sequence[str]) -> str:
    return f"no test image of class {' or '.join(absent)}"


def _calibration_bins(confidence: np.ndarray) -> np.ndarray:
    # Guo's bins are closed above: ((b - 1) / B, b / B].
    return np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(int) - 1, 0, CALIBRATION_BINS - 1)


def _calibration_by_chance(probabilities: np.ndarray, seed: int, level: float) -> dict:
    """Return the calibration error of a perfectly calibrated network with these probabilities, with its range."""
    confidence = probabilities.max(axis=1)
    place = _calibration_bins(confidence)
    # A random stream that is independent of the resamples of the images.
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
    drawn = np.empty(CHANCE_DRAWS)
    for k in range(CHANCE_DRAWS):
        # Only whether the drawn class is the most probable class matters.
        excess = (rng.random(len(confidence)) < confidence) - confidence
        drawn[k] = np.abs(np.bincount(place, weights=excess)).sum() / len(confidence)
    return make_entry(drawn.mean(), drawn, level, NO_IMAGES)


def _reliability(true: np.ndarray, probabilities: np.ndarray) -> list[dict]:
    confidence, predicted = probabilities.max(axis=1), probabilities.argmax(axis=1)
    place = _calibration_bins(confidence)
    counts, sums, hits = (
        np.bincount(place, weights=weights, minlength=CALIBRATION_BINS)
        for weights in (None, confidence, predicted == true)
    )
    return [
        {
            "low": k / CALIBRATION_BINS,
            "high": (k + 1) / CALIBRATION_BINS,
            "count": int(counts[k]),
            "confidence": float(sums[k] / counts[k]) if counts[k] else None,
            "accuracy": float(hits[k] / counts[k]) if counts[k] else None,
        }
        for k in range(CALIBRATION_BINS)
    ]

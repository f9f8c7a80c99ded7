"""Test of a trained network: metrics, predictions and figures, with the scalar baseline and the upper limit."""

from collections.abc import Iterable, Iterator

import numpy as np

from stronglens.evaluation import (
    REFERENCE,
    auc_in_bins,
    classification_metrics,
    classification_table,
)
from stronglens.evaluation.baseline import scalar_baseline, scalar_features
from stronglens.learning.plan import TrainingPlan
from stronglens.learning.report import open_test, write_figures, write_results
from stronglens.learning.train import predict
from stronglens.out_of_distribution import ImageFeatures, describe_training_set
from stronglens.parameters import RunError
from stronglens.substructure import figures
from stronglens.substructure.ceiling import MeasuredEffects, matched_filter_auc, measure_effects, share_of_ceiling

SAMPLES = 4
"""Number of images per class in the figure of samples."""

MOST_MEASURED = 6000
"""Maximum number of training images for the scalar baseline; it hardly improves above one thousand."""

BLOCK = 1024
"""Number of images measured at once."""

SMALLEST_SPREAD = 1e-6
"""Minimum relative range of a quantity that is binned; rounding errors of equal masses are smaller."""

QUANTITIES = {
    "snr": "signal-to-noise ratio of the lensed source",
    "subhalo-mass": r"mass of the substructure [$M_\odot$]",
    "substructure-snr": "signal-to-noise ratio of the substructure",
}
"""Columns for bins of the area under the ROC curve, with their axis labels."""


def write_report(plan: TrainingPlan, history: dict[str, list[float]]) -> dict:
    """Test the network of the best epoch and write ``metrics.json``, ``predictions.csv`` and all figures.

    Parameters
    ----------
    plan : TrainingPlan
    history : dict of str to list of float
        Losses and metrics by epoch.

    Returns
    -------
    dict
        The metrics.

    Raises
    ------
    RunError
        If the network predicts values that are not finite.
    """
    parameters, dataset, say = plan.parameters, plan.dataset, plan.console.say
    classes = dataset.manifest["classes"]
    network, record, rows, name = open_test(plan)
    true = plan.truth[:, 0].astype(int)
    probabilities = predict(network, dataset.images.subset(rows)).astype(float)
    if not np.isfinite(probabilities).all():
        raise RunError(f"the network in {parameters.model_file} predicts NaN or infinite values; train it again")
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    metrics = classification_metrics(true[rows], probabilities, classes, seed=parameters.seed)
    metrics["set"] = name
    say("")
    say(classification_table(metrics))
    metrics["in_bins"] = _measure_in_bins(plan, rows, true, probabilities)
    scalars = _measure_baseline(plan, rows, true)
    metrics["scalars"] = classification_metrics(true[rows], scalars, classes, seed=parameters.seed)
    effects = None
    if plan.made_with is not None and parameters.ceiling_images:
        # The figure of samples needs the effects of its images in any case.
        effects = measure_effects(plan, _choose(rows, true, max(parameters.ceiling_images, SAMPLES)))
    metrics["against_no"], significances = _compare(metrics, true, effects, classes, parameters.seed)
    metrics["share_of_ceiling"] = {
        name: share_of_ceiling(area["network"], area["refit"])
        for name, area in metrics["against_no"].items()
        if "refit" in area
    }
    for line in _comparison(metrics, effects is not None, plan.made_with is None):
        say(line)

    table = _predictions(dataset, rows, true[rows], probabilities, classes)
    seen = describe_training_set(ImageFeatures(network), dataset.images, plan.split, record)
    write_results(plan, network, record | {"metrics": metrics} | seen, {"predictions.csv": table})
    drawn = draw_all(plan, rows, true, probabilities, metrics, history, effects, significances)
    write_figures(plan, drawn, "metrics.json, predictions.csv, logs/")
    return metrics


def draw_all(plan, rows, true, probabilities, metrics, history, effects, significances) -> dict:
    """Return all figures of the report, by file stem."""
    dataset, parameters = plan.dataset, plan.parameters
    classes, scale = dataset.manifest["classes"], dataset.manifest["telescope"]["pixel-scale"]
    unit = dataset.manifest["image-unit"]
    unit = f"{unit} per pixel" if unit == "e-/s" else unit
    samples = [_choose(rows[true[rows] == k], true, SAMPLES) for k in range(len(classes))]
    changes = None
    if effects is not None:
        changes = [
            None if name == REFERENCE else (lambda some: some.effect / some.deviation)(effects.of(chosen))
            for name, chosen in zip(classes, samples, strict=True)
        ]
    is_noisy = "substructure-snr" in dataset.columns
    drawn = {
        "samples": figures.draw_samples(
            [dataset.images[chosen] for chosen in samples], classes, changes, scale, parameters.cmap,
            effect_unit="σ of pixel noise" if is_noisy else "image peak", indices=samples,
        ),
        "history": figures.draw_history(history),
        "roc": figures.draw_roc(true[rows], probabilities, classes, metrics),
        "confusion": figures.draw_confusion(metrics, classes),
        "reliability": figures.draw_reliability(metrics),
        "mistakes": figures.draw_mistakes(
            dataset.images.subset(rows), true[rows], probabilities, classes, scale, parameters.subplots_number,
            parameters.cmap, unit=unit, indices=rows,
        ),
    }  # fmt: skip
    if significances:
        drawn["ceiling"] = figures.draw_ceiling(metrics["against_no"], metrics["share_of_ceiling"], significances)
    if metrics["in_bins"]:
        drawn["auc_against"] = figures.draw_auc_against(
            {QUANTITIES[name]: bins for name, bins in metrics["in_bins"].items()}
        )
    return drawn


def _measure_in_bins(plan: TrainingPlan, rows, true, probabilities) -> dict[str, list[dict]]:
    classes = plan.dataset.manifest["classes"]
    measured = {}
    for name in QUANTITIES:
        if name in plan.dataset.columns:
            values = plan.dataset.column_values([name])[rows, 0]
            if name != "snr":  # not defined for a smooth lens
                values = np.where(true[rows] == classes.index(REFERENCE), np.nan, values)
            if np.nanmax(values) > np.nanmin(values) * (1 + SMALLEST_SPREAD):
                measured[name] = auc_in_bins(true[rows], probabilities, classes, values, seed=plan.parameters.seed)
    return measured


def _measure_baseline(plan: TrainingPlan, rows, true) -> np.ndarray:
    """Return class probabilities of the test images from a logistic regression on scalar measurements."""
    dataset = plan.dataset
    train = plan.split["train"]
    train = train[np.linspace(0, len(train) - 1, min(len(train), MOST_MEASURED)).astype(int)]
    scale = dataset.manifest["telescope"]["pixel-scale"]
    features = []
    for chosen in (train, rows):
        images = dataset.images.subset(chosen)
        blocks = [scalar_features(images[start : start + BLOCK], scale)[0] for start in range(0, len(images), BLOCK)]
        features.append(np.concatenate(blocks))
    return scalar_baseline(features[0], true[train], features[1], dataset.manifest["classes"], plan.parameters.seed)


def _compare(metrics: dict, true, effects: MeasuredEffects | None, classes, seed: int) -> tuple[dict, dict]:
    """Return the areas of all methods for each class against the reference, and the matched-filter significances."""
    areas, significances = {}, {}
    for k, name in enumerate(classes):
        if name == REFERENCE:
            continue
        key = f"auc_against_{REFERENCE}"
        areas[name] = {"scalars": metrics["scalars"][key][name], "network": metrics[key][name]}
        if effects is not None and np.isfinite(effects.effects.known).all():
            some = effects.of(effects.rows[true[effects.rows] == k])
            significances[name] = {"refit": some.refitted, "known": some.known}
            areas[name] |= {who: matched_filter_auc(d, seed) for who, d in significances[name].items()}
    return areas, significances


def _comparison(metrics: dict, is_measured: bool, is_converted: bool) -> list[str]:
    """Return a table of the areas of the network, the scalar baseline and the matched filters, one column per class."""
    areas, shares, scalars = metrics["against_no"], metrics["share_of_ceiling"], metrics["scalars"]
    rows = {
        title: [area[who] for area in areas.values()]
        for who, title in figures.METHODS.items()
        if all(who in area for area in areas.values())
    }
    entries = [entry for row in rows.values() for entry in row] + list(shares.values())
    lines = ["", f"Area under the ROC curve of each class against {REFERENCE}", _line("", areas)]
    lines += [_line(title, map(_text, row)) for title, row in rows.items()]
    if shares:
        lines.append(_line("share of the upper limit", map(figures.share_text, shares.values())))
    reasons = dict.fromkeys(entry["reason"] for entry in entries if entry["value"] is None)
    lines += [f"  undefined: {reason}" for reason in reasons]
    lines.append(f"  Scalar measurements: logistic regression on ring radius, flux, widths ...; accuracy\n"
                 f"  {_text(scalars['accuracy'])}, mean AUC {_text(scalars['macro_auc'])}")  # fmt: skip
    if shares:
        lines += [
            "  Matched filter: the substructure signal is known. Refitted: signal degenerate with lens",
            "  and source parameters is projected out. Share: (AUC - 0.5) / (AUC_refitted - 0.5).",
        ]
    elif is_converted:
        lines.append("  No upper limit: external images come without the images of the smooth lenses")
    elif is_measured:
        lines.append("  No upper limit: the images are noise-free")
    return [*lines, ""]


def _line(title: str, cells: Iterable[str]) -> str:
    return f"  {title:<30}" + "".join(f"{cell:>22}" for cell in cells)


def _text(entry: dict) -> str:
    if entry["value"] is None:
        return "undefined"
    interval = "" if entry["low"] is None else f" ({entry['low']:.3f}-{entry['high']:.3f})"
    return f"{entry['value']:.3f}{interval}"


def _choose(rows: np.ndarray, true: np.ndarray, count: int) -> np.ndarray:
    """Return the first ``count`` rows of each class."""
    return np.sort(np.concatenate([rows[true[rows] == k][:count] for k in np.unique(true)]))


def _predictions(dataset, rows, true, probabilities, classes) -> Iterator[list]:
    named = [name for name in ("file", "source") if name in dataset.labels]
    yield [*named, "true", "predicted", *(f"P({name})" for name in classes)]
    files = dataset.labels[named].iloc[rows].itertuples(index=False)
    for names, kind, shares in zip(files, true, probabilities, strict=True):
        yield [*names, classes[kind], classes[int(shares.argmax())], *(f"{value:.6g}" for value in shares)]

"""Test of a trained network: metrics at the prevalence of a survey, predictions and figures."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from stronglens.dataset import Dataset, load_dataset
from stronglens.evaluation.bootstrap import format_interval, format_number
from stronglens.execution import open_executor
from stronglens.finding import figures
from stronglens.finding.classes import GROUPS, KINDS
from stronglens.finding.completeness import (
    EDGES,
    band_features,
    completeness_table,
    leak_test,
    list_cells,
    recall_in_bins,
)
from stronglens.finding.evaluation import (
    PREVALENCES,
    auroc_entry,
    finding_metrics,
    finding_table,
    recall_at,
    split_field,
)
from stronglens.finding.labels import LENS, NON_LENS
from stronglens.finding.plan import bands_of
from stronglens.finding.scores import Scores, score_dataset, score_field
from stronglens.finding.simulator import make_simulator
from stronglens.finding.train import remove_members
from stronglens.learning.plan import TrainingPlan
from stronglens.learning.report import open_test, write_figures, write_results
from stronglens.out_of_distribution import ImageFeatures, describe_training_set
from stronglens.parameters import RunError
from stronglens.plotting import draw_history

MOST_MEASURED = 6000
"""Maximum number of training images for the scalar baseline; it hardly improves above one thousand."""
BLOCK = 1024
"""Number of images measured at once."""
ROW = 6
"""Number of images of a row in the figure of mistakes."""


def write_report(plan: TrainingPlan, history: dict[str, list[float]]) -> dict:
    """Test the network of the best epoch and write its metrics, predictions, completeness and figures.

    Parameters
    ----------
    plan : TrainingPlan
    history : dict of str to list of float
        Losses and metrics by epoch; empty for published weights.

    Returns
    -------
    dict
        The metrics (see `evaluation.finding_metrics`), with ``"scalars"``, the leak test; ``"recall_in_bins"``;
        ``"field"``, the rates of false positives in ``--field-images``; and ``"more_tests"``.

    Raises
    ------
    RunError
        If the network predicts values that are not finite, or a dataset of ``--more-tests`` cannot be used.
    """
    parameters, dataset, say = plan.parameters, plan.dataset, plan.console.say
    network, record, rows, name = open_test(plan)
    valid, tested = (score_dataset(network, dataset, chosen) for chosen in (plan.split["valid"], rows))
    doubtful = score_dataset(network, dataset, plan.split["doubtful"])
    others = {folder: _score_other(network, plan, folder) for folder in parameters.more_tests}
    field = _score_field(network, plan)
    prevalences = (parameters.prevalence, *(one for one in PREVALENCES if one != parameters.prevalence))
    metrics = finding_metrics(
        np.concatenate([tested.probability, doubtful.probability]),
        np.concatenate([tested.group, doubtful.group]),
        np.concatenate([tested.kind, doubtful.kind]),
        valid.probability,
        valid.group,
        field_score=None if field is None else field.probability,
        prevalences=prevalences,
        seed=parameters.seed,
    )
    thresholds = {"best_f1": metrics["threshold"], "one_per_cent": metrics["recall_at_rate"]["0.01"].get("threshold")}
    known = {name: threshold for name, threshold in thresholds.items() if threshold is not None}
    lenses = tested.of_group(LENS)
    measured = {folder: _measure_other(scores, thresholds, parameters.seed) for folder, scores in others.items()}
    metrics |= {
        "set": name,
        "scalars": _test_scalars(plan, rows, tested),
        "recall_in_bins": {
            quantity: recall_in_bins(lenses.probability, lenses.quantities[quantity], edges, known)
            for quantity, edges in EDGES.items()
            if quantity in lenses.quantities
        },
        "field": None if field is None else recall_at(split_field(field.probability)[1], thresholds),
        "more_tests": measured,
    }
    say("")
    say(finding_table(metrics))
    for line in _more_lines(metrics):
        say(line)

    tables, completeness = {"predictions.csv": _predictions(dataset, rows, tested)}, None
    if {"einstein-radius-sie", "snr"} <= lenses.quantities.keys():
        by_radius, by_snr = lenses.quantities["einstein-radius-sie"], lenses.quantities["snr"]
        completeness = completeness_table(lenses.probability, by_radius, by_snr, known)
        tables["completeness.csv"] = list_cells(completeness)
    seen = describe_training_set(ImageFeatures(network), dataset.images, plan.split, record)
    write_results(plan, network, record | {"metrics": metrics} | seen, tables)
    negatives = tested.of_group(NON_LENS).probability
    if field is not None:
        negatives = np.concatenate([negatives, split_field(field.probability)[1]])
    drawn = {"history": draw_history(history)} if history else {}
    drawn["roc"] = figures.draw_roc(lenses.probability, negatives, metrics["auroc"], None, parameters.prevalence)
    drawn["purity"] = figures.draw_purity(lenses.probability, negatives, prevalences[:4])
    drawn["mistakes"] = figures.draw_mistakes(
        dataset.images.subset(rows), tested.probability, tested.group, tested.kind,
        dataset.manifest["telescope"]["pixel-scale"], count=ROW, cmap=parameters.cmap,
        bands=bands_of(dataset.manifest), indices=rows,
    )  # fmt: skip
    if completeness:
        drawn["completeness"] = figures.draw_completeness(completeness)
    remove_members(parameters)
    write_figures(plan, drawn, ", ".join(["metrics.json", *tables, *["logs/"] * bool(history)]))
    return metrics


def _score_other(network, plan: TrainingPlan, folder: str) -> Scores:
    """Score all images of another dataset of the task."""
    other = load_dataset(folder, plan.parameters.task)
    for what, found, wanted in (
        ("images", other.images.shape[1:], plan.dataset.images.shape[1:]),
        ("bands", bands_of(other.manifest), bands_of(plan.dataset.manifest)),
    ):
        if found != wanted:
            raise RunError(f"--more-tests: the {what} of {folder} are {found}, those of the training {wanted}")
    return score_dataset(network, other, np.arange(len(other.images)))


def _measure_other(scores: Scores, thresholds: Mapping[str, float | None], seed: int) -> dict:
    """Return the share of each group and kind of another dataset that is called lens, and the AUROC if it has both."""
    lenses, others = (scores.of_group(group).probability for group in (LENS, NON_LENS))
    found = {"auroc": auroc_entry(lenses, others, seed) if len(lenses) and len(others) else None}
    for group in np.unique(scores.group):
        of_group = scores.of_group(group)
        for kind in np.unique(of_group.kind):
            called_lens = recall_at(of_group.probability[of_group.kind == kind], thresholds)
            found[f"{KINDS[kind]}, {GROUPS[group]}"] = called_lens
    return found


def _score_field(network, plan: TrainingPlan) -> Scores | None:
    """Simulate and score ``--field-images`` non-lenses; None without this flag."""
    parameters = plan.parameters
    if not parameters.field_images:
        return None
    simulation = replace(plan.made_with, lens_share=0.0)
    workers = 0 if parameters.scheduler else max(1, parameters.workers)  # JAX and TensorFlow need separate processes
    with (
        open_executor(workers, parameters.scheduler, None, plan.console) as executor,
        plan.console.progress(parameters.field_images, "scoring simulated non-lenses") as progress,
    ):
        return score_field(network, make_simulator, simulation, parameters.field_images, executor, progress.advance)


def _test_scalars(plan: TrainingPlan, rows: np.ndarray, tested: Scores) -> dict:
    """Return the leak test on the test images."""
    dataset, train = plan.dataset, plan.split["train"]
    train = train[np.linspace(0, len(train) - 1, min(len(train), MOST_MEASURED)).astype(int)]
    known, features = (_features_of(dataset, chosen) for chosen in (train, rows))
    groups = plan.truth[train, 0].astype(int)
    return leak_test(known, groups, features, tested.group, tested.kind, plan.parameters.seed)


def _features_of(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    images, scale = dataset.images.subset(rows), dataset.manifest["telescope"]["pixel-scale"]
    blocks = (images[start : start + BLOCK] for start in range(0, len(images), BLOCK))
    return np.concatenate([band_features(block, scale) for block in blocks])


def _more_lines(metrics: Mapping) -> list[str]:
    """Return lines for the terminal: the leak test, the field, other datasets."""
    lines = ["", f"Logistic regression on scalar measurements: AUROC {_text(metrics['scalars']['auroc'])}"]
    if metrics["field"]:
        entry = metrics["field"]["best_f1"]
        lines.append(f"Simulated field of {entry['images']:,} non-lenses: called lenses {_text(entry)}")
    for folder, found in metrics["more_tests"].items():
        lines += ["", f"called lenses in {folder}/: at F1's threshold; at a false-positive rate of 0.01"]
        kinds = {kind: one for kind, one in found.items() if kind != "auroc"}
        lines += [f"  {kind}: {_text(one['best_f1'])}; {_text(one['one_per_cent'])}" for kind, one in kinds.items()]
        lines += [f"  AUROC {_text(found['auroc'])}"] if found["auroc"] else []
    return [*lines, ""]


def _text(entry: dict) -> str:
    if entry["value"] is None:
        return entry.get("reason", "undefined")
    return f"{format_number(entry['value'])} ({format_interval(entry)})"


def _predictions(dataset: Dataset, rows: np.ndarray, scores: Scores) -> Iterator[list]:
    named = [name for name in ("file", "source") if name in dataset.labels]
    yield [*named, "group", "kind", "P(lens)"]
    files = dataset.labels[named].iloc[rows].itertuples(index=False)
    for names, group, kind, value in zip(files, scores.group, scores.kind, scores.probability, strict=True):
        yield [*names, GROUPS[group], KINDS[kind], f"{value:.6g}"]

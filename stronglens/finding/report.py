"""Test of a trained network: metrics at the prevalence of a survey, predictions and figures."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from stronglens.dataset import Dataset, load_dataset, write_whole
from stronglens.evaluation.baseline import scalar_baseline, scalar_features
from stronglens.execution import open_executor
from stronglens.finding.classes import GROUPS, KINDS
from stronglens.finding.evaluation import evaluate, format_report
from stronglens.finding.figures import draw_all
from stronglens.finding.plan import LENS, bands_of
from stronglens.finding.scores import Scores, score_dataset, score_field
from stronglens.finding.simulator import make_simulator
from stronglens.finding.train import remove_members
from stronglens.learning.plan import TrainingPlan
from stronglens.out_of_distribution import ImageFeatures, describe_training_set
from stronglens.parameters import RunError
from stronglens.plotting import draw_history, save_figure
from stronglens.training import load_network, save_network

MOST_MEASURED = 6000
"""Maximum number of training images for the scalar baseline; it hardly improves above one thousand."""
BLOCK = 1024
"""Number of images measured at once."""


def write_report(plan: TrainingPlan, history: dict[str, list[float]]) -> dict:
    """Test the network of the best epoch and write ``metrics.json``, ``predictions.csv`` and all figures.

    Thresholds are chosen on validation images.

    Parameters
    ----------
    plan : TrainingPlan
    history : dict of str to list of float
        Losses and metrics by epoch; empty for published weights.

    Returns
    -------
    dict
        The metrics.

    Raises
    ------
    RunError
        If the network predicts values that are not finite, or another dataset of ``--more-tests`` cannot be used.
    """
    parameters, dataset, say = plan.parameters, plan.dataset, plan.console.say
    network, record = load_network(parameters.model_file)
    rows, name = plan.test
    if name != "test":
        say("There are no test images (--test-split=0); the metrics are those of the validation set")
    valid, tested = (score_dataset(network, dataset, chosen) for chosen in (plan.split["valid"], rows))
    doubtful = score_dataset(network, dataset, plan.split["doubtful"])
    others = {Path(folder).name: _score_other(network, plan, folder) for folder in parameters.more_tests}
    field = _score_field(network, plan)
    scalars = replace(tested, probability=_measure_scalars(plan, rows))
    metrics = evaluate(
        valid, tested, doubtful=doubtful, others=others, field=field, scalars=scalars, prevalence=parameters.prevalence,
        seed=parameters.seed,
    )  # fmt: skip
    metrics["set"] = name
    for line in format_report(metrics):
        say(line)

    folder = parameters.figures_dir
    write_whole(folder / "metrics.json", json.dumps(metrics, indent=1) + "\n")
    write_whole(folder / "predictions.csv", _predictions(dataset, rows, tested))
    seen = describe_training_set(ImageFeatures(network), dataset.images, plan.split, record)
    save_network(network, parameters.model_file, record | {"metrics": metrics} | seen)
    drawn = {"history": draw_history(history)} if history else {}
    drawn |= draw_all(
        metrics, tested, field, dataset.images.subset(rows), dataset.manifest["telescope"]["pixel-scale"],
        parameters.cmap, parameters.subplots_number,
    )  # fmt: skip
    for stem, figure in drawn.items():
        save_figure(figure, folder / f"{stem}.{parameters.figure_format}")
    remove_members(parameters)
    say(f"Figures: {folder}/ ({', '.join(drawn)}; metrics.json, predictions.csv, logs/)")
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


def _measure_scalars(plan: TrainingPlan, rows: np.ndarray) -> np.ndarray:
    """Return P(lens) of test images from a logistic regression on scalar measurements of each band."""
    dataset, train = plan.dataset, plan.split["train"]
    train = train[np.linspace(0, len(train) - 1, min(len(train), MOST_MEASURED)).astype(int)]
    known, tested = (_scalars_of(dataset, chosen) for chosen in (train, rows))
    groups = plan.truth[train, 0].astype(int)
    return scalar_baseline(known, groups, tested, GROUPS[: LENS + 1], plan.parameters.seed)[:, LENS]


def _scalars_of(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    scale, images, found = dataset.manifest["telescope"]["pixel-scale"], dataset.images.subset(rows), []
    for start in range(0, len(images), BLOCK):
        block = images[start : start + BLOCK]
        bands = np.moveaxis(block, -1, 0) if block.ndim == 4 else [block]
        found.append(np.hstack([scalar_features(band, scale)[0] for band in bands]))
    return np.concatenate(found)


def _predictions(dataset: Dataset, rows: np.ndarray, scores: Scores) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    named = [name for name in ("file", "source") if name in dataset.labels]
    writer.writerow([*named, "group", "kind", "P(lens)"])
    files = dataset.labels[named].iloc[rows].itertuples(index=False)
    for names, group, kind, value in zip(files, scores.group, scores.kind, scores.probability, strict=True):
        writer.writerow([*names, GROUPS[group], KINDS[kind], f"{value:.6g}"])
    return table.getvalue()

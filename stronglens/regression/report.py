"""A trained network to its metrics, predictions and figures."""

import csv
import io
import json

import numpy as np

from stronglens.dataset import write_whole
from stronglens.evaluation import metrics_table, regression_metrics
from stronglens.learning.lesson import Lesson
from stronglens.learning.training import predict
from stronglens.parameters import RunError
from stronglens.plotting import save_figure, write_captions
from stronglens.regression import figures
from stronglens.regression.network import convolution_activations
from stronglens.training import load_network, save_network


def write_report(lesson: Lesson, history: dict[str, list[float]]) -> dict:
    """Test the network of the best epoch and write ``metrics.json``, ``predictions.csv`` and all figures.

    Parameters
    ----------
    lesson : Lesson
    history : dict of lists, a value an epoch

    Returns
    -------
    dict, the metrics
    """
    parameters, dataset, truth, say = lesson.parameters, lesson.dataset, lesson.truth, lesson.say
    network, record = load_network(parameters.model_file)
    rows, name = lesson.test
    if name != "test":
        say("No images were kept for the test (--test-split=0): the metrics are those of the validation set")
    predicted = predict(network, dataset.images.subset(rows))
    if not np.isfinite(predicted).all():
        raise RunError(f"the network in {parameters.model_file} predicts values that are not finite: train it anew")
    columns = [dataset.columns[label] for label in parameters.labels]
    metrics = regression_metrics(
        truth[rows], predicted, truth[lesson.split["train"]].mean(axis=0), parameters.labels, seed=parameters.seed
    )
    metrics["set"] = name
    say("")
    say(metrics_table(metrics, {column.name: column.unit for column in columns}))
    say("")

    folder = parameters.figures_dir
    write_whole(folder / "metrics.json", json.dumps(metrics, indent=1) + "\n")
    write_whole(folder / "predictions.csv", _predictions(dataset, rows, parameters.labels, truth[rows], predicted))
    save_network(network, parameters.model_file, record | {"metrics": metrics})
    drawn = draw_all(parameters, dataset, rows, truth, predicted, columns, metrics, history, network)
    for stem, figure in drawn.items():
        save_figure(figure, folder / f"{stem}.{parameters.figure_format}")
    say(f"Figures: {folder}/ ({', '.join(drawn)}; metrics.json, predictions.csv, logs/)")
    return metrics


def draw_all(parameters, dataset, rows, truth, predicted, columns, metrics, history, network):
    """Return every figure of the report: dict of file stem to figure."""
    images, cmap, count = dataset.images.subset(rows), parameters.cmap, parameters.subplots_number
    scale = dataset.manifest["telescope"]["pixel-scale"]
    deviation = np.where(truth.std(axis=0) > 0, truth.std(axis=0), 1)
    errors = np.sqrt(np.mean(((predicted - truth[rows]) / deviation) ** 2, axis=1))
    typical = int(np.argsort(errors)[len(errors) // 2])
    drawn = {
        "samples": figures.draw_samples(
            dataset.images[:count], write_captions(truth[:count], columns), scale, cmap, count
        ),
        "losses": figures.draw_losses(history),
        "predictions": figures.draw_predictions(truth[rows], predicted, columns, metrics),
    }
    activations = convolution_activations(network, images[typical])
    drawn |= figures.draw_activations(images[typical], activations, scale, cmap)
    for which in ("best", "worst"):
        drawn[f"{which}_predictions"] = figures.draw_gallery(
            images, truth[rows], predicted, columns, errors, scale, which, count, cmap
        )
    return drawn


def _predictions(dataset, rows, labels, true, predicted) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["file", *(f"{label}{suffix}" for label in labels for suffix in ("-true", "-predicted"))])
    for file, truths, values in zip(dataset.labels["file"].iloc[rows], true, predicted, strict=True):
        pairs = zip(truths, values, strict=True)
        writer.writerow([file, *(f"{float(number):.7g}" for pair in pairs for number in pair)])
    return table.getvalue()

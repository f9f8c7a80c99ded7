"""Test of a trained network: metrics, predictions and figures."""

from collections.abc import Iterator

import numpy as np

from stronglens.evaluation import describe_calibration, metrics_table, posterior_metrics, regression_metrics
from stronglens.learning.plan import TrainingPlan
from stronglens.learning.report import open_test, write_figures, write_results
from stronglens.learning.train import predict
from stronglens.out_of_distribution import ImageFeatures, build_feature_extractor, describe_training_set
from stronglens.parameters import RunError
from stronglens.plotting import write_captions
from stronglens.regression import figures
from stronglens.regression.network import convolution_activations
from stronglens.regression.posterior import Posterior

MOST_POSTERIORS = 10_000
"""Maximum number of test images with posterior samples: 1,000 samples of 17 labels for each need 0.7 GB."""

QUANTILES = {"-q2.5": 0.025, "-q16": 0.16, "-q50": 0.5, "-q84": 0.84, "-q97.5": 0.975}
"""Posterior quantiles in ``predictions.csv``, by the suffix of their columns."""


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
    parameters, dataset, truth, say = plan.parameters, plan.dataset, plan.truth, plan.console.say
    network, record, rows, name = open_test(plan)
    extractor, posterior, samples = build_feature_extractor(network), None, None
    if parameters.posterior != "none" and len(rows) > MOST_POSTERIORS:
        say(f"Posteriors are tested on {MOST_POSTERIORS:,} of the {len(rows):,} {name} images")
        rows = rows[np.linspace(0, len(rows) - 1, MOST_POSTERIORS).astype(int)]
    images = dataset.images.subset(rows)
    if parameters.posterior == "none":
        predicted = predict(network, images)
    else:
        posterior = Posterior(network, record)
        samples = posterior.sample(predict(extractor, images), parameters.posterior_draws, parameters.seed)
        predicted = samples.mean(axis=1)
    if not np.isfinite(predicted).all():
        raise RunError(f"the network in {parameters.model_file} predicts NaN or infinite values; train it again")
    columns = [dataset.columns[label] for label in parameters.labels]
    units = {column.name: column.unit for column in columns}
    learned = truth[plan.split["train"]]
    metrics = regression_metrics(truth[rows], predicted, learned.mean(axis=0), parameters.labels, seed=parameters.seed)
    metrics["set"] = name
    say("")
    say(metrics_table(metrics, units))
    say("")
    if samples is not None:
        metrics["posterior"] = posterior_metrics(
            truth[rows], samples, learned, parameters.labels, seed=parameters.seed, boundaries=_boundaries(columns)
        )
        for line in [*describe_calibration(metrics["posterior"], units), ""]:
            say(line)

    table = _predictions(dataset, rows, parameters.labels, truth[rows], predicted, samples)
    seen = describe_training_set(ImageFeatures(network, posterior), dataset.images, plan.split, record)
    write_results(plan, network, record | {"metrics": metrics} | seen, {"predictions.csv": table})
    drawn = draw_all(parameters, dataset, rows, truth, predicted, columns, metrics, history, extractor)
    if samples is not None:
        first = f"{name} image #{rows[0]}"
        drawn |= draw_posterior(truth[rows], samples, learned, columns, metrics["posterior"], first)
    write_figures(plan, drawn, "metrics.json, predictions.csv, logs/")
    return metrics


def draw_all(parameters, dataset, rows, truth, predicted, columns, metrics, history, extractor):
    """Return the figures for all kinds of networks.

    Parameters
    ----------
    parameters : RegressionTraining
    dataset : Dataset
    rows : ndarray (N,) int
        Indices of the test images.
    truth : ndarray (M, L), unit of each label
        True values for all images.
    predicted : ndarray (N, L), unit of each label
    columns : list of L Column
    metrics : dict
        As `regression_metrics` returns it.
    history : dict of str to list of float
        Losses and metrics by epoch.
    extractor : keras.Model
        As `build_feature_extractor` returns it.

    Returns
    -------
    dict of file stem to Figure
    """
    images, cmap, count = dataset.images.subset(rows), parameters.cmap, parameters.subplots_number
    scale = dataset.manifest["telescope"]["pixel-scale"]
    deviation = np.where(truth.std(axis=0) > 0, truth.std(axis=0), 1)
    errors = np.sqrt(np.mean(((predicted - truth[rows]) / deviation) ** 2, axis=1))
    typical = int(np.argsort(errors)[len(errors) // 2])
    loss = "mean squared error" if parameters.posterior == "none" else "negative log density"
    estimate = "" if parameters.posterior == "none" else "posterior mean"
    drawn = {
        "samples": figures.draw_samples(
            dataset.images[:count], write_captions(truth[:count], columns), scale, cmap, count,
            indices=range(len(dataset.images)),
        ),
        "losses": figures.draw_losses(history, loss),
        "predictions": figures.draw_predictions(truth[rows], predicted, columns, metrics, estimate),
    }  # fmt: skip
    activations = convolution_activations(extractor, images[typical])
    drawn |= figures.draw_activations(images[typical], activations, scale, cmap, index=int(rows[typical]))
    for which in ("best", "worst"):
        drawn[f"{which}_predictions"] = figures.draw_gallery(
            images, truth[rows], predicted, columns, errors, scale, which, count, cmap, rows, estimate or "predicted"
        )
    return drawn


def draw_posterior(truth, samples, learned, columns, metrics, name):
    """Return the figures on the calibration of posteriors.

    Parameters
    ----------
    truth : ndarray (N, L), unit of each label
        True values for the test images.
    samples : ndarray (N, S, L), unit of each label
    learned : ndarray (M, L), unit of each label
        True values for the training images.
    columns : list of L Column
    metrics : dict
        As `posterior_metrics` returns it.
    name : str
        Name of the first test image, such as ``test image #137``.

    Returns
    -------
    dict of file stem to Figure
    """
    return {
        "coverage": figures.draw_coverage(metrics, columns),
        "ranks": figures.draw_ranks(metrics, columns),
        "contraction": figures.draw_contraction(truth, samples, learned, columns),
        "posteriors": figures.draw_posteriors(truth, samples, columns),
        "corner": figures.draw_corner(samples[0], columns, truth=truth[0], name=name),
    }


def _boundaries(columns) -> list[tuple[float, float]]:
    return [column.prior if column.drawn and column.prior else (-np.inf, np.inf) for column in columns]


def _predictions(dataset, rows, labels, true, predicted, samples) -> Iterator[list]:
    numbers = {"-true": true, "-predicted": predicted}
    if samples is not None:
        numbers |= {"-sd": samples.std(axis=1)}
        numbers |= dict(zip(QUANTILES, np.quantile(samples, list(QUANTILES.values()), axis=1), strict=True))
    yield ["file", *(f"{label}{suffix}" for label in labels for suffix in numbers)]
    together = np.stack(list(numbers.values()), axis=-1)
    for file, values in zip(dataset.labels["file"].iloc[rows], together, strict=True):
        yield [file, *(f"{float(number):.7g}" for number in values.ravel())]

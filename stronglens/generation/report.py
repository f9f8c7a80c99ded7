"""Test of a network that compresses images: errors beside PCA, codes, and figures."""

from collections.abc import Iterator

import numpy as np
from scipy.stats import norm

from stronglens.generation import figures
from stronglens.generation.codes import sampler_path
from stronglens.generation.components import Components, components_of, fit_components, stretch, unstretch
from stronglens.generation.compression import describe_by_latents, describe_compression, find_inactive
from stronglens.generation.few_labels import describe_few_labels, measure_few_labels
from stronglens.generation.network import decode, encode
from stronglens.generation.outputs import scaling_of
from stronglens.generation.rows import report_rows
from stronglens.generation.testing_compression import measure_compression, measure_others
from stronglens.generation.testing_cyclegan import report_cyclegan
from stronglens.generation.testing_gan import report_gan
from stronglens.generation.testing_samples import compare_samples
from stronglens.generation.truth import MOST_TRUTHS, simulate_truth
from stronglens.learning.plan import TrainingPlan
from stronglens.learning.report import open_test, write_figures, write_results
from stronglens.parameters import RunError
from stronglens.scaling import ImageScaling
from stronglens.training import remove_state

SHOWN_LABELS = ("einstein-radius", "einstein-radius-sie", "src-center-x", "src-center-y", "magnification", "snr",
                "lens-effect")  # fmt: skip
"""Labels in the figure of codes, if the dataset has them; at most six."""

GRID = 15
"""Images along each side of the figure of two codes."""


def write_report(plan: TrainingPlan, history: dict[str, list[float]]) -> dict:
    """Test the network of the best epoch and write ``metrics.json``, ``codes.csv`` and all figures.

    Parameters
    ----------
    plan : TrainingPlan
    history : dict of str to list of float
        Losses by epoch; empty for ``--network=pca``.

    Returns
    -------
    dict
        The metrics.

    Raises
    ------
    RunError
        If the network gives values that are not finite.
    """
    if plan.parameters.spectra or plan.parameters.example:
        return report_rows(plan, history)
    if plan.parameters.network == "gan":
        return report_gan(plan, history)
    if plan.parameters.network == "cyclegan":
        return report_cyclegan(plan, history)
    parameters, dataset, say = plan.parameters, plan.dataset, plan.console.say
    network, record, rows, name = open_test(plan)
    images = dataset.images[rows]
    codes, log_variance = encode(network, images)
    restored = decode(network, codes)
    if not np.isfinite(restored).all():
        raise RunError(f"the network in {parameters.model_file} gives NaN or infinite values; train it again")
    scaling, kind, latents = scaling_of(record), parameters.network, codes.shape[1]
    components = components_of(network) or _fit_again(plan, scaling, latents)
    kept = np.linspace(0, len(rows) - 1, min(len(rows), MOST_TRUTHS)).astype(int)
    truth = simulate_truth(plan, rows[kept])
    metrics = {"set": name, "network": kind, "latents": latents}
    metrics["compression"] = measure_compression(
        scaling, components, latents, images, restored, truth, kept, parameters.seed
    )
    lines = describe_compression(metrics["compression"], kind, latents)
    if truth is None:
        lines.append("There is no noise-free truth: this dataset's simulator gives no images without noise")
    if log_variance is not None:
        inactive = find_inactive(codes, log_variance)
        metrics["inactive-codes"] = np.flatnonzero(inactive).tolist()
        lines.append(describe_inactive(inactive))
    for line in ["", *lines, ""]:
        say(line)
    by_latents = measure_others(plan, scaling, components, images, truth, kept) | {latents: metrics["compression"]}
    if len(by_latents) > 1:
        metrics["compression-by-latents"] = by_latents
        for line in [*describe_by_latents(by_latents, kind), ""]:
            say(line)
    if parameters.few_labels:
        metrics["few-labels"] = measure_few_labels(plan, network, scaling, components, codes, images)
        for line in [*describe_few_labels(metrics["few-labels"], parameters.few_labels), ""]:
            say(line)
    samples = None
    if record.get("sampler") and images.ndim == 3:
        samples = compare_samples(plan, network, record, components, metrics, lambda some: encode(network, some)[0])
    table = _table(dataset, rows, codes, log_variance)
    write_results(plan, network, record | {"metrics": metrics}, {"codes.csv": table})
    drawn = draw_all(plan, network, components, scaling, rows, images, restored, codes, log_variance, history)
    drawn |= samples or {}
    if len(by_latents) > 1:
        drawn["errors"] = figures.draw_errors(by_latents, kind)
    write_figures(plan, drawn, "metrics.json, codes.csv")
    remove_state(sampler_path(parameters.model_file))  # kept until here, as that of the network
    return metrics


def describe_inactive(inactive: np.ndarray) -> str:
    """Return a line on codes (L,) bool that do not depend on the image."""
    if not inactive.any():
        return f"All {len(inactive)} codes are active"
    names = ", ".join(str(number + 1) for number in np.flatnonzero(inactive))
    if inactive.all():
        return "Collapse: no code depends on the image, and the decoder gives the same image for all"
    return f"Inactive codes, which do not depend on the image: {names} ({inactive.sum()} of {len(inactive)})"


def draw_all(
    plan: TrainingPlan, network, components, scaling, rows, images, restored, codes, log_variance, history
) -> dict:
    """Return all figures of the report, by file stem."""
    parameters, dataset = plan.parameters, plan.dataset
    scale, cmap, kind, latents = (
        dataset.manifest["telescope"]["pixel-scale"], parameters.cmap, parameters.network, codes.shape[1],
    )  # fmt: skip
    some = np.arange(min(8, len(rows)))
    by_components = components.restore(components.project(stretch(images[some], scaling))[:, :latents])
    by_components = unband(unstretch(by_components, scaling, images.shape[1:]))
    real, ours = unband(images[some]), unband(restored[some])
    drawn = {
        "reconstructions": figures.draw_reconstructions(
            [("image", real), (f"{kind},\n{latents} codes", ours), (f"PCA,\n{latents} codes", by_components)],
            [(f"image\nminus {kind}", real - ours), ("image\nminus PCA", real - by_components)],
            rows[some], scale, cmap, f"test images; {latents} codes each; the stretch of all images is the same",
        )
    }  # fmt: skip
    if history:
        drawn["losses"] = figures.draw_losses(history)
    deviations = None if log_variance is None else np.exp(0.5 * log_variance)
    pair = _two_largest(network, codes) if latents > 1 else None
    if pair:
        shown = [name for name in SHOWN_LABELS if name in dataset.columns][:6]
        if shown:
            labels = dataset.column_values(shown)[rows]
            drawn["latents"] = figures.draw_latents(codes, pair, labels, [dataset.columns[one] for one in shown])
        drawn["grid"] = draw_codes_grid(network, codes, pair, deviations is not None, scale, cmap)
    what = "mean of the encoder's distributions (aggregated posterior)" if deviations is not None else "codes"
    normed = codes if deviations is not None else (codes - codes.mean(axis=0)) / np.maximum(codes.std(axis=0), 1e-9)
    note = "" if deviations is not None else ", standardised"
    drawn["codes"] = figures.draw_aggregate(normed, deviations, parameters.seed, f"{what}{note}, and N(0, 1)")
    return drawn


def draw_codes_grid(network, codes: np.ndarray, pair: tuple[int, int], is_variational: bool, scale: float, cmap: str):
    """Draw the images of two codes at the quantiles of the prior, or of the images' codes if there is no prior."""
    shares = (np.arange(GRID) + 0.5) / GRID
    middle = np.zeros(codes.shape[1]) if is_variational else np.median(codes, axis=0)
    values = [norm.ppf(shares) if is_variational else np.quantile(codes[:, one], shares) for one in pair]
    points = np.tile(middle, (GRID, GRID, 1)).astype(np.float32)
    points[..., pair[0]] = values[0]
    points[..., pair[1]] = values[1][::-1, None]
    images = unband(decode(network, points.reshape(GRID * GRID, -1)))
    of = "the prior" if is_variational else "the images' codes"
    span = f"{shares[0]:.1%} to {shares[-1]:.1%}"
    return figures.draw_grid(
        images.reshape(GRID, GRID, *images.shape[1:]), scale, cmap, "Images of two codes",
        f"at equal steps of probability of {of} ({span}); all other codes at their middle; no noise",
        (f"code {pair[0] + 1}", f"code {pair[1] + 1}"),
    )  # fmt: skip


def unband(images: np.ndarray) -> np.ndarray:
    """Return the first band of images (N, H, W, C); other images as they are."""
    return images[..., 0] if images.ndim == 4 else images


def _two_largest(network, codes: np.ndarray) -> tuple[int, int]:
    """Return the two codes that change the image most, over their range among the images."""
    low, middle, high = np.quantile(codes, (0.1, 0.5, 0.9), axis=0)
    points = np.tile(middle, (2, codes.shape[1], 1)).astype(np.float32)
    for number in range(codes.shape[1]):
        points[:, number, number] = low[number], high[number]
    images = decode(network, points.reshape(-1, codes.shape[1])).reshape(2, codes.shape[1], -1)
    change = np.square(np.arcsinh(images[1]) - np.arcsinh(images[0])).mean(axis=1)
    first, second = np.argsort(change)[::-1][:2]
    return int(first), int(second)


def _fit_again(plan: TrainingPlan, scaling: ImageScaling, number: int) -> Components:
    images = plan.dataset.images.subset(plan.split["train"])
    return fit_components(images, scaling, number, plan.parameters.augment == "on", plan.parameters.seed)


def _table(dataset, rows: np.ndarray, codes: np.ndarray, log_variance: np.ndarray | None) -> Iterator[list]:
    head = [f"code-{number + 1}" for number in range(codes.shape[1])]
    more = [] if log_variance is None else [f"{name}-sigma" for name in head]
    yield ["index", *dataset.columns, *head, *more]
    labels = dataset.column_values(dataset.columns)
    for place, row in enumerate(rows):
        numbers = [] if log_variance is None else np.exp(0.5 * log_variance[place])
        yield [row, *(f"{value:.6g}" for value in [*labels[row], *codes[place], *numbers])]

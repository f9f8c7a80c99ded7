"""Test of a translation between two datasets: errors of pairs, a measured label, and a search for hidden signals."""

from pathlib import Path

import numpy as np

from stronglens.generation import figures
from stronglens.generation.components import stretch, unstretch
from stronglens.generation.compression import compression_metrics, squared_errors
from stronglens.generation.cyclegan import are_pairs, load_target, noise_of
from stronglens.generation.game import read_shown
from stronglens.generation.outputs import scaling_of
from stronglens.learning.plan import TrainingPlan
from stronglens.learning.report import open_test, write_figures, write_results
from stronglens.learning.train import predict
from stronglens.parameters import RunError
from stronglens.scaling import ImageScaling
from stronglens.training import load_network

PREFERRED = "einstein-radius", "einstein-radius-sie"
"""Labels whose bias is reported; the first label of the network, if it has none of them."""

NOISES = 0.03, 0.1, 0.3, 1.0
"""Noise that is added to translated images before they go back, in units of the noise of the images."""

HIDDEN = 3.0
"""Noise that grows by more on its way back is a sign of a hidden signal."""

LEVELS = 1001
"""Quantiles of pixel values that are matched."""

SHOWN = 6
"""Images in the figure."""


def report_cyclegan(plan: TrainingPlan, history: dict[str, list[float]]) -> dict:
    """Test the translators of the best epoch on held-out images; write ``metrics.json``, figures and the animation.

    Parameters
    ----------
    plan : TrainingPlan
    history : dict of str to list of float
        Losses and numbers by epoch.

    Returns
    -------
    dict
        The metrics.
    """
    parameters, say = plan.parameters, plan.console.say
    network, record, rows, _ = open_test(plan)
    scaling, (target, target_split) = scaling_of(record), load_target(plan)
    target_rows = target_split["test"] if len(target_split["test"]) else target_split["valid"]
    first, second = plan.dataset.images[rows], target.images[target_rows]
    there, back = (_Translator(network, name) for name in ("there", "back"))
    match = QuantileMatch(target.images[target_split["train"]], plan.dataset.images[plan.split["train"]])
    sets = {"translated": back(second), "quantile match": match(second)}
    metrics = {"network": parameters.network, "training": record["training"]}
    lines: list[str] = []
    if are_pairs(plan.dataset, target):
        metrics["pairs"] = {
            "there": measure_pairs(there(first), first, second, None, scaling, parameters.seed),
            "back": measure_pairs(sets["translated"], second, first, sets["quantile match"], scaling, parameters.seed),
        }
        lines += describe_pairs(metrics["pairs"])
    metrics["hidden-signal"] = search_hidden_signal(there, back, first, scaling, parameters.seed)
    lines += describe_hidden_signal(metrics["hidden-signal"])
    measured = measure_label(plan, target, rows, target_rows, first, sets | {"as it is": second})
    if measured:
        metrics["label"] = measured
        lines += describe_label(measured)
    else:
        lines.append("No label is measured: give a network of this dataset's images with --features-from")
    for line in ["", *lines, ""]:
        say(line)
    write_results(plan, network, record | {"metrics": metrics})
    drawn = {
        "there-and-back": figures.draw_there_and_back(
            (first[:SHOWN], there(first[:SHOWN]), network.predict(first[:SHOWN], verbose=0)),
            (second[:SHOWN], sets["translated"][:SHOWN], there(sets["translated"][:SHOWN])),
            (rows[:SHOWN], target_rows[:SHOWN]),
            plan.dataset.manifest["telescope"]["pixel-scale"], parameters.cmap,
            (str(parameters.dataset_dir), str(parameters.target_dir)),
        ),
        "losses": figures.draw_players(history, record["training"]["best_epoch"]),
    }  # fmt: skip
    folder = parameters.figures_dir
    shown = read_shown(folder / "logs", record["training"]["epochs"])
    figures.write_samples(folder / "epochs.gif", shown, history, parameters.cmap, "translated images")
    write_figures(plan, drawn, "metrics.json", animations=["epochs.gif"])
    return metrics


class _Translator:
    # Applies a part of a network to images.
    def __init__(self, network, name: str):
        self.part = network.get_layer(name)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return self.part.predict(images, batch_size=128, verbose=0)


class QuantileMatch:
    """Replace pixel values by those of equal rank in other images: a translation that knows no neighbours.

    Parameters
    ----------
    images, wanted : ndarray (N, H, W), (M, H, W), electrons/s
    """

    def __init__(self, images: np.ndarray, wanted: np.ndarray):
        shares = np.sin(np.linspace(0, np.pi / 2, LEVELS)) ** 2  # dense at both ends
        self.found, self.wanted = (np.quantile(some, shares) for some in (images, wanted))

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return images (N, H, W) with matched values, electrons/s."""
        return np.interp(images, self.found, self.wanted).astype(np.float32)


def measure_pairs(
    translated: np.ndarray, untranslated: np.ndarray, wanted: np.ndarray, matched: np.ndarray | None,
    scaling: ImageScaling, seed: int,
) -> dict:  # fmt: skip
    """Compare translated images with those of the same draws in the other dataset, and with untranslated images.

    Parameters
    ----------
    translated, untranslated, wanted, matched : ndarray (N, H, W), electrons/s
    scaling : ImageScaling
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        Root mean square differences in stretched units: ``translated``, ``as it is``, ``quantile match``, and the
        ``ratio`` of the first two with its interval (paired bootstrap).
    """
    pixels = stretch(wanted, scaling)
    ours, theirs = (squared_errors(stretch(images, scaling), pixels) for images in (translated, untranslated))
    found = compression_metrics({"image": ours}, {"image": theirs}, None, seed)["image"]
    numbers = {"translated": found["network"]["value"], "as it is": found["pca"]["value"], "ratio": found["ratio"]}
    if matched is not None:
        numbers["quantile match"] = float(np.sqrt(squared_errors(stretch(matched, scaling), pixels).mean()))
    return numbers


def describe_pairs(pairs: dict) -> list[str]:
    """Return lines on `measure_pairs` of both directions."""
    lines = ["RMS difference from the image of the same draws in the other dataset [stretched units, with both noises]"]
    for direction, one in pairs.items():
        ratio = one["ratio"]
        matched = f", quantile match {one['quantile match']:.4f}" if "quantile match" in one else ""
        interval = "" if ratio["low"] is None else f" [{ratio['low']:.3f}, {ratio['high']:.3f}]"
        worse = ": the translation makes it worse" if ratio["low"] is not None and ratio["low"] > 1 else ""
        lines.append(
            f"{direction}: as it is {one['as it is']:.4f}{matched}, translated {one['translated']:.4f}; ratio "
            f"{ratio['value']:.3f}{interval}{worse}"
        )
    return lines


def search_hidden_signal(there, back, images: np.ndarray, scaling: ImageScaling, seed: int) -> dict:
    """Add noise to translated images, and see whether the images that come back suffer more than by this noise.

    A translation can hide what it should lose in details below the noise, from which the way back restores it (Chu et
    al. 2017, arXiv:1712.02950, "CycleGAN, a master of steganography"). A little noise then destroys the image that
    comes back.

    Returns
    -------
    dict
        ``noise`` and ``error``: root mean squares in stretched units, without noise first; ``growth``: the additional
        error over the noise, for each noise but the first.
    """
    pixels, translated = stretch(images, scaling), stretch(there(images), scaling)
    unit = noise_of(scaling)
    random = np.random.default_rng(seed)
    noise = random.standard_normal(pixels.shape, np.float32)
    sizes, errors = [0.0, *(unit * size for size in NOISES)], []
    for size in sizes:
        returned = stretch(back(unstretch(translated + np.float32(size) * noise, scaling, images.shape[1:])), scaling)
        errors.append(float(np.sqrt(squared_errors(returned, pixels).mean())))
    growth = [
        float(np.sqrt(max(error**2 - errors[0] ** 2, 0)) / size)
        for size, error in zip(sizes[1:], errors[1:], strict=True)
    ]
    return {"noise": [float(size) for size in sizes], "error": errors, "growth": growth}


def describe_hidden_signal(found: dict) -> list[str]:
    """Return lines on `search_hidden_signal`."""
    largest = max(found["growth"])
    verdict = (
        f"noise grows by up to {largest:.1f} on its way back: information is hidden in the translated images"
        if largest > HIDDEN
        else f"noise grows by {largest:.1f} at most: no hidden signal"
    )
    errors = ", ".join(f"{error:.4f} with {size:g}" for size, error in zip((0, *NOISES), found["error"], strict=True))
    return [
        f"RMS error there and back, with noise added in between [noise of an image]: {errors}",
        f"{verdict[0].upper()}{verdict[1:]}",
    ]


def measure_label(plan: TrainingPlan, target, rows, target_rows, first: np.ndarray, sets: dict) -> dict | None:
    """Measure a label of images of the target with a network of the first dataset, before and after the translation.

    Parameters
    ----------
    plan : TrainingPlan
    target : Dataset
    rows, target_rows : ndarray of int
        Held-out images.
    first : ndarray (N, H, W), electrons/s
        Those of the first dataset.
    sets : dict of str to ndarray (M, H, W)
        Images of the target, ``as it is`` and translated.

    Returns
    -------
    dict or None
        ``label``, ``unit`` and, by the name of each set, ``bias`` and ``rms`` of measured minus true values, and the
        standard error of the bias; None without ``--features-from``.
    """
    parameters = plan.parameters
    if not parameters.features_from:
        return None
    network, place, label = read_measuring_network(parameters.features_from, first.shape[1:])
    truths = [plan.dataset.column_values([label])[rows, 0], target.column_values([label])[target_rows, 0]]
    column = plan.dataset.columns[label]
    found = {"first dataset": _compare(predict(network, first)[:, place], truths[0])}
    for name in ("as it is", "quantile match", "translated"):
        found[name] = _compare(predict(network, sets[name])[:, place], truths[1])
    if parameters.target_network:
        network, place, _ = read_measuring_network(parameters.target_network, first.shape[1:], label)
        found["trained on the target"] = _compare(predict(network, sets["as it is"])[:, place], truths[1])
    return {"label": label, "unit": column.unit, "sets": found}


def describe_label(measured: dict) -> list[str]:
    """Return a table of `measure_label`."""
    unit = f" [{measured['unit']}]" if measured["unit"] else ""
    sets = measured["sets"]
    lines = [f"{measured['label']}, measured less true{unit}", f"{'images':<34} {'bias':>18} {'RMS':>8}"]
    texts = {
        "first dataset": "of this dataset",
        "as it is": "of the target, as they are",
        "quantile match": "of the target, quantile match",
        "translated": "of the target, translated",
        "trained on the target": "of the target, its own network",
    }
    for name, text in texts.items():
        if name in sets:
            one = sets[name]
            lines.append(f"{text:<34} {one['bias']:>+9.4f} +- {one['error']:.4f} {one['rms']:>8.4f}")
    before, after = (abs(sets[name]["bias"]) for name in ("as it is", "translated"))
    uncertain = np.hypot(sets["as it is"]["error"], sets["translated"]["error"])
    if abs(after - before) < 2 * uncertain:
        verdict = "too few images to tell whether the translation changes the bias"
    else:
        verdict = f"the translation makes the bias {'smaller' if after < before else 'larger'}"
    lines.append(f"{verdict[0].upper()}{verdict[1:]}: {before:.4f} before, {after:.4f} after")
    if "trained on the target" not in sets:
        lines.append("A network of the target's images is not compared: give one with --target-network")
    return lines


def read_measuring_network(path: Path, shape: tuple[int, ...], wanted: str | None = None) -> tuple:
    """Return a network that measures labels, the place of a label in its output, and this label.

    Raises
    ------
    RunError
        If the file has no such network, or it takes other images.
    """
    network, record = load_network(path)
    labels = [column["name"] for column in record.get("labels", [])]
    if not labels or len(network.inputs) != 1 or network.output_shape != (None, len(labels)):
        raise RunError(f"the network in {path} does not measure labels: train one with --task=regression")
    if tuple(network.input_shape[1:]) != shape:
        raise RunError(f"the network in {path} takes images of {network.input_shape[1:]} pixels, not {shape}")
    label = wanted or next((name for name in PREFERRED if name in labels), labels[0])
    if label not in labels:
        raise RunError(f"the network in {path} does not measure {label}")
    return network, labels.index(label), label


def _compare(measured: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    away = measured - truth
    return {
        "bias": float(away.mean()),
        "error": float(away.std() / np.sqrt(len(away))),
        "rms": float(np.sqrt(np.mean(away**2))),
    }

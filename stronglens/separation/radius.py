"""Does the separation help to measure lenses? Einstein radii from raw, separated and truly separated images.

The same small regression network learns them on a second dataset, which the separating network has not seen.
"""

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from stronglens.dataset import Dataset, load_dataset, read_manifest, split_indices
from stronglens.learning.plan import TrainingPlan, require_isotropy
from stronglens.learning.train import PREDICTION_BATCH
from stronglens.networks import open_image
from stronglens.parameters import Column, UsageError
from stronglens.sampling import Stream, generator
from stronglens.scaling import fit_image_scaling, fit_label_scaling, restore_labels
from stronglens.separation.adversarial import make_objective
from stronglens.separation.arrays import LENS
from stronglens.separation.batches import LightBatches, encode_light
from stronglens.separation.camera import Camera
from stronglens.separation.metrics import interval
from stronglens.separation.network import SOURCE
from stronglens.training import fit, keras, load_network, spread_seed

LABEL = "einstein-radius"
EPOCHS, RATE, BATCH = 20, 0.001, 64
"""Of the regression network."""

CONVOLUTIONS, UNITS = ((16, 5), (32, 3), (64, 3), (64, 3)), 64
"""Filters and side of the kernels of its convolutions, which all halve the image; and units of its dense layer."""

VALID, TEST = 0.1, 0.2

TIMED = 20
"""Training steps of the separating network that are timed."""

RAW, SEPARATED, TRULY, LONGER = "raw", "separated", "truly separated", "raw, with equal computing"


def measure_radii(plan: TrainingPlan) -> dict:
    """Train regression networks on raw, separated and truly separated images, and return their errors.

    Parameters
    ----------
    plan : TrainingPlan
        Of the separating network, whose file is complete. ``--measure-radius`` names the second dataset.

    Returns
    -------
    dict
        ``images``, and for each kind of image ``epochs``, ``cpu_seconds``, ``rms`` [arcsec] and ``over_raw``.

    Raises
    ------
    RunError
        If there is no complete dataset of this task.
    UsageError
        If it was simulated with the same seed as that of the separating network, or for another telescope.
    """
    parameters, console = plan.parameters, plan.console
    dataset = load_dataset(parameters.measure_radius, parameters.task)
    network, _ = load_network(parameters.model_file)
    split = split_indices(len(dataset.images), VALID, TEST, generator(parameters.seed, Stream.SPLIT))
    raw = dataset.images[:]
    source = network.predict(raw, batch_size=PREDICTION_BATCH, verbose=0)[..., SOURCE]
    kinds = {RAW: raw, SEPARATED: source, TRULY: raw - dataset.others[LENS][:]}
    separation = time_separation(plan)
    errors, costs, epochs = {}, {}, dict.fromkeys(kinds, EPOCHS)
    with console.progress(len(kinds) + 1, "measuring Einstein radii", unit="networks") as progress:
        for kind, images in kinds.items():
            errors[kind], costs[kind] = learn_radius(dataset, images, split, EPOCHS, parameters.seed)
            progress.advance(1)
        epochs[LONGER] = max(1, round(EPOCHS * (separation + costs[SEPARATED]) / costs[RAW]))
        errors[LONGER], costs[LONGER] = learn_radius(dataset, raw, split, epochs[LONGER], parameters.seed)
        progress.advance(1)
    return {
        "images": len(split["test"]),
        "training_images": len(split["train"]),
        "separation_cpu_seconds": separation,
        **{kind: _entry(errors[kind], errors[RAW], epochs[kind], costs[kind], parameters.seed) for kind in errors},
    }


def check_dataset(plan: TrainingPlan) -> None:
    """Check that the second dataset exists, is new to the separating network, and of the same camera.

    Raises
    ------
    RunError, UsageError
        See `measure_radii`.
    """
    folder, made_with = plan.parameters.measure_radius, plan.dataset.manifest
    manifest = read_manifest(folder, plan.parameters.task)
    if manifest["parameters"]["seed"] == made_with["parameters"]["seed"]:
        raise UsageError(f"--measure-radius={folder} has the --seed of the training images; simulate others")
    if manifest["telescope"] != made_with["telescope"]:
        raise UsageError(f"--measure-radius={folder} is of another telescope than the training images")
    require_isotropy(Column.from_dict(item) for item in manifest["columns"])


def learn_radius(
    dataset: Dataset, images: np.ndarray, split: Mapping[str, np.ndarray], epochs: int, seed: int
) -> tuple[np.ndarray, float]:
    """Return the errors of test images after a training, arcsec: (T,), and the CPU time of the training, s."""
    truth, begun = dataset.column_values([LABEL]), time.process_time()
    train, valid = split["train"], split["valid"]
    image, x = open_image(images.shape[1:], fit_image_scaling(images[train]), 2 ** len(CONVOLUTIONS))
    seeds = iter(spread_seed(seed, len(CONVOLUTIONS) + 2))
    for filters, side in CONVOLUTIONS:
        start = keras.initializers.HeNormal(next(seeds))
        x = keras.layers.Conv2D(
            filters, side, 2, padding="same", activation="relu", kernel_initializer=start, data_format="channels_last"
        )(x)
    x = keras.layers.Flatten(data_format="channels_last")(x)
    x = keras.layers.Dense(UNITS, "relu", kernel_initializer=keras.initializers.GlorotUniform(next(seeds)))(x)
    x = keras.layers.Dense(1, kernel_initializer=keras.initializers.GlorotUniform(next(seeds)), dtype="float32")(x)
    network = keras.Model(image, restore_labels(x, fit_label_scaling(truth[train], (LABEL,))))
    with tempfile.TemporaryDirectory() as folder:
        fit(
            network, (images[train], truth[train]), (images[valid], truth[valid]), label_names=(LABEL,),
            model_file=Path(folder) / "radius.keras", epochs=epochs, learning_rate=RATE, learning_schedule="cosine",
            batch_size=BATCH, augment=True, seed=seed, quiet=True,
        )  # fmt: skip
    cost = time.process_time() - begun
    found = network.predict(images[split["test"]], batch_size=PREDICTION_BATCH, verbose=0)
    return (found - truth[split["test"]])[:, 0], cost


def time_separation(plan: TrainingPlan) -> float:
    """Return the CPU time of the separating network's training, s: that of a few steps, times their number."""
    parameters, dataset = plan.parameters, plan.dataset
    camera, objective = Camera.of(dataset.manifest), make_objective(parameters)
    batches = LightBatches(
        dataset, plan.split["train"], encode_light(camera), camera, parameters.batch_size, 1, objective=objective,
        is_training=True, augment=parameters.augment == "on", seed=parameters.seed,
    )  # fmt: skip
    core = objective.core(load_network(parameters.model_file)[0])
    core.compile(keras.optimizers.Adam(), loss=objective.loss(), jit_compile=objective.jit_compile)
    core.train_on_batch(*batches[0])
    start = time.process_time()
    for step in range(TIMED):
        core.train_on_batch(*batches[step % len(batches)])
    return (time.process_time() - start) / TIMED * len(batches) * parameters.epochs


def radius_table(metrics: Mapping) -> list[str]:
    """Return the lines of a table of `measure_radii`."""
    lines = [
        f"Einstein radius of {metrics['images']} other images, by the same regression network after "
        f"{metrics['training_images']:,} training images, with 95 % bootstrap intervals",
        f"{'images':26}  epochs  CPU time [s]  {'RMS error [arcsec]':>24}  {'over that on raw images':>24}",
    ]
    for kind in (RAW, SEPARATED, TRULY, LONGER):
        one, rms, ratio = metrics[kind], metrics[kind]["rms"], metrics[kind]["over_raw"]
        between = [f"{its['value']:.3f} ({its['low']:.3f} to {its['high']:.3f})" for its in (rms, ratio)]
        lines.append(f"{kind:26}  {one['epochs']:6}  {one['cpu_seconds']:12.0f}  {between[0]:>24}  {between[1]:>24}")
    seconds = metrics["separation_cpu_seconds"]
    return [*lines, f"  the separating network was trained for {seconds:.0f} s; {LONGER}: this and that of a network"]


def _entry(errors: np.ndarray, raw: np.ndarray, epochs: int, cost: float, seed: int) -> dict:
    def ratio(values, axis):
        mean = np.mean(values, axis=axis)
        return np.sqrt(mean[..., 0] / mean[..., 1])

    return {
        "epochs": epochs,
        "cpu_seconds": cost,
        "rms": interval(errors**2, seed, lambda values, axis: np.sqrt(np.mean(values, axis=axis))),
        "over_raw": interval(np.stack([errors**2, raw**2], axis=-1), seed, ratio),
    }

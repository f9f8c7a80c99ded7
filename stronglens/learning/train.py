"""Train a network according to a plan; apply a network to many images."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np

from stronglens.execution import open_executor
from stronglens.learning.plan import TrainingPlan
from stronglens.observation import describe_backgrounds
from stronglens.scaling import fit_image_scaling
from stronglens.simulation.chunks import describe_environment
from stronglens.simulation.stream import SimulationStream
from stronglens.training import describe_device, fit
from stronglens.training.augmentation import find_pairs

PREDICTION_BATCH = 256
BLOCK_BYTES = 2**27
"""Maximum size of the images that are in memory at a time for prediction, bytes."""


def fit_network(
    plan: TrainingPlan,
    fresh: SimulationStream | None,
    build: Callable,
    fit_scaling: Callable = fit_image_scaling,
    **choices,
) -> dict[str, list[float]]:
    """Train a network on a dataset's training images, or on new simulations.

    Parameters
    ----------
    plan : TrainingPlan
    fresh : SimulationStream, optional
        New simulations to train on; the stored images are then used for validation and test only.
    build : callable, (image shape, image scaling, (M, L) labels) -> keras.Model
        Builds the untrained network. The labels are those that the scaling is fitted to.
    fit_scaling : callable
        Fits the scaling of the images, as `scaling.fit_image_scaling`.
    **choices
        Other arguments of `training.fit`; ``record`` is added to the record of the network.

    Returns
    -------
    dict of str to list of float, one value per epoch
        See `training.fit`.

    Raises
    ------
    RunError, UsageError
        See `training.fit`.
    """
    parameters, dataset, split = plan.parameters, plan.dataset, plan.split
    train, valid = split["train"], split["valid"]
    if fresh is None:
        images, labels = dataset.images.subset(train), dataset.column_values(plan.label_columns)[train]
        learned_from = (images, labels)
    else:
        images, labels = fresh.first()
        learned_from = fresh
    with plan.console.progress(len(images), "measuring the images") as measured:
        image_scaling = fit_scaling(images, measured.advance)
    network = build(images.shape[1:], image_scaling, labels[:, : len(plan.labels)])
    announce(plan, network, f"labels {', '.join(plan.labels)}", "simulated for each epoch" if fresh else "for training")
    record = describe_training(plan, images, fresh) | choices.pop("record", {})
    return fit(
        network,
        learned_from,
        (dataset.images.subset(valid), plan.truth[valid]),
        label_names=plan.labels,
        augment=parameters.augment == "on",
        pairs=find_pairs([dataset.columns[name] for name in plan.label_columns]) if parameters.augment == "on" else (),
        record=record,
        **settings_of_fit(parameters),
        **choices,
    )


def describe_training(plan: TrainingPlan, images, fresh: SimulationStream | None = None) -> dict:
    """Return the record of a network: its dataset, the split, and the backgrounds of training images.

    Parameters
    ----------
    plan : TrainingPlan
    images : ImageSet or ndarray (N, H, W) or (N, H, W, B), electrons/s
    fresh : SimulationStream, optional
        New simulations that the network was trained on.
    """
    split = {name: rows.tolist() for name, rows in plan.split.items()}
    has_bands = len(images.shape) == 4  # their backgrounds are not compared with those of other images
    record = plan.dataset.describe(plan.labels) | {"split": split}
    record |= {"background": {} if has_bands else describe_backgrounds(images)}
    return record | ({"fresh": fresh.describe(), "split": split | {"train": []}} if fresh else {})


def announce(plan: TrainingPlan, network, outputs: str, source: str = "for training") -> None:
    """Print the network, the numbers of images and the training device.

    Parameters
    ----------
    plan : TrainingPlan
    network : keras.Model
    outputs : str
        What the network gives.
    source : str
        Where the training images come from.
    """
    say, (train, valid, test) = plan.console.say, (len(plan.split[name]) for name in ("train", "valid", "test"))
    say(f"Network: {network.count_params():,} parameters; {outputs}")
    say(f"Images: {train:,} {source}, {valid:,} for validation, {test:,} for the test")
    device = describe_device(plan.parameters.batch_size)
    say(device[0].upper() + device[1:])


def settings_of_fit(parameters) -> dict:
    """Return the arguments of `training.fit` that the parameters of all tasks contain."""
    same = (
        "model_file", "epochs", "optimizer", "learning_rate", "learning_schedule", "warm_up", "weight_decay",
        "batch_size", "seed", "mixed_precision", "resume", "quiet",
    )  # fmt: skip
    settings = {name: getattr(parameters, name) for name in same}
    return settings | {"log_dir": parameters.figures_dir / "logs", "keep_state": True}


@contextmanager
def open_stream(plan: TrainingPlan, make: Callable | None, program_version: str) -> Iterator[SimulationStream | None]:
    """Start processes that simulate training images.

    Parameters
    ----------
    plan : TrainingPlan
    make : callable or None
        Makes the simulator of the dataset; None if it was not simulated.
    program_version : str

    Yields
    ------
    SimulationStream or None
        None without ``--simulate``: the training then uses stored images.

    Raises
    ------
    RunError, UsageError
        See `stronglens.execution.open_executor`.
    """
    parameters = plan.parameters
    if not parameters.simulate:
        yield None
        return
    workers = 0 if parameters.scheduler else max(1, parameters.workers)  # JAX and TensorFlow need separate processes
    describe = partial(describe_environment, program_version)
    with open_executor(workers, parameters.scheduler, describe, plan.console) as executor:
        assert make  # load_training_set refuses --simulate otherwise
        stored, number = plan.dataset.manifest["number"], len(plan.split["train"])
        yield SimulationStream(make, plan.made_with, stored, number, plan.label_columns, executor)


def predict(network, images) -> np.ndarray:
    """Apply a network to a set of images in blocks. The images need not fit in memory.

    Parameters
    ----------
    network : keras.Model
    images : ImageSet (N, H, W), electrons/s

    Returns
    -------
    ndarray (N, L) float32
        Outputs of the network, in its units.
    """
    block = PREDICTION_BATCH * max(1, BLOCK_BYTES * len(images) // (images.nbytes * PREDICTION_BATCH))
    blocks = (images[start : start + block] for start in range(0, len(images), block))
    return np.concatenate([network.predict(part, batch_size=PREDICTION_BATCH, verbose=0) for part in blocks])

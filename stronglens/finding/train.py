"""Training of the finding task: one network, or the members of a committee one after the other."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from stronglens.finding.labels import DOUBTFUL
from stronglens.finding.network import OUTPUTS, build_network, join_members
from stronglens.finding.plan import bands_of
from stronglens.finding.published import set_published_weights
from stronglens.learning.plan import TrainingPlan
from stronglens.learning.train import announce, describe_training, fit_network
from stronglens.observation import describe_backgrounds
from stronglens.parameters import UsageError
from stronglens.scaling import fit_image_scaling
from stronglens.simulation.stream import SimulationStream
from stronglens.training import Classification, load_network, remove_state, save_network

MOST_MEASURED = 500
"""Maximum number of training images whose backgrounds are measured."""


SMALLEST_FRACTION = 1e-4
"""Minimum softening of the stretch in units of the typical peak: below ten times the noise of the brightest images."""


def train_network(plan: TrainingPlan, fresh: SimulationStream | None) -> dict[str, list[float]]:
    """Train the network, or each member of the committee; or read published weights; or check a trained network.

    Parameters
    ----------
    plan : TrainingPlan
    fresh : SimulationStream, optional
        New simulations to train on. Doubtful images among them have no weight.

    Returns
    -------
    dict of str to list of float, one value per epoch
        See `training.fit`: of the first member; empty without training.

    Raises
    ------
    RunError, UsageError
        See `training.fit` and `published.set_published_weights`; or if the network of ``--test-only`` was trained on
        other images.
    """
    parameters = plan.parameters
    if parameters.test_only:
        return _read_trained(plan)
    if parameters.weights_from:
        return _read_published(plan)
    if parameters.members == 1:
        return _train_one(plan, fresh)
    histories = []
    for number in range(1, parameters.members + 1):
        plan.console.say(f"Member {number} of {parameters.members}")
        histories.append(_train_one(_plan_of_member(plan, number), fresh))
    trained = [load_network(path) for path in member_files(parameters)]
    record = trained[0][1] | {"members": [record["training"] for _, record in trained]}
    save_network(join_members([network for network, _ in trained]), parameters.model_file, record)
    return histories[0]


def describe_bands(plan: TrainingPlan) -> dict:
    """Return the entries on bands in the record of a network: the zero point and the background of each."""
    manifest, images = plan.dataset.manifest, plan.dataset.images.subset(plan.split["train"])
    bands = bands_of(manifest)
    sample = images[np.linspace(0, len(images) - 1, min(len(images), MOST_MEASURED)).astype(int)]
    sample = sample.reshape(*sample.shape[:3], len(bands))
    return {
        "bands": bands,
        "zero-points": [manifest["telescope"]["bands"][band]["zero-point"] for band in bands],
        "backgrounds": [describe_backgrounds(sample[..., band]) for band in range(len(bands))],
    }


def member_files(parameters) -> list[Path]:
    """Return the files in which the members of a committee are kept until the committee is tested; none for one."""
    path = parameters.model_file
    numbers = range(1, parameters.members + 1) if parameters.members > 1 else ()
    return [path.with_name(f"{path.stem}.member-{number}{path.suffix}") for number in numbers]


def remove_members(parameters) -> None:
    """Remove the files of a committee's members and the states of their trainings."""
    for path in member_files(parameters):
        remove_state(path)
        path.unlink(missing_ok=True)


def _train_one(plan: TrainingPlan, fresh: SimulationStream | None) -> dict[str, list[float]]:
    parameters = plan.parameters

    def build(shape, image_scaling, labels):
        scaling = None if parameters.input == "minmax" else image_scaling
        return build_network(parameters.network, shape, scaling, parameters.seed, parameters.dropout)

    # Both groups have the same weight in the loss, however many images each has.
    counts = np.bincount(plan.truth[plan.split["train"], 0].astype(int), minlength=OUTPUTS)[:OUTPUTS]
    weights = tuple(float(weight) for weight in counts.sum() / (OUTPUTS * counts))
    objective = Classification(OUTPUTS, weights=weights, ignored=DOUBTFUL)
    # The noise of each band sets its softening, not the peak, so that the bands have the same scale.
    fit_scaling = partial(fit_image_scaling, peak_fraction=SMALLEST_FRACTION)
    return fit_network(plan, fresh, build, fit_scaling, objective=objective, record=describe_bands(plan))


def _plan_of_member(plan: TrainingPlan, number: int) -> TrainingPlan:
    parameters = plan.parameters
    own = {
        "seed": parameters.seed + number - 1,
        "model_file": member_files(parameters)[number - 1],
        "figures_dir": parameters.figures_dir / f"member-{number}",  # of its logs
    }
    return replace(plan, parameters=replace(parameters, **own))


def _read_trained(plan: TrainingPlan) -> dict[str, list[float]]:
    _, record = load_network(plan.parameters.model_file)
    known = describe_training(plan, plan.dataset.images.subset(plan.split["train"]))
    if any(record.get(name) != known[name] for name in ("dataset", "split")):
        raise UsageError(
            f"--test-only: {plan.parameters.model_file} was not trained on these images; give the dataset, the --seed "
            "and the splits of its training, and other datasets to --more-tests"
        )
    return {}


def _read_published(plan: TrainingPlan) -> dict[str, list[float]]:
    parameters, dataset = plan.parameters, plan.dataset
    images = dataset.images.subset(plan.split["train"])
    network = build_network(parameters.network, images.shape[1:], None)
    set_published_weights(network, parameters.weights_from, bands_of(dataset.manifest))
    announce(plan, network, f"weights from {parameters.weights_from}, not trained", "not used")
    record = describe_training(plan, images) | describe_bands(plan) | {"weights": parameters.weights_from.name}
    save_network(network, parameters.model_file, record)
    return {}

"""Training of the separation task."""

from typing import Any

from stronglens.learning.plan import TrainingPlan
from stronglens.learning.train import announce, describe_training, settings_of_fit
from stronglens.scaling import fit_image_scaling
from stronglens.separation.adversarial import explain_losses, make_objective
from stronglens.separation.batches import FreshBatches, LightBatches, encode_light
from stronglens.separation.camera import Camera
from stronglens.separation.convergence import GaussianError, build_map_network, calibrate
from stronglens.separation.network import build_network
from stronglens.simulation.stream import SimulationStream
from stronglens.training import fit


def train_network(plan: TrainingPlan, fresh: SimulationStream | None) -> dict[str, list[float]]:
    """Train the chosen network to separate light, or to map the convergence.

    Parameters
    ----------
    plan : TrainingPlan
    fresh : SimulationStream, optional
        New simulations to train on; the stored images are then used for validation and test only.

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
    camera = Camera.of(dataset.manifest)
    images = fresh.first()[0] if fresh else dataset.images.subset(split["train"])
    with plan.console.progress(len(images), "measuring the images") as measured:
        image_scaling = fit_image_scaling(images, measured.advance)
    record = {"network": parameters.network, "noise-model": camera.to_dict()}
    is_map = parameters.map == "convergence"
    objective: Any
    if is_map:
        network, encode = build_map_network(plan, image_scaling, camera)
        objective, outputs = GaussianError(), "map of the convergence"
        record["map"] = parameters.map
    else:
        network = build_network(parameters.network, images.shape[1:], image_scaling, camera, parameters.seed)
        encode, outputs = encode_light(camera), "noise and source of each pixel"
        objective = make_objective(parameters)
        record["adversarial"] = parameters.adversarial
    announce(plan, network, outputs, "simulated for each epoch" if fresh else "for training")
    ways = {"objective": objective, "seed": parameters.seed}

    def train(batch_size, multiple):
        augment = parameters.augment == "on"
        if fresh:
            more = {"augment": augment, "epochs": parameters.epochs}
            return FreshBatches(fresh, encode, batch_size, multiple, **ways, **more)
        more = {"augment": augment, "is_training": True}
        return LightBatches(dataset, split["train"], encode, camera, batch_size, multiple, **ways, **more)

    def valid(batch_size, multiple):
        return LightBatches(dataset, split["valid"], encode, camera, batch_size, multiple, **ways)

    record = describe_training(plan, images, fresh) | record
    history = fit(
        network, train, valid, label_names=(), objective=objective, record=record, **settings_of_fit(parameters)
    )
    if is_map:
        calibrate(plan)
    if parameters.adversarial and (line := explain_losses(history)):
        plan.console.warn(line)
    return history

"""Training of the regression task."""

from stronglens.learning.plan import TrainingPlan
from stronglens.learning.train import fit_network
from stronglens.networks import build_backbone
from stronglens.regression.label_space import LOWER_BOUNDS, LabelSpace
from stronglens.regression.network import build_network
from stronglens.regression.posterior import build_posterior, dimensions_of
from stronglens.regression.separated import describe_separation
from stronglens.scaling import fit_label_scaling
from stronglens.simulation.stream import SimulationStream
from stronglens.training import Density


def train_network(plan: TrainingPlan, fresh: SimulationStream | None) -> dict[str, list[float]]:
    """Train the network (see `learning.train.fit_network`); return the values of each metric by epoch."""
    parameters = plan.parameters
    if parameters.posterior != "none":
        return _train_posterior(plan, fresh)

    def build(shape, image_scaling, labels):
        label_scaling = fit_label_scaling(labels, plan.labels)
        return build_network(shape, image_scaling, label_scaling, parameters.seed, parameters.network)

    return fit_network(plan, fresh, build, record=describe_separation(plan))


def _train_posterior(plan: TrainingPlan, fresh: SimulationStream | None) -> dict[str, list[float]]:
    parameters = plan.parameters
    columns = [plan.dataset.columns[label] for label in plan.labels]
    made_with = plan.dataset.manifest["parameters"]
    cuts = {name: made_with.get(f"{name}-min") or 0.0 for name in ("magnification", "snr")}
    # Fitted on the labels of the stored images; newly simulated images have the same prior.
    space = LabelSpace.fit(columns, plan.truth[plan.split["train"]], LOWER_BOUNDS | cuts)

    def build(shape, image_scaling, labels):
        image, summary = build_backbone(parameters.network, shape, image_scaling, parameters.seed)
        return build_posterior(parameters.posterior, image, summary, len(columns), parameters.seed)

    return fit_network(
        plan,
        fresh,
        build,
        objective=Density(space, dimensions_of(parameters.posterior, len(columns)), parameters.seed),
        record={"posterior": parameters.posterior, "label-space": space.to_dict()} | describe_separation(plan),
    )

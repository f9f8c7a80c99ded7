"""Training of the substructure task."""

from stronglens.learning.plan import TrainingPlan
from stronglens.learning.train import fit_network
from stronglens.simulation.stream import SimulationStream
from stronglens.substructure.network import build_network
from stronglens.training import Classification


def train_network(plan: TrainingPlan, fresh: SimulationStream | None) -> dict[str, list[float]]:
    """Train the network (see `learning.train.fit_network`); return the values of each metric by epoch."""
    parameters, classes = plan.parameters, plan.dataset.manifest["classes"]

    def build(shape, image_scaling, labels):
        return build_network(parameters.network, shape, image_scaling, len(classes), parameters.seed)

    return fit_network(plan, fresh, build, objective=Classification(len(classes), parameters.label_smoothing))

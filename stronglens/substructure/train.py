"""What the substructure task learns, and how."""

from stronglens.learning.plan import TrainingPlan
from stronglens.learning.train import fit_network
from stronglens.simulation.stream import SimulationStream
from stronglens.substructure.network import build_network
from stronglens.training import Classification


def train_network(plan: TrainingPlan, fresh: SimulationStream | None) -> dict[str, list[float]]:
    """Train a residual network (see `learning.train.fit_network`); return a value an epoch of each metric."""
    parameters, classes = plan.parameters, plan.dataset.manifest["classes"]

    def build(shape, image_scaling, labels):
        return build_network(parameters.network, shape, image_scaling, len(classes), parameters.seed)

    return fit_network(plan, fresh, build, objective=Classification(len(classes), parameters.label_smoothing))

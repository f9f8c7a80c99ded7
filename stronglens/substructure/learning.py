"""What the substructure task learns, and how."""

from stronglens.learning.lesson import Lesson
from stronglens.learning.training import learn
from stronglens.simulation.fresh import FreshLenses
from stronglens.substructure.network import build_network
from stronglens.training import Classification


def train_network(lesson: Lesson, fresh: FreshLenses | None) -> dict[str, list[float]]:
    """Train a residual network (see `learning.training.learn`); return a value an epoch of each metric."""
    parameters, classes = lesson.parameters, lesson.dataset.manifest["classes"]

    def build(shape, image_scaling, labels):
        return build_network(parameters.network, shape, image_scaling, len(classes), parameters.seed)

    return learn(lesson, fresh, build, objective=Classification(len(classes), parameters.label_smoothing))

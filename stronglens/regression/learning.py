"""What the regression task learns, and how."""

from stronglens.learning.lesson import Lesson
from stronglens.learning.training import learn
from stronglens.regression.network import build_network
from stronglens.scaling import fit_label_scaling
from stronglens.simulation.fresh import FreshLenses


def train_network(lesson: Lesson, fresh: FreshLenses | None) -> dict[str, list[float]]:
    """Train the network of the report (see `learning.training.learn`); return a value an epoch of each metric."""

    def build(shape, image_scaling, labels):
        return build_network(shape, image_scaling, fit_label_scaling(labels, lesson.labels), lesson.parameters.seed)

    return learn(lesson, fresh, build)

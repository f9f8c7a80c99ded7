"""What the regression task learns, and how."""

from stronglens.learning.lesson import Lesson
from stronglens.learning.training import learn
from stronglens.networks import build_trunk
from stronglens.regression.label_space import LEAST, LabelSpace
from stronglens.regression.network import build_network
from stronglens.regression.posterior import build_posterior, dimensions_of
from stronglens.scaling import fit_label_scaling
from stronglens.simulation.fresh import FreshLenses
from stronglens.training import Density


def train_network(lesson: Lesson, fresh: FreshLenses | None) -> dict[str, list[float]]:
    """Train the chosen network (see `learning.training.learn`); return a value an epoch of each metric."""
    parameters = lesson.parameters
    if parameters.posterior != "none":
        return _train_posterior(lesson, fresh)

    def build(shape, image_scaling, labels):
        label_scaling = fit_label_scaling(labels, lesson.labels)
        return build_network(shape, image_scaling, label_scaling, parameters.seed, parameters.network)

    return learn(lesson, fresh, build)


def _train_posterior(lesson: Lesson, fresh: FreshLenses | None) -> dict[str, list[float]]:
    parameters = lesson.parameters
    columns = [lesson.dataset.columns[label] for label in lesson.labels]
    made_with = lesson.dataset.manifest["parameters"]
    cuts = {name: made_with.get(f"{name}-min") or 0.0 for name in ("magnification", "snr")}
    # Of the stored images' labels: fresh ones come from the same prior.
    space = LabelSpace.fit(columns, lesson.truth[lesson.split["train"]], LEAST | cuts)

    def build(shape, image_scaling, labels):
        image, summary = build_trunk(parameters.network, shape, image_scaling, parameters.seed)
        return build_posterior(parameters.posterior, image, summary, len(columns), parameters.seed)

    return learn(
        lesson,
        fresh,
        build,
        objective=Density(space, dimensions_of(parameters.posterior, len(columns)), parameters.seed),
        record={"posterior": parameters.posterior, "label-space": space.to_dict()},
    )

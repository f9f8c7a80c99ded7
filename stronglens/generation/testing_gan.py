"""Test of a generator of images: its samples beside real images, its training, and an animation of it."""

from stronglens.generation import figures
from stronglens.generation.comparison import FEATURES
from stronglens.generation.components import fit_components, stretch
from stronglens.generation.game import read_shown
from stronglens.generation.outputs import scaling_of
from stronglens.generation.testing_samples import compare_samples
from stronglens.learning.plan import TrainingPlan
from stronglens.learning.report import write_figures, write_results
from stronglens.training import load_network


def report_gan(plan: TrainingPlan, history: dict[str, list[float]]) -> dict:
    """Compare samples of the best epoch with test images, and write ``metrics.json``, figures and the animation.

    Parameters
    ----------
    plan : TrainingPlan
    history : dict of str to list of float
        Losses and numbers by epoch.

    Returns
    -------
    dict
        The metrics.
    """
    parameters, dataset = plan.parameters, plan.dataset
    network, record = load_network(parameters.model_file)
    scaling = scaling_of(record)
    images = dataset.images.subset(plan.split["train"])
    components = fit_components(images, scaling, FEATURES, parameters.augment == "on", parameters.seed)
    training = record["training"]
    metrics = {"network": parameters.network, "latents": record["latents"], "training": training}
    drawn = compare_samples(
        plan, network, record, components, metrics, lambda some: components.project(stretch(some, scaling))
    )
    write_results(plan, network, record | {"metrics": metrics})
    drawn["losses"] = figures.draw_players(history, training["best_epoch"])
    folder = parameters.figures_dir
    shown = read_shown(folder / "logs", training["epochs"])
    if shown:
        figures.write_samples(folder / "epochs.gif", shown, history, parameters.cmap, "no noise")
    write_figures(plan, drawn, "metrics.json", animations=["epochs.gif"] if shown else [])
    return metrics

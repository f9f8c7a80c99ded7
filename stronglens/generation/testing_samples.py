"""Test of new images: numbers and figures beside real images."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from stronglens.generation import figures
from stronglens.generation.comparison import FEWEST, Ruler, compare, describe_comparison, find_collapse
from stronglens.generation.components import Components
from stronglens.generation.few_labels import measure_asked
from stronglens.generation.generated import generate_images
from stronglens.generation.outputs import scaling_of
from stronglens.generation.sampler import Sampler, draw_condition
from stronglens.learning.plan import TrainingPlan
from stronglens.out_of_distribution import build_feature_extractor
from stronglens.parameters import RunError
from stronglens.training import load_network

MOST_COMPARED = 2000
"""Largest number of new images that are compared with real ones."""

MOST_ASKED = 1000
"""Training images from whose codes labels are measured."""


def compare_samples(
    plan: TrainingPlan, network, record: Mapping, components: Components, metrics: dict, compress: Callable
) -> dict:
    """Generate images, compare them with real ones, print the numbers, and return the figures by file stem.

    As many images are generated as there are test images, and compared with these; the same number of validation images
    gives the numbers that equal distributions would have.

    Parameters
    ----------
    plan : TrainingPlan
    network : keras.Model
    record : mapping
        Of the network.
    components : Components
    metrics : dict
        Its entry ``samples`` is added.
    compress : callable
        Takes images; returns codes, from which labels are measured.
    """
    parameters, dataset, say = plan.parameters, plan.dataset, plan.console.say
    rows, held_out = plan.test[0], plan.split["valid"]
    number = min(len(rows), len(held_out), MOST_COMPARED)
    if number < FEWEST or plan.test[1] != "test":
        say(f"New images are not compared with real ones: that takes {FEWEST} test and validation images")
        return {}
    sampler = Sampler(record["sampler"], record["latents"], parameters.model_file)
    labels = draw_condition(record["sampler"], number, parameters.seed)
    generated = generate_images(network, sampler, record["origin"], number, parameters.seed, labels)
    test, valid = dataset.images[rows[:number]], dataset.images[held_out[:number]]
    scale = dataset.manifest["telescope"]["pixel-scale"]
    extract = read_extractor(parameters.features_from, test.shape[1:]) if parameters.features_from else None
    ruler = Ruler(scaling_of(record), components, scale, test, extract)
    real, other, found = ruler(test), ruler(valid), ruler(generated)
    train = dataset.images[plan.split["train"][:MOST_COMPARED]]
    training = ruler(train).components
    ours, floor = (compare(one, real, training, other.components, parameters.seed) for one in (found, other))
    metrics["samples"] = {"sampler": sampler.kind, "number": number, "generated": ours, "real": floor}
    say(f"{number} new images (--sampler={sampler.kind}) against as many test images, and real against real")
    lines, collapse = describe_comparison(ours, floor), find_collapse(ours)
    if names := record["sampler"]["condition"]:
        truth = dataset.column_values(names)
        learned = plan.split["train"][:MOST_ASKED]
        sets = (dataset.images[learned], truth[learned]), (generated, labels), (test, truth[rows[:number]])
        asked = measure_asked(compress, *sets, names, parameters.seed)
        metrics["samples"]["asked"] = asked
        lines += [
            f"{name}, measured less asked for: RMS {one['generated']:.3f}, bias {one['bias']:+.3f} standard "
            f"deviations; of real images {one['real']:.3f}"
            for name, one in asked.items()
        ]
    for line in [*lines, *([collapse] if collapse else []), ""]:
        say(line)
    subtitle = f"--network={parameters.network}, {record['latents']} codes, --sampler={sampler.kind}"
    return {
        "samples": figures.draw_samples(test[:12], generated[:12], scale, parameters.cmap, subtitle),
        "statistics": figures.draw_statistics(found, real, other, ruler.edges, subtitle),
    }


def read_extractor(path: Path, shape: tuple[int, ...]) -> Callable[[np.ndarray], np.ndarray]:
    """Return what computes the features of images (N, H, W) in a trained network of another task.

    Raises
    ------
    RunError
        If there is no such network, or it takes images of another shape.
    """
    network, _ = load_network(path)
    extractor = build_feature_extractor(network)
    if tuple(extractor.input_shape[1:]) != shape:
        raise RunError(f"the network in {path} takes images of {extractor.input_shape[1:]} pixels, not {shape}")
    return lambda images: extractor.predict(images, batch_size=256, verbose=0)

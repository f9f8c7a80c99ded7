"""Test of the compression: the network of the report, and those of ``--more-latents``."""

import numpy as np

from stronglens.generation.components import Components, stretch
from stronglens.generation.compression import compression_metrics, squared_errors
from stronglens.generation.request import read_numbers
from stronglens.generation.train import file_of
from stronglens.learning.plan import TrainingPlan
from stronglens.scaling import ImageScaling
from stronglens.training import load_network, remove_state, save_network


def measure_compression(
    scaling: ImageScaling,
    components: Components,
    latents: int,
    images: np.ndarray,
    restored: np.ndarray,
    truth: np.ndarray | None,
    kept: np.ndarray,
    seed: int,
) -> dict:
    """Compare the network with principal components (see `compression_metrics`).

    Parameters
    ----------
    scaling : ImageScaling
    components : Components
    latents : int
        Number of components that the network is compared with.
    images, restored : ndarray (N, H, W[, C]), electrons/s
    truth : ndarray (T, H, W[, C]) or None, electrons/s
        Images ``kept`` without noise.
    kept : ndarray (T,) of int
    seed : int
    """
    pixels, ours = stretch(images, scaling), stretch(restored, scaling)
    theirs = components.restore(components.project(pixels)[:, :latents])
    network, by_components = ({"image": squared_errors(one, pixels)} for one in (ours, theirs))
    noise = None
    if truth is not None:
        clean = stretch(truth, scaling)
        network["truth"], by_components["truth"] = (squared_errors(one[kept], clean) for one in (ours, theirs))
        noise = squared_errors(pixels[kept], clean)
    return compression_metrics(network, by_components, noise, seed)


def measure_others(plan: TrainingPlan, scaling, components, images, truth, kept) -> dict[int, dict]:
    """Return `measure_compression` of the networks of ``--more-latents``, by their number of codes."""
    parameters, found = plan.parameters, {}
    for latents in read_numbers(parameters.more_latents):
        path = file_of(parameters.model_file, latents)
        network, record = load_network(path)
        restored = network.predict(images, batch_size=256, verbose=0)
        found[latents] = measure_compression(
            scaling, components, latents, images, restored, truth, kept, parameters.seed
        )
        save_network(network, path, record | {"metrics": {"compression": found[latents]}})
        remove_state(path)
    return found

"""Images of lenses, and the same images without the source. Called in the process that simulates."""

from collections.abc import Sequence

import numpy as np

from stronglens.regression.simulator import make_simulator
from stronglens.simulation.chunks import simulator_of

WORDS = "without the lensed source"


def simulate_twins(parameters, indices: Sequence[int], as_stored: bool = False) -> dict[str, np.ndarray]:
    """Simulate lenses, and the same lenses and noise without the light of the source.

    Parameters
    ----------
    parameters : RegressionSimulation
    indices : sequence of N int
        Indices of the images, at most a chunk.
    as_stored : bool
        Not used: images are those of a dataset in any case.

    Returns
    -------
    dict of ``images`` and ``twins`` to ndarray (N, H, W) float32, e-/s; ``effects``, their difference; ``answers``
    (N,) of str, here ``*``: all outputs
    """
    simulator = simulator_of(make_simulator, parameters)
    images, labels, _ = simulator.simulate(indices)
    scene = simulator.physical_scene(simulator.complete(labels, indices))
    light = {name: np.zeros_like(values) for name, values in scene.items() if _is_source_light(name)}
    effects = simulator.noiseless(scene) - simulator.noiseless(scene | light)
    return {
        "images": images,
        "twins": images - effects,
        "effects": effects,
        "answers": np.full(len(images), "*"),
    }


def _is_source_light(name: str) -> bool:
    return name == "src_intensity" or (name.startswith("clump_") and name.endswith("intensity"))

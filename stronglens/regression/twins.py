"""Images of lenses, and the same images without the source. Called in the process that simulates."""

from collections.abc import Sequence

import numpy as np

from stronglens.regression.simulator import make_simulator
from stronglens.simulation.chunks import simulator_of
from stronglens.simulation.twins import Twins

WORDS = "without the lensed source"


def simulate_twins(parameters, indices: Sequence[int], as_stored: bool = False) -> Twins:
    """Simulate lenses, and the same lenses and noise without the light of the source (see `Twins`)."""
    simulator = simulator_of(make_simulator, parameters)
    images, labels, _ = simulator.simulate(indices)
    scene = simulator.physical_scene(simulator.complete(labels, indices))
    light = {name: np.zeros_like(values) for name, values in scene.items() if _is_source_light(name)}
    effects = simulator.noiseless(scene) - simulator.noiseless(scene | light)
    return Twins(images, images - effects, effects, answers=np.full(len(images), "*"))


def _is_source_light(name: str) -> bool:
    return name == "src_intensity" or (name.startswith("clump_") and name.endswith("intensity"))

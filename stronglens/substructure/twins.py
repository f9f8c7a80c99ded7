"""Images of lenses, and the same images without substructure. Called in the process that simulates."""

from collections.abc import Sequence

import numpy as np

from stronglens.simulation.chunks import simulator_of
from stronglens.simulation.twins import Twins
from stronglens.substructure.class_folders import CLASS_COLUMN, CLASSES
from stronglens.substructure.simulator import make_simulator

WORDS = "with a smooth lens"


def simulate_twins(parameters, indices: Sequence[int], as_stored: bool = False) -> Twins:
    """Simulate lenses, and the same lenses and noise with a smooth lens (see `Twins`)."""
    simulator = simulator_of(make_simulator, parameters)
    images, labels, _ = simulator.simulate(indices)
    draws = {name: labels[name] for name in simulator.columns}
    effects = simulator.noiseless(simulator.physical_scene(draws), simulator.perturbers(draws, indices))
    effects = effects - simulator.noiseless(simulator.smooth_scene(draws))
    kinds = np.array(CLASSES)[labels[CLASS_COLUMN.name].astype(int)]
    answers = np.where(np.abs(effects).max(axis=(1, 2)) > 0, kinds, "")
    return Twins(images, images - effects, effects, answers)

"""Images of lenses, and the same images without the lensed source. Called in the process that simulates."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stronglens.finding.labels import LENS
from stronglens.finding.simulator import make_simulator
from stronglens.simulation.chunks import simulator_of
from stronglens.simulation.twins import Twins

WORDS = "without the lensed source"


def simulate_twins(parameters, indices: Sequence[int], as_stored: bool = False) -> Twins:
    """Simulate lenses with and without the lensed source, with the same noise (see `Twins`)."""
    if not as_stored:
        parameters = replace(parameters, lens_share=1.0)
    simulator = simulator_of(make_simulator, parameters)
    images, labels, _ = simulator.simulate(indices)
    twins, _, _ = simulator.simulate(indices, without=("src",))
    answers = np.where(labels["group"] == LENS, "lens", "")
    return Twins(images, twins, images - twins, answers)

"""Images of lenses, and the same images without the lensed source. Called in the process that simulates."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stronglens.finding.labels import LENS
from stronglens.finding.simulator import make_simulator
from stronglens.simulation.chunks import simulator_of

WORDS = "without the lensed source"


def simulate_twins(parameters, indices: Sequence[int], as_stored: bool = False) -> dict[str, np.ndarray]:
    """Simulate lenses with and without the lensed source, with the same noise.

    Parameters
    ----------
    parameters : FindingSimulation
    indices : sequence of N int
        Indices of the images, at most a chunk.
    as_stored : bool
        Whether the images are those of the dataset; otherwise all are lenses.

    Returns
    -------
    dict of ``images`` and ``twins`` to ndarray (N, H, W) or (N, H, W, B) float32, e-/s; ``effects``, their
    difference; ``answers`` (N,) of str, the output to explain, empty where the twin is the image
    """
    if not as_stored:
        parameters = replace(parameters, lens_share=1.0)
    simulator = simulator_of(make_simulator, parameters)
    images, labels, _ = simulator.simulate(indices)
    twins, _, _ = simulator.simulate(indices, without=("src",))
    answers = np.where(labels["group"] == LENS, "lens", "")
    return {"images": images, "twins": twins, "effects": images - twins, "answers": answers}

"""Images of a dataset without their noise, simulated again from its labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from stronglens.dataset import CHUNK_SIZE, Dataset
from stronglens.execution import open_executor
from stronglens.learning.plan import TrainingPlan
from stronglens.simulation.chunks import simulator_of

MOST_TRUTHS = 1000
"""Maximum number of images that are simulated again."""


@dataclass(frozen=True)
class NoiselessSimulation:
    """Simulate images without noise; called in the process that simulates.

    Attributes
    ----------
    make : callable
        Makes the simulator of the dataset's task.
    parameters : Parameters
        Of its simulation.
    """

    make: Callable
    parameters: Any

    def __call__(self, piece: tuple[Sequence[int], dict[str, np.ndarray]]) -> np.ndarray | None:
        """Return images (n, H, W), e-/s, with the telescope's blur; None if the simulator does not give them.

        Parameters
        ----------
        piece : (indices, draws)
            n ints, at most a chunk; dict of column to ndarray (n,), their rows of ``labels.csv``.
        """
        indices, draws = piece
        simulator = simulator_of(self.make, self.parameters)
        if not hasattr(simulator, "noiseless"):
            return None
        scene = simulator.physical_scene(simulator.complete(draws, indices))
        return simulator.noiseless(scene, simulator.perturbers(draws, indices))


def is_noisy(dataset: Dataset) -> bool:
    """Return whether the stored images have noise, as far as the manifest tells."""
    parameters = dataset.manifest["parameters"]
    noisy = dataset.manifest["telescope"].get("exposure-time") or parameters.get("peak-noise-range")
    return bool(noisy or "origin" in dataset.manifest or "bands" in dataset.manifest)


def simulate_truth(plan: TrainingPlan, rows: np.ndarray) -> np.ndarray | None:
    """Return the images (T, H, W), e-/s, of rows of a dataset without noise.

    Returns
    -------
    ndarray or None
        None if they are not known: the images are not simulated, or their simulator gives no images without noise.
    """
    if not is_noisy(plan.dataset):
        return plan.dataset.images[rows]
    if plan.made_with is None:
        return None
    make = import_module(f"stronglens.{plan.made_with.task}.simulator").make_simulator
    work = NoiselessSimulation(make, plan.made_with)
    columns = plan.dataset.labels[list(plan.dataset.columns)].iloc[rows]
    with (
        open_executor(1) as executor,  # PyAutoLens's JAX needs a process without TensorFlow
        plan.console.progress(len(rows), "simulating without noise") as progress,
    ):
        starts = range(0, len(rows), CHUNK_SIZE)
        parts = [slice(start, start + CHUNK_SIZE) for start in starts]
        draws = [{name: values.to_numpy() for name, values in columns.iloc[part].items()} for part in parts]
        futures = [executor.submit(work, (rows[part], of_part)) for part, of_part in zip(parts, draws, strict=True)]
        images = []
        for future in futures:
            images.append(future.result())
            if images[0] is None:
                return None
            progress.advance(len(images[-1]))
    return np.concatenate(images).astype(np.float32)

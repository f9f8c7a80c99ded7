"""Probabilities of images to be lenses, with what the simulation knows about the images."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from stronglens.dataset import Dataset
from stronglens.finding.completeness import EDGES
from stronglens.finding.labels import LENS, NON_LENS
from stronglens.finding.plan import GROUP
from stronglens.learning.train import predict
from stronglens.parameters import RunError
from stronglens.simulation.stream import FreshSimulation

KIND = "kind"
FIRST_OF_FIELD = 10**9
"""Index of the first image of a field: no dataset and no training has as many images."""
AHEAD = 8
"""Chunks that are simulated ahead of the scores."""


@dataclass(frozen=True)
class Scores:
    """Scores of N images.

    Attributes
    ----------
    probability : ndarray (N,)
        P(lens).
    group, kind : ndarray (N,) of int
        Indices into ``GROUPS`` and ``KINDS``.
    quantities : dict of str to ndarray (N,)
        Columns of the dataset by which recall is measured, each in its unit.
    """

    probability: np.ndarray
    group: np.ndarray
    kind: np.ndarray
    quantities: dict[str, np.ndarray] = field(default_factory=dict)

    def of_group(self, group: int) -> "Scores":
        """Return the scores of a group."""
        inside = self.group == group
        quantities = {name: values[inside] for name, values in self.quantities.items()}
        return Scores(self.probability[inside], self.group[inside], self.kind[inside], quantities)


def score_dataset(network, dataset: Dataset, rows: np.ndarray) -> Scores:
    """Score images of a dataset.

    Raises
    ------
    RunError
        If the network returns values that are not finite.
    """
    names = [name for name in (GROUP, KIND, *EDGES) if name in dataset.columns]
    columns = dict(zip(names, dataset.column_values(names)[rows].T, strict=True))
    group, kind = (columns.pop(name).astype(int) for name in (GROUP, KIND))
    probability = predict(network, dataset.images.subset(rows))[:, LENS] if len(rows) else np.empty(0)
    return Scores(_checked(probability), group, kind, columns)


def score_field(
    network, make: Callable, parameters, number: int, executor, advance: Callable[[int], None] | None = None
) -> Scores:
    """Simulate and score non-lenses; none is kept, so that the memory does not grow with their number.

    Parameters
    ----------
    network : keras.Model
    make : callable
        Makes the simulator.
    parameters : Parameters
        Of a simulation without lenses.
    number : int
    executor : Executor
        Simulates chunks of images.
    advance : callable, optional
        Called with the number of images that were scored since the last call.

    Returns
    -------
    Scores
        Of ``number`` non-lenses; doubtful images are left out and replaced by others.
    """
    work = FreshSimulation(make, parameters, FIRST_OF_FIELD, (GROUP, KIND))
    probability, kind, found = [], [], 0
    for images, labels in _simulate(work, executor):
        scores, clear = network.predict_on_batch(images)[:, LENS], labels[:, 0] == NON_LENS
        probability.append(scores[clear])
        kind.append(labels[clear, 1].astype(int))
        new = min(int(clear.sum()), number - found)
        found += new
        if advance is not None:
            advance(new)
        if found == number:
            break
    kinds = np.concatenate(kind)[:number]
    return Scores(_checked(np.concatenate(probability)[:number]), np.full(number, NON_LENS), kinds)


def _simulate(work: FreshSimulation, executor) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield chunks of images (n, H, W[, B]) and labels (n, L) without end, in their order."""
    ahead = deque(executor.submit(work, chunk) for chunk in range(AHEAD))
    following = AHEAD
    empty = 0
    try:
        while empty < MAX_EMPTY:
            images, labels = ahead.popleft().result()
            ahead.append(executor.submit(work, following))
            following += 1
            empty = 0 if (labels[:, 0] == NON_LENS).any() else empty + 1
            yield images, labels
    finally:
        for future in ahead:
            future.cancel()
    raise RunError("the simulation of the dataset draws no non-lenses: --field-images needs some")


MAX_EMPTY = 20
"""Chunks in a row without a non-lens after which the simulation is refused."""


def _checked(probability: np.ndarray) -> np.ndarray:
    if not np.isfinite(probability).all():
        raise RunError("the network predicts NaN or infinite values; train it again")
    return probability.astype(float)

"""Record what the images of a training set are like, and compare others with that record."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from stronglens.out_of_distribution.features import BLOCK, ImageFeatures
from stronglens.out_of_distribution.lens_light import UNRECORDED, find_limit, measure_central_excess
from stronglens.out_of_distribution.score import Likeness, OutOfDistribution
from stronglens.training import keras

MOST_TRAINING, MOST_VALIDATION = 5000, 10_000
"""Images that are measured: a covariance of 256 numbers is then good to a few per cent."""

NOT_RECORDED = (
    "no out-of-distribution score (how like its training set this image is): the network is of an older version"
)
LENS_LIGHT = (
    "LIGHT AT THE CENTRE, where a lens galaxy would be, but the network was trained without the light of lenses "
    "(--lens-light=off): its numbers are not to be trusted; subtract that light, or train with --lens-light=on"
)


def describe_training_set(
    features: ImageFeatures, images, split: Mapping[str, np.ndarray], record: Mapping
) -> dict[str, Any]:
    """Return what a network's record needs for a `TrainingSetComparison`.

    Parameters
    ----------
    features : ImageFeatures, of the trained network
    images : ImageSet (N, H, W), e-/s
        The stored ones: with ``--simulate`` none of them was trained on, but they are like those that were.
    split : mapping of ``train`` and ``valid`` to indices
    record : mapping, as saved with the network
    """
    parts = []
    for name, most in (("train", MOST_TRAINING), ("valid", MOST_VALIDATION)):
        rows = split[name]
        rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(int)]
        parts.append(images.subset(rows))
    written = {"familiarity": OutOfDistribution.fit(*map(features, parts)).to_dict()}
    if _lacks_lens_light(record):
        excess = [
            measure_central_excess(part[start : start + BLOCK], _reach(record))
            for part in parts
            for start in range(0, len(part), BLOCK)
        ]
        written["central-excess"] = find_limit(np.concatenate(excess))
    return written


class TrainingSetComparison:
    """Compare images with those that a network was trained on.

    Called with images (N, H, W), e-/s, it returns their features, as `ImageFeatures` does, and for each a list of
    `Likeness`: its out-of-distribution score, and a line where it shows light of a lens to a network trained without.

    Parameters
    ----------
    network : keras.Model
    record : mapping, as saved with it
    posterior : Posterior, optional

    Raises
    ------
    RunError
        When the record of the training images is damaged.
    """

    def __init__(self, network: keras.Model, record: Mapping, posterior: Any = None):
        self._network, self._posterior = network, posterior
        self._score = OutOfDistribution.from_dict(record.get("familiarity"))
        self._reach = _reach(record)
        self._limit = None
        if _lacks_lens_light(record):
            limit = record.get("central-excess", UNRECORDED)
            self._limit = float(limit) if isinstance(limit, (int, float)) and np.isfinite(limit) else UNRECORDED

    @cached_property
    def _features(self) -> ImageFeatures:
        """Made when the first images are there: by then the network is known to be of the right task."""
        return ImageFeatures(self._network, self._posterior)

    def __call__(self, images: np.ndarray) -> tuple[dict[str, np.ndarray], list[list[Likeness]]]:
        """Return the features of images (N, H, W), and what is said of each."""
        seen = self._features(images)
        scores = self._score.judge(seen) if self._score else [Likeness(NOT_RECORDED)] * len(images)
        found = [[one] for one in scores]
        if self._limit is not None:
            for said, excess in zip(found, measure_central_excess(images, self._reach), strict=True):
                if excess > self._limit:
                    said.append(Likeness(LENS_LIGHT, is_unlike=True))
        return seen, found


def _lacks_lens_light(record: Mapping) -> bool:
    simulation = record.get("simulation")
    return isinstance(simulation, Mapping) and simulation.get("lens-light") == "off"


def _reach(record: Mapping) -> float:
    """Return how far from the centre of a training image its lens was at most, pixels; 0 where that is not known."""
    try:
        ends = [np.abs(np.asarray(record["lens-center"][axis], float)).max() for axis in ("x", "y")]
        reach = float(np.hypot(*ends)) / float(record["pixel-scale"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return 0.0
    return reach if np.isfinite(reach) else 0.0

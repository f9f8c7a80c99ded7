"""Describe the images of a training set in a network's record; compare other images with this description."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from stronglens.out_of_distribution.features import BLOCK, ImageFeatures
from stronglens.out_of_distribution.lens_light import UNRECORDED, find_limit, measure_central_excess
from stronglens.out_of_distribution.score import Likeness, OutOfDistribution
from stronglens.training import keras

MOST_TRAINING, MOST_VALIDATION = 5000, 10_000
"""Maximum numbers of images that are used: the covariance of 256 features is then accurate to a few per cent."""

NOT_RECORDED = (
    "no out-of-distribution score (resemblance to the training set): the network was trained by an older version"
)
LENS_LIGHT = (
    "LIGHT AT THE CENTRE, where a lens galaxy would be, but the network was trained without lens light "
    "(--lens-light=off): do not trust its output; subtract this light, or train with --lens-light=on"
)


def describe_training_set(
    features: ImageFeatures, images, split: Mapping[str, np.ndarray], record: Mapping
) -> dict[str, Any]:
    """Return the entries of a network's record that a `TrainingSetComparison` needs.

    Parameters
    ----------
    features : ImageFeatures
        Of the trained network.
    images : ImageSet (N, H, W), electrons/s
        Stored images. With ``--simulate`` they were not used for training, but have the same distribution.
    split : mapping of ``train`` and ``valid`` to indices
    record : mapping
        Record of the network.

    Returns
    -------
    dict
        To be added to the record.
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
    """Compare images with the training set of a network.

    It is called with images (N, H, W), electrons/s, and returns their features (see `ImageFeatures`) and a list of
    `Likeness` for each image: its out-of-distribution score and, if the network was trained without lens light and the
    image has some, a warning.

    Parameters
    ----------
    network : keras.Model
    record : mapping
        Record of the network.
    posterior : Posterior, optional
        Posterior of the network, if it has one.

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
        """Features, built with the first images: by then the network has been checked to be of the right task."""
        return ImageFeatures(self._network, self._posterior)

    def __call__(self, images: np.ndarray) -> tuple[dict[str, np.ndarray], list[list[Likeness]]]:
        """Return the features of images (N, H, W), electrons/s, and a list of `Likeness` for each image."""
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
    """Return the maximum offset of the lens from the centre of a training image, pixels; 0 if it is unknown."""
    try:
        ends = [np.abs(np.asarray(record["lens-center"][axis], float)).max() for axis in ("x", "y")]
        reach = float(np.hypot(*ends)) / float(record["pixel-scale"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return 0.0
    return reach if np.isfinite(reach) else 0.0

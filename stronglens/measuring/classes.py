"""Probabilities of classes, for tasks whose networks classify."""

from collections.abc import Mapping

import numpy as np

from stronglens.measuring.results import Prediction
from stronglens.out_of_distribution import TrainingSetComparison


class ClassPredictor:
    """Predict the probabilities of the classes of images, and compare the images with the training set.

    Parameters
    ----------
    network : keras.Model
    record : mapping
        As saved with the network.
    shown : slice
        The classes whose probabilities are numbers of a prediction.
    cells : mapping of str to str, optional
        See `Prediction`; the same for all images.
    """

    def __init__(self, network, record: Mapping, shown: slice = slice(None), cells: Mapping[str, str] | None = None):
        self.compare, self.shown, self.cells = TrainingSetComparison(network, record), shown, cells or {}

    def __call__(self, images: np.ndarray) -> list[Prediction]:
        """Return the predictions for images (N, H, W) or (N, H, W, B), in the unit of the training images."""
        seen, likeness = self.compare(images)
        return [
            Prediction(
                values[self.shown],
                notes=tuple(one.text for one in likes),
                percentile=likes[0].percentile,
                warnings=tuple(one.text for one in likes if one.is_unlike),
                cells=self.cells,
                problem=None if np.isfinite(values).all() else "the network returned NaN or infinity",
            )
            for values, likes in zip(seen["output"], likeness, strict=True)
        ]

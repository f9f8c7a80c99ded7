"""Prepared image, prediction and measurement of one image; results for all images."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from stronglens.measuring.images import ImageFile
from stronglens.observation import Observation, Prepared

MAX_DETAILED = 100
"""Largest number of images that each have their own figure and files; for more images only tables are written."""


@dataclass(frozen=True)
class Prediction:
    """Output of a network for one image. A task whose network gives more adds fields in a subclass.

    Attributes
    ----------
    values : ndarray (L,)
        One number for each column of the task in ``measured.csv``; L is 0 where a network gives no numbers.
    notes : tuple of str
        Remarks on this prediction.
    percentile : float or None
        Percentage of images like those of the training set that are closer to it; None if unknown.
    warnings : tuple of str
        Those of the notes that make the prediction doubtful; they are red in figures.
    cells : mapping of str to str
        More columns of the image's row in ``measured.csv``, by name.
    problem : str or None
        Reason why the prediction cannot be used.
    """

    values: np.ndarray
    notes: tuple[str, ...] = ()
    percentile: float | None = None
    warnings: tuple[str, ...] = ()
    cells: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None


@dataclass(frozen=True)
class PreparedImage:
    """An image that was read and prepared for a network.

    Attributes
    ----------
    image : ImageFile
    observation : Observation
        Without its pixels, except for images that are drawn.
    prepared : Prepared
        Input of the network, its noise, and the pixels that were filled.
    notes : tuple of str
        Decisions made while reading and preparing.
    """

    image: ImageFile
    observation: Observation
    prepared: Prepared
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name for tables, messages and figures: that of the image, with the FITS extension that was read."""
        return self.observation.name

    @property
    def seen(self) -> np.ndarray:
        """Input of the network: ndarray (H, W) or (H, W, B) float32, e-/s."""
        return self.prepared.image


@dataclass(frozen=True)
class Measurement(PreparedImage):
    """A prepared image, and the network's prediction for it.

    Attributes
    ----------
    prediction : Prediction
        Its notes are among those of the measurement too.
    """

    prediction: Prediction

    @property
    def values(self) -> np.ndarray:
        """Predicted numbers: ndarray (L,)."""
        return self.prediction.values


@dataclass(frozen=True)
class RefusedImage:
    """An image that cannot be measured, and the reason."""

    image: ImageFile
    reason: str


@dataclass(frozen=True)
class Results:
    """Results of a run over many images.

    Attributes
    ----------
    number : int
        Images that were requested.
    measured : int
        Images that were measured, including those of the run that was resumed.
    kept : list of Measurement
        All measurements of this run if there are at most ``MAX_DETAILED`` images, otherwise the first ``MAX_DRAWN``.
    refused : list of str
        Reasons why images cannot be used, at most ``MAX_REASONS``; all are in ``refused.csv``.
    refused_number : int
        Images that cannot be used.
    warned : int
        Images of this run with a doubtful prediction (see `Prediction.warnings`).
    """

    number: int
    measured: int
    kept: list[Measurement]
    refused: list[str]
    refused_number: int
    warned: int

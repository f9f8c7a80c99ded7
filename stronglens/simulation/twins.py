"""Twins: the same images without what is looked for."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Twins:
    """Images and their twins, as ``simulate_twins`` of a task returns them.

    It is called with the parameters of a simulation, the indices of at most a chunk of images, and ``as_stored``:
    whether the images are those of the dataset; otherwise all of them contain what is looked for.

    Attributes
    ----------
    images, twins : ndarray (N, H, W) or (N, H, W, B) float32, e-/s
        With the same noise.
    effects : ndarray of the same shape, e-/s
        Their difference.
    answers : ndarray (N,) of str
        The output to explain, empty where the twin is the image; ``*``: all outputs.
    """

    images: np.ndarray
    twins: np.ndarray
    effects: np.ndarray
    answers: np.ndarray

"""Calibration of the error bars: factors on the predicted standard deviation, from validation images.

The network predicts the scale of each pixel's error. The factor for 68 % is the 68th percentile of
|error| / sigma on validation images, and that for 95 % the 95th (split conformal prediction: Lei et al. 2018, JASA 113,
1094), each for faint and for bright pixels.
"""

from typing import Any

import numpy as np

from stronglens.dataset import Dataset
from stronglens.reconstruction.batches import lens_values, network_inputs
from stronglens.reconstruction.observing import Conditions, observe
from stronglens.sampling import Stream, generator

BRIGHT = 0.05
"""Estimate of a bright pixel, the source's peak being 1."""

PROBABILITIES = (0.68, 0.95)

IMAGES, PIXELS = 1024, 2**16
"""Maximum number of validation images, and source pixels at a time."""


def fit_calibration(network, dataset: Dataset, rows: np.ndarray, conditions: Conditions) -> dict[str, list[float]]:
    """Return the factors for 68 and 95 % by the kind of pixel.

    Parameters
    ----------
    network : keras.Model
    dataset : Dataset
    rows : ndarray of int
        Validation images.
    conditions : Conditions

    Returns
    -------
    dict of ``faint`` and ``bright`` to list of two floats
        Half-widths of the intervals that hold 68 and 95 % of the errors, over the predicted standard deviation.
    """
    rows = rows[:: max(1, len(rows) // IMAGES)][:IMAGES]
    generators = [generator(0, Stream.OBSERVATION, int(row)) for row in rows]
    seen = observe(dataset.images[rows], conditions, generators)
    sources = dataset.others["sources"][rows]
    batch_size = max(1, PIXELS // sources[0].size)
    output = network.predict(network_inputs(seen, lens_values(dataset, rows)), batch_size=batch_size, verbose=0)
    estimate, sigma = output[:, -2], np.exp(output[:, -1] / 2)
    ratio, is_bright = np.abs(estimate - sources) / sigma, estimate > BRIGHT
    kinds = {"faint": ~is_bright, "bright": is_bright}
    return {
        name: [float(np.quantile(ratio[kind], probability)) if kind.any() else 1.0 for probability in PROBABILITIES]
        for name, kind in kinds.items()
    }


def half_widths(estimate: np.ndarray, sigma: np.ndarray, calibration: dict[str, Any]) -> np.ndarray:
    """Return the half-widths of the intervals that hold 68 and 95 % of the errors.

    Parameters
    ----------
    estimate, sigma : ndarray (N, S, S)
    calibration : dict
        See `fit_calibration`.

    Returns
    -------
    ndarray (2, N, S, S)
    """
    is_bright = estimate > BRIGHT
    pairs = zip(calibration["faint"], calibration["bright"], strict=True)
    return np.stack([np.where(is_bright, bright, faint) * sigma for faint, bright in pairs])

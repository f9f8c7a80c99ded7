"""Calibration of the error bars: factors on the predicted standard deviation, from validation images.

The network predicts the scale of each pixel's error. The factor for 68 % is the 68th percentile of
|error| / sigma on validation images, and that for 95 % the 95th (split conformal prediction: Lei et al. 2018, JASA 113,
1094), at a few noise levels and brightnesses. Between them the logarithms of the factors are interpolated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from stronglens.dataset import Dataset
from stronglens.reconstruction.batches import given_lenses, network_inputs
from stronglens.reconstruction.observing import Conditions, observe
from stronglens.sampling import Stream, generator

BRIGHT = 0.05
"""Estimate of a bright pixel, the source's peak being 1: in metrics."""

BRIGHTNESS = (0.01, 0.03, 0.1, 0.3)
"""Estimates at which factors are fitted. Each factor is that of the pixels nearest in the logarithm."""

PROBABILITIES = (0.68, 0.95)

LEVELS = 5
"""Noise levels at which factors are fitted, besides none."""

IMAGES, PIXELS = 256, 2**16
"""Maximum number of validation images at each noise level, and source pixels at a time."""


def fit_calibration(
    network, dataset: Dataset, rows: np.ndarray, conditions: Conditions, operator_error: float, lens_error: float = 0.0
) -> dict[str, list]:
    """Return the factors for 68 and 95 % by noise and brightness.

    Parameters
    ----------
    network : keras.Model
    dataset : Dataset
    rows : ndarray of int
        Validation images.
    conditions : Conditions
        The noise levels cover their range.
    operator_error : float
        Standard deviation that the forward operator itself leaves in an image pixel.
    lens_error : float
        Standard deviation of the errors of the lens models; see `batches.disturb_lenses`.

    Returns
    -------
    dict
        ``noise``: K typical noise levels, rising, the source's peak being 1 (see `Observation.typical_noise`);
        ``brightness``: B estimates; ``factors`` (2, K, B): half-widths of the intervals that hold 68 and 95 % of the
        errors, over the predicted standard deviation.
    """
    rows = rows[:: max(1, len(rows) // IMAGES)][:IMAGES]
    sources, lenses = dataset.others["sources"][rows], given_lenses(dataset, rows, lens_error)
    batch_size = max(1, PIXELS // sources[0].size)
    noise, factors = [], []
    for level in _noise_levels(conditions):
        generators = [generator(0, Stream.OBSERVATION, int(row)) for row in rows]
        here = replace(conditions, peak_noise=(level, level), noise_free_share=float(level == 0))
        seen = observe(dataset.images[rows], here, generators)
        output = network.predict(network_inputs(seen, lenses), batch_size=batch_size, verbose=0)
        estimate, sigma = output[:, -2], np.exp(output[:, -1] / 2)
        noise.append(float(np.median(seen.typical_noise(operator_error))))
        factors.append(_quantiles(np.abs(estimate - sources) / sigma, estimate))
    order = np.argsort(noise)
    factors = np.array(factors)[order].transpose(2, 0, 1)
    return {"noise": np.array(noise)[order].tolist(), "brightness": list(BRIGHTNESS), "factors": factors.tolist()}


def half_widths(
    estimate: np.ndarray, sigma: np.ndarray, noise: np.ndarray, calibration: Mapping[str, Sequence]
) -> np.ndarray:
    """Return the half-widths of the intervals that hold 68 and 95 % of the errors.

    Parameters
    ----------
    estimate, sigma : ndarray (N, S, S)
    noise : ndarray (N,)
        Typical noise of each image; see `Observation.typical_noise`.
    calibration : dict
        See `fit_calibration`. Beyond its noise levels and brightnesses, the factors are those of its ends.

    Returns
    -------
    ndarray (2, N, S, S)
    """
    levels, factors = np.log(calibration["noise"]), np.log(np.maximum(calibration["factors"], 1e-6))
    at_noise = np.array(
        [[np.interp(np.log(noise), levels, column) for column in table.T] for table in factors]
    )  # (2, B, N)
    nodes = np.log(calibration["brightness"])
    place = np.interp(np.log(np.maximum(estimate, 1e-6)), nodes, np.arange(len(nodes)))
    low = np.minimum(place.astype(int), len(nodes) - 2)
    image, part = np.arange(len(estimate))[:, None, None], place - low
    return np.exp((1 - part) * at_noise[:, low, image] + part * at_noise[:, low + 1, image]) * sigma


def _noise_levels(conditions: Conditions) -> list[float]:
    """Return noise levels that cover the conditions, as fractions of the image's peak."""
    share, (low, high) = conditions.noise_free_share, conditions.peak_noise
    return [0.0] * (share > 0) + list(np.geomspace(low, high, LEVELS)) * (share < 1)


def _quantiles(ratio: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """Return the quantiles of the pixels nearest to each brightness: (B, 2); of all pixels where there are none."""
    nodes = np.log(BRIGHTNESS)
    nearest = np.digitize(np.log(np.maximum(estimate, 1e-6)), (nodes[:-1] + nodes[1:]) / 2)
    kinds = [nearest == number for number in range(len(nodes))]
    return np.array([np.quantile(ratio[kind] if kind.any() else ratio, PROBABILITIES) for kind in kinds])

"""Test of a network: reconstructions of the test lenses at several noise levels and with wrong lens models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stronglens.dataset import Dataset
from stronglens.reconstruction.batches import given_lenses, network_inputs
from stronglens.reconstruction.calibration import half_widths
from stronglens.reconstruction.evaluation import LensSet, evaluate
from stronglens.reconstruction.galaxies import draw_galaxies
from stronglens.reconstruction.network import INVERSIONS, Camera, build_imager, build_network
from stronglens.reconstruction.observing import Conditions, Observation, observe
from stronglens.sampling import Stream, generator
from stronglens.training import keras

LEVELS = (0.0, 0.01, 0.05, 0.1)
"""Noise of the test images, as a fraction of the image's peak."""

FWHM = 0.2
"""FWHM of the PSF of noisy test images, arcsec; noise-free ones have none."""

LENS_ERRORS = (0.0, 0.003, 0.01, 0.03)
LENS_ERROR_LEVELS = (0.01, 0.05)

LENSES, FEWER, BATCH = 256, 128, 32
"""Maximum number of test lenses of each kind of galaxy; of both together in the tests of steps and lens errors."""

NEAR = 2.0
"""Distance from a compact satellite, source pixels."""


@dataclass(frozen=True, eq=False)
class Reconstructed:
    """Reconstructions of the test lenses at one noise level.

    Attributes
    ----------
    observation : Observation
    planes : ndarray (N, 4 + T, S, S)
        Output of the network.
    intervals : ndarray (2, N, S, S) or None
        Half-widths of the 68 and 95 % intervals; None for a network that does not learn them.
    chi2 : ndarray (N,)
        Chi-squared per image pixel.
    """

    observation: Observation
    planes: np.ndarray
    intervals: np.ndarray | None
    chi2: np.ndarray

    @property
    def estimate(self) -> np.ndarray:
        """The reconstructed sources: ndarray (N, S, S)."""
        return self.planes[:, -2]


def choose_lenses(dataset: Dataset, rows: np.ndarray, made_with) -> LensSet:
    """Return at most `LENSES` test lenses of each kind of galaxy.

    Parameters
    ----------
    dataset : Dataset
    rows : ndarray of int
        Test images.
    made_with : ReconstructionSimulation
    """
    identity = dataset.column_values(["src-photograph"])[:, 0]
    chosen = [rows[kind][:LENSES] for kind in (identity[rows] == 0, identity[rows] > 0)]
    rows = np.concatenate(chosen)
    is_model, sources = np.arange(len(rows)) < len(chosen[0]), dataset.others["sources"][rows]
    _, groups = np.unique(np.where(is_model, -1.0 - np.arange(len(rows)), identity[rows]), return_inverse=True)
    side, field = made_with.source_grid_size, made_with.source_field
    radii = made_with.src_radius_range.low, made_with.src_radius_range.high
    # Model galaxies do not depend on the photographs.
    satellites = draw_galaxies(made_with.seed, chosen[0], (), 0.0, 32, field, radii).satellites
    axis = (np.arange(side) - (side - 1) / 2) * field / side
    near = np.zeros(sources.shape, bool)
    for row, places in enumerate(satellites):
        for x, y in places[np.isfinite(places).all(axis=1)]:
            near[row] |= np.hypot(axis - x, axis[:, None] + y) < NEAR * field / side
    return LensSet(rows, sources, {"model": is_model, "photographed": ~is_model}, groups, near)


def reconstruct_at_levels(
    network: keras.Model, record: Mapping, dataset: Dataset, test: LensSet, camera: Camera, advance
):
    """Reconstruct the test lenses at every noise level.

    Parameters
    ----------
    network : keras.Model
    record : dict
        As saved with the network.
    dataset : Dataset
    test : LensSet
    camera : Camera
    advance : callable
        Called with the number of lenses since the last call.

    Returns
    -------
    tested : dict of float to Reconstructed
        By noise level.
    metrics : dict of str to dict
        By noise level, then by kind of galaxy; see `evaluation.evaluate`.
    """
    conditions, lenses = Conditions.of(dataset.manifest), given_lenses(dataset, test.rows, record["lens-error"])
    imager, tested, metrics = build_imager(camera), {}, {}
    imager.compile(jit_compile=True)
    learned = record["network"] != "none"
    for level in LEVELS:
        seen = observe_at(dataset, test.rows, conditions, level)
        planes = reconstruct(network, network_inputs(seen, lenses), advance)
        sigma, noise = np.exp(planes[:, -1] / 2), seen.typical_noise(camera.operator_error)
        intervals = half_widths(planes[:, -2], sigma, noise, record["calibration"]) if learned else None
        tested[level] = Reconstructed(seen, planes, intervals, chi_squared(imager, seen, lenses, planes[:, -2]))
        estimates = {name: planes[:, place] for place, name in enumerate(INVERSIONS)}
        estimates |= {record["network"]: planes[:, -2]} if learned else {}
        metrics[f"{level:g}"] = evaluate(test, estimates, intervals, tested[level].chi2)
    return tested, metrics


def measure_lens_errors(network, dataset: Dataset, test: LensSet, advance) -> dict[str, dict[str, float]]:
    """Return the RMSE with wrong lens models: by noise level, then by the standard deviation of the errors."""
    conditions, some = Conditions.of(dataset.manifest), _choose_some(test)
    found: dict[str, dict[str, float]] = {}
    for level in LENS_ERROR_LEVELS:
        seen, found[f"{level:g}"] = observe_at(dataset, test.rows[some], conditions, level), {}
        for error in LENS_ERRORS:
            given = given_lenses(dataset, test.rows[some], error)
            estimate = reconstruct(network, network_inputs(seen, given), advance)[:, -2]
            found[f"{level:g}"][f"{error:g}"] = float(np.sqrt(np.mean((estimate - test.sources[some]) ** 2)))
    return found


def measure_steps(network, record: Mapping, dataset: Dataset, test: LensSet, camera: Camera, advance) -> list[float]:
    """Return the RMSE at 5 % noise after 0, 1, ... steps, to twice the number of the training."""
    steps = network.output_shape[1] - len(INVERSIONS) - 1
    longer = build_network(record["network"], camera, 0, 2 * steps)
    longer.set_weights(network.get_weights())
    longer.compile(jit_compile=True)
    some = _choose_some(test)
    seen = observe_at(dataset, test.rows[some], Conditions.of(dataset.manifest), 0.05)
    planes = reconstruct(longer, network_inputs(seen, given_lenses(dataset, test.rows[some], 0.0)), advance)
    errors = planes[:, len(INVERSIONS) - 1 : -1] - test.sources[some][:, None]
    return np.sqrt(np.mean(errors**2, axis=(0, 2, 3))).tolist()


def observe_at(dataset: Dataset, rows: np.ndarray, conditions: Conditions, level: float) -> Observation:
    """Observe images of a dataset at one noise level; noisy ones have a PSF, unless the dataset has none."""
    fwhm = FWHM if level and conditions.psf_free_share < 1 else 0.0
    generators = [generator(1, Stream.OBSERVATION, int(row)) for row in rows]
    return observe(dataset.images[rows], conditions.at(level, fwhm), generators)


def reconstruct(network, inputs: Mapping[str, np.ndarray], advance=lambda number: None) -> np.ndarray:
    """Return the output of a compiled network in batches of one size: (N, 4 + T, S, S)."""
    number, planes = len(inputs["image"]), []
    for start in range(0, number, BATCH):
        rows = np.minimum(np.arange(start, start + BATCH), number - 1)  # one size, compiled once
        batch = {name: values[rows] for name, values in inputs.items()}
        planes.append(np.asarray(network.predict_on_batch(batch))[: number - start])
        advance(len(planes[-1]))
    return np.concatenate(planes)


def chi_squared(imager, seen: Observation, lenses: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Return chi-squared per pixel of reconstructed sources: ndarray (N,). Masked pixels do not count."""
    inputs = {"lens": lenses, "noise": seen.noise, "psf_fwhm": seen.psf_fwhm, "source": sources.astype(np.float32)}
    image, deviation = imager.predict(inputs, batch_size=BATCH, verbose=0)
    residuals = np.where(np.isfinite(deviation), (seen.images - image) / deviation, 0)
    return np.sum(residuals**2, axis=(1, 2)) / np.sum(np.isfinite(deviation), axis=(1, 2))


def count_lenses(test: LensSet, learned_steps: bool) -> int:
    """Return the number of reconstructions in all tests."""
    errors = len(LENS_ERROR_LEVELS) * len(LENS_ERRORS)
    return len(LEVELS) * len(test.rows) + (errors + learned_steps) * len(_choose_some(test))


def _choose_some(test: LensSet) -> Sequence[int]:
    return np.unique(np.linspace(0, len(test.rows) - 1, min(FEWER, len(test.rows))).astype(int))

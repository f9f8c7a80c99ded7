"""Strength of the regularisation: the best one on validation images, at a few noise levels."""

import numpy as np

from stronglens.dataset import Dataset
from stronglens.execution import Progress
from stronglens.reconstruction.batches import given_lenses, network_inputs
from stronglens.reconstruction.network import INVERSIONS, Camera, build_network
from stronglens.reconstruction.observing import Conditions, observe
from stronglens.sampling import Stream, generator

LEVELS = (0.0, 0.003, 0.01, 0.03, 0.1)
"""Noise of the validation images, as a fraction of the image's peak."""

STRENGTHS = tuple(float(value) for value in np.geomspace(10, 3000, 8))

IMAGES, BATCH = 64, 16
"""Maximum number of validation images, and images at a time."""

TRIALS = len(LEVELS) * len(STRENGTHS)


def fit_strengths(
    camera: Camera, dataset: Dataset, rows: np.ndarray, conditions: Conditions, lens_error: float, progress: Progress
) -> tuple[tuple[float, float], ...]:
    """Return the strength with the smallest error of the non-negative inversion, at a few noise levels.

    Parameters
    ----------
    camera : Camera
    dataset : Dataset
    rows : ndarray of int
        Validation images.
    conditions : Conditions
        Of the dataset; noise levels beyond its range are not needed, but cost little.
    lens_error : float
        Standard deviation of the errors of the lens models; see `batches.disturb_lenses`.
    progress : Progress

    Returns
    -------
    tuple of (noise, strength)
        Table of `inversion.interpolate_strength`.
    """
    rows = rows[np.linspace(0, len(rows) - 1, min(IMAGES, len(rows))).astype(int)]
    images, sources = dataset.images[rows], dataset.others["sources"][rows]
    lenses = given_lenses(dataset, rows, lens_error)
    fwhm = float(np.mean(conditions.psf_fwhm)) if conditions.psf_free_share < 1 else 0.0
    inputs = []
    for level in LEVELS:
        generators = [generator(0, Stream.OBSERVATION, int(row)) for row in rows]
        seen = observe(images, conditions.at(level, fwhm if level else 0.0), generators)
        inputs.append(network_inputs(seen, lenses))
    typical = [float(np.sqrt(np.mean(each["noise"] ** 2) + camera.operator_error**2)) for each in inputs]
    network = build_network("none", camera, 0, takes_strength=True)
    network.compile(jit_compile=True)
    errors = np.empty((len(STRENGTHS), len(LEVELS)))
    for row, strength in enumerate(STRENGTHS):
        for column, each in enumerate(inputs):
            given = each | {"strength": np.full((len(rows), 1), strength, np.float32)}
            estimate = network.predict(given, batch_size=BATCH, verbose=0)[:, INVERSIONS.index("non-negative")]
            errors[row, column] = np.sqrt(np.mean((estimate - sources) ** 2))
            progress.advance(1)
    best = (STRENGTHS[row] for row in np.argmin(errors, axis=0))
    return tuple(zip(typical, best, strict=True))

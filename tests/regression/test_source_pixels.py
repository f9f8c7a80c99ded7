"""The source as a grid of pixels: prior, evidence and solution."""

from types import SimpleNamespace

import numpy as np
import pytest

import params_and_cli as panel
from stronglens.regression.image_fit import ImageData
from stronglens.regression.image_priors import read_priors
from stronglens.regression.simulator import make_simulator
from stronglens.regression.source_pixels import LOG_DETERMINANT, REGULAR, SIDE, Grid, PixelLikelihood
from stronglens.telescope.recording import correlate

NOISE = 0.05


@pytest.fixture(scope="module")
def lens():
    """Likelihood of an image of two clumps behind a ring, the truth as normal numbers, and the true source."""
    parameters = panel.RegressionSimulation.of(
        overrides=panel.OVERRIDES, lens_model="sie", grid_size=32, pixel_scale=0.12, over_sampling=2
    )
    simulator = make_simulator(parameters, threads=1)
    priors = read_priors(simulator)
    priors = priors.replace({name: (0.0, 0.0) for name in priors.names if name.startswith("src-")})
    values = {"einstein-radius-sie": 1.1, "lens-ellip-x": 0.1, "shear-2": 0.02}
    truth = priors.to_normal(np.array([values.get(name, 0.0) for name in priors.names]))
    light = np.zeros((2, 32, 32))
    light[0, 14:18, 14:18], light[1] = 1, 1
    fake = SimpleNamespace(simulator=simulator, templates=lambda *_: (np.concatenate([light[:1], light]), None))
    grid = Grid(0.0, 0.0, 0.06)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    source = sum(np.exp(-0.5 * ((x - a) ** 2 + (y - b) ** 2) / 1.5**2) for a, b in ((-2, 1), (4, -3)))
    empty = ImageData(np.zeros((32, 32)), np.full((32, 32), 1 / NOISE))
    images = PixelLikelihood(fake, priors, empty, grid).templates(truth)
    noiseless = np.tensordot(source.ravel(), images[: SIDE**2], 1) + 3 * light[0] - 0.1
    noise = NOISE * np.random.default_rng(0).normal(size=noiseless.shape)
    likelihood = PixelLikelihood(fake, priors, ImageData(noiseless + noise, empty.weight), grid)
    strength = likelihood.best_strength(truth)
    return PixelLikelihood(fake, priors, likelihood.data, Grid(0.0, 0.0, 0.06, strength)), truth, source


def test_the_prior_is_the_sum_of_squared_second_differences():
    source = np.random.default_rng(0).normal(size=(SIDE, SIDE))
    padded = np.pad(source, 2)
    squared = sum((np.diff(padded, 2, axis=axis) ** 2).sum() for axis in (0, 1))
    assert source.ravel() @ REGULAR @ source.ravel() == pytest.approx(squared)
    assert np.isfinite(LOG_DETERMINANT)


def test_the_source_is_found_within_its_errors(lens):
    likelihood, truth, source = lens
    found = likelihood.source(truth)
    pulls = (found.brightness - source) / found.deviation
    assert np.sqrt((pulls**2).mean()) < 1.5  # the errors hold for sources that are as rough as the prior says
    assert np.abs(found.brightness - source).max() < 0.3
    assert 10 < found.determined < SIDE**2
    best = likelihood.describe(truth, np.eye(len(truth)))
    assert best.intensities[1:] == pytest.approx([3, -0.1], abs=0.1)
    # 1,024 pixels less those that are fitted: within four standard deviations of chi2.
    left = 1024 - found.determined - 2
    assert best.chi2 == pytest.approx(left, abs=4 * np.sqrt(2 * left))


def test_the_evidence_prefers_the_true_lens(lens):
    likelihood, truth, _ = lens
    place = likelihood.priors.names.index("einstein-radius-sie")
    values = likelihood.priors.to_values(truth)

    def density(radius):
        z = likelihood.priors.to_normal(np.where(np.arange(len(values)) == place, radius, values))
        return likelihood.log_density(z) + 0.5 * float(z @ z)

    assert density(1.1) > max(density(1.05), density(1.15)) + 5


def test_correlated_noise_is_made_white():
    noise = np.random.default_rng(0).normal(size=(1, 24, 24))
    data = ImageData(np.zeros((24, 24)), np.ones((24, 24)), correlation=0.3)
    assert np.allclose(data.whiten(correlate(noise, 0.3))[0], noise.ravel())

"""The search for a lens: light that is no Sersic profile, a neighbour, and the network's wrong draws."""

from dataclasses import replace

import numpy as np
import pytest

import params_and_cli as panel
from stronglens import telescope
from stronglens.parameters import Range
from stronglens.regression.image_fit import Evidence, ImageData, list_templates
from stronglens.regression.image_priors import read_priors
from stronglens.regression.lens_gaussians import LensGaussians, geometry_of_sersic, render_gaussians
from stronglens.regression.lens_search import LensSearch
from stronglens.regression.refinement import place_draws
from stronglens.regression.simulator import make_simulator

SIDE, PIXEL = 32, 0.15
LABELS = ("einstein-radius-sie", "src-center-x", "src-center-y")


@pytest.fixture(scope="module")
def simulator():
    parameters = panel.RegressionSimulation.of(
        overrides=panel.OVERRIDES, lens_model="sie", grid_size=SIDE, pixel_scale=PIXEL, over_sampling=2, snr_min=100.0,
        lens_center_x_range=Range(-0.05, 0.05), lens_center_y_range=Range(-0.05, 0.05), seed=3,
    )  # fmt: skip
    return make_simulator(parameters, threads=1)


class Likelihood:
    """Three templates, of which the first two change with one column."""

    def templates(self, z, priors):
        images = np.stack([np.full((4, 4), 2.0 + z[0]), np.full((4, 4), 3.0 + z[0]), np.ones((4, 4))])
        return images, np.stack([np.ones((4, 4)), np.ones((4, 4)), np.zeros((4, 4))])[None]


def test_gaussians_take_the_place_of_the_sersic_profile():
    priors = type("Priors", (), {"array": None})
    plain = ImageData(np.zeros((4, 4)), np.ones((4, 4)))
    images, derivatives = list_templates(Likelihood(), priors, plain, np.zeros(1))
    assert (images[:, 0, 0] == [2, 3, 1]).all()
    assert (derivatives[0, :, 0, 0] == [1, 1]).all()
    gaussians = LensGaussians(np.zeros(6), np.full((5, 4, 4), 7.0))
    images, derivatives = list_templates(Likelihood(), priors, replace(plain, gaussians=gaussians), np.zeros(1))
    assert (images[:, 0, 0] == [2, 0, 7, 7, 7, 7, 7, 1]).all()
    assert (derivatives[0, :, 0, 0] == [1, 0]).all()
    images, derivatives = list_templates(Likelihood(), priors, plain, np.zeros(1), has_source=False)
    assert (images[:, 0, 0] == [0, 3, 1]).all()
    assert (derivatives[0, :, 0, 0] == [0, 1]).all()


@pytest.mark.parametrize(("not_lensed", "has_neighbour"), [(940.0, True), (960.0, False)])
def test_a_neighbour_must_lower_chi2_by_its_parameters(not_lensed, has_neighbour):
    # ln(1000) = 6.9 for each of seven parameters
    evidence = Evidence(990.0, 1000.0, not_lensed, pixels=1000, of_source=7, of_lens=3)
    assert evidence.has_neighbour == has_neighbour
    assert not evidence.is_lens


def test_gaussians_of_an_image_are_found(simulator):
    truth = np.array([0.04, -0.03, 0.2, 0.1, -0.05, 0.15])
    images = render_gaussians(truth, (SIDE, SIDE), simulator.telescope.psf, PIXEL)
    image = 3 * images[2] + 1 * images[6] + images[16] + 0.5 * images[19]
    start = geometry_of_sersic(
        {"lens-center-x": 0.0, "lens-center-y": 0.0, "lens-ellip-x": 0.1, "lens-ellip-y": 0.1, "light-ellip-x": 0.1,
         "light-ellip-y": 0.1}
    )  # fmt: skip
    search = LensSearch(type("Likelihood", (), {"simulator": simulator}), np.zeros((1, 1)), 0)
    found = search._fit_gaussians(ImageData(image, np.full((SIDE, SIDE), 1e3)), start).gaussians
    assert found.geometry[:2] == pytest.approx(truth[:2], abs=0.002)
    pair = np.sort(found.geometry[2:].reshape(2, 2), axis=0)  # the families may change places
    assert pair == pytest.approx(np.sort(truth[2:].reshape(2, 2), axis=0), abs=0.03)
    assert found.images.shape == (28, SIDE, SIDE)


@pytest.mark.slow
def test_a_lens_is_found_beside_a_neighbour_and_under_light_that_is_no_sersic_profile(simulator):
    from stronglens.regression.image_likelihood import likelihood_of

    images, labels, _ = simulator.simulate([0])
    true = {name: float(values[0]) for name, values in labels.items()}
    rate = simulator.noiseless(simulator.physical_scene(labels))
    noise = np.sqrt(telescope.noise_variance(rate, simulator.telescope))[0].astype(float)
    # A compact core and a wide halo with other ellipticities than the Sersic profile, and a bright galaxy in a corner
    centre = true["lens-center-x"], true["lens-center-y"]
    light = render_gaussians(np.array([*centre, 0.2, 0.0, -0.2, 0.1]), (SIDE, SIDE), simulator.telescope.psf, PIXEL)
    corner = np.array([1.9, -1.9, 0.0, 0.0, 0.0, 0.0])
    galaxy = render_gaussians(corner, (SIDE, SIDE), simulator.telescope.psf, PIXEL)[4]
    image = images[0] + noise.max() * (60 * light[3] + 40 * light[22] + 40 * galaxy)
    priors = read_priors(simulator)
    likelihood = likelihood_of(simulator, priors.names, False)
    wrong = np.array([true[name] for name in LABELS]) + np.array([0.3, 0.2, -0.2])
    known = place_draws(priors, LABELS, wrong + 0.05 * np.random.default_rng(0).normal(size=(50, 3)))
    found = LensSearch(likelihood, known, 0).run(priors, ImageData(image, 1 / noise, likelihood.correlation))
    assert found.evidence.is_lens
    assert not found.is_poor
    assert "Gaussians" in found.notes[0]
    assert "neighbour at (1.9, -" in found.notes[1]
    values = dict(zip(found.priors.names, found.priors.to_values(found.best.z), strict=True))
    assert values["einstein-radius-sie"] == pytest.approx(true["einstein-radius-sie"], abs=0.05)

"""Error bars of sources: factors on the predicted standard deviation, from validation images."""

from dataclasses import replace

import numpy as np
import pytest
from small_sources import SMALL

from stronglens.dataset import load_dataset
from stronglens.reconstruction.calibration import BRIGHT, fit_calibration, half_widths
from stronglens.reconstruction.observing import Conditions

CONDITIONS = Conditions(SMALL["pixel_scale"], (0.001, 0.1), 0.3, (0.05, 0.3), 0.3, 9)
ROWS = np.arange(3, 43)
OPERATOR_ERROR = 0.005


class Guess:
    """A network whose errors have longer tails than it says, and are larger where sources or noise are."""

    def __init__(self, truth, seed):
        self.truth, self.sigma, self.random = truth, 0.02, np.random.default_rng(seed)

    def estimate(self, noise):
        spread = 0.03 * (1 + (self.truth > BRIGHT)) * (1 + 5 * noise)
        return self.truth + spread * self.random.laplace(size=self.truth.shape)

    def predict(self, inputs, **how):
        assert inputs["image"].shape == (len(self.truth), 32, 32)
        noise = np.where(np.isfinite(inputs["noise"]), inputs["noise"], 0).max(axis=(1, 2))
        estimate = self.estimate(noise[:, None, None])
        return np.stack([np.zeros_like(estimate), estimate, np.full_like(estimate, 2 * np.log(self.sigma))], axis=1)


def test_intervals_hold_their_share_of_other_errors(small_sources):
    dataset = load_dataset(small_sources)
    truth = dataset.others["sources"][ROWS]
    calibration = fit_calibration(Guess(truth, 0), dataset, ROWS, CONDITIONS, OPERATOR_ERROR)
    other = Guess(truth, 1)
    for noise in (0.0, 0.003, 0.05):
        estimate, typical = other.estimate(noise), np.full(len(truth), np.hypot(noise, OPERATOR_ERROR))
        widths = half_widths(estimate, np.full_like(truth, other.sigma), typical, calibration)
        error, is_bright = np.abs(estimate - truth), truth > BRIGHT
        for share, width in zip((0.68, 0.95), widths, strict=True):
            assert np.mean(error <= width) == pytest.approx(share, abs=0.04)
            # About 3,000 bright pixels. Their errors jump at one brightness, over which factors are smooth.
            assert np.mean((error <= width)[is_bright]) == pytest.approx(share, abs=0.08)


def test_factors_of_a_brightness_without_pixels_are_those_of_all(small_sources):
    dataset = load_dataset(small_sources)
    network = Guess(np.full((len(ROWS), 16, 16), -1.0), 0)
    noise_free = replace(CONDITIONS, noise_free_share=1.0)
    calibration = fit_calibration(network, dataset, ROWS, noise_free, OPERATOR_ERROR)
    faint, *brighter = np.array(calibration["factors"])[:, 0].T
    assert calibration["noise"] == [OPERATOR_ERROR]
    for factors in brighter:
        np.testing.assert_array_equal(factors, faint)


def test_half_widths_between_noise_levels_and_brightnesses():
    calibration = {"noise": [0.01, 0.04], "brightness": [0.1, 0.4], "factors": [[[1, 4], [4, 16]], [[2, 8], [8, 32]]]}
    estimate, sigma = np.array([[[0.0, 0.2, 0.9]], [[0.1, 0.2, 0.4]]]), np.full((2, 1, 3), 0.1)
    found = half_widths(estimate, sigma, np.array([0.001, 0.02]), calibration)
    np.testing.assert_allclose(found[0], [[[0.1, 0.2, 0.4]], [[0.2, 0.4, 0.8]]])
    np.testing.assert_allclose(found[1], 2 * found[0])

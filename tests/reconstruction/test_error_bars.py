"""Error bars of sources: factors on the predicted standard deviation, from validation images."""

import numpy as np
import pytest
from small_sources import SMALL

from stronglens.dataset import load_dataset
from stronglens.reconstruction.calibration import BRIGHT, fit_calibration, half_widths
from stronglens.reconstruction.observing import Conditions

CONDITIONS = Conditions(SMALL["pixel_scale"], (0.001, 0.1), 0.3, (0.05, 0.3), 0.3, 9)
ROWS = np.arange(3, 43)


class Guess:
    """A network whose errors have longer tails than it says, and are larger where sources are bright."""

    def __init__(self, truth, seed):
        random, self.sigma = np.random.default_rng(seed), 0.02
        self.estimate = truth + 0.03 * (1 + (truth > BRIGHT)) * random.laplace(size=truth.shape)

    def predict(self, inputs, **how):
        assert inputs["image"].shape == (len(self.estimate), 32, 32)
        log_variance = np.full_like(self.estimate, 2 * np.log(self.sigma))
        return np.stack([np.zeros_like(self.estimate), self.estimate, log_variance], axis=1)


def test_intervals_hold_their_share_of_other_errors(small_sources):
    dataset = load_dataset(small_sources)
    truth = dataset.others["sources"][ROWS]
    factors = fit_calibration(Guess(truth, 0), dataset, ROWS, CONDITIONS)
    other = Guess(truth, 1)
    widths = half_widths(other.estimate, np.full_like(truth, other.sigma), factors)
    error, is_bright = np.abs(other.estimate - truth), other.estimate > BRIGHT
    for kind in (is_bright, ~is_bright):
        for share, width in zip((0.68, 0.95), widths, strict=True):
            # About 3,000 bright pixels: one standard deviation is 0.01 at most.
            assert np.mean((error <= width)[kind]) == pytest.approx(share, abs=0.04)
    assert factors["bright"][1] > factors["faint"][1] > factors["faint"][0] > 1


def test_pixels_of_one_kind_alone(small_sources):
    dataset = load_dataset(small_sources)
    network = Guess(np.zeros((len(ROWS), 16, 16)), 0)
    network.estimate[:] = 0.0
    assert fit_calibration(network, dataset, ROWS, CONDITIONS)["bright"] == [1.0, 1.0]

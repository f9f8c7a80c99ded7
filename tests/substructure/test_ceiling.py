"""What matched filters are worth."""

import numpy as np
import pytest

from stronglens.evaluation import area_under_curve
from stronglens.substructure.ceiling import matched_filter_auc, share_of_ceiling


@pytest.mark.parametrize("significance", [0.0, 0.3, 1.0, 2.5])
def test_area_is_that_of_the_likelihood_ratio(significance):
    # A known signal in white noise: the filter's output with and without it.
    random = np.random.default_rng(1)
    signal = random.normal(size=50)
    signal *= significance / np.linalg.norm(signal)
    noise = random.normal(size=(40_000, 50))
    has_signal = np.arange(40_000) % 2 == 0
    score = (noise + has_signal[:, None] * signal) @ signal if significance else random.normal(size=40_000)
    measured = area_under_curve(has_signal, score)
    # The error of an area from 20,000 of each is below 0.003.
    assert matched_filter_auc([significance] * 3, 0)["value"] == pytest.approx(measured, abs=0.01)


def test_share_of_the_ceiling():
    assert share_of_ceiling({"value": 0.7}, {"value": 0.9}) == pytest.approx(0.5)
    assert share_of_ceiling({"value": None}, {"value": 0.9}) is None
    assert share_of_ceiling({"value": 0.7}, {"value": 0.5}) is None

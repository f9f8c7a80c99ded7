"""The matched-filter upper limit."""

import numpy as np
import pytest

from stronglens.evaluation import area_under_curve
from stronglens.substructure import ceiling
from stronglens.substructure.ceiling import MeasuredEffects, matched_filter_auc, share_of_ceiling
from stronglens.substructure.effects import Effects


def simulate_test(significances, count=40_000):
    """Return the ROC area of the likelihood-ratio test, from pairs of different images."""
    random = np.random.default_rng(1)
    pixels = 50
    shape = random.normal(size=pixels)
    shape /= np.linalg.norm(shape)
    d = random.choice(significances, size=count)
    has_signal = random.random(count) < 0.5
    images = random.normal(size=(count, pixels)) + (has_signal * d)[:, None] * shape
    # log p(image | signal) - log p(image | none), of white noise
    signal = d[:, None] * shape
    ratio = -0.5 * ((images - signal) ** 2).sum(axis=1) + 0.5 * (images**2).sum(axis=1)
    return area_under_curve(has_signal, np.round(ratio, 9))


@pytest.mark.parametrize("significances", [[0.0], [0.3], [1.0], [2.5], [0.0, 10.0], [0.2, 0.5, 1.0, 4.0]])
def test_area_is_that_of_the_likelihood_ratio(significances):
    # So many images that leaving out the pairs of one with itself is nothing.
    found = matched_filter_auc(np.tile(significances, 500), 0)
    # The error of an area from 20,000 of each is below 0.003.
    assert found["value"] == pytest.approx(simulate_test(significances), abs=0.01)
    assert found["low"] - 1e-9 <= found["value"] <= found["high"] + 1e-9


def test_area_of_half_without_any_signal():
    # Of four pairs one has no signal to go by: 3/4 + 1/2 x 1/4.
    found = matched_filter_auc([0.0, 10.0] * 1000, 0)
    assert found["value"] == pytest.approx(0.875, abs=1e-3)
    # The share p with a signal makes it 1 - (1 - p)^2 / 2: an error of (1 - p) sqrt(p (1 - p) / 2000) = 0.0056.
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * 0.0056, rel=0.15)


def test_area_is_the_mean_over_different_images():
    # Phi(sqrt(9 + 16) / 2) alone: neither image ranks against itself.
    assert matched_filter_auc([3.0, 4.0], 0)["value"] == pytest.approx(0.9937903)
    for few in ([], [3.0]):
        assert matched_filter_auc(few, 0) == {"value": None, "low": None, "high": None, "reason": "too few images"}


def test_many_images_are_paired_by_groups(monkeypatch):
    d = np.random.default_rng(2).lognormal(0, 1, 3001)
    grouped = matched_filter_auc(d, 3)
    monkeypatch.setattr(ceiling, "MOST_PAIRED", 5000)
    every = matched_filter_auc(d, 3)
    for key, value in every.items():
        assert grouped[key] == pytest.approx(value, abs=1e-5)


def test_share_of_the_ceiling():
    network = {"value": 0.7, "low": 0.66, "high": 0.72}
    found = share_of_ceiling(network, {"value": 0.9, "low": 0.8, "high": 1.0})
    assert found == {key: pytest.approx(value) for key, value in (("value", 0.5), ("low", 0.4), ("high", 0.55))}
    no_interval = {"value": 0.7, "low": None, "high": None, "reason": "too few test images for an interval"}
    assert share_of_ceiling(no_interval, {"value": 0.9})["value"] == pytest.approx(0.5)
    assert share_of_ceiling(no_interval, {"value": 0.9})["low"] is None


@pytest.mark.parametrize(
    ("network", "refit", "reason"),
    [
        (0.7, 0.549, "the upper limit is too close to 0.5"),
        (0.7, 0.5, "the upper limit is too close to 0.5"),
        (None, 0.9, "the area of the network is undefined"),
        (0.7, None, "the area of the upper limit is undefined"),
    ],
)
def test_share_is_undefined_without_an_upper_limit(network, refit, reason):
    found = share_of_ceiling({"value": network, "low": network, "high": network}, {"value": refit})
    assert found == {"value": None, "low": None, "high": None, "reason": reason}


def test_effects_of_rows_that_were_not_measured_are_refused():
    values = np.arange(3.0)
    measured = MeasuredEffects(np.array([2, 5, 9]), Effects(values, values, values, values))
    assert measured.of([9, 2]).known.tolist() == [2, 0]
    assert measured.of(np.empty(0, int)).known.tolist() == []
    for rows in ([2, 6], [1], [10]):  # between, below and above those measured
        with pytest.raises(ValueError, match="not measured"):
            measured.of(rows)

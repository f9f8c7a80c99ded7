"""Metrics, against closed forms and SciPy's bootstrap."""

import json
import tracemalloc

import numpy as np
import pytest
import scipy.stats

from stronglens.evaluation import metrics_table, regression_metrics


def values_of(entries):
    return {name: entry["value"] for name, entry in entries.items() if name != "baseline"}


def test_metrics_of_a_case_worked_by_hand():
    true = np.array([[0.0], [1.0], [2.0], [3.0]])
    predicted = true + np.array([[0.0], [1.0], [-1.0], [2.0]])
    found = regression_metrics(true, predicted, [1.0], ["x"], seed=0)["labels"]["x"]
    assert found["rmse"]["value"] == pytest.approx(np.sqrt(6 / 4))
    assert found["mae"]["value"] == pytest.approx(1)
    assert found["median_absolute_error"]["value"] == pytest.approx(1)
    assert found["bias"]["value"] == pytest.approx(0.5)
    assert found["r2"]["value"] == pytest.approx(1 - 6 / 5)  # truths have sum of squares 5 about 1.5
    # The mean of other images: bias -0.5, so RMSE^2 = 5/4 + 1/4.
    assert found["baseline"]["rmse"]["value"] == pytest.approx(np.sqrt(1.5))
    assert found["baseline"]["r2"]["value"] == pytest.approx(1 - 6 / 5)


def test_gaussian_errors_give_their_closed_forms():
    rng = np.random.default_rng(1)
    true = rng.uniform(-1, 1, (200_000, 1))
    sigma, shift = 0.3, 0.05
    predicted = true + rng.normal(shift, sigma, true.shape)
    found = values_of(regression_metrics(true, predicted, [0.0], ["x"], seed=0, n_bootstrap=2)["labels"]["x"])
    # Sampling error of each is under sigma / sqrt(200 000) * 2 = 0.0013: allow three times that.
    assert found["half_width_68"] == pytest.approx(sigma, abs=0.004)
    assert found["rmse"] == pytest.approx(np.hypot(sigma, shift), abs=0.004)
    assert found["bias"] == pytest.approx(shift, abs=0.004)
    expected_mae = scipy.stats.foldnorm.mean(shift / sigma, scale=sigma)
    assert found["mae"] == pytest.approx(expected_mae, abs=0.004)
    assert found["median_absolute_error"] == pytest.approx(
        scipy.stats.foldnorm.median(shift / sigma, scale=sigma), abs=0.004
    )
    assert found["r2"] == pytest.approx(1 - (sigma**2 + shift**2) / (1 / 3), abs=0.01)


def test_intervals_agree_with_scipy():
    rng = np.random.default_rng(2)
    true = rng.uniform(0, 1, (80, 1))
    predicted = true + rng.normal(0, 0.2, true.shape)
    found = regression_metrics(true, predicted, [0.5], ["x"], seed=0, n_bootstrap=4000)["labels"]["x"]
    error = (predicted - true)[:, 0]
    for name, statistic in {
        "rmse": lambda e, axis: np.sqrt(np.mean(e**2, axis)),
        "mae": lambda e, axis: np.mean(np.abs(e), axis),
        "bias": np.mean,
    }.items():
        interval = scipy.stats.bootstrap(
            (error,), statistic, n_resamples=4000, method="percentile", rng=np.random.default_rng(3)
        ).confidence_interval
        # Two Monte Carlo runs of 4000: an end wanders by some 4 % of the interval's width.
        tolerance = 0.12 * (interval.high - interval.low)
        assert found[name]["low"] == pytest.approx(interval.low, abs=tolerance)
        assert found[name]["high"] == pytest.approx(interval.high, abs=tolerance)


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(4)
    trials, inside = 300, 0
    for trial in range(trials):
        true = rng.uniform(0, 1, (60, 1))
        predicted = true + rng.normal(0, 0.2, true.shape)
        entry = regression_metrics(true, predicted, [0.5], ["x"], seed=trial, n_bootstrap=200, level=0.68)
        rmse = entry["labels"]["x"]["rmse"]
        inside += rmse["low"] <= 0.2 <= rmse["high"]
    # Binomial error 2.7 %; the percentile bootstrap of 60 numbers is known to be some per cent short.
    assert 0.57 < inside / trials < 0.77


def test_the_same_seed_gives_the_same_numbers_whatever_stands_beside():
    rng = np.random.default_rng(5)
    true, predicted = rng.normal(size=(2, 50, 3))
    three = regression_metrics(true, predicted, np.zeros(3), ["a", "b", "c"], seed=7)
    one = regression_metrics(true[:, 1:2], predicted[:, 1:2], np.zeros(1), ["b"], seed=7)
    assert three["labels"]["b"] == one["labels"]["b"]


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_images_leave_gaps_that_say_why(count):
    true = np.arange(count, dtype=float)[:, None]
    found = regression_metrics(true, true + 1, [0.0], ["x"], seed=0)
    text = json.dumps(found, allow_nan=False)
    assert json.loads(text) == found
    r2 = found["labels"]["x"]["r2"]
    if count < 2:
        assert r2["value"] is None
        assert r2["reason"]
    assert metrics_table(found, {"x": None})


def test_constant_truth_has_no_r2():
    true = np.full((20, 1), 0.1)  # 0.1 has no exact mean in binary
    found = regression_metrics(true, true + 0.5, [0.0], ["x"], seed=0)["labels"]["x"]
    assert found["r2"] == {
        "value": None, "low": None, "high": None, "reason": "the truth is the same in every test image"
    }  # fmt: skip
    assert found["rmse"]["value"] == pytest.approx(0.5)


def test_prediction_that_is_not_finite_has_no_metrics():
    true = np.arange(5.0)[:, None]
    predicted = true.copy()
    predicted[2] = np.nan
    found = regression_metrics(true, predicted, [0.0], ["x"], seed=0)
    json.dumps(found, allow_nan=False)
    assert found["labels"]["x"]["rmse"]["value"] is None
    assert found["labels"]["x"]["baseline"]["rmse"]["value"] is not None


def test_shapes_that_do_not_agree_are_refused():
    with pytest.raises(ValueError, match="shapes do not agree"):
        regression_metrics(np.zeros((5, 2)), np.zeros((5, 1)), [0.0, 0.0], ["a", "b"], seed=0)


def test_memory_stays_bounded():
    rng = np.random.default_rng(6)
    true = rng.normal(size=(20_000, 1))
    tracemalloc.start()
    regression_metrics(true, true + 0.1 * rng.normal(size=true.shape), [0.0], ["x"], seed=0, n_bootstrap=300)
    assert (
        tracemalloc.get_traced_memory()[1] < 600e6
    )  # 300 x 20 000 doubles at once, some ten times over, would be 480 MB
    tracemalloc.stop()


def test_table_shows_values_units_and_the_baseline():
    rng = np.random.default_rng(8)
    true = rng.normal(size=(100, 2))
    found = regression_metrics(true, true + 0.1, np.zeros(2), ["src-center-x", "src-redshift"], seed=0)
    table = metrics_table(found, {"src-center-x": "arcsec", "src-redshift": None})
    assert "src-center-x [arcsec]" in table
    assert "\nsrc-redshift\n" in table
    assert "predicting the mean" in table
    assert "95% interval" in table
    assert max(map(len, table.splitlines())) <= 80

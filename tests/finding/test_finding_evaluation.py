"""Metrics of a finder: thresholds, rates with intervals, purity, tables, leak test."""

import json

import numpy as np
import pytest

from stronglens.finding.classes import KINDS
from stronglens.finding.completeness import band_features, completeness_table, leak_test, list_cells, recall_in_bins
from stronglens.finding.evaluation import (
    best_f1_threshold,
    finding_metrics,
    finding_table,
    purity,
    rate,
    recall_at_false_positives,
    recall_at_rate,
    trade_off,
)


def test_interval_of_a_rate_is_that_of_clopper_and_pearson():
    # Tabulated for 2 of 20: 0.0123 to 0.3170; none of n has the upper limit 1 - 0.025^(1 / n).
    entry = rate(2, 20)
    assert (round(entry["low"], 4), round(entry["high"], 4)) == (0.0123, 0.317)
    assert rate(0, 1250)["high"] == pytest.approx(1 - 0.025 ** (1 / 1250))
    assert rate(7, 7)["high"] == 1
    assert rate(0, 0)["value"] is None


def test_threshold_of_the_best_f1():
    is_lens = np.array([True, True, False, True, False, False])
    # Four called: 3 of 3 lenses and one other, F1 = 6/7; two called: F1 = 4/5.
    assert best_f1_threshold(is_lens, np.array([6.0, 5, 4, 3, 2, 1])) == 2.5
    # Equal scores are called together.
    assert best_f1_threshold(np.array([True, False, False]), np.array([1.0, 1, 0])) == 0.5


def test_recall_at_false_positives_counts_them():
    lenses, negatives = np.arange(0.5, 100, 1), np.arange(0, 100.0)
    for number in (0, 10):
        entry = recall_at_false_positives(lenses, negatives, number)
        assert np.sum(negatives > entry["threshold"]) == number
        assert entry["negatives"] == 100
    assert recall_at_false_positives(lenses, negatives, 0)["value"] == 0.01  # 99.5 alone exceeds 99


def test_a_rate_of_fewer_than_ten_false_positives_is_not_measured():
    rng = np.random.default_rng(0)
    lenses, negatives = rng.normal(2, 1, 500), rng.normal(0, 1, 1250)
    assert recall_at_rate(lenses, negatives, negatives, 1e-2)["value"] is not None  # 12 false positives
    missing = recall_at_rate(lenses, negatives, negatives, 1e-3)
    assert missing["value"] is None
    assert "not measured: 1 false positives among 1,250" in missing["reason"]


def test_thresholds_of_rates_come_from_other_images():
    lenses, negatives, others = np.arange(0.5, 2000, 1), np.arange(1000.0), np.arange(0, 2000, 2.0)
    entry = recall_at_rate(lenses, negatives, others, 0.1)
    assert entry["threshold"] == 1798  # 100 of the others are above
    assert entry["chosen_on"] == 1000
    assert entry["value"] == pytest.approx(202 / 2000)
    assert entry["false_positive_rate"]["count"] == 0  # all tested ones are below: the rate is measured on them


def test_purity_at_a_prevalence():
    # Half of the lenses, 1/2,000 of the galaxies, at a rate of 2.5e-4: 2.5e-4 lenses on 2.5e-4 others.
    assert purity(0.5, 2.5e-4, 1 / 2000) == pytest.approx(0.5, abs=1e-3)
    assert np.isnan(purity(0.0, 0.0, 1 / 2000))


def make_scores(count, seed):
    rng = np.random.default_rng(seed)
    group = rng.choice([0, 1, 2], count, p=[0.48, 0.47, 0.05])
    kind = np.where(group == 0, rng.integers(1, 8, count), rng.choice([0, 8, 9], count))
    return rng.normal(2.0 * (group > 0), 1.0), group, kind


@pytest.fixture(scope="module")
def metrics():
    field = np.random.default_rng(9).normal(0, 1, 40_000)
    validation = make_scores(800, 1)
    return finding_metrics(*make_scores(1500, 0), *validation[:2], field_score=field, seed=0, n_bootstrap=100)


def test_metrics_of_known_scores(metrics):
    # Normal scores two standard deviations apart: the area is 0.9214, the best F1 about 0.84.
    assert metrics["auroc"]["low"] < 0.9214 < metrics["auroc"]["high"]
    assert abs(metrics["f1"]["value"] - 0.84) < 0.04
    # Recall at a rate of 1e-2: 1 - Phi(2.326 - 2) = 0.372; at 1e-3: 1 - Phi(3.090 - 2) = 0.138; +- 0.02.
    assert abs(metrics["recall_at_rate"]["0.01"]["value"] - 0.372) < 0.06
    assert abs(metrics["recall_at_rate"]["0.001"]["value"] - 0.138) < 0.06
    assert metrics["recall_at_rate"]["0.001"]["chosen_on"] > 20_000  # half of the field, and validation images
    # 20,700 tested non-lenses at 1e-3: 21, with a scatter of 6, since as many chose the threshold.
    assert abs(metrics["recall_at_rate"]["0.001"]["false_positive_rate"]["count"] - 21) < 20
    assert metrics["recall_at_rate"]["0.0001"]["value"] is None  # 2 false positives
    assert set(metrics["kinds"]) == set(KINDS[1:8])
    assert set(metrics["compounds"]) == {"compound-rings", "compound-arcs"}
    json.dumps(metrics)


def test_lenses_in_the_top_thousand(metrics):
    one = metrics["prevalences"]["0.0005"]
    # 500 of a million are lenses. 1000 are above t where 500 (1 - Phi(t - 2)) + 999500 (1 - Phi(t)) = 1000: t = 3.12,
    # with 65 lenses.
    assert one["most"] == 500
    assert one["top"]["low"] < 65 < one["top"]["high"]
    assert metrics["prevalences"]["0.001"]["top"]["value"] > one["top"]["value"]


def test_a_perfect_finder_has_all_lenses_in_the_top():
    score, group, kind = make_scores(1500, 0)
    found = finding_metrics(
        score + 100 * (group == 1), group, kind, score, group, n_bootstrap=20, field_score=np.zeros(5000)
    )
    # The threshold from the other scores finds all, with false positives; perfect scores have no purity problem.
    assert found["recall_at_false_positives"]["0"]["value"] == 1
    assert found["prevalences"]["0.0005"]["purity_at_half"]["value"] is None  # no false positive: not measured


def test_table_shows_what_is_not_measured(metrics):
    text = finding_table(metrics)
    assert "recall at FPR 0.0001" in text
    assert "not measured: 2 false positives" in text
    assert "AUROC against each kind of non-lens" in text


def test_scores_that_are_not_finite_are_refused():
    score, group, kind = make_scores(50, 0)
    with pytest.raises(ValueError, match="not finite"):
        finding_metrics(np.where(group == 1, np.nan, score), group, kind, score, group)
    with pytest.raises(ValueError, match="need lenses and non-lenses"):
        finding_metrics(score, np.ones_like(group), kind, score, group)


def test_trade_off_of_thresholds():
    curve = trade_off(np.array([1.0, 3, 3]), np.array([0.0, 2, 3]))
    np.testing.assert_array_equal(curve["threshold"], [3, 1])
    np.testing.assert_allclose(curve["completeness"], [2 / 3, 1])
    np.testing.assert_array_equal(curve["false_positives"], [1, 2])


def test_completeness_in_cells():
    score = np.array([1.0, 0, 1, 1])
    radius, snr = np.array([0.6, 0.6, 1.0, 3.0]), np.array([30.0, 30, 50, 500])
    rows = completeness_table(score, radius, snr, {"half": 0.5})
    assert len(rows) == 16
    assert sum(row["lenses"] for row in rows) == 4
    assert rows[0] | {"low": 0, "high": 0} == {
        "threshold": "half", "score": 0.5, "radius_low": 0.5, "radius_high": 0.7, "snr_low": 20.0, "snr_high": 40.0,
        "lenses": 2, "found": 1, "completeness": 0.5, "low": 0, "high": 0,
    }  # fmt: skip
    head, *cells = list_cells(rows)
    read = [dict(zip(head, row, strict=True)) for row in cells]
    assert read[0]["completeness"] == "0.5"
    assert read[3]["snr_high"] == "inf"
    assert read[1]["completeness"] == ""  # no lenses in this cell


def test_recall_in_bins_counts_values_beyond_the_ends():
    bins = recall_in_bins(np.array([1.0, 0, 1]), np.array([1.0, 30, 900]), (20, 40, np.inf), {"half": 0.5})
    assert [one["images"] for one in bins] == [2, 1]
    assert bins[0]["recall"]["half"]["value"] == 0.5
    assert bins[1]["high"] is None


def test_leak_test_sees_brighter_lenses():
    rng = np.random.default_rng(0)
    group = np.arange(400) % 2
    kind = np.where(group == 1, 0, 1 + np.arange(400) // 2 % 2)
    spot = np.exp(-np.sum((np.indices((16, 16)) - 7.5) ** 2, axis=0) / 8)
    images = (
        rng.normal(0, 0.1, (400, 16, 16, 2))
        + spot[..., None] * (1 + group + rng.normal(0, 0.5, 400))[:, None, None, None]
    )
    features = band_features(images, 0.1)
    assert features.shape == (400, 30)
    result = leak_test(features[:200], group[:200], features[200:], group[200:], kind[200:])
    # Brightness of 1 or 2 with a scatter of 0.5: an area of Phi(1 / (0.5 sqrt 2)) = 0.92.
    assert 0.85 < result["auroc"]["value"] < 0.98
    assert set(result["kinds"]) == {"companions", "spiral"}
    assert np.array_equal(band_features(images[..., 0], 0.1), features[:, :15])

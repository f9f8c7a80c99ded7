"""Metrics of class probabilities, against scikit-learn, closed forms and cases worked by hand."""

import json
import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, roc_auc_score

from stronglens.evaluation import auc_in_bins, classification_metrics, classification_table

CLASSES = ["no", "sphere", "vortex"]


def draw_images(count, strength=1.0, seed=1, shares=(1 / 3, 1 / 3, 1 / 3)):
    """Return true classes and probabilities that are calibrated: the posterior of scores drawn about the truth.

    With scores s ~ N(strength e_true, 1), P(k | s) is the softmax of strength s_k + log share_k.
    """
    rng = np.random.default_rng(seed)
    true = rng.choice(3, size=count, p=shares)
    scores = rng.normal(size=(count, 3)) + strength * np.eye(3)[true]
    odds = np.exp(strength * scores) * shares
    return true, odds / odds.sum(axis=1, keepdims=True)


def test_values_agree_with_scikit_learn():
    true, probabilities = draw_images(3000, shares=(0.5, 0.3, 0.2))
    found = classification_metrics(true, probabilities, CLASSES, seed=0, n_bootstrap=5)
    assert found["accuracy"]["value"] == pytest.approx(accuracy_score(true, probabilities.argmax(axis=1)))
    assert found["log_loss"]["value"] == pytest.approx(log_loss(true, probabilities))
    assert found["macro_auc"]["value"] == pytest.approx(roc_auc_score(true, probabilities, multi_class="ovr"))
    assert found["confusion"] == confusion_matrix(true, probabilities.argmax(axis=1)).tolist()
    for k, name in enumerate(CLASSES):
        assert found["auc"][name]["value"] == pytest.approx(roc_auc_score(true == k, probabilities[:, k]))
    assert list(found["auc_against_no"]) == ["sphere", "vortex"]
    for k, name in ((1, "sphere"), (2, "vortex")):
        pair = np.isin(true, (0, k))
        score = probabilities[pair, k] / (probabilities[pair, k] + probabilities[pair, 0])
        assert found["auc_against_no"][name]["value"] == pytest.approx(roc_auc_score(true[pair] == k, score))
    assert found["baseline"]["accuracy"]["value"] == pytest.approx(np.mean(true == 0))
    shares = np.bincount(true) / len(true)
    assert found["baseline"]["log_loss"]["value"] == pytest.approx(-np.sum(shares * np.log(shares)))


def test_calibration_of_a_case_worked_by_hand():
    # Confidences 0.9, 0.9 (bin 14) and 0.7, 0.7 (bin 11); three of four correct.
    probabilities = np.array([[0.9, 0.1, 0.0], [0.9, 0.1, 0.0], [0.7, 0.2, 0.1], [0.1, 0.7, 0.2]])
    found = classification_metrics(np.array([0, 0, 0, 2]), probabilities, CLASSES, seed=0, n_bootstrap=5)
    assert found["calibration_error"]["value"] == pytest.approx(0.5 * 0.1 + 0.5 * 0.2)
    filled = {k: one for k, one in enumerate(found["reliability"]) if one["count"]}
    assert list(filled) == [10, 13]
    assert filled[10] == {"low": 10 / 15, "high": 11 / 15, "count": 2, "confidence": 0.7, "accuracy": 0.5}
    assert found["reliability"][0]["accuracy"] is None


def test_calibration_error_tells_calibrated_from_overconfident():
    true, probabilities = draw_images(20_000)
    calibrated = classification_metrics(true, probabilities, CLASSES, seed=0, n_bootstrap=200)["calibration_error"]
    sharp = probabilities**2 / (probabilities**2).sum(axis=1, keepdims=True)
    sharpened = classification_metrics(true, sharp, CLASSES, seed=0, n_bootstrap=200)["calibration_error"]
    # Ten filled bins of 2 000 images: chance alone leaves about sqrt(10 / 20 000) / 2 = 0.01.
    assert calibrated["low"] < 0.003
    assert calibrated["value"] < 0.02
    expected = (sharp.max(axis=1) - probabilities.max(axis=1)).mean()  # the excess of confidence
    assert sharpened["low"] < expected < sharpened["high"]


def test_perfect_wrong_and_ignorant_predictions():
    true = np.repeat([0, 1, 2], 20)
    perfect = classification_metrics(true, np.eye(3)[true], CLASSES, seed=0)
    assert perfect["accuracy"] == perfect["macro_auc"] == {"value": 1, "low": 1, "high": 1}
    assert perfect["log_loss"]["value"] == perfect["calibration_error"]["value"] == 0
    wrong = classification_metrics(true, np.eye(3)[(true + 1) % 3], CLASSES, seed=0)
    assert wrong["accuracy"]["value"] == 0
    assert wrong["log_loss"]["value"] == pytest.approx(-np.log(1e-7))  # finite, as Keras has it
    ignorant = classification_metrics(true, np.full((60, 3), 1 / 3), CLASSES, seed=0)
    assert ignorant["macro_auc"] == {"value": 0.5, "low": 0.5, "high": 0.5}
    assert ignorant["log_loss"]["value"] == pytest.approx(np.log(3))


def test_intervals_cover_the_truth_as_often_as_they_say():
    true, probabilities = draw_images(80_000, seed=4)
    whole = classification_metrics(true, probabilities, CLASSES, seed=0, n_bootstrap=2)
    trials, size = 200, 400
    inside = dict.fromkeys(("accuracy", "macro_auc", "log_loss"), 0)
    for trial in range(trials):
        part = slice(trial * size, (trial + 1) * size)
        found = classification_metrics(
            true[part], probabilities[part], CLASSES, seed=trial, n_bootstrap=200, level=0.68
        )
        for name in inside:
            inside[name] += found[name]["low"] <= whole[name]["value"] <= found[name]["high"]
    for name, count in inside.items():
        assert 0.58 < count / trials < 0.78, name  # binomial error 3.3 %


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_few_images_leave_gaps_that_say_why(count):
    true, probabilities = draw_images(count, seed=2)
    found = classification_metrics(true, probabilities, CLASSES, seed=0)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    if count < 3:
        assert found["macro_auc"]["value"] is None
        assert found["macro_auc"]["reason"]
    assert classification_table(found)


def test_a_class_without_images_is_named():
    true, probabilities = draw_images(300)
    rows = true != 2
    found = classification_metrics(true[rows], probabilities[rows], CLASSES, seed=0)
    reason = "no test image of class vortex"
    for entry in (found["macro_auc"], found["auc"]["vortex"], found["auc_against_no"]["vortex"]):
        assert entry == {"value": None, "low": None, "high": None, "reason": reason}
    assert found["auc_against_no"]["sphere"]["low"] > 0.5
    assert reason in classification_table(found)


def test_without_a_class_of_no_substructure_nothing_is_compared_with_it():
    true, probabilities = draw_images(100)
    found = classification_metrics(true, probabilities, ["a", "b", "c"], seed=0, n_bootstrap=5)
    assert found["auc_against_no"] == {}
    assert "against" not in classification_table(found)


def test_predictions_that_are_not_finite_have_no_metrics():
    true, probabilities = draw_images(30)
    probabilities[3] = np.nan
    found = classification_metrics(true, probabilities, CLASSES, seed=0)
    json.dumps(found, allow_nan=False)
    assert found["accuracy"]["reason"] == "values that are not finite"
    assert found["reliability"] == []


@pytest.mark.parametrize(
    ("true", "probabilities", "message"),
    [
        (np.zeros(2, int), np.full((3, 3), 1 / 3), "shapes do not agree"),
        (np.zeros(3, int), np.full((3, 2), 1 / 2), "shapes do not agree"),
        (np.array([0, 3, 1]), np.full((3, 3), 1 / 3), "true classes"),
        (np.zeros(3), np.full((3, 3), 1 / 3), "true classes"),
        (np.zeros(3, int), np.full((3, 3), 0.5), "sum must be one"),
        (np.zeros(1, int), np.array([[1.5, -0.5, 0.0]]), "negative"),
    ],
)
def test_what_cannot_be_meant_is_refused(true, probabilities, message):
    with pytest.raises(ValueError, match=message):
        classification_metrics(true, probabilities, CLASSES, seed=0)


def test_memory_stays_bounded():
    true, probabilities = draw_images(7500)
    tracemalloc.start()
    classification_metrics(true, probabilities, CLASSES, seed=0, n_bootstrap=600)
    assert tracemalloc.get_traced_memory()[1] < 400e6  # a chunk of 32 MB, some six times over
    tracemalloc.stop()


def test_calibration_error_by_chance_is_that_of_calibrated_networks():
    # Probabilities fixed, classes drawn anew from them: the mean of what such a network would be said to err.
    _, probabilities = draw_images(600, seed=5)
    rng = np.random.default_rng(6)
    errors = []
    for _ in range(200):
        true = (rng.random((600, 1)) > probabilities.cumsum(axis=1)[:, :2]).sum(axis=1)
        found = classification_metrics(true, probabilities, CLASSES, seed=0, n_bootstrap=1)
        errors.append(found["calibration_error"]["value"])
    chance = found["calibration_error_by_chance"]
    assert (
        chance["value"] > 0.03
    )  # ten filled bins of 60 images: sqrt(10 / 600) / 2 * sqrt(2 / pi) = 0.05, less where sure
    # Either mean of 200 is good to a scatter of 0.012 / sqrt(200) = 0.001.
    assert chance["value"] == pytest.approx(np.mean(errors), abs=0.004)
    assert 0.9 < np.mean([chance["low"] <= error <= chance["high"] for error in errors]) <= 1
    sharp = probabilities**3 / (probabilities**3).sum(axis=1, keepdims=True)
    overconfident = classification_metrics(true, sharp, CLASSES, seed=0, n_bootstrap=5)
    assert overconfident["calibration_error"]["value"] > overconfident["calibration_error_by_chance"]["high"]
    table = classification_table(found).splitlines()
    (line,) = [line for line in table if "calibration error" in line]
    assert line.endswith(f"{chance['value']:.2g} expected")


def test_bins_follow_the_quantity():
    rng = np.random.default_rng(1)
    parts = [draw_images(1000, strength, seed) for seed, strength in enumerate((0.1, 0.7, 1.5))]
    true, probabilities = (np.concatenate(column) for column in zip(*parts, strict=True))
    values = np.repeat([0.0, 10.0, 20.0], 1000) + rng.random(3000)
    bins = auc_in_bins(true, probabilities, CLASSES, values, 3, seed=0, n_bootstrap=100)
    assert [one["images"] for one in bins] == [1000] * 3
    assert [round(one["middle"], -1) for one in bins] == [0, 10, 20]
    found = classification_metrics(*parts[1], CLASSES, seed=0, n_bootstrap=100)
    assert bins[1]["macro_auc"] == found["macro_auc"]
    assert bins[1]["auc"] == found["auc"]
    assert bins[1]["auc_against_no"] == found["auc_against_no"]
    assert bins[0]["macro_auc"]["high"] < bins[1]["macro_auc"]["low"]


def test_images_without_the_quantity_stand_in_every_bin():
    true, probabilities = draw_images(900)
    values = np.where(true == 0, np.nan, np.random.default_rng(9).random(900))
    bins = auc_in_bins(true, probabilities, CLASSES, values, 4, seed=0, n_bootstrap=20)
    smooth = int(np.sum(true == 0))
    assert [one["shared"] for one in bins] == [smooth] * 4
    assert sum(one["images"] - smooth for one in bins) == 900 - smooth
    assert all(one["auc_against_no"]["sphere"]["value"] > 0.6 for one in bins)


def test_a_bin_says_nothing_of_a_handful_of_images():
    true, probabilities = draw_images(3000)
    values = np.random.default_rng(9).random(3000) + 10 * (true == 2)  # vortices apart, in the upper bins
    rows = np.flatnonzero(true < 2)
    rows = np.concatenate([rows, np.flatnonzero(true == 2)[:400]])
    values[np.flatnonzero(true == 2)[:5]] = 0.1
    bins = auc_in_bins(true[rows], probabilities[rows], CLASSES, values[rows], 5, seed=0, n_bootstrap=20)
    lowest = bins[0]
    assert lowest["auc_against_no"]["sphere"]["value"] > 0.6
    for entry in (lowest["auc_against_no"]["vortex"], lowest["auc"]["vortex"], lowest["macro_auc"]):
        assert entry == {"value": None, "low": None, "high": None, "reason": "fewer than 10 images of vortex"}
    assert auc_in_bins(
        true[rows], probabilities[rows], CLASSES, values[rows], 5, seed=0, n_bootstrap=20, fewest=1
    )[0]["macro_auc"]["value"]  # fmt: skip


def test_a_small_set_has_fewer_bins():
    for count, expected in ((30, 1), (150, 2), (3000, 5)):  # two tens of each class a bin
        true, probabilities = np.arange(count) % 3, draw_images(count)[1]
        values = np.random.default_rng(9).random(count)
        bins = auc_in_bins(true, probabilities, CLASSES, values, 5, seed=0, n_bootstrap=5)
        assert len(bins) == expected
        if count > 30:
            assert all(one["macro_auc"]["value"] is not None for one in bins)
    true = np.where((true == 2) & (np.arange(3000) > 20), 1, true)  # seven are left: a class too rare for any bin
    bins = auc_in_bins(true, probabilities, CLASSES, values, 5, seed=0, n_bootstrap=5)
    assert len(bins) == 5
    assert all(one["auc_against_no"]["sphere"]["value"] is not None for one in bins)


def test_bins_of_few_equal_or_no_values():
    true, probabilities = draw_images(60)
    assert auc_in_bins(true, probabilities, CLASSES, np.full(60, np.nan), seed=0) == []
    (one,) = auc_in_bins(true, probabilities, CLASSES, np.ones(60), seed=0, n_bootstrap=10)
    assert (one["low"], one["high"], one["images"]) == (1, 1, 60)
    two = auc_in_bins(true, probabilities, CLASSES, np.arange(60) % 2 + 5.0, seed=0, n_bootstrap=10, fewest=1)
    assert [(one["low"], one["high"], one["images"]) for one in two] == [(5, 5, 30), (6, 6, 30)]
    by_class = auc_in_bins(true, probabilities, CLASSES, true.astype(float), 3, seed=0, n_bootstrap=10, fewest=1)
    json.dumps(by_class, allow_nan=False)
    assert all(one["macro_auc"]["value"] is None and one["macro_auc"]["reason"] for one in by_class)
    with pytest.raises(ValueError, match="infinite"):
        auc_in_bins(true, probabilities, CLASSES, np.full(60, np.inf), seed=0)


def test_table_fits_the_terminal():
    true, probabilities = draw_images(7500)
    table = classification_table(classification_metrics(true, probabilities, CLASSES, seed=0, n_bootstrap=50))
    for needed in ("7500 test images", "mean AUC", "AUC of vortex against no", "95% interval", "baseline"):
        assert needed in table
    assert max(map(len, table.splitlines())) <= 80

"""ROC curves and the area under them, against scikit-learn, closed forms and counting pairs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score
from sklearn.metrics import roc_curve as sklearn_curve

from stronglens.evaluation import area_under_curve, odds_against, roc_curve


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=30))
def test_area_counts_the_pairs_that_are_in_order(images):
    positive, score, weight = (np.array(column) for column in zip(*images, strict=True))
    positive = positive.astype(bool)
    ones, others = np.repeat(score[positive], weight[positive]), np.repeat(score[~positive], weight[~positive])
    found = area_under_curve(positive, score, weight[None])[0]
    if not len(ones) or not len(others):
        assert np.isnan(found)
        return
    won = (ones[:, None] > others) + 0.5 * (ones[:, None] == others)
    assert found == pytest.approx(won.mean())


@pytest.mark.parametrize("decimals", [1, 9])  # with many ties and with none
def test_curve_and_area_agree_with_scikit_learn(decimals):
    rng = np.random.default_rng(1)
    positive = rng.random(2000) < 0.3
    score = np.round(rng.normal(size=2000) + positive, decimals)
    assert area_under_curve(positive, score) == pytest.approx(roc_auc_score(positive, score), abs=1e-12)
    false_rate, true_rate = roc_curve(positive, score)
    theirs = sklearn_curve(positive, score, drop_intermediate=False)
    np.testing.assert_allclose(false_rate, theirs[0])
    np.testing.assert_allclose(true_rate, theirs[1])


def test_area_of_two_gaussians_is_its_closed_form():
    rng = np.random.default_rng(2)
    positive = np.arange(200_000) % 2 == 0
    score = rng.normal(size=len(positive)) + 1.3 * positive
    # Sampling error 0.0009 (Hanley & McNeil 1982): allow four times that.
    assert area_under_curve(positive, score) == pytest.approx(norm.cdf(1.3 / np.sqrt(2)), abs=0.0036)


def test_weights_are_repeated_images():
    rng = np.random.default_rng(3)
    positive, score = rng.random(50) < 0.5, rng.integers(0, 9, 50)
    which = rng.integers(50, size=(4, 50))
    weights = np.array([np.bincount(row, minlength=50) for row in which])
    expected = [area_under_curve(positive[row], score[row]) for row in which]
    np.testing.assert_allclose(area_under_curve(positive, score, weights), expected)


def test_curve_without_one_side_is_undefined_there():
    false_rate, true_rate = roc_curve(np.ones(3, bool), np.arange(3))
    assert np.isnan(false_rate).all()
    assert true_rate.tolist() == [0, 1 / 3, 2 / 3, 1]


def test_odds_of_two_classes_leave_the_third_out():
    probabilities = np.array([[0.2, 0.6, 0.2], [0.0, 0.0, 1.0], [0.0, 1e-12, 1.0]])
    found = odds_against(probabilities, ["no", "sphere", "vortex"], "sphere")
    np.testing.assert_allclose(found, [0.75, 0.5, 1.0])

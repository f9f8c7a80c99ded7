"""Transformation of labels for posteriors: bounds, priors, inverse."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stronglens.parameters import Column, RunError
from stronglens.regression.label_space import LabelSpace

COLUMNS = [
    Column("src-center-x", "arcsec", "x", "", prior=(-0.4, 0.4)),
    Column("magnification", None, "mu", "", drawn=False),
    Column("offset", None, "o", "", drawn=False),
]


def draw_labels(number=4000, seed=0):
    random = np.random.default_rng(seed)
    return np.stack(
        [random.uniform(-0.4, 0.4, number), random.lognormal(1, 0.5, number), random.normal(0, 3, number)], 1
    )


SPACE = LabelSpace.fit(COLUMNS, draw_labels())


def test_each_kind_of_label_has_its_transformation():
    assert SPACE.kinds == ("range", "above", "free")


def test_transformation_is_invertible():
    labels = draw_labels(seed=1)
    # What is within 1e-6 of the end of its range is moved there.
    np.testing.assert_allclose(SPACE.to_labels(SPACE.to_space(labels)), labels, rtol=1e-9, atol=1e-6)


def test_a_uniform_prior_becomes_a_standard_normal_one():
    space = SPACE.to_space(draw_labels(seed=2))
    assert stats.kstest(space[:, 0], "norm").pvalue > 0.01
    np.testing.assert_allclose(space.mean(axis=0), 0, atol=0.06)  # 4 standard errors of 4,000
    np.testing.assert_allclose(space.std(axis=0), 1, atol=0.06)


@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3))
def test_no_point_of_the_space_leaves_the_bounds(point):
    x, magnification, _ = SPACE.to_labels(np.array(point))
    assert -0.4 <= x <= 0.4
    assert 0 <= magnification < np.inf


def test_labels_at_and_beyond_the_ends_are_finite():
    ends = SPACE.to_space(np.array([[-0.4, 0.0, 0.0], [0.4, 1e-300, 0.0], [0.5, 1.0, 0.0]]))
    assert np.isfinite(ends).all()


def test_a_label_stays_above_its_lower_bound():
    # An Einstein radius is 0 where there is none; a cut keeps magnifications above 2.
    columns = [Column(name, None, "", "", drawn=False) for name in ("einstein-radius", "magnification")]
    random = np.random.default_rng(4)
    labels = np.stack([random.uniform(0.5, 2, 1000), 2 + random.exponential(3, 1000)], 1)
    labels[0, 0] = 0.0
    space = LabelSpace.fit(columns, labels, {"einstein-radius": 0.0, "magnification": 2.0})
    drawn = space.to_labels(np.random.default_rng(5).normal(0, 3, (1000, 2)))
    assert (drawn > [0, 2]).all()
    # Nearer than a thousandth of the deviation is not told apart.
    np.testing.assert_allclose(space.to_labels(space.to_space(labels)), labels, atol=0.01)


def test_bounds_hold_in_32_bits():
    columns = [Column("x", None, "", "", prior=(0.1, 2.2))]
    low, high = LabelSpace.fit(columns, np.array([[0.2], [2.0]])).float32_bounds
    assert 0.1 <= float(low[0]) < 0.1 + 1e-7
    assert 2.2 - 3e-7 < float(high[0]) <= 2.2


def test_a_constant_label_is_refused():
    with pytest.raises(RunError, match=r"src-center-x is 0\.1 in every training image"):
        LabelSpace.fit(COLUMNS[:1], np.full((5, 1), 0.1))


def test_a_count_is_refused():
    clumps = Column("src-clumps", None, "", "", drawn=False)
    with pytest.raises(RunError, match=r"src-clumps is a whole number .*--posterior=none"):
        LabelSpace.fit([clumps], np.random.default_rng(0).integers(0, 5, (100, 1)).astype(float))


def test_survives_json():
    again = LabelSpace.from_dict(json.loads(json.dumps(SPACE.to_dict())))
    labels = draw_labels(seed=3)
    assert np.array_equal(again.to_space(labels), SPACE.to_space(labels))


@pytest.mark.parametrize(
    "damage",
    [
        {},
        {"low": [0.0]},
        {"kinds": ["range", "round", "free"]},
        {"deviation": [1.0, 0.0, 1.0]},
        {"mean": ["a", 0, 0]},
        {"names": None},
    ],
)
def test_a_damaged_record_is_refused(damage):
    with pytest.raises(RunError, match="record of its labels is damaged"):
        LabelSpace.from_dict(SPACE.to_dict() | damage if damage else {})

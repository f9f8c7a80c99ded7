import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stronglens.dataset import split_indices
from stronglens.parameters import UsageError


@given(st.integers(4, 500), st.floats(0.01, 0.45), st.floats(0, 0.45), st.integers(0, 5))
def test_splits_are_disjoint_and_complete(number, valid, test, seed):
    try:
        split = split_indices(number, valid, test, np.random.default_rng(seed))
    except UsageError:
        assert number * (1 - valid - test) < 4
        return
    together = np.concatenate(list(split.values()))
    assert sorted(together) == list(range(number))
    assert abs(len(split["valid"]) - number * valid) <= 1
    assert (len(split["test"]) == 0) == (test == 0)


def test_default_split_of_a_thousand_is_a_permutation_of_the_seed():
    split = split_indices(1000, 0.2, 0.1, np.random.default_rng(0))
    assert {name: len(indices) for name, indices in split.items()} == {"train": 700, "valid": 200, "test": 100}
    again = split_indices(1000, 0.2, 0.1, np.random.default_rng(0))
    other = split_indices(1000, 0.2, 0.1, np.random.default_rng(1))
    np.testing.assert_array_equal(split["test"], again["test"])
    assert not np.array_equal(split["test"], other["test"])


@pytest.mark.parametrize(("number", "valid", "test"), [(3, 0.2, 0.1), (10, 0.9, 0.9), (100, 0.0, 0.1)])
def test_too_few_to_split(number, valid, test):
    with pytest.raises(UsageError, match="cannot be split"):
        split_indices(number, valid, test, np.random.default_rng(0))

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


def split_as_it_always_was(number, valid_split, test_split, random):
    test, valid = (max(1, round(number * part)) if part > 0 else 0 for part in (test_split, valid_split))
    order = random.permutation(number)
    parts = {"train": order[test + valid :], "valid": order[test : test + valid], "test": order[:test]}
    return {name: np.sort(indices) for name, indices in parts.items()}


@given(st.integers(10, 500), st.floats(0.01, 0.4), st.floats(0, 0.4), st.integers(0, 99))
def test_split_without_strata_is_what_trained_networks_rely_on(number, valid, test, seed):
    split = split_indices(number, valid, test, np.random.default_rng(seed))
    wanted = split_as_it_always_was(number, valid, test, np.random.default_rng(seed))
    for name, indices in wanted.items():
        np.testing.assert_array_equal(split[name], indices)
        assert split[name].dtype == indices.dtype


CLASSES = np.array(["no", "sphere", "vortex"])


@given(
    st.lists(st.integers(5, 60), min_size=3, max_size=3),
    st.floats(0.01, 0.4),
    st.floats(0, 0.3),
    st.integers(0, 5),
    st.booleans(),
)
def test_each_class_is_split_by_the_same_fractions(counts, valid, test, seed, named):
    labels = np.random.default_rng(seed).permutation(np.repeat([0, 1, 2], counts))
    split = split_indices(len(labels), valid, test, np.random.default_rng(seed), CLASSES[labels] if named else labels)
    assert sorted(np.concatenate(list(split.values()))) == list(range(len(labels)))
    for name, fraction in (("train", 1 - valid - test), ("valid", valid), ("test", test)):
        assert np.all(np.diff(split[name]) > 0)
        for number, count in enumerate(counts):
            there = np.sum(labels[split[name]] == number)
            # Each of the two others is rounded, or one image where it would be none.
            assert abs(there - fraction * count) <= (2 if name == "train" else 1)
            assert there > 0 or (name == "test" and test == 0)


@given(st.lists(st.integers(3, 40), min_size=3, max_size=3), st.floats(0.01, 0.6), st.integers(0, 5), st.booleans())
def test_given_test_set_is_kept(counts, valid, seed, stratified):
    labels = np.repeat([0, 1, 2, 0, 1, 2], [*counts, 1, 2, 3])
    given_test = np.arange(sum(counts), len(labels))
    strata = CLASSES[labels] if stratified else None
    split = split_indices(len(labels), valid, 0.5, np.random.default_rng(seed), strata, given_test)
    np.testing.assert_array_equal(split["test"], given_test)
    assert sorted(np.concatenate(list(split.values()))) == list(range(len(labels)))
    assert abs(len(split["valid"]) - valid * sum(counts)) <= (3 if stratified else 1)
    if stratified:
        for number, count in enumerate(counts):
            assert abs(np.sum(labels[split["valid"]] == number) - valid * count) <= 1


@pytest.mark.parametrize(
    ("counts", "valid", "test", "given_test", "message"),
    [
        ([9, 9, 2], 0.2, 0.1, None, "2 images of class vortex cannot be split into 0 for training, 1 for validation"),
        ([9, 9, 1], 0.2, 0.0, None, "1 image of class vortex"),
        ([9, 1, 9], 0.2, 0.1, None, "of class sphere"),
        ([9, 9, 9], 0.0, 0.1, None, "of class no cannot be split into 8 for training, 0 for validation"),
        ([9, 9, 9], 0.2, 0.1, [0, 1, 9], "of class vortex .* and 0 for the test"),
        ([9, 9, 9], 0.2, 0.1, [0, 9, *range(18, 27)], "of class vortex cannot be split"),
        ([9, 9, 9], 0.5, 0.6, None, "of class no"),
    ],
)
def test_class_that_is_too_small_is_named(counts, valid, test, given_test, message):
    strata = np.repeat(CLASSES, counts)
    with pytest.raises(UsageError, match=message):
        split_indices(len(strata), valid, test, np.random.default_rng(0), strata, given_test)

"""Sets for training, validation and test that share no photographed galaxy."""

import numpy as np
import pytest

from stronglens.parameters import UsageError
from stronglens.reconstruction.plan import IDENTITIES, split_by_galaxy

FRACTIONS = {"valid": 0.2, "test": 0.1}


def identities(galaxies, images, share=0.5, seed=0):
    """Return the galaxy of each image, 0 for model galaxies."""
    random = np.random.default_rng(seed)
    names = np.floor(random.random(galaxies) * IDENTITIES)
    return np.where(random.random(images) < share, random.choice(names, images), 0)


def split_of(photographs, fractions=FRACTIONS, seed=0):
    return split_by_galaxy(photographs, fractions, np.random.default_rng(seed))


def test_no_photographed_galaxy_is_in_two_sets():
    photographs = identities(200, 5000)
    split = split_of(photographs)
    assert sorted(np.concatenate(list(split.values()))) == list(range(5000))
    galaxies = {name: set(photographs[rows]) - {0.0} for name, rows in split.items()}
    assert sum(map(len, galaxies.values())) == len(set.union(*galaxies.values())) == 200
    for name, fraction in (("train", 0.7), ("valid", 0.2), ("test", 0.1)):
        assert np.all(np.diff(split[name]) > 0)
        assert len(galaxies[name]) / 200 == pytest.approx(fraction, abs=0.1)  # three standard deviations
        models = np.sum(photographs[split[name]] == 0)
        assert models == pytest.approx(fraction * np.sum(photographs == 0), abs=1)


def test_a_galaxy_stays_in_its_set():
    photographs = identities(100, 2000)
    split = split_of(photographs)
    other = split_of(np.concatenate([photographs[1000:], identities(50, 500, seed=3)]), seed=4)
    for name, rows in other.items():
        images = rows[rows < 1000]
        both = photographs[1000 + images]
        assert set(both) - {0.0} <= set(photographs[split[name]])


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_galaxies_of_one_kind(share):
    split = split_of(identities(60, 400, share))
    assert sorted(np.concatenate(list(split.values()))) == list(range(400))
    assert all(len(rows) for rows in split.values())


def test_no_test_set():
    split = split_of(identities(60, 400), {"valid": 0.2, "test": 0.0})
    assert len(split["test"]) == 0
    assert len(split["train"]) + len(split["valid"]) == 400


@pytest.mark.parametrize(
    ("photographs", "fractions", "message"),
    [
        ([0.95 * IDENTITIES] * 10, FRACTIONS, "10 images .* give 10 for train, 0 for valid, 0 for test: simulate more"),
        ([0.05 * IDENTITIES] * 10, FRACTIONS, "0 for train, 0 for valid, 10 for test"),
        ([0.5 * IDENTITIES, 0.15 * IDENTITIES], FRACTIONS, "1 for train, 1 for valid, 0 for test"),
        ([0.0] * 2, FRACTIONS, "cannot be split"),
        ([0.5 * IDENTITIES] * 3, {"valid": 0.0, "test": 0.0}, "0 for valid"),
    ],
)
def test_sets_that_are_too_small(photographs, fractions, message):
    with pytest.raises(UsageError, match=message):
        split_of(np.array(photographs), fractions)

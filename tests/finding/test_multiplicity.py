"""Number of images of a point source."""

import numpy as np
import pytest

from stronglens.finding.multiplicity import count_images

NAMES = ("einstein-radius-sie", "lens-center-x", "lens-center-y", "lens-ellip-x", "lens-ellip-y", "shear-1", "shear-2")


def count(x, y, ellip=(0.0, 0.0), shear=(0.0, 0.0), centre=(0.0, 0.0)):
    values = dict(zip(NAMES, (1.0, *centre, *ellip, *shear), strict=True)) | {"src-center-x": x, "src-center-y": y}
    return count_images({name: np.array([value]) for name, value in values.items()})[0]


def test_a_sphere_has_two_images_within_its_einstein_radius_and_one_beyond():
    assert [count(0.6 * s, 0.8 * s) for s in (0.3, 0.99, 1.01, 3)] == [2, 2, 1, 1]
    assert count(0.6, 0.4, centre=(-0.5, 0.1)) == 1


def test_within_the_diamond_there_are_four():
    ellip = (0.0, 0.2)
    # The cusp on the minor axis of the mass is at sqrt(q) / f (f arctanh... ) > 0.1; so is that of the shear, 2 x 0.1.
    assert count(0.02, 0.03, ellip) == 4
    assert count(0.02, 0.03, shear=(0.1, 0.0)) == 4
    assert count(0.5, 0.3, ellip) == 2
    assert count(1.4, 0.3, ellip) == 1


@pytest.mark.parametrize("angle", [0.3, 1.2])
def test_the_number_does_not_depend_on_the_direction_of_the_sky(angle):
    places = np.random.default_rng(0).uniform(-0.6, 0.6, (60, 2))

    def turned(angle):
        one, two = (np.array([np.cos(k * angle), np.sin(k * angle)]) for k in (1, 2))
        return [
            count(x * one[0] - y * one[1], x * one[1] + y * one[0], tuple(0.2 * two), tuple(0.08 * two))
            for x, y in places
        ]

    assert turned(angle) == turned(0.0)
    assert set(turned(0.0)) == {2, 4}

"""Filled pixels look like their surroundings."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from small_observations import galaxy, noise

from stronglens.observation.filling import fill_hidden
from stronglens.observation.noise import draw_noise, measure_noise

MIDDLE = (49.5, 49.5)


def disc(row, column, radius):
    rows, columns = np.indices((100, 100))
    return np.hypot(rows - row, columns - column) <= radius


def test_a_neighbour_is_removed_without_a_trace():
    true = galaxy(peak=300.0, size=10.0) + noise()
    hidden = disc(30, 65, 8)
    filled = fill_hidden(true + 500.0 * disc(30, 65, 6), hidden, MIDDLE)
    np.testing.assert_array_equal(filled[~hidden], true[~hidden])
    difference = (filled - true)[hidden]
    # Both have noise 1: with a perfect level the difference would be 1.4. The galaxy's light there is 12 to 70.
    assert np.std(difference) == pytest.approx(np.sqrt(2), rel=0.25)
    assert abs(np.mean(difference)) < 0.5


def test_filling_adds_no_counter_image_of_an_arc():
    """Filling with mirrored pixels would add the arc on the opposite side."""
    columns = np.indices((100, 100))[1]
    arc = galaxy(peak=0.0, ring=100.0) * (columns > 55)
    hidden = disc(49.5, 34.5, 6)
    filled = fill_hidden(arc + noise(), hidden, MIDDLE)
    assert np.abs(filled[hidden]).max() < 6  # noise alone


def test_bad_pixels_inside_an_arc_are_bridged():
    true = galaxy(peak=0.0, ring=100.0)
    hidden = np.zeros((100, 100), bool)
    hidden[49:51, 62:66] = True
    filled = fill_hidden(np.where(hidden, np.nan, true), hidden, MIDDLE)
    assert filled[hidden] == pytest.approx(true[hidden], rel=0.15)


def test_hidden_pixels_may_reach_over_the_edge():
    hidden = np.zeros((100, 100), bool)
    hidden[:30] = True
    hidden[:, -1] = True
    filled = fill_hidden(np.where(hidden, np.inf, noise() + 50), hidden, MIDDLE)
    assert np.isfinite(filled).all()
    assert filled[hidden].mean() == pytest.approx(50, abs=0.5)


def test_filling_is_the_same_every_time():
    hidden = disc(20, 20, 5)
    assert np.array_equal(fill_hidden(noise(), hidden, MIDDLE), fill_hidden(noise(), hidden, MIDDLE))


@pytest.mark.parametrize("width", [0.0, 0.5, 0.8])
def test_drawn_noise_has_the_same_strength_and_correlation(width):
    like = draw_noise_of(width)
    drawn = draw_noise(like, (200, 200))
    assert np.std(drawn) == pytest.approx(np.std(like), rel=0.05)
    neighbours = [np.corrcoef(image[:, 1:].ravel(), image[:, :-1].ravel())[0, 1] for image in (drawn, like)]
    assert neighbours[0] == pytest.approx(neighbours[1], abs=0.05)


def draw_noise_of(width):
    return gaussian_filter(np.random.default_rng(5).normal(size=(300, 300)), width)


def test_noise_is_measured_beside_light_and_empty_pixels():
    image = galaxy((64, 64), peak=200.0, size=5.0) + noise((64, 64))
    image[:10] = 0  # not covered
    image[20, 20:30] = np.nan
    assert measure_noise(image) == pytest.approx(1, rel=0.25)  # the galaxy covers a fifth of the image
    assert measure_noise(np.zeros((64, 64))) == 0
    assert measure_noise(np.ones((3, 3))) == 0

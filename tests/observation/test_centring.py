"""Position of the lens: found to a small fraction of a pixel, also beside brighter objects."""

import numpy as np
import pytest
from small_observations import galaxy, noise, observe

from stronglens.observation import place_center, read_center
from stronglens.observation.centring import find_brightest
from stronglens.parameters import RunError, UsageError


@pytest.mark.parametrize(("x", "y"), [(0, 0), (3.3, -2.6), (-10.25, 7.75)])
@pytest.mark.parametrize("shape", [(100, 100), (101, 101)])
def test_the_peak_is_found_to_a_tenth_of_a_pixel(shape, x, y):
    # The peak is 100 times the noise; at 50 times, the median error is 0.05 pixels.
    found_y, found_x = find_brightest(observe(galaxy(shape, x, y, peak=100.0) + noise(shape)), reach=1.6)
    assert found_x / 0.1 == pytest.approx(x, abs=0.1)
    assert found_y / 0.1 == pytest.approx(y, abs=0.1)


def test_the_peak_is_that_of_the_lens_not_of_brighter_objects():
    image = galaxy(x=4.0, y=3.0) + noise()
    image += galaxy(x=40.0, y=-40.0, peak=5000.0)  # a star in the corner
    image += galaxy(x=-25.0, peak=1000.0, size=6.0)  # a neighbour out of reach, though part of its light is within
    image[50, 45:47] = 1e5  # hot pixels
    image[10, 10] = np.nan
    found_y, found_x = find_brightest(observe(image), reach=1.6)
    assert (found_x, found_y) == pytest.approx((0.4, 0.3), abs=0.03)


def test_masked_light_has_no_peak():
    image = galaxy(x=4.0) + galaxy(x=-8.0, peak=1000.0, size=1.5) + noise()
    rows, columns = np.indices(image.shape)
    mask = np.hypot(rows - 49.5, columns - 41.5) < 6
    assert find_brightest(observe(image), reach=1.6)[1] == pytest.approx(-0.8, abs=0.05)
    assert find_brightest(observe(image, mask=mask), reach=1.6)[1] == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize(
    "image",
    [
        noise(),
        np.pad(noise((64, 64)), 18, constant_values=np.nan),
        np.zeros((100, 100)),
        np.full((100, 100), np.nan),
    ],
)
def test_without_light_there_is_no_peak(image):
    assert find_brightest(observe(image), reach=1.6) is None
    assert place_center(observe(image), "image", 6.4, 0.07) == ((0.0, 0.0), [])
    with pytest.raises(RunError, match=r"no peak of light stands out .* give --center x,y"):
        place_center(observe(image), "brightest", 6.4, 0.07)


def test_a_lens_off_the_middle_is_noted_and_not_moved():
    image = galaxy(x=5.0) + noise()
    centre, notes = place_center(observe(image), "image", 6.4, 0.07)
    assert centre == (0.0, 0.0)
    assert "at most 0.07 arcsec off" in notes[0]
    assert "--center brightest" in notes[0]
    assert place_center(observe(image), "image", 6.4, 0.6)[1] == []  # training lenses are as far off
    assert place_center(observe(galaxy(x=1.0) + noise()), "image", 6.4, 0.07)[1] == []  # off by a pixel
    assert place_center(observe(image), "image", 6.4, None)[1]


def test_a_given_centre():
    assert read_center("0.5,-0.25") == (0.5, -0.25)
    centre, notes = place_center(observe(noise()), (0.5, -0.25), 6.4, None)
    assert centre == (-0.25, 0.5)
    assert "(+0.500, -0.250)" in notes[0]
    with pytest.raises(RunError, match="outside the image, which has 10 x 10 arcsec"):
        place_center(observe(noise()), (0.5, 7.0), 6.4, None)


@pytest.mark.parametrize("words", ["", "middle", "1", "1,2,3", "nan,0", "1,inf", "x,y", ",", "1;2"])
def test_an_invalid_centre_is_a_usage_error(words):
    with pytest.raises(UsageError, match="--center must be image, brightest or x,y in arcsec"):
        read_center(words)

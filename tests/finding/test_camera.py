"""Bands of Euclid: noise, flux and grids."""

import numpy as np
import pytest

from stronglens.finding.camera import BANDS, FINE, BandCamera

EVERY = pytest.mark.parametrize("name", list(BANDS))
PADDING = max(band.padding for band in BANDS.values())


def observe(name, light, coarse=False, padding=PADDING):
    camera = BandCamera(BANDS[name], light.shape[1] - 2 * padding, padding, coarse)
    rate = camera.blur(light)
    return camera.record(rate, [np.random.default_rng(row) for row in range(len(rate))])


def dark(side, padding=PADDING, count=20):
    return np.zeros((count, side + 2 * padding, side + 2 * padding), np.float32)


@pytest.mark.parametrize(
    ("name", "noise"), [("VIS", 0.0108), ("Y", 0.071), ("J", 0.0745), ("H", 0.0706)]
)  # lenstronomy's preset gives 0.0108, 0.071, 0.074 and 0.071 e-/s
def test_noise_of_a_pixel_of_the_camera(name, noise):
    assert BANDS[name].noise == pytest.approx(noise, rel=0.01)


# Standard deviation of the empty sky in an image of the first quick release, e-/s in a pixel of 0.1 arcsec.
@pytest.mark.parametrize(("name", "real"), [("VIS", 0.0073), ("Y", 0.0067), ("J", 0.0061), ("H", 0.0066)])
def test_noise_of_resampled_images_is_that_of_the_quick_release(name, real):
    image = observe(name, dark(66))
    assert image.shape == (20, 66, 66)
    assert image.std() == pytest.approx(real, rel=0.3)
    neighbours = np.mean(image[:, :, 1:] * image[:, :, :-1]) / image.var()
    assert neighbours == pytest.approx(0.22 if name == "VIS" else 0.80, abs=0.08)  # measured on the same image


@EVERY
@pytest.mark.parametrize("coarse", [False, True])
def test_light_is_kept_on_every_grid(name, coarse):
    light = dark(66, count=1)
    light[0, 39:48, 45:54] = 1e5  # whole pixels of 0.3 arcsec
    image = observe(name, light, coarse)
    factor = 9 if coarse and name == "VIS" else 1  # the mean of nine pixels, not their sum
    assert factor * image.sum() == pytest.approx(81e5, rel=1e-3)
    assert image.shape[1] == (22 if coarse else 66)
    y, x = np.mgrid[: image.shape[1], : image.shape[1]] * (3 if coarse else 1) + (1 if coarse else 0)
    middle = (image * x).sum() / image.sum(), (image * y).sum() / image.sum()
    assert middle == pytest.approx((49 - PADDING, 43 - PADDING), abs=0.01)


@EVERY
def test_light_beyond_the_edge_is_blurred_into_the_field(name):
    light = dark(30, count=1) + np.float32(1000)
    image = observe(name, light)
    # 1000 e-/s in each fine pixel, to the precision of the noise of its photons.
    assert abs(image / 1000 - 1).max() < 0.01


@EVERY
def test_width_of_a_star(name):
    light = dark(66, count=1)
    light[0, PADDING + 33, PADDING + 33] = 1e7
    image = observe(name, light, coarse=False)[0]
    along = np.arange(66) - 33
    width = np.sqrt((image * along**2).sum() / image.sum()) * FINE
    # The blur, and the pixel and the interpolation of NISP: variances 8/12 of a fine pixel squared, and 9 times 1/6.
    pixels = 0 if name == "VIS" else 8 / 12 + 9 / 6
    expected = np.sqrt((BANDS[name].fwhm / 2.3548) ** 2 + pixels * FINE**2)
    assert width == pytest.approx(expected, rel=0.03)


def test_an_image_does_not_depend_on_the_others():
    light = np.random.default_rng(0).random(dark(30).shape, np.float32)
    for name in BANDS:
        np.testing.assert_array_equal(observe(name, light)[:3], observe(name, light[:3]))


def test_vis_on_the_coarse_grid_is_the_mean_of_nine_pixels():
    light = np.random.default_rng(0).random(dark(30).shape, np.float32)
    fine, coarse = (observe("VIS", light, on) for on in (False, True))
    np.testing.assert_allclose(coarse, fine.reshape(20, 10, 3, 10, 3).mean(axis=(2, 4)), rtol=1e-6)

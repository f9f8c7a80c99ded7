"""Observations of noise-free images: noise, point-spread function, masks."""

import numpy as np
import pytest
from scipy import ndimage, signal

from stronglens.reconstruction.observing import LIGHT_KEPT, Conditions, draw_mask, observe

NUMBER, SIDE, SCALE = 60, 40, 0.12
PSF = np.array([[0, 1, 0], [2, 5, 1], [0, 1, 0]]) / 10


@pytest.fixture(scope="module")
def images():
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    random = np.random.default_rng(0)
    radii, peaks = random.uniform(5, 14, (2, NUMBER, 1, 1))
    return (peaks * np.exp(-((np.hypot(x, y) - radii) ** 2) / 8)).astype(np.float32)


def generators(number=NUMBER):
    return [np.random.default_rng([7, row]) for row in range(number)]


def test_noise_has_the_standard_deviation_that_is_told(images):
    seen = observe(images, Conditions(SCALE, (0.001, 0.1)), generators())
    level = seen.noise[:, 0, 0]
    np.testing.assert_array_equal(seen.noise, np.broadcast_to(level[:, None, None], seen.noise.shape))
    measured = np.std((seen.images - images) / level[:, None, None], axis=(1, 2))
    np.testing.assert_allclose(measured, 1, atol=0.1)  # 1,600 pixels: 0.018 a standard deviation
    fraction = level / images.max(axis=(1, 2))
    assert 0.001 <= fraction.min() < 0.003
    assert 0.03 < fraction.max() <= 0.1
    # Uniform in the logarithm: half are below 1 %.
    assert np.mean(fraction < 0.01) == pytest.approx(0.5, abs=0.2)


def test_shares_without_noise_and_psf(images):
    seen = observe(images, Conditions(SCALE, (0.01, 0.1), 0.4, (0.05, 0.3), 0.4), generators())
    for share in (np.mean(seen.noise[:, 0, 0] == 0), np.mean(seen.psf_fwhm == 0)):
        assert share == pytest.approx(0.4, abs=0.2)  # three standard deviations of 60
    both = (seen.noise[:, 0, 0] == 0) & (seen.psf_fwhm[:, 0] == 0)
    assert both.any()
    np.testing.assert_array_equal(seen.images[both], images[both])
    widths = seen.psf_fwhm[seen.psf_fwhm > 0]
    assert 0.05 <= widths.min() < 0.12
    assert 0.23 < widths.max() <= 0.3


def test_point_spread_functions(images):
    seen = observe(images, Conditions(SCALE).at(0.0, 0.3), generators())
    np.testing.assert_allclose(seen.psf_fwhm, 0.3, rtol=1e-6)
    sigma = 0.3 / np.sqrt(8 * np.log(2)) / SCALE
    wanted = [ndimage.gaussian_filter(image, sigma, mode="constant", truncate=8) for image in images]
    np.testing.assert_allclose(seen.images, wanted, atol=1e-4)
    measured = observe(images, Conditions(SCALE, psf=PSF).at(0.0, 0.0), generators())
    wanted = [signal.convolve2d(image, PSF, mode="same") for image in images]
    np.testing.assert_allclose(measured.images, wanted, atol=1e-4)
    assert not measured.psf_fwhm.any()


def test_masks_leave_most_of_the_light(images):
    seen = observe(images, Conditions(SCALE, masks=9), generators())
    masked = np.isinf(seen.noise)
    assert not seen.images[masked].any()
    np.testing.assert_allclose(seen.images[~masked], images[~masked], atol=1e-6)
    kept = np.sum(images * ~masked, axis=(1, 2)) / images.sum(axis=(1, 2))
    assert LIGHT_KEPT <= kept.min() < 0.95
    area = masked.sum(axis=(1, 2))
    disc = np.pi * (0.2 / SCALE) ** 2
    assert area.min() == 0
    assert 4 * disc < area.max() < 10 * disc


def test_a_disc_over_too_much_light_is_left_out():
    image = np.zeros((20, 20))
    image[10, 10] = 1
    for seed in range(20):
        mask = draw_mask(image, np.random.default_rng(seed), 9, 3.0)
        assert not mask[10, 10]
    assert draw_mask(np.zeros((20, 20)), np.random.default_rng(1), 9, 3.0).shape == (20, 20)


def test_one_noise_level_and_one_width():
    conditions = Conditions(SCALE, (0.001, 0.1), 0.3, (0.05, 0.3), 0.3, 9, PSF).at(0.05, 0.2)
    assert conditions == Conditions(SCALE, (0.05, 0.05), 0.0, (0.2, 0.2), 0.0, 0, conditions.psf)
    assert conditions.psf is PSF
    assert Conditions(SCALE).at(0.0, 0.0).noise_free_share == 1


def test_equal_generators_observe_equally(images):
    conditions = Conditions(SCALE, (0.001, 0.1), 0.3, (0.05, 0.3), 0.3, 9)
    one, again = (observe(images, conditions, generators()) for _ in range(2))
    few = observe(images[4:6], conditions, generators()[4:6])
    for name in ("images", "noise", "psf_fwhm"):
        np.testing.assert_array_equal(getattr(one, name), getattr(again, name))
        np.testing.assert_array_equal(getattr(one, name)[4:6], getattr(few, name))


def test_one_condition_does_not_change_the_others(images):
    masked, clear = (observe(images, Conditions(SCALE, (0.01, 0.1), masks=masks), generators()) for masks in (9, 0))
    is_seen = np.isfinite(masked.noise)
    np.testing.assert_array_equal(masked.noise[is_seen], clear.noise[is_seen])
    np.testing.assert_array_equal(masked.images[is_seen], clear.images[is_seen])
    weak, strong = (observe(images, Conditions(SCALE).at(noise, 0.0), generators()) for noise in (0.01, 0.05))
    np.testing.assert_allclose(5 * (weak.images - images), strong.images - images, atol=1e-4)


def test_conditions_of_a_manifest():
    parameters = {
        "pixel-scale": 0.1, "peak-noise-range": [0.01, 0.1], "noise-free-share": 0.2, "psf-fwhm-range": [0, 0.3],
        "psf-free-share": 0.1, "masks": 4,
    }  # fmt: skip
    found = Conditions.of({"parameters": parameters, "telescope": {"psf": PSF.tolist()}})
    np.testing.assert_array_equal(found.psf, PSF)
    assert found == Conditions(0.1, (0.01, 0.1), 0.2, (0, 0.3), 0.1, 4, found.psf)
    assert Conditions.of({"parameters": parameters, "telescope": {"psf": None}}).psf is None

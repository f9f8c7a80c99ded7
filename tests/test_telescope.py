import numpy as np
import pytest

from stronglens import telescope
from stronglens.parameters import RunError

EUCLID = telescope.Telescope(0.1, telescope.gaussian_psf(0.16, 0.1), 2264.0, 4, 0.22, 4.2, 25.72)


def generators(number, seed=0):
    return [np.random.default_rng([seed, index]) for index in range(number)]


def test_sky_of_the_presets():
    assert telescope.sky_rate(22.3, 0.1, 25.72) == pytest.approx(0.233, abs=0.001)  # 10^(0.4 x 3.42) / 100
    assert telescope.sky_rate(21.95, 0.05, 25.94) == pytest.approx(0.1, abs=0.002)


def test_quoted_intensity_in_other_pixels_and_zero_points():
    assert EUCLID.intensity_unit == pytest.approx(1)
    hubble = telescope.Telescope(0.05, None, 2100.0, 4, 0.1, 5.0, 25.94)
    assert hubble.intensity_unit == pytest.approx(0.25 * 10 ** (0.4 * 0.22))


@pytest.mark.parametrize(("fwhm", "scale"), [(0.16, 0.1), (0.077, 0.05), (1.0, 0.1), (0.05, 0.1)])
def test_gaussian_psf(fwhm, scale):
    psf = telescope.gaussian_psf(fwhm, scale)
    side = psf.shape[0]
    offset = (np.arange(side) - side // 2) * scale
    assert side % 2 == 1
    assert psf.sum() == pytest.approx(1)
    if fwhm > 1.4 * scale:  # narrower ones cannot be told from the pixel they are sampled at
        second_moment = np.sqrt((psf * offset[:, None] ** 2).sum())
        assert second_moment * np.sqrt(8 * np.log(2)) == pytest.approx(fwhm, rel=0.01)


def test_no_psf_without_width():
    assert telescope.gaussian_psf(0.0, 0.1) is None


def test_blur_keeps_the_light_and_brings_in_what_lies_beyond_the_edge():
    half = EUCLID.padding
    point = np.zeros((1, 32 + 2 * half, 32 + 2 * half), np.float32)
    point[0, 20, 15] = 5
    blurred = telescope.blur(point, EUCLID.psf)
    assert blurred.shape == (1, 32, 32)
    assert blurred.sum() == pytest.approx(5, rel=1e-5)
    np.testing.assert_allclose(blurred[0, 20 - half, 15 - half], 5 * EUCLID.psf[half, half], rtol=1e-5)
    uniform = np.ones((1, 32 + 2 * half, 32 + 2 * half), np.float32)
    np.testing.assert_allclose(telescope.blur(uniform, EUCLID.psf), 1, rtol=1e-5)


def test_noise_has_the_variance_it_states():
    rate = np.full((1, 400, 400), 0.5, np.float32)
    image = telescope.add_noise(rate, EUCLID, generators(1))
    variance = telescope.noise_variance(rate, EUCLID)[0, 0, 0]
    # 160,000 pixels: the mean is known to sigma / 400, the variance to 0.35 %; four of each
    assert image.mean() == pytest.approx(0.5, abs=4 * np.sqrt(variance) / 400)
    assert image.var() == pytest.approx(variance, rel=0.014)
    assert variance == pytest.approx((0.5 + 0.22) / 2264 + 4 * 4.2**2 / 2264**2)


def test_each_image_has_noise_of_its_own():
    rate = np.ones((2, 16, 16), np.float32)
    both = telescope.add_noise(rate, EUCLID, generators(2))
    second = telescope.add_noise(rate[:1], EUCLID, generators(2)[1:])
    np.testing.assert_array_equal(both[1], second[0])
    assert not np.array_equal(both[0], both[1])


def test_noiseless_telescope_returns_the_rate():
    perfect = telescope.Telescope(0.1, None, 0.0, 1, 0.0, 0.0, 25.72)
    rate = np.random.default_rng(0).random((2, 8, 8)).astype(np.float32)
    assert not perfect.is_noisy
    np.testing.assert_array_equal(telescope.add_noise(rate, perfect, generators(2)), rate)


def test_signal_to_noise_is_matched_filter_of_known_case():
    source = np.full((1, 10, 10), 2.0)
    assert telescope.signal_to_noise(source, np.full((1, 10, 10), 4.0))[0] == pytest.approx(10)  # sqrt(100 x 4 / 4)


def test_exposure_reaches_the_wanted_signal_to_noise():
    random = np.random.default_rng(1)
    source = random.random((5, 12, 12)) * 0.1
    rate = source + random.random((5, 12, 12))
    wanted = np.array([1.0, 10.0, 50.0, 200.0, 1000.0])
    time = telescope.exposure_for_snr(wanted, source, rate, EUCLID)
    reached = telescope.signal_to_noise(source, telescope.noise_variance(rate, EUCLID, time))
    np.testing.assert_allclose(reached, wanted, rtol=1e-6)
    assert np.isinf(telescope.exposure_for_snr(wanted[:1], 0 * source[:1], rate[:1], EUCLID))


def test_noise_may_be_a_share_of_the_peak():
    rate = np.zeros((3, 60, 60), np.float32)
    rate[0, 5, 5], rate[1, 5, 5] = 2, 50
    share = np.array([0.1, 0.02, 0.1])
    images = telescope.add_noise(rate, EUCLID, generators(3), peak_noise=share)
    variance = telescope.noise_variance(rate, EUCLID, peak_noise=share)
    assert variance.shape == rate.shape
    # 3,600 pixels: a standard deviation is known to 1 / sqrt(7,200) = 1.2 %
    np.testing.assert_allclose((images - rate).std(axis=(1, 2))[:2], [0.2, 1.0], rtol=0.05)
    np.testing.assert_allclose(np.sqrt(variance[:2, 0, 0]), [0.2, 1.0])
    np.testing.assert_allclose(images[2], 0, atol=1e-28)  # without light no noise
    alone = telescope.add_noise(rate[1:2], EUCLID, generators(3)[1:2], peak_noise=share[1:2])
    np.testing.assert_array_equal(alone[0], images[1])
    margin = [(0, 0), *[(EUCLID.padding,) * 2] * 2]
    _, measured = telescope.observe(np.pad(rate, margin), None, EUCLID, peak_noise=share)
    assert measured["snr"][2] == 0
    # of the blurred peak: sqrt(sum of (psf / largest pixel of it)^2) / share
    shape = np.sqrt(np.sum((EUCLID.psf / EUCLID.psf.max()) ** 2))
    np.testing.assert_allclose(measured["snr"][:2], shape / share[:2], rtol=1e-4)


def test_too_many_electrons_are_refused():
    with pytest.raises(RunError, match="too many for Poisson random numbers"):
        telescope.add_noise(np.full((1, 4, 4), 1e17, np.float32), EUCLID, generators(1))

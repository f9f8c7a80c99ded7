"""Simulated observation with JAX on its default device, compared with NumPy."""

import dataclasses

import jax
import numpy as np
import pytest
from scipy import stats

import params_and_cli as panel
from stronglens import telescope
from stronglens.parameters import RunError
from stronglens.sampling import Stream, generator, key_words
from stronglens.simulation.lens_simulator import LensSimulator

EUCLID = telescope.Telescope(0.1, telescope.gaussian_psf(0.16, 0.1), 2264.0, 4, 0.22, 4.2, 25.72)


def keys(number, seed=0):
    return np.stack([key_words(seed, Stream.NOISE, index) for index in range(number)])


def rendered(number=6, seed=0):
    """Blobs of light with a margin, source and lens."""
    random = np.random.default_rng(seed)
    size = 32 + 2 * EUCLID.padding
    y, x = np.indices((size, size)) - size / 2
    centres, widths = random.uniform(-9, 9, (2, number, 2)), random.uniform(0.7, 4, (2, number))
    return [
        np.exp(-((y - c[:, :1, None]) ** 2 + (x - c[:, 1:, None]) ** 2) / w[:, None, None] ** 2).astype(np.float32)
        for c, w in zip(centres, widths, strict=True)
    ]


@pytest.mark.parametrize("has_lens", [True, False])
@pytest.mark.parametrize("wanted", [None, np.array([5.0, 10.0, 20.0, 50.0, 100.0, 200.0])])
def test_it_observes_what_numpy_does(has_lens, wanted):
    source, lens = rendered()
    lens = lens if has_lens else None
    rate, measured = telescope.observe(source, lens, EUCLID, wanted)
    on_device = [image if image is None else jax.device_put(image) for image in (source, lens)]
    theirs, theirs_measured = telescope.DeviceTelescope(EUCLID).observe(*on_device, wanted)
    assert isinstance(theirs, jax.Array)
    assert theirs.dtype == np.float32
    assert np.max(np.abs(theirs - rate)) < 1e-6 * rate.max()  # a 32-bit FFT
    assert measured.keys() == theirs_measured.keys()
    for name, values in measured.items():
        assert theirs_measured[name].dtype == np.float64
        np.testing.assert_allclose(theirs_measured[name], values, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("psf", [None, EUCLID.psf])
def test_without_noise_it_only_blurs(psf):
    perfect = telescope.Telescope(0.1, psf, 0.0, 1, 0.0, 0.0, 25.72)
    source, lens = rendered()
    rate, measured = telescope.DeviceTelescope(perfect).observe(jax.device_put(source), jax.device_put(lens))
    ours, _ = telescope.observe(source, lens, perfect)
    assert list(measured) == ["flux"]
    image = telescope.DeviceTelescope(perfect).add_noise(rate, keys(len(rate)))
    np.testing.assert_allclose(image, ours, atol=1e-6 * ours.max())


@pytest.mark.parametrize("electrons", [0.3, 3.0, 11.0, 40.0, 1e4, 1e7, 3e10])
def test_photon_noise_is_poissons(electrons):
    """Without read noise and sky: counts, at means on both sides of every sampler's case, beyond 2^31 too."""
    bare = telescope.Telescope(0.1, None, 10.0, 1, 0.0, 0.0, 25.72)
    rate = np.full((4, 100, 100), electrons / 10, np.float32)
    mean = float(rate[0, 0, 0]) * 10
    drawn = telescope.DeviceTelescope(bare).add_noise(jax.device_put(rate.astype(float)), keys(4)).ravel() * 10
    counts = np.rint(drawn)
    assert np.max(np.abs(drawn - counts)) < 1e-4 * max(1, mean * 1e-6)
    # 40,000 pixels: the mean is known to sigma / 200, the variance to sqrt(2 / 40,000) = 0.7 % (more at low counts)
    assert counts.mean() == pytest.approx(mean, abs=4 * np.sqrt(mean) / 200)
    assert counts.var() == pytest.approx(mean, rel=4 * np.sqrt((2 + 1 / mean) / 40_000))
    # discrete counts: two draws of the same law are compared through a jitter below one count
    jitter = np.random.default_rng(1).random((2, counts.size)) - 0.5
    theirs = np.random.default_rng(2).poisson(mean, counts.size)
    assert stats.ks_2samp(counts + jitter[0], theirs + jitter[1]).pvalue > 1e-3


@pytest.mark.parametrize("time", [2264.0, 20.0, 1e7])
def test_noise_has_numpys_mean_and_variance(time):
    rate = np.full((2, 200, 200), 0.5, np.float32)
    times = np.full(2, time)
    variance = telescope.noise_variance(rate, EUCLID, times)[0, 0, 0]
    ours = telescope.add_noise(rate, EUCLID, [generator(0, Stream.NOISE, index) for index in range(2)], times)
    theirs = telescope.DeviceTelescope(EUCLID).add_noise(jax.device_put(rate), keys(2), times)
    assert theirs.dtype == np.float32
    for images in (ours, theirs):
        assert images.mean() == pytest.approx(0.5, abs=4 * np.sqrt(variance / 80_000))
        assert images.var(dtype=float) == pytest.approx(variance, rel=4 * np.sqrt(2 / 80_000))
    assert stats.ks_2samp(ours.ravel(), theirs.ravel()).pvalue > 1e-3


def test_each_image_has_noise_of_its_own_whatever_lies_beside_it():
    camera = telescope.DeviceTelescope(EUCLID)
    rate = np.linspace(0.1, 5, 4)[:, None, None] * np.ones((4, 16, 16))
    images = camera.add_noise(jax.device_put(rate.astype(np.float32)), keys(4))
    other = camera.add_noise(jax.device_put(rate[::-1].astype(np.float32)), keys(4)[::-1].copy())
    np.testing.assert_array_equal(other[::-1], images)
    assert not np.array_equal(images[0] - rate[0], images[1] - rate[1])


def test_noise_that_is_a_share_of_the_peak_is_that_of_numpy_but_for_the_numbers():
    source, share = rendered()[0], np.geomspace(0.01, 0.1, 6)
    rate, measured = telescope.observe(source, None, EUCLID, peak_noise=share)
    camera = telescope.DeviceTelescope(EUCLID)
    theirs, theirs_measured = camera.observe(jax.device_put(source), None, peak_noise=share)
    np.testing.assert_allclose(theirs_measured["snr"], measured["snr"], rtol=1e-5)
    images = camera.add_noise(theirs, keys(6), peak_noise=share)
    assert images.dtype == np.float32
    residual = (images - rate) / np.sqrt(telescope.noise_variance(rate, EUCLID, peak_noise=share))
    assert residual.mean() == pytest.approx(0, abs=4 / np.sqrt(residual.size))
    assert residual.var(axis=(1, 2)) == pytest.approx(np.ones(6), abs=4 * np.sqrt(2 / 32**2))
    other = camera.add_noise(theirs[::-1], keys(6)[::-1].copy(), peak_noise=share[::-1].copy())
    np.testing.assert_array_equal(other[::-1], images)


def test_too_many_electrons_are_refused():
    for rate in (1e17, np.inf):
        with pytest.raises(RunError, match="too many for Poisson"):
            telescope.DeviceTelescope(EUCLID).add_noise(jax.device_put(np.full((1, 4, 4), rate)), keys(1))


# ---- the simulator


@pytest.fixture(scope="module")
def simulators():
    """One that computes with NumPy after ray tracing, one that leaves everything to JAX."""
    values = {"grid_size": 24, "over_sampling": 1, "pixel_scale": 0.25, "snr_range": (20.0, 80.0), "src_clumps": 2}
    # The lens and the sources whose program compiles fastest: what follows is the same for all.
    values |= {"src_effect_range": (0.2, 0.4), "src_sersic_range": (0.8, 2.0)}
    parameters = panel.RegressionSimulation.of(overrides=panel.OVERRIDES, lens_model="sie", **values)
    return [LensSimulator(parameters, chunk_size=32, on_device=on_device) for on_device in (False, True)]


def test_both_ways_give_the_same_labels_and_images_but_for_the_noise(simulators):
    ours, labels, rejected = simulators[0].simulate(range(30))
    theirs, their_labels, their_rejected = simulators[1].simulate(range(30))
    assert theirs.dtype == np.float32
    assert rejected == their_rejected
    assert list(labels) == list(their_labels)
    for name, values in labels.items():
        np.testing.assert_allclose(their_labels[name], values, rtol=1e-5, err_msg=name)
    camera = simulators[0].telescope
    draws = simulators[0].complete({name: labels[name] for name in simulators[0].ranges}, range(30))
    rate = telescope.observe(*simulators[0].render(simulators[0].physical_scene(draws)), camera)[0]
    sigma = np.sqrt(telescope.noise_variance(rate, camera, labels["exposure-time"]))
    for images in (ours, theirs):
        residual = (images - rate) / sigma
        assert abs(residual.mean()) < 4 / np.sqrt(residual.size)
        assert residual.var() == pytest.approx(1, abs=4 * np.sqrt(2 / residual.size))
    assert not np.array_equal(ours, theirs)


def test_on_the_device_too_an_image_depends_on_seed_and_index_alone(simulators):
    lens_simulator = simulators[1]
    images, labels, _ = lens_simulator.simulate(range(30))
    for indices in ([7], [29, 3, 7], range(12)):
        fewer, fewer_labels, _ = lens_simulator.simulate(indices)
        np.testing.assert_array_equal(fewer, images[list(indices)])
        for name, values in fewer_labels.items():
            np.testing.assert_array_equal(values, labels[name][list(indices)], err_msg=name)


def test_on_the_device_too_what_is_not_finite_is_refused(simulators):
    lens_simulator = simulators[1]
    scene = lens_simulator.physical_scene(lens_simulator.draw(range(3)).draws)
    scene["src_intensity"][1] = np.inf
    with pytest.raises(RunError, match=r"image 1 .*not finite"):
        lens_simulator.renderer.render_on_device(scene)


# ---- noise that pixels share


@pytest.mark.parametrize("correlation", [0.0, 0.2, 0.38, 0.7])
@pytest.mark.parametrize("peak_noise", [None, 0.05])
@pytest.mark.parametrize("on_device", [False, True])
def test_noise_of_neighbours_correlates_and_keeps_its_variance(correlation, peak_noise, on_device):
    camera = dataclasses.replace(EUCLID, noise_correlation=correlation)
    y, x = np.mgrid[-1:1:100j, -1:1:100j]
    rate = np.broadcast_to(3 * np.exp(-3 * np.hypot(x, y)), (40, 100, 100)).astype(np.float32)  # as bright as a lens
    times, shares = np.full(40, 2264.0), None if peak_noise is None else np.full(40, peak_noise)
    if on_device:
        images = telescope.DeviceTelescope(camera).add_noise(jax.device_put(rate), keys(40), times, shares)
    else:
        noise = [generator(0, Stream.NOISE, index) for index in range(40)]
        images = telescope.add_noise(rate, camera, noise, times, shares)
    assert images.dtype == np.float32
    noise = (images - rate) / np.sqrt(telescope.noise_variance(rate, camera, times, shares))
    number = noise.size
    # Of correlated numbers the scatter of a mean square is up to twice that of independent ones, in both axes.
    assert abs(np.mean(noise**2) - 1) < 4 * 2 * np.sqrt(2 / number)
    for axis in (1, 2):
        side = np.mean(noise * np.roll(noise, 1, axis))
        assert abs(side - correlation) < 4 * 2 / np.sqrt(number)
        far = np.mean(noise * np.roll(noise, 3, axis))
        assert abs(far) < 4 * 2 / np.sqrt(number)


def test_pixels_without_any_noise_share_none():
    bare = telescope.Telescope(0.1, None, 10.0, 1, 0.0, 0.0, 25.72, noise_correlation=0.3)
    rate = np.zeros((2, 8, 8), np.float32)
    images = telescope.add_noise(rate, bare, [generator(0, Stream.NOISE, index) for index in range(2)])
    np.testing.assert_array_equal(images, 0)
    np.testing.assert_array_equal(telescope.DeviceTelescope(bare).add_noise(jax.device_put(rate), keys(2)), 0)

"""Image stretch and label standardisation, as fitted."""

import numpy as np
import pytest

from stronglens.parameters import RunError
from stronglens.scaling import fit_image_scaling, fit_label_scaling


def galaxies(count=50, side=32, noise=0.02, seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] - side / 2
    widths = rng.uniform(1.5, 3, (count, 1, 1))
    light = np.exp(-(x**2 + y**2) / 2 / widths**2)
    return (light + noise * rng.standard_normal((count, side, side))).astype(np.float32)


@pytest.mark.parametrize("noise", [0.005, 0.02, 0.1])
def test_softening_is_ten_times_the_noise(noise):
    scaling = fit_image_scaling(galaxies(noise=noise))
    # The galaxy's own curvature adds a little where it stands 200 times above the noise.
    assert scaling.softening == pytest.approx(10 * noise, rel=0.25)


def test_softening_ignores_a_few_mad_images():
    images = galaxies()
    expected = fit_image_scaling(images).softening
    images[:5] *= 1e6
    assert fit_image_scaling(images).softening == pytest.approx(expected, rel=0.05)


def test_stretched_training_pixels_have_mean_zero_and_variance_one():
    images = galaxies(count=600)  # more than one chunk
    scaling = fit_image_scaling(images)
    stretched = (np.arcsinh(images.astype(float) / scaling.softening) - scaling.mean) / np.sqrt(scaling.variance)
    assert stretched.mean() == pytest.approx(0, abs=1e-9)
    assert stretched.var() == pytest.approx(1, rel=1e-9)


def test_noise_free_images_are_softened_by_their_peak():
    images = np.zeros((4, 16, 16), np.float32)
    images[:, 8, 8] = 5.0
    assert fit_image_scaling(images).softening == pytest.approx(0.05)


def test_scaling_follows_the_unit_of_the_images():
    images = galaxies()
    one, thousand = fit_image_scaling(images), fit_image_scaling(images * np.float32(1024))
    assert thousand.softening == pytest.approx(1024 * one.softening, rel=1e-6)
    assert thousand.mean == pytest.approx(one.mean, rel=1e-6)


def test_mostly_empty_images_are_still_scaled():
    images = np.zeros((10, 16, 16), np.float32)
    images[0] = 1.0
    assert fit_image_scaling(images).softening > 0


def test_empty_images_are_refused():
    with pytest.raises(RunError, match="every training image is empty"):
        fit_image_scaling(np.zeros((4, 16, 16), np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_image_that_is_not_finite_is_named(value):
    images = galaxies(count=300)
    images[270, 3, 3] = value
    with pytest.raises(RunError, match="training image 270 "):
        fit_image_scaling(images)


def test_labels_are_standardised():
    labels = np.random.default_rng(0).normal([1.0, -500.0], [0.1, 30.0], (1000, 2))
    scaling = fit_label_scaling(labels, ["src-redshift", "velocity-dispersion"])
    standard = (labels - scaling.mean) / scaling.deviation
    np.testing.assert_allclose(standard.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(standard.std(axis=0), 1, rtol=1e-12)


@pytest.mark.parametrize("value", [0.0, 2.0, 1e300])
def test_constant_label_is_named(value):
    labels = np.column_stack([np.arange(5.0), np.full(5, value)])
    with pytest.raises(RunError, match=r"label src-redshift is .* cannot learn it"):
        fit_label_scaling(labels, ["src-center-x", "src-redshift"])


def test_one_training_image_has_nothing_to_learn():
    with pytest.raises(RunError, match="cannot learn it"):
        fit_label_scaling(np.ones((1, 1)), ["src-redshift"])


def test_label_that_is_not_finite_is_named():
    labels = np.arange(5.0)[:, None].copy()
    labels[3] = np.nan
    with pytest.raises(RunError, match="label src-redshift is nan in training image 3"):
        fit_label_scaling(labels, ["src-redshift"])


def test_each_band_is_softened_by_its_own_noise_and_colours_are_kept():
    faint, bright = galaxies(noise=0.1), galaxies(noise=0.1) * np.float32(7)
    scaling = fit_image_scaling(np.stack([faint, bright], axis=-1))
    assert scaling.softening[1] == pytest.approx(7 * scaling.softening[0], rel=1e-6)
    assert scaling.softening[0] == pytest.approx(1, rel=0.2)  # ten times the noise; the curvature adds to it
    # Both bands have the same mean and variance here, so one band has those of both.
    stretched = np.arcsinh(faint.astype(float) / scaling.softening[0])
    assert (scaling.mean, scaling.variance) == pytest.approx((stretched.mean(), stretched.var()), rel=1e-6)


def test_noise_of_pixels_three_times_larger_is_measured():
    noise = np.random.default_rng(0).standard_normal((50, 12, 12)).astype(np.float32)
    large = noise.repeat(3, axis=1).repeat(3, axis=2)
    # Neighbours are equal: their second difference is zero in two of three places.
    assert fit_image_scaling(large[..., None]).softening[0] == pytest.approx(10, rel=0.1)

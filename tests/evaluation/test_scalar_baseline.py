"""The scalar baseline: its features, and its detection of differences between classes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import roc_auc_score

from stronglens.evaluation.baseline import scalar_baseline, scalar_features

CLASSES = ["no", "sphere", "vortex"]


def draw_rings(radii, brightness=1.0, noise=0.01, centre=(0.0, 0.0), axis_ratio=1.0, size=64, scale=0.1, seed=1):
    """Return images (N, H, W) of rings 0.2 arcsec wide (FWHM 0.24)."""
    half = (size - 1) / 2 * scale
    y, x = np.meshgrid(np.linspace(half, -half, size), np.linspace(-half, half, size), indexing="ij")
    radius = np.hypot((x - centre[0]) * np.sqrt(axis_ratio), (y - centre[1]) / np.sqrt(axis_ratio))
    rings = np.exp(-(((radius - np.asarray(radii)[:, None, None]) / 0.1) ** 2) / 2)
    rings = rings * np.reshape(brightness, (-1, 1, 1))
    return rings + noise * np.random.default_rng(seed).normal(size=rings.shape)


def measure(images, scale=0.1):
    features, names = scalar_features(images, scale)
    return dict(zip(names, features.T, strict=True))


def test_a_ring_is_measured():
    radii = np.linspace(1.0, 2.0, 7)
    found = measure(draw_rings(radii, brightness=2.0))
    # A tenth of a pixel; rings of one pixel average over a Gaussian one pixel wide (sigma).
    np.testing.assert_allclose(found["ring_radius"], radii, atol=0.03)
    np.testing.assert_allclose(found["mean_radius"], radii, atol=0.02)
    np.testing.assert_allclose(found["radial_width"], 0.1, atol=0.02)  # noise beyond the threshold widens it
    np.testing.assert_allclose(found["size"], np.hypot(radii, 0.1), atol=0.02)
    np.testing.assert_allclose(found["noise"], 0.01, rtol=0.15)  # of some 1 800 pixels
    # The flux of a Gaussian ring: 2 pi R sqrt(2 pi) sigma times its peak, per pixel of 0.01 arcsec^2.
    np.testing.assert_allclose(found["flux"], 2 * 2 * np.pi * radii * np.sqrt(2 * np.pi) * 0.1 / 0.01, rtol=0.02)
    np.testing.assert_allclose(found["peak"], 2, atol=0.06)
    np.testing.assert_allclose(found["ring_brightness"], 2, rtol=0.25)
    assert (found["centre_offset"] < 0.02).all()
    assert (found["ellipticity"] < 0.02).all()
    assert (found["flux_within_1_4"] < 0.05).all()
    assert found["flux_within_1_2"][0] > 0.99  # reach 3.2 arcsec: a ring of 1 arcsec lies within 1.6
    assert found["flux_within_1_2"][-1] < 0.01


def test_offset_and_flattening_are_measured():
    found = measure(draw_rings([1.2], centre=(0.3, -0.4), axis_ratio=0.7))
    assert found["centre_offset"][0] == pytest.approx(0.5, abs=0.02)
    # x stretched by 1/sqrt(q), y by sqrt(q): (1/q - q) / (1/q + q)
    assert found["ellipticity"][0] == pytest.approx((1 / 0.7 - 0.7) / (1 / 0.7 + 0.7), abs=0.02)


def test_lengths_without_a_scale_are_in_pixels():
    images = draw_rings([1.0, 1.5])
    known, unknown = measure(images), measure(images, None)
    for name in ("mean_radius", "ring_radius", "size", "centre_offset"):
        np.testing.assert_allclose(unknown[name], known[name] / 0.1)
    np.testing.assert_allclose(unknown["lit_area"], known["lit_area"] / 0.01)
    np.testing.assert_allclose(unknown["flux"], known["flux"])


def test_turned_images_measure_the_same():
    images = draw_rings([1.0, 1.5], centre=(0.2, 0.1), axis_ratio=0.8)
    for turned in (np.rot90(images, axes=(1, 2)), images[:, ::-1], images[:, :, ::-1]):
        np.testing.assert_allclose(scalar_features(turned, 0.1)[0], scalar_features(images, 0.1)[0], rtol=1e-9)


def test_blocks_make_no_difference():
    images = draw_rings(np.linspace(1, 2, 600), noise=0.1)
    whole = scalar_features(images, 0.1)[0]
    np.testing.assert_allclose(np.concatenate([scalar_features(one[None], 0.1)[0] for one in images]), whole)


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 3), st.integers(4, 9), st.integers(4, 9)),
        elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
    )
)
def test_any_finite_image_has_finite_features(images):
    features, names = scalar_features(images, 0.1)
    assert features.shape == (len(images), len(names))
    assert np.isfinite(features).all()


@pytest.mark.parametrize("fill", [0.0, -3.0, 1e30])
def test_an_empty_image_has_no_light(fill):
    found = measure(np.full((1, 16, 16), fill))
    assert found["background"][0] == pytest.approx(fill)
    assert all(value[0] == 0 for name, value in found.items() if name != "background")


def test_no_images_and_wrong_shapes():
    assert scalar_features(np.empty((0, 8, 8)), 0.1)[0].shape[0] == 0
    with pytest.raises(ValueError, match="need images"):
        scalar_features(np.zeros((8, 8)), 0.1)


def test_the_baseline_finds_a_class_that_is_brighter_and_one_that_is_more_varied():
    rng = np.random.default_rng(1)
    true = rng.integers(3, size=1500)
    # Sphere is a tenth brighter; vortex varies twice as much about the same mean: only squares tell.
    brightness = 1 + 0.05 * rng.normal(size=1500) * np.where(true == 2, 2.5, 1) + 0.1 * (true == 1)
    features, _ = scalar_features(draw_rings(np.full(1500, 1.3), brightness, noise=0.02, size=40), 0.1)
    found = scalar_baseline(features[:1000], true[:1000], features[1000:], CLASSES, seed=1)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    for k, least in ((1, 0.8), (2, 0.65)):
        assert roc_auc_score(true[1000:] == k, found[:, k]) > least


def test_the_baseline_finds_nothing_where_there_is_nothing():
    rng = np.random.default_rng(2)
    true = rng.integers(3, size=4000)
    features = rng.lognormal(sigma=2, size=(4000, 15))
    found = scalar_baseline(features[:3000], true[:3000], features[3000:], CLASSES, seed=1)
    # Sampling error of each area 0.02: allow three and a half times that.
    for k in range(3):
        assert roc_auc_score(true[3000:] == k, found[:, k]) == pytest.approx(0.5, abs=0.07)


def test_units_constants_and_outliers_do_not_matter():
    rng = np.random.default_rng(3)
    true = rng.integers(3, size=600)
    features = rng.normal(size=(600, 4)) + np.eye(4)[true]
    features[:, 3] = 7.0
    features[5, 0] = 1e20
    found = scalar_baseline(features[:500], true[:500], features[500:], CLASSES, seed=1)
    scaled = scalar_baseline(1e9 * features[:500], true[:500], 1e9 * features[500:], CLASSES, seed=1)
    np.testing.assert_allclose(found, scaled, atol=1e-3)  # the solver's tolerance
    assert np.mean(found.argmax(axis=1) == true[500:]) > 0.5
    assert np.isfinite(scalar_baseline(features[:500], true[:500], np.full((1, 4), 1e300), CLASSES, seed=1)).all()


def test_classes_without_training_images():
    features = np.random.default_rng(4).normal(size=(30, 2))
    two = scalar_baseline(features, np.repeat([0, 2], 15), features, CLASSES, seed=1)
    assert (two[:, 1] == 0).all()
    np.testing.assert_allclose(two.sum(axis=1), 1)
    assert (scalar_baseline(features, np.full(30, 1), features, CLASSES, seed=1) == [0, 1, 0]).all()
    assert scalar_baseline(features, np.repeat([0, 2], 15), features[:0], CLASSES, seed=1).shape == (0, 3)
    with pytest.raises(ValueError, match="not among"):
        scalar_baseline(features, np.full(30, 3), features, CLASSES, seed=1)

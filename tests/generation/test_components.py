"""Principal components of stretched images."""

import numpy as np
import pytest
from small_images import SIDE, draw_spots

from stronglens.generation.components import fit_components, stretch, unstretch
from stronglens.parameters import UsageError
from stronglens.scaling import ImageScaling, fit_image_scaling
from stronglens.training.augmentation import move_images


@pytest.fixture(scope="module")
def images():
    return draw_spots(400)


@pytest.fixture(scope="module")
def scaling(images):
    return fit_image_scaling(images)


def test_components_are_those_of_a_singular_value_decomposition(images, scaling):
    found = fit_components(images, scaling, 8, is_symmetric=False)
    pixels = stretch(images, scaling).astype(float)
    _, values, axes = np.linalg.svd(pixels - pixels.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(found.deviation, values[:8] / np.sqrt(len(images)), rtol=1e-3)
    overlap = np.abs(np.sum(found.axes * axes[:8], axis=1))
    assert overlap[:3].min() > 0.99, "the first three components are well separated"


def test_symmetric_components_are_those_of_all_rotations_and_flips(images, scaling):
    few = images[:50]
    all_symmetries = np.concatenate([move_images(few, np.full(50, symmetry)) for symmetry in range(8)])
    found = fit_components(few, scaling, 8, is_symmetric=True)
    wanted = fit_components(all_symmetries, scaling, 8, is_symmetric=False)
    np.testing.assert_allclose(found.mean, wanted.mean, atol=1e-5)
    np.testing.assert_allclose(found.deviation, wanted.deviation, rtol=1e-3)


def test_coefficients_have_unit_variance_and_restore_the_image(images, scaling):
    found = fit_components(images, scaling, SIDE**2, is_symmetric=False)
    pixels = stretch(images, scaling)
    coefficients = found.project(pixels)
    np.testing.assert_allclose(coefficients.std(axis=0)[:10], 1, rtol=1e-3)
    np.testing.assert_allclose(found.restore(coefficients), pixels, atol=1e-3)
    np.testing.assert_allclose(unstretch(pixels, scaling, (SIDE, SIDE)), images, rtol=1e-4, atol=1e-5)


def test_bands_have_their_own_softening():
    images = np.ones((2, 3, 3, 2), np.float32)
    pixels = stretch(images, ImageScaling((1.0, 0.1), 0.0, 1.0)).reshape(2, 3, 3, 2)
    np.testing.assert_allclose(pixels[0, 0, 0], np.arcsinh([1, 10]), rtol=1e-6)


def test_images_that_are_too_large_are_refused(scaling):
    with pytest.raises(UsageError, match="at most 20,000"):
        fit_components(np.zeros((2, 200, 200), np.float32), scaling, 4, is_symmetric=False)

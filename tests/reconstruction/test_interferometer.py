"""Dirty images and beams: what they are, their operator and its transpose, and a source from visibilities."""

import numpy as np
import pytest

from stronglens.reconstruction.interferometer import DirtyOperator, Interferometer
from stronglens.reconstruction.inversion import invert, project
from stronglens.reconstruction.operator import Operator, pixel_rays, trace_rays

SIDE, SCALE, SOURCE, FIELD = 32, 0.1, 16, 0.8
LENS = np.array([[0.8, 0.02, -0.03, 0.1, 0.05, 0.02, -0.03]], np.float32)


@pytest.fixture(scope="module")
def array():
    """600 baselines of about 300,000 wavelengths, 0.7 arcsec, with noise of a hundredth of the flux."""
    random = np.random.default_rng(0)
    return Interferometer(random.normal(0, 3e5, (600, 2)), random.uniform(0.5, 2, 600), SIDE, SCALE)


@pytest.fixture(scope="module")
def lens():
    identity, mask = np.eye(SIDE, dtype=np.float32)[None, None], np.ones((1, SIDE, SIDE), np.float32)
    return Operator(trace_rays(LENS, pixel_rays(SIDE, SCALE)), SOURCE, FIELD, identity, identity, mask)


def random_images(side, number=2):
    return np.random.default_rng(1).random((number, side, side)).astype(np.float32)


def test_a_point_is_seen_where_it_is(array):
    """A point right of the centre and above it has the phase of its place, and the brightest dirty pixel."""
    image = np.zeros((SIDE, SIDE))
    image[10, 20] = 2.0
    x, y = (20 - 15.5) * SCALE, (15.5 - 10) * SCALE
    phase = -2 * np.pi * (array.baselines @ [x, y]) * np.pi / 180 / 3600
    assert array.observe(image) == pytest.approx(2 * np.exp(1j * phase), abs=1e-9)
    dirty = array.dirty_image(array.observe(image))
    assert np.unravel_index(dirty.argmax(), dirty.shape) == (10, 20)
    assert dirty.max() == pytest.approx(2 * np.sum(1 / array.noise**2))


def test_the_dirty_image_is_the_transpose_of_the_observation(array):
    (image,) = random_images(SIDE, 1)
    random = np.random.default_rng(2)
    visibilities = random.normal(size=600) + 1j * random.normal(size=600)
    products = np.sum((array.observe(image).conj() * visibilities).real / array.noise**2)
    assert np.sum(image * array.dirty_image(visibilities)) == pytest.approx(products, rel=1e-10)


def test_the_operator_convolves_with_the_dirty_beam(array, lens):
    operator = DirtyOperator(lens, array)
    first, second = random_images(SOURCE)
    dirty = np.asarray(operator.forward(first[None]))[0]
    directly = array.dirty_image(array.observe(np.asarray(lens.forward(first[None]))[0]))
    assert dirty == pytest.approx(directly, abs=1e-5 * np.abs(directly).max())
    # A^T W A is symmetric: <t, A^T W A s> = <A^T W A t, s>.
    normal = [np.asarray(operator.adjoint(operator.forward(one[None])))[0] for one in (first, second)]
    assert np.sum(second * normal[0]) == pytest.approx(np.sum(normal[1] * first), rel=1e-5)


def test_the_bound_is_above_the_largest_eigenvalue(array, lens):
    operator, source = DirtyOperator(lens, array), random_images(SOURCE, 1)
    for _ in range(30):
        source = np.asarray(operator.adjoint(operator.forward(source / np.linalg.norm(source))))
    bound = float(operator.largest_weight(np.ones((1, 1, 1), np.float32))[0, 0, 0])
    assert np.linalg.norm(source) < bound


def test_a_source_is_recovered_from_visibilities(array, lens):
    y, x = np.mgrid[:SOURCE, :SOURCE] - (SOURCE - 1) / 2
    truth = np.exp(-((x - 1.5) ** 2 + (y + 1) ** 2) / 8).astype(np.float32)
    image, random = np.asarray(lens.forward(truth[None]))[0], np.random.default_rng(3)
    noise = array.noise * (random.normal(size=600) + 1j * random.normal(size=600))
    dirty = array.dirty_image(array.observe(image) + noise).astype(np.float32)[None]
    one, strength = np.ones((1, 1, 1), np.float32), np.full((1, 1, 1), 300.0, np.float32)
    operator = DirtyOperator(lens, array)
    smooth = invert(operator, dirty, one, strength, steps=40)
    found = np.asarray(project(operator, dirty, one, strength, smooth))[0]
    assert (found >= 0).all()
    error = np.sqrt(np.mean((found - truth) ** 2))
    assert error < 0.07 * np.sqrt(np.mean(truth**2))  # seen: 0.048

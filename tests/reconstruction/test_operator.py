"""The forward operator and its adjoint, with Keras's backend and, in another process, with JAX."""

import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage, signal

from stronglens.measuring.coolest import LENS_COLUMNS
from stronglens.reconstruction.operator import (
    RAYS,
    Operator,
    gaussian_blur,
    pixel_rays,
    separate_psf,
    trace_rays,
)
from stronglens.training import keras

IN_JAX = "adjoint or pyautolens or known_source or beyond or likelihood"

SIDE, SCALE, SOURCE, FIELD = 32, 0.2, 16, 1.5
LENSES = np.array([[1.2, 0.03, -0.02, 0.15, 0.1, 0.03, -0.05], [0.7, 0, 0, -0.3, 0.2, -0.1, 0.08]], np.float32)


def blur_of(kind):
    """Return the point-spread functions of two images."""
    if kind == "gaussian":
        blur = gaussian_blur(SIDE, SCALE, np.array([0.3, 0.0], np.float32))
        return blur, blur
    if kind == "measured":
        return separate_psf(lopsided_kernel(), SIDE)
    identity = np.eye(SIDE, dtype=np.float32)[None, None]
    return identity, identity


def lopsided_kernel():
    """Return a point-spread function without any symmetry."""
    kernel = np.random.default_rng(0).random((7, 7)) * np.exp(-np.hypot(*np.mgrid[-2:5, -4:3]) / 2)
    return kernel / kernel.sum()


def make_operator(psf="none", source_side=SOURCE, mask=None, lenses=LENSES):
    mask = np.ones((len(lenses), SIDE, SIDE), np.float32) if mask is None else mask
    traced = trace_rays(lenses, pixel_rays(SIDE, SCALE))
    return Operator(traced, source_side, FIELD, *blur_of(psf), mask)


def random_mask():
    return (np.random.default_rng(1).random((2, SIDE, SIDE)) > 0.2).astype(np.float32)


def trace_with_autolens(lens, rays):
    """Return where rays (K, 2) of (x, y) end, arcsec."""
    from stronglens.raytracing.pixelised import trace_rays

    row = {name.replace("-", "_"): float(value) for name, value in zip(LENS_COLUMNS, lens, strict=True)}
    row |= {"lens_intensity": 0.0, "lens_effect": 1.0, "lens_sersic": 1.0}
    return trace_rays("sie", row, np.asarray(rays, float)[:, ::-1])[:, ::-1]


def gradient(function, at):
    """Return the gradient of a scalar function by automatic differentiation."""
    if keras.config.backend() == "jax":
        import jax

        return np.asarray(jax.grad(function)(at))
    import tensorflow as tf

    variable = tf.Variable(at)
    with tf.GradientTape() as tape:
        value = function(variable)
    return tape.gradient(value, variable).numpy()


@pytest.mark.parametrize("psf", ["none", "gaussian", "measured"])
def test_adjoint_is_the_transpose(psf):
    operator, random = make_operator(psf, mask=random_mask()), np.random.default_rng(2)
    source = random.random((2, SOURCE, SOURCE), np.float32)
    image = random.random((2, SIDE, SIDE), np.float32)
    one = np.sum(np.asarray(operator.forward(source), float) * image, axis=(1, 2))
    other = np.sum(np.asarray(operator.adjoint(image), float) * source, axis=(1, 2))
    np.testing.assert_allclose(one, other, rtol=1e-5)


@pytest.mark.parametrize(
    "lens",
    [
        (1.2, 0, 0, 0.67, 0, 0, 0),  # q = 0.2
        (3.0, 0, 0, 0.5, 0.44, 0.1, -0.17),
        (3.0, 0, 0, 0, 0, 0, 0),
        (3.0, 0, 0, 1e-5, -1e-5, 0.2, 0),
        (3.0, 0, 0, 1e-4, 0, 0, 0.1),
        (1.0, 0.03, -0.05, 0.2, 0.1, 0.05, 0.02),
        (0.1, -0.5, 0.7, 0.3, -0.6, 0.1, 0.1),
    ],
)
def test_rays_end_where_pyautolens_says(lens):
    rays = pixel_rays(SIDE, 0.24)
    found = np.asarray(trace_rays(np.array([lens], np.float32), rays))[0]
    np.testing.assert_allclose(found, trace_with_autolens(lens, rays), atol=1e-5)


def test_rays_start_as_those_of_the_simulator():
    from stronglens.raytracing.pixelised import start_rays

    ours, theirs = pixel_rays(4, 0.3), start_rays((4, 4), 0.3, RAYS)[:, ::-1]
    ours, theirs = (np.sort(rays.reshape(16, RAYS * RAYS, 2), axis=1) for rays in (ours, theirs))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)  # arcsec, float32


def gaussian_source(x, y):
    return np.exp(-((x - 0.1) ** 2 + (y + 0.05) ** 2) / (2 * 0.15**2))


def render_gaussian(lens, rays):
    """Return the image of `gaussian_source`, with so many rays along each side of a pixel."""
    ends = trace_with_autolens(lens, pixel_rays(SIDE, SCALE, rays))
    return gaussian_source(*ends.T).reshape(SIDE, SIDE, -1).mean(axis=-1)


def test_image_of_a_known_source_converges():
    same_rays, many_rays = (render_gaussian(LENSES[0], rays) for rays in (RAYS, 8))
    errors = {}
    for side in (16, 32, 64):
        centres = (np.arange(side) - (side - 1) / 2) * FIELD / side
        source = gaussian_source(centres[None], -centres[:, None])[None].astype(np.float32)
        image = np.asarray(make_operator(source_side=side, lenses=LENSES[:1]).forward(source))[0]
        errors[side] = [np.sqrt(np.mean((image - wanted) ** 2)) for wanted in (same_rays, many_rays)]
    # Bilinear interpolation: the error falls with the square of the pixel. The peak is 1.
    assert errors[16][0] > 3 * errors[32][0] > 9 * errors[64][0]
    # Of 2 x 2 rays and of interpolation, nearly equal at the default resolution.
    assert errors[32][1] < 0.004


def test_rays_beyond_the_field_see_nothing():
    ends = [(0, 0), (FIELD, 0), (-FIELD, 0), (0, FIELD), (0, -FIELD), (1e6, 1e6), (1e6, -1e6), (-1e6, 0.1), (0.8, 0.8)]
    traced = np.repeat(np.array(ends, np.float32), RAYS * RAYS, axis=0)[None]
    identity, mask = np.eye(3, dtype=np.float32)[None, None], np.ones((1, 3, 3), np.float32)
    image = Operator(traced, SOURCE, FIELD, identity, identity, mask).forward(np.ones((1, SOURCE, SOURCE), np.float32))
    np.testing.assert_array_equal(np.ravel(image), [1, *[0] * 8])


def test_gradient_of_the_likelihood():
    operator, random = make_operator("gaussian", mask=random_mask()), np.random.default_rng(3)
    source, image = random.random((2, SOURCE, SOURCE), np.float32), random.random((2, SIDE, SIDE), np.float32)
    weight = 1 / random.uniform(0.1, 1, (2, SIDE, SIDE)).astype(np.float32) ** 2

    def chi_squared(source):
        return keras.ops.sum(weight * operator.mask * (image - operator.forward(source)) ** 2) / 2

    ours = np.asarray(operator.adjoint(weight * (operator.forward(source) - image)))
    np.testing.assert_allclose(ours, gradient(chi_squared, source), atol=1e-5 * np.abs(ours).max())


@pytest.mark.parametrize("fwhm", [0.0, 0.2, 0.5])
def test_gaussian_blur_is_that_of_scipy(fwhm):
    image = np.random.default_rng(4).random((SIDE, SIDE))
    (matrix,) = np.asarray(gaussian_blur(SIDE, SCALE, np.array([fwhm], np.float32)))[0]
    sigma = fwhm / np.sqrt(8 * np.log(2)) / SCALE
    wanted = ndimage.gaussian_filter(image, sigma, mode="constant", truncate=8) if fwhm else image
    np.testing.assert_allclose(matrix @ image @ matrix.T, wanted, atol=1e-5)


@pytest.mark.parametrize("size", [1, 7, 2 * SIDE + 5])
def test_measured_psf_is_a_convolution(size):
    random = np.random.default_rng(5)
    image = random.random((SIDE, SIDE))
    kernel = lopsided_kernel() if size == 7 else random.random((size, size)) / size**2
    rows, columns = separate_psf(kernel, SIDE, tolerance=1e-6)
    found = np.einsum("tij,jk,tlk->il", rows[0], image, columns[0])
    wanted = signal.convolve2d(image, kernel, mode="full")
    middle = slice(size // 2, size // 2 + SIDE)
    np.testing.assert_allclose(found, wanted[middle, middle], atol=1e-5)


def test_small_terms_of_a_psf_are_left_out():
    kernel = lopsided_kernel()
    for tolerance, terms in ((0.0, 7), (0.1, 4), (1.0, 1)):
        rows, columns = separate_psf(kernel, SIDE, tolerance)
        assert rows.shape[1] <= terms
        # The middle row and column of the matrices hold the factors of the kernel.
        middle = slice(SIDE // 2 - 3, SIDE // 2 + 4)
        found = np.einsum("ti,tj->ij", rows[0, :, middle, SIDE // 2], columns[0, :, middle, SIDE // 2])
        assert np.linalg.norm(found - kernel) <= max(tolerance, 1e-6) * np.linalg.norm(kernel)


@pytest.mark.slow
@pytest.mark.skipif(keras.config.backend() == "jax", reason="JAX runs this file already")
def test_jax_agrees():
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", IN_JAX]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout

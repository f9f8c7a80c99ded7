"""The inversion, on problems so small that NumPy and SciPy solve them as dense ones."""

import numpy as np
import pytest
from scipy import optimize

from stronglens.reconstruction.inversion import (
    LARGEST_CURVATURE,
    curvature,
    interpolate_strength,
    invert,
    project,
)
from stronglens.reconstruction.operator import Operator, gaussian_blur, pixel_rays, trace_rays
from stronglens.training import keras

SIDE, SCALE, SOURCE, FIELD = 16, 0.3, 8, 1.5
PIXELS = SOURCE * SOURCE
LENSES = np.array([[1.0, 0, 0, 0.15, 0.1, 0.03, -0.05], [0.7, 0, 0, -0.3, 0.2, -0.1, 0.08]], np.float32)
STRENGTH = np.array([30.0, 3.0], np.float32)[:, None, None]


@pytest.fixture(scope="module")
def problem():
    """Return the operator of two images, the images and their deviations; some pixels are masked."""
    random = np.random.default_rng(0)
    mask = (random.random((2, SIDE, SIDE)) > 0.2).astype(np.float32)
    blur = gaussian_blur(SIDE, SCALE, np.array([0.3, 0.2], np.float32))
    traced = trace_rays(LENSES, pixel_rays(SIDE, SCALE))
    operator = Operator(traced, SOURCE, FIELD, blur, blur, mask)
    away = np.hypot(*np.mgrid[-3.5:4:1, -3.5:4:1])
    source = np.stack([np.exp(-away), np.exp(-((away - 2) ** 2))]).astype(np.float32)
    deviation = random.uniform(0.05, 0.15, (2, SIDE, SIDE)).astype(np.float32)
    image = np.asarray(operator.forward(source)) + mask * deviation * random.standard_normal(mask.shape)
    return operator, image.astype(np.float32), deviation


def compiled(function):
    """Return the function compiled: hundreds of steps are slow otherwise."""
    if keras.config.backend() == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    return tf.function(function, jit_compile=True)


def dense(function):
    """Return the matrices (2, N, 64) of a linear function of two sources."""
    columns = []
    for pixel in range(PIXELS):
        source = np.zeros((2, PIXELS), np.float32)
        source[:, pixel] = 1
        columns.append(np.asarray(function(source.reshape(2, SOURCE, SOURCE)), float).reshape(2, -1))
    return np.stack(columns, axis=-1)


@pytest.fixture(scope="module")
def equations(problem):
    """Return the matrix and the right-hand side of the normal equations of both images."""
    operator, image, deviation = problem
    forward, regular = dense(operator.forward), dense(curvature)
    weighted = forward / deviation.reshape(2, -1, 1) ** 2
    matrix = np.einsum("bij,bik->bjk", forward, weighted) + STRENGTH * regular
    return matrix, np.einsum("bij,bi->bj", weighted, image.reshape(2, -1).astype(float))


def difference(source):
    """Return second differences along rows and columns, zero beyond the edge."""
    padded = np.pad(source, 2)
    along = padded[2:-2, 2:] - 2 * padded[2:-2, 1:-1] + padded[2:-2, :-2]
    down = padded[2:, 2:-2] - 2 * padded[1:-1, 2:-2] + padded[:-2, 2:-2]
    return np.sum(along**2) + np.sum(down**2)


def test_curvature_is_the_gradient_of_squared_second_differences():
    source = np.random.default_rng(1).random((1, SOURCE, SOURCE), np.float32)
    product = np.sum(source * np.asarray(curvature(source)))
    assert product == pytest.approx(difference(source[0]), rel=1e-5)
    eigenvalues = np.linalg.eigvalsh(dense(lambda both: curvature(both))[0])
    assert 0 < eigenvalues[0] < eigenvalues[-1] <= LARGEST_CURVATURE


def test_strength_is_interpolated_in_logarithms():
    table = ((0.01, 1000.0), (0.1, 100.0), (0.2, 50.0))
    noise = np.array([[[0.01]], [[0.1]], [[0.2]], [[np.sqrt(0.001)]], [[0.001]], [[5.0]]], np.float32)
    found = np.asarray(interpolate_strength(noise, table))
    assert found.shape == noise.shape
    np.testing.assert_allclose(found.ravel(), [1000, 100, 50, np.sqrt(1e5), 1000, 50], rtol=1e-4)


def test_inversion_solves_the_normal_equations(problem, equations):
    operator, image, deviation = problem
    matrix, right = equations
    wanted = np.stack([np.linalg.solve(*pair) for pair in zip(matrix, right, strict=True)])
    solve = compiled(lambda image: invert(operator, image, deviation, STRENGTH, steps=200))
    found = np.asarray(solve(image)).reshape(2, -1)
    np.testing.assert_allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())
    # The steps that networks make leave a tenth of the source's peak at most.
    few = np.asarray(invert(operator, image, deviation, STRENGTH)).reshape(2, -1)
    assert np.abs(few - wanted).max() < 0.1


def test_projected_steps_find_the_non_negative_source(problem, equations):
    operator, image, deviation = problem
    start = invert(operator, image, deviation, STRENGTH)
    solve = compiled(lambda image: project(operator, image, deviation, STRENGTH, start, steps=1000))
    found = np.asarray(solve(image)).reshape(2, -1)
    assert found.min() >= 0
    for source, matrix, right in zip(found, *equations, strict=True):
        # |R s - R^-T b|^2 is the objective but for a constant, R the Cholesky factor.
        factor = np.linalg.cholesky(matrix).T
        wanted, _ = optimize.nnls(factor, np.linalg.solve(factor.T, right))
        np.testing.assert_allclose(source, wanted, atol=1e-3)  # of a peak of 1
        assert np.mean(wanted == 0) > 0.1  # the bound matters
        slope = matrix @ source - right  # Karush, Kuhn and Tucker
        tolerance = 1e-3 * np.abs(right).max()
        assert np.all(slope > -tolerance)
        assert np.all(np.abs(slope[source > 1e-3]) < tolerance)


def test_projected_steps_lower_the_objective(problem, equations):
    operator, image, deviation = problem
    start = np.maximum(np.asarray(invert(operator, image, deviation, STRENGTH)), 0)
    end = np.asarray(project(operator, image, deviation, STRENGTH, start))
    matrix, right = equations
    first, last = (
        np.einsum("bi,bij,bj->b", source, matrix, source) / 2 - np.sum(right * source, axis=1)
        for source in (start.reshape(2, -1).astype(float), end.reshape(2, -1).astype(float))
    )
    assert np.all(last < first)


def test_bound_on_eigenvalues(problem):
    operator, _, deviation = problem
    weight = 1 / deviation**2
    forward = dense(operator.forward)
    matrix = np.einsum("bij,bik->bjk", forward, forward * weight.reshape(2, -1, 1))
    bound = np.asarray(operator.largest_weight(weight)).ravel()
    largest = np.linalg.eigvalsh(matrix)[:, -1]
    assert np.all(largest <= bound)
    assert np.all(bound < 3 * largest)  # it is the length of a step


def test_masked_pixels_do_not_matter(problem):
    operator, image, deviation = problem
    spoilt = np.where(operator.mask > 0, image, 1e3).astype(np.float32)
    worse = np.where(operator.mask > 0, deviation, 1e-2).astype(np.float32)
    start = invert(operator, image, deviation, STRENGTH)
    np.testing.assert_array_equal(invert(operator, spoilt, worse, STRENGTH), start)
    np.testing.assert_array_equal(
        project(operator, spoilt, worse, STRENGTH, start), project(operator, image, deviation, STRENGTH, start)
    )

"""Regularised linear inversion: the source that fits an image best among smooth, non-negative ones.

The posterior mode of a Gaussian likelihood and a curvature prior (Suyu et al. 2006, MNRAS 371, 983) minimises

    chi^2(s) / 2 + lambda |C s|^2 / 2,    chi^2 = sum (y - A s)^2 / (sigma^2 + sigma_A^2),

C the second differences along rows and columns, zero beyond the edge, and sigma_A the error of the operator itself:
without it images without noise are over-fitted. Conjugate gradients find it; projected accelerated steps (FISTA: Beck &
Teboulle 2009, SIAM J. Imaging Sci. 2, 183) then find the best source without negative pixels.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from stronglens.reconstruction.operator import Operator
from stronglens.training import keras

ops = keras.ops

LINEAR_STEPS = 10
PROJECTED_STEPS = 30

LARGEST_CURVATURE = 32.0
"""Bound on the eigenvalues of C^T C: 16 for the second differences along each axis."""


def curvature(source: Any) -> Any:
    """Return C^T C s, the gradient of half the sum of squared second differences: (B, S, S) -> (B, S, S)."""

    def along_rows(image):
        padded = ops.pad(image, [[0, 0], [0, 0], [2, 2]])
        weights = (1.0, -4.0, 6.0, -4.0, 1.0)
        side = image.shape[-1]
        return sum(weight * padded[..., first : first + side] for first, weight in enumerate(weights))

    return along_rows(source) + ops.swapaxes(along_rows(ops.swapaxes(source, 1, 2)), 1, 2)


FIRST_STRENGTHS = ((0.004, 1e3), (0.01, 250.0), (0.026, 60.0))
"""Strength of the regularisation at some noise levels (of a pixel, sources having a peak of 1), before it is fitted."""


def interpolate_strength(noise: Any, table: Sequence[tuple[float, float]]) -> Any:
    """Return the strength of the regularisation by the noise.

    Parameters
    ----------
    noise : tensor
        Standard deviation of a pixel, the operator's error included.
    table : sequence of (noise, strength)
        In order of noise. The logarithm of the strength is interpolated linearly in the logarithm of the noise, and
        constant beyond the ends.

    Returns
    -------
    tensor of the same shape
    """
    x, y = np.log(np.array(table, np.float32).T)
    level, result = ops.log(noise), y[0]
    for first in range(len(table) - 1):
        slope = (y[first + 1] - y[first]) / (x[first + 1] - x[first])
        result = result + slope * ops.clip(level - x[first], 0.0, x[first + 1] - x[first])
    return ops.exp(result + 0 * level)


def invert(operator: Operator, image: Any, deviation: Any, strength: Any, steps: int = LINEAR_STEPS) -> Any:
    """Return the source of a curvature-regularised inversion, by conjugate gradients.

    Parameters
    ----------
    operator : Operator
    image : tensor (B, H, H)
    deviation : tensor (B, H, H) or (B, 1, 1), standard deviation of each pixel, the operator's error included
    strength : tensor (B, 1, 1), lambda
    steps : int

    Returns
    -------
    tensor (B, S, S)
    """
    weight = 1 / deviation**2

    def apply(source):
        return operator.adjoint(weight * operator.forward(source)) + strength * curvature(source)

    def step(_, state):
        source, residual, direction, power = state
        applied = apply(direction)
        length = power / (_dot(direction, applied) + 1e-30)
        source, residual = source + length * direction, residual - length * applied
        last, power = power, _dot(residual, residual)
        return source, residual, residual + power / (last + 1e-30) * direction, power

    residual = operator.adjoint(weight * image)
    first = ops.zeros_like(residual), residual, residual, _dot(residual, residual)
    return ops.fori_loop(0, steps, step, first)[0]


def project(
    operator: Operator, image: Any, deviation: Any, strength: Any, start: Any, steps: int = PROJECTED_STEPS
) -> Any:
    """Return the non-negative source that accelerated projected gradient steps reach from a start.

    Parameters
    ----------
    operator, image, deviation, strength
        As in `invert`.
    start : tensor (B, S, S)
    steps : int

    Returns
    -------
    tensor (B, S, S), nowhere negative
    """
    weight = 1 / deviation**2
    length = 1 / (operator.largest_weight(weight) + LARGEST_CURVATURE * strength)
    data = operator.adjoint(weight * image)

    def step(_, state):
        source, moved, momentum = state
        gradient = operator.adjoint(weight * operator.forward(moved)) + strength * curvature(moved) - data
        following = (1 + ops.sqrt(1 + 4 * momentum**2)) / 2
        last, source = source, ops.relu(moved - length * gradient)
        return source, source + (momentum - 1) / following * (source - last), following

    start = ops.relu(start)
    return ops.fori_loop(0, steps, step, (start, start, ops.ones((), start.dtype)))[0]


def _dot(first: Any, second: Any) -> Any:
    return ops.sum(first * second, axis=(1, 2), keepdims=True)

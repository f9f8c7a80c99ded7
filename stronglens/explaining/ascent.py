"""Gradient ascent in the image: class images, dreams and kernel images.

The pixels are changed in the stretch u = arcsinh(x / 10 noise), in which steps on arcs and on the sky are alike.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from stronglens.explaining.gradients import value_and_gradient
from stronglens.explaining.layers import find_layer
from stronglens.explaining.outputs import scoring
from stronglens.training import keras

SOFTENING = 10.0
"""Of the stretch, in units of the noise."""
FAINTEST, BRIGHTEST = -3.0, 100.0
"""Limits of the pixels, in units of the noise: no negative light, and no more than arcs have. An image from which an
ascent starts may be brighter."""
SHIFT = 2
"""Largest shift of the image before each step, pixels: without it, patterns of single pixels grow."""
SMOOTHING = 1.0
"""Standard deviation of the Gaussian that each step is smoothed with, pixels: about that of point-spread functions."""
EDGE = 0.1
"""Rounding of the total variation, so that it has a gradient at zero."""


@dataclass(frozen=True)
class Climb:
    """Settings of an ascent.

    Attributes
    ----------
    steps : int
    step_size : float
        RMS change of u in a step.
    total_variation : float
        Weight of the differences of neighbouring pixels.
    l2 : float
        Weight of the difference from the start (from an empty image, if the start is noise).
    seed : int
    """

    steps: int = 64
    step_size: float = 0.05
    total_variation: float = 0.3
    l2: float = 1.0
    seed: int = 0


def climb(
    score: Callable,
    start: np.ndarray,
    noise: np.ndarray,
    settings: Climb,
    is_noise: bool,
    advance: Callable[[int], None] = lambda number: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Change images step by step such that their scores rise (Simonyan et al. 2013, arXiv:1312.6034).

    Parameters
    ----------
    score : callable
        Takes a tensor (N, H, W[, B]), e-/s; returns N scores.
    start : ndarray (N, H, W[, B]), e-/s
    noise : ndarray (1,) or (B,), e-/s
        Standard deviation of the background.
    settings : Climb
    is_noise : bool
        Whether the start is noise.
    advance : callable
        Called with the number of steps that were done since the last call.

    Returns
    -------
    frames : ndarray (steps + 1, N, H, W[, B]) float32, e-/s
    values : ndarray (steps + 1, N)
    """
    unit = SOFTENING * (noise if start.ndim == 4 else noise[0])
    low = np.arcsinh(FAINTEST / SOFTENING)
    high = np.maximum(np.arcsinh(BRIGHTEST / SOFTENING), np.arcsinh(start / unit).max())
    u = np.clip(np.arcsinh(start / unit), low, high)
    reference = np.zeros_like(u) if is_noise else u.copy()
    random = np.random.default_rng(settings.seed)
    axes = tuple(range(1, u.ndim))
    frames, values = [], []
    for step in range(settings.steps + 1):
        image = (unit * np.sinh(u)).astype(np.float32)
        frames.append(image)
        shift = random.integers(-SHIFT, SHIFT + 1, 2)
        values.append(keras.ops.convert_to_numpy(score(keras.ops.convert_to_tensor(image))))
        if step == settings.steps:
            break
        slope = value_and_gradient(score, np.roll(image, shift, axis=(1, 2)))[1]
        slope = np.roll(slope, -shift, axis=(1, 2)) * unit * np.cosh(u)
        slope = gaussian_filter(slope, (0, SMOOTHING, SMOOTHING, *(0,) * (slope.ndim - 3)))
        slope = slope / (np.sqrt(np.mean(slope**2, axis=axes, keepdims=True)) + 1e-30)
        slope = slope - settings.total_variation * variation_gradient(u) - settings.l2 * (u - reference)
        u = np.clip(u + settings.step_size * slope, low, high)
        advance(1)
    return np.stack(frames), np.stack(values)


def variation_gradient(images: np.ndarray) -> np.ndarray:
    """Return the gradient of the total variation of images (N, H, W[, B]) (Mahendran & Vedaldi 2015, CVPR)."""
    total = np.zeros_like(images)
    for axis in (1, 2):
        steps = np.diff(images, axis=axis)
        steps = steps / np.sqrt(steps**2 + EDGE**2)
        width = [(0, 0)] * images.ndim
        width[axis] = (1, 0)
        total += np.pad(steps, width)
        width[axis] = (0, 1)
        total -= np.pad(steps, width)
    return total


def noise_start(shape: tuple[int, ...], noise: np.ndarray, seed: int) -> np.ndarray:
    """Return an image of noise: ndarray (1, H, W[, B]) float32, e-/s."""
    return (np.random.default_rng(seed).standard_normal((1, *shape)) * noise).astype(np.float32)


def dream_score(head: keras.Model, layer: str | None) -> Callable:
    """Return the mean square of a layer's feature maps (deep dream: Mordvintsev, Olah & Tyka 2015, Google blog)."""
    maps = keras.Model(head.inputs, find_layer(head, layer).output)
    return lambda images: keras.ops.mean(keras.ops.square(maps(images, training=False)), axis=(1, 2, 3))


def kernel_score(head: keras.Model, layer: str | None, kernels: np.ndarray) -> Callable:
    """Return one feature map of a layer for each image, in its middle (Erhan et al. 2009, Montreal report 1341)."""
    found = find_layer(head, layer).output
    maps = keras.Model(head.inputs, found)
    chosen = np.eye(found.shape[-1], dtype=np.float32)[kernels]
    row, column = (side // 2 for side in found.shape[1:3])
    return lambda images: keras.ops.sum(maps(images, training=False)[:, row, column] * chosen, axis=-1)


def output_score(heads) -> Callable:
    """Return the score of an output for tensors: the mean over its heads."""
    scores = [scoring(head) for head in heads]
    return lambda images: sum(score(images) for score in scores) / len(scores)

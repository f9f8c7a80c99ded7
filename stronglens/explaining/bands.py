"""Bands of images: their noise, and their mean for figures."""

import numpy as np

MOST_BANDS = 8
"""Of an image; its sides have more pixels."""


def mean_band(images: np.ndarray) -> np.ndarray:
    """Return images (..., H, W): the mean of the bands of images (..., H, W, B)."""
    return images.mean(axis=-1) if images.ndim > 2 and images.shape[-1] <= MOST_BANDS else images


def background_noise(image: np.ndarray) -> float:
    """Return the standard deviation of the noise of an image (H, W), from its median absolute second difference."""
    steps = np.diff(np.asarray(image, float), 2, axis=0)
    return float(np.median(np.abs(steps)) / 0.6745 / np.sqrt(6))


def noise_of_bands(image: np.ndarray) -> np.ndarray:
    """Return the noise of each band of an image (H, W) or (H, W, B): ndarray (1,) or (B,)."""
    bands = image.reshape(*image.shape[:2], -1)
    return np.array([background_noise(bands[..., band]) for band in range(bands.shape[-1])])

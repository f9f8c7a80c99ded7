"""Small images of one bright spot each, whose position and brightness are all that differs."""

import numpy as np

SIDE = 16


def draw_spots(number: int, seed: int = 0, noise: float = 0.01) -> np.ndarray:
    """Images (N, 16, 16) of Gaussian spots: three numbers describe each."""
    random = np.random.default_rng(seed)
    x, y = random.uniform(-3, 3, (2, number, 1, 1))
    peak = random.uniform(0.5, 2, (number, 1, 1))
    grid = np.arange(SIDE) - (SIDE - 1) / 2
    spots = peak * np.exp(-((grid - x) ** 2 + (grid[:, None] - y) ** 2) / 8)
    return (spots + noise * random.standard_normal(spots.shape)).astype(np.float32)

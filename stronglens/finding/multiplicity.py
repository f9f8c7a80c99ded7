"""Number of images of a point behind an isothermal ellipsoid with external shear."""

import numpy as np

from stronglens.sampling import Draws

DIRECTIONS = 720
"""Directions in which images are sought. Two images that are closer than half a degree are not told apart: they are
where the magnification of a point exceeds 100."""


def count_images(draws: Draws) -> np.ndarray:
    """Count the images of the centre of the source; the faint image in the centre of the lens is not counted.

    The deflection depends on the direction of an image alone. With the shear matrix G, an image at distance r in the
    direction e obeys r (1 - G) e = beta + alpha(e). Hence the right side is parallel to (1 - G) e: a root in one
    variable, which counts if r is positive.

    Parameters
    ----------
    draws : dict of column to ndarray (N,)
        Columns of the lens population.

    Returns
    -------
    ndarray (N,) int
    """
    angle = 2 * np.pi * np.arange(DIRECTIONS + 1) / DIRECTIONS
    cosine, sine = np.cos(angle), np.sin(angle)
    one, two = draws["shear-1"][:, None], draws["shear-2"][:, None]
    # The deflection of the shear is (one x + two y, two x - one y).
    along = (1 - one) * cosine - two * sine, (1 + one) * sine - two * cosine
    beta = [(draws[f"src-center-{axis}"] - draws[f"lens-center-{axis}"])[:, None] for axis in "xy"]
    alpha = _deflect(draws, cosine, sine)
    right = [offset + deflection for offset, deflection in zip(beta, alpha, strict=True)]
    across = along[0] * right[1] - along[1] * right[0]
    is_outward = along[0] * right[0] + along[1] * right[1] > 0
    changes = (np.sign(across[:, :-1]) * np.sign(across[:, 1:]) <= 0) & (across[:, :-1] != 0)
    return np.sum(changes & is_outward[:, :-1], axis=1)


def _deflect(draws: Draws, cosine, sine):
    """Return the deflection (x, y), each (N, D), of isothermal ellipsoids (Kormann et al. 1994, A&A 284, 285)."""
    size = np.hypot(draws["lens-ellip-x"], draws["lens-ellip-y"])[:, None]
    turn = (np.arctan2(draws["lens-ellip-y"], draws["lens-ellip-x"]) / 2)[:, None]
    q = np.clip((1 - size) / (1 + size), 1e-3, 1 - 1e-6)
    x, y = np.cos(turn) * cosine + np.sin(turn) * sine, np.cos(turn) * sine - np.sin(turn) * cosine
    root, psi = np.sqrt(1 - q**2), np.sqrt(q**2 * x**2 + y**2)
    factor = draws["einstein-radius-sie"][:, None] * np.sqrt(q) / root
    major, minor = factor * np.arctan(root * x / psi), factor * np.arctanh(root * y / psi)
    return np.cos(turn) * major - np.sin(turn) * minor, np.sin(turn) * major + np.cos(turn) * minor

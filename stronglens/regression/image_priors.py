"""Priors of the parameters of an image, and their transformation to standard normal numbers.

Parameters have uniform priors over the ranges of the training set. Fits and the sampler use standard normal numbers z
instead: value = low + (high - low) Phi(z). Minus twice the logarithm of the prior is then a sum of squares, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from stronglens.parameters import RunError
from stronglens.regression.lens_shape import OF_LENS_LIGHT, WITHOUT_TRACE

CLOSEST = 1e-9
"""Smallest distance of a value from the ends of its range, relative to the range."""

DRAWN = 1024
"""Number of simulated lenses from which the range of an Einstein radius is taken that is not drawn itself."""


@dataclass(frozen=True)
class Priors:
    """Ranges of the uniform priors of D columns. Equal ends fix a value.

    Attributes
    ----------
    names : tuple of D str
        Columns that determine an image up to its brightness.
    low, high : ndarray (D,)
    """

    names: tuple[str, ...]
    low: np.ndarray
    high: np.ndarray

    @property
    def is_free(self) -> np.ndarray:
        """Whether each column is sampled: ndarray (D,) bool."""
        return self.high > self.low

    @property
    def array(self) -> np.ndarray:
        """Both ends: ndarray (2, D)."""
        return np.stack([self.low, self.high])

    def replace(self, ends: Mapping[str, tuple[float, float]]) -> "Priors":
        """Return priors with other ranges of some columns."""
        low, high = self.array
        for name, (first, last) in ends.items():
            if name in self.names:
                low[self.names.index(name)], high[self.names.index(name)] = first, last
        return Priors(self.names, low, high)

    def place(self, points: np.ndarray) -> np.ndarray:
        """Return standard normal numbers (..., D) of those of the free columns (..., F)."""
        z = np.zeros((*np.shape(points)[:-1], len(self.names)))
        z[..., self.is_free] = points
        return z

    def to_values(self, z: np.ndarray) -> np.ndarray:
        """Return the values (..., D) of standard normal numbers (..., D)."""
        return self.low + (self.high - self.low) * ndtr(np.asarray(z, float))

    def to_normal(self, values: np.ndarray) -> np.ndarray:
        """Return standard normal numbers (..., D); values outside the ranges are moved to their ends."""
        width = np.where(self.is_free, self.high - self.low, 1)
        share = np.where(self.is_free, (values - self.low) / width, 0.5)
        return ndtri(np.clip(share, CLOSEST, 1 - CLOSEST))


def read_priors(simulator) -> Priors:
    """Return the priors of the columns that determine an image of a training set up to its brightness.

    An Einstein radius that follows from a velocity dispersion has the range of `DRAWN` simulated lenses.

    Parameters
    ----------
    simulator : LensSimulator

    Raises
    ------
    RunError
        When the mass is not an ellipsoid.
    """
    if not simulator.lens_model.is_ellipsoid:
        raise RunError(
            f"--refine needs a lens whose mass is an ellipsoid; the network was trained with --lens-model="
            f"{simulator.parameters.lens_model}. Train on --lens-model=sie or powerlaw"
        )
    held = {name: (one.low, one.high) for name, one in simulator.ranges.items() if name not in WITHOUT_TRACE}
    if simulator.parameters.lens_light == "off":
        held = {name: ends for name, ends in held.items() if not name.startswith(OF_LENS_LIGHT)}
    if "einstein-radius-sie" not in held:
        radius = simulator.draw(range(DRAWN)).draws["einstein-radius-sie"]
        held["einstein-radius-sie"] = (float(radius.min()), float(radius.max()))
    low, high = np.array(list(held.values()), float).T
    return Priors(tuple(held), low, high)

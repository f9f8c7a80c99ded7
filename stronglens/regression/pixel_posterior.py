"""Posterior of the mass of a lens whose source is a grid of pixels, and of the strength of the prior on the source."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from stronglens.regression.image_priors import Priors
from stronglens.regression.lens_shape import keep_inside
from stronglens.regression.source_pixels import PixelEvidence

TURNS, REACH = 8, 4.0
"""Largest number of Newton steps to the maximum, and the length of the longest."""

GAIN = 0.2
"""Gain in the logarithm of the density with which the steps end."""

LOWEST, HIGHEST = 0.04, 25.0
"""Limits of the curvature along an axis of a Newton step, whose unit is the standard deviation as known before."""


def trace_mass(lens_model: str, priors: Priors, z: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """Return the ends of rays (P, R, 2), y and x in arcsec.

    Parameters
    ----------
    lens_model : str
    priors : Priors
    z : ndarray (D,)
        Standard normal numbers of the columns.
    rays : ndarray (P, R, 2), arcsec
    """
    from stronglens.raytracing.pixelised import trace_rays

    values = dict(zip(priors.names, priors.to_values(z)[:, None], strict=True))
    row = {name.replace("-", "_"): float(column[0]) for name, column in keep_inside(values, {}).items()}
    unused = {"lens_intensity": 1.0, "lens_effect": 1.0, "lens_sersic": 1.0}
    return trace_rays(lens_model, row | unused, rays.reshape(-1, 2)).reshape(rays.shape)


@dataclass(frozen=True)
class PixelPosterior:
    """Posterior of an image; it can be sent to another process.

    Attributes
    ----------
    lens_model : str
    priors : Priors
        The columns of the mass are free.
    evidence : PixelEvidence
    strength : float
        Best one.
    """

    lens_model: str
    priors: Priors
    evidence: PixelEvidence
    strength: float

    def place(self, point: np.ndarray) -> np.ndarray:
        """Return the standard normal numbers (..., D) of points (..., F + 1)."""
        z = np.zeros((*np.shape(point)[:-1], len(self.priors.names)))
        z[..., self.priors.is_free] = np.asarray(point)[..., :-1]
        return z

    def trace(self, z: np.ndarray) -> np.ndarray:
        """Return the ends of the rays of the pixels that may show the source."""
        return trace_mass(self.lens_model, self.priors, z, self.evidence.arcs.rays)

    def log_density(self, point: np.ndarray) -> float:
        """Return the logarithm of evidence times prior, up to a constant.

        Parameters
        ----------
        point : ndarray (F + 1,)
            Standard normal numbers of the free columns, and the logarithm of the strength, whose prior is flat.
        """
        z = self.place(point)
        return self.evidence.solve(self.trace(z), float(np.exp(point[-1]))).log_evidence - 0.5 * float(z @ z)

    def evaluate(self, z: np.ndarray, *_) -> tuple[float, None]:
        """Return the density like `ImageLikelihood.evaluate`, at the best strength and without a gradient."""
        return self.log_density(np.append(z[self.priors.is_free], np.log(self.strength))), None


def climb(density, start: np.ndarray, factor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the maximum of a density and the covariance there, by Newton steps with differences over its width.

    Parameters
    ----------
    density : callable
        Takes a point (D,) and returns the logarithm of the density; called from several threads.
    start : ndarray (D,)
    factor : ndarray (D, D)
        Cholesky factor of a guess of the covariance.
    """
    number = len(start)
    pairs = np.array([(one, two) for one in range(number) for two in range(one)]).reshape(-1, 2)
    unit = np.eye(number)
    steps = np.concatenate([np.zeros((1, number)), unit, -unit, unit[pairs[:, 0]] + unit[pairs[:, 1]]])
    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        for _ in range(TURNS):
            values = np.array(list(threads.map(density, start + steps @ factor.T)))
            here, up, down, both = np.split(values, [1, 1 + number, 1 + 2 * number])
            hessian = np.diag(up + down - 2 * here)
            cross = both - up[pairs[:, 0]] - up[pairs[:, 1]] + here
            hessian[pairs[:, 0], pairs[:, 1]] = hessian[pairs[:, 1], pairs[:, 0]] = cross
            curvature, axes = np.linalg.eigh(-hessian)
            curvature = curvature.clip(LOWEST, HIGHEST)
            step = axes @ ((axes.T @ (up - down)) / (2 * curvature))
            step *= min(1, REACH / max(np.linalg.norm(step), 1e-12))
            tried = np.concatenate([steps, step * np.array([[1], [0.5], [0.25]])])
            values = np.append(values, list(threads.map(density, start + tried[-3:] @ factor.T)))
            best = int(np.nanargmax(values))
            gain = values[best] - here[0]
            start = start + factor @ tried[best]
            factor = factor @ (axes / np.sqrt(curvature))
            if gain < GAIN and (curvature > LOWEST).all() and (curvature < HIGHEST).all():
                break
    return start, factor @ factor.T

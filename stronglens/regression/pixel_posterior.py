"""Posterior of the mass of a lens whose source is a grid of pixels, and of the strength of the prior on the source."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve
from scipy.optimize import lsq_linear
from threadpoolctl import threadpool_limits

from stronglens.regression.image_priors import Priors
from stronglens.regression.lens_shape import keep_inside
from stronglens.regression.source_grid import SourceGrid
from stronglens.regression.source_pixels import PixelEvidence

TURNS, REACH = 8, 4.0
"""Largest number of Newton steps to the maximum, and the length of the longest."""

OVER_NOISE = 2.0
"""Brightness of the source over the noise of a pixel of the image that belongs to the arcs."""

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
class PixelModel:
    """Most probable source and image of a lens model.

    Attributes
    ----------
    grid : SourceGrid
    coefficients : ndarray (side^2,)
        Of its splines.
    brightness, deviation : ndarray (S, S), e-/s per pixel of the image
        Of the source in the pixels of ``shown``, row 0 at the top. The standard deviation holds for this lens model.
    determined : float
        Number of pixels of ``grid`` that the image determines, and not the prior (Suyu et al. 2006, eq. 21).
    strength, log_evidence : float
    source, lens : ndarray (H, W), e-/s
    background : float, e-/s per pixel
    chi2 : float
    lights : int
        Number of intensities of the lens's light and the background.
    arcs_chi2 : float
        Part of chi2 in the pixels in which the source is brighter than ``OVER_NOISE``.
    arcs_number : int
        Number of these pixels.
    gaussians : ndarray (T - 1, 5)
        Of the lens's light (see `describe_gaussians`).
    intensities : ndarray (T - 1,), e-/s per pixel of the image
        Their values in the centre, not negative.
    """

    grid: SourceGrid
    coefficients: np.ndarray
    brightness: np.ndarray
    deviation: np.ndarray
    determined: float
    strength: float
    log_evidence: float
    source: np.ndarray
    lens: np.ndarray
    background: float
    chi2: float
    lights: int
    arcs_chi2: float
    arcs_number: int
    gaussians: np.ndarray
    intensities: np.ndarray

    @property
    def shown(self) -> SourceGrid:
        """Grid of ``brightness``, with equal pixels."""
        return self.grid.regular()

    @property
    def centre(self) -> tuple[float, float]:
        """Centre x, y of the light above half the peak, arcsec."""
        weights = np.where(self.brightness > self.brightness.max() / 2, self.brightness, 0)
        y, x = np.average(self.shown.places(), axis=0, weights=weights.ravel())
        return float(x), float(y)


@dataclass(frozen=True)
class PixelPosterior:
    """Posterior of an image; it can be sent to another process.

    Attributes
    ----------
    lens_model : str
    priors : Priors
        The columns of the mass are free.
    evidence : PixelEvidence
    images : ndarray (T, H, W)
        Light of the lens, and the background.
    gaussians : ndarray (T - 1, 5)
        Those of the light (see `describe_gaussians`).
    """

    lens_model: str
    priors: Priors
    evidence: PixelEvidence
    images: np.ndarray
    gaussians: np.ndarray

    def place(self, point: np.ndarray) -> np.ndarray:
        """Return the standard normal numbers (..., D) of points (..., F + 1)."""
        return self.priors.place(np.asarray(point)[..., :-1])

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

    def describe(self, point: np.ndarray) -> PixelModel:
        """Return the most probable model at a point (F + 1,)."""
        evidence, strength = self.evidence, float(np.exp(point[-1]))
        arcs, data = evidence.arcs, evidence.arcs.data
        found = evidence.solve(self.trace(self.place(point)), strength)
        grid = found.grid
        light = found.spread.T @ found.coefficients
        left = data.whiten(data.image[None])[0] - arcs.respond(light)
        lowest = np.append(np.zeros(len(self.images) - 1), -np.inf)  # a background of either sign
        intensities = lsq_linear(evidence.columns.T, left, (lowest, np.inf), method="bvls", max_iter=100).x
        residual = left - intensities @ evidence.columns
        covariance = cho_solve(found.matrix, np.eye(grid.side**2))
        equal = grid.regular()
        to_brightness = grid.interpolate(equal.places()[:, None]).T.tocsr()
        deviation = np.sqrt(to_brightness.multiply(to_brightness @ covariance).sum(axis=1))
        determined = grid.side**2 - strength * float((covariance * evidence.regular).sum())
        shown = arcs.show(light)
        is_bright = (shown * data.weight > OVER_NOISE).ravel() & (data.weight > 0).ravel()
        shape = equal.side, equal.side
        return PixelModel(
            grid=grid,
            coefficients=found.coefficients,
            brightness=(to_brightness @ found.coefficients).reshape(shape),
            deviation=deviation.reshape(shape),
            determined=determined,
            strength=strength,
            log_evidence=found.log_evidence,
            source=shown,
            lens=np.tensordot(intensities[:-1], self.images[:-1], 1),
            background=float(intensities[-1]),
            chi2=float(residual @ residual),
            lights=len(intensities),
            arcs_chi2=float((residual[is_bright] ** 2).sum()),
            arcs_number=int(is_bright.sum()),
            gaussians=self.gaussians,
            intensities=intensities[:-1],
        )


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

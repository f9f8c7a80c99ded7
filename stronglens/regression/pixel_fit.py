"""Fit of an image with a source of pixels, and the posterior of the mass around it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.ndimage import binary_dilation, gaussian_filter
from scipy.optimize import least_squares, nnls

from stronglens.regression.image_fit import ImageData, ImageFit
from stronglens.regression.image_priors import Priors
from stronglens.regression.lens_gaussians import render_gaussians
from stronglens.regression.pixel_posterior import trace_mass
from stronglens.regression.source_pixels import MARGIN, RAYS, SIDE, ArcPixels, PixelEvidence, SourceGrid, curvature

if TYPE_CHECKING:
    from stronglens.simulation.lens_simulator import LensSimulator

OF_MASS = ("lens-center", "lens-ellip", "einstein-radius", "shear", "mass-slope")
"""Prefixes of the columns that are sampled."""

SHOWN, BRIGHT = 3.0, 0.03
"""Smoothed light of the source over its noise, and relative to its largest value, from which a pixel of the image
belongs to the field of the source."""

ENLARGED, AROUND = 1.2, 2
"""Size of the field relative to these pixels, and pixels of the image around them that may show the source, too."""

LIGHT_UNIT, STEP, STEPS = 0.01, 0.1, 8
"""Unit of the light's geometry in a fit (arcsec; ellipticity), and the step of the numerical derivatives in units of
all parameters, and the largest number of steps."""

TURNS = 2
"""Fits, each with the strength of the prior and the field of the source from the one before."""


@dataclass(frozen=True)
class PixelFit:
    """Best model of an image with a source of pixels.

    Attributes
    ----------
    priors : Priors
        Only the columns of the mass are free.
    z : ndarray (D,)
        Standard normal numbers of the columns.
    strength : float
        Of the prior on the source.
    geometry : ndarray (6,)
        See `render_gaussians`.
    intensities : ndarray (T,), e-/s
        Of the Gaussians and the background.
    coefficients : ndarray (S,)
        Of the source.
    grid : SourceGrid
    arcs : ArcPixels
    chi2 : float
    """

    priors: Priors
    z: np.ndarray
    strength: float
    geometry: np.ndarray
    intensities: np.ndarray
    coefficients: np.ndarray
    grid: SourceGrid
    arcs: ArcPixels
    chi2: float


class PixelFitter:
    """Fits of one image.

    Parameters
    ----------
    simulator : LensSimulator
    priors : Priors
        Of the columns of the likelihood.
    data : ImageData
    best : ImageFit
        With a Sersic source.
    """

    def __init__(self, simulator: "LensSimulator", priors: Priors, data: ImageData, best: ImageFit):
        self.simulator, self.data, self.start = simulator, data, best
        self.psf, self.pixel_scale = simulator.telescope.psf, simulator.telescope.pixel_scale
        fixed = {
            name: (value, value)
            for name, value in zip(priors.names, priors.to_values(best.z), strict=True)
            if not name.startswith(OF_MASS)
        }
        self.priors = priors.replace(fixed)
        self.target = data.whiten(data.image[None])[0]
        margin = 2 * simulator.telescope.padding
        self.shape = tuple(side + margin for side in data.image.shape)

    def trace(self, z: np.ndarray, rays: np.ndarray) -> np.ndarray:
        """Return the ends of rays (P, R, 2), y and x in arcsec."""
        return trace_mass(self.simulator.parameters.lens_model, self.priors, z, rays)

    def start_rays(self) -> np.ndarray:
        from stronglens.raytracing.pixelised import start_rays

        return start_rays(self.shape, self.pixel_scale, RAYS).reshape(-1, RAYS**2, 2)

    def choose_pixels(self, z: np.ndarray, arcs: np.ndarray) -> tuple[ArcPixels, SourceGrid]:
        """Return the pixels that may show the source, and the field of the source to which they belong.

        Parameters
        ----------
        z : ndarray (D,)
        arcs : ndarray (H, W), e-/s
            Model of the source's light.
        """
        over_noise = gaussian_filter(arcs * self.data.weight, 1) * np.sqrt(4 * np.pi)
        margin = self.simulator.telescope.padding
        shown = np.pad(over_noise > max(SHOWN, BRIGHT * over_noise.max()), margin)
        rays = self.start_rays()
        ends = self.trace(z, rays[shown.ravel()]).reshape(-1, 2)
        low, high = np.percentile(ends, [1, 99], axis=0)
        y, x = (low + high) / 2
        grid = SourceGrid(float(x), float(y), float((high - low).max()) * ENLARGED / SIDE)
        near = np.flatnonzero(binary_dilation(shown, iterations=AROUND).ravel())
        near = near[grid.covers(self.trace(z, rays[near]), MARGIN).any(axis=1)]
        return ArcPixels.of(self.data, self.psf, rays, near), grid

    def light(self, geometry) -> np.ndarray:
        """Return images of the lens's light and of the background in units of independent noise (T, H * W)."""
        return self.data.whiten(render_gaussians(geometry, self.data.image.shape, self.psf, self.pixel_scale))

    def fit(self, arcs: ArcPixels, grid: SourceGrid, z: np.ndarray, geometry: np.ndarray, scale: np.ndarray) -> PixelFit:
        """Fit the mass and the geometry of the lens's light, with the best source and intensities in each step.

        Parameters
        ----------
        arcs : ArcPixels
        grid : SourceGrid
        z : ndarray (D,)
        geometry : ndarray (6,)
            Start.
        scale : ndarray (D, F)
            Directions of the F parameters of the mass, with the lengths of steps.
        """
        number = scale.shape[1]
        solver = JointSolver(arcs, grid, self.light(geometry), self.trace(z, arcs.rays))

        def unpack(v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return z + scale @ v[:number], geometry + LIGHT_UNIT * v[number:]

        def residual(v: np.ndarray) -> np.ndarray:
            at, shape = unpack(v)
            found = solver.solve(self.trace(at, arcs.rays), self.light(shape))
            return np.concatenate([found.residual, found.roughness, at])

        def jacobian(v: np.ndarray) -> np.ndarray:
            here = residual(v)
            columns = [(residual(v + step) - here) / STEP for step in STEP * np.eye(len(v))]
            return np.stack(columns, axis=1)

        found = least_squares(
            residual, np.zeros(number + len(geometry)), jacobian, method="trf", ftol=1e-5, xtol=1e-3, max_nfev=STEPS
        )
        z, geometry = unpack(found.x)
        traced = self.trace(z, arcs.rays)
        best = solver.solve(traced, self.light(geometry))
        return PixelFit(
            self.priors, z, solver.strength, geometry, best.intensities, best.coefficients, grid, arcs,
            float(best.residual @ best.residual),
        )  # fmt: skip


@dataclass(frozen=True)
class JointSolution:
    """Source and intensities of the lens's light that fit an image best.

    Attributes
    ----------
    intensities : ndarray (T,)
        Not negative, except for the last.
    coefficients : ndarray (S,)
    residual : ndarray (H * W,)
        In units of independent noise.
    roughness : ndarray (S,)
        Its sum of squares is the strength times the curvature of the source.
    """

    intensities: np.ndarray
    coefficients: np.ndarray
    residual: np.ndarray
    roughness: np.ndarray


class JointSolver:
    """Linear fits of source and lens light with one strength of the prior, the best one at the start.

    Parameters
    ----------
    arcs : ArcPixels
    grid : SourceGrid
    columns : ndarray (T, H * W)
        See `PixelFitter.light`.
    traced : ndarray (P, R, 2), arcsec
    """

    def __init__(self, arcs: ArcPixels, grid: SourceGrid, columns: np.ndarray, traced: np.ndarray):
        self.arcs, self.grid = arcs, grid
        self.target = arcs.data.whiten(arcs.data.image[None])[0]
        self.right = arcs.project(self.target[None])[:, 0]
        self.regular = curvature(grid.side)
        self.root = np.linalg.cholesky(self.regular)
        start = nnls(columns.T, self.target)[0] > 0
        start[-1] = True
        self.strength = PixelEvidence(arcs, grid, columns[start]).best_strength(traced)
        self._known: tuple = (None, None)

    def solve(self, traced: np.ndarray, columns: np.ndarray) -> JointSolution:
        """Fit the image with the ends of rays (P, R, 2) and columns (T, H * W)."""
        spread, factor = self._factor(traced)
        seen = spread @ self.arcs.project(columns)
        right = spread @ self.right
        of_columns, of_image = (cho_solve(factor, one, check_finite=False) for one in (seen, right))
        normal = columns @ columns.T - seen.T @ of_columns
        rest = columns @ self.target - seen.T @ of_image
        length = np.sqrt(np.diagonal(normal).clip(min=1e-30))
        signed = np.append(1 / length, -1 / length[-1])  # the background of either sign
        order = np.append(np.arange(len(columns)), len(columns) - 1)
        matrix = signed[:, None] * normal[np.ix_(order, order)] * signed + 1e-12 * np.eye(len(signed))
        root = np.linalg.cholesky(matrix)
        found = nnls(root.T, np.linalg.solve(root, signed * rest[order]))[0] * np.abs(signed)
        intensities = np.append(found[:-2], found[-2] - found[-1])
        source = of_image - of_columns @ intensities
        residual = self.target - intensities @ columns - self.arcs.respond(spread.T @ source)
        return JointSolution(intensities, source, residual, np.sqrt(self.strength) * (self.root.T @ source))

    def _factor(self, traced: np.ndarray) -> tuple:
        key = traced.tobytes()
        if self._known[0] != key:  # derivatives along the geometry of the light need the same one
            spread = self.grid.interpolate(traced)
            half = spread @ self.arcs.normal
            matrix = spread @ np.ascontiguousarray(half.T) + self.strength * self.regular
            self._known = key, (spread, cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False))
        return self._known[1]

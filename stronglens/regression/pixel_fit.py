"""Fit of an image with a source of pixels, and the posterior of the mass around it."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import binary_dilation, gaussian_filter
from scipy.optimize import least_squares
from threadpoolctl import threadpool_limits

from stronglens.regression.image_fit import ImageData, ImageFit
from stronglens.regression.image_priors import Priors
from stronglens.regression.importance import Population
from stronglens.regression.joint_solver import JointSolution, JointSolver
from stronglens.regression.lens_gaussians import describe_gaussians, geometry_of_sersic, render_gaussians
from stronglens.regression.lens_shape import add_light
from stronglens.regression.pixel_posterior import PixelPosterior, climb, trace_mass
from stronglens.regression.source_grid import LARGEST, SMALLEST, MovingGrid, SourceGrid, curvature, find_peaks
from stronglens.regression.source_pixels import MARGIN, RAYS, ArcPixels, PixelEvidence

if TYPE_CHECKING:
    from stronglens.simulation.lens_simulator import LensSimulator

OF_MASS = ("lens-center", "lens-ellip", "einstein-radius", "shear", "mass-slope")
"""Prefixes of the columns that are sampled."""

SHOWN, BRIGHT = 3.0, 0.03
"""Smoothed light of the source over its noise, and relative to its largest value, from which a pixel of the image
belongs to the field of the source."""

ENLARGED, AROUND = 1.2, 2
"""Size of the field relative to these pixels, and pixels of the image around them that may show the source, too."""

MOST = 4500
"""Largest number of these pixels: the time of a likelihood grows with its square. If there are more, the fainter ones
are left out."""

LIGHT_UNIT, STEP, STEPS = 0.01, 0.1, 6
"""Unit of the light's geometry in a fit (arcsec; ellipticity), and the step of the numerical derivatives in units of
all parameters, and the largest number of steps."""

FACTORS = 3.0, 2.0
"""For each fit, the step of the mass relative to the errors with a Sersic source. The field of the source is that of
the fit before."""

FLOORS = 0.01, 0.03, 0.1, 0.3, 1.0, 100.0
"""Expected curvature of the source where it is dark, relative to that in its peak. With the last one it is the same
everywhere."""

PEAK = 0.7
"""Brightness of the source, relative to its largest value, of the pixels of the image in which its peak is seen."""

WORTH = 10.0
"""Logarithm of the evidence that smaller pixels must gain: those that fit one mass well favour it."""

CORES = np.inf, 0.5, 0.2, 0.08, 0.03
"""Distances from a peak of the source, relative to half of the field, from which on its pixels become larger. With the
first one, all are equal."""

FIRST = 0.3
"""First guess of the standard deviation of the logarithm of the strength."""


def fit_pixels(
    simulator: "LensSimulator", priors: Priors, data: ImageData, best: ImageFit
) -> tuple[PixelPosterior, Population]:
    """Fit an image with a source of pixels, starting from a Sersic source.

    Parameters
    ----------
    simulator : LensSimulator
    priors : Priors
    data : ImageData
    best : ImageFit
        With a Sersic source.

    Returns
    -------
    PixelPosterior
    Population
        Around its maximum.
    """
    fitter = PixelFitter(simulator, priors, data, best)
    free = fitter.priors.is_free
    z, shown = np.where(free, best.z, 0), best.intensities[0] * best.templates[0]
    root = np.linalg.cholesky(best.covariance[np.ix_(free, free)])
    scale = np.zeros((len(z), len(root)))
    geometry = fitter.start_light(best.z)
    images, before = fitter.light(geometry), None
    for factor in FACTORS:
        scale[free] = factor * root
        arcs, field = fitter.choose_pixels(z, shown)
        peaks = find_peaks(*before) if before else fitter.find_peak(z, shown)
        grid = fitter.choose_core(arcs, replace(field, peaks=peaks), z, images)
        prior = fitter.choose_prior(arcs, grid, z, images, before)
        z, geometry, found = fitter.fit(arcs, grid, prior, z, geometry, scale)
        shown, before = arcs.show(found.arcs), (grid.at(fitter.trace(z, arcs.rays)), found.source)
        is_kept = found.intensities > 0
        is_kept[-1] = True  # the background
        images = fitter.light(geometry)[is_kept]
    gaussians = fitter.gaussians(geometry)[is_kept[:-1]]
    prior = fitter.choose_prior(arcs, grid, z, images, before)
    evidence = PixelEvidence(arcs, grid, data.whiten(images), prior)
    posterior = PixelPosterior(simulator.parameters.lens_model, fitter.priors, evidence, images, gaussians)
    start = np.append(z[free], np.log(evidence.best_strength(posterior.trace(z))[0]))
    guess = np.diag(np.append(np.zeros(len(root)), FIRST))
    guess[:-1, :-1] = FACTORS[-1] * root
    return posterior, Population.start(*climb(posterior.log_density, start, guess))


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
        from stronglens.raytracing.pixelised import start_rays

        self.simulator, self.data = simulator, data
        self.psf, self.pixel_scale = simulator.telescope.psf, simulator.telescope.pixel_scale
        fixed = {
            name: (value, value)
            for name, value in zip(priors.names, priors.to_values(best.z), strict=True)
            if not name.startswith(OF_MASS)
        }
        self.all_priors, self.priors = priors, priors.replace(fixed)
        shape = tuple(side + 2 * simulator.telescope.padding for side in data.image.shape)
        self.rays = start_rays(shape, self.pixel_scale, RAYS).reshape(-1, RAYS**2, 2)

    def trace(self, z: np.ndarray, rays: np.ndarray) -> np.ndarray:
        """Return the ends of rays (P, R, 2), y and x in arcsec."""
        return trace_mass(self.simulator.parameters.lens_model, self.priors, z, rays)

    def choose_pixels(self, z: np.ndarray, arcs: np.ndarray) -> tuple[ArcPixels, SourceGrid]:
        """Return the pixels that may show the source, and the field of the source to which they belong.

        Parameters
        ----------
        z : ndarray (D,)
        arcs : ndarray (H, W), e-/s
            Model of the source's light.
        """
        over_noise = gaussian_filter(arcs * self.data.weight, 1) * np.sqrt(4 * np.pi)
        peak, margin, rays = over_noise.max(), self.simulator.telescope.padding, self.rays
        threshold = min(max(SHOWN, BRIGHT * peak), peak / 2)  # a faint source has no pixel above the noise
        while True:
            shown = np.pad(over_noise > threshold, margin)
            ends = self.trace(z, rays[shown.ravel()]).reshape(-1, 2)
            low, high = np.percentile(ends, [1, 99], axis=0)
            y, x = (low + high) / 2
            side = int(np.clip(np.sqrt(np.count_nonzero(shown)), SMALLEST, LARGEST))
            grid = SourceGrid(float(x), float(y), float((high - low).max()) * ENLARGED / side, side)
            near = np.flatnonzero(binary_dilation(shown, iterations=AROUND).ravel())
            near = near[grid.covers(self.trace(z, rays[near]), MARGIN).any(axis=1)]
            if len(near) <= MOST:
                return ArcPixels.of(self.data, self.psf, rays, near), grid
            threshold *= 1.2

    def find_peak(self, z: np.ndarray, shown: np.ndarray) -> tuple[tuple[float, float]]:
        """Return y and x of the brightest place of a source with one peak, arcsec.

        Parameters
        ----------
        z : ndarray (D,)
        shown : ndarray (H, W), e-/s
            Model of the source's light.
        """
        margin = self.simulator.telescope.padding
        bright = np.pad(np.where(shown > PEAK * shown.max(), shown, 0), margin).ravel()
        places = self.trace(z, self.rays[bright > 0]).mean(axis=1)
        y, x = np.average(places, axis=0, weights=bright[bright > 0])
        return ((float(y), float(x)),)

    def choose_core(self, arcs: ArcPixels, field: SourceGrid, z: np.ndarray, images: np.ndarray) -> MovingGrid:
        """Return the grid with the largest of the `CORES` whose evidence is not far below the largest one.

        Parameters
        ----------
        arcs : ArcPixels
        field : SourceGrid
            With peaks.
        z : ndarray (D,)
        images : ndarray (T, H, W)
            Light of the lens, and the background.
        """
        traced, tried, found = self.trace(z, arcs.rays), [], []
        moving = MovingGrid.of(field, traced)
        evidence = PixelEvidence(arcs, moving, self.data.whiten(images), curvature(field.side))
        for core in CORES:
            evidence.grid = replace(moving, grid=replace(field, core=core * field.half))
            tried.append(evidence.grid)
            found.append(evidence.best_strength(traced)[1])
        return tried[int(np.argmax(np.array(found) > max(found) - WORTH))]

    def choose_prior(
        self, arcs: ArcPixels, grid: MovingGrid, z: np.ndarray, images: np.ndarray,
        before: tuple[SourceGrid, np.ndarray] | None,
    ) -> np.ndarray:  # fmt: skip
        """Return the prior (S, S) of a source: C^T C with the one of the `FLOORS` that has the largest evidence.

        A large curvature is expected where the source was bright in the fit before: the idea is that of Nightingale et
        al. (2018, MNRAS 478, 4738), the form our own. In the first fit, the same is expected everywhere.

        Parameters
        ----------
        arcs : ArcPixels
        grid : MovingGrid
        z : ndarray (D,)
        images : ndarray (T, H, W)
            Light of the lens, and the background.
        before : SourceGrid and ndarray (S',), or None
            Field and coefficients of the source in the fit before.
        """
        if before is None:
            return curvature(grid.side)
        field, source = before
        traced, found = self.trace(z, arcs.rays), []
        there = field.interpolate(grid.at(traced).places()[:, None]).T @ source
        if there.max() <= 0:
            return curvature(grid.side)
        bright = (there / there.max()).clip(0).reshape(grid.side, grid.side)
        evidence = PixelEvidence(arcs, grid, self.data.whiten(images), curvature(grid.side))
        for floor in FLOORS:
            evidence.set_prior(curvature(grid.side, floor + bright))
            found.append(evidence.best_strength(traced)[1])
        return curvature(grid.side, FLOORS[int(np.argmax(found))] + bright)

    def start_light(self, z: np.ndarray) -> np.ndarray:
        """Return the geometry (6,) of the light of a fit."""
        if self.data.gaussians:
            return self.data.gaussians.geometry
        values = add_light(dict(zip(self.priors.names, self.all_priors.to_values(z)[:, None], strict=True)), {})
        return geometry_of_sersic({name: float(column[0]) for name, column in values.items()})

    def light(self, geometry: np.ndarray) -> np.ndarray:
        """Return images of the lens's light, and of the background (T, H, W)."""
        if not self.simulator.renderer.lens_light:
            return np.ones((1, *self.data.image.shape))
        return render_gaussians(geometry, self.data.image.shape, self.psf, self.pixel_scale)

    def gaussians(self, geometry: np.ndarray) -> np.ndarray:
        """Return the Gaussians (T - 1, 5) of `light`, as `describe_gaussians` does."""
        if not self.simulator.renderer.lens_light:
            return np.zeros((0, 5))
        return describe_gaussians(geometry, self.data.image.shape, self.pixel_scale)

    def fit(
        self, arcs: ArcPixels, grid: MovingGrid, prior: np.ndarray, z: np.ndarray, geometry: np.ndarray,
        scale: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, JointSolution]:  # fmt: skip
        """Fit the mass and the geometry of the lens's light, with the best source and intensities in each step.

        Parameters
        ----------
        arcs : ArcPixels
        grid : MovingGrid
        prior : ndarray (S, S)
        z : ndarray (D,)
        geometry : ndarray (6,)
            Start.
        scale : ndarray (D, F)
            Directions of the F parameters of the mass, with the lengths of steps.

        Returns
        -------
        z, geometry : ndarray
        solution : JointSolution
        """
        number = scale.shape[1]
        solver = JointSolver(arcs, grid, prior, self.data.whiten(self.light(geometry)), self.trace(z, arcs.rays))

        def unpack(v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return z + scale @ v[:number], geometry + LIGHT_UNIT * v[number:]

        def solve(v: np.ndarray) -> JointSolution:
            at, shape = unpack(v)
            return solver.solve(self.trace(at, arcs.rays), self.data.whiten(self.light(shape)))

        def residual(v: np.ndarray) -> np.ndarray:
            found = solve(v)
            return np.concatenate([found.residual, found.roughness, unpack(v)[0]])

        def jacobian(v: np.ndarray) -> np.ndarray:
            here = residual(v)
            columns = [(residual(v + step) - here) / STEP for step in STEP * np.eye(len(v))]
            return np.stack(columns, axis=1)

        start = np.zeros(number + len(geometry))
        with threadpool_limits(1):
            found = least_squares(residual, start, jacobian, method="trf", ftol=1e-5, xtol=1e-3, max_nfev=STEPS)
        return *unpack(found.x), solve(found.x)

"""Likelihood of a lens image whose source is a grid of pixels, with the pixels integrated out.

The pixels have a Gaussian prior on their curvature. Its strength is the one with the largest Bayesian evidence (Suyu et
al. 2006, MNRAS 371, 983). The light of the lens and a constant background are solved together with the pixels.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.linalg import cho_factor, cho_solve
from scipy.ndimage import gaussian_filter
from scipy.optimize import least_squares, minimize_scalar
from scipy.sparse import csr_matrix

from stronglens.regression.image_fit import OF_SOURCE, ImageData, ImageFit, correct
from stronglens.regression.image_priors import Priors
from stronglens.regression.lens_shape import add_light, keep_inside, scene_of

if TYPE_CHECKING:
    from stronglens.regression.image_likelihood import ImageLikelihood

SIDE = 20
"""Pixels along each side of the source."""

RAYS = 2
"""Rays along each side of a pixel of the image."""

SHOWN = 3.0
"""Smoothed light of the source over its noise from which a pixel of the image belongs to the field of the source."""

STEPS, STEP = 6, 1e-3
"""Largest number of steps of a fit, and the step of its numerical derivatives."""

STRENGTHS = (-6.0, 8.0)
"""Range of the decimal logarithm of the strength of the prior, in units of the mean information on a pixel."""


@dataclass(frozen=True)
class PixelSource:
    """The most probable source.

    Attributes
    ----------
    brightness, deviation : ndarray (S, S), e-/s per pixel of the image
        Row 0 is at the top. The standard deviation holds for the best lens model.
    x, y, pixel : float, arcsec
        Centre of the field, and its pixels.
    determined : float
        Number of pixels that the image determines, not the prior.
    """

    brightness: np.ndarray
    deviation: np.ndarray
    x: float
    y: float
    pixel: float
    determined: float


@dataclass(frozen=True)
class Grid:
    """Field of the source.

    Attributes
    ----------
    x, y : float, arcsec
        Its centre.
    pixel : float, arcsec
    strength : float
        Of the prior on the curvature.
    """

    x: float
    y: float
    pixel: float
    strength: float = 1.0


def curvature_matrix(side: int) -> np.ndarray:
    """Return R = C^T C of the second differences C along rows and columns of a grid, zero beyond: (S^2, S^2)."""
    line = np.zeros((side + 2, side))
    for place, weight in enumerate((1.0, -2.0, 1.0)):
        line[np.arange(side) + place, np.arange(side)] += weight
    once = line.T @ line
    return np.kron(once, np.eye(side)) + np.kron(np.eye(side), once)


REGULAR = curvature_matrix(SIDE)
LOG_DETERMINANT = float(np.linalg.slogdet(REGULAR)[1])
HALF = np.linalg.cholesky(REGULAR)


class PixelLikelihood:
    """Evidence of lens models with a source of pixels.

    Parameters
    ----------
    likelihood : ImageLikelihood
        Gives the light of the lens.
    priors : Priors
        The columns of the source are fixed.
    data : ImageData
    grid : Grid
    """

    def __init__(self, likelihood: "ImageLikelihood", priors: Priors, data: ImageData, grid: Grid):
        from stronglens.raytracing.pixelised import start_rays

        self.likelihood, self.priors, self.data, self.grid = likelihood, priors, data, grid
        camera = likelihood.simulator.telescope
        self.psf, self.pixel_scale = camera.psf, camera.pixel_scale
        margin = 2 * camera.padding
        self.shape = tuple(side + margin for side in data.image.shape)
        self.rays = start_rays(self.shape, self.pixel_scale, RAYS)

    def trace(self, z: np.ndarray) -> np.ndarray:
        """Return where rays end, (K, 2) of y and x, arcsec."""
        from stronglens.raytracing.pixelised import trace_rays

        values = dict(zip(self.priors.names, self.priors.to_values(z)[:, None], strict=True))
        scene = scene_of(self.likelihood.simulator, keep_inside(add_light(values, {}), {}))
        row = {name: float(column[0]) for name, column in scene.items()}
        return trace_rays(self.likelihood.simulator.parameters.lens_model, row, self.rays)

    def templates(self, z: np.ndarray) -> np.ndarray:
        """Return images of each source pixel, of the lens if it has light, and of the background: (T, H, W)."""
        traced = (self.trace(z) - [self.grid.y, self.grid.x]) / self.grid.pixel
        column, row = traced[:, 1] + (SIDE - 1) / 2, (SIDE - 1) / 2 - traced[:, 0]
        left, top = np.floor(column).astype(int), np.floor(row).astype(int)
        across, down = column - left, row - top
        owner = np.repeat(np.arange(np.prod(self.shape)), RAYS**2)
        parts = []
        for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
            share = np.where(dx, across, 1 - across) * np.where(dy, down, 1 - down) / RAYS**2
            y, x = top + dy, left + dx
            inside = (y >= 0) & (y < SIDE) & (x >= 0) & (x < SIDE)
            parts.append((share[inside], (y * SIDE + x)[inside], owner[inside]))
        share, pixel, owner = (np.concatenate(part) for part in zip(*parts, strict=True))
        seen = csr_matrix((share, (pixel, owner)), shape=(SIDE**2, int(np.prod(self.shape))))
        images = _blur(seen.toarray().astype(np.float32).reshape(-1, *self.shape), self.psf)
        light, derivatives = self.likelihood.templates(z, self.priors.array)
        others, _ = correct(light, z, self.data.correction, derivatives)
        return np.concatenate([images, others[1:]])

    def solve(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return basis (P, T), target (P,), intensities (T,), and the normal matrix with the prior (T, T)."""
        basis, target = self.data.whiten(self.templates(z)).T, self.data.whiten(self.data.image[None])[0]
        basis = np.ascontiguousarray(basis, np.float64)
        normal = basis.T @ basis
        normal[: SIDE**2, : SIDE**2] += self.grid.strength * REGULAR
        return basis, target, cho_solve(cho_factor(normal), basis.T @ target), normal

    def log_density(self, z: np.ndarray) -> float:
        """Return the logarithm of evidence times prior, up to a constant."""
        basis, target, intensities, normal = self.solve(z)
        source = intensities[: SIDE**2]
        misfit = ((basis @ intensities - target) ** 2).sum() + self.grid.strength * source @ REGULAR @ source
        return float(-0.5 * (misfit + np.linalg.slogdet(normal)[1] + z @ z))

    def evaluate(self, z: np.ndarray, *_) -> tuple[float, None]:
        """Return `log_density` like `ImageLikelihood.evaluate`, without a gradient."""
        return self.log_density(z), None

    def best_strength(self, z: np.ndarray) -> float:
        """Return the strength of the prior with the largest evidence."""
        basis, target, _, normal = self.solve(z)
        information = normal.copy()
        information[: SIDE**2, : SIDE**2] -= self.grid.strength * REGULAR
        right, unit = basis.T @ target, np.trace(information[: SIDE**2, : SIDE**2]) / SIDE**2

        def loss(exponent: float) -> float:
            strength = unit * 10**exponent
            whole = information.copy()
            whole[: SIDE**2, : SIDE**2] += strength * REGULAR
            factor = cho_factor(whole)
            determinant = 2 * np.log(np.diagonal(factor[0])).sum()
            return float(determinant - SIDE**2 * np.log(strength) - right @ cho_solve(factor, right))

        return unit * 10 ** float(minimize_scalar(loss, bounds=STRENGTHS, method="bounded").x)

    def fit(self, start: np.ndarray) -> ImageFit:
        """Find the best columns with the best pixels in every step (variable projection)."""

        def residual(z: np.ndarray) -> np.ndarray:
            basis, target, intensities, _ = self.solve(z)
            rough = np.sqrt(self.grid.strength) * (HALF.T @ intensities[: SIDE**2])
            return np.concatenate([basis @ intensities - target, rough, z])

        found = least_squares(residual, start, method="trf", diff_step=STEP, max_nfev=STEPS, x_scale=1.0)
        covariance = np.linalg.inv(found.jac.T @ found.jac)
        return self.describe(found.x, covariance)

    def describe(self, z: np.ndarray, covariance: np.ndarray) -> ImageFit:
        """Return the best model with the images of source, lens if it has light, and background."""
        templates = self.templates(z)
        basis, target, intensities, _ = self.solve(z)
        chi2 = float(((basis @ intensities - target) ** 2).sum())
        source = np.tensordot(intensities[: SIDE**2], templates[: SIDE**2], 1)
        whole = np.concatenate([source[None], templates[SIDE**2 :]])
        return ImageFit(z, chi2 + float(z @ z), chi2, whole, np.append(1.0, intensities[SIDE**2 :]), covariance)

    def source(self, z: np.ndarray) -> PixelSource:
        """Return the most probable source, and how much of it the image determines (Suyu et al. 2006, eq. 21)."""
        _, _, intensities, normal = self.solve(z)
        covariance = np.linalg.inv(normal)[: SIDE**2, : SIDE**2]
        determined = SIDE**2 - self.grid.strength * (covariance * REGULAR).sum()
        brightness, deviation = intensities[: SIDE**2], np.sqrt(np.diagonal(covariance))
        shape = (SIDE, SIDE)
        where = self.grid.x, self.grid.y, self.grid.pixel
        return PixelSource(brightness.reshape(shape), deviation.reshape(shape), *where, float(determined))


def choose_grid(likelihood: "ImageLikelihood", priors: Priors, data: ImageData, best: ImageFit) -> PixelLikelihood:
    """Return the likelihood with the field into which the pixels fall that show the source, and the best strength.

    Parameters
    ----------
    likelihood : ImageLikelihood
    priors : Priors
    data : ImageData
    best : ImageFit
        Fit of a smooth source.
    """
    values = priors.to_values(best.z)
    fixed = {
        name: (value, value) for name, value in zip(priors.names, values, strict=True) if name.startswith(OF_SOURCE)
    }
    priors = priors.replace(fixed)
    lens = np.tensordot(best.intensities[1:], best.templates[1:], 1)
    left = gaussian_filter((data.image - lens) * data.weight, 1) * np.sqrt(4 * np.pi)
    model = gaussian_filter(best.intensities[0] * best.templates[0] * data.weight, 1) * np.sqrt(4 * np.pi)
    shown = (left > SHOWN) & (model > SHOWN / 3) & (data.weight > 0)
    draft = PixelLikelihood(likelihood, priors, data, Grid(0, 0, 1))
    margin = [(whole - inner) // 2 for whole, inner in zip(draft.shape, data.image.shape, strict=True)]
    ends = draft.trace(best.z).reshape(*draft.shape, RAYS**2, 2)[margin[0] :, margin[1] :][: shown.shape[0]]
    ends = ends[:, : shown.shape[1]][shown].reshape(-1, 2)
    low, high = np.percentile(ends, [2, 98], axis=0)
    centre, size = (low + high) / 2, float((high - low).max()) * 1.2
    pixel = max(size / SIDE, 1e-3)
    found = PixelLikelihood(likelihood, priors, data, Grid(float(centre[1]), float(centre[0]), pixel))
    strength = found.best_strength(best.z)
    return PixelLikelihood(likelihood, priors, data, Grid(found.grid.x, found.grid.y, pixel, strength))


def _blur(images: np.ndarray, psf: np.ndarray | None) -> np.ndarray:
    """Return images (N, H + K - 1, W + K - 1) convolved with the PSF, without the margin."""
    if psf is None:
        return images
    reach = psf.shape[0] - 1
    shape = [next_fast_len(side, real=True) for side in images.shape[1:]]
    spread = rfft2(images, shape) * rfft2(psf.astype(np.float32), shape)
    whole = irfft2(spread, shape)
    return whole[:, reach : images.shape[1], reach : images.shape[2]]

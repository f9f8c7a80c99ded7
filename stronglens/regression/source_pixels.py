"""A source of pixels, integrated out: the evidence of a lens model (Suyu et al. 2006, MNRAS 371, 983).

The image is d = L i + A s + n: columns L of the light of the lens and of a background, pixels s of the source, noise n.
The intensities i have flat priors. The curvature of s has a Gaussian prior, whose strength is a parameter; it may be
weaker where the source is bright. A = B S:
S interpolates the source where rays end, and depends on the mass; B blurs, weighs by the noise and makes it
independent. The matrix B^T B is computed once for an image, with the light of the lens projected out. An evidence then
needs sparse products and a Cholesky decomposition, but no convolution (Warren & Dye 2003, ApJ 590, 673).
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize_scalar
from scipy.signal import fftconvolve
from scipy.sparse import csr_matrix

from stronglens.regression.image_fit import ImageData
from stronglens.regression.source_grid import MovingGrid, SourceGrid

RAYS = 4
"""Rays along each side of a pixel of the image."""

MARGIN = 1.15
"""Size of the field in which rays are followed, relative to the source's: the mass may change."""

BATCH = 256
"""Columns at a time that are made independent."""

STRENGTHS, FLAT = (-7.0, 5.0), 12.0
"""Range of the decimal logarithm of the strength of the prior, in units of the mean information on a pixel, and the
mean diagonal of C^T C where all differences are expected to have the size 1."""


@dataclass(frozen=True)
class ArcPixels:
    """The pixels that may show the source, and how an image with noise shows them.

    Attributes
    ----------
    data : ImageData
    psf : ndarray (K, K) or None
    chosen : ndarray (P,) of int
        Their places in the flat image with the margin from which light is scattered into the image.
    rays : ndarray (P, R, 2), arcsec
        y and x of their rays.
    blur : csr_matrix (H * W, P)
        Pixels of the image, over the noise, from those before the point-spread function.
    normal : ndarray (P, P)
        B^T B.
    """

    data: ImageData
    psf: np.ndarray | None
    chosen: np.ndarray
    rays: np.ndarray
    blur: csr_matrix
    normal: np.ndarray

    @classmethod
    def of(cls, data: ImageData, psf: np.ndarray | None, rays: np.ndarray, chosen: np.ndarray) -> "ArcPixels":
        """Choose pixels.

        Parameters
        ----------
        data : ImageData
        psf : ndarray (K, K) or None
        rays : ndarray ((H + K - 1) * (W + K - 1), R, 2), arcsec
            Rays of the pixels of the image and of the margin from which light is scattered into it.
        chosen : ndarray (P,) of int
            Those that may show the source.
        """
        blur = blur_matrix(data.image.shape, psf, chosen, data.weight)
        normal = np.empty((len(chosen), len(chosen)))
        for first in range(0, len(chosen), BATCH):
            part = slice(first, first + BATCH)
            columns = blur[:, part].toarray().T
            twice = data.make_independent(data.make_independent(columns))
            normal[:, part] = blur.T @ twice.T
        return cls(data, psf, chosen, rays[chosen], blur, (normal + normal.T) / 2)

    def show(self, light: np.ndarray) -> np.ndarray:
        """Return the image (H, W) of light (P,) before the point-spread function."""
        margin = 0 if self.psf is None else len(self.psf) - 1
        whole = np.zeros([side + margin for side in self.data.image.shape])
        whole.flat[self.chosen] = light
        return whole if self.psf is None else fftconvolve(whole, self.psf, mode="valid")

    def respond(self, light: np.ndarray) -> np.ndarray:
        """Return what the image has of light (P,) before the point-spread function: (H * W,), independent noise."""
        return self.data.make_independent((self.blur @ light)[None])[0]

    def project(self, columns: np.ndarray) -> np.ndarray:
        """Return the transpose of `respond` of images (N, H * W): (P, N)."""
        return self.blur.T @ self.data.make_independent(columns).T


def blur_matrix(shape: tuple[int, int], psf: np.ndarray | None, chosen: np.ndarray, weight: np.ndarray) -> csr_matrix:
    """Return the point-spread function times the weight as a matrix (H * W, P).

    Parameters
    ----------
    shape : (H, W)
    psf : ndarray (K, K) or None
    chosen : ndarray (P,) of int
        Places in a flat image of (H + K - 1) x (W + K - 1) pixels.
    weight : ndarray (H, W)
    """
    kernel = np.ones((1, 1)) if psf is None else np.asarray(psf, float)
    size = len(kernel)
    row, column = np.divmod(chosen, shape[1] + size - 1)
    down, across = np.indices(kernel.shape).reshape(2, -1)
    y, x = row[:, None] - down, column[:, None] - across  # pixel (y, x) has kernel[size - 1 - down, ...]
    value = np.broadcast_to(kernel[::-1, ::-1].ravel(), y.shape)
    owner = np.broadcast_to(np.arange(len(chosen))[:, None], y.shape)
    inside = (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])
    place = (y * shape[1] + x)[inside]
    values = value[inside] * weight.ravel()[place]
    return csr_matrix((values, (place, owner[inside])), shape=(shape[0] * shape[1], len(chosen)))


@dataclass(frozen=True)
class SourceSolution:
    """The most probable source of a lens model.

    Attributes
    ----------
    coefficients : ndarray (S,)
    log_evidence : float
        Up to a constant of the image.
    misfit : float
        Chi-square plus strength times curvature.
    matrix : tuple
        Cholesky factor of A^T A + strength C^T C.
    spread : csr_matrix (S, P)
        Interpolation.
    grid : SourceGrid
    """

    coefficients: np.ndarray
    log_evidence: float
    misfit: float
    matrix: tuple
    spread: csr_matrix
    grid: SourceGrid


class PixelEvidence:
    """The evidence of masses, with the light of the lens integrated out.

    Parameters
    ----------
    arcs : ArcPixels
    grid : MovingGrid
    columns : ndarray (N, H * W)
        Images of the light of the lens and of the background, as `ImageData.whiten` returns them.
    regular : ndarray (S, S)
        C^T C (see `curvature`).
    """

    def __init__(self, arcs: ArcPixels, grid: MovingGrid, columns: np.ndarray, regular: np.ndarray):
        self.grid, self.columns = grid, columns
        self.set_prior(regular)
        orthogonal, triangle = np.linalg.qr(columns.T)
        self.log_light = float(np.log(np.abs(np.diagonal(triangle))).sum())
        target = arcs.data.whiten(arcs.data.image[None])[0]
        target = target - orthogonal @ (orthogonal.T @ target)
        seen = arcs.project(orthogonal.T)
        self.normal = arcs.normal - seen @ seen.T
        self.right = arcs.project(target[None])[:, 0]
        self.power = float(target @ target)
        self.arcs = replace(arcs, normal=np.empty((0, 0)))  # is large, and not needed any more

    def set_prior(self, regular: np.ndarray) -> None:
        """Set C^T C (S, S)."""
        self.regular, self.log_regular = regular, float(np.linalg.slogdet(regular)[1])

    def prepare(self, grid: SourceGrid, traced: np.ndarray) -> tuple[csr_matrix, np.ndarray, np.ndarray]:
        """Return interpolation (S, P), A^T A (S, S) and A^T d (S,) for the ends of rays (P, R, 2)."""
        spread = grid.interpolate(traced)
        half = spread @ self.normal
        return spread, spread @ np.ascontiguousarray(half.T), spread @ self.right

    def solve(self, traced: np.ndarray, strength: float) -> SourceSolution:
        """Return the most probable source for the ends of rays (P, R, 2), arcsec."""
        grid = self.grid.at(traced)
        spread, matrix, right = self.prepare(grid, traced)
        factor, source, misfit, log_evidence = self._weigh(matrix, right, strength)
        return SourceSolution(source, log_evidence, misfit, factor, spread, grid)

    def best_strength(self, traced: np.ndarray) -> tuple[float, float]:
        """Return the strength of the prior with the largest evidence, and the logarithm of this evidence."""
        _, matrix, right = self.prepare(self.grid.at(traced), traced)
        unit = np.trace(matrix) / np.trace(self.regular) * FLAT

        def loss(exponent: float) -> float:
            return -self._weigh(matrix, right, unit * 10**exponent)[-1]

        found = minimize_scalar(loss, bounds=STRENGTHS, method="bounded", options={"xatol": 0.02})
        return unit * 10 ** float(found.x), -float(found.fun)

    def _weigh(self, matrix: np.ndarray, right: np.ndarray, strength: float):
        factor = cho_factor(matrix + strength * self.regular, lower=True, overwrite_a=True, check_finite=False)
        source = cho_solve(factor, right, check_finite=False)
        misfit = self.power - float(right @ source)
        determinant = 2 * np.log(np.diagonal(factor[0])).sum() + 2 * self.log_light
        prior = len(matrix) * np.log(strength) + self.log_regular
        return factor, source, misfit, float(-0.5 * (misfit + determinant - prior))

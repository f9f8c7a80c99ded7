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
from scipy.sparse import csr_matrix, eye_array, kron

from stronglens.regression.image_fit import ImageData

SMALLEST, LARGEST = 24, 30
"""Pixels along each side of the source."""

MORE = 3
"""Number of equal pixels in pictures, along each side of a mean one, if those of the source are not equal."""

RAYS = 4
"""Rays along each side of a pixel of the image."""

FOLLOWED = 8
"""Pixels of the image with which a peak moves, when the mass changes: those that end nearest to it."""

HALVED = 50
"""Number of bisections of an interval."""

MARGIN = 1.15
"""Size of the field in which rays are followed, relative to the source's: the mass may change."""

BATCH = 256
"""Columns at a time that are made independent."""

STRENGTHS, FLAT = (-7.0, 5.0), 12.0
"""Range of the decimal logarithm of the strength of the prior, in units of the mean information on a pixel, and the
mean diagonal of C^T C where all differences are expected to have the size 1."""


@dataclass(frozen=True)
class SourceGrid:
    """Square field of the source, in pixels that may be smaller around its peaks.

    The brightness is a sum of quadratic B-splines (smooth, so that the evidence is a smooth function of the mass).
    Their places along each axis are even in the mean of asinh(distance from a peak / core).

    Attributes
    ----------
    x, y : float, arcsec
        Its centre.
    pixel : float, arcsec
        Mean size of a pixel.
    side : int
        Pixels along each side.
    peaks : tuple of (float, float), arcsec
        y and x of the places around which pixels are smaller.
    core : float, arcsec
        Distance from a peak from which on their size grows; infinity if all are equal.
    """

    x: float
    y: float
    pixel: float
    side: int
    peaks: tuple[tuple[float, float], ...] = ()
    core: float = np.inf

    def interpolate(self, traced: np.ndarray) -> csr_matrix:
        """Return the mean of the splines over the rays of pixels.

        Parameters
        ----------
        traced : ndarray (P, R, 2), arcsec
            y and x of the ends of R rays of each pixel.

        Returns
        -------
        csr_matrix (side^2, P)
        """
        rays = traced.shape[1]
        y, x = traced.reshape(-1, 2).T
        places = np.stack([self._row(y), self._column(x)], axis=1)
        nearest = np.floor(places + 0.5)
        away = places - nearest
        weights = np.stack([0.5 * (0.5 - away) ** 2, 0.75 - away**2, 0.5 * (0.5 + away) ** 2])  # (3, K, 2)
        row, column = (nearest[:, axis].astype(np.int32) + np.arange(-1, 2, dtype=np.int32)[:, None] for axis in (0, 1))
        row_weight = np.where((row >= 0) & (row < self.side), weights[..., 0], 0)
        column_weight = np.where((column >= 0) & (column < self.side), weights[..., 1], 0)
        share = row_weight[:, None] * column_weight / rays  # (3, 3, K)
        pixel = row[:, None] * self.side + column
        owner = np.broadcast_to(np.arange(share.shape[-1], dtype=np.int32) // rays, share.shape)
        inside = share > 0
        return csr_matrix((share[inside], (pixel[inside], owner[inside])), shape=(self.side**2, len(traced)))

    def covers(self, traced: np.ndarray, margin: float = 1.0) -> np.ndarray:
        """Return whether ends of rays (..., 2) lie in the field, enlarged by a factor."""
        return (np.abs(traced - [self.y, self.x]) < margin * self.half).all(axis=-1)

    def places(self) -> np.ndarray:
        """Return y and x of the centres of pixels (S, 2), arcsec."""
        up, right = self.lines()
        y, x = np.meshgrid(up[::-1], right, indexing="ij")
        return np.stack([y.ravel(), x.ravel()], axis=1)

    @property
    def half(self) -> float:
        """Half of the side of the field, arcsec."""
        return self.side * self.pixel / 2

    @property
    def smallest(self) -> float:
        """Size of the smallest pixel, arcsec."""
        return min(float(np.diff(line).min()) for line in self.lines())

    def regular(self) -> "SourceGrid":
        """Return a grid of the same field with equal pixels, for pictures: more of them if these are not equal."""
        more = 1 if np.isinf(self.core) else MORE
        return SourceGrid(self.x, self.y, self.pixel / more, self.side * more)

    def lines(self, beyond: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return y and x of the centres of pixels along each axis (side,), arcsec, both growing.

        The grid is continued by ``beyond`` pixels at each end.
        """
        line = np.arange(-beyond, self.side + beyond)
        return self._place(line, 0), self._place(line, 1)

    def move(self, peaks: np.ndarray) -> "SourceGrid":
        """Return the grid with peaks (K, 2) at other places, its centre moved by the mean of their displacements."""
        y, x = (peaks - np.array(self.peaks)).mean(axis=0)
        return replace(self, x=self.x + x, y=self.y + y, peaks=tuple(map(tuple, peaks)))

    def _row(self, y):
        return self.side - 1 - self._index(y, 0)

    def _column(self, x):
        return self._index(x, 1)

    def _index(self, place, axis: int):
        """Return the number of the pixel at places along an axis (y, x); whole numbers are the centres of pixels."""
        low, high = self._ends(axis)
        return (self._stretch(place, axis) - low) / (high - low) * self.side - 0.5

    def _ends(self, axis: int) -> np.ndarray:
        return self._stretch((self.y, self.x)[axis] + np.array([-1, 1]) * self.half, axis)

    def _stretch(self, place, axis: int):
        """Return a function of places along an axis in which the centres of pixels are even."""
        if np.isinf(self.core):
            return place
        return sum(np.arcsinh((place - peak[axis]) / self.core) for peak in self.peaks) / len(self.peaks)

    def _place(self, index, axis: int):
        """Return the inverse of `_index`, by bisection."""
        low, high = self._ends(axis)
        wanted = low + (index + 0.5) / self.side * (high - low)
        if np.isinf(self.core):
            return wanted
        places = np.array(self.peaks)[:, axis, None] + self.core * np.sinh(wanted)
        left, right = places.min(axis=0), places.max(axis=0)  # equal if there is one peak
        for _ in range(HALVED):
            middle = (left + right) / 2
            is_left = self._stretch(middle, axis) < wanted
            left, right = np.where(is_left, middle, left), np.where(is_left, right, middle)
        return (left + right) / 2


@dataclass(frozen=True)
class MovingGrid:
    """A grid that moves with the source when the mass changes: its peaks stay where the same pixels of the image end.

    A grid that stays in its place would favour the mass for which its small pixels were chosen.

    Attributes
    ----------
    grid : SourceGrid
        For the mass with which it was chosen.
    weights : ndarray (K, P)
        Of the pixels that may show the source, for each peak; each row sums to 1.
    ends : ndarray (K, 2), arcsec
        Their weighted places, for this mass.
    """

    grid: SourceGrid
    weights: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, grid: SourceGrid, traced: np.ndarray) -> "MovingGrid":
        """Follow a grid with the ends of rays (P, R, 2) of the mass for which it was chosen, arcsec."""
        middle = traced.mean(axis=1)
        distance = np.linalg.norm(middle - np.array(grid.peaks)[:, None], axis=-1)
        reach = np.partition(distance, FOLLOWED, axis=1)[:, FOLLOWED, None]
        weights = np.exp(-0.5 * (distance / reach) ** 2) * (distance <= reach)
        weights /= weights.sum(axis=1, keepdims=True)
        return cls(grid, weights, weights @ middle)

    def at(self, traced: np.ndarray) -> SourceGrid:
        """Return the grid for the ends of rays (P, R, 2), arcsec."""
        return self.grid.move(np.array(self.grid.peaks) + self.weights @ traced.mean(axis=1) - self.ends)

    @property
    def side(self) -> int:
        """Pixels along each side."""
        return self.grid.side


def curvature(side: int, expected: np.ndarray | None = None) -> np.ndarray:
    """Return C^T C of the second differences C along rows and columns of a grid, zero beyond it: (side^2, side^2).

    Parameters
    ----------
    side : int
    expected : ndarray (side, side), optional
        Expected size of the differences in each pixel, larger than 0, by which they are divided. Beyond the grid, it is
        that of the nearest pixel.
    """
    line = np.zeros((side + 2, side))
    for place, weight in enumerate((1.0, -2.0, 1.0)):
        line[np.arange(side) + place, np.arange(side)] = weight
    size = np.pad(np.ones((side, side)) if expected is None else expected, 1, mode="edge")
    down = kron(line, eye_array(side), format="csr").multiply(1 / size[:, 1:-1].reshape(-1, 1))
    across = kron(eye_array(side), line, format="csr").multiply(1 / size[1:-1].reshape(-1, 1))
    return (down.T @ down + across.T @ across).toarray()


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

    def prepare(self, traced: np.ndarray) -> tuple[csr_matrix, np.ndarray, np.ndarray]:
        """Return interpolation (S, P), A^T A (S, S) and A^T d (S,) for the ends of rays (P, R, 2)."""
        spread = self.grid.at(traced).interpolate(traced)
        half = spread @ self.normal
        return spread, spread @ np.ascontiguousarray(half.T), spread @ self.right

    def solve(self, traced: np.ndarray, strength: float) -> SourceSolution:
        """Return the most probable source for the ends of rays (P, R, 2), arcsec."""
        spread, matrix, right = self.prepare(traced)
        factor, source, misfit, log_evidence = self._weigh(matrix, right, strength)
        return SourceSolution(source, log_evidence, misfit, factor, spread, self.grid.at(traced))

    def best_strength(self, traced: np.ndarray) -> tuple[float, float]:
        """Return the strength of the prior with the largest evidence, and the logarithm of this evidence."""
        _, matrix, right = self.prepare(traced)
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

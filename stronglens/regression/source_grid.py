"""The grid of a source of pixels: splines whose places are closer around its peaks, and which move with the mass."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import maximum_filter
from scipy.sparse import csr_matrix, eye_array, kron

SMALLEST, LARGEST = 24, 30
"""Pixels along each side of the source."""

MORE = 3
"""Number of equal pixels in pictures, along each side of a mean one, if those of the source are not equal."""

FOLLOWED = 8
"""Pixels of the image with which a peak moves, when the mass changes: those that end nearest to it."""

HALVED = 50
"""Number of bisections of an interval."""

PEAKS, LOWEST_PEAK, NEAR = 3, 0.3, 2
"""Largest number of peaks of a source, the smallest brightness of a peak relative to the largest one, and the distance
in mean pixels in which it is the only one."""


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


def find_peaks(grid: SourceGrid, coefficients: np.ndarray) -> tuple[tuple[float, float], ...]:
    """Return y and x of the brightest local maxima of a source, arcsec, the brightest one first.

    Parameters
    ----------
    grid : SourceGrid
    coefficients : ndarray (S,)
        Of its splines.
    """
    equal = grid.regular()
    places, apart = equal.places(), NEAR * equal.side // grid.side
    light = (grid.interpolate(places[:, None]).T @ coefficients).reshape(equal.side, equal.side)
    is_peak = (light == maximum_filter(light, 2 * apart + 1)) & (light >= min(LOWEST_PEAK * light.max(), light.max()))
    order = np.argsort(-light[is_peak])[:PEAKS]
    return tuple((float(y), float(x)) for y, x in places[is_peak.ravel()][order])

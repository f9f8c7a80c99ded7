"""Linear fits of the source and the light of the lens together."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import nnls

from stronglens.regression.source_grid import MovingGrid
from stronglens.regression.source_pixels import ArcPixels, PixelEvidence


@dataclass(frozen=True)
class JointSolution:
    """Source and intensities of the lens's light that fit an image best.

    Attributes
    ----------
    arcs : ndarray (P,)
        Light of the source in the pixels that may show it, before the point-spread function.
    intensities : ndarray (T,)
        Not negative, except for the last.
    source : ndarray (S,)
        Its coefficients.
    residual : ndarray (H * W,)
        In units of independent noise.
    roughness : ndarray (S,)
        Its sum of squares is the strength times the curvature of the source.
    """

    arcs: np.ndarray
    intensities: np.ndarray
    source: np.ndarray
    residual: np.ndarray
    roughness: np.ndarray


class JointSolver:
    """Linear fits of source and lens light with one strength of the prior, the best one at the start.

    Parameters
    ----------
    arcs : ArcPixels
    grid : MovingGrid
    prior : ndarray (S, S)
        C^T C (see `curvature`).
    columns : ndarray (T, H * W)
        Images of the lens's light and of the background, in units of independent noise.
    traced : ndarray (P, R, 2), arcsec
    """

    def __init__(self, arcs: ArcPixels, grid: MovingGrid, prior: np.ndarray, columns: np.ndarray, traced: np.ndarray):
        self.arcs, self.grid = arcs, grid
        self.target = arcs.data.whiten(arcs.data.image[None])[0]
        self.right = arcs.project(self.target[None])[:, 0]
        self.regular, self.root = prior, np.linalg.cholesky(prior)
        start = nnls(columns.T, self.target)[0] > 0
        start[-1] = True
        self.strength = PixelEvidence(arcs, grid, columns[start], prior).best_strength(traced)[0]
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
        arcs = spread.T @ source
        residual = self.target - intensities @ columns - self.arcs.respond(arcs)
        return JointSolution(arcs, intensities, source, residual, np.sqrt(self.strength) * (self.root.T @ source))

    def _factor(self, traced: np.ndarray) -> tuple:
        key = traced.tobytes()
        if self._known[0] != key:  # derivatives along the geometry of the light need the same one
            spread = self.grid.at(traced).interpolate(traced)
            half = spread @ self.arcs.normal
            matrix = spread @ np.ascontiguousarray(half.T) + self.strength * self.regular
            self._known = key, (spread, cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False))
        return self._known[1]

"""The forward operator: pixels of a source to pixels of its lensed image, and the exact adjoint.

An image is y = M P R S s. S interpolates the source s bilinearly where rays end (zero outside its field), R is the mean
over the rays of a pixel, P the point-spread function and M the mask. All but S are linear maps of an image; S is a
gather, its adjoint a sum over segments: dense matrices were several times slower.

Everything is written in ``keras.ops``: it runs in a network, under TensorFlow and JAX, and can be differentiated.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from stronglens.training import keras

ops = keras.ops

RAYS = 2
"""Rays along each side of a pixel."""

CORE = 1e-6
"""Softening of the singular isothermal ellipsoid at its centre [arcsec]."""

FLATTEST, ROUNDEST = 0.05, 1 - 1e-5
"""Smallest and largest axis ratio: a lens model with errors may have none above 0, and the deflection of an ellipsoid
divides by sqrt(1 - q^2)."""

CORNERS = (0, 0), (0, 1), (1, 0), (1, 1)
"""Row and column of the four source pixels around a ray, from the one at the top left."""


def pixel_rays(side: int, pixel_scale: float, rays: int = RAYS) -> np.ndarray:
    """Return where the rays of an image start, pixel by pixel from the top left.

    Parameters
    ----------
    side : int, pixels
    pixel_scale : float, arcsec
    rays : int, along each side of a pixel

    Returns
    -------
    ndarray (side * side * rays * rays, 2) float32 of (x, y), arcsec
    """
    centres = (np.arange(side) - (side - 1) / 2) * pixel_scale
    offsets = ((np.arange(rays) + 0.5) / rays - 0.5) * pixel_scale
    y, x, dy, dx = np.meshgrid(-centres, centres, offsets, offsets, indexing="ij")
    return np.stack([(x + dx).ravel(), (y + dy).ravel()], axis=-1).astype(np.float32)


def trace_rays(lens: Any, rays: Any) -> Any:
    """Return where rays end in the source plane, behind an isothermal ellipsoid with external shear.

    The deflection is that of Kormann, Schneider & Bartelmann 1994, A&A 284, 285, with the Einstein radius of the
    intermediate axis: kappa = theta_E / (2 sqrt(q x^2 + y^2 / q)) on the axes of the lens.

    Parameters
    ----------
    lens : tensor (B, 7), ``LENS_COLUMNS``: arcsec, and ellipticity (1 - q) / (1 + q) (cos 2 phi, sin 2 phi)
    rays : tensor (R, 2) of (x, y), arcsec

    Returns
    -------
    tensor (B, R, 2) of (x, y), arcsec
    """
    radius, x_0, y_0, e_x, e_y, shear_1, shear_2 = (lens[:, column : column + 1] for column in range(7))
    x, y = rays[None, :, 0] - x_0, rays[None, :, 1] - y_0
    ellipticity = ops.sqrt(e_x * e_x + e_y * e_y + 1e-12)
    q = ops.clip((1 - ellipticity) / (1 + ellipticity), FLATTEST, ROUNDEST)
    angle = ops.arctan2(e_y, e_x) / 2
    cosine, sine = ops.cos(angle), ops.sin(angle)
    along, across = cosine * x + sine * y, cosine * y - sine * x
    eccentricity = ops.sqrt(1 - q * q)
    psi = ops.sqrt(q * q * along * along + across * across + CORE * CORE)
    factor = radius * ops.sqrt(q) / eccentricity
    on_major = factor * ops.arctan(eccentricity * along / psi)
    # arctanh(e y / psi) = arcsinh(e y / (q r)): the argument of arctanh nears 1 for a flat lens, and loses digits.
    distance = ops.sqrt(along * along + across * across + CORE * CORE / (q * q))
    on_minor = factor * ops.arcsinh(eccentricity * across / (q * distance))
    deflection_x = cosine * on_major - sine * on_minor + shear_1 * rays[None, :, 0] + shear_2 * rays[None, :, 1]
    deflection_y = sine * on_major + cosine * on_minor + shear_2 * rays[None, :, 0] - shear_1 * rays[None, :, 1]
    return ops.stack([rays[None, :, 0] - deflection_x, rays[None, :, 1] - deflection_y], axis=-1)


def gaussian_blur(side: int, pixel_scale: float, fwhm: Any) -> Any:
    """Return Gaussian point-spread functions as the two matrices of `Operator`; the identity where the width is 0.

    Parameters
    ----------
    side : int, pixels
    pixel_scale : float, arcsec
    fwhm : tensor (B,), arcsec

    Returns
    -------
    tensor (B, 1, side, side), the same for rows and columns
    """
    sigma = ops.maximum(fwhm, 1e-3 * pixel_scale) / (np.sqrt(8 * np.log(2)) * pixel_scale)
    away = np.arange(side)[:, None] - np.arange(side)[None, :]
    weights = ops.exp(-0.5 * (away[None] / sigma[:, None, None]) ** 2)
    # Normalised by the sum of the infinite row, so that light may leave the image.
    reach = np.arange(-side, side + 1)
    total = ops.sum(ops.exp(-0.5 * (reach[None] / sigma[:, None]) ** 2), axis=1)
    return ops.expand_dims(weights / total[:, None, None], 1)


def separate_psf(kernel: np.ndarray, side: int, tolerance: float = 1e-4) -> tuple[np.ndarray, np.ndarray]:
    """Return a measured point-spread function as a sum of separable ones, in matrices that blur an image.

    Parameters
    ----------
    kernel : ndarray (K, K), odd, in the pixels of the image
    side : int, pixels of the image
    tolerance : float, the largest part of the kernel's norm that may be left out

    Returns
    -------
    rows, columns : ndarrays (1, T, side, side) float32: the blurred image is sum_t rows[t] y columns[t]^T
    """
    left, values, right = np.linalg.svd(np.asarray(kernel, float))
    rest = np.sqrt(np.cumsum(values[::-1] ** 2))[::-1] / np.linalg.norm(values)
    terms = max(1, int(np.count_nonzero(rest > tolerance)))
    away = np.arange(side)[:, None] - np.arange(side)[None, :] + len(kernel) // 2
    is_inside = (away >= 0) & (away < len(kernel))
    away = np.where(is_inside, away, 0)

    def matrices(vectors):
        return np.where(is_inside, vectors[:, away], 0.0).astype(np.float32)[None]

    return matrices((left[:, :terms] * values[:terms]).T), matrices(right[:terms])


@dataclass(frozen=True, eq=False)
class Operator:
    """The forward operator of B images.

    Attributes
    ----------
    traced : tensor (B, H * H * rays^2, 2) of (x, y), arcsec, as `trace_rays` returns it
    source_side : int, pixels of the source
    source_field : float, arcsec, side of the source's field about the origin
    rows, columns : tensors (B or 1, T, H, H), the point-spread function (see `separate_psf`)
    mask : tensor (B, H, H), 1 where a pixel counts and 0 where it is masked
    """

    traced: Any
    source_side: int
    source_field: float
    rows: Any
    columns: Any
    mask: Any

    def __post_init__(self):
        # In pixels of a source with a border of zeros, to which rays are moved that end outside the source.
        padded, scale = self.source_side + 2, self.source_field / self.source_side
        column = self.traced[..., 0] / scale + (padded - 1) / 2
        row = (padded - 1) / 2 - self.traced[..., 1] / scale
        column, row = (ops.clip(place, 0.0, padded - 1.0) for place in (column, row))
        left, top = ops.floor(column), ops.floor(row)
        across, down = column - left, row - top
        batch = ops.arange(ops.shape(column)[0], dtype="int32")[:, None] * (padded * padded)
        indices = batch + ops.cast(top, "int32") * padded + ops.cast(left, "int32")
        weights = ops.stack(
            [(1 - across) * (1 - down), across * (1 - down), (1 - across) * down, across * down], axis=-1
        )
        object.__setattr__(self, "_indices", ops.reshape(indices, (-1,)))
        object.__setattr__(self, "_weights", ops.reshape(weights, (-1, 4)) / (RAYS * RAYS))

    @property
    def side(self) -> int:
        """Pixels along each side of an image."""
        return self.mask.shape[-1]

    def forward(self, source: Any) -> Any:
        """Return the image of a source: (B, S, S) -> (B, H, H)."""
        # The four neighbours of each ray are one row of a table: one gather per ray.
        bordered = ops.pad(source, [[0, 0], [1, 2], [1, 2]])
        corners = [bordered[:, y : y + self.source_side + 2, x : x + self.source_side + 2] for y, x in CORNERS]
        table = ops.reshape(ops.stack(corners, axis=-1), (-1, 4))
        rays = ops.sum(self._weights * ops.take(table, self._indices, axis=0), axis=-1)
        image = ops.sum(ops.reshape(rays, (-1, self.side, self.side, RAYS * RAYS)), axis=-1)
        return self.mask * self._blur(image)

    def adjoint(self, image: Any) -> Any:
        """Return the transpose of `forward` applied to an image: (B, H, H) -> (B, S, S)."""
        spread = self._blur(self.mask * image, is_transposed=True)
        rays = ops.repeat(ops.reshape(spread, (-1, 1)), RAYS * RAYS, axis=0)
        padded = self.source_side + 2
        table = ops.segment_sum(self._weights * rays, self._indices, num_segments=ops.shape(image)[0] * padded**2)
        table = ops.pad(ops.reshape(table, (-1, padded, padded, 4)), [[0, 0], [1, 0], [1, 0], [0, 0]])
        inner = self.source_side
        return sum(table[:, 2 - y : 2 - y + inner, 2 - x : 2 - x + inner, at] for at, (y, x) in enumerate(CORNERS))

    def largest_weight(self, weight: Any) -> Any:
        """Return a bound on the eigenvalues of A^T W A, its largest sum of a row: A has no negative entries.

        Parameters
        ----------
        weight : tensor (B, H, H) or (B, 1, 1)

        Returns
        -------
        tensor (B, 1, 1)
        """
        ones = ops.ones((ops.shape(weight)[0], self.source_side, self.source_side))
        return ops.max(self.adjoint(weight * self.forward(ones)), axis=(1, 2), keepdims=True)

    def _blur(self, image: Any, is_transposed: bool = False) -> Any:
        rows, columns = self.rows, self.columns
        if is_transposed:
            rows, columns = ops.swapaxes(rows, -1, -2), ops.swapaxes(columns, -1, -2)
        # The matrices are on the left: with one on the right for all images, TensorFlow 2.21.0 writes beyond the result
        # on CPUs with AVX-512 (its issue 117700).
        across = ops.swapaxes(ops.matmul(rows, image[:, None]), -1, -2)
        return ops.swapaxes(ops.sum(ops.matmul(columns, across), axis=1), -1, -2)

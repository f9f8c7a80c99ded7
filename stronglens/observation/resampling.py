"""Cut a network's field out of an image, and resample it to the network's pixels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stronglens.observation.reading import Observation
from stronglens.parameters import RunError

EDGE_TOLERANCE = 0.02
"""Pixels of the network by which a field may extend beyond the image: pixel scales in headers are rounded."""


@dataclass(frozen=True)
class Cut:
    """Linear map from pixels of the file to pixels of the field: ``field = rows @ image[window] @ columns.T``.

    Attributes
    ----------
    window : (slice, slice)
    rows, columns : ndarray or None
        Overlaps, (H, pixels) and (W, pixels); None: pixels are taken as they are.
    """

    window: tuple[slice, slice]
    rows: NDArray[np.float64] | None
    columns: NDArray[np.float64] | None

    def add(self, image: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sums of the window's pixels."""
        return image if self.rows is None else self.rows @ image @ self.columns.T

    def add_variance(self, variance: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the variances of those sums for independent pixels: Var(sum w x) = sum w^2 Var(x)."""
        return variance if self.rows is None else self.rows**2 @ variance @ (self.columns**2).T


def cut_field(
    observation: Observation,
    shape: tuple[int, int],
    pixel_scale: float,
    centre: tuple[float, float],
    notes: list[str],
) -> tuple[Cut, tuple[float, float]]:
    """Return how a field is cut out, and where its centre then lies.

    Parameters
    ----------
    observation : Observation
    shape : (int, int), pixels
        Height and width of the field.
    pixel_scale : float, arcsec
    centre : (float, float), arcsec
        (y, x) of the field's centre from that of the observation, y up.
    notes : list of str
        Decisions are added.

    Raises
    ------
    RunError
        If the image does not cover the field.
    """
    there = observation.image.shape
    ratio = pixel_scale / observation.pixel_scale
    needed = [count * ratio for count in shape]
    middle = middle_of(observation, centre)
    slack = EDGE_TOLERANCE * ratio
    for length, side, at in zip(needed, there, middle, strict=True):
        if at - length / 2 < -slack or at + length / 2 > side + slack:
            raise RunError(
                f"{observation.name}: the field is too small: "
                f"{_compare_fields(observation, shape, pixel_scale, centre)}"
            )
    if abs(ratio - 1) * max(shape) < 0.1:  # the far edges agree within a tenth of a pixel
        rows, columns = (
            min(max(int(np.ceil(at - count / 2 - 0.5 - 1e-6)), 0), max(side - count, 0))
            for at, count, side in zip(middle, shape, there, strict=True)
        )
        shift_x = (columns + shape[1] / 2 - middle[1]) * observation.pixel_scale
        shift_y = (middle[0] - rows - shape[0] / 2) * observation.pixel_scale
        if max(abs(shift_x), abs(shift_y)) > 0.02 * pixel_scale:
            notes.append(
                f"cut at whole pixels: the field's centre lies {shift_x:+.3f} arcsec in x and {shift_y:+.3f} in y "
                f"from that of the {'image' if centre == (0.0, 0.0) else 'chosen field'}"
            )
        window = slice(rows, rows + shape[0]), slice(columns, columns + shape[1])
        return Cut(window, None, None), (centre[0] + shift_y, centre[1] + shift_x)
    notes.append(f"resampled from {observation.pixel_scale:.4g} to {pixel_scale:.4g} arcsec per pixel, flux conserved")
    if ratio < 0.99:
        notes.append("its pixels are coarser than those of the training images, whose details it cannot show")
    return resample(there, shape, ratio, middle), centre


def resample(there: tuple[int, int], shape: tuple[int, int], ratio: float, middle: tuple[float, float]) -> Cut:
    """Return the cut of a field with another pixel scale.

    Parameters
    ----------
    there, shape : (int, int)
        Height and width of the image and of the field, each in its own pixels.
    ratio : float
        Pixel scale of the field over that of the image.
    middle : (float, float)
        Row and column of the field's middle, as from `middle_of`.
    """
    (first_row, rows), (first_column, columns) = (
        _overlap(side, count, ratio, at) for side, count, at in zip(there, shape, middle, strict=True)
    )
    window = slice(first_row, first_row + rows.shape[1]), slice(first_column, first_column + columns.shape[1])
    return Cut(window, rows, columns)


def middle_of(observation: Observation, centre: tuple[float, float]) -> tuple[float, float]:
    """Return row and column of a field's middle, in pixels of the file from the outer corner of its first pixel.

    Parameters
    ----------
    observation : Observation
    centre : (float, float), arcsec
        (y, x) of the field's centre from that of the observation, y up.
    """
    height, width = observation.image.shape
    return height / 2 - centre[0] / observation.pixel_scale, width / 2 + centre[1] / observation.pixel_scale


def _overlap(there: int, wanted: int, ratio: float, middle: float) -> tuple[int, NDArray[np.float64]]:
    """Return the first overlapping pixel and the (wanted, overlapping) lengths of overlap, in pixels of the image."""
    edges = np.clip(middle + (np.arange(wanted + 1) - wanted / 2) * ratio, 0, there)
    first, last = int(np.floor(edges[0])), max(int(np.ceil(edges[-1])), int(np.floor(edges[0])) + 1)
    last = min(last, there)
    left = np.arange(first, last)
    weights = np.minimum(edges[1:, None], left + 1) - np.maximum(edges[:-1, None], left)
    return first, np.clip(weights, 0, None)


def _compare_fields(
    observation: Observation, shape: tuple[int, int], pixel_scale: float, centre: tuple[float, float]
) -> str:
    height, width = (count * observation.pixel_scale for count in observation.image.shape)
    text = (
        f"it has {width:.4g} x {height:.4g} arcsec ({observation.image.shape[1]} x {observation.image.shape[0]} pixels "
        f"of {observation.pixel_scale:.4g}), "
        f"the network needs {shape[1] * pixel_scale:.4g} x {shape[0] * pixel_scale:.4g}"
    )
    return text if centre == (0.0, 0.0) else f"{text} about (x, y) = ({centre[1]:g}, {centre[0]:g})"

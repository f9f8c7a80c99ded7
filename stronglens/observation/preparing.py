"""An observation -> the pixels, field and zero point of a network's images."""

import numpy as np
from numpy.typing import NDArray

from stronglens.observation.reading import Observation, check_array
from stronglens.parameters import RunError


def prepare(
    observation: Observation,
    *,
    shape: tuple[int, int],
    pixel_scale: float,
    zero_point: float | None,
    centre: tuple[float, float] = (0.0, 0.0),
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Bring an observation to the zero point, pixel scale and field of a network's images.

    A pixel of the result holds the flux of the observation that falls inside it, each of the
    observation's pixels being uniform over its area: ``image_out = W_y @ image @ W_x.T`` with
    the lengths of overlap in ``W``, whose columns sum to one inside the field, so that flux is
    conserved exactly ("drizzle" with full drops, Fruchter & Hook 2002). Where the pixel scales
    agree, whole pixels are cut out, for nothing is gained by blurring them.

    Parameters
    ----------
    observation : Observation
    shape : (int, int), pixels
        Height and width of the network's images.
    pixel_scale : float, arcsec
        Pixel scale of the network's images.
    zero_point : float or None, AB mag
        Zero point of the network's images.
    centre : (float, float), arcsec
        (y, x) of the centre of the field, from the centre of the observation, y up.

    Returns
    -------
    image : ndarray (H, W) float32, e-/s
    notes : tuple of str

    Raises
    ------
    RunError
        If the image has not two dimensions, is not numeric, empty or constant, has no pixel
        scale, does not cover the field, or holds NaN or infinity inside it.
    """
    name, notes = observation.name, []
    image = np.asarray(observation.image)
    check_array(image.shape, image.dtype, name)
    if observation.pixel_scale is None:
        raise RunError(f"{name}: its pixel scale is not known; give --pixel-scale in arcsec")
    ratio = pixel_scale / observation.pixel_scale
    need = [count * ratio for count in shape]
    middle = (
        image.shape[0] / 2 - centre[0] / observation.pixel_scale,
        image.shape[1] / 2 + centre[1] / observation.pixel_scale,
    )
    slack = 0.02 * ratio  # a pixel scale in a header is rounded
    for length, there, centre_at in zip(need, image.shape, middle, strict=True):
        if centre_at - length / 2 < -slack or centre_at + length / 2 > there + slack:
            raise RunError(
                f"{name}: the field is too small: {_compare_fields(observation, shape, pixel_scale, centre)}"
            )

    if abs(ratio - 1) * max(shape) < 0.1:  # the far edges agree within a tenth of a pixel
        rows, columns = (
            min(max(int(np.ceil(at - count / 2 - 0.5 - 1e-6)), 0), max(there - count, 0))
            for at, count, there in zip(middle, shape, image.shape, strict=True)
        )
        field = image[rows : rows + shape[0], columns : columns + shape[1]]
        weights = None
        shift_x = (columns + shape[1] / 2 - middle[1]) * observation.pixel_scale
        shift_y = (middle[0] - rows - shape[0] / 2) * observation.pixel_scale
        if max(abs(shift_x), abs(shift_y)) > 0.02 * pixel_scale:
            notes.append(
                f"cut at whole pixels: the field's centre lies {shift_x:+.3f} arcsec in x and {shift_y:+.3f} in y "
                f"from that of the {'image' if centre == (0.0, 0.0) else 'chosen field'}"
            )
    else:
        first_row, row_weights = _overlap(image.shape[0], shape[0], ratio, middle[0])
        first_column, column_weights = _overlap(image.shape[1], shape[1], ratio, middle[1])
        field = image[first_row : first_row + row_weights.shape[1], first_column:][:, : column_weights.shape[1]]
        weights = (row_weights, column_weights)
        notes.append(
            f"resampled from {observation.pixel_scale:.4g} to {pixel_scale:.4g} arcsec a pixel, flux conserved"
        )
        if ratio < 0.99:
            notes.append("its pixels are coarser than the network's: detail that the network was trained on is missing")

    field = field.astype(np.float64)
    wrong = int(field.size - np.count_nonzero(np.isfinite(field)))
    if wrong:
        raise RunError(
            f"{name}: {wrong} of {field.size} pixels inside the field are NaN or infinite; fill them, or cut elsewhere"
        )
    if np.ptp(field) == 0:
        raise RunError(f"{name}: every pixel inside the field has the value {field.flat[0]:.6g}: there is no image")
    with np.errstate(all="ignore"):
        if weights is not None:
            field = weights[0] @ field @ weights[1].T
        if zero_point is not None and observation.zero_point is not None:
            factor = 10 ** (0.4 * (zero_point - observation.zero_point))
            if abs(factor - 1) > 1e-6:
                notes.append(
                    f"multiplied by {factor:.4g}, from zero point {observation.zero_point:.2f} to {zero_point:.2f}"
                )
                field = field * factor
        elif observation.zero_point is None:
            notes.append("zero point unknown: its e-/s are taken as those of the telescope in the training images")
        field = field.astype(np.float32)
    if not np.isfinite(field).all() or np.ptp(field) == 0:
        raise RunError(f"{name}: its values do not fit single precision; look at its unit and zero point")
    return field, tuple(notes)


def _overlap(there: int, wanted: int, ratio: float, middle: float) -> tuple[int, NDArray[np.float64]]:
    """Return the first pixel touched and the (wanted, touched) matrix of overlaps, in pixels of the input."""
    edges = np.clip(middle + (np.arange(wanted + 1) - wanted / 2) * ratio, 0, there)
    first, last = int(np.floor(edges[0])), max(int(np.ceil(edges[-1])), int(np.floor(edges[0])) + 1)
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

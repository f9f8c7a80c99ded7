"""An observation -> the pixels, field and zero point of a network's images."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stronglens.observation.filling import fill_hidden
from stronglens.observation.level import fit_background
from stronglens.observation.noise import FAINTEST, Background, measure_background
from stronglens.observation.reading import Observation, check_array
from stronglens.parameters import RunError

FILLED = "filled with the lens's profile, what is around, and noise"
MOST_BAD = 0.05
"""Share of the field's pixels that may be bad and are filled: two rows of a detector in 64 are 3 %."""
MOST_MASKED = 0.5
"""Share of the field's pixels that may be masked: more is a mask of what to keep, or leaves no lens to measure."""
CONTEXT = 24
"""Pixels of the file about the field that help to fill the field's hidden ones."""
NOISE_FIELD = 2
"""The noise of the background is measured on as many fields' width about the lens, where the file has them."""
TOO_SMALL = "this file is too small, or too full of light, to measure its noise"
TIMES_OFF = 3.0
"""A noise map that differs from the scatter of the pixels by more than this factor is not what it should be.

Resampling smooths pixels, and some maps have a floor: those of four real lenses were 1.0 to 1.9 times the scatter."""


@dataclass(frozen=True)
class Prepared:
    """What a network is shown of an observation.

    Attributes
    ----------
    image : ndarray (H, W) float32, e-/s
        Row 0 at the top.
    noise : ndarray (H, W) float32, e-/s
        Standard deviation of each pixel, positive: of the noise map, or an estimate from the image.
    mask : ndarray (H, W) bool
        True where the image was filled, at least in part.
    background_noise : float, e-/s
        Standard deviation of the background's pixels: of the noise map, or as the image itself shows it. 0 where there
        is no noise, NaN where the image is too small or too full of light to measure it.
    background_level : float, e-/s
        Level of a pixel far from the lens, as fitted to the field's outskirts (see `level.fit_background`).
    centre : (float, float), arcsec
        (y, x) of the field's centre from that of the observation, y up.
    notes : tuple of str
        What was decided, one sentence each.
    """

    image: NDArray[np.float32]
    noise: NDArray[np.float32]
    mask: NDArray[np.bool_]
    background_noise: float
    background_level: float
    centre: tuple[float, float]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Cut:
    """How pixels of the file make pixels of the field: ``field = rows @ image[window] @ columns.T``."""

    window: tuple[slice, slice]
    rows: NDArray[np.float64] | None  # None: the pixels as they are
    columns: NDArray[np.float64] | None

    def add(self, image: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return sums of the pixels of an image, which is that of the window."""
        return image if self.rows is None else self.rows @ image @ self.columns.T

    def add_variance(self, variance: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the variances of those sums, the pixels being independent: Var(sum w x) = sum w^2 Var(x)."""
        return variance if self.rows is None else self.rows**2 @ variance @ (self.columns**2).T


def prepare(
    observation: Observation,
    *,
    shape: tuple[int, int],
    pixel_scale: float,
    zero_point: float | None,
    centre: tuple[float, float] = (0.0, 0.0),
    bad_pixels: str = "fill",
    subtract_background: bool = False,
) -> Prepared:
    """Bring an observation to the zero point, pixel scale and field of a network's images.

    Masked and bad pixels are filled first, in the pixels of the file (see `filling.fill_hidden`).

    A pixel of the result holds the flux of the observation that falls inside it, each of the
    observation's pixels being uniform over its area: ``image_out = W_y @ image @ W_x.T`` with
    the lengths of overlap in ``W``, whose columns sum to one inside the field, so that flux is
    conserved exactly ("drizzle" with full drops, Fruchter & Hook 2002). Where the pixel scales
    agree, whole pixels are cut out, for nothing is gained by blurring them.

    The noise is that of the noise map, variances being added with the squares of those weights;
    without one that of the background, measured on the image, to which the variance of the
    photons, ``max(image, 0) / electrons``, is added where the number of electrons is known.

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
    bad_pixels : {"fill", "refuse"}
        Whether pixels inside the field that are NaN or infinite, or of absurd noise, are filled.
    subtract_background : bool
        Whether the constant level of the outskirts is subtracted (see `level.fit_background`).

    Returns
    -------
    Prepared

    Raises
    ------
    RunError
        If the image has not two dimensions, is not numeric, empty or constant, has no pixel
        scale, does not cover the field, or has too many pixels inside it that are bad or masked.
    """
    name, notes = observation.name, []
    image = np.asarray(observation.image)
    check_array(image.shape, image.dtype, name)
    if observation.pixel_scale is None:
        raise RunError(f"{name}: its pixel scale is not known; give --pixel-scale in arcsec")
    cut, centre_cut = _cut(observation, shape, pixel_scale, centre, notes)
    if subtract_background:
        half = max(shape) * pixel_scale / observation.pixel_scale / 2
        known = np.where(observation.hidden, np.nan, image)
        level = fit_background(known, _middle(observation, centre), half)
        if np.isnan(level):
            raise RunError(f"{name}: its outskirts are hidden: no background can be fitted; give --background=VALUE")
        image = image - level
        observation = replace(observation, image=image)
        notes.append(f"a background of {level:.4g} counts/s in a pixel of the file subtracted, fitted to the outskirts")
    inside = image[cut.window].astype(np.float64)
    _check_hidden(observation, cut, bad_pixels, notes)
    known = inside[~observation.hidden[cut.window]]
    if np.ptp(known) == 0:
        raise RunError(f"{name}: every pixel inside the field has the value {known[0]:.6g}: there is no image")
    filled = _fill(observation, cut, centre)

    factor, says = _factor(observation, zero_point)
    notes += says
    with np.errstate(all="ignore"):
        field = (cut.add(filled) * factor).astype(np.float32)
    if not np.isfinite(field).all() or np.ptp(field) == 0:
        raise RunError(f"{name}: its values do not fit single precision; look at its unit and zero point")
    mask = cut.add(observation.hidden[cut.window].astype(float)) > 1e-6
    background = _measure_background(observation, cut, shape, pixel_scale, centre)
    noise, scatter = _find_noise(observation, cut, field, factor, background, notes)
    level = fit_background(field.astype(np.float64))
    return Prepared(field, noise, mask, scatter, level, centre_cut, tuple(notes))


def _cut(
    observation: Observation,
    shape: tuple[int, int],
    pixel_scale: float,
    centre: tuple[float, float],
    notes: list[str],
) -> tuple[_Cut, tuple[float, float]]:
    """Return how the field is cut out, and where its centre comes to lie."""
    there = observation.image.shape
    ratio = pixel_scale / observation.pixel_scale
    need = [count * ratio for count in shape]
    middle = _middle(observation, centre)
    slack = 0.02 * ratio  # a pixel scale in a header is rounded
    for length, side, centre_at in zip(need, there, middle, strict=True):
        if centre_at - length / 2 < -slack or centre_at + length / 2 > side + slack:
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
        return _Cut(window, None, None), (centre[0] + shift_y, centre[1] + shift_x)
    notes.append(f"resampled from {observation.pixel_scale:.4g} to {pixel_scale:.4g} arcsec a pixel, flux conserved")
    if ratio < 0.99:
        notes.append("its pixels are coarser than the network's: detail that the network was trained on is missing")
    return _resample(there, shape, ratio, middle), centre


def _resample(there: tuple[int, int], shape: tuple[int, int], ratio: float, middle: tuple[float, float]) -> _Cut:
    (first_row, rows), (first_column, columns) = (
        _overlap(side, count, ratio, at) for side, count, at in zip(there, shape, middle, strict=True)
    )
    window = slice(first_row, first_row + rows.shape[1]), slice(first_column, first_column + columns.shape[1])
    return _Cut(window, rows, columns)


def _overlap(there: int, wanted: int, ratio: float, middle: float) -> tuple[int, NDArray[np.float64]]:
    """Return the first pixel touched and the (wanted, touched) matrix of overlaps, in pixels of the input."""
    edges = np.clip(middle + (np.arange(wanted + 1) - wanted / 2) * ratio, 0, there)
    first, last = int(np.floor(edges[0])), max(int(np.ceil(edges[-1])), int(np.floor(edges[0])) + 1)
    last = min(last, there)
    left = np.arange(first, last)
    weights = np.minimum(edges[1:, None], left + 1) - np.maximum(edges[:-1, None], left)
    return first, np.clip(weights, 0, None)


def _check_hidden(observation: Observation, cut: _Cut, bad_pixels: str, notes: list[str]) -> None:
    """Say how many pixels inside the field are filled, and refuse too many."""
    bad = observation.bad[cut.window]
    number, name = np.count_nonzero(bad), observation.name
    if number and (bad_pixels == "refuse" or number > MOST_BAD * bad.size):
        few = number <= MOST_BAD * bad.size
        how = "--bad-pixels=fill fills them" if few else f"at most {MOST_BAD:.0%} are filled; cut elsewhere"
        raise RunError(f"{name}: {_count(number, bad.size)} {_why_bad(observation, cut)}; {how}")
    if number:
        notes.append(f"{_count(number, bad.size)} {_why_bad(observation, cut)}: {FILLED}")
    if observation.mask is None:
        return
    masked = observation.mask[cut.window]
    number = np.count_nonzero(masked)
    if number > MOST_MASKED * masked.size:
        raise RunError(
            f"{name}: its mask hides {number / masked.size:.0%} of the field; masked is what is not zero (True): is it "
            "the other way round?"
        )
    if not number:
        notes.append("its mask hides nothing inside the field")
        return
    notes.append(f"{_count(number, masked.size)} masked: {FILLED}")
    if masked[masked.shape[0] // 2, masked.shape[1] // 2]:
        notes.append("its mask hides the middle of the field, where the lens should be")


def _why_bad(observation: Observation, cut: _Cut) -> str:
    bad, finite = observation.bad[cut.window], np.isfinite(observation.image[cut.window])
    reasons = {"NaN or infinite": ~finite, "of a noise that says they are bad": bad & finite}
    return " or ".join(reason for reason, where in reasons.items() if where.any())


def _count(number: int, size: int) -> str:
    return f"{number} of {size} pixels inside the field {'are' if number > 1 else 'is'}"


def _middle(observation: Observation, centre: tuple[float, float]) -> tuple[float, float]:
    """Return the row and column of a field's middle in the file, in pixels from its first pixel's outer corner."""
    height, width = observation.image.shape
    return height / 2 - centre[0] / observation.pixel_scale, width / 2 + centre[1] / observation.pixel_scale


def _fill(observation: Observation, cut: _Cut, centre: tuple[float, float]) -> NDArray[np.float64]:
    """Return the window's pixels without those that are masked or bad; what lies about the window helps."""
    window = observation.image[cut.window].astype(np.float64)
    if not observation.hidden[cut.window].any():
        return window
    wide = tuple(
        slice(max(part.start - CONTEXT, 0), min(part.stop + CONTEXT, side))
        for part, side in zip(cut.window, observation.image.shape, strict=True)
    )
    # Of the first pixel's centre, where a middle is that of its outer corner.
    place = [at - 0.5 - part.start for at, part in zip(_middle(observation, centre), wide, strict=True)]
    filled = fill_hidden(observation.image[wide].astype(np.float64), observation.hidden[wide], place)
    inner = tuple(
        slice(part.start - outer.start, part.stop - outer.start) for part, outer in zip(cut.window, wide, strict=True)
    )
    return filled[inner]


def _factor(observation: Observation, zero_point: float | None) -> tuple[float, list[str]]:
    """Return what to multiply counts with, and what to say of it."""
    if observation.zero_point is None:
        return 1.0, ["zero point unknown: its e-/s are taken as those of the telescope in the training images"]
    if zero_point is None:
        return 1.0, []
    factor = 10 ** (0.4 * (zero_point - observation.zero_point))
    if abs(factor - 1) <= 1e-6:
        return 1.0, []
    return factor, [f"multiplied by {factor:.4g}, from zero point {observation.zero_point:.2f} to {zero_point:.2f}"]


def _measure_background(
    observation: Observation, cut: _Cut, shape: tuple[int, int], pixel_scale: float, centre: tuple[float, float]
) -> Background:
    """Measure the background in pixels like the field's, of counts per second, in and about the field."""
    image = np.where(observation.hidden, np.nan, observation.image)
    ratio = 1.0 if cut.rows is None else pixel_scale / observation.pixel_scale
    middle = _middle(observation, centre)
    # As many fields as the file has on both sides.
    room = [
        min(NOISE_FIELD * count, max(count, int(2 * min(at, side - at) / ratio)))
        for count, side, at in zip(shape, image.shape, middle, strict=True)
    ]
    if cut.rows is None:
        rows, columns = (
            slice(max(int(at - count / 2), 0), int(at + count / 2)) for at, count in zip(middle, room, strict=True)
        )
        return measure_background(image[rows, columns])
    wide = _resample(image.shape, tuple(room), ratio, middle)
    known = np.isfinite(image[wide.window])
    # A pixel that any hidden one falls into is unknown: 0 times NaN is NaN too, hence two sums.
    resampled = wide.add(np.where(known, image[wide.window], 0.0))
    resampled[wide.add((~known).astype(float)) > 1e-6] = np.nan
    return measure_background(resampled)


def _find_noise(
    observation: Observation,
    cut: _Cut,
    field: NDArray[np.float32],
    factor: float,
    background: Background,
    notes: list[str],
) -> tuple[NDArray[np.float32], float]:
    """Return the noise (H, W) of the field's pixels and that of its background; note where it comes from."""
    scatter, is_reliable = background.noise * factor, background.is_reliable
    typical = scatter if is_reliable else np.nan
    faintest = 1e-6 * float(np.abs(field).max())  # no pixel is worth more than single precision
    if observation.noise is not None:
        noise, bad = observation.noise[cut.window], observation.bad[cut.window]
        if bad.all():
            raise RunError(f"{observation.name}: its noise map has no usable value inside the field")
        noise = np.where(bad, np.median(noise[~bad]), noise)
        noise = factor * np.sqrt(cut.add_variance(noise**2))
        typical = float(np.percentile(noise, 100 * FAINTEST / 2))  # the middle of the faintest, as measured
        notes.append(f"noise of its noise map, {typical:.3g} e-/s in the background")
        if is_reliable and scatter > 0 and not 1 / TIMES_OFF < typical / scatter < TIMES_OFF:
            notes.append(
                f"its noise map is {typical / scatter:.2g} times the scatter of its pixels: it should be a standard "
                "deviation, neither a variance nor a weight, in the unit of the image"
            )
    elif scatter == 0:
        noise = np.zeros(field.shape)
        notes.append("no noise can be seen in it, and no noise map was given" if is_reliable else TOO_SMALL)
    else:
        photons = 0.0
        if observation.electrons:
            photons = np.maximum(field, 0) * factor / observation.electrons
        noise = np.sqrt(scatter**2 + photons) * np.ones(field.shape)
        more = (
            f"and that of its photons ({observation.electrons:g} e- for one count/s)"
            if observation.electrons
            else "the same everywhere: what bright pixels have more needs --noise-map, or --unit and --exposure-time"
        )
        how = "noise estimated from the image:" if is_reliable else f"{TOO_SMALL}: at most"
        notes.append(f"{how} {scatter:.3g} e-/s in the background, {more}")
    return np.maximum(noise, max(faintest, np.finfo(np.float32).tiny)).astype(np.float32), float(typical)


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

"""Convert an observation to the pixels, the field and the zero point of a network's images."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stronglens.observation.filling import fill_hidden
from stronglens.observation.level import fit_background
from stronglens.observation.noise import FAINTEST, Background, measure_background
from stronglens.observation.reading import Observation
from stronglens.observation.resampling import Cut, cut_field, middle_of, resample
from stronglens.observation.shapes import check_array
from stronglens.parameters import RunError

EXCLUDED = "they have no weight"
FILLED = "filled with the lens's profile, the light around them, and noise"
MAX_BAD = 0.05
"""Largest fraction of bad pixels in the field that is filled: two rows of a detector in 64 are 3 %."""
MAX_MASKED = 0.5
"""Largest fraction of masked pixels in the field. A larger mask is inverted, or leaves no lens to measure."""
CONTEXT = 24
"""Width of the margin around the field, in pixels of the file, that is used to fill pixels of the field."""
NOISE_FIELD = 2
"""Width of the area in which the background's noise is measured, in units of the field's width."""
TOO_SMALL = "this file is too small, or too full of light, to measure its noise"
MAX_RATIO = 3.0
"""Largest ratio between a noise map and the scatter of the pixels without a note.

Resampling smooths pixels, and some maps have a lower limit: those of four real lenses were 1.0 to 1.9 times the
scatter."""


@dataclass(frozen=True)
class Prepared:
    """Input of a network.

    Attributes
    ----------
    image : ndarray (H, W) float32, e-/s
        Row 0 at the top. Of several bands, joined by their reader: (H, W, B).
    noise : ndarray of the same shape, e-/s
        Standard deviation of each pixel, positive: from the noise map, or estimated from the image.
    mask : ndarray (H, W) bool
        True for pixels that were filled or excluded, at least in part.
    background_noise : float, e-/s
        Standard deviation of the background's pixels: from the noise map, or estimated from the image. 0 without
        noise; NaN if the image is too small or too full of light to measure it.
    background_level : float, e-/s
        Level of a pixel far from the lens, fitted to the field's outskirts (see `level.fit_background`).
    centre : (float, float), arcsec
        (y, x) of the field's centre from that of the observation, y up.
    notes : tuple of str
        Decisions, one sentence each.
    shift : (float, float), arcsec
        (y, x) of the field's centre from the requested one: images are cut at whole pixels.
    """

    image: NDArray[np.float32]
    noise: NDArray[np.float32]
    mask: NDArray[np.bool_]
    background_noise: float
    background_level: float
    centre: tuple[float, float]
    notes: tuple[str, ...] = ()
    shift: tuple[float, float] = (0.0, 0.0)


def prepare(
    observation: Observation,
    *,
    shape: tuple[int, int],
    pixel_scale: float,
    zero_point: float | None,
    centre: tuple[float, float] = (0.0, 0.0),
    bad_pixels: str = "fill",
    subtract_background: bool = False,
    fill: bool = True,
) -> Prepared:
    """Convert an observation to the zero point, pixel scale and field of a network's images.

    Masked and bad pixels are filled first, in the pixels of the file (see `filling.fill_hidden`).

    A pixel of the result holds the flux of the observation that falls inside it, each of the
    observation's pixels being uniform over its area: ``image_out = W_y @ image @ W_x.T`` with
    the lengths of overlap in ``W``, whose columns sum to one inside the field, so that flux is
    conserved exactly ("drizzle" with full drops, Fruchter & Hook 2002). If the pixel scales
    agree, whole pixels are cut out, since resampling would only blur them.

    The noise is that of the noise map, its variances added with the squares of those weights.
    Without a noise map it is that of the background, measured on the image. If the number of
    electrons is known, the variance of the photons, ``max(image, 0) / electrons``, is added.

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
        What to do with pixels inside the field that are NaN or infinite, or of huge noise.
    subtract_background : bool
        Whether the constant level of the outskirts is subtracted (see `level.fit_background`).
    fill : bool
        Whether masked and bad pixels are filled. Otherwise they are 0, and there may be any number of them: the caller
        gives the pixels in `Prepared.mask` no weight.

    Returns
    -------
    Prepared

    Raises
    ------
    RunError
        If the image is not two-dimensional, not numeric, empty or constant; if its pixel scale
        is unknown; if it does not cover the field, or has too many bad or masked pixels in it.
    """
    name, notes = observation.name, []
    image = np.asarray(observation.image)
    check_array(image.shape, image.dtype, name)
    if observation.pixel_scale is None:
        raise RunError(f"{name}: its pixel scale is not known; give --pixel-scale in arcsec")
    cut, centre_cut = cut_field(observation, shape, pixel_scale, centre, notes)
    if subtract_background:
        half = max(shape) * pixel_scale / observation.pixel_scale / 2
        known = np.where(observation.hidden, np.nan, image)
        level = fit_background(known, middle_of(observation, centre), half)
        if np.isnan(level):
            raise RunError(
                f"{name}: no background can be fitted, since its outskirts are masked or bad; give --background=VALUE"
            )
        image = image - level
        observation = replace(observation, image=image)
        notes.append(
            f"a background of {level:.4g} {observation.unit} per pixel of the file subtracted, fitted to the outskirts"
        )
    inside = image[cut.window].astype(np.float64)
    _check_hidden(observation, cut, bad_pixels, fill, notes)
    known = inside[~observation.hidden[cut.window]]
    if not known.size:
        raise RunError(f"{name}: every pixel inside the field is masked or bad")
    if np.ptp(known) == 0:
        raise RunError(f"{name}: every pixel inside the field has the value {known[0]:.6g}: there is no image")
    filled = _fill(observation, cut, centre) if fill else np.where(observation.hidden[cut.window], 0.0, inside)

    factor, note = _factor(observation, zero_point)
    notes += note
    with np.errstate(all="ignore"):
        field = (cut.add(filled) * factor).astype(np.float32)
    if not np.isfinite(field).all() or np.ptp(field) == 0:
        raise RunError(f"{name}: its values exceed the range of single precision; check its unit and zero point")
    mask = cut.add(observation.hidden[cut.window].astype(float)) > 1e-6
    background = _measure_background(observation, cut, shape, pixel_scale, centre)
    noise, scatter = _find_noise(observation, cut, field, factor, background, notes)
    level = fit_background(field.astype(np.float64) if fill else np.where(mask, np.nan, field))
    shift = centre_cut[0] - centre[0], centre_cut[1] - centre[1]
    return Prepared(field, noise, mask, scatter, level, centre_cut, tuple(notes), shift)


def _check_hidden(observation: Observation, cut: Cut, bad_pixels: str, fill: bool, notes: list[str]) -> None:
    """Note how many pixels inside the field are filled or excluded; refuse to fill too many."""
    bad, how_hidden = observation.bad[cut.window], FILLED if fill else EXCLUDED
    number, name = np.count_nonzero(bad), observation.name
    if number and (bad_pixels == "refuse" or (fill and number > MAX_BAD * bad.size)):
        few = number <= MAX_BAD * bad.size or not fill
        how = (
            f"--bad-pixels=fill {'fills' if fill else 'excludes'} them"
            if few
            else f"at most {MAX_BAD:.0%} are filled; choose another field"
        )
        raise RunError(f"{name}: {_count(number, bad.size)} {_why_bad(observation, cut)}; {how}")
    if number:
        notes.append(f"{_count(number, bad.size)} {_why_bad(observation, cut)}: {how_hidden}")
    if observation.mask is None:
        return
    masked = observation.mask[cut.window]
    number = np.count_nonzero(masked)
    if fill and number > MAX_MASKED * masked.size:
        raise RunError(
            f"{name}: its mask hides {number / masked.size:.0%} of the field. Non-zero (True) pixels are masked: is "
            "the mask the other way round?"
        )
    if not number:
        notes.append("its mask hides nothing inside the field")
        return
    notes.append(f"{_count(number, masked.size)} masked: {how_hidden}")
    if fill and masked[masked.shape[0] // 2, masked.shape[1] // 2]:
        notes.append("its mask hides the middle of the field, where the lens should be")


def _why_bad(observation: Observation, cut: Cut) -> str:
    bad, finite = observation.bad[cut.window], np.isfinite(observation.image[cut.window])
    reasons = {"NaN or infinite": ~finite, "marked as bad by the noise map": bad & finite}
    return " or ".join(reason for reason, where in reasons.items() if where.any())


def _count(number: int, size: int) -> str:
    return f"{number} of {size} pixels inside the field {'are' if number > 1 else 'is'}"


def _fill(observation: Observation, cut: Cut, centre: tuple[float, float]) -> NDArray[np.float64]:
    """Return the window's pixels with masked and bad ones filled; pixels around the window are used too."""
    window = observation.image[cut.window].astype(np.float64)
    if not observation.hidden[cut.window].any():
        return window
    wide = tuple(
        slice(max(part.start - CONTEXT, 0), min(part.stop + CONTEXT, side))
        for part, side in zip(cut.window, observation.image.shape, strict=True)
    )
    # From the first pixel's centre; `middle_of` counts from its outer corner.
    place = [at - 0.5 - part.start for at, part in zip(middle_of(observation, centre), wide, strict=True)]
    filled = fill_hidden(observation.image[wide].astype(np.float64), observation.hidden[wide], place)
    inner = tuple(
        slice(part.start - outer.start, part.stop - outer.start) for part, outer in zip(cut.window, wide, strict=True)
    )
    return filled[inner]


def _factor(observation: Observation, zero_point: float | None) -> tuple[float, list[str]]:
    """Return the factor that converts counts to those of another zero point, and a note on it."""
    if not observation.is_calibrated:
        return 1.0, []
    if observation.zero_point is None:
        return 1.0, ["zero point unknown: its e-/s are assumed to be those of the telescope in the training images"]
    if zero_point is None:
        return 1.0, []
    factor = 10 ** (0.4 * (zero_point - observation.zero_point))
    if abs(factor - 1) <= 1e-6:
        return 1.0, []
    return factor, [f"multiplied by {factor:.4g}, from zero point {observation.zero_point:.2f} to {zero_point:.2f}"]


def _measure_background(
    observation: Observation, cut: Cut, shape: tuple[int, int], pixel_scale: float, centre: tuple[float, float]
) -> Background:
    """Measure the background in pixels of the field's size, counts per second, in and around the field."""
    image = np.where(observation.hidden, np.nan, observation.image)
    ratio = 1.0 if cut.rows is None else pixel_scale / observation.pixel_scale
    middle = middle_of(observation, centre)
    # At most NOISE_FIELD fields wide, centred on the field, within the file.
    size = [
        min(NOISE_FIELD * count, max(count, int(2 * min(at, side - at) / ratio)))
        for count, side, at in zip(shape, image.shape, middle, strict=True)
    ]
    if cut.rows is None:
        rows, columns = (
            slice(max(int(at - count / 2), 0), int(at + count / 2)) for at, count in zip(middle, size, strict=True)
        )
        return measure_background(image[rows, columns])
    wide = resample(image.shape, tuple(size), ratio, middle)
    known = np.isfinite(image[wide.window])
    # A pixel that overlaps any unknown one is unknown. Two sums, since 0 times NaN is NaN.
    resampled = wide.add(np.where(known, image[wide.window], 0.0))
    resampled[wide.add((~known).astype(float)) > 1e-6] = np.nan
    return measure_background(resampled)


def _find_noise(
    observation: Observation,
    cut: Cut,
    field: NDArray[np.float32],
    factor: float,
    background: Background,
    notes: list[str],
) -> tuple[NDArray[np.float32], float]:
    """Return the noise (H, W) of the field's pixels and that of its background; note how it was found."""
    scatter, is_reliable = background.noise * factor, background.is_reliable
    unit = "e-/s" if observation.is_calibrated else observation.unit
    typical = scatter if is_reliable else np.nan
    lowest = 1e-6 * float(np.abs(field).max())  # the resolution of single precision
    if observation.noise is not None:
        noise, bad = observation.noise[cut.window], observation.bad[cut.window]
        if bad.all():
            raise RunError(f"{observation.name}: its noise map has no usable value inside the field")
        noise = np.where(bad, np.median(noise[~bad]), noise)
        noise = factor * np.sqrt(cut.add_variance(noise**2))
        typical = float(np.percentile(noise, 100 * FAINTEST / 2))  # the median of the faintest pixels, as measured
        notes.append(f"noise from its noise map, {typical:.3g} {unit} in the background")
        if is_reliable and scatter > 0 and not 1 / MAX_RATIO < typical / scatter < MAX_RATIO:
            notes.append(
                f"its noise map is {typical / scatter:.2g} times the scatter of its pixels: it must be a standard "
                "deviation, not a variance or a weight, in the unit of the image"
            )
    elif scatter == 0:
        noise = np.zeros(field.shape)
        notes.append("no noise can be seen in it, and there is no noise map" if is_reliable else TOO_SMALL)
    else:
        photons, more_flags = 0.0, ", or --unit and --exposure-time" * observation.is_calibrated
        if observation.electrons:
            photons = np.maximum(field, 0) * factor / observation.electrons
        noise = np.sqrt(scatter**2 + photons) * np.ones(field.shape)
        more = (
            f"plus photon noise ({observation.electrons:g} e- for one count/s)"
            if observation.electrons
            else f"uniform: photon noise needs --noise-map{more_flags}"
        )
        how = "noise estimated from the image:" if is_reliable else f"{TOO_SMALL}: at most"
        notes.append(f"{how} {scatter:.3g} {unit} in the background, {more}")
    return np.maximum(noise, max(lowest, np.finfo(np.float32).tiny)).astype(np.float32), float(typical)

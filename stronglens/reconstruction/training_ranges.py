"""Compare the lens model and the observation of a measured image with those that a network was trained on."""

from collections.abc import Mapping, Sequence

import numpy as np

from stronglens.measuring import damaged_record

NAMES = {
    "einstein-radius-range": "Einstein radius",
    "lens-flattening-range": "flattening 1 - q",
    "shear-range": "shear",
    "psf-fwhm-range": "FWHM of the PSF",
    "peak-noise-range": "noise over the peak",
}

OFF_CENTRE = 0.5
"""Largest distance of a lens from the image centre without a note, in pixels."""

Ranges = dict[str, tuple[float, float]]


def read_training_ranges(parameters, record: Mapping) -> Ranges:
    """Return the ranges of a network's training set by the names of `NAMES`.

    Raises
    ------
    RunError
        When the network's record does not contain them.
    """
    try:
        simulation = record["simulation"]
        ranges = {name: (float(simulation[name][0]), float(simulation[name][1])) for name in NAMES}
        is_noise_free, is_sharp = simulation["noise-free-share"] > 0, simulation["psf-free-share"] > 0
    except (KeyError, TypeError, ValueError, IndexError):
        raise damaged_record(parameters.model_file) from None
    # Images without noise or PSF belong to the training set, whatever the ranges.
    for name, is_free in (("peak-noise-range", is_noise_free), ("psf-fwhm-range", is_sharp)):
        ranges[name] = (0.0, ranges[name][1]) if is_free else ranges[name]
    return ranges


def compare_lens(lens: Sequence[float], ranges: Ranges) -> list[str]:
    """Return a sentence for each property of a lens model outside the training range.

    Parameters
    ----------
    lens : sequence of 7 float, `LENS_COLUMNS`
    ranges : dict
        From `read_training_ranges`.
    """
    ellipticity = np.hypot(lens[3], lens[4])
    return [
        *_outside("einstein-radius-range", lens[0], ranges, " arcsec"),
        *_outside("lens-flattening-range", 2 * ellipticity / (1 + ellipticity), ranges),
        *_outside("shear-range", np.hypot(lens[5], lens[6]), ranges),
    ]


def compare_observation(
    lens: Sequence[float], noise: float, fwhm: float | None, ranges: Ranges, pixel_scale: float
) -> list[str]:
    """Return a sentence for each property of an observation that the training images do not have.

    Parameters
    ----------
    lens : sequence of 7 float, `LENS_COLUMNS`
    noise : float
        Typical noise over the image's peak.
    fwhm : float or None, arcsec
        Of the point-spread function; None for a measured one.
    ranges : dict
    pixel_scale : float, arcsec
    """
    notes = _outside("peak-noise-range", noise, ranges)
    if fwhm is not None:
        notes += _outside("psf-fwhm-range", fwhm, ranges, " arcsec")
    if (away := np.hypot(lens[1], lens[2])) > OFF_CENTRE * pixel_scale:
        notes.append(
            f"the lens is {away:.2g} arcsec from the centre of the cut-out, in the training images at the centre: "
            "--center moves the cut-out"
        )
    return notes


def _outside(name: str, value: float, ranges: Ranges, unit: str = "") -> list[str]:
    low, high = ranges[name]
    if low * (1 - 1e-3) <= value <= high * (1 + 1e-3):
        return []
    return [f"{NAMES[name]} {value:.3g}{unit} is outside the training range, {low:g} to {high:g}"]

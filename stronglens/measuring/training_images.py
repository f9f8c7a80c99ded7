"""Check images against the images that a network was trained on: camera, noise, background level."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from stronglens.observation import Observation, Prepared
from stronglens.parameters import RunError
from stronglens.telescopes import TELESCOPES, TelescopeRecord

NOISE_RATIO = 1.5
"""Largest ratio between the noise of an image and that of the training images without a note."""

LEVEL_OFFSET = 2.0
"""Largest distance of a background from the levels of the training images without a note, in units of its noise."""

CALIBRATED = "e-/s"

RELATIVE = "source peak"
"""Unit of training images whose scale is arbitrary: an image may have any unit."""


@dataclass(frozen=True)
class TrainingImages:
    """Description of a training set's images, from the record that is saved with the network.

    Attributes
    ----------
    shape : (int, int), pixels
        Height and width.
    pixel_scale : float, arcsec
    zero_point : float or None, AB mag
        Magnitude of one count per second; None for uncalibrated images.
    unit : str
        ``e-/s``; ``source peak``, for networks that take images of any unit; or another unit for external images,
        which are neither calibrated nor resampled.
    telescope : TelescopeRecord or None
        None if unknown, or if the training set has a point-spread function of the user.
    noise, level : (float, float) or None, e-/s
        Range of the noise and of the level of the background; None if unknown.
    max_offset : float or None, arcsec
        Largest distance of a lens from the middle of its image; None if unknown.
    bands : mapping of str to TrainingImages
        Description of each band by its name; empty if the record names no bands.
    """

    shape: tuple[int, int]
    pixel_scale: float
    zero_point: float | None
    unit: str = CALIBRATED
    telescope: TelescopeRecord | None = None
    noise: tuple[float, float] | None = None
    level: tuple[float, float] | None = None
    max_offset: float | None = None
    bands: Mapping[str, "TrainingImages"] = field(default_factory=dict)

    @property
    def is_calibrated(self) -> bool:
        """Whether pixels are in e-/s."""
        return self.unit == CALIBRATED

    @property
    def is_relative(self) -> bool:
        """Whether the network takes images of any unit, and the noise of each pixel.

        Masked and bad pixels then have no weight, and are not filled.
        """
        return self.unit == RELATIVE

    @property
    def is_external(self) -> bool:
        """Whether images are given to the network as they are: neither calibrated nor resampled."""
        return not (self.is_calibrated or self.is_relative)

    def compare(self, observation: Observation, prepared: Prepared) -> list[str]:
        """Return notes on how an image differs from the training images, one sentence each."""
        unit = CALIBRATED if observation.is_calibrated else observation.unit
        return [*self._compare_camera(observation), *self._compare_background(prepared, unit)]

    def _compare_camera(self, observation: Observation) -> list[str]:
        if self.telescope is None:
            return []
        known = self.telescope.header
        other = [
            f"{key} {value}"
            for key, value in observation.camera.items()
            if key in known and known[key] not in re.sub("[^A-Z0-9]", "", value.upper())
        ]
        if not other:
            return []
        return [f"the header says {', '.join(other)}; the training images simulate {self.telescope.title}"]

    def _compare_background(self, prepared: Prepared, unit: str) -> list[str]:
        noise, level, notes = prepared.background_noise, prepared.background_level, []
        if self.noise is not None and np.isfinite(noise):
            ratio = noise / np.clip(noise, *self.noise)
            if not 1 / NOISE_RATIO <= ratio <= NOISE_RATIO:
                notes.append(
                    f"the background noise is {ratio:.2g} times that of the training images: outside the training range"
                )
        if self.level is not None and np.isfinite(level):
            beyond = level - np.clip(level, *self.level)
            if self.is_relative and not np.isfinite(noise):
                noise = float(np.median(prepared.noise))  # an upper limit
            if abs(beyond) > LEVEL_OFFSET * np.nan_to_num(noise):
                low, high = self.level
                trained = f"{low:.2g} to {high:.2g}" if high > low else f"{low:.2g}"
                notes.append(
                    f"the background level is {level:.3g} {unit} per pixel, in the training images {trained}: "
                    f"was {'the' if beyond > 0 else 'too much'} sky subtracted? --background=fit "
                    "subtracts the level of the outskirts"
                )
        return notes


def read_training_images(parameters, record: Mapping, network=None) -> TrainingImages:
    """Return the description of a network's training images.

    Parameters
    ----------
    parameters : Parameters
        Of the training.
    record : mapping
        As saved with the network.
    network : keras.Model, optional
        Its first input must have the shape of the training images.

    Raises
    ------
    RunError
        If the network was trained for another task, or its record is damaged.
    """
    path = parameters.model_file
    is_relative = record.get("zero-point", 0) is None and not record.get("labels")
    unit = record.get("image-unit", RELATIVE if is_relative else CALIBRATED)
    if (task := record.get("task")) != parameters.task:
        raise RunError(f"{path} was trained for --task {task}: give that task, or another --model-file")
    try:
        shape = tuple(int(side) for side in record["image-shape"])
        height, width, *bands = shape
        pixel_scale, zero_point = float(record["pixel-scale"]), record["zero-point"]
        if zero_point is not None or unit == CALIBRATED:
            zero_point = float(zero_point)
        is_sound = (
            np.isfinite([pixel_scale, zero_point or 0.0]).all()
            and pixel_scale > 0
            and min(shape) > 0
            and len(bands) < 2
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise damaged_record(path) from None
    if not is_sound or (network is not None and network.inputs[0].shape[1:] != shape):
        raise damaged_record(path)
    described = TrainingImages(
        shape=(height, width),
        pixel_scale=pixel_scale,
        zero_point=zero_point,
        unit=unit,
        telescope=None if record.get("psf") is not None else TELESCOPES.get(record.get("telescope")),
        noise=_background_range(record, "noise"),
        level=(0.0, 0.0) if unit == RELATIVE else _background_range(record, "level"),
        max_offset=_max_offset(record),
    )
    return replace(described, bands=_describe_bands(described, record, path)) if "bands" in record else described


def damaged_record(path) -> RunError:
    """Return the error of a network file whose record does not describe its network."""
    return RunError(f"{path} holds a damaged or foreign record of its network: train it again")


def _max_offset(record: Mapping) -> float | None:
    try:
        ranges = [record["lens-center"][axis] for axis in ("x", "y")]
        return float(np.hypot(*(max(abs(float(low)), abs(float(high))) for low, high in ranges)))
    except (KeyError, TypeError, ValueError):
        return None


def _describe_bands(described: TrainingImages, record: Mapping, path) -> dict[str, TrainingImages]:
    """Return the description of each band: the zero point and the background are its own."""
    try:
        names, zero_points, backgrounds = (list(record[key]) for key in ("bands", "zero-points", "backgrounds"))
        if len(names) != (record["image-shape"][2:] or [1])[0] or not all(isinstance(name, str) for name in names):
            raise ValueError
        return {
            name: replace(
                described,
                zero_point=float(zero_point),
                # Headers name one band of a telescope; its record here describes one band too.
                telescope=described.telescope if described.telescope and described.telescope.band == name else None,
                noise=_background_range({"background": background}, "noise"),
                level=_background_range({"background": background}, "level"),
            )
            for name, zero_point, background in zip(names, zero_points, backgrounds, strict=True)
        }
    except (KeyError, TypeError, ValueError):
        raise damaged_record(path) from None


def _background_range(record: Mapping, quantity: str) -> tuple[float, float] | None:
    """Return the range of the ``noise`` or ``level`` of the background in the training images, e-/s; None if unknown.

    The range was measured on the images. Records of older versions describe only the camera, whose background has the
    variance (sky t + exposures read_noise^2) / t^2, in (e-/s)^2.
    """
    try:
        if record.get("background"):
            low, high = map(float, record["background"][quantity])
        elif quantity == "level":
            return None
        else:
            camera = {key: np.asarray(value, float) for key, value in record["camera"].items()}
            times = np.atleast_1d(camera["exposure-time"])  # both ends, where it was drawn
            if not (times > 0).all():  # no camera
                return None
            noise = np.sqrt(camera["sky"] * times + camera["exposures"] * camera["read-noise"] ** 2) / times
            low, high = float(noise.min()), float(noise.max())
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    if not (np.isfinite([low, high]).all() and low <= high and (quantity == "level" or low > 0)):
        return None
    return low, high

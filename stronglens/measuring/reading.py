"""Read images and prepare them as input of a network."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stronglens.measuring.images import ImageFile, list_images
from stronglens.measuring.results import PreparedImage
from stronglens.measuring.training_images import TrainingImages
from stronglens.observation import (
    Observation,
    Prepared,
    find_beside,
    place_center,
    prepare,
    read_background,
    read_center,
    read_observation,
)
from stronglens.parameters import RunError, UsageError

NOT_CALIBRATED = "used as it is, like the training images: neither calibrated nor resampled"


class ImageReader:
    """Read an image and prepare it for a network.

    Parameters
    ----------
    parameters : Parameters
        Of the training.
    training_images : TrainingImages
    channel : (int, int), optional
        See `read_observation`.

    Raises
    ------
    UsageError
        If ``--center`` or ``--background`` have an invalid value, or a flag does not apply to this network.
    """

    def __init__(self, parameters, training_images: TrainingImages, channel: tuple[int, int] | None = None):
        self.parameters, self.training_images, self.channel = parameters, training_images, channel
        if not training_images.is_calibrated:
            _refuse_calibration(parameters, training_images.is_relative)
        self.center, self.background = read_center(parameters.center), read_background(parameters.background)

    def list_images(self) -> list[ImageFile]:
        """Return the images that ``--predict`` names (see `images.list_images`)."""
        return list_images(self.parameters.predict, self.parameters.planes, self.parameters.hdu)

    def check_flags(self, images: Sequence[ImageFile]) -> None:
        """Refuse a mask or noise map that exists for none of the images: its name is mistyped.

        Raises
        ------
        UsageError
        """
        for name in ("mask", "noise_map"):
            given = getattr(self.parameters, name)
            if given is not None and not any(find_beside(image.path, given) for image in images):
                raise UsageError(
                    f"--{name.replace('_', '-')}={' '.join(given.split())}: no such file, neither beside the images "
                    "nor in the current folder"
                )

    def __call__(self, image: ImageFile, keep_pixels: bool = False) -> PreparedImage:
        """Read and prepare an image.

        Parameters
        ----------
        image : ImageFile
        keep_pixels : bool
            Whether the observation keeps the pixels of the file.

        Raises
        ------
        RunError, UsageError
            If the image cannot be used (see `read_observation`, `place_center` and `prepare`).
        """
        training, is_raw = self.training_images, self.training_images.is_external
        observation = self.observe(image)
        if is_raw and observation.image.shape != training.shape:
            raise RunError(
                f"{observation.name}: the image has {_sides(observation.image.shape)} pixels, the training images have "
                f"{_sides(training.shape)}; uncalibrated images are not resampled"
            )
        centre, notes = (0.0, 0.0), []
        # The brightest light of a lens whose galaxy was subtracted is an arc: no reason to doubt the centre.
        if not (is_raw or (training.is_relative and self.center == "image")):
            field = min(training.shape) * training.pixel_scale
            centre, notes = place_center(observation, self.center, field, training.max_offset)
        prepared = self.prepare(observation, centre)
        if is_raw:
            notes = [NOT_CALIBRATED]
        else:
            notes = [*observation.notes, *notes, *prepared.notes, *training.compare(observation, prepared)]
        if not keep_pixels:
            observation = replace(observation, image=np.empty((0, 0)), noise=None, mask=None)
        return PreparedImage(image, observation, prepared, tuple(notes))

    def observe(self, image: ImageFile) -> Observation:
        """Read and calibrate an image (see `read_observation`)."""
        parameters, training, is_raw = self.parameters, self.training_images, self.training_images.is_external
        return read_observation(
            image.path,
            name=image.name,
            plane=image.plane,
            hdu=parameters.hdu,
            pixel_scale=training.pixel_scale if is_raw else parameters.pixel_scale,
            zero_point=parameters.zero_point,
            unit="e-/s" if is_raw else parameters.unit,
            exposure_time=parameters.exposure_time,
            gain=parameters.gain,
            mask=parameters.mask,
            noise_map=parameters.noise_map,
            background=0.0 if isinstance(self.background, str) else self.background,
            keep_unit=training.is_relative,
            channel=self.channel,
        )

    def prepare(self, observation: Observation, centre: tuple[float, float]) -> Prepared:
        """Prepare an observation with the lens at a place (y, x), arcsec (see `observation.prepare`)."""
        training = self.training_images
        return prepare(
            observation,
            shape=training.shape,
            pixel_scale=training.pixel_scale,
            zero_point=training.zero_point,
            centre=centre,
            bad_pixels="refuse" if training.is_external else self.parameters.bad_pixels,
            subtract_background=self.background == "fit",
            fill=not training.is_relative,
        )


def _refuse_calibration(parameters, is_relative: bool) -> None:
    names = ["zero_point", "exposure_time", "gain"]
    names += [] if is_relative else ["pixel_scale", "unit", "mask", "noise_map"]
    given = [name for name in names if getattr(parameters, name) is not None]
    if not is_relative:
        given += ["center"] * (parameters.center != "image") + ["background"] * (parameters.background != "none")
    why = "a network trained on external, uncalibrated images: files are used as they are"
    if is_relative:
        why = "this network: it takes images of any unit"
    for name in given:
        raise UsageError(f"--{name.replace('_', '-')} does not apply to {why}")


def _sides(shape: tuple[int, int]) -> str:
    return f"{shape[1]} x {shape[0]}"

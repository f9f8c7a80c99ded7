"""Checks of a request to measure images that need no neural-network library, which takes seconds to load."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from stronglens.measuring.images import list_images
from stronglens.measuring.output import MAX_REASONS, print_reasons
from stronglens.measuring.reading import ImageReader
from stronglens.measuring.results import MAX_DETAILED
from stronglens.measuring.training_images import read_training_images
from stronglens.network_archive import read_archive
from stronglens.observation import read_background, read_center
from stronglens.parameters import RunError, StronglensError
from stronglens.plotting import check_cmap


def check_request(
    parameters, check_task: Callable[[Mapping], object], make_reader: Callable[..., ImageReader] = ImageReader
) -> None:
    """Check flags, the network's record and the images.

    Up to ``MAX_DETAILED`` images are all tried; of more images, some are. If none can be used, all reasons are given.

    Parameters
    ----------
    parameters : Parameters
        Of the training.
    check_task : callable
        Takes the network's record; raises an error if it does not describe outputs of the task, or if the task's own
        flags do not apply to this network.
    make_reader : callable
        Takes the parameters and the `TrainingImages`; returns the reader of the images.

    Raises
    ------
    RunError
        If there is no network, it was trained for another task, or no image can be used.
    UsageError
        If a flag has an invalid value, does not apply to this network, or names a file that does not exist.
    """
    check_cmap(parameters.cmap)
    read_center(parameters.center)
    read_background(parameters.background)
    try:
        record, _ = read_archive(parameters.model_file)
    except RunError as error:
        images = list_images(parameters.predict, parameters.planes, parameters.hdu)
        missing = [str(image) for image in images if not Path(image.path).exists()]
        raise RunError(f"{error}{'; no such file: ' * bool(missing)}{_first(missing)}") from None
    read = make_reader(parameters, read_training_images(parameters, record))
    check_task(record)
    images = read.list_images()
    read.check_flags(images)
    tried = np.unique(np.linspace(0, len(images) - 1, len(images) if len(images) <= MAX_DETAILED else MAX_REASONS))
    reasons = []
    for number in tried.astype(int):
        try:
            read(images[number])
            return
        except StronglensError as error:
            reasons.append(str(error))
    raise print_reasons(reasons)


def _first(paths: Sequence[str]) -> str:
    return ", ".join(paths[:5]) + (f" and {len(paths) - 5:,} more" if len(paths) > 5 else "")

"""What the record of a separating network says."""

from collections.abc import Mapping

from stronglens.measuring import damaged_record
from stronglens.separation.camera import Camera


def read_camera(parameters, record: Mapping) -> Camera:
    """Return the camera that a network was trained for.

    Raises
    ------
    RunError
        If the record does not describe it.
    """
    try:
        return Camera(**record["noise-model"])
    except (KeyError, TypeError):
        raise damaged_record(parameters.model_file) from None

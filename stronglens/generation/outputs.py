"""What a network of this task gives, from the record that is saved with it."""

from collections.abc import Mapping

from stronglens.measuring import damaged_record
from stronglens.parameters import RunError
from stronglens.scaling import ImageScaling

PARTS = {"gan": {"decoder"}, "cyclegan": {"there", "back"}}
"""Parts of networks that are no autoencoders."""


def check_record(parameters, record: Mapping, network=None) -> None:
    """Check that a record, and a network, have the outputs of the task.

    Raises
    ------
    RunError
        If the record is damaged.
    """
    if record.get("task") != parameters.task:
        raise RunError(f"the network in {parameters.model_file} is one of --task={record.get('task')}")
    is_sound = isinstance(record.get("latents"), int) and isinstance(record.get("stretch"), dict)
    if network is not None:
        names = {layer.name for layer in network.layers}
        needed = PARTS.get(str(record.get("network")), {"encoder", "decoder"})
        is_sound &= needed <= names and len(network.inputs) == 1
    if not is_sound:
        raise damaged_record(parameters.model_file)


def sampler_of(parameters, record: Mapping) -> dict:
    """Return the record of the sampler of a network.

    Raises
    ------
    RunError
        If it has none.
    """
    sampler = record.get("sampler")
    if not sampler:
        raise RunError(f"the network in {parameters.model_file} has no sampler: train it with --sampler=flow")
    return sampler


def scaling_of(record: Mapping) -> ImageScaling:
    """Return the stretch of images in the record of a network."""
    stretch = dict(record["stretch"])
    if isinstance(stretch["softening"], list):
        stretch["softening"] = tuple(stretch["softening"])
    return ImageScaling(**stretch)

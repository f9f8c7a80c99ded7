"""What a finding network gives, from the record that is saved with it."""

from collections.abc import Mapping

from stronglens.finding.classes import GROUPS
from stronglens.measuring import damaged_record


def check_record(parameters, record: Mapping, network=None) -> None:
    """Check that a record, and a network, have the outputs of the task.

    Raises
    ------
    RunError
        If the record is damaged.
    """
    is_sound = isinstance(record.get("bands"), list) and isinstance(record.get("classes"), list)
    if network is not None:
        is_sound &= len(network.inputs) == 1 and network.output_shape[-1] == len(GROUPS[:2])
    if not is_sound:
        raise damaged_record(parameters.model_file)

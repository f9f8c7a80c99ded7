"""Classes that a network predicts, from the record that is saved with it."""

from collections.abc import Mapping

from stronglens.measuring import damaged_record


def read_classes(parameters, record: Mapping, network=None) -> list[str]:
    """Return the names of a network's classes.

    Parameters
    ----------
    parameters : SubstructureTraining
    record : mapping
        As saved with the network.
    network : keras.Model, optional
        It must have one output for each class.

    Raises
    ------
    RunError
        If the record is damaged.
    """
    classes = record.get("classes")
    is_sound = isinstance(classes, list) and len(classes) > 0
    if is_sound and network is not None:
        is_sound = len(network.inputs) == 1 and network.output_shape[-1] == len(classes)
    if not is_sound:
        raise damaged_record(parameters.model_file)
    return classes

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
    if not isinstance(classes, list) or not classes:
        raise damaged_record(parameters.model_file)
    if network is not None and (len(network.inputs) != 1 or network.output_shape[-1] != len(classes)):
        raise damaged_record(parameters.model_file)
    return classes

"""Labels that a network predicts, from the record that is saved with it."""

from collections.abc import Mapping

from stronglens.measuring import damaged_record
from stronglens.parameters import Column


def read_labels(parameters, record: Mapping, network=None) -> list[Column]:
    """Return the labels of a network.

    Parameters
    ----------
    parameters : RegressionTraining
    record : mapping
        As saved with the network.
    network : keras.Model, optional
        Its inputs and outputs must be those of a network with these labels.

    Raises
    ------
    RunError
        If the record is damaged.
    """
    try:
        columns = [Column.from_dict(item) for item in record["labels"]]
    except (KeyError, TypeError, ValueError, AttributeError):
        columns = []
    is_sound = bool(columns)
    if is_sound and network is not None:
        # A posterior has the labels as second input; its output is one number, their density.
        has_posterior = bool(record.get("posterior"))
        is_sound = len(network.inputs) == 1 + has_posterior
        is_sound = is_sound and (has_posterior or network.output_shape[-1] == len(columns))
    if not is_sound:
        raise damaged_record(parameters.model_file)
    return columns

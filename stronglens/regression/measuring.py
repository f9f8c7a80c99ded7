"""What is measured on a telescope image, and what it is worth."""

import numpy as np

from stronglens.measuring import measure_files, write_measurements
from stronglens.parameters import Column
from stronglens.plotting import write_captions


def measure(parameters, network, record: dict) -> None:
    """Measure files with a trained network: a table, ``measured.csv`` and a figure.

    Parameters
    ----------
    parameters : TrainingParameters
    network : keras.Model
    record : dict, as saved with the network

    Raises
    ------
    RunError
        When the network is of another task, or a file cannot be used (after all others were written).
    """
    measurements, refused = measure_files(parameters, network, record)
    columns = [Column.from_dict(item) for item in record["labels"]]
    heads = [f"{column.name} [{column.unit}]" if column.unit else column.name for column in columns]
    values = np.array([measurement.values for measurement in measurements]).reshape(-1, len(columns))
    captions = write_captions(values, columns, most=len(columns))
    write_measurements(parameters, record["pixel-scale"], measurements, refused, heads, captions, _worth(columns))


def _worth(columns: list[Column]) -> list[str]:
    """Say what the training set assumes: a network returns its prior where an image tells it nothing."""
    lines = ["A point estimate without an error bar, and only as good as the simulation is like this image."]
    for column in columns:
        if column.prior is not None:
            low, high = column.prior
            lines.append(f"  {column.name}: trained on {low:g} to {high:g}; it knows nothing outside of that")
    return lines

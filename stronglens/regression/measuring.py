"""Real telescope images to measured labels."""

import csv
import io
import sys
from dataclasses import dataclass

import numpy as np

from stronglens.dataset import write_whole
from stronglens.observation import Observation, prepare, read_observation
from stronglens.parameters import Column, RunError, StronglensError
from stronglens.plotting import check_cmap, save_figure, write_captions
from stronglens.regression.figures import draw_measured


@dataclass(frozen=True)
class Measurement:
    """What was measured on one image.

    Attributes
    ----------
    observation : Observation
    seen : (H, W) float32, what the network saw
    values : (L,) predicted labels
    notes : what was decided on the way
    """

    observation: Observation
    seen: np.ndarray
    values: np.ndarray
    notes: tuple[str, ...]


def measure_files(parameters, network, record: dict) -> tuple[list[Measurement], list[str]]:
    """Measure every file that can be used.

    Parameters
    ----------
    parameters : TrainingParameters
    network : keras.Model
    record : dict, as saved with the network

    Returns
    -------
    measurements : list of Measurement
    refused : list of str, the reason for each file that cannot be used

    Raises
    ------
    RunError
        When the network was not trained for this task.
    """
    if (task := record.get("task")) != "regression":
        raise RunError(f"{parameters.model_file} was trained for --task {task}: choose another --model-file")
    shape, pixel_scale, zero_point = _check_record(record, network, parameters.model_file)
    measurements, refused = [], []
    for path in parameters.predict:
        try:
            observation = read_observation(
                path,
                hdu=parameters.hdu,
                pixel_scale=parameters.pixel_scale,
                zero_point=parameters.zero_point,
                unit=parameters.unit,
                exposure_time=parameters.exposure_time,
                gain=parameters.gain,
            )
            seen, notes = prepare(
                observation,
                shape=shape,
                pixel_scale=pixel_scale,
                zero_point=zero_point,
            )
        except StronglensError as error:
            refused.append(str(error))
            continue
        values = network.predict(seen[None], verbose=0)[0]
        measurements.append(Measurement(observation, seen, values, (*observation.notes, *notes)))
    return measurements, refused


def write_measurements(parameters, record: dict, measurements: list[Measurement], refused: list[str]) -> None:
    """Print a table, write ``measured.csv`` and the figure of what the network saw.

    Raises
    ------
    RunError
        When a file was refused, after all others were written.
    """
    check_cmap(parameters.cmap)
    columns = [Column.from_dict(item) for item in record["labels"]]
    folder = parameters.figures_dir
    if measurements:
        if not parameters.quiet:
            print(measurements_table(measurements, columns))
        write_whole(folder / "measured.csv", _csv(measurements, columns))
        values = np.stack([measurement.values for measurement in measurements])
        figure = draw_measured(
            [measurement.observation.image for measurement in measurements],
            [measurement.seen for measurement in measurements],
            [measurement.observation.name for measurement in measurements],
            write_captions(values, columns, most=len(columns)),
            [measurement.observation.pixel_scale for measurement in measurements],
            record["pixel-scale"],
            parameters.cmap,
        )
        path = save_figure(figure, folder / f"measured.{parameters.figure_format}")
        if not parameters.quiet:
            print(f"Table: {folder / 'measured.csv'}; what the network saw: {path}")
    for reason in refused[:-1]:
        print(f"error: {reason}", file=sys.stderr)
    if refused:
        raise RunError(refused[-1])


def measurements_table(measurements: list[Measurement], columns: list[Column]) -> str:
    """Return the measured values as text, with the notes on each image, and what such numbers are worth."""
    width = max(len(measurement.observation.name) for measurement in measurements)
    heads = [f"{column.name} [{column.unit}]" if column.unit else column.name for column in columns]
    lines = [" " * width + "  " + "  ".join(heads)]
    for measurement in measurements:
        cells = [f"{value:>{len(head)}.4g}" for value, head in zip(measurement.values, heads, strict=True)]
        lines.append(f"{measurement.observation.name:<{width}}  " + "  ".join(cells))
    for measurement in measurements:
        lines += [f"  {measurement.observation.name}: {note}" for note in measurement.notes]
    lines += _worth(columns)
    return "\n".join(lines)


def _check_record(record: dict, network, path) -> tuple[tuple[int, int], float, float]:
    """Return image shape, pixel scale and zero point of a network's record, which must be one of this network."""
    try:
        shape = tuple(int(side) for side in record["image-shape"])
        pixel_scale, zero_point = float(record["pixel-scale"]), float(record["zero-point"])
        labels = [Column.from_dict(item) for item in record["labels"]]
        is_sound = np.isfinite([pixel_scale, zero_point]).all() and pixel_scale > 0
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        is_sound = False
    if not is_sound or shape != network.input_shape[1:] or len(labels) != network.output_shape[-1]:
        raise RunError(f"{path} holds a damaged or foreign record of its network: train it anew")
    return shape, pixel_scale, zero_point


def _worth(columns: list[Column]) -> list[str]:
    """Say what the training set assumes: a network returns its prior where an image tells it nothing."""
    lines = ["", "A point estimate without an error bar, and only as good as the simulation is like this image."]
    for column in columns:
        if column.prior is not None:
            low, high = column.prior
            lines.append(f"  {column.name}: trained on {low:g} to {high:g}; it knows nothing outside of that")
    return lines


def _csv(measurements: list[Measurement], columns: list[Column]) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["file", *(column.name for column in columns), "notes"])
    for measurement in measurements:
        values = [f"{float(value):.7g}" for value in measurement.values]
        writer.writerow([measurement.observation.name, *values, "; ".join(measurement.notes)])
    return table.getvalue()

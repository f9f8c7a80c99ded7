"""Files of images to what a network makes of them, and that to a table and a figure."""

import csv
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stronglens.dataset import write_whole
from stronglens.measuring.figures import draw_measured
from stronglens.observation import Observation, prepare, read_observation
from stronglens.parameters import Column, RunError, StronglensError, UsageError
from stronglens.plotting import check_cmap, save_figure

AS_DISTRIBUTED = "taken as it is, as the images were that the network learned from: neither scaled nor calibrated"


@dataclass(frozen=True)
class Measurement:
    """What was measured on one image.

    Attributes
    ----------
    observation : Observation
    seen : (H, W) float32, what the network saw
    values : (L,) the network's outputs
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
        When the network was not trained for this task, or its record is not one of it.
    """
    if (task := record.get("task")) != parameters.task:
        raise RunError(
            f"{parameters.model_file} was trained for --task {task}: give that, or choose another --model-file"
        )
    shape, pixel_scale, zero_point = _check_record(record, network, parameters.model_file)
    # Images that others made have no unit: what the network is given must be made as they were.
    is_as_distributed = _is_as_distributed(record)
    if is_as_distributed:
        _refuse_calibration(parameters)
    measurements, refused = [], []
    for path in parameters.predict:
        try:
            observation = read_observation(
                path,
                hdu=parameters.hdu,
                pixel_scale=pixel_scale if is_as_distributed else parameters.pixel_scale,
                zero_point=parameters.zero_point,
                unit="e-/s" if is_as_distributed else parameters.unit,
                exposure_time=parameters.exposure_time,
                gain=parameters.gain,
            )
            if is_as_distributed and observation.image.shape != shape:
                raise RunError(
                    f"{observation.name}: it has {_sides(observation.image.shape)} pixels; images that others made are "
                    f"taken as they are, and this network learned from {_sides(shape)}"
                )
            seen, notes = prepare(observation, shape=shape, pixel_scale=pixel_scale, zero_point=zero_point)
            if is_as_distributed:
                observation, notes = replace(observation, notes=()), (AS_DISTRIBUTED,)
        except StronglensError as error:
            refused.append(str(error))
            continue
        values = network.predict(seen[None], verbose=0)[0]
        measurements.append(Measurement(observation, seen, values, (*observation.notes, *notes)))
    return measurements, refused


def write_measurements(
    parameters,
    pixel_scale: float,
    measurements: list[Measurement],
    refused: list[str],
    heads: Sequence[str],
    captions: Sequence[str],
    worth: Sequence[str],
) -> None:
    """Print a table, write ``measured.csv`` and the figure of what the network saw.

    Parameters
    ----------
    parameters : TrainingParameters
    pixel_scale : float, arcsec, of what the network sees
    measurements, refused
        As returned by `measure_files`.
    heads : sequence of L str, what the outputs are: ``src-center-x [arcsec]``
    captions : a text for each measurement, some lines, for the figure
    worth : lines that say what such numbers are worth

    Raises
    ------
    RunError
        When a file was refused, after all others were written.
    """
    check_cmap(parameters.cmap)
    folder = parameters.figures_dir
    if measurements:
        if not parameters.quiet:
            print("\n".join([*_table(measurements, heads), "", *worth]))
        write_whole(folder / "measured.csv", _csv(measurements, heads))
        figure = draw_measured(
            [measurement.observation.image for measurement in measurements],
            [measurement.seen for measurement in measurements],
            [measurement.observation.name for measurement in measurements],
            captions,
            [measurement.observation.pixel_scale for measurement in measurements],
            pixel_scale,
            parameters.cmap,
        )
        path = save_figure(figure, folder / f"measured.{parameters.figure_format}")
        if not parameters.quiet:
            print(f"Table: {folder / 'measured.csv'}; what the network saw: {path}")
    for reason in refused[:-1]:
        print(f"error: {reason}", file=sys.stderr)
    if refused:
        raise RunError(refused[-1])


def _check_record(record: dict, network, path) -> tuple[tuple[int, int], float, float | None]:
    """Return image shape, pixel scale and zero point of a network's record, which must be one of this network."""
    try:
        shape = tuple(int(side) for side in record["image-shape"])
        pixel_scale, zero_point = float(record["pixel-scale"]), record["zero-point"]
        if zero_point is not None or not _is_as_distributed(record):
            zero_point = float(zero_point)
        outputs = len(record.get("classes") or [Column.from_dict(item) for item in record["labels"]])
        is_sound = np.isfinite([pixel_scale, zero_point or 0.0]).all() and pixel_scale > 0
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        is_sound = False
    if not is_sound or shape != network.input_shape[1:] or outputs != network.output_shape[-1]:
        raise RunError(f"{path} holds a damaged or foreign record of its network: train it anew")
    return shape, pixel_scale, zero_point


def _refuse_calibration(parameters) -> None:
    for name in ("pixel_scale", "zero_point", "unit", "exposure_time", "gain"):
        if getattr(parameters, name) is not None:
            raise UsageError(
                f"--{name.replace('_', '-')} means nothing to a network that learned from images that others made: "
                "files are taken as they are"
            )


def _is_as_distributed(record: dict) -> bool:
    return record.get("image-unit", "e-/s") != "e-/s"


def _sides(shape: tuple[int, int]) -> str:
    return f"{shape[1]} x {shape[0]}"


def _table(measurements: list[Measurement], heads: Sequence[str]) -> list[str]:
    width = max(len(measurement.observation.name) for measurement in measurements)
    lines = [" " * width + "  " + "  ".join(heads)]
    for measurement in measurements:
        cells = [f"{value:>{len(head)}.4g}" for value, head in zip(measurement.values, heads, strict=True)]
        lines.append(f"{measurement.observation.name:<{width}}  " + "  ".join(cells))
    for measurement in measurements:
        lines += [f"  {measurement.observation.name}: {note}" for note in measurement.notes]
    return lines


def _csv(measurements: list[Measurement], heads: Sequence[str]) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["file", *(head.split(" [")[0] for head in heads), "notes"])
    for measurement in measurements:
        values = [f"{float(value):.7g}" for value in measurement.values]
        writer.writerow([measurement.observation.name, *values, "; ".join(measurement.notes)])
    return table.getvalue()

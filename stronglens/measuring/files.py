"""Files of images to what a network makes of them, and that to a table and a figure."""

import csv
import io
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from stronglens.dataset import write_whole
from stronglens.measuring.figures import draw_measured
from stronglens.observation import (
    Observation,
    Prepared,
    find_beside,
    place_center,
    prepare,
    read_background,
    read_center,
    read_observation,
)
from stronglens.parameters import Column, RunError, StronglensError, UsageError
from stronglens.plotting import check_cmap, save_figure

CAMERAS = {
    "hst": {"telescope": "HST", "instrument": "ACS", "filter": "F814W"},
    "euclid": {"telescope": "EUCLID", "instrument": "VIS"},
}
"""Of --telescope: what headers call them."""

OTHER_NOISE = 1.5
"""A factor between the noise of an image and that of the training images that is worth a line."""

OTHER_LEVEL = 2.0
"""Of the background, beyond the range of the training images' levels, in units of its noise: worth a line."""

AS_DISTRIBUTED = "taken as it is, as the images were that the network learned from: neither scaled nor calibrated"


@dataclass(frozen=True)
class Answer:
    """What a network makes of an image.

    Attributes
    ----------
    values : (L,) what it gives for each output
    draws : (S, L) from its posterior, or None
    notes : what it says of itself
    percentile : per cent of images like the training set's that are nearer to it; None where that is not known
    """

    values: np.ndarray
    draws: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    percentile: float | None = None


@dataclass(frozen=True)
class Measurement:
    """What was measured on one image.

    Attributes
    ----------
    path : str, as given to --predict
    observation : Observation
    prepared : Prepared, what the network saw, its noise and what was filled
    answer : Answer
    notes : what was decided on the way, and what the network says of itself
    """

    path: str
    observation: Observation
    prepared: Prepared
    answer: Answer
    notes: tuple[str, ...]

    @property
    def values(self) -> np.ndarray:
        """What the network gives for each output: (L,)."""
        return self.answer.values

    @property
    def seen(self) -> np.ndarray:
        """What the network saw: (H, W) float32, e-/s."""
        return self.prepared.image


def measure_files(
    parameters, network, record: dict, answer: Callable[[np.ndarray], Answer]
) -> tuple[list[Measurement], list[str]]:
    """Measure every file that can be used.

    Parameters
    ----------
    parameters : TrainingParameters
    network : keras.Model
    record : dict, as saved with the network
    answer : callable, (H, W) e-/s -> Answer

    Returns
    -------
    measurements : list of Measurement
    refused : list of str, the reason for each file that cannot be used

    Raises
    ------
    RunError
        When the network was not trained for this task, or its record is not one of it.
    UsageError
        When a flag has no such value, means nothing to this network, or names what no file has.
    """
    check_cmap(parameters.cmap)
    shape, pixel_scale, zero_point = check_network(parameters, network, record)
    # Images that others made have no unit: what the network is given must be made as they were.
    is_as_distributed = _is_as_distributed(record)
    if is_as_distributed:
        _refuse_calibration(parameters)
    else:
        _require_any(parameters, "mask")
        _require_any(parameters, "noise_map")
    center, background = read_center(parameters.center), read_background(parameters.background)
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
                mask=parameters.mask,
                noise_map=parameters.noise_map,
                background=0.0 if isinstance(background, str) else background,
            )
            if is_as_distributed and observation.image.shape != shape:
                raise RunError(
                    f"{observation.name}: it has {_sides(observation.image.shape)} pixels; images that others made are "
                    f"taken as they are, and this network learned from {_sides(shape)}"
                )
            centre, notes = (0.0, 0.0), []
            if not is_as_distributed:
                centre, notes = place_center(observation, center, min(shape) * pixel_scale, _reach_of_centres(record))
            prepared = prepare(
                observation,
                shape=shape,
                pixel_scale=pixel_scale,
                zero_point=zero_point,
                centre=centre,
                bad_pixels="refuse" if is_as_distributed else parameters.bad_pixels,
                subtract_background=background == "fit",
            )
            compared = (*_compare_camera(observation, record), *_compare_noise(prepared, record))
            notes = (*observation.notes, *notes, *prepared.notes, *compared)
            if is_as_distributed:
                notes = (AS_DISTRIBUTED,)
            try:
                answered = answer(prepared.image)
            except StronglensError as error:
                raise RunError(f"{observation.name}: {error}") from None
        except StronglensError as error:
            refused.append(str(error))
            continue
        measurements.append(Measurement(path, observation, prepared, answered, (*answered.notes, *notes)))
    return measurements, refused


def write_measurements(
    parameters,
    pixel_scale: float,
    measurements: list[Measurement],
    refused: list[str],
    heads: Sequence[str],
    captions: Sequence[str],
    worth: Sequence[str],
    tables: Sequence[str] | None = None,
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
    tables : lines to print in place of the table of outputs and the notes

    Raises
    ------
    RunError
        When a file was refused, after all others were written.
    """
    folder = parameters.figures_dir
    if measurements:
        if not parameters.quiet:
            lines = [*_table(measurements, heads), *_notes(measurements), ""] if tables is None else tables
            print("\n".join([*lines, *worth]))
        write_whole(folder / "measured.csv", _csv(measurements, heads))
        figure = draw_measured(
            [measurement.observation for measurement in measurements],
            [measurement.prepared for measurement in measurements],
            captions,
            pixel_scale,
            parameters.cmap,
        )
        path = save_figure(figure, folder / f"measured.{parameters.figure_format}")
        if not parameters.quiet:
            print(f"Table: {folder / 'measured.csv'}; what the network saw: {path}")
    refuse(refused)


def refuse(reasons: Sequence[str]) -> None:
    """Say all reasons for which files were refused, if there are any.

    Raises
    ------
    RunError
        With the last one.
    """
    for reason in reasons[:-1]:
        print(f"error: {reason}", file=sys.stderr)
    if reasons:
        raise RunError(reasons[-1])


def check_network(parameters, network, record: dict) -> tuple[tuple[int, int], float, float | None]:
    """Return what a network's record says of the images it was trained on.

    Parameters
    ----------
    parameters : TrainingParameters
    network : keras.Model
    record : dict, as saved with the network

    Returns
    -------
    shape : (H, W)
    pixel_scale : float, arcsec
    zero_point : float or None, AB magnitude of one count per second

    Raises
    ------
    RunError
        When the network was not trained for this task, or its record is not one of it.
    """
    path = parameters.model_file
    if (task := record.get("task")) != parameters.task:
        raise RunError(f"{path} was trained for --task {task}: give that, or choose another --model-file")
    try:
        shape = tuple(int(side) for side in record["image-shape"])
        pixel_scale, zero_point = float(record["pixel-scale"]), record["zero-point"]
        if zero_point is not None or not _is_as_distributed(record):
            zero_point = float(zero_point)
        outputs = len(record.get("classes") or [Column.from_dict(item) for item in record["labels"]])
        is_sound = np.isfinite([pixel_scale, zero_point or 0.0]).all() and pixel_scale > 0
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        is_sound = False
    has_posterior = bool(record.get("posterior"))  # whose output is one number, whatever it is a density of
    is_sound = is_sound and (len(network.inputs) == 2) == has_posterior
    is_sound = is_sound and (has_posterior or outputs == network.output_shape[-1])
    if not is_sound or shape != network.inputs[0].shape[1:]:
        raise RunError(f"{path} holds a damaged or foreign record of its network: train it anew")
    return shape, pixel_scale, zero_point


def _refuse_calibration(parameters) -> None:
    given = [
        name
        for name in ("pixel_scale", "zero_point", "unit", "exposure_time", "gain", "mask", "noise_map")
        if getattr(parameters, name) is not None
    ]
    given += ["center"] * (parameters.center != "image") + ["background"] * (parameters.background != "none")
    for name in given:
        raise UsageError(
            f"--{name.replace('_', '-')} means nothing to a network that learned from images that others made: "
            "files are taken as they are"
        )


def _require_any(parameters, name: str) -> None:
    """Refuse a mask or noise map that is beside none of the files: a name that was mistyped."""
    given = getattr(parameters, name)
    if given is not None and not any(find_beside(path, given) for path in parameters.predict):
        raise UsageError(
            f"--{name.replace('_', '-')}={' '.join(given.split())}: no such file, neither beside the images nor here"
        )


def _reach_of_centres(record: dict) -> float | None:
    """Return how far from an image's middle a lens of the training set was at most [arcsec], None where unknown."""
    try:
        ranges = [record["lens-center"][axis] for axis in ("x", "y")]
        return float(np.hypot(*(max(abs(float(low)), abs(float(high))) for low, high in ranges)))
    except (KeyError, TypeError, ValueError):
        return None


def _compare_camera(observation: Observation, record: dict) -> list[str]:
    """Say where a header names another camera than the one that the network's images were simulated for."""
    known = CAMERAS.get(record.get("telescope"), {}) if record.get("psf") is None else {}  # else one of the user's
    other = [
        f"{key} {value}"
        for key, value in observation.camera.items()
        if key in known and known[key] not in re.sub("[^A-Z0-9]", "", value.upper())
    ]
    if not other:
        return []
    return [f"its header says {', '.join(other)}; the network's images are those of {' '.join(known.values())}"]


def _compare_noise(prepared: Prepared, record: dict) -> list[str]:
    """Say that an image's background has another noise, or another level, than those of the training images."""
    noise, level = prepared.background_noise, prepared.background_level
    learned_noise, learned_level = _background_of_training(record, "noise"), _background_of_training(record, "level")
    said = []
    if learned_noise is not None and np.isfinite(noise):
        ratio = noise / np.clip(noise, *learned_noise)
        if not 1 / OTHER_NOISE <= ratio <= OTHER_NOISE:
            said.append(
                f"its background noise is {ratio:.2g} times that of the training images: the network never saw such "
                "noise"
            )
    if learned_level is not None and np.isfinite(level):
        beyond = level - np.clip(level, *learned_level)
        if abs(beyond) > OTHER_LEVEL * np.nan_to_num(noise):
            said.append(
                f"its background is {level:.3g} e-/s in a pixel, that of the training images {learned_level[0]:.2g} to "
                f"{learned_level[1]:.2g}: was {'the' if beyond > 0 else 'too much'} sky "
                "subtracted? --background=fit subtracts the level of its outskirts"
            )
    return said


def _background_of_training(record: dict, what: str) -> tuple[float, float] | None:
    """Return the range of the background's ``noise`` or ``level`` in the training images [e-/s], None if unknown.

    It was measured on them. Networks of older versions know their camera alone, whose background has a variance of
    (sky t + exposures read_noise^2) / t^2, in (e-/s)^2.
    """
    try:
        if record.get("background"):
            low, high = map(float, record["background"][what])
        elif what == "level":
            return None
        else:
            camera = {key: np.asarray(value, float) for key, value in record["camera"].items()}
            times = np.atleast_1d(camera["exposure-time"])  # both ends, where it was drawn
            if not (times > 0).all():  # no camera
                return None
            noise = np.sqrt(camera["sky"] * times + camera["exposures"] * camera["read-noise"] ** 2) / times
            low, high = float(noise.min()), float(noise.max())
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    if not (np.isfinite([low, high]).all() and low <= high and (what == "level" or low > 0)):
        return None
    return low, high


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
    return lines


def _notes(measurements: list[Measurement]) -> list[str]:
    return [f"  {one.observation.name}: {note}" for one in measurements for note in one.notes]


def _csv(measurements: list[Measurement], heads: Sequence[str]) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    of_image = ["field-x", "field-y", "unlike-percentile", "notes"]
    writer.writerow(["file", *(head.split(" [")[0] for head in heads), *of_image])
    for measurement in measurements:
        values = [f"{float(value):.7g}" for value in measurement.values]
        y, x = measurement.prepared.centre
        percentile = measurement.answer.percentile
        cells = [f"{x:.4f}", f"{y:.4f}", "" if percentile is None else f"{percentile:.1f}"]
        writer.writerow([measurement.observation.name, *values, *cells, "; ".join(measurement.notes)])
    return table.getvalue()

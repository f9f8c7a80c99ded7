"""Files of images to what a network makes of them, and that to a table and a figure."""

import re
import sys
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from stronglens.dataset import checksum
from stronglens.execution import Console
from stronglens.measuring.figures import MOST_FILES, draw_measured
from stronglens.measuring.images import ImageFile, list_images
from stronglens.measuring.tables import GrowingTables
from stronglens.network_archive import read_archive
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
from stronglens.parameters import Column, RunError, StronglensError, UsageError, to_manifest
from stronglens.plotting import check_cmap, save_figure
from stronglens.telescopes import TELESCOPES

OTHER_NOISE = 1.5
"""A factor between the noise of an image and that of the training images that is worth a line."""

MOST_LENSES = 100
"""Images of which each has a figure, draws and a model of its own; of more, there are tables only."""

MOST_REASONS = 20
"""Lines for images that were refused; all are in ``refused.csv``."""

BATCH_PIXELS, MOST_IN_BATCH = 2**18, 256
READERS = 4
"""Threads that read and prepare images while the network works."""

OF_IMAGE = ("field-x", "field-y", "unlike-percentile")
"""Columns of ``measured.csv`` beside what a network gives."""

SETTINGS = (
    *("task", "seed", "posterior-draws", "hdu", "planes", "pixel-scale", "zero-point", "unit", "exposure-time", "gain"),
    *("center", "mask", "noise-map", "bad-pixels", "background"),
)
"""Flags that measurements depend on."""

OTHER_LEVEL = 2.0
"""Of the background, beyond the range of the training images' levels, in units of its noise: worth a line."""

AS_DISTRIBUTED = "taken as it is, as the images were that the network learned from: neither scaled nor calibrated"


@dataclass(frozen=True)
class Prediction:
    """What a network makes of an image.

    Attributes
    ----------
    values : (L,) what it gives for each output
    draws : (S, L) from its posterior, or None
    notes : what it says of itself
    percentile : per cent of images like the training set's that are nearer to it; None where that is not known
    warnings : those of the notes that make its values doubtful: red in figures
    cells : more columns of the image's row in ``measured.csv``, by name
    problem : why there are no values, or None
    """

    values: np.ndarray
    draws: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    percentile: float | None = None
    warnings: tuple[str, ...] = ()
    cells: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None


@dataclass(frozen=True)
class Measurement:
    """What was measured on one image.

    Attributes
    ----------
    image : ImageFile
    observation : Observation
        Without its pixels, but for images that are drawn.
    prepared : Prepared, what the network saw, its noise and what was filled
    notes : what was decided on the way, and what the network says of itself
    answer : Prediction or None, before the network was asked
    """

    image: ImageFile
    observation: Observation
    prepared: Prepared
    notes: tuple[str, ...]
    answer: Prediction | None = None

    @property
    def name(self) -> str:
        """For tables, messages and figures: the image's, with the FITS extension that was read."""
        return self.observation.name

    @property
    def values(self) -> np.ndarray:
        """What the network gives for each output: (L,)."""
        return self.answer.values

    @property
    def seen(self) -> np.ndarray:
        """What the network saw: (H, W) float32, e-/s."""
        return self.prepared.image


@dataclass(frozen=True)
class Results:
    """What came of all images.

    Attributes
    ----------
    number : int, images that were asked for
    measured : int, those that were measured, in earlier runs too where this one was resumed
    kept : list of Measurement
        All of this run if there are at most ``MOST_LENSES`` images, else the first ``MOST_FILES``.
    refused : list of str, reasons for which images cannot be used, ``MOST_REASONS`` at most; all are in ``refused.csv``
    refused_number : int, of those images
    warned : int, images measured in this run whose values are doubtful (see `Prediction.warnings`)
    """

    number: int
    measured: int
    kept: list[Measurement]
    refused: list[str]
    refused_number: int
    warned: int


def measure_files(
    parameters,
    network,
    record: dict,
    answer: Callable[[np.ndarray], Sequence[Prediction]],
    heads: Sequence[str],
    cells: Sequence[str] = (),
    more_columns: Mapping[str, Sequence[str]] | None = None,
    more_rows: Callable[[Measurement], Mapping[str, list]] | None = None,
) -> Results:
    """Measure every image that can be used, and write ``measured.csv`` as the work goes on.

    Images are read and prepared by threads, and given to the network in batches of one size: an image gives the same
    numbers whatever is measured beside it. Memory does not grow with the number of images.

    Parameters
    ----------
    parameters : Parameters, of the training
    network : keras.Model
    record : dict, as saved with the network
    answer : callable, (N, H, W) float32, e-/s -> N of Prediction
    heads : sequence of L str, what the outputs are: ``src-center-x [arcsec]``
    cells : sequence of str, names of the cells that each `Prediction` has
    more_columns : mapping, optional
        Columns of other tables, by their names, beside ``file`` and ``path``.
    more_rows : callable, Measurement -> rows of each of those tables, without file and path

    Returns
    -------
    Results

    Raises
    ------
    RunError
        When the network was not trained for this task, or its record is not one of it.
    UsageError
        When a flag has no such value, means nothing to this network, or names what no file has.
    """
    check_cmap(parameters.cmap)
    read = ImageReader(parameters, record, *check_network(parameters, network, record))
    images = list_images(parameters.predict, parameters.planes, parameters.hdu)
    read.check_flags(images)
    headers = {"measured": ["file", "path", *(head.split(" [")[0] for head in heads), *OF_IMAGE, *cells, "notes"]}
    headers |= {name: ["file", "path", *columns] for name, columns in (more_columns or {}).items()}
    headers["refused"] = ["path", "reason"]
    has_many = len(images) > MOST_LENSES  # few are measured again: each has a figure, which may be missing
    tables = GrowingTables(parameters.figures_dir, headers, _settings(parameters), parameters.resume and has_many)
    todo = [image for image in images if str(image) not in tables.done]
    measured, kept, refused, refused_number, warned = len(images) - len(todo), [], [], 0, 0
    console = Console(parameters.quiet)
    if measured:
        console.say(f"Resuming: {measured:,} images are measured, {len(todo):,} to do")
    most = MOST_FILES if has_many else len(images)
    with tables, console.progress(len(todo), "measuring") as progress:
        for batch in _in_batches(todo, read, answer, batch_size(read.shape)):
            for one in batch:
                if isinstance(one, _Refused):
                    tables.add({"refused": [[str(one.image), one.reason]]})
                    refused_number += 1
                    refused += [one.reason] * (len(refused) < MOST_REASONS)
                    continue
                rows = {"measured": [_row(one)]} | (more_rows(one) if more_rows else {})
                tables.add({name: [[one.name, str(one.image), *row] for row in some] for name, some in rows.items()})
                measured += 1
                warned += bool(one.answer.warnings)
                kept += [one] * (len(kept) < most)
            tables.flush()
            progress.advance(len(batch))
    return Results(len(images), measured, kept, refused, refused_number, warned)


def write_measurements(
    parameters,
    record: Mapping,
    results: Results,
    heads: Sequence[str],
    captions: Sequence[str],
    caveats: Sequence[str],
    tables: Sequence[str] | None = None,
    verdicts: Sequence[str] = (),
    doubtful: Sequence[Collection[int]] = (),
) -> None:
    """Print a table, and draw what the network saw; say where everything is.

    Parameters
    ----------
    parameters : Parameters, of the training
    record : mapping, as saved with the network
    results : Results
    heads : sequence of L str, what the outputs are: ``src-center-x [arcsec]``
    captions : a text for each measurement that is kept, some lines, for the figure
    worth : lines that say what such numbers are worth
    tables : lines to print in place of the table of outputs and the notes
    verdicts : sequence of L str, a word below each head of that table
    doubtful : the lines of each caption that are to be in red
    """
    folder, kept = parameters.figures_dir, results.kept
    say = Console(parameters.quiet).say
    where = f"Table: {folder / 'measured.csv'}"
    if kept:
        lines = [*_table(kept, heads, verdicts), *_notes(kept), ""] if tables is None else tables
        say("\n".join([*lines, *caveats]))
        drawn = kept[:MOST_FILES]
        figure = draw_measured(
            [one.observation for one in drawn],
            [one.prepared for one in drawn],
            captions,
            float(record["pixel-scale"]),
            parameters.cmap,
            record.get("image-unit", "e-/s"),
            [one.answer.warnings for one in drawn],
            doubtful,
            results.number,
        )
        path = save_figure(figure, folder / f"measured.{parameters.figure_format}")
        where += f"; what the network saw: {path}"
    if results.number > MOST_LENSES:
        refused = f", {results.refused_number:,} refused (refused.csv)" if results.refused_number else ""
        say(
            f"{results.measured:,} images measured{refused}; {results.warned:,} of this run with a warning. Of more "
            f"than {MOST_LENSES} images there are tables, and no figures, draws or models of each"
        )
    if results.measured:
        say(where)


def refuse(results: Results, problems: Sequence[str] = ()) -> None:
    """Say for which reasons images were refused, if any were, and what else went wrong.

    Raises
    ------
    RunError
        With the last reason.
    """
    if results.refused_number > len(results.refused):
        more = results.refused_number - len(results.refused)
        problems = [*problems, f"{more:,} more images were refused: refused.csv has the reasons"]
    if reasons := [*results.refused, *problems]:
        raise _reported(reasons)


def _reported(reasons: Sequence[str]) -> RunError:
    """Return an error with the last reason, once the others are printed."""
    for reason in reasons[:-1]:
        print(f"error: {reason}", file=sys.stderr)
    return RunError(reasons[-1])


class ImageReader:
    """Read images and prepare them for a network: called with an image, and whether all of its file is kept.

    It returns a `Measurement` that has no answer yet.

    Parameters
    ----------
    parameters : Parameters, of the training
    record : dict, as saved with the network
    shape, pixel_scale, zero_point
        As returned by `check_network`.
    """

    def __init__(self, parameters, record: dict, shape, pixel_scale, zero_point):
        self.parameters, self.record = parameters, record
        self.shape, self.pixel_scale, self.zero_point = shape, pixel_scale, zero_point
        # Images that others made have no unit: what the network is given must be made as they were.
        self.is_as_distributed = _is_as_distributed(record)
        if self.is_as_distributed:
            _refuse_calibration(parameters)
        self.center, self.background = read_center(parameters.center), read_background(parameters.background)

    def check_flags(self, images: Sequence[ImageFile]) -> None:
        """Refuse masks and noise maps that none of the images has: names that were mistyped."""
        if not self.is_as_distributed:
            _require_any(self.parameters, images, "mask")
            _require_any(self.parameters, images, "noise_map")

    def __call__(self, image: ImageFile, is_kept: bool = False) -> Measurement:
        parameters, raw = self.parameters, self.is_as_distributed
        observation = read_observation(
            image.path,
            name=image.name,
            plane=image.plane,
            hdu=parameters.hdu,
            pixel_scale=self.pixel_scale if raw else parameters.pixel_scale,
            zero_point=parameters.zero_point,
            unit="e-/s" if raw else parameters.unit,
            exposure_time=parameters.exposure_time,
            gain=parameters.gain,
            mask=parameters.mask,
            noise_map=parameters.noise_map,
            background=0.0 if isinstance(self.background, str) else self.background,
        )
        if raw and observation.image.shape != self.shape:
            raise RunError(
                f"{observation.name}: it has {_sides(observation.image.shape)} pixels; images that others made are "
                f"taken as they are, and this network learned from {_sides(self.shape)}"
            )
        centre, notes = (0.0, 0.0), []
        if not raw:
            field = min(self.shape) * self.pixel_scale
            centre, notes = place_center(observation, self.center, field, _reach_of_centres(self.record))
        prepared = prepare(
            observation,
            shape=self.shape,
            pixel_scale=self.pixel_scale,
            zero_point=self.zero_point,
            centre=centre,
            bad_pixels="refuse" if raw else parameters.bad_pixels,
            subtract_background=self.background == "fit",
        )
        compared = (*_compare_camera(observation, self.record), *_compare_noise(prepared, self.record))
        notes = (AS_DISTRIBUTED,) if raw else (*observation.notes, *notes, *prepared.notes, *compared)
        if not is_kept:
            observation = replace(observation, image=np.empty((0, 0)), noise=None, mask=None)
        return Measurement(image, observation, prepared, notes)


def batch_size(shape: tuple[int, int]) -> int:
    """Return how many images of a shape a network is given at a time: their features then fit in memory."""
    return int(np.clip(BATCH_PIXELS // (shape[0] * shape[1]), 1, MOST_IN_BATCH))


@dataclass(frozen=True)
class _Refused:
    """An image that cannot be measured, and why."""

    image: ImageFile
    reason: str


def _in_batches(
    images: Sequence[ImageFile], read: ImageReader, answer: Callable, size: int
) -> Iterator[list[Measurement | _Refused]]:
    """Measure images in batches, while threads read those that come next; give them in their order."""

    def prepare_one(number: int, image: ImageFile) -> Measurement | _Refused:
        try:
            return read(image, is_kept=number < MOST_FILES)
        except StronglensError as error:
            return _Refused(image, str(error))

    pool, ahead, waiting = ThreadPoolExecutor(READERS), deque(), enumerate(images)
    try:
        while True:
            ahead.extend(pool.submit(prepare_one, *one) for one in islice(waiting, 2 * size - len(ahead)))
            if not ahead:
                return
            batch = [ahead.popleft().result() for _ in range(min(size, len(ahead)))]
            yield _answer_batch(batch, answer, size)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _answer_batch(batch: list, answer, size: int) -> list[Measurement | _Refused]:
    read = [one for one in batch if isinstance(one, Measurement)]
    if not read:
        return batch
    images = np.stack([one.prepared.image for one in read])
    # Always of one size: compiled once, and rounded alike.
    padded = np.concatenate([images, np.broadcast_to(images[:1], (size - len(images), *images.shape[1:]))])
    answers = dict(zip(map(id, read), answer(padded), strict=False))
    done: list[Measurement | _Refused] = []
    for one in batch:
        if (found := answers.get(id(one))) is None:
            done.append(one)
        elif found.problem:
            done.append(_Refused(one.image, f"{one.name}: {found.problem}"))
        else:
            done.append(replace(one, answer=found, notes=(*found.notes, *one.notes)))
    return done


def check_request(parameters, check_task: Callable[[dict], None] | None = None) -> None:
    """Refuse what can be refused without a network's library: it takes seconds to load.

    Of at most ``MOST_LENSES`` images each is read, of more a few; where none can be used, all reasons are given.

    Parameters
    ----------
    parameters : Parameters, of the training
    check_task : callable, optional
        Refuses, given the network's record, what the task's own flags ask of it.

    Raises
    ------
    RunError
        When there is no network, it is of another task, or no image can be used.
    UsageError
        When a flag has no such value, means nothing to this network, or names what no file has.
    """
    check_cmap(parameters.cmap)
    read_center(parameters.center)
    read_background(parameters.background)
    images = list_images(parameters.predict, parameters.planes, parameters.hdu)
    try:
        record, _ = read_archive(parameters.model_file)
    except RunError as error:
        gone = [str(image) for image in images if not Path(image.path).exists()]
        raise RunError(f"{error}{'; no such file: ' * bool(gone)}{_some(gone)}") from None
    read = ImageReader(parameters, record, *check_record(parameters, record))
    read.check_flags(images)
    if check_task is not None:
        check_task(record)
    tried = np.unique(np.linspace(0, len(images) - 1, len(images) if len(images) <= MOST_LENSES else MOST_REASONS))
    reasons = []
    for number in tried.astype(int):
        try:
            read(images[number])
            return
        except StronglensError as error:
            reasons.append(str(error))
    raise _reported(reasons)


def check_record(parameters, record: dict) -> tuple[tuple[int, int], float, float | None]:
    """Return what a network's record says of the images it was trained on.

    Parameters
    ----------
    parameters : Parameters, of the training
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
        is_sound = bool(record.get("classes") or [Column.from_dict(item) for item in record["labels"]])
        is_sound = is_sound and np.isfinite([pixel_scale, zero_point or 0.0]).all() and pixel_scale > 0
        is_sound = is_sound and len(shape) == 2 and min(shape) > 0
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        is_sound = False
    if not is_sound:
        raise RunError(f"{path} holds a damaged or foreign record of its network: train it anew")
    return shape, pixel_scale, zero_point


def check_network(parameters, network, record: dict) -> tuple[tuple[int, int], float, float | None]:
    """Return what `check_record` does, for a network that fits the record.

    Parameters
    ----------
    parameters : Parameters, of the training
    network : keras.Model
    record : dict, as saved with the network

    Raises
    ------
    RunError
        When the network was not trained for this task, or its record is not one of it.
    """
    shape, pixel_scale, zero_point = check_record(parameters, record)
    outputs = len(record.get("classes") or record["labels"])
    has_posterior = bool(record.get("posterior"))  # whose output is one number, whatever it is a density of
    is_sound = (len(network.inputs) == 2) == has_posterior
    is_sound = is_sound and (has_posterior or outputs == network.output_shape[-1])
    if not is_sound or shape != network.inputs[0].shape[1:]:
        raise RunError(f"{parameters.model_file} holds a damaged or foreign record of its network: train it anew")
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


def _require_any(parameters, images: Sequence[ImageFile], name: str) -> None:
    """Refuse a mask or noise map that is beside none of the files: a name that was mistyped."""
    given = getattr(parameters, name)
    if given is not None and not any(find_beside(image.path, given) for image in images):
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
    known = TELESCOPES.get(record.get("telescope"))
    if known is None or record.get("psf") is not None:  # a point-spread function of the user's: another camera
        return []
    other = [
        f"{key} {value}"
        for key, value in observation.camera.items()
        if key in known.header and known.header[key] not in re.sub("[^A-Z0-9]", "", value.upper())
    ]
    if not other:
        return []
    return [f"its header says {', '.join(other)}; the network's images are those of {known.title}"]


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


def _some(paths: Sequence[str]) -> str:
    """Return the first of some paths in words."""
    return ", ".join(paths[:5]) + (f" and {len(paths) - 5:,} more" if len(paths) > 5 else "")


def _sides(shape: tuple[int, int]) -> str:
    return f"{shape[1]} x {shape[0]}"


def _settings(parameters) -> dict[str, Any]:
    """Return what measurements depend on: flags, and the network's file."""
    written = to_manifest(parameters)
    of_network = {"model-file": str(parameters.model_file)}
    if Path(parameters.model_file).is_file():
        of_network["checksum of the network"] = checksum(Path(parameters.model_file).read_bytes())
    return of_network | {key: written[key] for key in SETTINGS if key in written}


def _table(measurements: list[Measurement], heads: Sequence[str], verdicts: Sequence[str] = ()) -> list[str]:
    rows = [["", *heads], *([["learned", *verdicts]] if verdicts else [])]
    rows += [[one.name, *(f"{value:.4g}" for value in one.values)] for one in measurements]
    first, *widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return [
        "  ".join([f"{name:<{first}}", *(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))])
        for name, *cells in rows
    ]


def _notes(measurements: list[Measurement]) -> list[str]:
    return [f"  {one.name}: {note}" for one in measurements for note in one.notes]


def _row(one: Measurement) -> list[str]:
    """Return the row of ``measured.csv`` without file and path."""
    y, x = one.prepared.centre
    percentile = one.answer.percentile
    of_image = [f"{x:.4f}", f"{y:.4f}", "" if percentile is None else f"{percentile:.1f}"]
    values = [f"{float(value):.7g}" for value in one.values]
    return [*values, *of_image, *one.answer.cells.values(), "; ".join(one.notes)]

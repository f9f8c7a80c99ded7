"""Apply a network to files of images, in batches, and write a table."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from stronglens.dataset import checksum
from stronglens.execution import Console
from stronglens.measuring.figures import MAX_DRAWN
from stronglens.measuring.images import ImageFile
from stronglens.measuring.output import MAX_REASONS
from stronglens.measuring.reading import ImageReader
from stronglens.measuring.results import (
    MAX_DETAILED,
    Measurement,
    Prediction,
    PreparedImage,
    RefusedImage,
    Results,
)
from stronglens.measuring.tables import GrowingTables
from stronglens.measuring.training_images import TrainingImages
from stronglens.parameters import StronglensError, to_manifest
from stronglens.plotting import check_cmap

BATCH_PIXELS, MAX_BATCH = 2**18, 256
READERS = 4
"""Threads that read and prepare images while the network works."""

COLUMNS = ("field-x", "field-y", "unlike-percentile")
"""Columns of ``measured.csv`` that are the same for all tasks."""

FLAGS = (
    *("task", "seed", "hdu", "planes", "pixel-scale", "zero-point", "unit", "exposure-time", "gain"),
    *("center", "mask", "noise-map", "bad-pixels", "background"),
)
"""Flags that measurements of all tasks depend on."""


def stack_images(prepared: Sequence[PreparedImage]) -> np.ndarray:
    """Return the pixels of prepared images: (N, H, W) or (N, H, W, B) float32, e-/s."""
    return np.stack([one.seen for one in prepared])


def measure_files(
    parameters,
    training_images: TrainingImages,
    predict: Callable[[Any], Sequence[Prediction]],
    headers: Sequence[str],
    cells: Sequence[str] = (),
    more_columns: Mapping[str, Sequence[str]] | None = None,
    more_rows: Callable[[Measurement], Mapping[str, list]] | None = None,
    flags: Sequence[str] = (),
    collect: Callable[[Sequence[PreparedImage]], Any] = stack_images,
    make_reader: Callable[..., ImageReader] = ImageReader,
) -> Results:
    """Measure every image that can be used, and write ``measured.csv`` row by row.

    Threads read and prepare the images; the network gets them in batches of one size, so that an image gives the same
    numbers in any company. Memory does not grow with the number of images.

    Parameters
    ----------
    parameters : Parameters
        Of the training.
    training_images : TrainingImages
    predict : callable
        Takes what ``collect`` returns, by default images (N, H, W) float32, e-/s; returns N Prediction.
    headers : sequence of L str
        Names and units of the predicted numbers, such as ``src-center-x [arcsec]``.
    cells : sequence of str
        Names of `Prediction.cells`.
    more_columns : mapping of str to sequence of str, optional
        Columns of other tables, by the name of the table; ``file`` and ``path`` are added.
    more_rows : callable, optional
        Takes a Measurement; returns its rows in those tables, without file and path.
    flags : sequence of str
        Flags of the task that its measurements depend on: a run is resumed only with the same values.
    collect : callable
        Takes N PreparedImage; returns the input of ``predict``. A network that needs more than the pixels has its own.
    make_reader : callable
        Takes the parameters and the training images; returns the reader of the images.

    Returns
    -------
    Results

    Raises
    ------
    UsageError
        If a flag has an invalid value, does not apply to this network, or names a file that does not exist.
    """
    check_cmap(parameters.cmap)
    read = make_reader(parameters, training_images)
    images = read.list_images()
    read.check_flags(images)
    columns = {"measured": ["file", "path", *(header.split(" [")[0] for header in headers), *COLUMNS, *cells, "notes"]}
    columns |= {name: ["file", "path", *some] for name, some in (more_columns or {}).items()}
    columns["refused"] = ["path", "reason"]
    has_many = len(images) > MAX_DETAILED  # few are always measured again: figures of some may be missing
    resume = parameters.resume and has_many
    tables = GrowingTables(parameters.figures_dir, columns, _settings(parameters, flags), resume)
    todo = [image for image in images if str(image) not in tables.done]
    kept: list[Measurement] = []
    refused: list[str] = []
    measured, refused_number, warned = len(images) - len(todo), 0, 0
    console = Console(parameters.quiet)
    if measured:
        console.say(f"Resuming: {measured:,} images are measured, {len(todo):,} remain")
    most = MAX_DRAWN if has_many else len(images)
    with tables, console.progress(len(todo), "measuring") as progress:
        size = batch_size(training_images.shape)
        for batch in _measure_batches(todo, read, lambda prepared: predict(collect(prepared)), size):
            for one in batch:
                if isinstance(one, RefusedImage):
                    tables.add({"refused": [[str(one.image), one.reason]]})
                    refused_number += 1
                    refused += [one.reason] * (len(refused) < MAX_REASONS)
                    continue
                rows = {"measured": [_row(one)], **(more_rows(one) if more_rows else {})}
                tables.add({name: [[one.name, str(one.image), *row] for row in some] for name, some in rows.items()})
                measured += 1
                warned += bool(one.prediction.warnings)
                kept += [one] * (len(kept) < most)
            tables.flush()
            progress.advance(len(batch))
    return Results(len(images), measured, kept, refused, refused_number, warned)


def batch_size(shape: tuple[int, int]) -> int:
    """Return the number of images of a shape in a batch, such that the network's features fit in memory."""
    return int(np.clip(BATCH_PIXELS // (shape[0] * shape[1]), 1, MAX_BATCH))


def _measure_batches(
    images: Sequence[ImageFile], read: ImageReader, predict: Callable, size: int
) -> Iterator[list[Measurement | RefusedImage]]:
    """Yield measured batches in the order of the images, while threads read the next ones."""

    def prepare_one(number: int, image: ImageFile) -> PreparedImage | RefusedImage:
        try:
            return read(image, keep_pixels=number < MAX_DRAWN)
        except StronglensError as error:
            return RefusedImage(image, str(error))

    pool, waiting = ThreadPoolExecutor(READERS), enumerate(images)
    ahead: deque[Future] = deque()
    try:
        while True:
            ahead.extend(pool.submit(prepare_one, *one) for one in islice(waiting, 2 * size - len(ahead)))
            if not ahead:
                return
            batch = [ahead.popleft().result() for _ in range(min(size, len(ahead)))]
            yield _predict_batch(batch, predict, size)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _predict_batch(
    batch: Sequence[PreparedImage | RefusedImage], predict: Callable, size: int
) -> list[Measurement | RefusedImage]:
    read = [one for one in batch if isinstance(one, PreparedImage)]
    if not read:
        return [one for one in batch if isinstance(one, RefusedImage)]
    # Always of one size: the program is compiled once, and all images are rounded in the same way.
    predictions = iter(predict([*read, *read[:1] * (size - len(read))]))
    done: list[Measurement | RefusedImage] = []
    for one in batch:
        if isinstance(one, RefusedImage):
            done.append(one)
            continue
        found = next(predictions)
        if found.problem:
            done.append(RefusedImage(one.image, f"{one.name}: {found.problem}"))
        else:
            notes = (*found.notes, *one.notes)
            done.append(Measurement(one.image, one.observation, one.prepared, notes, found))
    return done


def _settings(parameters, flags: Sequence[str]) -> dict[str, Any]:
    """Return the values that measurements depend on: flags, and the checksum of the network's file."""
    written = to_manifest(parameters)
    of_network = {"model-file": str(parameters.model_file)}
    if Path(parameters.model_file).is_file():
        of_network["checksum of the network"] = checksum(Path(parameters.model_file).read_bytes())
    return of_network | {key: written[key] for key in (*FLAGS, *flags) if key in written}


def _row(one: Measurement) -> list[str]:
    """Return the row of ``measured.csv`` without file and path."""
    y, x = one.prepared.centre
    percentile = one.prediction.percentile
    shared = [f"{x:.4f}", f"{y:.4f}", "" if percentile is None else f"{percentile:.1f}"]
    values = [f"{float(value):.7g}" for value in one.values]
    return [*values, *shared, *one.prediction.cells.values(), "; ".join(one.notes)]

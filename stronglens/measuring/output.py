"""Output of a measurement: the printed table, the figure of the images, the reasons of refused images."""

import sys
from collections.abc import Collection, Sequence

from stronglens.execution import Console
from stronglens.measuring.figures import MAX_DRAWN, draw_measured
from stronglens.measuring.results import MAX_DETAILED, Measurement, Results
from stronglens.measuring.training_images import TrainingImages
from stronglens.parameters import RunError
from stronglens.plotting import save_figure

MAX_REASONS = 20
"""Largest number of refused images whose reason is printed; all are in ``refused.csv``."""


def write_measurements(
    parameters,
    training_images: TrainingImages,
    results: Results,
    headers: Sequence[str],
    captions: Sequence[str],
    caveats: Sequence[str],
    tables: Sequence[str] | None = None,
    verdicts: Sequence[str] = (),
    doubtful: Sequence[Collection[int]] = (),
) -> None:
    """Print a table, draw the network's input, and print where the files are.

    Parameters
    ----------
    parameters : Parameters
        Of the training.
    training_images : TrainingImages
    results : Results
    headers : sequence of L str
        Names and units of the predicted numbers, such as ``src-center-x [arcsec]``.
    captions : sequence of str
        Text beside each drawn image; may have several lines.
    caveats : sequence of str
        Lines printed below the table: what the numbers assume.
    tables : sequence of str, optional
        Lines printed in place of the table of predicted numbers and of the notes.
    verdicts : sequence of L str, optional
        Whether the network has learned each number: a word below each header.
    doubtful : sequence of collections of int, optional
        Lines of each caption that are red.
    """
    folder, kept = parameters.figures_dir, results.kept
    say = Console(parameters.quiet).say
    where = f"Table: {folder / 'measured.csv'}"
    if kept:
        lines = [*_table(kept, headers, verdicts), *_notes(kept), ""] if tables is None else tables
        say("\n".join([*lines, *caveats]))
        drawn = kept[:MAX_DRAWN]
        figure = draw_measured(
            [one.observation for one in drawn],
            [one.prepared for one in drawn],
            captions,
            training_images.pixel_scale,
            parameters.cmap,
            "file units" if training_images.is_relative else training_images.unit,
            [one.prediction.warnings for one in drawn],
            doubtful,
            results.number,
            treatment="without weight" if training_images.is_relative else "filled",
            bands=list(training_images.bands),
        )
        path = save_figure(figure, folder / f"measured.{parameters.figure_format}")
        where += f"; input of the network: {path}"
    if results.number > MAX_DETAILED:
        refused = f", {results.refused_number:,} refused (refused.csv)" if results.refused_number else ""
        say(
            f"{results.measured:,} images measured{refused}; {results.warned:,} of this run have a warning. For more "
            f"than {MAX_DETAILED} images only tables are written, without files for each image"
        )
    if results.measured:
        say(where)


def refuse(results: Results, problems: Sequence[str] = ()) -> None:
    """Print why images were refused, and other problems; do nothing if there are none.

    Raises
    ------
    RunError
        With the last reason.
    """
    if results.refused_number > len(results.refused):
        more = results.refused_number - len(results.refused)
        problems = [*problems, f"{more:,} more images were refused: refused.csv has the reasons"]
    if reasons := [*results.refused, *problems]:
        raise print_reasons(reasons)


def print_reasons(reasons: Sequence[str]) -> RunError:
    """Print all reasons but the last on standard error; return an error with the last."""
    for reason in reasons[:-1]:
        print(f"error: {reason}", file=sys.stderr)
    return RunError(reasons[-1])


def _table(measurements: list[Measurement], headers: Sequence[str], verdicts: Sequence[str]) -> list[str]:
    rows = [["", *headers], *([["learned", *verdicts]] if verdicts else [])]
    rows += [[one.name, *(f"{value:.4g}" for value in one.values)] for one in measurements]
    first, *widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return [
        "  ".join([f"{name:<{first}}", *(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))])
        for name, *cells in rows
    ]


def _notes(measurements: list[Measurement]) -> list[str]:
    return [f"  {one.name}: {note}" for one in measurements for note in one.notes]

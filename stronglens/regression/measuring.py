"""Measure labels of telescope images, and print what the numbers assume."""

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext

import numpy as np

from stronglens.measuring import (
    MAX_DETAILED,
    Measurement,
    PreparedImage,
    measure_files,
    read_training_images,
    refuse,
    stack_images,
    write_measurements,
)
from stronglens.parameters import Column
from stronglens.plotting import write_captions
from stronglens.regression.label_verdict import LabelVerdict, describe_verdicts, judge_image, judge_labels
from stronglens.regression.lens_posteriors import LensPosteriors
from stronglens.regression.outputs import read_labels
from stronglens.regression.posterior import Posterior
from stronglens.regression.prediction import LabelPredictor
from stronglens.regression.refined_lenses import RefinedLenses
from stronglens.regression.separated import open_separator

MEDIANS = "median $\\pm$ standard deviation"
"""Heading of a posterior's numbers beside an image."""


def measure(parameters, network, record: dict, rebuild, open_simulation) -> None:
    """Measure files with a trained network, and write ``measured.csv`` and a figure.

    With a posterior, also write ``posteriors.csv``, the draws and a figure of each lens, with a model image if the
    network has learned enough for one, and COOLEST files if they are requested.

    Parameters
    ----------
    parameters : RegressionTraining
    network : keras.Model
    record : dict
        As saved with the network.
    rebuild : callable
        Takes the simulation parameters in a record; returns RegressionSimulation.
    open_simulation : callable
        Opens an executor of another process, which may import PyAutoLens.

    Raises
    ------
    RunError
        If the network was trained for another task, or a file cannot be used (after all others were written).
    UsageError
        If a flag has an invalid value, does not apply to this network, or names a file that does not exist.
    """
    training_images = read_training_images(parameters, record, network)
    columns = read_labels(parameters, record, network)
    posterior = Posterior(network, record) if record.get("posterior") else None
    verdicts = judge_labels(record, [column.name for column in columns])
    # Created before the work starts: it refuses invalid requests.
    lenses = LensPosteriors(parameters, record, columns, rebuild, verdicts) if posterior else None
    predict = LabelPredictor(parameters, network, record, columns, posterior, verdicts)
    names = [f"{column.name}-median" if posterior else column.name for column in columns]
    headers = [f"{name} [{column.unit}]" if column.unit else name for name, column in zip(names, columns, strict=True)]
    results = measure_files(
        parameters,
        training_images,
        predict,
        headers,
        cells=["learned"],
        more_columns=lenses.table if lenses else None,
        more_rows=lenses.rows if lenses else None,
        flags=["posterior-draws", "separate"],
        collect=_collect(parameters),
    )
    captions, doubtful = _captions(results.kept, columns, verdicts)
    caveats = [*_wrapped(describe_verdicts(verdicts)), *_caveats(columns, posterior is not None)]
    words = [one.word for one in verdicts.values()]
    posteriors = [lenses.summarize(one) for one in results.kept] if lenses else []
    tables = lenses.describe(posteriors) if lenses else None
    write_measurements(parameters, training_images, results, headers, captions, caveats, tables, words, doubtful)
    problems = []
    if lenses and results.number <= MAX_DETAILED and posteriors:
        needs_simulation = lenses.why_no_model is None or parameters.refine
        with open_simulation() if needs_simulation else nullcontext() as executor:
            problems = lenses.write(posteriors, executor if lenses.why_no_model is None else None)
            if parameters.refine:
                problems += RefinedLenses(parameters, lenses).write(posteriors, executor)
    refuse(results, problems)


def _collect(parameters) -> Callable[[Sequence[PreparedImage]], np.ndarray]:
    """Return what makes the input of the network from prepared images: their pixels, or the light of the sources."""
    if not parameters.separate:
        return stack_images
    separate = open_separator(parameters.separate)
    return lambda prepared: separate(stack_images(prepared))


def _captions(
    kept: Sequence[Measurement], columns: Sequence[Column], verdicts: Mapping[str, LabelVerdict]
) -> tuple[list[str], list[list[int]]]:
    """Return the text beside each image, and the numbers of its lines that are doubtful."""
    values = np.array([one.values for one in kept]).reshape(-1, len(columns))
    captions, doubtful = [], []
    for one, text in zip(kept, write_captions(values, columns, most=len(columns)), strict=True):
        draws, lines = one.prediction.draws, text.splitlines()
        here = list(judge_image(verdicts, draws).values())
        if draws is not None:
            deviations = zip(lines, draws.std(axis=0), strict=True)
            lines = [rf"{line} $\pm$ {deviation:.2g}" for line, deviation in deviations]
        words = [f"  {its.word.lower()}" if its.is_doubtful else "" for its in here]
        lines = [line + word for line, word in zip(lines, words, strict=True)]
        head = [] if draws is None else [MEDIANS]
        captions.append("\n".join([*head, *lines]))
        doubtful.append([place for place, its in enumerate(here, len(head)) if its.is_doubtful])
    return captions, doubtful


def _wrapped(lines: Iterable[str]) -> list[str]:
    return [part for line in lines for part in textwrap.wrap(line, 116, subsequent_indent="  ", break_on_hyphens=False)]


def _caveats(columns: Sequence[Column], has_posterior: bool) -> list[str]:
    """Return what the training set assumes: a network returns its prior where an image contains no information."""
    what = "A posterior under the training set's prior" if has_posterior else "A point estimate without an error bar"
    line = f"{what}, valid only if the training simulations resemble this image."
    ranges = [f"{column.name} {column.prior[0]:g} to {column.prior[1]:g}" for column in columns if column.prior]
    if not ranges:
        return [line]
    joined = "; ".join(text.replace(" ", "\0") for text in ranges)  # a range stays on its line
    lines = textwrap.wrap(joined, 116, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    return [line, "Training ranges (do not extrapolate):", *(text.replace("\0", " ") for text in lines)]

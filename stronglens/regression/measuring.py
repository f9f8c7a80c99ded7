"""What is measured on a telescope image, and what it is worth."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from stronglens import telescope
from stronglens.execution import Console
from stronglens.measuring import (
    MOST_LENSES,
    Measurement,
    Prediction,
    check_network,
    list_images,
    measure_files,
    refuse,
    write_measurements,
)
from stronglens.out_of_distribution import Likeness, TrainingSetComparison
from stronglens.parameters import Column, RunError, StronglensError, UsageError
from stronglens.plotting import save_figure, write_captions
from stronglens.regression.export import export_coolest
from stronglens.regression.figures import draw_lens_model
from stronglens.regression.label_verdict import (
    LabelVerdict,
    add_derived,
    describe_verdicts,
    judge_image,
    judge_labels,
    list_learned,
)
from stronglens.regression.lens_model import model_lens
from stronglens.regression.lens_shape import columns_of_shape
from stronglens.regression.posterior import Posterior
from stronglens.regression.published import (
    POSTERIOR_COLUMNS,
    PublishedLens,
    PublishedTable,
    Summary,
    derive_quantities,
    posterior_rows,
    posterior_table,
    summarize,
    write_draws,
)

MEDIANS = "median $\\pm$ standard deviation"
"""Head of the numbers of a posterior beside an image."""
AT_END, MANY = 0.01, 0.25
"""So large a share of a posterior in the last hundredth of a label's range: it ends where the training set does."""


def measure(parameters, network, record: dict, rebuild, open_simulation) -> None:
    """Measure files with a trained network: a table, ``measured.csv`` and a figure.

    With a posterior also ``posteriors.csv``, the draws and a figure of each lens, with its model image where the
    network learned enough for one, and COOLEST files where they are asked for.

    Parameters
    ----------
    parameters : RegressionTraining
    network : keras.Model
    record : dict, as saved with the network
    rebuild : callable, makes RegressionSimulation of those in a record
    open_simulation : callable, opens an executor of another process, which may import PyAutoLens

    Raises
    ------
    RunError
        When the network is of another task, or a file cannot be used (after all others were written).
    UsageError
        When a flag asks for a posterior that the network does not give.
    """
    check_network(parameters, network, record)
    posterior = Posterior(network, record) if record.get("posterior") else None
    columns = [Column.from_dict(item) for item in record["labels"]]
    verdicts = judge_labels(record, [column.name for column in columns])
    # Refuses before the work what it cannot do.
    lenses = _Lenses(parameters, record, rebuild, verdicts) if posterior else None
    answer = _Predictor(parameters, network, record, posterior, verdicts)
    names = [f"{column.name}-median" if posterior else column.name for column in columns]
    heads = [f"{name} [{column.unit}]" if column.unit else name for name, column in zip(names, columns, strict=True)]
    more = (lenses.table, lenses.rows) if lenses else ()
    results = measure_files(parameters, network, record, answer, heads, ["learned"], *more)
    captions, doubtful = _captions(results.kept, columns, verdicts)
    caveats = [*_wrapped(describe_verdicts(verdicts)), *_caveats(columns, posterior is not None)]
    words = [one.word for one in verdicts.values()]
    found = [lenses.summarize(one) for one in results.kept] if lenses else []
    tables = lenses.describe(found) if lenses else None
    write_measurements(parameters, record, results, heads, captions, caveats, tables, words, doubtful)
    problems = []
    if lenses and results.number <= MOST_LENSES and found:
        with open_simulation() if lenses.why_no_model is None else nullcontext() as executor:
            problems = lenses.draw(found, executor)
    refuse(results, problems)


class _Predictor:
    """What the network makes of images: called with (N, H, W), e-/s; returns N of Prediction."""

    def __init__(self, parameters, network, record, posterior, verdicts: dict[str, LabelVerdict]):
        self.parameters, self.posterior, self.verdicts = parameters, posterior, verdicts
        self.columns = [Column.from_dict(item) for item in record["labels"]]
        self.compare = TrainingSetComparison(network, record, posterior)

    def __call__(self, images: np.ndarray) -> list[Prediction]:
        seen, likeness = self.compare(images)
        if self.posterior is None:
            return [self._answer(values, None, said) for values, said in zip(seen["output"], likeness, strict=True)]
        number, seed = self.parameters.posterior_draws, self.parameters.seed
        draws = self.posterior.sample(seen["summary"], number, seed, is_common=True)
        medians = np.percentile(draws.astype(float), 50, axis=1)  # as in `summarize`, to the last digit
        return [self._answer(*one) for one in zip(medians, draws, likeness, strict=True)]

    def _answer(self, values: np.ndarray, draws: np.ndarray | None, likeness: Sequence[Likeness]) -> Prediction:
        problem = None if np.isfinite(values).all() else "the network returned NaN or infinity"
        notes = [one.text for one in likeness]
        if draws is not None and not problem:
            notes += [*find_limits(self.columns, draws), *find_wide(self.verdicts, draws)]
        return Prediction(
            values,
            draws,
            tuple(notes),
            likeness[0].percentile,
            warnings=tuple(one.text for one in likeness if one.is_unlike),
            cells={"learned": list_learned(self.verdicts)},
            problem=problem,
        )


def find_wide(verdicts: Mapping[str, LabelVerdict], draws: np.ndarray) -> list[str]:
    """Say of which labels a posterior (S, L) is as wide as the prior, although the network has learned them."""
    found = [name for name, one in judge_image(verdicts, draws).items() if one.is_wide]
    return [f"as wide as the prior here, though learned: {', '.join(found)}"] if found else []


def find_limits(columns: Sequence[Column], draws: np.ndarray) -> list[str]:
    """Say of which labels a posterior lies at the end of what the network was trained on.

    Parameters
    ----------
    columns : sequence of L Column
    draws : (S, L)

    Returns
    -------
    list of str, one sentence or none
    """
    found = []
    for column, values in zip(columns, draws.T, strict=True):
        low, high = column.prior if column.drawn and column.prior else (-np.inf, np.inf)
        edge = AT_END * (high - low)
        if np.isfinite(edge):
            ends = {low: np.mean(values < low + edge), high: np.mean(values > high - edge)}
            found += [f"{column.name} ({end:g})" for end, share in ends.items() if share > MANY]
    if not found:
        return []
    return [f"at the end of what the network was trained on, limits rather than measurements: {', '.join(found)}"]


@dataclass(frozen=True)
class _Found:
    """What was found of one lens.

    Attributes
    ----------
    measurement : Measurement
    columns : list of M Column, those learned and what follows from them
    values : (S, M) draws
    published : PublishedLens
    summaries : list of M Summary
    """

    measurement: Measurement
    columns: list[Column]
    values: np.ndarray
    published: PublishedLens
    summaries: list[Summary]


class _Lenses:
    """Posteriors of measured lenses: beside what is published of them, as tables, figures and files for others."""

    def __init__(self, parameters, record: dict, rebuild, verdicts: dict[str, LabelVerdict]):
        self.verdicts, self.console = verdicts, Console(parameters.quiet)
        self.parameters, self.learned = parameters, [Column.from_dict(item) for item in record["labels"]]
        self.labels = [column.name for column in self.learned]
        self.pixel_scale = record["pixel-scale"]
        self.lens_model = (record.get("simulation") or {}).get("lens-model", "")
        # Which quantities there are does not depend on their values.
        known, _ = derive_quantities(self.learned, np.zeros((1, len(self.learned))), self.lens_model)
        table = PublishedTable(parameters.published, known) if parameters.published else None
        images = list_images(parameters.predict, parameters.planes, parameters.hdu)
        if parameters.coolest and len(images) > MOST_LENSES:
            raise UsageError(f"--coolest: at most {MOST_LENSES} images have a model each; these are {len(images):,}")
        paths = {image.path for image in images}
        self.published = {path: table.of(path) if table else PublishedLens({}) for path in paths}
        if table and not any(lens.is_listed for lens in self.published.values()):
            raise UsageError(
                f"--published={parameters.published}: none of its rows is of a measured file; its column file has the "
                "end of a path, or name a part of it, and capitals count"
            )
        self.made_with: Any = None
        self.why_no_model: str | None = None
        try:
            self.made_with = _find_simulation(record, rebuild)
            columns_of_shape(self.made_with, self.labels)
        except StronglensError as error:
            if parameters.coolest:
                raise RunError(f"--coolest: {error}") from None
            self.why_no_model = str(error)

    table = MappingProxyType({"posteriors": POSTERIOR_COLUMNS})

    def rows(self, one: Measurement) -> dict[str, list[list[str]]]:
        """Return the rows of an image in ``posteriors.csv``."""
        return {"posteriors": posterior_rows(self.summarize(one).summaries, one.answer.percentile)}

    def summarize(self, one: Measurement) -> _Found:
        """Return what was found of a lens."""
        columns, values = derive_quantities(self.learned, one.answer.draws, self.lens_model)
        published = self.published[one.image.path]
        verdicts = judge_image(self.verdicts, one.answer.draws)
        verdicts = add_derived(verdicts, [column.name for column in columns])
        return _Found(one, columns, values, published, summarize(columns, values, published.values, verdicts))

    def describe(self, found: Sequence[_Found]) -> list[str]:
        """Return the lines of a table for each image."""
        lines = []
        for one in found:
            notes = [*one.measurement.notes, *one.published.notes]
            lines += [*posterior_table(one.measurement.name, one.summaries, notes), ""]
        return [*lines, self.why_no_model, ""] if self.why_no_model else lines

    def draw(self, found: Sequence[_Found], executor) -> list[str]:
        """Draw a figure of each lens, write its draws and its COOLEST file; return what went wrong."""
        folder, problems = self.parameters.figures_dir, []
        for one in found:
            measured, model, stem = one.measurement, None, one.measurement.image.stem
            write_draws(folder / f"draws_{stem}.csv", one.columns, one.values)
            notes = [note for note in measured.answer.notes if note not in measured.answer.warnings]
            if executor is None:
                notes.append(self.why_no_model)
            else:
                seen, draws = measured.prepared, measured.answer.draws
                try:
                    model = model_lens(self.made_with, self.labels, draws, seen.image, seen.noise, seen.mask, executor)
                    if self.parameters.coolest:
                        path = folder / f"coolest_{stem}"
                        remarks = _remarks(measured, self.verdicts)
                        export_coolest(
                            path, self.made_with, self.labels, measured, model, one.published, executor, remarks
                        )
                        self.console.say(f"COOLEST: {path}")
                except StronglensError as error:
                    problems.append(f"{measured.name}: {error}")
                    notes.append(str(error))
            figure = draw_lens_model(
                measured.name, measured.prepared.image, measured.prepared.mask, self.pixel_scale,
                one.columns, one.values, one.summaries, model, notes, self.parameters.cmap,
                [*measured.answer.warnings, *describe_verdicts(self.verdicts)],
            )  # fmt: skip
            path = save_figure(figure, folder / f"lens_{stem}.{self.parameters.figure_format}")
            self.console.say(f"Posterior: {path}, draws_{stem}.csv")
        return problems


def _remarks(measured: Measurement, verdicts: dict[str, LabelVerdict]) -> dict[str, str]:
    """Return what a file for other codes says of an image."""
    y, x = measured.prepared.centre
    return {
        "image": measured.name,
        "origin": f"(x, y) = ({x:+.4f}, {y:+.4f}) arcsec from the middle of the image's file",
        "notes": "; ".join(measured.answer.notes),
        "learned": list_learned(verdicts),
        "doubtful": "; ".join(describe_verdicts(verdicts)),
    }


def _find_simulation(record: dict, rebuild):
    """Return the RegressionSimulation of a network's training set.

    Raises
    ------
    RunError
        When they are not known, or their point-spread function is not what it was.
    """
    recorded = record.get("simulation")
    if not isinstance(recorded, dict):
        raise RunError("no model image: the network's record does not say how its training set was simulated")
    try:
        made_with = rebuild(recorded)
    except StronglensError as error:
        raise RunError(f"no model image: the training set was simulated by another version ({error})") from None
    if made_with.psf_fits:
        try:
            there, _ = telescope.read_psf(made_with.psf_fits, made_with.pixel_scale)
        except StronglensError as error:
            raise RunError(f"no model image without the training set's point-spread function: {error}") from None
        kernel = np.array(record.get("psf"), float)
        if kernel.shape != there.shape or not np.allclose(kernel, there, atol=1e-7):
            raise RunError(
                f"no model image: {made_with.psf_fits} is no longer the point-spread function that the network "
                "learned from (another file, or an earlier version read it otherwise)"
            )
    return made_with


def _captions(
    kept: Sequence[Measurement], columns: Sequence[Column], verdicts: dict[str, LabelVerdict]
) -> tuple[list[str], list[list[int]]]:
    """Return what is written beside each image, and which lines of it are doubtful."""
    values = np.array([one.values for one in kept]).reshape(-1, len(columns))
    captions, doubtful = [], []
    for one, text in zip(kept, write_captions(values, columns, most=len(columns)), strict=True):
        draws, lines = one.answer.draws, text.splitlines()
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


def _caveats(columns: list[Column], has_posterior: bool) -> list[str]:
    """Say what the training set assumes: a network returns its prior where an image tells it nothing."""
    what = "A posterior under the training set's prior" if has_posterior else "A point estimate without an error bar"
    line = f"{what}, and only as good as the simulation is like this image."
    known = [f"{column.name} {column.prior[0]:g} to {column.prior[1]:g}" for column in columns if column.prior]
    if not known:
        return [line]
    joined = "; ".join(text.replace(" ", "\0") for text in known)  # a range stays on its line
    lines = textwrap.wrap(joined, 116, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    return [line, "The network knows nothing outside of", *(text.replace("\0", " ") for text in lines)]

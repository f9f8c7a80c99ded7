"""What is measured on a telescope image, and what it is worth."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from stronglens import telescope
from stronglens.measuring import Answer, Measurement, check_network, measure_files, refuse, write_measurements
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
    PublishedLens,
    PublishedTable,
    Summary,
    derive_quantities,
    posterior_table,
    summarize,
    write_draws,
    write_posteriors,
)

AT_END, MANY = 0.01, 0.25
"""So large a share of a posterior in the last hundredth of a label's range: it ends where the training set does."""


def measure(parameters, network, record: dict, rebuild, open_simulation) -> None:
    """Measure files with a trained network: a table, ``measured.csv`` and a figure.

    With a posterior also ``posteriors.csv``, the draws and a figure of each lens, with its model image where the
    network learned enough for one, and COOLEST files where they are asked for.

    Parameters
    ----------
    parameters : TrainingParameters
    network : keras.Model
    record : dict, as saved with the network
    rebuild : callable, makes SimulationParameters of those in a record
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
    for name in ("published", "coolest"):
        if posterior is None and getattr(parameters, name):
            raise UsageError(f"--{name} needs a network that gives a posterior: train one with --posterior=flow")
    columns = [Column.from_dict(item) for item in record["labels"]]
    verdicts = judge_labels(record, [column.name for column in columns])
    # Refuses before the work what it cannot do.
    lenses = _Lenses(parameters, record, rebuild, verdicts) if posterior else None
    answer = _Answering(parameters, network, record, posterior, verdicts)
    measurements, refused = measure_files(parameters, network, record, answer)
    heads = [f"{column.name} [{column.unit}]" if column.unit else column.name for column in columns]
    values = np.array([measurement.values for measurement in measurements]).reshape(-1, len(columns))
    captions = write_captions(values, columns, most=len(columns))
    if posterior is not None:
        captions = [_add_deviations(text, one.answer.draws) for text, one in zip(captions, measurements, strict=True)]
    here = [judge_image(verdicts, one.answer.draws) for one in measurements]
    captions = [_add_verdicts(text, some.values()) for text, some in zip(captions, here, strict=True)]
    doubtful = [[place for place, one in enumerate(some.values()) if one.is_doubtful] for some in here]
    worth = [*_wrapped(describe_verdicts(verdicts)), *_worth(columns, posterior is not None)]
    words = [one.word for one in verdicts.values()]
    if posterior is None or not measurements:
        write_measurements(
            parameters, record["pixel-scale"], measurements, refused, heads, captions, worth, None, words, doubtful
        )
        return
    found = lenses.summarize(measurements)
    tables = lenses.write_tables(found)
    write_measurements(
        parameters, record["pixel-scale"], measurements, [], heads, captions, worth, tables, words, doubtful
    )
    with open_simulation() if lenses.why_no_model is None else nullcontext() as executor:
        problems = lenses.draw(found, executor)
    refuse([*refused, *problems])


class _Answering:
    """What the network makes of images: called with (N, H, W), e-/s; returns N of Answer."""

    def __init__(self, parameters, network, record, posterior, verdicts: dict[str, LabelVerdict]):
        self.parameters, self.posterior, self.verdicts = parameters, posterior, verdicts
        self.columns = [Column.from_dict(item) for item in record["labels"]]
        self.compare = TrainingSetComparison(network, record, posterior)

    def __call__(self, images: np.ndarray) -> list[Answer]:
        seen, likeness = self.compare(images)
        if self.posterior is None:
            return [self._answer(values, None, said) for values, said in zip(seen["output"], likeness, strict=True)]
        number, seed = self.parameters.posterior_draws, self.parameters.seed
        draws = self.posterior.sample(seen["summary"], number, seed, is_common=True)
        return [self._answer(some.mean(axis=0), some, said) for some, said in zip(draws, likeness, strict=True)]

    def _answer(self, values: np.ndarray, draws: np.ndarray | None, likeness: Sequence[Likeness]) -> Answer:
        problem = None if np.isfinite(values).all() else "the network returned NaN or infinity"
        notes = [one.text for one in likeness]
        if draws is not None and not problem:
            notes += [*find_limits(self.columns, draws), *find_wide(self.verdicts, draws)]
        return Answer(
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
        self.verdicts = verdicts
        self.parameters, self.learned = parameters, [Column.from_dict(item) for item in record["labels"]]
        self.labels = [column.name for column in self.learned]
        self.pixel_scale = record["pixel-scale"]
        self.lens_model = (record.get("simulation") or {}).get("lens-model", "")
        # Which quantities there are does not depend on their values.
        known, _ = derive_quantities(self.learned, np.zeros((1, len(self.learned))), self.lens_model)
        table = PublishedTable(parameters.published, known) if parameters.published else None
        self.published = {path: table.of(path) if table else PublishedLens({}) for path in parameters.predict}
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

    def summarize(self, measurements: Sequence[Measurement]) -> list[_Found]:
        """Return what was found of each lens."""
        found = []
        for one in measurements:
            columns, values = derive_quantities(self.learned, one.answer.draws, self.lens_model)
            published = self.published[one.path]
            verdicts = judge_image(self.verdicts, one.answer.draws)
            verdicts = add_derived(verdicts, [column.name for column in columns])
            summaries = summarize(columns, values, published.values, verdicts)
            found.append(_Found(one, columns, values, published, summaries))
        return found

    def write_tables(self, found: Sequence[_Found]) -> list[str]:
        """Write ``posteriors.csv`` and return the lines of a table for each file."""
        named = [(one.measurement.observation.name, one) for one in found]
        path = self.parameters.figures_dir / "posteriors.csv"
        write_posteriors(path, [(name, one.summaries, one.measurement.answer.percentile) for name, one in named])
        lines = []
        for name, one in named:
            lines += [*posterior_table(name, one.summaries, [*one.measurement.notes, *one.published.notes]), ""]
        return [*lines, self.why_no_model, ""] if self.why_no_model else lines

    def draw(self, found: Sequence[_Found], executor) -> list[str]:
        """Draw a figure of each lens, write its draws and its COOLEST file; return what went wrong."""
        folder, problems = self.parameters.figures_dir, []
        stems = _name_files([one.measurement.path for one in found])
        for one, stem in zip(found, stems, strict=True):
            measured, model = one.measurement, None
            write_draws(folder / f"draws_{stem}.csv", one.columns, one.values)
            notes = [note for note in measured.answer.notes if note not in measured.answer.warnings]
            if executor is None:
                notes.append(self.why_no_model)
            else:
                seen, draws = measured.prepared, measured.answer.draws
                try:
                    model = model_lens(
                        self.made_with, self.labels, draws, seen.image, seen.noise, seen.mask, executor
                    )
                    if self.parameters.coolest:
                        path = folder / f"coolest_{stem}.json"
                        remarks = _remarks(measured, self.verdicts)
                        export_coolest(
                            path, self.made_with, self.labels, draws, model, one.published, executor, remarks
                        )
                        self._say(f"COOLEST: {path}")
                except StronglensError as error:
                    problems.append(f"{measured.observation.name}: {error}")
                    notes.append(str(error))
            figure = draw_lens_model(
                measured.observation.name, measured.prepared.image, measured.prepared.mask, self.pixel_scale,
                one.columns, one.values, one.summaries, model, notes, self.parameters.cmap,
                [*measured.answer.warnings, *describe_verdicts(self.verdicts)],
            )  # fmt: skip
            path = save_figure(figure, folder / f"lens_{stem}.{self.parameters.figure_format}")
            self._say(f"Posterior: {path}, draws_{stem}.csv")
        return problems

    def _say(self, line: str) -> None:
        if not self.parameters.quiet:
            print(line)


def _remarks(measured: Measurement, verdicts: dict[str, LabelVerdict]) -> dict[str, str]:
    """Return what a file for other codes says of an image."""
    y, x = measured.prepared.centre
    return {
        "image": measured.observation.name,
        "origin": f"(x, y) = ({x:+.4f}, {y:+.4f}) arcsec from the middle of the image's file",
        "notes": "; ".join(measured.answer.notes),
        "learned": list_learned(verdicts),
        "doubtful": "; ".join(describe_verdicts(verdicts)),
    }


def _find_simulation(record: dict, rebuild):
    """Return the SimulationParameters of a network's training set.

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
        if not Path(made_with.psf_fits).is_file():
            raise RunError(f"no model image: the training set's point-spread function, {made_with.psf_fits}, is gone")
        kernel, there = np.array(record.get("psf"), float), telescope.read_psf(made_with.psf_fits)
        if kernel.shape != there.shape or not np.allclose(kernel, there, atol=1e-7):
            raise RunError(f"no model image: {made_with.psf_fits} is no longer the one that the network learned from")
    return made_with


def _name_files(paths: list[str]) -> list[str]:
    """Return a name for the figures of each file: its folder's and its own, numbered where several share it."""
    names = []
    for path in map(PurePath, paths):
        name = "_".join(filter(None, (path.parent.name, path.name.split(".")[0])))
        earlier = sum(name == other.rsplit("~", 1)[0] for other in names)
        names.append(f"{name}~{earlier + 1}" if earlier else name)
    return names


def _add_deviations(caption: str, draws: np.ndarray) -> str:
    lines = zip(caption.splitlines(), draws.std(axis=0), strict=True)
    return "\n".join(rf"{line} $\pm$ {deviation:.2g}" for line, deviation in lines)


def _add_verdicts(caption: str, verdicts: Iterable[LabelVerdict]) -> str:
    """Write behind each line of a caption what makes its label doubtful."""
    lines = zip(caption.splitlines(), verdicts, strict=True)
    return "\n".join(f"{line}  {one.word.lower()}" if one.is_doubtful else line for line, one in lines)


def _wrapped(lines: Iterable[str]) -> list[str]:
    return [part for line in lines for part in textwrap.wrap(line, 116, subsequent_indent="  ", break_on_hyphens=False)]


def _worth(columns: list[Column], has_posterior: bool) -> list[str]:
    """Say what the training set assumes: a network returns its prior where an image tells it nothing."""
    what = "A posterior under the training set's prior" if has_posterior else "A point estimate without an error bar"
    line = f"{what}, and only as good as the simulation is like this image."
    known = [f"{column.name} {column.prior[0]:g} to {column.prior[1]:g}" for column in columns if column.prior]
    if not known:
        return [line]
    joined = "; ".join(text.replace(" ", "\0") for text in known)  # a range stays on its line
    lines = textwrap.wrap(joined, 116, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    return [line, "The network knows nothing outside of", *(text.replace("\0", " ") for text in lines)]

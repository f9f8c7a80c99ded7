"""What is measured on a telescope image, and what it is worth."""

import textwrap
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from stronglens import telescope
from stronglens.measuring import Answer, Measurement, check_network, measure_files, refuse, write_measurements
from stronglens.measuring.naming import name_files
from stronglens.parameters import Column, RunError, StronglensError, UsageError
from stronglens.plotting import save_figure, write_captions
from stronglens.regression.export import export_coolest
from stronglens.regression.familiarity import Familiarity, View
from stronglens.regression.figures import draw_lens_model
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

NOT_RECORDED = "how like its training set this image is cannot be said: the network is of an older version"
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
    lenses = _Lenses(parameters, record, rebuild) if posterior else None  # refuses before the work what it cannot do
    columns = [Column.from_dict(item) for item in record["labels"]]
    answer = _Answering(parameters, network, record, posterior, columns)
    measurements, refused = measure_files(parameters, network, record, answer)
    names = [f"{column.name}-median" if posterior else column.name for column in columns]
    heads = [f"{name} [{column.unit}]" if column.unit else name for name, column in zip(names, columns, strict=True)]
    values = np.array([measurement.values for measurement in measurements]).reshape(-1, len(columns))
    captions = write_captions(values, columns, most=len(columns))
    worth = _worth(columns, posterior is not None)
    if posterior is None or not measurements:
        write_measurements(parameters, record["pixel-scale"], measurements, refused, heads, captions, worth)
        return
    captions = [_add_deviations(text, one.answer.draws) for text, one in zip(captions, measurements, strict=True)]
    found = lenses.summarize(measurements)
    tables = lenses.write_tables(found)
    write_measurements(parameters, record["pixel-scale"], measurements, [], heads, captions, worth, tables)
    with open_simulation() if lenses.why_no_model is None else nullcontext() as executor:
        problems = lenses.draw(found, executor)
    refuse([*refused, *problems])


class _Answering:
    """What the network makes of an image: called with (H, W), e-/s."""

    def __init__(self, parameters, network, record, posterior, columns):
        self.parameters, self.network, self.posterior, self.columns = parameters, network, posterior, columns
        self.familiarity = Familiarity.from_dict(record.get("familiarity"))

    @cached_property
    def view(self) -> View:
        """Made when the first image is there: by then the network is known to be of this task."""
        return View(self.network, self.posterior)

    def __call__(self, image: np.ndarray) -> Answer:
        seen = self.view(image[None])
        if self.familiarity is None:
            notes, percentile = [NOT_RECORDED], None
        else:
            notes, percentile = [self.familiarity.describe(seen)], float(self.familiarity.percentile(seen)[0])
        if self.posterior is None:
            values, draws = self.network.predict(image[None], verbose=0)[0], None
        else:
            draws = self.posterior.sample(seen["summary"], self.parameters.posterior_draws, self.parameters.seed)[0]
            values = np.percentile(draws.astype(float), 50, axis=0)  # as in `summarize`, to the last digit
            notes += find_limits(self.columns, draws)
        if not np.isfinite(values).all():
            raise RunError("the network makes of it what is no number")
        return Answer(values, draws, tuple(notes), percentile)


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

    def __init__(self, parameters, record: dict, rebuild):
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
            found.append(_Found(one, columns, values, published, summarize(columns, values, published.values)))
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
        paths = self.parameters.predict
        stems = {path: file.stem for path, file in zip(paths, name_files(paths), strict=True)}
        for one in found:
            measured, model, stem = one.measurement, None, stems[one.measurement.path]
            write_draws(folder / f"draws_{stem}.csv", one.columns, one.values)
            notes = list(measured.answer.notes)
            if executor is None:
                notes.append(self.why_no_model)
            else:
                seen, draws = measured.prepared, measured.answer.draws
                try:
                    model = model_lens(
                        self.made_with, self.labels, draws, seen.image, seen.noise, seen.mask, executor
                    )
                    if self.parameters.coolest:
                        path = folder / f"coolest_{stem}"
                        remarks = _remarks(measured)
                        export_coolest(
                            path, self.made_with, self.labels, measured, model, one.published, executor, remarks
                        )
                        self._say(f"COOLEST: {path}")
                except StronglensError as error:
                    problems.append(f"{measured.observation.name}: {error}")
                    notes.append(str(error))
            figure = draw_lens_model(
                measured.observation.name, measured.prepared.image, measured.prepared.mask, self.pixel_scale,
                one.columns, one.values, one.summaries, model, notes, self.parameters.cmap,
            )  # fmt: skip
            path = save_figure(figure, folder / f"lens_{stem}.{self.parameters.figure_format}")
            self._say(f"Posterior: {path}, draws_{stem}.csv")
        return problems

    def _say(self, line: str) -> None:
        if not self.parameters.quiet:
            print(line)


def _remarks(measured: Measurement) -> dict[str, str]:
    """Return what a file for other codes says of an image."""
    y, x = measured.prepared.centre
    return {
        "image": measured.observation.name,
        "origin": f"(x, y) = ({x:+.4f}, {y:+.4f}) arcsec from the middle of the image's file",
        "notes": "; ".join(measured.answer.notes),
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


def _add_deviations(caption: str, draws: np.ndarray) -> str:
    lines = zip(caption.splitlines(), draws.std(axis=0), strict=True)
    return "\n".join([MEDIANS, *(rf"{line} $\pm$ {deviation:.2g}" for line, deviation in lines)])


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

"""Posteriors of measured lenses: compared with published values, and written as tables, figures and COOLEST files."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from stronglens import telescope
from stronglens.execution import Console
from stronglens.measuring import MAX_DETAILED, Measurement, list_images
from stronglens.parameters import Column, RunError, StronglensError, UsageError
from stronglens.plotting import save_figure
from stronglens.regression.export import export_coolest
from stronglens.regression.figures import draw_lens_model
from stronglens.regression.label_verdict import (
    LabelVerdict,
    add_derived,
    describe_verdicts,
    judge_image,
    list_learned,
)
from stronglens.regression.lens_model import model_lens
from stronglens.regression.lens_shape import columns_of_shape
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


@dataclass(frozen=True)
class LensPosterior:
    """Posterior of one lens.

    Attributes
    ----------
    measurement : Measurement
    columns : list of M Column
        Labels, and quantities derived from them.
    values : ndarray (S, M)
        Draws.
    published : PublishedLens
    summaries : list of M Summary
    """

    measurement: Measurement
    columns: list[Column]
    values: np.ndarray
    published: PublishedLens
    summaries: list[Summary]


class LensPosteriors:
    """Summarise, print, draw and export the posteriors of measured lenses.

    Parameters
    ----------
    parameters : RegressionTraining
    record : dict
        As saved with the network.
    columns : list of L Column
        Labels of the network.
    rebuild : callable
        Takes the simulation parameters in a record; returns RegressionSimulation.
    verdicts : dict of str to LabelVerdict

    Attributes
    ----------
    why_no_model : str or None
        Reason why lenses have no model image.

    Raises
    ------
    UsageError
        If ``--coolest`` or ``--refine`` is given with too many images, or no row of ``--published`` belongs to a
        measured file.
    RunError
        If ``--published`` cannot be read, or ``--coolest`` is given without ``--refine`` and no lens model can be made.
    """

    table = MappingProxyType({"posteriors": POSTERIOR_COLUMNS})

    def __init__(self, parameters, record: dict, columns: list[Column], rebuild, verdicts: dict[str, LabelVerdict]):
        self.verdicts, self.console = verdicts, Console(parameters.quiet)
        self.parameters, self.learned, self.record, self.rebuild = parameters, columns, record, rebuild
        self.labels = [column.name for column in columns]
        self.pixel_scale = record["pixel-scale"]
        self.lens_model = (record.get("simulation") or {}).get("lens-model", "")
        # Which quantities can be derived does not depend on the values.
        known, _ = derive_quantities(columns, np.zeros((1, len(columns))), self.lens_model)
        table = PublishedTable(parameters.published, known) if parameters.published else None
        images = list_images(parameters.predict, parameters.planes, parameters.hdu)
        for flag in ("coolest", "refine"):
            if getattr(parameters, flag) and len(images) > MAX_DETAILED:
                raise UsageError(f"--{flag} works for at most {MAX_DETAILED} images; {len(images):,} are given")
        paths = {image.path for image in images}
        self.published = {path: table.of(path) if table else PublishedLens({}) for path in paths}
        if table and not any(lens.is_listed for lens in self.published.values()):
            raise UsageError(
                f"--published={parameters.published}: none of its rows is of a measured file. The column file must "
                "hold the end of its path, or the column name a part of it; capital letters count"
            )
        self.made_with: Any = None
        self.why_no_model: str | None = None
        try:
            self.made_with = find_simulation(record, rebuild)
            columns_of_shape(self.made_with, self.labels)
        except StronglensError as error:
            if parameters.coolest and not parameters.refine:
                raise RunError(f"--coolest: {error}") from None
            self.why_no_model = str(error)

    def rows(self, one: Measurement) -> dict[str, list[list[str]]]:
        """Return the rows of an image in ``posteriors.csv``."""
        return {"posteriors": posterior_rows(self.summarize(one).summaries, one.prediction.percentile)}

    def summarize(self, one: Measurement) -> LensPosterior:
        """Return the posterior of an image, with derived quantities and published values."""
        columns, values = derive_quantities(self.learned, one.prediction.draws, self.lens_model)
        published = self.published[one.image.path]
        verdicts = judge_image(self.verdicts, one.prediction.draws)
        verdicts = add_derived(verdicts, [column.name for column in columns])
        return LensPosterior(one, columns, values, published, summarize(columns, values, published.values, verdicts))

    def describe(self, posteriors: Sequence[LensPosterior]) -> list[str]:
        """Return the lines of a table for each image."""
        lines = []
        for one in posteriors:
            notes = [*one.measurement.notes, *one.published.notes]
            lines += [*posterior_table(one.measurement.name, one.summaries, notes), ""]
        is_told = self.why_no_model and not self.parameters.refine  # which gives a model
        return [*lines, self.why_no_model, ""] if is_told else lines

    def write(self, posteriors: Sequence[LensPosterior], executor: Executor | None) -> list[str]:
        """Write the draws, the figure and the COOLEST folder of each lens.

        Parameters
        ----------
        posteriors : sequence of LensPosterior
        executor : concurrent.futures.Executor or None
            Renders model images; None: there are none.

        Returns
        -------
        list of str, problems
        """
        folder, problems = self.parameters.figures_dir, []
        for one in posteriors:
            measured, prediction, stem = one.measurement, one.measurement.prediction, one.measurement.image.stem
            write_draws(folder / f"draws_{stem}.csv", one.columns, one.values)
            model, notes = None, [note for note in prediction.notes if note not in prediction.warnings]
            if executor is None:
                notes.append(self.why_no_model)
            else:
                seen, draws = measured.prepared, prediction.draws
                try:
                    model = model_lens(self.made_with, self.labels, draws, seen.image, seen.noise, seen.mask, executor)
                    if self.parameters.coolest and not self.parameters.refine:
                        path = folder / f"coolest_{stem}"
                        remarks = list_remarks(measured, self.verdicts)
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
                [*prediction.warnings, *describe_verdicts(self.verdicts)],
            )  # fmt: skip
            path = save_figure(figure, folder / f"lens_{stem}.{self.parameters.figure_format}")
            self.console.say(f"Posterior: {path}, draws_{stem}.csv")
        return problems


def list_remarks(measured: Measurement, verdicts: Mapping[str, LabelVerdict]) -> dict[str, str]:
    """Return remarks on an image for the files of other codes."""
    y, x = measured.prepared.centre
    return {
        "image": measured.name,
        "origin": f"(x, y) = ({x:+.4f}, {y:+.4f}) arcsec from the middle of the image's file",
        "notes": "; ".join(measured.prediction.notes),
        "learned": list_learned(verdicts),
        "doubtful": "; ".join(describe_verdicts(verdicts)),
    }


def find_simulation(record: dict, rebuild):
    """Return the RegressionSimulation of a network's training set.

    Raises
    ------
    RunError
        If the record does not contain it, or the file of its point-spread function is missing or has changed.
    """
    recorded = record.get("simulation")
    if not isinstance(recorded, dict):
        raise RunError("no model image: the network's record does not describe the simulation of its training set")
    try:
        made_with = rebuild(recorded)
    except StronglensError as error:
        raise RunError(f"no model image: another version simulated the training set ({error})") from None
    if made_with.psf_fits:
        try:
            there, _ = telescope.read_psf(made_with.psf_fits, made_with.pixel_scale)
        except StronglensError as error:
            raise RunError(
                f"no model image: the training set's point-spread function cannot be read: {error}"
            ) from None
        kernel = np.array(record.get("psf"), float)
        if kernel.shape != there.shape or not np.allclose(kernel, there, atol=1e-7):
            raise RunError(
                f"no model image: {made_with.psf_fits} is no longer the point-spread function of the training set "
                "(the file has changed, or an earlier version read it differently)"
            )
    return made_with

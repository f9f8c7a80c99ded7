"""Refined posteriors of measured lenses: table, draws, figure, and both posteriors side by side."""

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np

from stronglens.dataset import write_whole
from stronglens.execution import Console
from stronglens.measuring.coolest import LENS_COLUMNS, read_coolest
from stronglens.parameters import StronglensError
from stronglens.plotting import save_figure
from stronglens.regression.export import export_coolest
from stronglens.regression.figures import draw_lens_model, draw_source
from stronglens.regression.lens_posteriors import LensPosterior, LensPosteriors, find_simulation, list_remarks
from stronglens.regression.prediction import find_limits
from stronglens.regression.published import derive_quantities, posterior_table, summarize, write_draws
from stronglens.regression.refinement import Refinement
from stronglens.regression.refining import refine_lens

REFINED_COLUMNS = (
    *("refined-median", "refined-mean", "refined-sd", "refined-p2.5", "refined-p16", "refined-p84", "refined-p97.5"),
    "refined-inside-95",
)
"""Columns that ``--refine`` adds to ``posteriors.csv``."""


class RefinedLenses:
    """Refine, print and draw the posteriors of measured lenses.

    Parameters
    ----------
    parameters : RegressionTraining
    lenses : LensPosteriors
        Of the network.
    """

    def __init__(self, parameters, lenses: LensPosteriors):
        self.parameters, self.lenses, self.console = parameters, lenses, Console(parameters.quiet)
        self._rows: dict[tuple[str, str], list[str]] = {}
        self._units: dict[str, str] = {}

    def write(self, posteriors: Sequence[LensPosterior], executor: Executor) -> list[str]:
        """Refine each posterior; write draws, figure and table.

        Returns
        -------
        list of str, problems
        """
        problems = []
        for one in posteriors:
            name = one.measurement.name
            try:
                if self.parameters.resume and self._keep(one):
                    continue
                made_with = self.lenses.made_with or find_simulation(self.lenses.record, self.lenses.rebuild)
                refined = self._refine(one, made_with, executor)
                self._write_one(one, refined)
                if self.parameters.coolest and refined.is_lens:
                    self._write_coolest(one, refined, made_with, executor)
                self._remember(one)
            except StronglensError as error:
                problems.append(f"{name}: {error}")
        if self._rows:
            self._add_to_table()
        return problems

    def _refine(self, one: LensPosterior, made_with, executor: Executor) -> Refinement:
        seen, labels, draws = one.measurement.prepared, self.lenses.labels, one.measurement.prediction.draws
        if self.parameters.refine_from:
            labels, draws = LENS_COLUMNS, np.array([read_coolest(self.parameters.refine_from)])
            draws = draws - np.array([0, seen.shift[1], seen.shift[0], 0, 0, 0, 0])  # cut at whole pixels
        return refine_lens(
            made_with, labels, draws, seen.image, seen.noise, seen.mask, executor, self.parameters.seed, self.console,
            one.measurement.name, self.parameters.refine_source == "pixels",
        )  # fmt: skip

    def _write_coolest(self, one: LensPosterior, refined: Refinement, made_with, executor: Executor) -> None:
        path = self._coolest_folder(one)
        remarks = list_remarks(one.measurement, self.lenses.verdicts) | {"refined": "; ".join(refined.notes)}
        names = [column.name for column in refined.columns]
        export_coolest(
            path, made_with, names, one.measurement, refined.model, one.published, executor, remarks, refined.values,
            is_best=True, source=refined.source,
        )  # fmt: skip
        self.console.say(f"COOLEST, refined: {path}")

    def _coolest_folder(self, one: LensPosterior) -> Path:
        return self.parameters.figures_dir / f"coolest_{one.measurement.image.stem}"

    def _record_of(self, one: LensPosterior) -> tuple[Path, dict[str, Any]]:
        """Return the file that remembers a refined image, and what its result depends on."""
        seen, given = one.measurement.prepared, self.parameters
        parts = (seen.image, seen.noise, seen.mask, one.measurement.prediction.draws)
        digest = hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts if part is not None))
        start = given.refine_from and [float(value) for value in read_coolest(given.refine_from)]
        settings = {"image": digest.hexdigest(), "seed": given.seed, "source": given.refine_source, "start": start}
        return given.figures_dir / f"refined_{one.measurement.image.stem}.json", settings

    def _remember(self, one: LensPosterior) -> None:
        path, settings = self._record_of(one)
        rows = {label: cells for (image, label), cells in self._rows.items() if image == str(one.measurement.image)}
        units = {label: self._units[label] for label in rows}
        write_whole(path, json.dumps(settings | {"rows": rows, "units": units}, indent=1))

    def _keep(self, one: LensPosterior) -> bool:
        """Take the rows of an image that an earlier run refined with the same settings, if there is one."""
        path, settings = self._record_of(one)
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
            rows, units = known.pop("rows"), known.pop("units")
        except (OSError, ValueError, KeyError):
            return False
        is_missing = self.parameters.coolest and rows and not self._coolest_folder(one).exists()
        if known != settings or is_missing:
            return False
        self._rows |= {(str(one.measurement.image), label): cells for label, cells in rows.items()}
        self._units |= units
        self.console.say(f"{one.measurement.name}: refined before, kept ({path.name})")
        return True

    def _write_one(self, one: LensPosterior, refined: Refinement) -> None:
        measured, folder, stem = one.measurement, self.parameters.figures_dir, one.measurement.image.stem
        if not refined.is_lens:
            self.console.say(f"{measured.name}, not refined: {'; '.join([refined.evidence.text, *refined.notes])}")
            return
        columns, values = derive_quantities(refined.columns, refined.values, self.lenses.lens_model)
        summaries = summarize(columns, values, one.published.values)
        limits = find_limits(columns, values)
        notes = [*refined.notes, *limits, *([refined.trust.text] if refined.trust else [])]
        lines = posterior_table(f"{measured.name}, refined", summaries, [*notes, refined.effort], is_of_network=False)
        for line in [*lines, ""]:
            self.console.say(line)
        write_draws(folder / f"draws_{stem}_refined.csv", columns, values)
        of_source = "of pixels" if refined.source else "of one Sersic profile"
        if refined.source:
            figure = draw_source(measured.name, refined.source, self.parameters.cmap)
            path = save_figure(figure, folder / f"refined_source_{stem}.{self.parameters.figure_format}")
            self.console.say(f"Source: {path}")
        learned = {column.name: column_values for column, column_values in zip(one.columns, one.values.T, strict=True)}
        missing = np.full(len(one.values), np.nan)
        figure = draw_lens_model(
            measured.name, measured.prepared.image, measured.prepared.mask, self.lenses.pixel_scale,
            columns, values, summaries, refined.model, [*notes, refined.effort], self.parameters.cmap,
            judgement=f"best model under the likelihood of the image, with a source {of_source}; "
            rf"reduced $\chi^2$ = {refined.model.chi2:.3g}",
            others=np.stack([learned.get(column.name, missing) for column in columns], axis=1),
        )  # fmt: skip
        path = save_figure(figure, folder / f"refined_{stem}.{self.parameters.figure_format}")
        self.console.say(f"Refined posterior: {path}, draws_{stem}_refined.csv")
        words = {None: "", True: "yes", False: "no"}
        for its in summaries:
            numbers = its.median, its.mean, its.deviation, its.low_95, its.low_68, its.high_68, its.high_95
            cells = [*(f"{number:.7g}" for number in numbers), words[its.is_inside]]
            self._rows[str(measured.image), its.column.name] = cells
            self._units[its.column.name] = its.column.unit or ""

    def _add_to_table(self) -> None:
        """Add the columns of the refined posteriors to ``posteriors.csv``, and rows for columns without a label."""
        path = self.parameters.figures_dir / "posteriors.csv"
        heads, *rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
        place, label = heads.index("path"), heads.index("label")
        table, left = [[*heads, *REFINED_COLUMNS]], dict(self._rows)
        files = {row[place]: row[heads.index("file")] for row in rows}
        for row in rows:
            table.append([*row, *left.pop((row[place], row[label]), [""] * len(REFINED_COLUMNS))])
        for (image, name), cells in left.items():
            known = {"file": files.get(image, ""), "path": image, "label": name, "unit": self._units[name]}
            table.append([*(known.get(head, "") for head in heads), *cells])
        order = {image: number for number, image in enumerate(files)}
        table[1:] = sorted(table[1:], key=lambda row: order.get(row[place], len(order)))
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(table)
        write_whole(path, text.getvalue())

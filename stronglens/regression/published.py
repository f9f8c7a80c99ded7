"""Summaries of posteriors and their comparison with published values, in the terminal and as a table."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

import numpy as np

from stronglens.dataset import write_whole
from stronglens.lens_models import LENS_MODELS
from stronglens.parameters import Column, RunError
from stronglens.plotting import round_to_error
from stronglens.regression.label_verdict import LabelVerdict
from stronglens.regression.lens_shape import intermediate_axis_radius
from stronglens.simulation.columns import DERIVED_COLUMNS

AXIS_RATIO = Column(
    "lens-axis-ratio", None, r"q_{\rm lens}", "axis ratio of the mass, from its ellipticity", drawn=False
)
INTERMEDIATE = ("intermediate axis", "intermediate-axis", "intermediate")
"""Names of the convention of ``einstein-radius-sie`` in a table, in lower case."""

PERCENTILES = (2.5, 16, 50, 84, 97.5)


@dataclass(frozen=True)
class Summary:
    """Summary of the posterior of one quantity, in its unit.

    Attributes
    ----------
    column : Column
    mean, deviation : float
        Mean and standard deviation.
    low_95, low_68, median, high_68, high_95 : float
        Median, and ends of the central intervals.
    published : float or None
    verdict : LabelVerdict
        Verdict on the network's measurements of the quantity.
    """

    column: Column
    mean: float
    deviation: float
    low_95: float
    low_68: float
    median: float
    high_68: float
    high_95: float
    published: float | None = None
    verdict: LabelVerdict = field(default_factory=LabelVerdict)

    @property
    def central(self) -> tuple[float, ...]:
        """The median, and the ends of the 68 % and 95 % intervals."""
        return self.median, self.low_68, self.high_68, self.low_95, self.high_95

    @property
    def difference(self) -> float | None:
        """Relative difference, median / published - 1; None if there is no published value, it is 0, or the quantity
        is not learned."""
        return self.median / self.published - 1 if self.published and self.verdict.is_comparable else None

    @property
    def is_inside(self) -> bool | None:
        """Whether the published value lies in the central 95 % interval; None if a comparison is not possible."""
        is_known = self.published is not None and self.verdict.is_comparable
        return None if not is_known else self.low_95 <= self.published <= self.high_95


@dataclass(frozen=True)
class PublishedLens:
    """Published values of one lens.

    Attributes
    ----------
    values : dict of str to float
        Names are those of labels.
    z_lens, z_source : float or None
    notes : tuple of str
        Values that cannot be compared, with reasons.
    is_listed : bool
        Whether the table contains the lens.
    """

    values: dict[str, float]
    z_lens: float | None = None
    z_source: float | None = None
    notes: tuple[str, ...] = ()
    is_listed: bool = False


def derive_quantities(
    columns: Sequence[Column], samples: np.ndarray, lens_model: str
) -> tuple[list[Column], np.ndarray]:
    """Add derived quantities of an elliptical lens, sample by sample.

    They are the axis ratio and, if only the circular Einstein radius is a label, the Einstein radius on the
    intermediate axis. For a lens model with a free slope the latter needs the slope as a label.

    Parameters
    ----------
    columns : sequence of L Column
    samples : array_like (S, L), unit of each column
    lens_model : str
        A key of ``LENS_MODELS``; any other string if the model is unknown.

    Returns
    -------
    columns : list of M >= L Column
    samples : ndarray (S, M), unit of each column
    """
    columns, values = list(columns), list(np.asarray(samples, float).T)
    learned = {column.name: value for column, value in zip(columns, values, strict=True)}
    model = LENS_MODELS.get(lens_model)
    if model and model.is_ellipsoid and {"lens-ellip-x", "lens-ellip-y"} <= learned.keys():
        ellipticity = np.minimum(np.hypot(learned["lens-ellip-x"], learned["lens-ellip-y"]), 1)
        slope = learned.get("mass-slope")
        is_shape_known = slope is not None or not model.has_slope
        if is_shape_known and "einstein-radius" in learned and "einstein-radius-sie" not in learned:
            columns.append(DERIVED_COLUMNS["einstein-radius-sie"])
            values.append(intermediate_axis_radius(learned["einstein-radius"], ellipticity, slope))
        columns.append(AXIS_RATIO)
        values.append((1 - ellipticity) / (1 + ellipticity))
    return columns, np.stack(values, axis=1)


def summarize(
    columns: Sequence[Column],
    samples: np.ndarray,
    published: Mapping[str, float],
    verdicts: Mapping[str, LabelVerdict] | None = None,
) -> list[Summary]:
    """Return a summary of each quantity.

    Parameters
    ----------
    columns : sequence of L Column
    samples : array_like (S, L), unit of each column
    published : mapping of str to float
        Published values by name; it may contain other names.
    verdicts : mapping of str to LabelVerdict, optional

    Returns
    -------
    list of L Summary
    """
    verdicts = verdicts or {}
    samples = np.asarray(samples, float)
    ends = np.percentile(samples, PERCENTILES, axis=0).T.tolist()
    return [
        Summary(
            column,
            float(mean),
            float(deviation),
            *five,
            published=published.get(column.name),
            verdict=verdicts.get(column.name, LabelVerdict()),
        )
        for column, mean, deviation, five in zip(columns, samples.mean(axis=0), samples.std(axis=0), ends, strict=True)
    ]


def posterior_table(
    name: str, summaries: Sequence[Summary], notes: Iterable[str] = (), is_of_network: bool = True
) -> list[str]:
    """Return lines for the terminal: the name of the file, a line for each quantity, and the notes.

    Whether a label is learned is left out unless the posterior is a network's.
    """
    has_published = any(summary.published is not None for summary in summaries)
    rows = [["", "median", "68 %", "95 %", *(["published", "difference", "in 95 %"] if has_published else [])]]
    if is_of_network:
        rows[0].insert(1, "learned")
    for one in summaries:
        unit = f" [{one.column.unit}]" if one.column.unit else ""
        median, low_68, high_68, low_95, high_95 = round_to_error(one.central, one.deviation)
        cells = [
            f"{one.column.name}{unit}",
            *([one.verdict.word] if is_of_network else []),
            median,
            f"{low_68} to {high_68}",
            f"{low_95} to {high_95}",
        ]
        if has_published:
            cells.append("" if one.published is None else f"{one.published:.4g}")
            cells.append("" if one.difference is None else f"{one.difference:+.1%}")
            cells.append({None: "", True: "yes", False: "NO"}[one.is_inside])
        rows.append(cells)
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    lines = [
        "  ".join([cells[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:],
                                                                                         strict=True))]).rstrip()
        for cells in rows
    ]  # fmt: skip
    return [name, *(f"  {line}" for line in lines), *(f"  {note}" for note in notes)]


POSTERIOR_COLUMNS = (
    *("label", "unit", "median", "mean", "sd", "p2.5", "p16", "p84", "p97.5"),
    *("published", "relative-difference", "inside-95", "unlike-percentile"),
    *("learned", "calibrated", "as-wide-as-prior"),
)
"""Columns of ``posteriors.csv`` after those that name the image."""


def posterior_rows(summaries: Iterable[Summary], percentile: float | None) -> list[list[str]]:
    """Return the rows of an image in ``posteriors.csv``, one per quantity, with the columns `POSTERIOR_COLUMNS`.

    Parameters
    ----------
    summaries : iterable of Summary
    percentile : float or None
        Out-of-distribution percentile of the image (see `Prediction`).
    """
    rows, words = [], {None: "", True: "yes", False: "no"}
    unlike = "" if percentile is None else f"{percentile:.1f}"
    for one in summaries:
        numbers = [one.median, one.mean, one.deviation, one.low_95, one.low_68, one.high_68, one.high_95]
        numbers += [one.published, one.difference]
        cells = ["" if number is None else f"{number:.7g}" for number in numbers]
        verdicts = [one.verdict.learned, words[one.verdict.is_calibrated], words[one.verdict.is_wide]]
        rows.append([one.column.name, one.column.unit or "", *cells, words[one.is_inside], unlike, *verdicts])
    return rows


def write_draws(path: Path, columns: Sequence[Column], samples: np.ndarray) -> None:
    """Write posterior samples as CSV, one row per sample.

    Parameters
    ----------
    path : Path
    columns : sequence of M Column
    samples : ndarray (S, M), unit of each column
    """
    table = io.StringIO()
    np.savetxt(table, samples, "%.7g", ",", header=",".join(column.name for column in columns), comments="")
    write_whole(path, table.getvalue())


class PublishedTable:
    """A table of published values with one row per lens.

    The column ``file`` is compared with the end of a path, the column ``name`` with any part of it. Values are in
    columns with the names of labels, or in ``einstein_radius_arcsec`` with ``einstein_radius_convention``, and in
    ``axis_ratio``; redshifts are in ``z_lens`` and ``z_source``. Other columns are ignored.

    Parameters
    ----------
    path : str or Path
        A CSV file.
    columns : sequence of Column
        Quantities that have posteriors (see `derive_quantities`).

    Raises
    ------
    RunError
        When the file cannot be read, has no column ``file`` or ``name``, has no column to compare, or contains an
        invalid number.
    """

    def __init__(self, path: str | Path, columns: Sequence[Column]):
        self.path = Path(path)
        self._known = [column.name for column in columns]
        rows = _read_rows(self.path)
        heads = rows[0][1]
        if not {"file", "name"} & set(heads):
            raise RunError(
                f"{self.path}: a column file (the end of a path) or name is missing, which assigns rows to images"
            )
        usable = {"einstein_radius_arcsec", "axis_ratio", "z_lens", "z_source", *self._known}
        if not usable & set(heads):
            raise RunError(
                f"{self.path}: no column to compare; give einstein_radius_arcsec with einstein_radius_convention, "
                f"axis_ratio, or columns with the names of measured quantities: {', '.join(self._known)}"
            )
        self._lenses = [(line, row, self._read_lens(line, row)) for line, row in rows]

    def of(self, path: str | Path) -> PublishedLens:
        """Return the published values of the lens in a file; they are empty if no row matches.

        Raises
        ------
        RunError
            When several rows match equally well.
        """
        parts = PurePath(path).parts
        matched = []
        for line, row, lens in self._lenses:
            file, name = PurePath(row.get("file", "")).parts, row.get("name", "")
            if file and parts[-len(file) :] == file:
                matched.append((2, len(file), line, lens))
            elif name and name in str(path):
                matched.append((1, len(name), line, lens))
        if not matched:
            return PublishedLens({}, notes=(f"{self.path} has no row for this image",))
        best = max(one[:2] for one in matched)
        lines = [one[2] for one in matched if one[:2] == best]
        if len(lines) > 1:
            raise RunError(f"{self.path}: lines {', '.join(map(str, lines))} all match {path}; keep one of them")
        return next(one[3] for one in matched if one[2] == lines[0])

    def _read_lens(self, line: int, row: Mapping[str, str]) -> PublishedLens:
        def read(head: str) -> float | None:
            text = row.get(head, "")
            if not text:
                return None
            try:
                value = float(text)
            except ValueError:
                value = np.nan
            if not np.isfinite(value):
                raise RunError(f"{self.path}, line {line}: {head} is {text!r}, not a number")
            return value

        values, notes = {name: read(name) for name in self._known}, []
        if (ratio := read("axis_ratio")) is not None:
            if not 0 < ratio <= 1:
                raise RunError(f"{self.path}, line {line}: axis_ratio is {ratio:g}, but must be in (0, 1]")
            values[AXIS_RATIO.name] = ratio
        if (radius := read("einstein_radius_arcsec")) is not None:
            convention = row.get("einstein_radius_convention", "")
            if convention.lower() not in INTERMEDIATE:
                stated = f"has the convention {convention!r}" if convention else "has no stated convention"
                notes.append(
                    f'the published Einstein radius {radius:g}" {stated} (required: intermediate axis): not compared'
                )
            elif "einstein-radius-sie" in self._known:
                values["einstein-radius-sie"] = radius
            elif "einstein-radius" in self._known:
                notes.append(
                    f'the published Einstein radius {radius:g}" is on the intermediate axis, but the measured one is '
                    "circular: not compared (learn einstein-radius-sie, or also lens-ellip-x and lens-ellip-y)"
                )
        values = {name: value for name, value in values.items() if value is not None}
        return PublishedLens(values, read("z_lens"), read("z_source"), tuple(notes), is_listed=True)


def _read_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of a table, each with the number of its last line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise RunError(f"--published={path}: cannot be read ({reason})") from None
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True, strict=True)
    rows = []
    try:
        heads = [head.strip() for head in reader.fieldnames or []]
        if twice := sorted({head for head in heads if head and heads.count(head) > 1}):
            raise RunError(f"{path}: the column {twice[0]} occurs twice")
        for row in reader:
            if None in row:
                raise RunError(f"{path}, line {reader.line_num}: more cells than the {len(heads)} columns")
            rows.append((reader.line_num, {head.strip(): (cell or "").strip() for head, cell in row.items()}))
    except csv.Error as error:
        raise RunError(f"{path}, line {reader.line_num}: {error}: is a quotation mark left open?") from None
    if not rows:
        raise RunError(f"{path}: no rows of published values")
    return rows

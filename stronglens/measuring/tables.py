"""Tables that are written as the work goes on, and finished or resumed."""

import csv
import io
import json
import os
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from stronglens.atomic import replacing
from stronglens.parameters import RunError, UsageError

PART = ".part"
"""In the name of a table that is not finished: ``measured.part.csv``."""

MIN_KEPT = 100
"""Images in an unfinished table that a new run does not replace without being told."""


class GrowingTables:
    """Write rows of several CSV tables image by image; a run that was interrupted can be resumed.

    Rows go to ``NAME.part.csv``, which takes the place of ``NAME.csv`` when all images are done: an earlier, complete
    table is kept until then. An image counts as done when its row is in the first table, which is written last.

    Parameters
    ----------
    folder : Path
    headers : dict of str to sequence of str
        Columns of each table by its name; one of them is ``path``, which names an image. The table that has a row for
        each image that is done comes first.
    settings : dict, JSON
        What the rows depend on: a run is resumed with the same settings only.
    resume : bool

    Raises
    ------
    UsageError
        When an unfinished table was made with other settings, or holds many images and ``resume`` is false.
    RunError
        When an unfinished table cannot be read.
    """

    def __init__(self, folder: Path, headers: dict[str, Sequence[str]], settings: dict[str, Any], resume: bool = False):
        self.folder, self.headers = Path(folder), {name: list(columns) for name, columns in headers.items()}
        self._settings = json.loads(json.dumps(settings))
        self.done: set[str] = self._resume() if resume else self._begin()
        self._files: dict[str, TextIO] = {}

    def __enter__(self) -> "GrowingTables":
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(self._settings_path) as aside:
            aside.write_text(json.dumps(self._settings, indent=1) + "\n")
        for name, columns in self.headers.items():
            file = open(self._part(name), "a", encoding="utf-8", newline="")
            self._files[name] = file
            if file.tell() == 0:
                csv.writer(file, lineterminator="\n").writerow(columns)
        self.flush()
        return self

    def __exit__(self, kind, *_) -> None:
        for file in self._files.values():
            file.close()
        if kind is None:
            self._finish()

    def add(self, rows: dict[str, Iterable[Sequence[Any]]]) -> None:
        """Write the rows of one image: of tables by their names, in the order of their columns."""
        for name in reversed(self.headers):  # the first table last
            csv.writer(self._files[name], lineterminator="\n").writerows(rows.get(name, ()))

    def flush(self) -> None:
        """Hand to the operating system what was added."""
        for name in reversed(self.headers):
            self._files[name].flush()

    def _finish(self) -> None:
        has_rows = {name: self._has_rows(name) for name in self.headers}
        nothing = not has_rows[next(iter(self.headers))]
        for name in reversed(self.headers):
            part, whole = self._part(name), self.folder / f"{name}.csv"
            if has_rows[name]:
                os.replace(part, whole)
            else:
                part.unlink()
                if not nothing:  # else tables of an earlier run stay
                    whole.unlink(missing_ok=True)
        self._settings_path.unlink(missing_ok=True)

    def _has_rows(self, name: str) -> bool:
        with open(self._part(name), "rb+") as file:
            os.fsync(file.fileno())
            return len(list(islice(file, 2))) == 2

    def _begin(self) -> set[str]:
        first = next(iter(self.headers))
        if (part := self._part(first)).is_file():
            with open(part, "rb") as file:
                lines = sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(2**20), b"")) - 1
            if lines > MIN_KEPT:
                raise UsageError(
                    f"{part} holds {lines:,} images of an interrupted run: go on with --resume, or remove it"
                )
        for name in self.headers:
            self._part(name).unlink(missing_ok=True)
        return set()

    def _resume(self) -> set[str]:
        first = next(iter(self.headers))
        if not self._part(first).is_file():
            return self._begin()
        try:
            earlier = json.loads(self._settings_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise RunError(f"{self._settings_path} is missing or damaged: remove {self._part(first)}") from None
        changed = sorted(key for key in {*earlier, *self._settings} if earlier.get(key) != self._settings.get(key))
        if changed:
            was, now = earlier.get(changed[0]), self._settings.get(changed[0])
            raise UsageError(
                f"--resume: {self._part(first)} was made with {changed[0]} = {was}, now {now}: give the same, or "
                "remove it to measure all images again"
            )
        done = self._keep_rows(first, None)
        for name in list(self.headers)[1:]:
            self._keep_rows(name, done)
        return done

    def _keep_rows(self, name: str, done: set[str] | None) -> set[str]:
        """Rewrite a table with its whole rows, where ``done`` is given of those images only; return the images."""
        part, columns, found = self._part(name), self.headers[name], set()
        at = columns.index("path")
        try:
            with replacing(part) as aside, open(aside, "w", encoding="utf-8", newline="") as kept:
                writer = csv.writer(kept, lineterminator="\n")
                writer.writerow(columns)
                if part.is_file():
                    with open(part, encoding="utf-8", newline="") as file:
                        for row in _whole_rows(file, columns, part):
                            if done is None or row[at] in done:
                                writer.writerow(row)
                                found.add(row[at])
        except (UnicodeDecodeError, csv.Error):
            raise RunError(f"{part} is damaged: remove it to measure all images again") from None
        return found

    def _part(self, name: str) -> Path:
        return self.folder / f"{name}{PART}.csv"

    @property
    def _settings_path(self) -> Path:
        return self.folder / f"{next(iter(self.headers))}{PART}.json"


def _whole_rows(file: io.TextIOBase, columns: Sequence[str], path: Path) -> Iterable[list[str]]:
    """Give the rows of a table but its header, without a last line that a kill cut off."""

    def whole_lines():
        for line in file:
            if line.endswith("\n"):
                yield line

    rows = csv.reader(whole_lines())
    header = next(rows, None)
    if header is None:
        return
    if header != list(columns):
        raise RunError(f"{path} has other columns than this version writes: remove it to measure all images again")
    for row in rows:
        if len(row) == len(columns):
            yield row

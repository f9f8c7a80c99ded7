"""Write tables row by row; an interrupted run can be resumed."""

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from stronglens.atomic import replacing
from stronglens.parameters import RunError, UsageError

PART = ".part"
"""Part of the name of an unfinished table: ``measured.part.csv``."""

MIN_KEPT = 100
"""Number of images from which an unfinished table is not overwritten by a new run."""


class GrowingTables:
    """Write rows of several CSV tables image by image; an interrupted run can be resumed.

    Rows are written to ``NAME.part.csv``, which replaces ``NAME.csv`` when all images are done: an earlier, complete
    table is kept until then. An image is done if its row is in the first table, which is written last.

    Parameters
    ----------
    folder : Path
    headers : mapping of str to sequence of str
        Columns of each table by its name; one of them is ``path``, which identifies an image. The table with one row
        for each image that is done comes first.
    settings : dict, JSON
        Values that the rows depend on: a run is resumed only with the same settings.
    resume : bool

    Raises
    ------
    UsageError
        If an unfinished table was made with other settings, or holds many images and ``resume`` is false.
    RunError
        If an unfinished table cannot be read.
    """

    def __init__(
        self, folder: Path, headers: Mapping[str, Sequence[str]], settings: dict[str, Any], resume: bool = False
    ):
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
        """Write the rows of one image, by the name of the table, in the order of its columns."""
        for name in reversed(self.headers):  # the first table last
            csv.writer(self._files[name], lineterminator="\n").writerows(rows.get(name, ()))

    def flush(self) -> None:
        """Pass added rows to the operating system."""
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
                if not nothing:  # otherwise keep the tables of an earlier run
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
                    f"{part} holds {lines:,} images of an interrupted run: continue it with --resume, or remove it"
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
                "remove the file to measure all images again"
            )
        done = self._keep_rows(first, None)
        for name in list(self.headers)[1:]:
            self._keep_rows(name, done)
        return done

    def _keep_rows(self, name: str, done: set[str] | None) -> set[str]:
        """Rewrite a table with its complete rows, only of images in ``done`` if it is given; return the images."""
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
    """Yield the rows of a table without its header, and without an incomplete last line."""

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

"""Write a dataset chunk by chunk, so that it can be interrupted at any time and finished later.

::

    dataset/
        images/000000.pickle ...   one float32 array per image; or images.zarr/, one array of all images
        sources/ ...               other arrays of a task, as the images
        labels.csv                 file of each image (and its original file), drawn and derived columns
        manifest.json              description of the dataset; "complete" is false until the end
        progress/00000.json ...    records of finished chunks, until the dataset is complete
"""

import csv
import hashlib
import os
import shutil
from collections import Counter
from datetime import datetime
from pathlib import Path

import numpy as np

from stronglens.atomic import replacing
from stronglens.dataset.files import CHECKSUM_BYTES, read_json, write_whole
from stronglens.dataset.formats import chunk_indices
from stronglens.dataset.manifest import (
    FORMAT,
    FORMAT_VERSION,
    FORMAT_VERSION_OF_ARRAYS,
    LABELS,
    LOCK,
    MANIFEST,
    PROGRESS,
    SOURCE,
    describe,
    dump_manifest,
    is_signed,
    list_differences,
    manifest_checksum,
)
from stronglens.dataset.store import ChunkStore
from stronglens.parameters import RunError, UsageError


class DatasetWriter:
    """Writes a dataset. The constructor checks the folder; files change only within a ``with`` block.

    (One exception: when a dataset is resumed, the constructor restores a lost description of its images.)

    Parameters
    ----------
    folder : str or Path
        Folder of the dataset; it is created if it does not exist.
    manifest : dict
        Content of the manifest before the first image: at least ``parameters`` (with ``format``), ``versions``,
        ``number`` and ``image-shape``. A dataset can be resumed only if all entries are equal.
    force : bool
        Remove an existing dataset.
    resume : bool
        Resume an existing dataset.

    Attributes
    ----------
    store : ChunkStore
        Writes the chunks, in this process or in others.
    missing_chunks : list of int
        Indices of the chunks that are not yet written.
    is_complete : bool

    Raises
    ------
    UsageError
        When the folder is not empty and neither ``force`` nor ``resume`` is given, or contains foreign files with the
        names of files of a dataset.
    RunError
        When the dataset to resume has other parameters; the message describes it, its differences, and what to do.
    """

    def __init__(self, folder: str | Path, manifest: dict, *, force: bool = False, resume: bool = False):
        self.folder = Path(folder)
        version = FORMAT_VERSION_OF_ARRAYS if "arrays" in manifest else FORMAT_VERSION
        self.manifest = {"format": FORMAT, "format-version": version, "complete": False, **manifest}
        self.store = ChunkStore.of(folder, manifest)
        self.is_complete = False
        self._force = force
        self._found = _read_bytes(self.folder / MANIFEST)
        self._check(force, resume)
        chunks = range(0 if self.is_complete else self.store.chunks)
        self.missing_chunks = [chunk for chunk in chunks if not (resume and self.store.is_intact(chunk))]

    def __enter__(self):
        """Prepare the folder: remove a dataset to be replaced, and write an incomplete manifest.

        Raises
        ------
        RunError
            When another process writes in this folder.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = lock_folder(self.folder)
        try:
            if _read_bytes(self.folder / MANIFEST) != self._found:
                raise RunError(f"another process has changed the dataset in {self.folder}: run the command again")
            self._make_ready()
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(self, *exception):
        self._lock.close()

    @property
    def missing_images(self) -> int:
        """Number of images that are not yet written."""
        return sum(len(chunk_indices(chunk, self.store.number)) for chunk in self.missing_chunks)

    def finish(self, columns: list[dict], summarise) -> dict:
        """Write ``labels.csv`` and the final manifest when all chunks are written; return the manifest.

        Parameters
        ----------
        columns : list of dict
            Description of each column.
        summarise : callable
            Takes the (N,) values of a column and returns a description of their distribution, for JSON.

        Raises
        ------
        RunError
            When the record of a chunk is missing.
        """
        if self.is_complete:
            return self.manifest
        sums: dict[str, list[str]] = {name: [] for name in self.store.shapes}
        rejected: Counter[str] = Counter()
        texts: tuple[str, ...] = ()
        values = {column["name"]: np.empty(self.store.number) for column in columns}
        # One chunk at a time, since the text of all records may not fit in memory.
        with replacing(self.folder / LABELS) as aside:
            with open(aside, "w", newline="", encoding="utf-8") as table:
                rows = csv.writer(table, lineterminator="\n")
                for chunk in range(self.store.chunks):
                    record = self.store.read_record(chunk)
                    if chunk == 0:
                        texts = (SOURCE,) if "sources" in record else ()
                        rows.writerow(["file", *texts, *values])
                    indices = chunk_indices(chunk, self.store.number)
                    for name, column in values.items():
                        column[indices.start : indices.stop] = record["columns"][name]
                    cells = [record["sources"] for _ in texts]
                    cells += [map(repr, record["columns"][name]) for name in values]
                    rows.writerows(zip(map(self.store.images.name, indices), *cells, strict=True))
                    for name, value in self.store.checksums(chunk).items():
                        sums[name].append(value)
                    rejected.update(record["rejected"])
            with open(aside, "rb") as table:
                labels = hashlib.file_digest(table, lambda: hashlib.blake2b(digest_size=CHECKSUM_BYTES)).hexdigest()
        self.manifest |= {
            "complete": True,
            "columns": [{**column, "distribution": summarise(values[column["name"]])} for column in columns],
            "rejected": dict(sorted(rejected.items())),
            "checksums": {LABELS: labels, **sums},
        }
        self.manifest["checksums"][MANIFEST] = manifest_checksum(self.manifest)
        write_whole(self.folder / MANIFEST, dump_manifest(self.manifest))
        shutil.rmtree(self.folder / PROGRESS, ignore_errors=True)
        self.is_complete = True
        (self.folder / LOCK).unlink(missing_ok=True)
        return self.manifest

    def _make_ready(self) -> None:
        if self._force:
            remove_dataset(self.folder)
        # The manifest comes first, since files without a manifest count as foreign.
        write_whole(self.folder / MANIFEST, dump_manifest(self.manifest))
        for array in self.store.arrays.values():
            array.create()
        (self.folder / PROGRESS).mkdir(exist_ok=True)

    def _check(self, force: bool, resume: bool) -> None:
        if not self.folder.exists():
            return
        present = [path.name for path in self.folder.iterdir() if not path.name.startswith(".")]
        if resume and MANIFEST in present:
            self._check_resumable(read_json(self.folder / MANIFEST, "a dataset's manifest"))
        elif force:
            if foreign := self._foreign_files(present):
                raise UsageError(
                    f"{self.folder} contains {', '.join(sorted(foreign))}, which no manifest lists: move this away or "
                    "choose another --dataset-dir"
                )
        elif present and _listed(self.folder) is None:
            raise UsageError(f"{self.folder}/ is not empty and contains no dataset: choose another --dataset-dir")
        elif present:
            raise UsageError(self._describe_conflict(read_json(self.folder / MANIFEST, "a dataset's manifest")))

    def _foreign_files(self, present: list[str]) -> set[str]:
        """Return the foreign files that have the names of files of a dataset."""
        listed = _listed(self.folder)
        if listed is None:
            places = {array.place for array in self.store.arrays.values()}
            return {*places, LABELS, MANIFEST, PROGRESS} & set(present)
        is_listed = listed.format == self.store.format
        return {
            file
            for name, array in self.store.arrays.items()
            for file in array.foreign(listed.number if is_listed and name in listed.shapes else 0)
        }

    def _describe_conflict(self, found: dict) -> str:
        """Describe the dataset in the folder, its differences from the requested one, and what to do."""
        written = datetime.fromtimestamp((self.folder / MANIFEST).stat().st_mtime)
        is_complete = bool(found.get("complete"))
        state = f"{'complete' if is_complete else 'interrupted'} (of {written:%Y-%m-%d %H:%M}): {describe(found)}"
        differences = list_differences(found, self.manifest)
        if not differences:
            remedy = "--force replaces it" if is_complete else "--resume finishes it, --force starts again"
            return f"{self.folder}/ already contains this dataset, {state}; {remedy}"
        more = f"; and {len(differences) - 4} more" if len(differences) > 4 else ""
        remedy = "--dataset-dir=OTHER keeps it, --force replaces it"
        if not is_complete:
            remedy += ", --resume with its original parameters finishes it"
        return f"{self.folder}/ contains another dataset, {state}; {'; '.join(differences[:4])}{more}: {remedy}"

    def _check_resumable(self, found: dict) -> None:
        if list_differences(found, self.manifest):
            raise RunError(f"cannot resume: {self._describe_conflict(found)}")
        for array in self.store.arrays.values():
            array.describe()  # without a description, intact chunks could not be read
        if found.get("complete"):
            if not is_signed(found):
                raise RunError(f"{self.folder / MANIFEST} is damaged or was edited; use --force to start again")
            self.is_complete, self.manifest = True, found
            self._check_complete()

    def _check_complete(self) -> None:
        """Check that the images of a complete dataset have the checksums in its manifest."""
        faults = []
        for array in self.store.shapes:
            for chunk, expected in enumerate(self.manifest["checksums"][array]):
                try:
                    self.store.read_chunk(chunk, expected, array)
                except RunError as error:
                    faults.append(str(error).split("; ")[0])
        if faults:
            raise RunError(
                f"the dataset in {self.folder} is complete, but {len(faults):,} of its {self.store.chunks:,} chunks "
                f"are missing or damaged ({faults[0]}): use --force to simulate it again"
            )


def remove_dataset(folder: str | Path) -> None:
    """Remove the files that the manifest of a dataset lists, and no other files.

    The manifest is removed last, so that an interrupted removal can be repeated. A folder without a manifest of this
    package does not change.
    """
    folder = Path(folder)
    listed = _listed(folder)
    if listed is None:
        return
    for array in listed.arrays.values():
        array.remove()
    progress = folder / PROGRESS
    for path in progress.glob("*.json"):
        if path.stem.isdecimal():
            path.unlink()
    if progress.is_dir() and not any(progress.iterdir()):
        progress.rmdir()
    (folder / LABELS).unlink(missing_ok=True)
    (folder / MANIFEST).unlink()


def lock_folder(folder: Path):
    """Lock the folder of a dataset for writing, as long as the returned file is open.

    Raises
    ------
    RunError
        When another process writes in this folder.
    """
    file = open(folder / LOCK, "w")  # noqa: SIM115 - the caller closes it
    try:
        import fcntl  # does not exist on Windows, where there is no lock

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The file may have been removed since it was opened.
        is_ours = os.path.samestat(os.fstat(file.fileno()), os.stat(folder / LOCK))
    except ImportError:
        is_ours = True
    except OSError:
        is_ours = False
    if not is_ours:
        file.close()
        raise RunError(f"another process is writing the dataset in {folder}")
    return file


def _read_bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _listed(folder: Path) -> ChunkStore | None:
    """Return the store that a folder's manifest describes; None without a manifest of this package."""
    try:
        manifest = read_json(folder / MANIFEST, "a dataset's manifest")
        return ChunkStore.of(folder, manifest) if manifest.get("format") == FORMAT else None
    except RunError:
        return None

"""Writing a dataset chunk by chunk, so that it can be interrupted anywhere and finished later.

::

    dataset/
        images/000000.pickle ...   one float32 array an image
        labels.csv                 file name, drawn quantities, derived columns
        manifest.json              what it all is; "complete": false until the end
        progress/00000.json ...    records of finished chunks, while it is being written
"""

import csv
import io
import json
import platform
import shutil
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import numpy as np

from stronglens.dataset.files import checksum, read_json, write_image, write_whole
from stronglens.parameters import RunError, UsageError

CHUNK_SIZE = 128
"""Images in a chunk: the unit of work, of retry, of resume and of storage."""

FORMAT = "stronglens-dataset"
FORMAT_VERSION = 1

IMAGES, LABELS, MANIFEST, PROGRESS, LOCK = "images", "labels.csv", "manifest.json", "progress", ".lock"


def image_name(index: int) -> str:
    """Return an image's file name, relative to the dataset's folder."""
    return f"{IMAGES}/{index:06d}.pickle"


def chunk_indices(chunk: int, number: int) -> range:
    """Return the indices of the images in a chunk of a dataset of ``number`` images."""
    return range(chunk * CHUNK_SIZE, min((chunk + 1) * CHUNK_SIZE, number))


class DatasetWriter:
    """A dataset that is being written: checked when made, changed on disk only inside ``with``.

    Parameters
    ----------
    folder : the dataset's folder; made when absent
    manifest : dict
        What is known before the first image: at least ``parameters``, ``versions`` and ``number``. A dataset may be
        resumed when all of it is equal.
    force : bool, remove the dataset that is there
    resume : bool, go on with the dataset that is there

    Raises
    ------
    UsageError
        When the folder is not empty and neither ``force`` nor ``resume`` is given, or holds files that are not ours
        where ours would go.
    RunError
        When there is something to resume, but made otherwise: names what differs.
    """

    def __init__(self, folder: str | Path, manifest: dict, *, force: bool = False, resume: bool = False):
        self.folder = Path(folder)
        self.manifest = {"format": FORMAT, "format-version": FORMAT_VERSION, "complete": False, **manifest}
        self.number = manifest["number"]
        self.chunks = -(-self.number // CHUNK_SIZE)
        self.is_complete = False
        self._force = force
        self._check(force, resume)
        self.records = self._intact_records() if resume else {}

    def __enter__(self):
        """Make the folder ready: remove what is to be replaced, and say in a manifest that this is incomplete."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = lock_folder(self.folder)
        try:
            self._make_ready()
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(self, *exception):
        self._lock.close()

    @property
    def missing_chunks(self) -> list[int]:
        return [] if self.is_complete else [chunk for chunk in range(self.chunks) if chunk not in self.records]

    @property
    def missing_images(self) -> list[int]:
        return [index for chunk in self.missing_chunks for index in chunk_indices(chunk, self.number)]

    def write_chunk(self, chunk: int, images: np.ndarray, columns: dict[str, np.ndarray], rejected: Counter) -> None:
        """Write the images of one chunk, then the record that makes them count.

        Parameters
        ----------
        images : (M, H, W) float32, M the images in this chunk
        columns : dict of column to (M,) values
        rejected : reasons and counts of draws refused in this chunk
        """
        indices = chunk_indices(chunk, self.number)
        sums = [write_image(self.folder / image_name(i), image) for i, image in zip(indices, images, strict=True)]
        record = {
            "columns": {name: [float(value) for value in values] for name, values in columns.items()},
            "rejected": dict(sorted(rejected.items())),
            "checksums": sums,
        }
        write_whole(self._record_path(chunk), json.dumps(record))
        self.records[chunk] = record

    def finish(self, columns: list[dict], summarise) -> dict:
        """Write ``labels.csv`` and the final manifest, and return the manifest.

        Parameters
        ----------
        columns : list of dict, the description of each column
        summarise : callable, (N,) values of a column -> JSON-able description of its distribution
        """
        if self.is_complete:
            return self.manifest
        records = [self.records[chunk] for chunk in range(self.chunks)]
        names = list(records[0]["columns"])
        values = {name: np.concatenate([record["columns"][name] for record in records]) for name in names}
        table = io.StringIO()
        rows = csv.writer(table, lineterminator="\n")
        rows.writerow(["file", *names])
        for index in range(self.number):
            rows.writerow([image_name(index), *(repr(float(values[name][index])) for name in names)])
        labels = table.getvalue().encode()
        rejected = Counter()
        for record in records:
            rejected.update(record["rejected"])
        self.manifest |= {
            "complete": True,
            "columns": [{**column, "distribution": summarise(values[column["name"]])} for column in columns],
            "rejected": dict(sorted(rejected.items())),
            "checksums": {
                LABELS: checksum(labels),
                IMAGES: [value for record in records for value in record["checksums"]],
            },
        }
        self.manifest["checksums"][MANIFEST] = manifest_checksum(self.manifest)
        write_whole(self.folder / LABELS, labels)
        write_whole(self.folder / MANIFEST, dump_manifest(self.manifest))
        shutil.rmtree(self.folder / PROGRESS, ignore_errors=True)
        self.is_complete = True
        (self.folder / LOCK).unlink(missing_ok=True)
        return self.manifest

    def _make_ready(self) -> None:
        if self._force:
            remove_dataset(self.folder)
        write_whole(self.folder / MANIFEST, dump_manifest(self.manifest))  # first: what no manifest lists is not ours
        (self.folder / IMAGES).mkdir(exist_ok=True)
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
                    f"{self.folder} holds {', '.join(sorted(foreign))}, which no manifest lists as ours: "
                    "move it away or choose another --dataset-dir"
                )
        elif present:
            remedy = "choose another --dataset-dir"
            if not resume:
                remedy = f"use --resume to finish it, --force to replace it, or {remedy}"
            raise UsageError(f"{self.folder} is not empty: {remedy}")

    def _foreign_files(self, present: list[str]) -> set[str]:
        """Return the files that are not ours and stand where ours would go."""
        number = _number_listed(self.folder)
        if number is None:
            return {IMAGES, LABELS, MANIFEST, PROGRESS} & set(present)
        ahead = (image_name(index) for index in range(number, self.number))
        return {name for name in ahead if (self.folder / name).exists()}

    def _check_resumable(self, found: dict) -> None:
        differences = []
        for key, wanted in self.manifest.items():
            if key == "complete" or found.get(key) == wanted:
                continue
            have = found.get(key)
            if isinstance(wanted, dict) and isinstance(have, dict):
                differences += [
                    f"{name} was {have.get(name)}, now {wanted.get(name)}"
                    for name in sorted({*wanted, *have})
                    if have.get(name) != wanted.get(name)
                ]
            else:
                differences.append(f"{key} was {have}, now {wanted}")
        if differences:
            more = f" (and {len(differences) - 4} more)" if len(differences) > 4 else ""
            named = "; ".join(differences[:4])
            raise RunError(f"cannot resume {self.folder}: {named}{more}; use --force to start anew")
        if found.get("complete"):
            self.is_complete, self.manifest = True, found
            damaged = self._damaged_images()
            if damaged:
                raise RunError(
                    f"the dataset in {self.folder} is complete, but {len(damaged):,} of its images are missing or "
                    f"damaged ({image_name(damaged[0])} first): use --force to simulate it anew"
                )

    def _damaged_images(self) -> list[int]:
        """Return the images of a complete dataset that are not what its manifest lists."""
        damaged = []
        for index, expected in enumerate(self.manifest["checksums"][IMAGES]):
            try:
                intact = checksum((self.folder / image_name(index)).read_bytes()) == expected
            except OSError:
                intact = False
            if not intact:
                damaged.append(index)
        return damaged

    def _intact_records(self) -> dict[int, dict]:
        """Return the records whose images are all there, unharmed: the rest is written again."""
        records = {}
        for chunk in range(0 if self.is_complete else self.chunks):
            try:
                record = read_json(self._record_path(chunk), "a chunk's record")
                indices = chunk_indices(chunk, self.number)
                sums = [checksum((self.folder / image_name(index)).read_bytes()) for index in indices]
                intact = sums == record["checksums"] and all(
                    len(values) == len(indices) for values in record["columns"].values()
                )
            except (RunError, OSError, KeyError, TypeError, AttributeError):
                continue
            if intact:
                records[chunk] = record
        return records

    def _record_path(self, chunk: int) -> Path:
        return self.folder / PROGRESS / f"{chunk:05d}.json"


def remove_dataset(folder: str | Path) -> None:
    """Remove what a dataset's manifest says is ours, and nothing else.

    The manifest goes last, so that an interrupted removal can be repeated. A folder without a manifest of ours is
    left alone.
    """
    folder = Path(folder)
    number = _number_listed(folder)
    if number is None:
        return
    for path in sorted((folder / IMAGES).glob("*.pickle")):
        if path.stem.isdecimal() and int(path.stem) < number:
            path.unlink()
    for path in sorted((folder / PROGRESS).glob("*.json")):
        if path.stem.isdecimal():
            path.unlink()
    for name in (IMAGES, PROGRESS):
        if (folder / name).is_dir() and not any((folder / name).iterdir()):
            (folder / name).rmdir()
    (folder / LABELS).unlink(missing_ok=True)
    (folder / MANIFEST).unlink()


def manifest_checksum(manifest: dict) -> str:
    """Return the checksum of all that a manifest says, but for this checksum itself."""
    sums = {name: value for name, value in manifest["checksums"].items() if name != MANIFEST}
    return checksum(json.dumps(manifest | {"checksums": sums}, sort_keys=True).encode())


def lock_folder(folder: Path):
    """Take the lock of a dataset that is being written, for as long as the returned file is open.

    Raises
    ------
    RunError
        When another process writes there.
    """
    file = open(folder / LOCK, "w")  # noqa: SIM115 - held open
    try:
        import fcntl  # not on Windows, where nothing is locked

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        pass
    except OSError:
        file.close()
        raise RunError(f"another process is writing the dataset in {folder}") from None
    return file


def _number_listed(folder: Path) -> int | None:
    """Return how many images a folder's manifest lists; None where there is no manifest of ours."""
    try:
        manifest = read_json(folder / MANIFEST, "a dataset's manifest")
    except RunError:
        return None
    number = manifest.get("number")
    return number if manifest.get("format") == FORMAT and isinstance(number, int) else None


def library_versions(program_version: str) -> dict[str, str]:
    """Return the versions on which an image's bytes depend: an interrupted dataset is resumed under the same ones."""
    libraries = ("autolens", "jax", "jaxlib", "numpy", "scipy", "astropy")
    return {
        "stronglens": program_version,
        "python": platform.python_version(),
        **{name: version(name) for name in libraries},
    }


def dump_manifest(manifest: dict) -> str:
    """Return a manifest as JSON, its long lists on one line each."""
    blocks = []
    for key, value in manifest.items():
        if isinstance(value, dict) and value:
            inner = ",\n".join(f"    {json.dumps(name)}: {json.dumps(item)}" for name, item in value.items())
            text = f"{{\n{inner}\n  }}"
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            text = "[\n" + ",\n".join(f"    {json.dumps(item)}" for item in value) + "\n  ]"
        else:
            text = json.dumps(value)
        blocks.append(f"  {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(blocks) + "\n}\n"

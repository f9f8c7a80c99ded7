"""Conversion of images of the Bologna lens-finding challenges (Metcalf et al. 2019, A&A 625, A119) to a dataset.

::

    FOLDER/*.csv  FOLDER/EUC_VIS/*.fits  FOLDER/EUC_Y/*.fits ...   the truth by the number in a file's name
    FOLDER/*.csv  FOLDER/Band1/*.fits  FOLDER/Band2/*.fits ...     bands in the order of --bands
    FOLDER/lens/...  FOLDER/nolens/...                             the truth by folder, each with files as above

Files without a folder for each band are images of one band.
"""

import csv
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from stronglens.dataset import ChunkStore, DatasetPlan, checksum, chunk_indices
from stronglens.finding.classes import GROUPS, KINDS
from stronglens.finding.columns import COLUMNS
from stronglens.finding.labels import FEWEST_PIXELS, LENS, NON_LENS, SMALLEST_MAGNIFICATION
from stronglens.finding.reading import BandReader, number_of
from stronglens.finding.scene import FindingSimulator
from stronglens.measuring import ImageFile, TrainingImages
from stronglens.parameters import RunError, UsageError
from stronglens.sampling import Stream, generator

FLAGS = ("bands", "grid_size", "pixel_scale")
"""Parameters of a conversion in addition to ``--format``."""

FOLDERS = {"lens": LENS, "lenses": LENS, "nolens": NON_LENS, "nonlens": NON_LENS, "nonlenses": NON_LENS}
"""Names of folders of one group; case, ``-`` and ``_`` are ignored."""

KIND_OF_GROUP = {LENS: KINDS.index("lens"), NON_LENS: KINDS.index("unknown")}

NOISE_SIDE, NOISE_IMAGES = 126, 8
"""Pixels and number of the images on which the noise of each band is measured."""

CONVENTIONS = {
    "axes": "x to the right, y up, arcsec, origin at the image centre; row 0 of an image is its top",
    "pixels": "multiplied such that the noise is that of simulated images, e-/s; masked pixels are filled",
    "group": "of the challenge: the column is_lens, or its rule",
}


@dataclass(frozen=True)
class Reading:
    """Flags of ``--predict`` with which the challenge's files are read."""

    predict: tuple[str, ...]
    planes: str | None = None
    hdu: str | None = None
    pixel_scale: float | None = None
    zero_point: float | None = None
    unit: str | None = None
    exposure_time: float | None = None
    gain: float | None = None
    center: str = "image"
    mask: str | None = None
    noise_map: str | None = None
    bad_pixels: str = "fill"
    background: str = "none"
    bologna: bool = True


@dataclass(frozen=True, eq=False)
class Challenge:
    """Images of the challenge.

    Attributes
    ----------
    read : BandReader
    images : list of N ImageFile
        By the file of their first band.
    groups : ndarray (N,) int
    checksum : str
        Identity of the files, from their names and groups.
    """

    read: BandReader
    images: list[ImageFile]
    groups: np.ndarray
    checksum: str


@dataclass(frozen=True)
class ChallengeConversion:
    """Convert images chunk by chunk: it is called with the index of a chunk and returns its number of images.

    Attributes
    ----------
    origin : Path
    parameters : FindingSimulation
    files : str
        Checksum of the files, which detects changes.
    target : ChunkStore
    """

    origin: Path
    parameters: Any
    files: str
    target: ChunkStore

    def __call__(self, chunk: int) -> int:
        """Read and prepare the images of a chunk as ``--predict --bologna`` does, and write them.

        Raises
        ------
        RunError
            When an image cannot be used; the message names the file.
        """
        found = _find_once(self.origin, self.parameters)
        if found.checksum != self.files:
            raise RunError(f"the files in {self.origin} changed during the conversion; run the command again")
        rows = chunk_indices(chunk, self.target.number)
        images = np.stack([found.read(found.images[row]).seen for row in rows])
        groups = found.groups[rows.start : rows.stop]
        columns = {"group": groups, "kind": np.array([KIND_OF_GROUP[group] for group in groups.tolist()])}
        names = [str(Path(found.images[row].path).relative_to(self.origin)) for row in rows]
        self.target.write_chunk(chunk, images, columns, Counter(), sources=names)
        return len(rows)


def plan_foreign(origin: Path, parameters, versions: dict) -> DatasetPlan:
    """Plan the conversion of the challenge's images to a dataset.

    Parameters
    ----------
    origin : Path
        Folder of the images and of the table of truth.
    parameters : FindingSimulation
    versions : dict
        Versions of libraries.

    Returns
    -------
    DatasetPlan

    Raises
    ------
    UsageError
        When there are no images, no truth, or the dataset would be inside their folder.
    RunError
        When an image is not in the table of truth, or the table cannot be read.
    """
    if parameters.dataset_dir.resolve().is_relative_to(origin.resolve()):
        raise UsageError("--dataset-dir is inside the folder to convert; give another folder")
    origin = origin.absolute()
    # The same key in every process, wherever the dataset is written.
    parameters = replace(parameters, dataset_dir=type(parameters)().dataset_dir, convert_from=None)
    found = _find_once(origin, parameters)
    counts = np.bincount(found.groups, minlength=2)
    described = FindingSimulator(parameters, threads=1).describe()
    title = f"Converting {len(found.images):,} images of {origin}/ to {parameters.format}"
    return DatasetPlan(
        title=f"{title}: {counts[LENS]:,} lenses, {counts[NON_LENS]:,} non-lenses",
        verb="converting",
        manifest={
            "number": len(found.images),
            "parameters": {"task": parameters.task, "format": parameters.format},
            "versions": versions,
            **described,
            "conventions": CONVENTIONS,
            "origin": {
                "folder": origin.resolve().name,
                "images": {GROUPS[group]: int(counts[group]) for group in (NON_LENS, LENS)},
                "files-checksum": found.checksum,
            },
        },
        columns=[COLUMNS[name].to_dict() for name in ("group", "kind")],
        work=partial(ChallengeConversion, origin, parameters, found.checksum),
    )


def read_truth(path: Path) -> dict[str, int]:
    """Return the group of each image by its number, from the table of a challenge.

    The first challenge has a column ``is_lens``. The second calls an image a lens if the magnification ``mag_eff``
    exceeds 1.6, ``n_pix_source`` exceeds 20, and ``n_source_im`` is above 0. Its table begins with comments.

    Raises
    ------
    RunError
        When the table has neither of these.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: cannot be read ({error})") from None
    rows = [[cell.strip() for cell in row] for row in csv.reader(line.lstrip("# ") for line in lines)]
    start = next((place for place, row in enumerate(rows) if "ID" in row), None)
    if start is None:
        raise RunError(f"{path}: has no column ID")
    header, truth = rows[start], {}
    rule = {"mag_eff": SMALLEST_MAGNIFICATION, "n_pix_source": FEWEST_PIXELS, "n_source_im": 0}
    limits = {"is_lens": 0.5} if "is_lens" in header else rule
    if missing := [name for name in limits if name not in header]:
        raise RunError(f"{path}: has no column is_lens, and of those of the rule it lacks {', '.join(missing)}")
    for number, row in enumerate(rows[start + 1 :], start + 2):
        if not any(row):
            continue
        try:
            cells = dict(zip(header, row, strict=True))
            is_lens = all(float(cells[name]) > limit for name, limit in limits.items())
            truth[str(int(float(cells["ID"])))] = LENS if is_lens else NON_LENS
        except ValueError:
            raise RunError(f"{path}: row {number} is not one of numbers") from None
    return truth


@lru_cache(maxsize=2)  # once per process instead of once per chunk
def _find_once(origin: Path, parameters) -> Challenge:
    simulator = FindingSimulator(parameters, threads=1)
    if not origin.is_dir():
        raise UsageError(f"{origin} is not a folder")
    groups_of = {path: FOLDERS[_plain(path.name)] for path in sorted(origin.iterdir())
                 if path.is_dir() and _plain(path.name) in FOLDERS}  # fmt: skip
    read = BandReader(Reading(tuple(map(str, groups_of or [origin]))), _describe_target(simulator))
    images = read.list_images()
    if groups_of:
        groups = [groups_of[origin / Path(image.path).relative_to(origin).parts[0]] for image in images]
    else:
        groups = _look_up(images, origin)
    listed = "\n".join(f"{image.path.removeprefix(str(origin))}\t{group}"
                       for image, group in zip(images, groups, strict=True))  # fmt: skip
    return Challenge(read, images, np.array(groups), checksum(listed.encode()))


def _look_up(images: list[ImageFile], origin: Path) -> list[int]:
    tables = sorted(origin.glob("*.csv"))
    if len(tables) != 1:
        raise UsageError(
            f"{origin} contains {len(tables)} .csv files; the truth is in one table there, or in folders lens/ and "
            "nolens/"
        )
    truth = read_truth(tables[0])
    try:
        return [truth[number_of(image.path).lstrip("0")] for image in images]
    except KeyError as error:
        raise RunError(f"{tables[0]}: has no row with the ID {error.args[0]}, of an image in {origin}") from None


def _describe_target(simulator: FindingSimulator) -> TrainingImages:
    """Return the description of simulated images, whose noise the converted images get."""
    grid, scale = simulator.parameters.grid_size, simulator.parameters.pixel_scale
    described = TrainingImages((grid, grid), scale, next(iter(simulator.cameras.values())).zero_point)
    bands = {}
    for place, (name, camera) in enumerate(simulator.cameras.items()):
        wide = replace(camera, side=NOISE_SIDE * (3 if camera.coarse else 1))
        full = wide.side + 2 * wide.padding
        rate = wide.blur(np.zeros((NOISE_IMAGES, full, full), np.float32))
        random = [generator(0, Stream.NOISE, index, place) for index in range(NOISE_IMAGES)]
        # Not the measured noise of a network's record, which is too small where pixels are interpolated.
        noise = float(wide.record(rate, random).std())
        bands[name] = replace(described, zero_point=camera.zero_point, noise=(noise, noise))
    return replace(described, bands=bands)


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")

"""Photographed galaxies from users' files: FITS stamps, GalSim's COSMOS layout, JPEG, PNG and NumPy arrays."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from astropy.io import fits

from stronglens.observation.galaxies import Galaxy, crop, isolate, pixel_checksum
from stronglens.parameters import RunError

FITS = (".fits", ".fit", ".fts", ".fits.gz")
PICTURES = (".jpg", ".jpeg", ".png")
ARRAYS = (".npy", ".npz")
RADIUS = 2.0
"""Pixels: what holds half of its light within fewer has no shape."""
CUT = 0.1
"""Of the peak: a galaxy brighter than that on its image's edge is cut off."""
MOST = 5000
"""Galaxies: so many are read at most, for they are kept in memory."""

Image = tuple[str, np.ndarray, int | None]
"""A name, pixels (H, W), and the checksum of the image whose galaxy it shows, where that is another image."""


def read_source_images(paths: Sequence[Path], most: int = MOST) -> tuple[list[Galaxy], Counter]:
    """Read photographed galaxies from files, and from all files within folders.

    A FITS image, each extension one galaxy; extensions of one shape that all have names are bands of one galaxy, and
    a cube is the mean of its planes. In a folder with a catalogue of GalSim's RealGalaxyCatalog (columns
    ``GAL_FILENAME`` and ``GAL_HDU``; Mandelbaum et al. 2012, MNRAS 420, 1518), the images that it names, and neither
    its PSFs nor its noise. JPEG and PNG, colours averaged: mind that they are seldom linear in flux. ``.npy`` and
    ``.npz``: arrays (H, W) or (N, H, W), a galaxy each. What else lies there is no image and is not mentioned.

    Parameters
    ----------
    paths : files and folders
    most : galaxies, at most so many are read

    Returns
    -------
    galaxies : in the order of the files' names; the bands of one galaxy have one checksum
    passed : Counter of images that were passed over, by reason

    Raises
    ------
    RunError
        If a path does not exist, or if no galaxy is found: says what was passed over.
    """
    galaxies, passed, seen = [], Counter(), set()
    for name, pixels, shown in _images(paths, passed):
        if len(galaxies) == most:
            passed[f"after the first {most}"] += 1
            continue
        checksum = pixel_checksum(pixels)
        if checksum in seen:
            passed["a copy of another"] += 1
            continue
        seen.add(checksum)
        try:
            galaxy = isolate(pixels, name)
        except RunError as error:
            passed[str(error).removeprefix(f"{name}: ")] += 1
            continue
        edge = np.concatenate([galaxy.light[[0, -1]].ravel(), galaxy.light[:, [0, -1]].ravel()])
        if galaxy.radius < RADIUS:
            passed[f"half of the light within {RADIUS:g} pixels"] += 1
        elif edge.max() > CUT * galaxy.light.max():
            passed["cut off by the image's edge"] += 1
        else:
            galaxies.append(crop(galaxy if shown is None else replace(galaxy, checksum=shown)))
    if not galaxies:
        why = "; ".join(f"{number} {reason}" for reason, number in passed.most_common(3))
        raise RunError(f"no galaxy in {', '.join(map(str, paths))}" + (f": passed over {why}" if why else ""))
    return galaxies, passed


def _images(paths: Sequence[Path], passed: Counter) -> Iterator[Image]:
    """Give every image of the files; those that cannot be read are counted."""
    files = _list_files(paths)
    stamps, others = _read_catalogues([file for file in files if _ends(file, FITS)])
    for file in files:
        try:
            if _ends(file, FITS):
                if file in others:
                    passed["PSF or noise of a catalogue"] += 1
                else:
                    yield from _fits_images(file, stamps.get(file), passed)
            elif _ends(file, PICTURES):
                yield file.name, _read_picture(file), None
            elif _ends(file, ARRAYS):
                for name, array in _arrays(file):
                    yield name, array, None
        except (OSError, ValueError, TypeError, EOFError, SyntaxError, BadZipFile):  # SyntaxError: a broken PNG
            passed["not readable"] += 1


def _list_files(paths: Sequence[Path]) -> list[Path]:
    files = []
    for path in map(Path, paths):
        if path.is_dir():
            files += sorted(file for file in path.rglob("*") if file.is_file())
        elif path.is_file():
            files.append(path)
        else:
            raise RunError(f"no file or folder {path}")
    return files


def _ends(file: Path, endings: tuple[str, ...]) -> bool:
    return file.name.lower().endswith(endings)


def _read_catalogues(files: Sequence[Path]) -> tuple[dict[Path, set[int]], set[Path]]:
    """Return the HDUs that catalogues of GalSim's name, by file, and the files of PSFs and noise that they name."""
    stamps, others = {}, set()
    for file in files:
        try:
            with fits.open(file) as opened:
                for hdu in opened:
                    names = getattr(hdu, "columns", None)
                    if names is None or not {"GAL_FILENAME", "GAL_HDU"} <= set(names.names):
                        continue
                    for name, number in zip(hdu.data["GAL_FILENAME"], hdu.data["GAL_HDU"], strict=True):
                        stamps.setdefault(file.parent / name.strip(), set()).add(int(number))
                    for column in {"PSF_FILENAME", "NOISE_FILENAME"} & set(names.names):
                        others |= {file.parent / name.strip() for name in set(hdu.data[column])}
        except (OSError, ValueError, TypeError):
            continue  # counted when its images are read
    return stamps, others


def _fits_images(file: Path, listed: set[int] | None, passed: Counter) -> Iterator[Image]:
    with fits.open(file) as opened:
        images = {number: hdu for number, hdu in enumerate(opened) if getattr(hdu, "is_image", False) and hdu.size}
        names = {hdu.name for hdu in images.values()}
        shapes = {hdu.shape for hdu in images.values()}
        bands = listed is None and len(shapes) == 1 < len(images) == len(names - {"", "PRIMARY"})
        shown = None
        for number, hdu in images.items():
            if listed is not None and number not in listed:
                passed["not in the catalogue"] += 1
                continue
            image = np.asarray(hdu.data, np.float32)
            image = image.mean(axis=0) if image.ndim == 3 else image
            if bands and shown is None:
                shown = pixel_checksum(image)
            yield f"{file.name}, extension {number}", image, shown


def _read_picture(file: Path) -> np.ndarray:
    """Return a JPEG's or PNG's pixels (H, W), colours averaged."""
    from PIL import Image

    with Image.open(file) as picture:
        if picture.mode == "L" or picture.mode.startswith(("I", "F")):
            return np.asarray(picture, np.float32)
        return np.asarray(picture.convert("RGB")).mean(axis=-1, dtype=np.float32)


def _arrays(file: Path) -> Iterator[tuple[str, np.ndarray]]:
    loaded = np.load(file, allow_pickle=False)
    for key, array in loaded.items() if hasattr(loaded, "items") else [("", loaded)]:
        if array.dtype.kind not in "fiu" or array.ndim not in (2, 3):
            continue  # labels and the like
        images = array[None] if array.ndim == 2 else array
        for number, image in enumerate(images):
            yield f"{file.name} {key} {number}".replace("  ", " "), image.astype(np.float32)

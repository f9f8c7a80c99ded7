"""Spectra, and other rows of numbers: read, brought to the rest frame and to one grid, with masks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stronglens.generation.baseline import load_iris
from stronglens.parameters import RunError

SKY_LINES = 5577.3, 6300.3, 6363.8
"""Bright lines of the night sky in the frame of the observer, Angstrom (air)."""

SKY_WIDTH = 10.0
"""Half-width of the pixels around a line of the sky that are masked, Angstrom."""

SEEN = 0.9
"""Fraction of the spectra that must have a wavelength for the common grid to include it."""

STEPS = 1000
"""Steps of the common grid, at equal ratios of wavelength."""

LARGEST = 20.0
"""Largest flux, spectra having the median 1; other pixels are masked (cosmic rays, faults)."""


@dataclass(frozen=True)
class Rows:
    """Rows of numbers on a common axis.

    Attributes
    ----------
    values : ndarray (N, P)
        Finite everywhere; masked ones have no meaning.
    is_good : ndarray (N, P) bool
    axis : ndarray (P,) or None
        Wavelength in the rest frame, Angstrom; None where the numbers are not of a spectrum.
    names : tuple of N str
    classes : ndarray (N,) of int, or None
    title : str
        What the rows are, such as ``984 spectra``.
    """

    values: np.ndarray
    is_good: np.ndarray
    axis: np.ndarray | None
    names: tuple[str, ...]
    classes: np.ndarray | None
    title: str


@dataclass(frozen=True)
class Spectrum:
    """A spectrum: rest-frame wavelength (P,) in Angstrom, flux (P,), and which pixels are good (P,)."""

    name: str
    wavelength: np.ndarray
    flux: np.ndarray
    is_good: np.ndarray


def read_iris() -> Rows:
    """Return scikit-learn's Iris flowers: four lengths of 150 flowers of three species, standardised."""
    values, classes = load_iris()
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    names = tuple(f"flower {number}" for number in range(len(values)))
    return Rows(values, np.ones(values.shape, bool), None, names, classes, f"{len(values)} Iris flowers")


def read_spectra(folder: Path) -> Rows:
    """Read all spectra in a folder, and bring them to one grid in the rest frame with the median 1.

    Read are SDSS's ``spec-*.fits``, 6dFGS's FITS files, and NumPy archives (``.npz``) of many spectra: ``flux`` or
    ``spectra`` (N, P) and ``wavelength`` or ``wavelengths`` (P,) in the rest frame, optionally ``mask`` (N, P), not
    zero where a pixel is bad (astroML's ``spec4000.npz`` has this form).

    Raises
    ------
    RunError
        If there are no spectra, or one cannot be read.
    """
    folder = Path(folder)
    files = sorted([*folder.glob("*.npz"), *folder.glob("*.fits")]) if folder.is_dir() else [folder]
    found: list[Spectrum] = []
    for path in files:
        try:
            found += _read_archive(path) if path.suffix == ".npz" else [_read_fits(path)]
        except (OSError, KeyError, ValueError, IndexError, TypeError) as error:
            raise RunError(f"cannot read the spectra in {path}: {str(error).splitlines()[0]}") from error
    if len(found) < 2:
        raise RunError(f"{folder} contains no spectra: give a folder with spec-*.fits, 6dFGS's .fits, or .npz")
    return resample(found)


def resample(spectra: Sequence[Spectrum]) -> Rows:
    """Interpolate spectra on one logarithmic grid of rest-frame wavelengths, with the median of good pixels at 1."""
    low = np.quantile([one.wavelength[0] for one in spectra], SEEN)
    high = np.quantile([one.wavelength[-1] for one in spectra], 1 - SEEN)
    if low >= high:
        raise RunError("the spectra have no common range of wavelengths")
    steps = min(STEPS, max(len(one.wavelength) for one in spectra))
    grid = np.geomspace(low, high, steps)
    values, masks = np.ones((len(spectra), steps)), np.zeros((len(spectra), steps), bool)
    for row, one in enumerate(spectra):
        flux = np.where(one.is_good, one.flux, 0.0)
        # A pixel of the grid is good if both pixels that it is interpolated from are.
        good = np.interp(grid, one.wavelength, one.is_good.astype(float), left=0, right=0) > 0.999
        resampled = np.interp(grid, one.wavelength, flux)
        middle = np.median(resampled[good]) if good.any() else 0.0
        if middle <= 0:
            continue  # a spectrum without light has no good pixel
        good &= np.abs(resampled / middle) < LARGEST
        values[row], masks[row] = np.where(good, resampled / middle, 1.0), good
    kept = masks.mean(axis=1) > 0.5
    names = tuple(one.name for one, is_kept in zip(spectra, kept, strict=True) if is_kept)
    left_out = "" if kept.all() else f", {np.sum(~kept)} left out: less than half of their pixels are good"
    return Rows(values[kept], masks[kept], grid, names, None, f"{kept.sum()} spectra{left_out}")


def _read_archive(path: Path) -> list[Spectrum]:
    with np.load(path, allow_pickle=False) as archive:
        flux = np.asarray(archive["flux" if "flux" in archive.files else "spectra"], np.float64)
        wavelength = np.asarray(archive["wavelength" if "wavelength" in archive.files else "wavelengths"], np.float64)
        bad = archive["mask"] != 0 if "mask" in archive.files else np.zeros(flux.shape, bool)
    is_good = np.isfinite(flux) & ~bad
    return [
        Spectrum(f"{path.stem} #{row}", wavelength, flux[row], is_good[row]) for row in range(len(flux))
    ]  # fmt: skip


def _read_fits(path: Path) -> Spectrum:
    from astropy.io import fits

    with fits.open(path, memmap=False) as file:
        if len(file) > 2 and file[1].data is not None and "loglam" in (file[1].columns.names or []):  # SDSS
            table, redshift = file[1].data, float(file[2].data["Z"][0])
            observed, flux = 10.0 ** table["loglam"].astype(float), table["flux"].astype(float)
            is_good = table["ivar"] > 0
        else:  # 6dFGS: flux, variance, sky, observed wavelength
            flux, variance, _, observed = file[0].data.astype(float)
            redshift = float(file[0].header["Z"])
            is_good = variance > 0
    for line in SKY_LINES:
        is_good = is_good & (np.abs(observed - line) > SKY_WIDTH)
    return Spectrum(path.name, observed / (1 + redshift), flux, is_good & np.isfinite(flux))

"""Units, zero points and pixel shapes in the headers of public surveys."""

import numpy as np
import pytest
from astropy.io import fits
from small_observations import noise, write_fits

from stronglens.observation import read_observation
from stronglens.observation.units import read_unit
from stronglens.parameters import RunError

SQUARE_ARCSEC = (np.pi / 180 / 3600) ** 2  # in steradian

# AB magnitude of 1 Jy: 2.5 log10(3631) = 8.900. For MJy/sr in pixels of 0.1 arcsec: JWST's PIXAR_SR = 2.350e-13 sr.
FLUXES = {
    "nanomaggies": 22.5,  # SDSS, Legacy Survey: 1 maggy is magnitude 0
    "nanomaggy": 22.5,
    "nMgy": 22.5,
    "nmgy": 22.5,
    "NANOMAGGY": 22.5,
    "1.0 nanomaggies": 22.5,
    "1e-9 maggies": 22.5,
    "maggy": 0.0,
    "Mgy": 0.0,
    "Jy": 8.9,
    "Jy/pixel": 8.9,
    "JY/PIXEL": 8.9,
    "Jy pix-1": 8.9,
    "mJy": 16.4,
    "mJy/px": 16.4,
    "MJy": -6.1,  # JWST, point sources
    "MegaJansky": -6.1,
    "uJy": 23.9,
    "µJy": 23.9,
    "microJy": 23.9,
    "nJy": 31.4,  # LSST, HSC
    "NJY": 31.4,
    "10 nJy": 28.9,
    "MJy/sr": 8.9 - 15 - 2.5 * np.log10(0.01 * SQUARE_ARCSEC),  # JWST, Spitzer, Roman
    "MJy / sr": 8.9 - 15 - 2.5 * np.log10(0.01 * SQUARE_ARCSEC),
    "MJY/SR": 8.9 - 15 - 2.5 * np.log10(0.01 * SQUARE_ARCSEC),
    "MJy.sr-1": 8.9 - 15 - 2.5 * np.log10(0.01 * SQUARE_ARCSEC),
    "mJy/sr": 8.9 + 7.5 - 2.5 * np.log10(0.01 * SQUARE_ARCSEC),
    "uJy/arcsec^2": 23.9 + 5,
    "uJy arcsec**-2": 23.9 + 5,
    "erg/s/cm^2/Hz": -48.6,  # the definition of AB magnitudes
    "W m-2 Hz-1": -48.6 - 7.5,
}
COUNTS = {
    "e-/s": ("ELECTRONS/S", "electrons/s", "electron s-1", "electron/s", "e-/s", "e/s", "e-/sec", "E-/S", "e- s-1",
             "e-.s-1", "el/s", "electrons/sec", "ELECTRONS S**-1", "electrons per second", "electron / s", "e-/s/pixel",
             "photon/s", "photons s-1", "photoelectron/s"),
    "e-": ("ELECTRONS", "electron", "e-", "e", "photons", "electron pix-1"),
    "adu/s": ("COUNTS/S", "counts/s", "count s-1", "ct/s", "CTS/SEC", "cps", "CPS", "DN/S", "DN/s", "DN s-1", "DN / s",
              "ADU/s", "adu s^-1", "counts/sec", "counts/s/pix"),
    "adu": ("ADU", "adu", "DN", "COUNTS", "counts", "count", "ct", "'adu'"),
}  # fmt: skip
# Units that are not a flux per pixel, and the reason.
REFUSED = {
    "Jy/beam": "interferometer",
    "JY/BEAM": "interferometer",
    "mJy beam-1": "interferometer",
    "mag": "a magnitude, not a flux",
    "mag/arcsec^2": "a magnitude, not a flux",
    "erg/s/cm2/A": "flux density per wavelength.*PHOTPLAM",
    "erg s-1 cm-2 Angstrom-1": "flux density per wavelength",
    "10**(-20)*erg/s/cm**2/Angstrom": "flux density per wavelength",  # MUSE
    "1E-17 erg/(s cm2 Ang)": "flux density per wavelength",
    "K": "not understood",
    "Jy Hz": "not understood",
    "erg/s/cm2": "not understood",
    "km/s": "not understood",
    "2 electrons": "not understood",
    "electron2": "not understood",
    "Jy/s": "not understood",
    "xJy": "not understood",
    "UNKNOWN": "not understood",
}


def read(folder, arguments=None, **header):
    path = write_fits(folder / "a.fits", noise(), **header)
    return read_observation(path, **{"pixel_scale": 0.1} | (arguments or {}))


@pytest.mark.parametrize("unit", FLUXES)
def test_flux_densities_have_a_zero_point(tmp_path, unit):
    if unit.isascii():
        assert read(tmp_path, BUNIT=unit).zero_point == pytest.approx(FLUXES[unit], abs=2e-3)
    found = read_unit(unit)
    expected = FLUXES[unit] - (5.0 if found.is_per_arcsec2 else 0.0)  # 0.01 arcsec^2 are 5 magnitudes
    assert found.jansky == pytest.approx(10 ** (0.4 * (8.9 - expected)), rel=2e-3)


@pytest.mark.parametrize(("counts", "unit"), [(counts, unit) for counts, units in COUNTS.items() for unit in units])
def test_counts_are_understood_in_any_spelling(counts, unit):
    assert read_unit(unit).counts == counts


@pytest.mark.parametrize("unit", REFUSED)
def test_other_units_are_refused_with_the_reason(tmp_path, unit):
    with pytest.raises(RunError, match=REFUSED[unit]):
        read(tmp_path, BUNIT=unit)


def test_a_flux_density_per_wavelength_needs_the_pivot_wavelength(tmp_path):
    """3631 Jy at 5500 Angstrom are c / lambda^2 * 3.631e-20 erg/s/cm^2/Hz = 3.599e-9 erg/s/cm^2/Angstrom."""
    found = read(tmp_path, BUNIT="10^-20 erg/s/cm^2/Angstrom", PHOTPLAM=5500.0)
    flux = 2.99792458e18 / 5500**2 * 3.631e-20
    assert found.zero_point == pytest.approx(2.5 * np.log10(flux / 1e-20), abs=2e-3)


def test_hyper_suprime_cams_zero_point_is_found(tmp_path):
    assert read(tmp_path, FLUXMAG0=63095734448.0194).zero_point == pytest.approx(27.0)


def test_pan_starrs_asinh_scale_is_refused(tmp_path):
    header = {"BSOFTEN": 100.0, "BOFFSET": 1.0, "BUNIT": "counts", "EXPTIME": 30.0}
    with pytest.raises(RunError, match="asinh scale"):
        read(tmp_path, {"zero_point": 25.0}, **header)
    assert read(tmp_path, {"zero_point": 25.0, "unit": "e-/s"}, **header).zero_point == 25.0


def test_a_unit_that_contradicts_the_header_is_noted(tmp_path):
    notes = read(tmp_path, {"unit": "e-/s"}, BUNIT="nJy").notes
    assert "--unit=e-/s used, although the header says BUNIT = nJy" in notes
    assert not read(tmp_path, {"unit": "e-/s"}, BUNIT="ELECTRONS/S").notes


# Pixels that are not square: Calabretta & Greisen 2002, A&A 395, 1077: columns of CD are the sides of a pixel


def cd(matrix):
    keys = ("CD1_1", "CD1_2", "CD2_1", "CD2_2")
    header = dict(zip(keys, np.ravel(np.asarray(matrix) * 0.1 / 3600), strict=True))
    return {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"} | header


TURN = np.array([[np.cos(0.8), -np.sin(0.8)], [np.sin(0.8), np.cos(0.8)]])
NOT_SQUARE = {
    "rectangular": cd([[-1, 0], [0, 1.2]]),
    # Rotated by 45 degrees: the rows of the matrix have equal lengths, the sides of the pixel have not.
    "rectangular, turned": cd(np.array([[1, -1], [1, 1]]) / 2**0.5 @ np.diag([1, 1.2])),
    "sheared": cd([[-1, 0.07], [0, 1]]),
    # Sides of equal length, at 86 degrees.
    "rhombic": cd([[1, 0.07], [0.07, 1]]),
    "two steps": {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CDELT1": -0.1 / 3600, "CDELT2": 0.11 / 3600},
    "two keys": {"PIXSCAX": 0.1, "PIXSCAY": 0.12},
}
SQUARE = {
    "turned": cd(TURN),
    "mirrored": cd(np.diag([-1, 1]) @ TURN),
    "swapped": cd([[0, 1], [1, 0]]),
    "half a per cent": cd([[-1, 0.003], [0, 1.003]]),
    "two keys": {"PIXSCAX": 0.1, "PIXSCAY": 0.1},
}


@pytest.mark.parametrize("kind", NOT_SQUARE)
def test_pixels_that_are_not_square_are_refused_or_noted(tmp_path, kind):
    header = NOT_SQUARE[kind] | {"BUNIT": "nJy"}
    with pytest.raises(RunError, match=r"not square \(.*resample it first"):
        read(tmp_path, {"pixel_scale": None}, **header)
    found = read(tmp_path, **header)
    assert any("not square" in note and "--pixel-scale=0.1" in note for note in found.notes)


@pytest.mark.parametrize("kind", SQUARE)
def test_square_pixels_are_so_in_any_orientation(tmp_path, kind):
    found = read(tmp_path, {"pixel_scale": None}, **SQUARE[kind], BUNIT="nJy")
    assert found.pixel_scale == pytest.approx(0.1, rel=2e-3)
    assert not any("square" in note for note in read(tmp_path, **SQUARE[kind], BUNIT="nJy").notes)


# One message names everything that is missing


@pytest.mark.parametrize(
    ("header", "flags"),
    [
        ({}, ("--pixel-scale", "--unit or --zero-point")),
        ({"BUNIT": "who knows"}, ("--pixel-scale", "--unit or --zero-point")),
        ({"BUNIT": "ADU"}, ("--pixel-scale", "--exposure-time", "--zero-point or --gain")),
        ({"BUNIT": "ADU", "EXPTIME": 30.0}, ("--pixel-scale", "--zero-point or --gain")),
        ({"BUNIT": "ADU", "PIXSCALE": 0.1}, ("--exposure-time", "--zero-point or --gain")),
        ({"BUNIT": "electron"}, ("--pixel-scale", "--exposure-time")),
    ],
)
def test_everything_that_is_missing_is_named_at_once(tmp_path, header, flags):
    with pytest.raises(RunError) as caught:
        read(tmp_path, {"pixel_scale": None}, **header)
    assert all(flag in str(caught.value) for flag in flags)
    assert "\n" not in str(caught.value)


def test_an_array_without_a_header_needs_every_flag(tmp_path):
    np.save(tmp_path / "a.npy", noise())
    with pytest.raises(RunError, match=r"--pixel-scale.*--unit or --zero-point"):
        read_observation(tmp_path / "a.npy")


def test_the_unit_of_an_extension_is_that_of_its_own_header(tmp_path):
    primary, image = fits.PrimaryHDU(), fits.ImageHDU(noise(), name="SCI")
    primary.header["BUNIT"], image.header["BUNIT"] = "DN", "MJy/sr"
    fits.HDUList([primary, image]).writeto(tmp_path / "a.fits")
    assert read_observation(tmp_path / "a.fits", pixel_scale=0.1).zero_point == pytest.approx(25.472, abs=2e-3)

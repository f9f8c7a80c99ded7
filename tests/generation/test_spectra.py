"""Spectra: formats, rest frame, masks, and components that do not see masked pixels."""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits

from stronglens.execution import Console
from stronglens.generation.rows import _errors, build_rows_network, fit_rows, plan_rows, project_good
from stronglens.generation.spectra import Rows, read_iris, read_spectra
from stronglens.parameters import RunError

REDSHIFT = 0.1


def emission(rest):
    """A flat spectrum with a line at 5007 Angstrom."""
    return 2.0 + np.exp(-0.5 * ((rest - 5007) / 10) ** 2)


def write_sdss(path, redshift=REDSHIFT):
    observed = np.geomspace(3900, 8900, 3000)
    ivar = np.ones(3000)
    ivar[100] = 0
    columns = [
        fits.Column("flux", "E", array=emission(observed / (1 + redshift))),
        fits.Column("loglam", "E", array=np.log10(observed)),
        fits.Column("ivar", "E", array=ivar),
    ]
    tables = [
        fits.BinTableHDU.from_columns(columns),
        fits.BinTableHDU.from_columns([fits.Column("Z", "E", array=[redshift])]),
    ]
    fits.HDUList([fits.PrimaryHDU(), *tables]).writeto(path)


def write_6df(path, redshift=REDSHIFT):
    observed = np.linspace(3900, 8900, 3000)
    data = np.stack([emission(observed / (1 + redshift)), np.ones(3000), np.zeros(3000), observed]).astype(np.float32)
    fits.PrimaryHDU(data, fits.Header({"Z": redshift})).writeto(path)


def test_spectra_of_all_formats_are_in_the_rest_frame(tmp_path):
    write_sdss(tmp_path / "spec-1.fits")
    write_6df(tmp_path / "g1.fits")
    wavelength = np.linspace(3600, 8000, 2000)
    np.savez(tmp_path / "many.npz", flux=np.stack([emission(wavelength)] * 2), wavelength=wavelength)
    rows = read_spectra(tmp_path)
    assert rows.values.shape == (4, 1000)
    for spectrum in rows.values:
        assert rows.axis[spectrum.argmax()] == pytest.approx(5007, abs=5)  # the grid has steps of 4 Angstrom
    np.testing.assert_allclose(np.median(rows.values, axis=1), 1, atol=1e-6)


def test_lines_of_the_night_sky_and_bad_pixels_are_masked(tmp_path):
    write_6df(tmp_path / "a.fits")
    write_sdss(tmp_path / "b.fits")
    rows = read_spectra(tmp_path)
    sky = np.argmin(np.abs(rows.axis - 5577.3 / (1 + REDSHIFT)))
    assert not rows.is_good[:, sky].any()
    assert rows.is_good.mean() > 0.95
    assert (~rows.is_good).sum(axis=1)[1] > (~rows.is_good).sum(axis=1)[0], "ivar is 0 in a pixel of SDSS's"


def test_a_mask_of_an_archive_is_used(tmp_path):
    wavelength = np.linspace(4000, 7000, 500)
    flux, mask = np.ones((3, 500)), np.zeros((3, 500), int)
    flux[0, 250], mask[0, 250] = 1e6, 1
    np.savez(tmp_path / "spec4000.npz", spectra=flux, wavelengths=wavelength, mask=mask)
    rows = read_spectra(tmp_path)
    assert rows.values.max() == pytest.approx(1)


def test_a_folder_without_spectra_is_refused(tmp_path):
    with pytest.raises(RunError, match="no spectra"):
        read_spectra(tmp_path)
    (tmp_path / "x.fits").write_text("no FITS")
    with pytest.raises(RunError, match=r"x\.fits"):
        read_spectra(tmp_path)


@pytest.fixture(scope="module")
def masked_plan():
    random = np.random.default_rng(0)
    wave = np.sin(np.linspace(0, 6, 40))
    values = 1 + random.normal(size=(200, 1)) * wave + 0.01 * random.standard_normal((200, 40))
    is_good = random.random(values.shape) > 0.1
    spoiled = np.where(is_good, values, 50.0)
    rows = Rows(spoiled, is_good, None, ("",) * 200, None, "")
    split = {"train": np.arange(150), "valid": np.arange(150, 170), "test": np.arange(170, 200)}
    return SimpleNamespace(dataset=rows, split=split, parameters=SimpleNamespace(example=None)), values, wave


def test_masked_pixels_have_no_part_in_components(masked_plan):
    plan, values, wave = masked_plan
    components, filled = fit_rows(plan)
    alike = abs(components.axes[0] @ wave) / np.linalg.norm(wave)
    assert alike > 0.999, "without masks, values of 50 would make all components"
    np.testing.assert_allclose(filled, values, atol=0.1)
    restored = components.restore(project_good(components, plan.dataset.values, plan.dataset.is_good, 1))
    assert np.sqrt(_errors(restored, plan.dataset.values, plan.dataset.is_good).mean()) < 0.02, "the noise is 0.01"


def test_autoencoders_of_rows_begin_as_pca(masked_plan):
    components, filled = fit_rows(masked_plan[0])
    network = build_rows_network("vae", components, 2, 8, 1, 0).network
    wanted = components.restore(components.project(filled)[:, :2])
    np.testing.assert_allclose(network(filled.astype(np.float32)), wanted, atol=1e-3)


def test_iris_has_three_species_in_every_set():
    rows = read_iris()
    assert rows.values.shape == (150, 4)
    parameters = SimpleNamespace(example="iris", spectra=None, seed=0, valid_split=0.2, test_split=0.1)
    plan = plan_rows(parameters, Console(True))
    assert all(set(rows.classes[some]) == {0, 1, 2} for some in plan.split.values())

"""Sources of measured images. The images are rendered by many rays from an analytic source, not by the operator."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from readable_figures import assert_readable
from scipy.ndimage import gaussian_filter
from small_observations import EUCLID, observe

import model_and_figures
from params_and_cli import OVERRIDES, ReconstructionSimulation
from stronglens.measuring.coolest import read_coolest
from stronglens.observation import prepare
from stronglens.parameters import RunError, UsageError, parse, to_manifest
from stronglens.reconstruction.figures.measured import draw_reconstruction
from stronglens.reconstruction.lens_of_images import read_draws, read_numbers
from stronglens.reconstruction.network import Camera, build_network
from stronglens.reconstruction.observing import FWHM
from stronglens.reconstruction.operator import pixel_rays, trace_rays
from stronglens.reconstruction.source_prediction import SourcePrediction
from stronglens.telescope import gaussian_psf
from stronglens.training import save_network

LENS = (0.9, 0.0, 0.0, 0.1, 0.05, 0.03, -0.02)
SIDE, SCALE = 96, 0.05
"""Of the file; the network has pixels of 0.15 arcsec."""
X, Y, WIDTH, PEAK = 0.1, -0.06, 0.12, 3.0
"""Of the source, a Gaussian: arcsec, and surface brightness per pixel of the file."""
FLUX = PEAK * 2 * np.pi * WIDTH**2 / SCALE**2
NOISE, PSF = 0.15, 0.2

CALIBRATION = {"noise": [0.01], "brightness": [0.01, 0.1], "factors": [[[0.5, 1.0]], [[1.0, 2.0]]]}


def lensed(lens=LENS):
    """Image in the file's pixels, 3 x 3 rays each, with a PSF; row 0 at the top."""
    rays = pixel_rays(SIDE, SCALE, 3)
    x, y = np.asarray(trace_rays(np.array([lens], np.float32), rays))[0].T
    light = PEAK * np.exp(-((x - X) ** 2 + (y - Y) ** 2) / (2 * WIDTH**2))
    return gaussian_filter(light.reshape(SIDE, SIDE, 9).mean(axis=-1), PSF / FWHM / SCALE, mode="constant")


def observed():
    return lensed() + NOISE * np.random.default_rng(1).standard_normal((SIDE, SIDE))


def save(path, kind, **camera):
    camera = Camera(side=32, source_side=16, pixel_scale=0.15, source_field=1.6, operator_error=0.005, **camera)
    made = parse(ReconstructionSimulation, ["--grid-size=32"], program="generate_data.py", overrides=OVERRIDES)
    psf = None if camera.psf is None else [list(row) for row in camera.psf]
    record = {"task": "reconstruction", "image-shape": [32, 32], "pixel-scale": 0.15, "zero-point": None, "psf": psf}
    record |= {"simulation": to_manifest(made), "calibration": CALIBRATION, "network": kind}
    save_network(build_network(kind, camera, seed=0), path, record)
    return path


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Untrained networks: their source is the non-negative inversion, up to corrections of 1e-3."""
    folder = tmp_path_factory.mktemp("networks")
    kernel = tuple(map(tuple, np.full((3, 3), 1 / 9)))
    return {
        "unet": save(folder / "unet.keras", "unet"),
        "none": save(folder / "none.keras", "none"),
        "measured PSF": save(folder / "psf.keras", "none", psf=kernel),
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A lens in two units, its noise maps and its mask."""
    folder = tmp_path_factory.mktemp("images")
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[10:20, 30:40] = 1
    mask[50:53, 63:66] = 1  # on the arc
    for name, unit in (("lens", 1.0), ("faint", 1e-19)):
        (folder / name).mkdir()
        image = observed()
        image[mask > 0] = 1e3  # a neighbour
        image[12, 12] = np.nan
        header = {"BUNIT": "erg/s/cm2/A"} if unit < 1 else {}
        for file, pixels in (("data", unit * image), ("noise", unit * np.full_like(image, NOISE)), ("mask", mask)):
            hdu = fits.PrimaryHDU(np.flipud(pixels))
            hdu.header.update(header | {"PIXSCALE": SCALE})
            hdu.writeto(folder / name / f"{file}.fits")
    return folder


def run(network, folder, *words):
    arguments = ["--task=reconstruction", f"--model-file={network}", f"--figures-dir={folder}", *words]
    assert model_and_figures.main(arguments) == 0
    with open(folder / "measured.csv", newline="") as file:
        return list(csv.DictReader(file))


def flag(lens):
    return f"--lens={','.join(map(str, lens))}"


NOISE_AND_MASK = ["--noise-map=noise.fits", "--mask=mask.fits", f"--psf-width={PSF}"]


@pytest.fixture(scope="module")
def measured(networks, files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("measured")
    images = [str(files / name / "data.fits") for name in ("lens", "faint")]
    return folder, run(networks["unet"], folder, flag(LENS), *NOISE_AND_MASK, "--quiet", "--predict", *images)


def test_the_source_of_an_image_is_recovered(measured):
    _, (row, _) = measured
    # 900 pixels; the inversion fits some of the noise.
    assert 0.8 < float(row["chi2"]) < 1.1
    assert "chi2 per pixel" not in row["notes"]
    # The inversion without negative pixels takes some noise for light: 9 % at this noise, 2 % without noise.
    assert 0.98 * FLUX < float(row["source-flux"]) < 1.13 * FLUX
    # A Gaussian's half-light radius is 1.18 of its width; a pixel of the source has 0.1 arcsec.
    assert float(row["source-half-light-radius"]) == pytest.approx(1.18 * WIDTH, abs=0.03)
    assert float(row["magnification"]) == pytest.approx(lensed().sum() / FLUX, rel=0.15)  # for the same reason
    assert row["unit"] == "file units"
    assert "pixels inside the field are masked: they have no weight" in row["notes"]
    assert "1 of 9216 pixels inside the field is NaN" in row["notes"]
    assert "zero point" not in row["notes"]
    assert "light's peak" not in row["notes"]  # it is an arc


def test_the_fits_file_has_the_source_where_it_is(measured):
    folder, rows = measured
    with fits.open(folder / f"source_{Path(rows[0]['path']).parent.name}_data.fits") as hdus:
        names = [hdu.name for hdu in hdus]
        assert names == ["PRIMARY", "SOURCE", "SIGMA", "INVERSION", "MODEL", "RESIDUALS", "IMAGE", "NOISE"]
        source, header = hdus["SOURCE"].data, hdus["SOURCE"].header
        assert header["CUNIT1"] == header["CUNIT2"] == "arcsec"
        assert header["CDELT1"] == header["CDELT2"] == pytest.approx(0.1)
        x, y = WCS(header).pixel_to_world_values(*np.meshgrid(np.arange(16), np.arange(16)))
        bright = source * (source > 0.2 * source.max())
        # A fifth of a pixel of the source.
        assert (bright * x).sum() / bright.sum() == pytest.approx(X, abs=0.02)
        assert (bright * y).sum() / bright.sum() == pytest.approx(Y, abs=0.02)
        # The flux is a sum over pixels of the file's size.
        assert source.sum() * (0.1 / SCALE) ** 2 == pytest.approx(hdus[0].header["SRCFLUX"], rel=1e-4)
        assert float(rows[0]["source-flux"]) == pytest.approx(hdus[0].header["SRCFLUX"], rel=1e-4)
        assert hdus[0].header["THETA_E"] == pytest.approx(LENS[0])
        assert hdus[0].header["PSF_FWHM"] == PSF
        residuals, model = hdus["RESIDUALS"].data, hdus["MODEL"].data
        assert np.nanmean(residuals**2) == pytest.approx(hdus[0].header["CHI2"], rel=1e-4)
        # The masked neighbour and the bad pixel have no weight, but a model.
        assert np.isnan(residuals).sum() > 9
        assert np.isfinite(model).all()
        # A network's pixel holds nine of the file; its brightness is that of one.
        truth = lensed().reshape(32, 3, 32, 3).mean(axis=(1, 3))
        assert np.abs(np.flipud(model) - truth).max() < 0.1 * truth.max()
        assert hdus["SIGMA"].data.min() > 0
    assert (folder / "measured.png").is_file()
    assert list(folder.glob("source_*.png"))
    assert not list(folder.glob(".*"))


def test_the_unit_does_not_matter(measured):
    folder, (row, faint) = measured
    # Single precision.
    assert float(faint["source-flux"]) == pytest.approx(1e-19 * float(row["source-flux"]), rel=1e-4)
    assert float(faint["chi2"]) == pytest.approx(float(row["chi2"]), rel=1e-4)
    assert faint["unit"] == "erg/s/cm2/A"
    with fits.open(folder / "source_faint_data.fits") as hdus:
        assert hdus["SOURCE"].header["BUNIT"] == "erg/s/cm2/A"


def test_wrong_lenses_and_fields_are_warned_of(networks, files, tmp_path, capsys):
    wrong = (1.0, *LENS[1:])
    (row,) = run(networks["none"], tmp_path, flag(wrong), *NOISE_AND_MASK, f"-p={files / 'lens' / 'data.fits'}")
    assert float(row["chi2"]) > 1.3
    assert "the lens model, the PSF, the noise or the source's field is wrong" in row["notes"]
    text = capsys.readouterr().out
    assert "no error bars" in text
    with fits.open(tmp_path / "source_lens_data.fits") as hdus:
        assert "SIGMA" not in [hdu.name for hdu in hdus]
        assert any("warning: chi2" in line for line in hdus[0].header["COMMENT"])
    # The cut-out moves to the left, and the source to the right, out of its field; no noise map, no PSF.
    moved = (4.0, 0.0, 0.0, 0.1, 0.05, 0.03, -0.02)
    (row,) = run(networks["none"], tmp_path, flag(moved), f"-p={files / 'lens' / 'data.fits'}", "--mask=mask.fits")
    assert "Einstein radius 4 arcsec is outside the training range, 0.1 to 3" in row["notes"]
    assert "no PSF is assumed" in row["notes"]
    assert "noise estimated" in row["notes"] or "measure its noise" in row["notes"]
    assert "background level" not in row["notes"]


def test_draws_of_the_lens_model_widen_the_error(networks, files, measured, tmp_path):
    # As --task=regression writes them: more columns, and not all of the lens model.
    header = "einstein-radius-sie,lens-ellip-x,lens-ellip-y,src-center-x,shear-1,shear-2"
    rows = [f"{LENS[0] + error},{LENS[3]},{LENS[4]},7.0,{LENS[5]},{LENS[6]}" for error in (-0.03, 0.0, 0.03)]
    (tmp_path / "draws.csv").write_text("\n".join([header, *rows]))
    words = [f"--lens-draws={tmp_path / 'draws.csv'}", *NOISE_AND_MASK, f"-p={files / 'lens' / 'data.fits'}"]
    (row,) = run(networks["unet"], tmp_path, *words)
    assert "averages over 3 draws of the lens model" in row["notes"]
    of_one = fits.getdata(measured[0] / "source_lens_data.fits", "SIGMA")
    with fits.open(tmp_path / "source_lens_data.fits") as hdus:
        assert hdus[0].header["DRAWS"] == 3
        assert hdus[0].header["THETA_E"] == pytest.approx(LENS[0])
        # The image of the ring moves by 0.03 arcsec, a quarter of the source's width.
        assert hdus["SIGMA"].data.max() > 1.5 * of_one.max()
        assert float(row["source-flux"]) == pytest.approx(float(measured[1][0]["source-flux"]), rel=0.05)


def test_the_cutout_follows_the_centre(networks, files, tmp_path):
    (tmp_path / "lens").mkdir()
    for name, pixels in (("data", observed()), ("noise", np.full((SIDE, SIDE), NOISE))):
        wide = np.pad(pixels, 10, constant_values=NOISE)
        hdu = fits.PrimaryHDU(np.roll(np.flipud(wide), (3, -5), axis=(0, 1)))  # up and to the left
        hdu.header["PIXSCALE"] = SCALE
        hdu.writeto(tmp_path / "lens" / f"{name}.fits")
    fits.PrimaryHDU(gaussian_psf(PSF, SCALE)).writeto(tmp_path / "psf.fits")  # without a pixel scale: that of the image
    words = [f"--psf-fits={tmp_path / 'psf.fits'}", "--noise-map=noise.fits", f"-p={tmp_path / 'lens' / 'data.fits'}"]
    (row,) = run(networks["none"], tmp_path, flag(LENS), "--center=-0.25,0.15", *words)
    assert "chi2 per pixel" not in row["notes"]
    assert 0.98 * FLUX < float(row["source-flux"]) < 1.13 * FLUX
    with fits.open(tmp_path / "source_lens_data.fits") as hdus:
        assert hdus[0].header["PSF_FWHM"] == pytest.approx(PSF, rel=0.02)
        assert (hdus[0].header["FIELD_X"], hdus[0].header["FIELD_Y"]) == pytest.approx((-0.25, 0.15))


def test_a_cut_at_whole_pixels_says_how_far_it_is_off():
    found = prepare(observe(np.random.default_rng(0).normal(size=(101, 101))), **EUCLID)
    assert found.shift == found.centre
    assert np.abs(found.shift) == pytest.approx(0.05)  # half of a pixel of 0.1 arcsec


@pytest.mark.parametrize("has_sigma", [True, False])
def test_the_figure_is_readable(has_sigma):
    random = np.random.default_rng(0)
    image, source = random.normal(size=(32, 32)), random.uniform(size=(16, 16))
    prediction = SourcePrediction(
        np.array([108.0, 2.94, 0.13, 13.5, 20.75, 20.79]), source=source, inversion=source, image=image, model=image,
        sigma=source if has_sigma else None, residuals=image, noise=image, lens=LENS,
        warnings=("chi2 per pixel is 20.79 for the inversion, more than 1.40: the lens model is wrong",) * 2,
    )  # fmt: skip
    notes = ["noise from its noise map, 0.0179 e-/s in the background", "long note of $100 " * 20]
    figure = draw_reconstruction("folder/data.fits", prediction, 0.12, 0.05, "erg/s/cm2/A", "magma", notes)
    assert_readable(figure)
    bars = [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
    assert bars.count("[erg/s/cm2/A]") == 4 + has_sigma


def refused(capsys, *words):
    with pytest.raises(SystemExit):
        model_and_figures.main(["--task=reconstruction", *words])
    return capsys.readouterr().err


def test_requests_that_cannot_be_met_are_refused(networks, files, tmp_path, capsys):
    here = [f"--figures-dir={tmp_path}", f"-p={files / 'lens' / 'data.fits'}", f"--model-file={networks['none']}"]
    (tmp_path / "lens.json").write_text("{}")
    both = [flag(LENS), f"--lens-model-file={tmp_path / 'lens.json'}"]
    assert "give one of --lens, --lens-model-file and --lens-draws" in refused(capsys, *here)
    assert "give one of --lens, --lens-model-file and --lens-draws" in refused(capsys, *here, *both)
    assert "not a COOLEST template" in refused(capsys, *here, both[1])
    assert "No such file" in refused(capsys, *here, "--lens-model-file=nowhere.json")
    assert "give it with --predict" in refused(capsys, flag(LENS))
    assert "seven numbers" in refused(capsys, *here, "--lens=1,2,3")
    assert "takes images of any unit" in refused(capsys, *here, flag(LENS), "--zero-point=25")
    assert "exclude each other" in refused(capsys, *here, flag(LENS), "--psf-width=0.1", "--psf-fits=psf.fits")
    assert "no such file" in refused(capsys, *here, flag(LENS), "--psf-fits=psf.fits")
    own = [*here[:2], f"--model-file={networks['measured PSF']}", flag(LENS)]
    assert "--psf-width does not apply" in refused(capsys, *own, "--psf-width=0.1")


@pytest.mark.parametrize("text", ["", "a,b\n1,2", "einstein-radius-sie\n-1", "einstein-radius-sie\nnan", "a\nb"])
def test_impossible_draws_are_refused(tmp_path, text):
    (tmp_path / "draws.csv").write_text(text)
    with pytest.raises(RunError, match=r"draws\.csv"):
        read_draws(tmp_path / "draws.csv")


@pytest.mark.parametrize("text", ["0,0,0,0,0,0,0", "1,0,0,0.95,0,0,0", "1,0,0,nan,0,0,0", "1,0,0,0,0,0,1"])
def test_impossible_lenses_are_refused(text):
    with pytest.raises(UsageError):
        read_numbers(text)


def profile(kind, **values):
    return {"type": kind, "parameters": {name: {"point_estimate": {"value": one}} for name, one in values.items()}}


ISOTHERMAL = {"theta_E": 1.2, "q": 0.5, "phi": 30.0, "center_x": 0.1, "center_y": -0.2}
SHEAR = profile("ExternalShear", gamma_ext=0.1, phi_ext=-45.0)


@pytest.fixture
def template(tmp_path):
    """Write the part of a COOLEST template with the mass profiles."""

    def write(*profiles):
        galaxy = {"type": "Galaxy", "name": "lens", "redshift": 0.5, "mass_model": list(profiles), "light_model": []}
        content = {"standard": "COOLEST", "lensing_entities": [galaxy]}
        (tmp_path / "lens.json").write_text(json.dumps(content))
        return tmp_path / "lens.json"

    return write


def test_coolest_files_are_read_in_their_conventions(template):
    # phi is counted from +y towards -x: 30 degrees are 120 from +x.
    expected = [1.2, 0.1, -0.2, np.cos(np.deg2rad(240)) / 3, np.sin(np.deg2rad(240)) / 3]
    found = read_coolest(template(profile("SIE", **ISOTHERMAL), SHEAR))
    np.testing.assert_allclose(found, [*expected, 0.0, 0.1], atol=1e-12)  # a stretch along the diagonal
    found = read_coolest(template(profile("PEMD", **ISOTHERMAL, gamma=2.0)).parent)
    np.testing.assert_allclose(found, [*expected, 0.0, 0.0], atol=1e-12)


@pytest.mark.parametrize(
    ("profiles", "reason"),
    [
        ([profile("PEMD", **ISOTHERMAL, gamma=2.1)], "slope 2.1"),
        ([profile("SIE", **ISOTHERMAL | {"q": None})], "lacks point estimates"),
        ([profile("SIE", **ISOTHERMAL | {"theta_E": -1.0})], "must be positive"),
        ([profile("SIE", **ISOTHERMAL)] * 2, r"its mass is SIE \+ SIE"),
        ([profile("NIE", **ISOTHERMAL, r_core=0.1), SHEAR], "its mass is NIE"),
        ([{"type": "NFW", "parameters": {"grid": {"num_pix_x": 3}}}], "its mass is NFW"),
        ([], "its mass is empty"),
    ],
)
def test_other_lens_models_are_refused(template, profiles, reason):
    with pytest.raises(RunError, match=reason):
        read_coolest(template(*profiles))

"""COOLEST folders: COOLEST's own interface, lenstronomy and PyAutoLens read the lens that was written.

Versions: coolest 0.1.11, lenstronomy 1.14.2, autolens 2026.10.26.1.
"""

import json
import os
import re
from pathlib import Path

import autolens as al
import numpy as np
import pytest
from astropy.cosmology import Planck18
from astropy.io import fits
from autolens.interop.coolest import from_coolest
from coolest.api import util
from coolest.api.analysis import Analysis
from coolest.api.composable_models import ComposableLensModel, ComposableLightModel
from lenstronomy.Data.imaging_data import ImageData
from lenstronomy.Data.psf import PSF
from lenstronomy.ImSim.image_model import ImageModel
from lenstronomy.LensModel.lens_model import LensModel
from lenstronomy.LightModel.light_model import LightModel
from lenstronomy.Util.coolest_interface import create_lenstronomy_from_coolest

from stronglens import telescope
from stronglens.parameters import RunError
from stronglens.raytracing.coolest import ModelledImage, write_coolest
from stronglens.raytracing.scene import STOCK, build_lens, build_source

pytestmark = pytest.mark.filterwarnings("ignore:`axes` should not be `None`:DeprecationWarning")  # lenstronomy's

INTENSITIES = ("lens_intensity", "src_intensity")
FILES = ["coolest.json", "image.fits", "mask.fits", "noise_map.fits", "psf.fits"]
SIDE, SCALE, RAYS = 40, 0.05, 4
IMAGE, NOISE = np.random.default_rng(1).uniform(1, 2, (2, SIDE, SIDE))
JUDGED = np.indices((SIDE, SIDE)).sum(axis=0) > 10

SELECTED = {
    "kwargs_selection_lens_mass": {"entity_selection": [0, 1]},
    "kwargs_selection_source": {"entity_selection": [2]},
}


def kernel():
    """A point-spread function without symmetry, so that a rotation or reflection is detected."""
    psf = telescope.gaussian_psf(0.1, SCALE)
    psf = psf * (1 + 0.1 * np.arange(psf.size).reshape(psf.shape) / psf.size)
    return psf / psf.sum()


def data_of(**values):
    held = {"image": IMAGE, "noise": NOISE, "is_judged": JUDGED, "psf": kernel(), "pixel_scale": SCALE}
    return ModelledImage(**held | values)


@pytest.fixture
def scene(draw_scenes):
    """An elliptical, rotated, sheared, off-centre lens; the source has n = 1, where the codes' b_n differ by 0.4 %."""
    fixed = {"lens_ellip_x": 0.2, "lens_ellip_y": 0.1, "lens_center_x": 0.0737, "lens_center_y": -0.0521}
    fixed |= {"src_sersic": 1.0, "src_ellip_x": -0.1, "src_ellip_y": 0.2, "src_center_y": 0.1, "lens_sersic": 3.2}
    drawn = draw_scenes("sie", 1, shear_1=0.04, shear_2=-0.06, einstein_radius_sie=0.6, src_center_x=0.05, **fixed)
    return {name: float(values[0]) for name, values in drawn.items()}


@pytest.fixture
def samples(scene):
    rng = np.random.default_rng(0)
    return {name: value + 0.01 * rng.normal(size=200) for name, value in scene.items() if name not in INTENSITIES}


def write(folder, scene, samples, **values):
    write_coolest(folder, scene, samples, (0.3, 0.9), data_of(), **values)
    return json.loads((folder / "coolest.json").read_text())


def parameters_of(template, entity, kind="mass_model"):
    return template["lensing_entities"][entity][kind][0]["parameters"]


def our_images(scene, lens_light=True):
    """PyAutoLens's images of source and lens, (SIDE, SIDE) e-/s, by RAYS x RAYS rays a pixel, row 0 at the bottom."""
    middle = (np.arange(SIDE * RAYS) + 0.5) * SCALE / RAYS - SIDE * SCALE / 2
    y, x = np.meshgrid(middle, middle, indexing="ij")
    grid = al.Grid2DIrregular(np.stack([y.ravel(), x.ravel()], axis=1))
    masses, lights = build_lens("sie", scene, STOCK)
    deflections = sum(np.asarray(mass.deflections_yx_2d_from(grid).array) for mass in masses.values())
    behind = al.Grid2DIrregular(np.asarray(grid.array) - deflections)
    images = [build_source(scene, STOCK)["light"].image_2d_from(behind), lights["light"].image_2d_from(grid)]
    images = [np.asarray(image.array).reshape(SIDE, RAYS, SIDE, RAYS).mean(axis=(1, 3)) for image in images]
    return images if lens_light else [images[0], np.zeros((SIDE, SIDE))]


def blur(image):
    """Convolve an image like both codes, without light from outside the field; row 0 at the bottom."""
    padded = np.pad(np.flipud(image)[None], [(0, 0), *[(len(kernel()) // 2,) * 2] * 2])
    return np.flipud(telescope.blur(padded, kernel())[0])


def read_by_lenstronomy(folder, monkeypatch):
    monkeypatch.chdir(folder)  # lenstronomy reads the FITS files from there
    found = create_lenstronomy_from_coolest(os.path.abspath("coolest"))
    names, values = found["kwargs_model"], found["kwargs_result"]
    models = [names[f"{kind}_model_list"] for kind in ("lens", "source_light", "lens_light")]

    def render(psf, **which):
        model = ImageModel(
            ImageData(**found["kwargs_data"]), psf, LensModel(models[0]), LightModel(models[1]), LightModel(models[2]),
            kwargs_numerics={"supersampling_factor": RAYS},
        )  # fmt: skip
        return model.image(values["kwargs_lens"], values["kwargs_source"], values["kwargs_lens_light"], **which)

    return found, render


@pytest.mark.parametrize("lens_light", [True, False])
def test_coolest_renders_our_model(scene, samples, tmp_path, lens_light):
    # Before: a peak 1 / SCALE^2 = 400 times too faint, and no mass profile that coolest has.
    folder = tmp_path / "coolest_a"
    write(folder, scene, samples, lens_light=lens_light)
    lens = util.get_coolest_object(str(folder / "coolest"))
    model = ComposableLensModel(lens, str(folder), **SELECTED)
    source, light = our_images(scene, lens_light)
    image, coordinates = model.model_image(supersampling=RAYS, convolved=False)
    np.testing.assert_allclose(image, source, atol=1e-10 * source.max())
    image, _ = model.model_image(supersampling=RAYS, convolved=True)
    np.testing.assert_allclose(image, blur(source), atol=1e-10 * source.max())
    if lens_light:
        x, y = coordinates.create_new_coordinates(pixel_scale_factor=1 / RAYS).pixel_coordinates
        fine = ComposableLightModel(lens, str(folder), entity_selection=[0]).evaluate_surface_brightness(x, y)
        np.testing.assert_allclose(util.downsampling(fine, RAYS), light, rtol=1e-10)
    residuals, _ = model.model_residuals(supersampling=RAYS, mask=lens.likelihoods[0].get_mask_pixels(str(folder)))
    expected = (np.flipud(IMAGE) - blur(source)) / np.flipud(NOISE) * np.flipud(JUDGED)
    np.testing.assert_allclose(residuals, expected, atol=1e-9)


@pytest.mark.parametrize("lens_light", [True, False])
def test_lenstronomy_renders_our_model(scene, samples, tmp_path, monkeypatch, lens_light):
    write(tmp_path / "coolest_a", scene, samples, lens_light=lens_light)
    found, render = read_by_lenstronomy(tmp_path / "coolest_a", monkeypatch)
    ours = sum(our_images(scene, lens_light))
    np.testing.assert_allclose(render(PSF("NONE")), ours, atol=1e-10 * ours.max())
    np.testing.assert_allclose(render(PSF(**found["kwargs_psf"])), blur(ours), atol=1e-10 * ours.max())
    np.testing.assert_array_equal(found["kwargs_data"]["image_data"], np.flipud(IMAGE))
    np.testing.assert_array_equal(found["kwargs_data"]["noise_map"], np.flipud(NOISE))
    assert found["redshift_list"] == [0.3, 0.3, 0.9]  # lens, shear, source
    assert (found["Cosmo"].H0.value, found["Cosmo"].Om0) == (67.66, 0.30966)


def test_the_documented_example_runs(scene, samples, tmp_path, monkeypatch):
    write(tmp_path / "a", scene, samples)
    page = (Path(__file__).parents[2] / "docs" / "real-lenses.md").read_text()
    (example,) = re.findall(r"```python\n(.*?coolest.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    found = {}
    exec(re.sub(r'chdir\(".*?"\)', 'chdir("a")', example), found)
    assert found["image"].shape == (SIDE, SIDE)
    assert found["kwargs"]["kwargs_model"]["lens_model_list"] == ["EPL", "SHEAR"]


@pytest.mark.parametrize("index", [0.5, 0.8, 2.5, 4.0, 6.0])
def test_a_sersic_profile_is_the_same_function_at_any_index(scene, samples, tmp_path, monkeypatch, index):
    # PyAutoLens's b_n and that of coolest and lenstronomy differ: unconverted, centres by 2 % at n = 0.5.
    scene |= {"src_sersic": index}
    template = write(tmp_path / "a", scene, samples | {"src_sersic": np.full(200, index)})
    _, render = read_by_lenstronomy(tmp_path / "a", monkeypatch)
    ours = our_images(scene)[0]
    np.testing.assert_allclose(render(PSF("NONE"), lens_light_add=False), ours, atol=1e-10 * ours.max())
    radius = parameters_of(template, 2, "light_model")["theta_eff"]["point_estimate"]["value"]
    assert radius == pytest.approx(scene["src_effect"], rel=0.016)  # as the template's meta says


@pytest.mark.parametrize("slope", [None, 1.8, 2.3])
def test_the_lens_is_the_same_in_all_codes(scene, samples, tmp_path, monkeypatch, slope):
    lens_model = "powerlaw" if slope else "sie"
    if slope:
        scene |= {"mass_slope": slope}
        samples |= {"mass_slope": np.linspace(slope - 0.1, slope + 0.1, 200)}
    folder = tmp_path / "deep" / "coolest_a"
    template = write(folder, scene, samples)
    gamma = parameters_of(template, 0)["gamma"]
    assert gamma["point_estimate"]["value"] == (slope or 2.0)
    assert gamma["fixed"] is (slope is None)
    assert gamma["posterior_stats"]["mean"] == (pytest.approx(slope) if slope else None)
    x, y = np.random.default_rng(0).uniform(-1, 1, (2, 100))
    grid = al.Grid2DIrregular(np.stack([y, x], axis=1))
    masses, lights = build_lens(lens_model, scene, STOCK)
    expected = sum(np.asarray(mass.deflections_yx_2d_from(grid).array) for mass in masses.values())
    mass = ComposableLensModel(util.get_coolest_object(str(folder / "coolest")), str(folder), **SELECTED).lens_mass
    found, _ = read_by_lenstronomy(folder, monkeypatch)
    by_lenstronomy = LensModel(found["kwargs_model"]["lens_model_list"])
    east, north = by_lenstronomy.alpha(-x, y, found["kwargs_result"]["kwargs_lens"])  # its x is towards the left
    tracer = from_coolest(str(folder / "coolest.json"))
    for found in (mass.evaluate_deflection(x, y)[::-1], (north, -east)):
        np.testing.assert_allclose(np.stack(found, axis=1), expected, atol=1e-9)
    np.testing.assert_allclose(np.asarray(tracer.deflections_yx_2d_from(grid).array), expected, atol=1e-9)
    # PyAutoLens reads intensities as those of a pixel, and theta_eff with a b_n of its own: n = 3.2, 5e-4.
    image = np.asarray(tracer.galaxies[0].light_0.image_2d_from(grid).array) * SCALE**2
    np.testing.assert_allclose(image, np.asarray(lights["light"].image_2d_from(grid).array), rtol=1e-3)
    assert [galaxy.redshift for galaxy in tracer.galaxies] == [0.3, 0.9]


def test_the_template_is_in_coolests_conventions(scene, samples, tmp_path):
    data = data_of(zero_point=25.94, exposure_time=2100.0, instrument="HST ACS", band="F814W")
    write_coolest(tmp_path / "a", scene, samples, (0.3, 0.9), data, notes={"origin": "here"})
    template = json.loads((tmp_path / "a" / "coolest.json").read_text())
    mass, light = parameters_of(template, 0), parameters_of(template, 0, "light_model")
    assert mass["theta_E"]["point_estimate"]["value"] == pytest.approx(scene["einstein_radius_sie"])
    east_of_north = np.degrees(np.arctan2(0.1, 0.2)) / 2 - 90  # from +y; ours is from +x
    assert mass["phi"]["point_estimate"]["value"] == pytest.approx(east_of_north)
    e = np.hypot(0.2, 0.1)
    assert mass["q"]["point_estimate"]["value"] == pytest.approx((1 - e) / (1 + e))
    assert (mass["gamma"]["point_estimate"]["value"], mass["gamma"]["fixed"]) == (2.0, True)
    assert template["lensing_entities"][0]["mass_model"][0]["type"] == "PEMD"  # coolest's interface has no SIE
    assert light["I_eff"]["point_estimate"]["value"] == pytest.approx(scene["lens_intensity"] / SCALE**2, rel=1e-3)
    assert template["cosmology"] == {
        "H0": Planck18.H0.value, "Om0": Planck18.Om0, "astropy_name": "FlatLambdaCDM"
    }  # fmt: skip
    assert {key: template["instrument"][key] for key in ("name", "band", "pixel_size")} == {
        "name": "HST ACS", "band": "F814W", "pixel_size": SCALE
    }  # fmt: skip
    observation = template["observation"]
    assert (observation["mag_zero_point"], observation["exposure_time"]) == (25.94, 2100.0)
    assert (observation["noise"]["type"], template["instrument"]["psf"]["type"]) == ("NoiseMap", "PixelatedPSF")
    assert template["meta"]["I_eff"].startswith("electrons per second per arcsec^2")
    assert template["meta"]["origin"] == "here"
    with fits.open(tmp_path / "a" / "psf.fits") as (hdu,):
        assert hdu.data.sum() == pytest.approx(1, abs=1e-12)
        assert hdu.header["PIXSCALE"] == SCALE
    assert fits.getval(tmp_path / "a" / "image.fits", "BUNIT") == "electron/s"


def test_coolests_analysis_finds_the_einstein_radius_and_the_magnitude(scene, samples, tmp_path):
    # A round lens, for coolest's radius is that of the circle of mean convergence 1. Without super-sampling, with which
    # coolest 0.1.11 counts the light of every ray as that of a pixel.
    scene |= {"lens_ellip_x": 0.0, "lens_ellip_y": 0.0}
    write_coolest(tmp_path / "a", scene, samples, (0.3, 0.9), data_of(zero_point=25.94))
    lens = util.get_coolest_object(str(tmp_path / "a" / "coolest"))
    radius = Analysis(lens, str(tmp_path / "a"), supersampling=5).effective_einstein_radius(entity_selection=[0])
    assert radius == pytest.approx(scene["einstein_radius_sie"], abs=SCALE / 5)
    magnitude = Analysis(lens, str(tmp_path / "a"), supersampling=1).total_magnitude(entity_selection=[2])
    light = build_source(scene | {"src_center_x": 0.0, "src_center_y": 0.0}, STOCK)["light"]
    unlensed = np.asarray(light.image_2d_from(al.Grid2D.uniform((SIDE, SIDE), SCALE, over_sample_size=1)).array)
    assert magnitude == pytest.approx(25.94 - 2.5 * np.log10(unlensed.sum()), abs=1e-6)


@pytest.mark.parametrize(("side", "scale", "width"), [(32, 0.05, 3), (32, 0.1, 41), (48, 0.03, 9), (48, 0.0312, 5)])
def test_lenstronomy_does_not_take_the_kernel_for_another(scene, tmp_path, monkeypatch, side, scale, width):
    # It takes int(pixel of the image / pixel of the kernel) for the kernel's super-sampling: 0 in these cases, where
    # side * scale / side and width * scale / width differ in the last bit.
    data = ModelledImage(*np.ones((3, side, side)), np.full((width, width), width**-2.0), scale)
    write_coolest(tmp_path / "a", scene, {"shear_1": np.zeros(1)}, (0.3, 0.9), data)
    found, _ = read_by_lenstronomy(tmp_path / "a", monkeypatch)
    assert found["kwargs_psf"]["point_source_supersampling_factor"] == 1


def test_without_a_point_spread_function_images_stay_as_they_are(scene, samples, tmp_path):
    write_coolest(tmp_path / "a", scene, samples, (0.3, 0.9), data_of(psf=None))
    lens = util.get_coolest_object(str(tmp_path / "a" / "coolest"))
    image, _ = ComposableLensModel(lens, str(tmp_path / "a"), **SELECTED).model_image(supersampling=RAYS)
    np.testing.assert_allclose(image, our_images(scene)[0], atol=1e-10)


def test_the_template_has_the_posterior_and_angles_do_not_wrap(scene, samples, tmp_path):
    along_x = scene | {"lens_ellip_x": 0.2, "lens_ellip_y": 0.0}  # 90 degrees or -90, as it falls
    drawn = samples | {"lens_ellip_x": np.full(200, 0.2), "lens_ellip_y": np.linspace(-0.01, 0.01, 200)}
    template = write(tmp_path / "a", along_x, drawn, fitted=["lens_sersic"])
    mass = parameters_of(template, 0)
    spread = mass["phi"]["posterior_stats"]["percentile_84th"] - mass["phi"]["posterior_stats"]["percentile_16th"]
    assert spread == pytest.approx(0.68 * np.degrees(0.05), rel=0.05)  # of angles evenly within 0.01 / 0.2 / 2 radian
    stats = mass["theta_E"]["posterior_stats"]
    assert stats["median"] == pytest.approx(np.median(samples["einstein_radius_sie"]))
    source, light = (parameters_of(template, entity, "light_model") for entity in (2, 0))
    assert source["I_eff"]["posterior_stats"]["mean"] is None
    assert light["n"]["posterior_stats"]["mean"] is None  # it was fitted
    assert light["theta_eff"]["posterior_stats"]["mean"] is not None
    # Statistics are of the values that COOLEST defines: near n = 1, 0.4 % below the half-light radius.
    n, radius = samples["src_sersic"], samples["src_effect"]
    b_n = np.array([al.lp.Sersic(sersic_index=value).sersic_constant for value in n])
    expected = np.mean(radius * ((1.9992 * n - 0.3271) / b_n) ** n)
    assert source["theta_eff"]["posterior_stats"]["mean"] == pytest.approx(expected, rel=1e-12)
    assert expected == pytest.approx(0.9963 * radius.mean(), rel=1e-4)


def test_a_dark_lens_has_no_light(scene, samples, tmp_path):
    template = write(tmp_path / "a", scene, samples, lens_light=False)
    assert template["lensing_entities"][0]["light_model"] == []


def test_a_folder_is_replaced_atomically(scene, samples, tmp_path, monkeypatch):
    folder = tmp_path / "a"
    write(folder, scene | {"shear_1": 0.0}, samples)
    assert sorted(file.name for file in folder.iterdir()) == FILES
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(fits.PrimaryHDU, "writeto", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
        with pytest.raises(RunError, match="No space left"):
            write(folder, scene, samples)
    with pytest.raises(RunError, match="does not allow"):  # indices below 0.5
        write(folder, scene | {"src_sersic": 0.4}, samples)
    (folder / "coolest_update.json").touch()  # what lenstronomy writes beside the template
    with pytest.raises(RunError, match=r"would be lost; move coolest_update\.json out of it"):
        write(folder, scene, samples)
    (folder / "coolest_update.json").unlink()
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert write(folder, scene, samples)["lensing_entities"][1]["mass_model"]
    assert (folder / "coolest.json").read_bytes() != before["coolest.json"]
    assert list(tmp_path.iterdir()) == [folder]


def test_models_that_coolest_does_not_allow_are_refused(scene, samples, tmp_path):
    with pytest.raises(RunError, match="behind"):
        write_coolest(tmp_path / "a", scene, samples, (0.9, 0.3), data_of())
    with pytest.raises(RunError, match="does not allow"):  # indices below 0.5
        write_coolest(tmp_path / "a", scene | {"src_sersic": 0.4}, samples, (0.3, 0.9), data_of())
    assert not any(tmp_path.iterdir())
    (tmp_path / "a").touch()
    with pytest.raises(RunError, match="a file has the name of the folder"):
        write_coolest(tmp_path / "a", scene, samples, (0.3, 0.9), data_of())

"""Model image from a posterior: accurate for an accurate posterior, and refused with a reason if labels are missing."""

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor

import autolens as al
import numpy as np
import pytest
from astropy.io import fits
from autolens.interop.coolest import from_coolest
from lenstronomy.Data.imaging_data import ImageData
from lenstronomy.Data.psf import PSF
from lenstronomy.ImSim.image_model import ImageModel
from lenstronomy.LensModel.lens_model import LensModel
from lenstronomy.LightModel.light_model import LightModel
from lenstronomy.Util.coolest_interface import create_lenstronomy_from_coolest

import params_and_cli as panel
from stronglens import telescope
from stronglens.measuring import Measurement
from stronglens.measuring.images import ImageFile
from stronglens.observation import Observation, Prepared
from stronglens.parameters import Range, RunError, ranges
from stronglens.raytracing import einstein_radius
from stronglens.regression import lens_shape
from stronglens.regression.export import export_coolest
from stronglens.regression.lens_model import model_lens
from stronglens.regression.lens_shape import (
    add_light,
    columns_of_shape,
    columns_to_fit,
    critical_curve,
    intermediate_axis_radius,
    shape_values,
)
from stronglens.regression.prediction import LabelPrediction
from stronglens.regression.published import PublishedLens
from stronglens.regression.simulator import make_simulator

LABELS = [
    "einstein-radius-sie", "lens-ellip-x", "lens-ellip-y", "lens-center-x", "lens-center-y", "shear-1", "shear-2",
    "src-center-x", "src-center-y", "src-ellip-x", "src-ellip-y", "src-effect", "src-sersic", "lens-effect",
    "lens-sersic",
]  # fmt: skip

OF_MASS_AND_SOURCE = [name for name in LABELS if not name.startswith(("lens-center", "lens-effect", "lens-sersic"))]


def parameters_of(**values):
    values = {"lens_model": "sie", "grid_size": 32, "pixel_scale": 0.2, "over_sampling": 2, "snr_min": 100.0} | values
    return panel.RegressionSimulation.of(overrides=panel.OVERRIDES, **values)


@pytest.fixture(scope="module")
def executor():
    with ThreadPoolExecutor(1) as threads:
        yield threads


@pytest.fixture(scope="module")
def lens():
    """Parameters, an image with noise, the noise, and the true values of all columns."""
    parameters = parameters_of()
    simulator = make_simulator(parameters, threads=1)
    images, labels, _ = simulator.simulate([0])
    rate = simulator.noiseless(simulator.physical_scene(labels))
    noise = np.sqrt(telescope.noise_variance(rate, simulator.telescope))[0]
    return parameters, images[0], noise, {name: float(values[0]) for name, values in labels.items()}


def samples_of(true, labels=LABELS, number=20, width=1e-5):
    rng = np.random.default_rng(0)
    return np.array([true[name] for name in labels]) + width * rng.normal(size=(number, len(labels)))


def test_at_the_truth_only_noise_is_left(lens, executor):
    parameters, image, noise, true = lens
    model = model_lens(parameters, LABELS, samples_of(true), image, noise, None, executor)
    assert abs(model.chi2 - 1) < 5 * np.sqrt(2 / image.size)  # five standard deviations of a reduced chi-square
    assert abs(model.residual.mean()) < 5 / np.sqrt(image.size)
    neighbours = np.mean(model.residual[:, 1:] * model.residual[:, :-1])
    assert abs(neighbours) < 5 / np.sqrt(image.size)  # independent from pixel to pixel, as noise is
    assert model.best_chi2 == pytest.approx(model.chi2, abs=1e-3)
    scene = make_simulator(parameters).physical_scene({name: np.array([value]) for name, value in true.items()})
    assert model.src_intensity == pytest.approx(scene["src_intensity"][0], rel=0.05)  # noise: a signal-to-noise of 100
    assert model.lens_intensity == pytest.approx(scene["lens_intensity"][0], rel=0.05)
    np.testing.assert_allclose(model.image + model.residual * noise, image, atol=1e-6)


def test_a_wrong_radius_shows_and_the_best_sample_is_nearer(lens, executor):
    parameters, image, noise, true = lens
    wide = samples_of(true)
    wide[:10, 0] += 0.2  # a posterior with two peaks: its mean lies at neither
    model = model_lens(parameters, LABELS, wide, image, noise, None, executor)
    assert model.chi2 > 1.5
    assert model.best_chi2 < 1.2


def test_masked_pixels_do_not_count(lens, executor):
    parameters, image, noise, true = lens
    mask = np.zeros(image.shape, bool)
    mask[3:8, 20:30] = True
    spoilt = np.where(mask, 1e3, image)
    spoilt[0, 0] = np.nan  # a bad pixel that nobody masked
    model = model_lens(parameters, LABELS, samples_of(true), spoilt, noise, mask, executor)
    assert np.isnan(model.residual[mask]).all()
    assert np.isnan(model.residual).sum() == mask.sum() + 1
    assert abs(model.chi2 - 1) < 5 * np.sqrt(2 / image.size)
    with pytest.raises(RunError, match="fewer than ten"):
        model_lens(parameters, LABELS, samples_of(true), image, noise, np.ones(image.shape, bool), executor)


def test_the_circular_radius_is_sufficient_with_the_ellipticity(lens, executor):
    parameters, image, noise, true = lens
    labels = ["einstein-radius", *LABELS[1:]]
    model = model_lens(parameters, labels, samples_of(true, labels), image, noise, None, executor)
    assert model.values["einstein-radius-sie"] == pytest.approx(true["einstein-radius-sie"], abs=1e-4)


def test_the_intermediate_axis_is_that_of_the_simulator():
    ellipticity = np.array([0.0, 0.1, 0.3, 0.6])
    scene = {"einstein_radius_sie": np.full(4, 1.3), "lens_ellip_x": ellipticity, "lens_ellip_y": np.zeros(4)}
    np.testing.assert_allclose(intermediate_axis_radius(einstein_radius("sie", scene), ellipticity), 1.3, rtol=1e-12)


def test_the_intermediate_axis_of_a_power_law_is_that_of_the_simulator():
    ellipticity, slope = np.array([0.0, 0.1, 0.3, 0.6]), np.array([1.5, 1.8, 2.0, 2.3])
    scene = {"einstein_radius_sie": np.full(4, 1.3), "lens_ellip_x": ellipticity, "lens_ellip_y": np.zeros(4)}
    circle = einstein_radius("powerlaw", scene | {"mass_slope": slope})
    np.testing.assert_allclose(intermediate_axis_radius(circle, ellipticity, slope), 1.3, rtol=1e-12)


def test_a_power_law_is_modelled_where_its_slope_is_learned_or_fixed(executor):
    parameters = parameters_of(lens_model="powerlaw", mass_slope_range=Range(1.6, 2.4))
    simulator = make_simulator(parameters, threads=1)
    images, labels, _ = simulator.simulate([1])
    rate = simulator.noiseless(simulator.physical_scene(labels))
    noise = np.sqrt(telescope.noise_variance(rate, simulator.telescope))[0]
    true = {name: float(values[0]) for name, values in labels.items()}
    learned = ["einstein-radius", "mass-slope", *LABELS[1:]]  # the circle's radius, which depends on the slope
    model = model_lens(parameters, learned, samples_of(true, learned), images[0], noise, None, executor)
    assert abs(model.chi2 - 1) < 5 * np.sqrt(2 / images[0].size)  # five standard deviations of a reduced chi-square
    assert model.values["einstein-radius-sie"] == pytest.approx(true["einstein-radius-sie"], abs=1e-4)
    assert model.values["mass-slope"] == pytest.approx(true["mass-slope"], abs=1e-4)
    with pytest.raises(RunError, match="must also learn mass-slope"):
        columns_of_shape(parameters, LABELS)
    fixed = parameters_of(lens_model="powerlaw", mass_slope_range=Range(2.1, 2.1))
    assert columns_of_shape(fixed, LABELS)["mass-slope"] == 2.1


@pytest.mark.parametrize("slope", [None, 1.5, 2.0, 2.4])
def test_the_critical_curve_is_where_pyautolens_magnifies_without_bound(slope):
    values = {"einstein-radius-sie": 1.3, "lens-ellip-x": 0.15, "lens-ellip-y": -0.1, "lens-center-x": 0.1,
              "lens-center-y": -0.2, "shear-1": 0.06, "shear-2": -0.03}  # fmt: skip
    values |= {"mass-slope": slope} if slope else {}
    x, y = critical_curve(values)[:-1:7].T
    shape = (-0.2, 0.1), (-0.1, 0.15)
    mass = al.mp.Isothermal(*shape, 1.3 / np.sqrt(1 - 0.15**2 - 0.1**2))
    masses = al.mp.PowerLawIntermediate(*shape, 1.3, slope) if slope else mass, al.mp.ExternalShear(0.06, -0.03)

    def deflect(x, y):
        grid = al.Grid2DIrregular(np.stack([y, x], axis=1))
        total = sum(np.asarray(mass.deflections_yx_2d_from(grid).array) for mass in masses)
        return total[:, 1], total[:, 0]

    step = 1e-5
    (xx, yx), (xy, yy) = (
        [(high - low) / (2 * step) for high, low in zip(deflect(x + dx, y + dy), deflect(x - dx, y - dy), strict=True)]
        for dx, dy in ((step, 0), (0, step))
    )
    np.testing.assert_allclose((1 - xx) * (1 - yy) - xy * yx, 0, atol=1e-6)  # differences of third order


def test_missing_labels_are_named():
    parameters = parameters_of()
    with pytest.raises(RunError, match=r"learn src-center-x, src-sersic"):
        columns_of_shape(parameters, [name for name in LABELS if name not in ("src-center-x", "src-sersic")])
    without_light = parameters_of(lens_light="off")
    with pytest.raises(RunError, match=r"must also learn lens-center-x, lens-center-y"):  # nothing shows where it is
        columns_of_shape(without_light, OF_MASS_AND_SOURCE)
    with pytest.raises(RunError, match="einstein-radius-sie"):
        columns_of_shape(parameters, LABELS[1:])
    with pytest.raises(RunError, match="--lens-model=composite"):
        columns_of_shape(panel.RegressionSimulation(), LABELS)


def test_parameters_fixed_by_the_training_set_need_no_labels(executor):
    fixed = {"lens_light": "off", "shear_var": 0.0, "src_sersic_range": Range(1, 1), "lens_center_var": 0.0}
    parameters = parameters_of(einstein_radius_range=Range(1.2, 1.2), **fixed)
    learned = ["lens-ellip-x", "lens-ellip-y", "src-center-x", "src-center-y", "src-ellip-x", "src-ellip-y",
               "src-effect"]  # fmt: skip
    needed = columns_of_shape(parameters, learned)
    assert needed["src-sersic"] == 1
    assert needed["einstein-radius-sie"] == 1.2
    assert "lens-sersic" not in needed  # the lens does not shine
    images, labels, _ = make_simulator(parameters, threads=1).simulate([0])
    true = {name: float(values[0]) for name, values in labels.items()}
    model = model_lens(parameters, learned, samples_of(true, learned), images[0], 0.01, None, executor)
    assert not model.lens.any()
    assert model.values["einstein-radius-sie"] == 1.2


def test_light_and_mass_can_have_different_ellipticities(monkeypatch):
    parameters = parameters_of()
    drawn = ranges(parameters) | {f"light-ellip-offset-{axis}": Range(-0.1, 0.1) for axis in "xy"}
    monkeypatch.setattr(lens_shape, "ranges", lambda parameters: drawn)
    assert columns_to_fit(parameters, LABELS) == ["light-ellip-offset-x", "light-ellip-offset-y"]
    samples = np.zeros((1, len(LABELS) + 2)) + 0.1
    for names in (["light-ellip-x", "light-ellip-offset-y"], ["light-ellip-offset-y", "light-ellip-x"]):
        values = add_light(shape_values(parameters, [*LABELS, *names], samples), {})
        assert values["light-ellip-x"] == 0.1
        assert values["light-ellip-y"] == pytest.approx(0.2)
        assert not any("offset" in name for name in values)


def test_light_that_differs_along_one_axis_or_not_at_all_is_rendered(executor):
    offset = {"light_ellip_offset_x_range": Range(-0.1, 0.1)}
    for values, more in ((offset, ["light-ellip-x"]), (offset | {"lens_light": "off"}, [])):
        parameters = parameters_of(**values)
        images, labels, _ = make_simulator(parameters, threads=1).simulate([0])
        true = {name: float(values[0]) for name, values in labels.items()}
        learned = [*LABELS, *more]
        model = model_lens(parameters, learned, samples_of(true, learned), images[0], 0.01, None, executor)
        assert np.isfinite(model.chi2)
        assert bool(more) == ("light-ellip-x" in true)


@pytest.fixture(scope="module")
def light():
    """Like `lens`, with off-centre light of another ellipticity; the source may have a clump, but has none."""
    parameters = parameters_of(lens_center_var=0.1, light_ellip_offset_var=0.1, src_clumps=1)
    simulator = make_simulator(parameters, threads=1)
    images, labels, _ = simulator.simulate([3])
    assert labels["src-clumps"] == 0
    rate = simulator.noiseless(simulator.physical_scene(labels))
    noise = np.sqrt(telescope.noise_variance(rate, simulator.telescope))[0]
    return parameters, images[0], noise, {name: float(values[0]) for name, values in labels.items()}


def test_light_parameters_that_are_not_labels_are_fitted_to_the_image(light, executor, tmp_path):
    parameters, image, noise, true = light
    mask = np.zeros(image.shape, bool)
    mask[20:26, 3:9] = True
    spoilt = np.where(mask, 1e3, image)
    spoilt[0, 0] = np.nan
    samples = samples_of(true, OF_MASS_AND_SOURCE, width=1e-4)
    model = model_lens(parameters, OF_MASS_AND_SOURCE, samples, spoilt, noise, mask, executor)
    errors = {"lens-center-x": 0.01, "lens-center-y": 0.01, "lens-effect": 0.03, "lens-sersic": 0.1}
    errors |= {"light-ellip-x": 0.01, "light-ellip-y": 0.01}
    assert set(model.fitted) == set(errors)
    for name, error in errors.items():
        assert model.fitted[name] == pytest.approx(true[name], abs=error)
        assert model.values[name] == pytest.approx(model.fitted[name], abs=1e-12)
    assert abs(model.chi2 - 1) < 5 * np.sqrt(2 / image.size)
    assert any("fitted to the image: lens-center-x" in note for note in model.notes)
    assert any("source is smooth" in note for note in model.notes)
    assert not any("edge" in note for note in model.notes)

    seen, published = measured(parameters, image, noise, samples), PublishedLens({}, 0.3, 0.9)
    export_coolest(tmp_path / "lens", parameters, OF_MASS_AND_SOURCE, seen, model, published, executor)
    lens, _, source = json.loads((tmp_path / "lens" / "coolest.json").read_text())["lensing_entities"]
    with fits.open(tmp_path / "lens" / "mask.fits") as (hdu,):  # 1 where the model was compared with the image
        np.testing.assert_array_equal(np.flipud(hdu.data) == 0, np.isnan(spoilt) | mask)
    of_light, of_mass = (lens[kind][0]["parameters"] for kind in ("light_model", "mass_model"))
    assert of_light["n"]["point_estimate"]["value"] == pytest.approx(model.fitted["lens-sersic"])
    for parameter in ("n", "q", "phi", "theta_eff", "center_x"):
        assert of_light[parameter]["posterior_stats"]["mean"] is None
    assert of_mass["center_y"]["posterior_stats"]["mean"] is None  # the light's
    assert of_mass["q"]["posterior_stats"]["mean"] is not None
    assert source["light_model"][0]["parameters"]["n"]["posterior_stats"]["mean"] is not None


def test_some_light_parameters_can_be_labels(light, executor):
    parameters, image, noise, true = light
    labels = [*OF_MASS_AND_SOURCE, "light-ellip-x", "lens-sersic"]
    model = model_lens(parameters, labels, samples_of(true, labels), image, noise, None, executor)
    assert set(model.fitted) == {"lens-center-x", "lens-center-y", "lens-effect", "light-ellip-y"}
    assert model.values["light-ellip-x"] == pytest.approx(true["light-ellip-x"], abs=1e-4)
    assert model.fitted["light-ellip-y"] == pytest.approx(true["light-ellip-y"], abs=0.01)


def test_fitted_light_outside_the_training_ranges_is_reported(light, executor):
    parameters, image, noise, true = light
    narrow = Range(true["lens-sersic"] + 0.5, true["lens-sersic"] + 1)
    parameters = dataclasses.replace(parameters, lens_sersic_range=narrow)
    samples = samples_of(true, OF_MASS_AND_SOURCE)
    model = model_lens(parameters, OF_MASS_AND_SOURCE, samples, image, noise, None, executor)
    assert model.fitted["lens-sersic"] == pytest.approx(narrow.low, abs=0.01)
    assert "fitted to the edge of the training range: lens-sersic" in model.notes
    assert model.chi2 > 1.1


def test_clumps_without_positions_are_refused(light):
    simulator = make_simulator(light[0], threads=1)
    labels = {name: np.array([value]) for name, value in light[3].items()}
    with pytest.raises(ValueError, match="positions are missing"):
        simulator.physical_scene(labels | {"src-clumps": np.ones(1)})
    index = next(index for index in range(20) if simulator.draw([index]).draws["src-clumps"])
    _, labels, _ = simulator.simulate([index])
    assert simulator.physical_scene(simulator.complete(labels, [index]))["clump_1_intensity"] > 0


def test_a_mean_outside_the_training_ranges_is_reported(lens, executor):
    parameters, image, noise, true = lens
    samples = samples_of(true)
    samples[:, LABELS.index("src-effect")] = -0.1  # a Gaussian's tail; no galaxy has it
    model = model_lens(parameters, LABELS, samples, image, noise, None, executor)
    assert model.values["src-effect"] == pytest.approx(0.1)
    assert any("src-effect" in note for note in model.notes)


def measured(parameters, image, noise, draws, **known):
    """A measured file with an image in the pixels of the network."""
    seen = Observation(image, parameters.pixel_scale, parameters.zero_point, "lens.fits", **known)
    prepared = Prepared(image, noise, np.zeros(image.shape, bool), 0.01, 0.0, (0.0, 0.0))
    return Measurement(ImageFile("lens.fits"), seen, prepared, (), LabelPrediction(draws.mean(axis=0), draws=draws))


@pytest.mark.filterwarnings("ignore:`axes` should not be `None`:DeprecationWarning")  # lenstronomy's
def test_lenstronomy_renders_the_model_that_is_exported(executor, tmp_path, monkeypatch):
    # Farther from the edges than half a kernel: only ours blurs light from outside the field into it. The source to
    # 1e-5 of its peak, both tracing 4 x 4 rays a pixel, ours in 32 bits; the lens's cusp, which ours integrates, with
    # more rays, to 1e-3 of the peak.
    parameters = parameters_of(
        pixel_scale=0.1, over_sampling=4, einstein_radius_range=Range(0.8, 1), lens_center_var=0.1
    )
    simulator = make_simulator(parameters, threads=1)
    images, labels, _ = simulator.simulate([0])
    true = {name: float(values[0]) for name, values in labels.items()}
    samples, image, noise = samples_of(true, width=1e-3), images[0] + 0.01, np.full(images[0].shape, 0.02)
    model = model_lens(parameters, LABELS, samples, image, noise, None, executor)
    seen, folder = measured(parameters, image, noise, samples), tmp_path / "coolest_lens"
    export_coolest(folder, parameters, LABELS, seen, model, PublishedLens({}, 0.3, 0.9), executor)
    monkeypatch.chdir(folder)
    found = create_lenstronomy_from_coolest(str(folder / "coolest"))
    names, values = found["kwargs_model"], found["kwargs_result"]
    classes = {"lens": LensModel, "source_light": LightModel, "lens_light": LightModel}
    models = [make(names[f"{kind}_model_list"]) for kind, make in classes.items()]

    edge = len(simulator.telescope.psf) // 2

    def differ(ours, rays, **which):
        data, psf = ImageData(**found["kwargs_data"]), PSF(**found["kwargs_psf"])
        rendered = ImageModel(data, psf, *models, kwargs_numerics={"supersampling_factor": rays})
        theirs = rendered.image(values["kwargs_lens"], values["kwargs_source"], values["kwargs_lens_light"], **which)
        return np.abs(np.flipud(theirs) - ours)[edge:-edge, edge:-edge].max() / ours.max()

    assert differ(model.source, 4, lens_light_add=False) < 1e-5
    assert differ(model.source + model.lens, 20) < 1e-3
    data, sigma = (np.flipud(found["kwargs_data"][key]) for key in ("image_data", "noise_map"))
    np.testing.assert_allclose((data - model.source - model.lens) / sigma, model.residual, atol=1e-6)
    assert model.background == pytest.approx(0.01, abs=0.002)  # the image is written without it


def test_a_coolest_folder_holds_the_model(lens, executor, tmp_path):
    parameters, image, noise, true = lens
    samples = samples_of(true, width=0.01)
    model = model_lens(parameters, LABELS, samples, image, noise, None, executor)
    folder, published = tmp_path / "lens", PublishedLens({}, 0.3, 0.9)
    seen = measured(parameters, image, noise, samples)
    export_coolest(folder, parameters, LABELS, seen, model, published, executor)
    tracer = from_coolest(str(folder / "coolest.json"))
    assert tracer.galaxies[0].mass_0.centre[1] == pytest.approx(samples[:, 3].mean())
    # I_eff is per arcsec^2: PyAutoLens takes it for that of a pixel. Its b_n differs, within 0.5 % for n >= 0.9.
    per_pixel = tracer.galaxies[1].light_0.intensity * parameters.pixel_scale**2
    assert per_pixel == pytest.approx(model.src_intensity, rel=0.02)
    with pytest.raises(RunError, match="z_source"):
        export_coolest(folder, parameters, LABELS, seen, model, PublishedLens({}, 0.3), executor)


@pytest.mark.parametrize(
    ("camera", "parameters", "expected"),
    [
        ({"telescope": "HST", "instrument": "ACS", "filter": "F606W"}, {}, ("HST ACS", "F606W")),  # the image's own
        ({}, {}, ("Euclid VIS", "VIS")),  # that of --telescope
        ({}, {"telescope": "hst"}, ("HST ACS", "F814W")),
        ({"instrument": "NIRCAM"}, {"telescope": "hst"}, ("NIRCAM", "")),
        ({}, {"telescope": "roman"}, ("Roman WFI", "F129")),
        ({}, {"telescope": "rubin"}, ("Rubin LSSTCam", "i")),
        ({}, {"telescope": "none"}, ("", "")),  # nobody knows
    ],
)
def test_the_camera_is_named(lens, executor, tmp_path, camera, parameters, expected):
    made_with, image, noise, true = lens
    samples = samples_of(true)
    model = model_lens(made_with, LABELS, samples, image, noise, None, executor)
    parameters = parameters_of(**{"snr_min": 0.0} | parameters)
    seen = measured(parameters, image, noise, samples, camera=camera, electrons=1000.0)
    brighter = dataclasses.replace(seen.observation, zero_point=parameters.zero_point + 2.5)
    for observation, seconds in ((seen.observation, 1e3), (brighter, 1e4)):  # one e-/s of the network's is 10 of these
        seen = dataclasses.replace(seen, observation=observation)
        export_coolest(tmp_path / "a", parameters, LABELS, seen, model, PublishedLens({}, 0.3, 0.9), executor)
        template = json.loads((tmp_path / "a" / "coolest.json").read_text())
        assert template["observation"]["exposure_time"] == pytest.approx(seconds)
    assert (template["instrument"]["name"], template["instrument"]["band"]) == expected
    assert template["observation"]["mag_zero_point"] == parameters.zero_point

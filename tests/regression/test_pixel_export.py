"""A COOLEST folder of a lens with a source of pixels: COOLEST's own interface (0.1.11) shows our model from it."""

import copy
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from coolest.api import util
from coolest.api.composable_models import ComposableLensModel, ComposableLightModel

import params_and_cli as panel
from stronglens import telescope
from stronglens.measuring.coolest import LENS_COLUMNS, read_coolest
from stronglens.raytracing.pixelised import start_rays
from stronglens.regression.image_fit import Evidence, ImageData, ImageFit
from stronglens.regression.image_priors import read_priors
from stronglens.regression.lens_gaussians import NUMBER, describe_gaussians, render_gaussians
from stronglens.regression.pixel_posterior import PixelPosterior, trace_mass
from stronglens.regression.published import PublishedLens
from stronglens.regression.refined_lenses import RefinedLenses
from stronglens.regression.refinement import Refinement, describe_draws, make_pixel_model
from stronglens.regression.simulator import make_simulator
from stronglens.regression.source_grid import MovingGrid, SourceGrid, curvature
from stronglens.regression.source_pixels import RAYS, ArcPixels, PixelEvidence

SIDE, SCALE = 32, 0.12
GRID = SourceGrid(0.13, -0.07, 0.06, 12, ((-0.07, 0.13),))
GEOMETRY = np.array([0.05, -0.08, 0.2, 0.1, -0.15, 0.3])
MASS = {
    "einstein-radius-sie": 1.1, "lens-center-x": 0.04, "lens-center-y": -0.03, "lens-ellip-x": 0.15,
    "lens-ellip-y": -0.1, "shear-1": 0.04, "shear-2": -0.03, "mass-slope": 2.1,
}  # fmt: skip
INTERPOLATION = 0.007
"""Difference relative to the brightest pixel of the source. The file has a tenth of the model's pixels; coolest's cubic
splines without a filter, or linear ones, change it by a sixth of its second differences, a hundredth of the model's:
along each axis, at most twice the brightest pixel."""


UNEVEN = replace(GRID, peaks=((-0.1, 0.2), (0.1, 0.05)), core=0.15)


@pytest.fixture(
    scope="module",
    params=[("sie", "on", GRID), ("powerlaw", "off", GRID), ("sie", "off", UNEVEN)],
    ids=["sie", "powerlaw-dark", "uneven-dark"],
)
def exported(request, tmp_path_factory):
    """A folder of a lens without symmetry, its simulator, and the source of the model that was written."""
    lens_model, lens_light, grid = request.param
    made_with = panel.RegressionSimulation.of(
        overrides=panel.OVERRIDES, lens_model=lens_model, lens_light=lens_light, grid_size=SIDE, pixel_scale=SCALE,
        over_sampling=1,
    )  # fmt: skip
    simulator, random = make_simulator(made_with, threads=1), np.random.default_rng(0)
    priors, psf, shape = read_priors(simulator), simulator.telescope.psf, (SIDE, SIDE)
    middle = priors.to_values(np.zeros(len(priors.names)))
    values = np.array([MASS.get(*pair) for pair in zip(priors.names, middle, strict=True)])
    z = np.where(priors.is_free, priors.to_normal(values), 0)
    kept = np.arange(0, 2 * NUMBER, 3) if lens_light == "on" else np.arange(0)
    gaussians = describe_gaussians(GEOMETRY, shape, SCALE)[kept]
    images = render_gaussians(GEOMETRY, shape, psf, SCALE)[[*kept, -1]]
    light = np.tensordot(np.append(random.uniform(0.1, 2, len(gaussians)), 0.1), images, 1)
    rays = start_rays(tuple(side + 2 * simulator.telescope.padding for side in shape), SCALE, RAYS)
    rays = rays.reshape(-1, RAYS**2, 2)
    ends = trace_mass(lens_model, priors, z, rays)
    weight = np.full(shape, 50.0)
    arcs = ArcPixels.of(ImageData(light, weight), psf, rays, np.flatnonzero(grid.covers(ends, 1.3).any(axis=1)))
    lumps = random.uniform(0, 1, grid.side**2) ** 4
    image = light + arcs.show(grid.interpolate(ends[arcs.chosen]).T @ lumps)
    arcs = replace(arcs, data=ImageData(image, weight))
    moving = MovingGrid.of(grid, ends[arcs.chosen])
    evidence = PixelEvidence(arcs, moving, arcs.data.whiten(images), curvature(grid.side))
    posterior = PixelPosterior(lens_model, priors, evidence, images, gaussians)
    source = posterior.describe(np.append(z[priors.is_free], np.log(1e-2)))

    drawn = priors.to_values(z + 0.05 * priors.is_free * random.normal(size=(50, len(z))))
    columns, draws = describe_draws(dict(zip(priors.names, drawn.T, strict=True)), priors, simulator.columns, ())
    fit = ImageFit(z, 0.0, 0.0, images, np.ones(3), np.eye(len(z)))
    state = Refinement(
        priors, arcs.data, fit, Evidence(0.0, 900.0, 800.0, SIDE**2, 7, 3), z[None], is_done=True,
        columns=columns, values=draws, posterior=posterior, source=source,
    )  # fmt: skip
    refined = replace(state, model=make_pixel_model(state, source, z, 1))

    prepared = SimpleNamespace(image=image, noise=1 / weight, centre=(0.0, 0.0))
    measured = SimpleNamespace(
        name="lens.fits", image=SimpleNamespace(stem="lens"), prepared=prepared,
        observation=SimpleNamespace(camera={}, electrons=None, zero_point=None), prediction=SimpleNamespace(notes=()),
    )  # fmt: skip
    one = SimpleNamespace(measurement=measured, published=PublishedLens({}, 0.3, 0.9))
    folder = tmp_path_factory.mktemp("figures")
    lenses = RefinedLenses(SimpleNamespace(quiet=True, figures_dir=folder), SimpleNamespace(verdicts={}))
    with ThreadPoolExecutor(1) as executor:
        lenses._write_coolest(one, refined, made_with, executor)
    return folder / "coolest_lens", simulator, source, dict(zip(priors.names, values, strict=True)), posterior


def show_source(lens, folder):
    model = ComposableLensModel(
        lens, str(folder), kwargs_selection_lens_mass={"entity_selection": [0, 1]},
        kwargs_selection_source={"entity_selection": [2]},
    )  # fmt: skip
    return np.flipud(model.model_image(supersampling=RAYS)[0])


def test_coolest_shows_the_source_of_our_model(exported):
    folder, _, source, *_ = exported
    lens = util.get_coolest_object(str(folder / "coolest"))
    tolerance = INTERPOLATION * source.brightness.max()
    assert np.abs(show_source(lens, folder) - source.source).max() < tolerance
    for way in (1, -1):
        moved = copy.deepcopy(lens)
        pixels = moved.lensing_entities[2].light_model[0].parameters["pixels"]
        pixels.field_of_view_x = [limit + way * GRID.pixel for limit in pixels.field_of_view_x]
        pixels.field_of_view_y = [limit + way * GRID.pixel for limit in pixels.field_of_view_y]
        assert np.abs(show_source(moved, folder) - source.source).max() > 20 * tolerance


def test_coolest_shows_the_light_of_the_lens(exported):
    folder, simulator, source, *_ = exported
    lens = util.get_coolest_object(str(folder / "coolest"))
    assert len(lens.lensing_entities[0].light_model) == len(source.gaussians)
    if not len(source.gaussians):
        assert not source.lens.any()
        return
    psf, padding = simulator.telescope.psf, simulator.telescope.padding
    places = (np.arange(SIDE + 2 * padding) - (SIDE + 2 * padding - 1) / 2) * SCALE
    light = ComposableLightModel(lens, str(folder), entity_selection=[0])
    shown = light.evaluate_surface_brightness(*np.meshgrid(places, -places))
    np.testing.assert_allclose(telescope.blur(shown[None], psf)[0], source.lens, rtol=1e-10)


def test_the_mass_has_the_best_values_and_statistics(exported):
    folder, _, _, values, _ = exported
    mass, shear, _ = json.loads((folder / "coolest.json").read_text())["lensing_entities"]
    for name, value in mass["mass_model"][0]["parameters"].items():
        has_posterior = name != "gamma" or "mass-slope" in values
        assert (value["posterior_stats"]["mean"] is not None) == has_posterior
    radius = mass["mass_model"][0]["parameters"]["theta_E"]
    assert radius["point_estimate"]["value"] == pytest.approx(1.1)
    assert radius["posterior_stats"]["percentile_16th"] < radius["posterior_stats"]["percentile_84th"]
    assert shear["mass_model"][0]["parameters"]["gamma_ext"]["point_estimate"]["value"] == pytest.approx(0.05)
    if "mass-slope" not in values:  # another refinement can start from it
        start = dict(zip(LENS_COLUMNS, read_coolest(folder), strict=True))
        assert start == pytest.approx({name: values[name] for name in LENS_COLUMNS}, abs=1e-6)


def test_the_file_of_the_source_has_its_light_and_the_own_pixels(exported):
    folder, _, source, *_ = exported
    with fits.open(folder / "source.fits") as hdus:
        fine, own, deviation = hdus
        area = (fine.header["PIXSCALE"] / own.header["PIXSCALE"]) ** 2
        if np.isinf(source.grid.core):
            assert fine.data.sum() * area == pytest.approx(source.coefficients.sum(), rel=1e-3)
        assert fine.data.sum() * area == pytest.approx(own.data.sum(), rel=0.1)  # splines reach beyond the field
        np.testing.assert_array_equal(np.flipud(own.data), source.brightness)
        np.testing.assert_array_equal(np.flipud(deviation.data), source.deviation)
        shown = source.shown.pixel, GRID.x, GRID.y
        assert [own.header[key] for key in ("PIXSCALE", "FIELD-X", "FIELD-Y")] == pytest.approx(shown)
        y, x = np.unravel_index(own.data.argmax(), own.data.shape)
        middle = (np.array([x, y]) - (source.shown.side - 1) / 2) * source.shown.pixel + (GRID.x, GRID.y)
        field = json.loads((folder / "coolest.json").read_text())["lensing_entities"][2]["light_model"][0]
        low = field["parameters"]["pixels"]["field_of_view_x"][0]
        column, row = ((middle - low) / fine.header["PIXSCALE"]).astype(int)
        assert fine.data[row, column] == pytest.approx(own.data[y, x], rel=0.02)  # the nearest fine pixel
    assert field["parameters"]["pixels"]["field_of_view_x"] == field["parameters"]["pixels"]["field_of_view_y"]


def test_intensities_of_the_lens_light_are_not_negative(exported):
    # COOLEST allows none, and the intensities are integrated out with a flat prior.
    _, _, source, _, posterior = exported
    if not len(source.gaussians):
        return
    data = posterior.evidence.arcs.data
    arcs = replace(posterior.evidence.arcs, data=replace(data, image=data.image - 5 * posterior.images[3]))
    evidence = copy.copy(posterior.evidence)
    evidence.arcs = arcs
    point = np.append(np.zeros(int(posterior.priors.is_free.sum())), 0.0)
    found = replace(posterior, evidence=evidence).describe(point)
    assert found.intensities.min() == 0
    np.testing.assert_allclose(found.lens, np.tensordot(found.intensities, posterior.images[:-1], 1))

"""A source of pixels: evidence, splines, light of the lens, and the sampler with importance weights."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.signal import convolve2d

from stronglens.parameters import RunError
from stronglens.raytracing.pixelised import start_rays
from stronglens.regression.figures import draw_source
from stronglens.regression.image_fit import ImageData, ImageFit
from stronglens.regression.image_priors import Priors
from stronglens.regression.importance import LARGEST_TAIL, MOST, WANTED, Population
from stronglens.regression.joint_solver import JointSolver
from stronglens.regression.lens_gaussians import NUMBER, render_gaussians
from stronglens.regression.pixel_fit import PixelFitter, fit_pixels
from stronglens.regression.pixel_posterior import PixelPosterior, climb, trace_mass
from stronglens.regression.source_grid import MovingGrid, SourceGrid, curvature, find_peaks
from stronglens.regression.source_pixels import RAYS, ArcPixels, PixelEvidence

SIDE, STRENGTH = 10, 0.7


@pytest.fixture(scope="module")
def small():
    """A small image with a masked pixel, correlated noise and an uneven kernel; rays end anywhere."""
    random = np.random.default_rng(0)
    weight = random.uniform(0.5, 2, (SIDE, SIDE))
    weight[2, 3] = 0
    data = ImageData(random.normal(size=(SIDE, SIDE)), weight, 0.3)
    psf = random.uniform(size=(3, 3))
    rays = random.uniform(-1, 1, ((SIDE + 2) ** 2, 4, 2))
    chosen = np.sort(random.choice(len(rays), 90, replace=False))
    arcs = ArcPixels.of(data, psf / psf.sum(), rays, chosen)
    return arcs, SourceGrid(0.1, -0.1, 0.3, 5, ((-0.1, 0.1),)), random.uniform(0.1, 1, (2, SIDE, SIDE))


def dense_columns(arcs, grid):
    """Return the image of each spline, computed one by one."""
    images = []
    for row in grid.interpolate(arcs.rays).toarray():
        whole = np.zeros((SIDE + 2, SIDE + 2))
        whole.flat[arcs.chosen] = row
        images.append(convolve2d(whole, arcs.psf, mode="valid"))
    return np.array(images)


def test_the_evidence_is_that_of_a_normal_distribution_of_the_image(small):
    arcs, grid, light = small
    source, columns = arcs.data.whiten(dense_columns(arcs, grid)).T, arcs.data.whiten(light)
    image = arcs.data.whiten(arcs.data.image[None])[0]
    prior = curvature(grid.side, np.random.default_rng(2).uniform(0.3, 1, (grid.side, grid.side)))
    covariance = np.eye(SIDE**2) + source @ np.linalg.inv(STRENGTH * prior) @ source.T
    inverse = np.linalg.inv(covariance)
    of_light = columns @ inverse @ columns.T
    right = columns @ inverse @ image
    misfit = image @ inverse @ image - right @ np.linalg.solve(of_light, right)
    expected = -0.5 * (misfit + np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(of_light)[1])
    evidence = PixelEvidence(arcs, MovingGrid.of(grid, arcs.rays), columns, prior)
    assert evidence.solve(arcs.rays, STRENGTH).log_evidence == pytest.approx(expected, abs=1e-8)
    best, most = evidence.best_strength(arcs.rays)
    values = [evidence.solve(arcs.rays, factor * best).log_evidence for factor in (1, 0.8, 1.25)]
    assert values[0] == max(values) == pytest.approx(most)


def test_source_and_light_fit_the_image_together(small):
    arcs, grid, light = small
    coefficients = np.random.default_rng(1).uniform(0, 5, grid.side**2)
    image = np.tensordot(coefficients, dense_columns(arcs, grid), 1) + 2 * light[0] - 3 * light[1]
    data = replace(arcs.data, image=image)
    columns = data.whiten(light)
    moving = MovingGrid.of(grid, arcs.rays)
    solver = JointSolver(replace(arcs, data=data), moving, curvature(grid.side), columns, arcs.rays)
    solver.strength = 1e-9
    found = solver.solve(arcs.rays, columns)
    assert np.abs(found.residual).max() < 1e-3
    assert found.intensities == pytest.approx([2, -3], abs=0.05)
    assert np.allclose(
        arcs.show(found.arcs), np.tensordot(coefficients, dense_columns(arcs, grid), 1), atol=0.1
    )  # light and splines are not orthogonal


def test_the_prior_divides_differences_by_their_expected_size():
    side, random = 6, np.random.default_rng(0)
    source, expected = random.normal(size=(side, side)), random.uniform(0.1, 1, (side, side))
    around, size = np.pad(source, 2), np.pad(expected, 1, mode="edge")
    down = (around[:-2] - 2 * around[1:-1] + around[2:])[:, 2:-2] / size[:, 1:-1]
    across = (around[:, :-2] - 2 * around[:, 1:-1] + around[:, 2:])[2:-2] / size[1:-1]
    found = source.ravel() @ curvature(side, expected) @ source.ravel()
    assert found == pytest.approx((down**2).sum() + (across**2).sum())


def test_splines_give_the_brightness_of_pixels_and_conserve_light():
    grid = SourceGrid(0.5, -0.2, 0.1, 12)
    places = (np.arange(12) - 5.5) * 0.1
    y, x = np.meshgrid(-0.2 - places, 0.5 + places, indexing="ij")  # row 0 is at the top
    at_centres = grid.interpolate(np.stack([y, x], axis=-1).reshape(-1, 1, 2))
    line = 0.75 * np.eye(12) + 0.125 * (np.eye(12, k=1) + np.eye(12, k=-1))
    assert np.allclose(at_centres.toarray().T, np.kron(line, line))
    inside = np.array([0.5, -0.2])[::-1] + np.random.default_rng(0).uniform(-0.4, 0.4, (50, 3, 2))
    assert np.allclose(grid.interpolate(inside).sum(axis=0), 1)
    assert grid.covers(inside).all()
    assert not grid.covers(inside + np.array([2, 0])).any()
    assert np.abs(grid.interpolate(inside + np.array([2, 0]))).sum() == 0


def test_pixels_are_smaller_around_the_peak():
    grid = SourceGrid(0.5, -0.2, 0.1, 12, ((-0.3, 0.8),), core=0.1)
    y, x = grid.places().T.reshape(2, 12, 12)
    assert (np.diff(x) > 0).all()
    assert (np.diff(y, axis=0) < 0).all()
    at_centres = grid.interpolate(grid.places()[:, None]).toarray()
    assert (np.argmax(at_centres, axis=0) == np.arange(144)).all()  # each spline is the largest in its pixel
    assert at_centres.max(axis=0) == pytest.approx(0.75**2)
    sizes = np.diff(x[0])
    assert abs(x[0, np.argmin(sizes)] - 0.8) < 0.1
    assert grid.smallest == pytest.approx(min(sizes.min(), np.diff(grid.lines()[0]).min()))
    assert grid.smallest < 0.05 < 0.2 < sizes.max()
    # The field is that of equal pixels.
    assert grid._column(np.array([-0.1, 1.1])) == pytest.approx([-0.5, 11.5])
    assert grid._row(np.array([-0.8, 0.4])) == pytest.approx([11.5, -0.5])
    shown = grid.regular()
    assert (shown.side, shown.half) == (36, pytest.approx(grid.half))
    assert np.allclose(
        grid.interpolate(np.random.default_rng(0).uniform((-0.5, 0.2), (0.1, 0.95), (50, 3, 2))).sum(0), 1
    )


@pytest.mark.parametrize("ellipticity", [(0.0, 0.0), (0.3, 0.0), (-0.1, 0.25)])
def test_gaussians_have_their_place_and_ellipticity(ellipticity):
    images = render_gaussians(np.array([0.2, -0.1, *ellipticity, 0, 0]), (61, 61), None, 0.1)
    assert images.shape == (2 * NUMBER + 1, 61, 61)
    image = images[5]  # a few pixels wide: neither under-sampled nor cut off
    y, x = 3.0 - 0.1 * np.arange(61)[:, None], 0.1 * np.arange(61) - 3.0
    total = image.sum()
    assert ((image * x).sum() / total, (image * y).sum() / total) == pytest.approx((0.2, -0.1), abs=1e-3)
    x, y = x - 0.2, y + 0.1
    xx, yy, xy = ((image * product).sum() / total for product in (x * x, y * y, x * y))
    # moments a^2 and b^2 on the axes: (a^2 - b^2) / (a^2 + b^2) = 2 e / (1 + e^2)
    size = np.hypot(*ellipticity)
    expected = np.array(ellipticity) * 2 / (1 + size**2)
    assert np.array([xx - yy, 2 * xy]) / (xx + yy) == pytest.approx(expected, abs=0.01)


@pytest.fixture(scope="module")
def normal():
    random = np.random.default_rng(3)
    factor = np.tril(random.normal(size=(6, 6))) * 0.3 + np.diag(random.uniform(0.5, 3, 6))
    centre = random.normal(size=6)

    def density(point):
        away = np.linalg.solve(factor, point - centre)
        return float(-0.5 * away @ away)

    return density, centre, factor @ factor.T


def test_newton_steps_find_maximum_and_covariance(normal):
    density, centre, covariance = normal
    found, its_covariance = climb(density, centre + 8, 0.5 * np.eye(6))
    assert found == pytest.approx(centre, abs=0.05)
    assert np.allclose(its_covariance, covariance, rtol=0.05, atol=0.05)


def test_weighted_draws_have_the_moments_of_the_density(normal):
    density, centre, covariance = normal
    population = Population.start(centre + 0.5 * np.sqrt(np.diag(covariance)), 0.6 * covariance)
    while not (population.is_converged or population.is_exhausted):
        population = population.advance(density, 0)
    assert population.effective >= WANTED
    assert population.tail < LARGEST_TAIL
    assert len(population.draws) < 2000
    drawn = population.resample(2000, 0)
    sizes = np.sqrt(np.diag(covariance))
    # Standard error of a mean of 1,000 effective draws: 0.03 standard deviations.
    assert np.abs((drawn.mean(axis=0) - centre) / sizes).max() < 0.15
    assert drawn.std(axis=0) / sizes == pytest.approx(1, abs=0.15)


def test_draws_of_a_curved_posterior_do_not_converge():
    # Eight of 17 columns in four bent pairs, each (x, y + 0.7 (x^2 - 1)) of normal numbers: with MOST draws the
    # effective number is about 700 and the Pareto shape 0.2, but the bent columns' deviations are a quarter too small.
    def density(point):
        straight = point.copy()
        straight[1:8:2] -= 0.7 * (point[:8:2] ** 2 - 1)
        return float(-0.5 * straight @ straight)

    population = Population.start(np.zeros(17), np.eye(17))
    while not (population.is_converged or population.is_exhausted):
        population = population.advance(density, 0)
    assert not population.is_converged
    assert len(population.draws) == MOST


def test_draws_that_miss_the_posterior_do_not_converge(normal):
    density, centre, covariance = normal
    population = Population.start(centre + 40, 1e-4 * covariance).advance(density, 0)
    assert not population.is_converged
    assert population.effective < 50


def test_draws_without_a_likelihood_are_an_error_and_few_with_one_do_not_hang():
    population = Population.start(np.zeros(6), np.eye(6))
    with pytest.raises(RunError, match="likelihood of all draws"):
        population.advance(lambda point: -np.inf, 0)
    grown = population.advance(lambda point: 0.0 if point[0] > 1.9 else -np.inf, 0)  # 4 of 128 draws
    assert not grown.is_converged
    assert np.isfinite(grown.covariances).all()


class Unmoved(PixelPosterior):
    """Rays end where they do, whatever the mass."""

    def trace(self, z):
        return self.evidence.arcs.rays


def test_the_figure_of_a_source_says_how_much_is_determined(small):
    arcs, grid, light = small
    moving = MovingGrid.of(grid, arcs.rays)
    evidence = PixelEvidence(arcs, moving, arcs.data.whiten(light), curvature(grid.side))
    posterior = Unmoved("sie", Priors(("one", "two"), np.zeros(2), np.ones(2)), evidence, light, np.zeros((1, 5)))
    found = posterior.describe(np.array([0.0, 0.0, np.log(STRENGTH)]))
    assert 0 < found.determined < grid.side**2
    assert (found.deviation > 0).all()
    assert found.lights == 2
    figure = draw_source("lens.fits", found)
    assert len(figure.axes) == 6
    assert any(f"determines {found.determined:.0f} of 25" in text.get_text() for text in figure.texts)


@pytest.mark.parametrize(("width", "low", "high"), [(0.4, 0.5, np.inf), (0.02, 0, 0.1)])
def test_a_compact_source_has_small_pixels_in_its_peak(width, low, high):
    random, side, scale = np.random.default_rng(4), 24, 0.1
    rays = start_rays((side, side), scale, RAYS).reshape(-1, RAYS**2, 2)
    light = np.exp(-0.5 * ((rays - [0.2, -0.1]) ** 2).sum(axis=-1) / width**2).mean(axis=1).reshape(side, side)
    noise = 0.01 * light.max()
    data = ImageData(light + noise * random.normal(size=light.shape), np.full(light.shape, 1 / noise))
    arcs = ArcPixels.of(data, np.ones((1, 1)), rays, np.arange(side**2))
    fitter = SimpleNamespace(
        data=data, rays=rays, trace=lambda z, rays: 0.3 * rays,  # a magnification of 11
        simulator=SimpleNamespace(telescope=SimpleNamespace(padding=0)),
    )  # fmt: skip
    peaks = PixelFitter.find_peak(fitter, np.zeros(2), light)
    assert peaks[0] == pytest.approx((0.06, -0.03), abs=0.03)
    field = SourceGrid(0, 0, 0.04, 18, peaks)
    grid = PixelFitter.choose_core(fitter, arcs, field, np.zeros(2), np.ones((1, side, side))).grid
    assert low <= grid.core / grid.half <= high


def test_pixels_are_small_around_all_peaks():
    peaks = (-0.5, 0.9), (0.1, 0.3)
    grid = SourceGrid(0.5, -0.2, 0.1, 24, peaks, core=0.05)
    y, x = grid.lines()
    assert grid._row(y) == pytest.approx(np.arange(23, -1, -1))
    assert grid._column(x) == pytest.approx(np.arange(24))
    for line, places in ((y, (-0.5, 0.1)), (x, (0.3, 0.9))):
        sizes = np.diff(line)
        is_near = np.abs((line[1:] + line[:-1])[:, None] / 2 - places).min(axis=1) < 0.1
        assert sizes[is_near].max() < sizes[~is_near].max() / 3
    light = np.exp(-0.5 * ((grid.places()[:, None] - peaks) ** 2).sum(axis=-1) / 0.05**2) @ [1, 0.5]
    found = np.array(find_peaks(grid, light))
    assert np.abs(found - peaks).max() < 0.05
    assert len(find_peaks(grid, light * (light > 0.6))) == 1  # the fainter one has less than a third
    assert len(find_peaks(grid, -1 - light)) == 1  # a grid needs a peak, whatever the source


def test_a_grid_moves_with_the_source():
    traced = np.random.default_rng(0).uniform(-1, 1, (400, 4, 2)) * 0.05
    traced += np.random.default_rng(1).uniform(-1, 1, (400, 1, 2))
    grid = SourceGrid(0.1, -0.2, 0.05, 24, ((-0.3, 0.2), (0.1, 0.4)), core=0.1)
    moving = MovingGrid.of(grid, traced)
    assert np.allclose(moving.at(traced).places(), grid.places())
    away = np.array([0.07, -0.04])
    assert np.allclose(moving.at(traced + away).places(), grid.places() + away)
    assert np.allclose(
        moving.at(traced + away).interpolate(traced + away).toarray(), grid.interpolate(traced).toarray()
    )
    # Each peak moves with the pixels that end near it: here the source becomes larger.
    assert np.abs(np.array(moving.at(1.2 * traced).peaks) - 1.2 * np.array(grid.peaks)).max() < 0.02


@pytest.mark.slow
def test_a_lumpy_source_is_described_and_the_mass_is_found():
    pytest.importorskip("autolens")
    data, arcs, priors, truth, simulator = simulate_lumpy_lens()
    random, columns = np.random.default_rng(1), len(priors.names)
    start = ImageFit(
        truth + 0.03 * random.normal(size=columns), 0.0, 0.0, np.stack([arcs, data.image - arcs, np.ones_like(arcs)]),
        np.ones(3), 0.03**2 * np.eye(columns),
    )  # fmt: skip
    posterior, population = fit_pixels(simulator, priors, data, start)
    while not (population.is_converged or population.is_exhausted):
        population = population.advance(posterior.log_density, 0)
    assert population.is_converged
    found = posterior.describe(population.centres[0])
    # chi2 of independent noise scatters by 0.05; the free pixels and intensities lower it.
    assert found.chi2 / (data.number - found.determined - found.lights) == pytest.approx(1, abs=0.2)
    free = posterior.priors.is_free
    draws = population.resample(2000, 0)[:, :-1]
    away = (draws.mean(axis=0) - truth[free]) / draws.std(axis=0)
    assert np.abs(away).max() < 4, dict(zip(np.array(priors.names)[free], away, strict=True))


def simulate_lumpy_lens():
    """Return an image of a source with three lumps, its arcs, priors, true values, and a simulator."""
    import autolens as al

    from stronglens.telescope import gaussian_psf

    ranges = {
        "lens-center-x": (-0.1, 0.1), "lens-center-y": (-0.1, 0.1), "lens-ellip-x": (-0.25, 0.25),
        "lens-ellip-y": (-0.25, 0.25), "lens-effect": (0.5, 3), "lens-sersic": (2, 6),
        "einstein-radius-sie": (0.5, 2.2), "shear-1": (-0.1, 0.1), "shear-2": (-0.1, 0.1),
    }  # fmt: skip
    priors = Priors(tuple(ranges), *np.array(list(ranges.values())).T)
    values = np.array([0.01, -0.02, 0.1, -0.05, 1.0, 3.0, 1.2, 0.03, -0.02])
    truth, psf, side, rays = priors.to_normal(values), gaussian_psf(0.2, 0.13), 30, 6
    margin = len(psf) // 2
    places = start_rays((side + 2 * margin,) * 2, 0.13, rays)
    ends = trace_mass("sie", priors, truth, places.reshape(-1, 1, 2)).reshape(-1, 2)
    source = sum(
        bright * np.exp(-0.5 * ((ends - [y, x]) ** 2).sum(axis=1) / width**2)
        for y, x, width, bright in ((0.05, 0.1, 0.2, 1), (0.2, 0.1, 0.05, 2), (-0.1, 0.0, 0.05, 3), (0, 0.3, 0.06, 2))
    )
    profile = al.lp.Sersic(
        centre=(-0.02, 0.01), ell_comps=(-0.08, 0.12), intensity=0.5, effective_radius=1, sersic_index=3
    )
    lens = np.asarray(profile.image_2d_from(grid=al.Grid2DIrregular(places)))
    shape = side + 2 * margin, side + 2 * margin, rays**2
    arcs, lens = (convolve2d(light.reshape(shape).mean(axis=-1), psf, mode="valid") for light in (0.5 * source, lens))
    light = arcs + lens
    noise = np.sqrt(0.02**2 + light / 1000)
    image = light + noise * np.random.default_rng(0).normal(size=light.shape)
    telescope = SimpleNamespace(psf=psf, padding=margin, pixel_scale=0.13)
    parameters, renderer = SimpleNamespace(lens_model="sie"), SimpleNamespace(lens_light=True)
    simulator = SimpleNamespace(telescope=telescope, parameters=parameters, renderer=renderer)
    return ImageData(image, 1 / noise), arcs, priors, truth, simulator

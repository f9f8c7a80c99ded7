"""Refined posteriors: priors and draws of a network, evidence, importance weights, and one lens sampled."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import params_and_cli as panel
from stronglens import telescope
from stronglens.execution import Console
from stronglens.parameters import Range, RunError, UsageError
from stronglens.regression.image_fit import Evidence, ImageData, correct, solve_intensities
from stronglens.regression.image_priors import read_priors
from stronglens.regression.importance import Population
from stronglens.regression.lens_shape import intermediate_axis_radius
from stronglens.regression.nested import NestedSampling
from stronglens.regression.refinement import Refinement, describe_draws, place_draws
from stronglens.regression.refining import LensRefining, refine_lens
from stronglens.regression.request import check_refinable
from stronglens.regression.simulator import make_simulator
from stronglens.regression.trust import judge_draws

LABELS = ("einstein-radius", "lens-ellip-x", "lens-ellip-y", "src-center-x")


def parameters_of(**values):
    values = {"lens_model": "sie", "grid_size": 24, "pixel_scale": 0.2, "over_sampling": 2, "snr_min": 100.0} | values
    return panel.RegressionSimulation.of(overrides=panel.OVERRIDES, **values)


@pytest.fixture(scope="module")
def priors():
    return read_priors(make_simulator(parameters_of(lens_center_x_range=Range(0.01, 0.01)), threads=1))


def test_values_survive_the_transformation_to_normal_numbers(priors):
    values = priors.low + (priors.high - priors.low) * np.random.default_rng(0).uniform(0.01, 0.99, (50, 1))
    assert np.allclose(priors.to_values(priors.to_normal(values)), values)
    assert priors.to_values(np.full(len(priors.names), 5.0))[priors.names.index("lens-center-x")] == 0.01  # fixed


def test_a_radius_without_a_range_has_that_of_simulated_lenses(priors):
    place = priors.names.index("einstein-radius-sie")
    assert 0 < priors.low[place] < 1 < priors.high[place] < 4  # 200 to 320 km/s at these redshifts


def test_draws_of_a_network_are_placed_among_the_columns(priors):
    samples = np.random.default_rng(0).uniform(0.05, 0.15, (30, 4)) + np.array([1.0, 0, 0, 0])
    known = place_draws(priors, LABELS, samples)
    learned = set(np.array(priors.names)[np.isfinite(known).all(axis=0)])
    assert learned == {"einstein-radius-sie", "lens-ellip-x", "lens-ellip-y", "src-center-x", "lens-center-x"}
    radius = priors.to_values(known)[:, priors.names.index("einstein-radius-sie")]
    assert np.allclose(radius, intermediate_axis_radius(samples[:, 0], np.hypot(samples[:, 1], samples[:, 2])))


def test_the_result_has_the_labels_first_and_no_fixed_column(priors):
    simulator = make_simulator(parameters_of(), threads=1)
    drawn = dict(zip(priors.names, priors.to_values(np.zeros((5, len(priors.names)))).T, strict=True))
    columns, values = describe_draws(drawn, priors, simulator.columns, LABELS)
    names = [column.name for column in columns]
    assert tuple(names[:4]) == LABELS
    assert "lens-center-x" not in names
    assert values.shape == (5, len(names))
    # At the middle of the ranges the lens is round: both radii are equal.
    assert np.allclose(values[:, 0], values[:, names.index("einstein-radius-sie")])


def test_intensities_are_not_negative_but_the_background_may_be():
    templates = np.random.default_rng(0).uniform(size=(3, 12, 12))
    templates[2] = 1
    data = ImageData(2 * templates[0] - 0.5 * templates[1] - 1, np.ones((12, 12)))
    intensities, _, residual = solve_intensities(templates, data)
    assert intensities[1] == 0
    assert intensities[0] > 1
    assert intensities[2] < -1
    exact = ImageData(2 * templates[0] + templates[1] - 1, np.ones((12, 12)))
    assert np.allclose(solve_intensities(templates, exact)[0], [2, 1, -1], atol=1e-6)
    assert len(residual) == 144


@pytest.mark.parametrize(
    ("without", "not_lensed", "is_lens"), [(5000, 2000, True), (1050, 1020, False), (5000, 1010, False)]
)
def test_evidence_needs_a_source_and_that_it_is_lensed(without, not_lensed, is_lens):
    evidence = Evidence(1000.0, without, not_lensed, pixels=1000, of_source=7, of_lens=3)
    assert evidence.is_lens is is_lens
    assert evidence.text.startswith("no evidence of a lens") is not is_lens
    assert f"{without:,}" in evidence.text


@pytest.mark.parametrize(("shift", "is_wrong"), [(0.0, False), (6.0, True)])
def test_weights_of_right_and_wrong_draws(priors, shift, is_wrong):
    random, columns = np.random.default_rng(0), len(priors.names)
    known = np.full((400, columns), np.nan)
    learned = [priors.names.index(name) for name in ("einstein-radius-sie", "src-center-x")]
    known[:, learned] = random.normal(size=(400, 2)) + shift * np.array([1, 0])
    trust = judge_draws(lambda z: -0.5 * z @ z, priors, known, random.normal(size=(2000, columns)))
    assert trust.is_wrong is is_wrong
    assert trust.number == 64
    if is_wrong:
        assert trust.farthest == "einstein-radius-sie"
        assert trust.distance == pytest.approx(shift, abs=0.4)
        assert trust.effective < 5
    else:
        assert trust.effective > 55  # equal weights, but for the scatter of 400 draws' covariance
    assert trust.text.startswith("the network was wrong") is is_wrong


def test_a_lens_that_is_no_ellipsoid_is_refused():
    with pytest.raises(RunError, match="lens-model"):
        read_priors(make_simulator(parameters_of(lens_model="composite"), threads=1))
    with pytest.raises(UsageError, match="elliptical"):
        check_refinable({"simulation": {"lens-model": "composite"}})
    check_refinable({"simulation": {"lens-model": "powerlaw"}})


def test_nested_sampling_finds_a_curved_posterior_and_another_maximum():
    # A banana: x1 = x0^2 / 2 with a scatter of 0.3; and a second maximum at x1 = -3 with a quarter of the mass.
    def density(point):
        banana = np.log(0.75) - 0.5 * ((point[1] - point[0] ** 2 / 2) / 0.3) ** 2
        other = np.log(0.25) - 0.5 * ((point[1] + 3) / 0.3) ** 2 + 0.5 * 3**2 / (1 + 0.3**2)
        return np.logaddexp(banana, other) - 0.5 * point @ point

    state = NestedSampling.start(2, seed=0)
    while not (state.is_converged or state.is_exhausted):
        state = state.advance(density)
    assert state.is_converged
    assert state.effective >= 1000
    draws = state.resample(4000, seed=0)
    side = np.linspace(-6, 6, 601)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    weights = np.exp([density(point) for point in grid])
    weights /= weights.sum()
    mean = weights @ grid
    deviation = np.sqrt(weights @ (grid - mean) ** 2)
    assert np.abs(draws.mean(axis=0) - mean) == pytest.approx([0, 0], abs=4 / np.sqrt(1000) * deviation.max())
    assert draws.std(axis=0) == pytest.approx(deviation, rel=0.1)
    is_other = grid[:, 1] < -2
    assert (draws[:, 1] < -2).mean() == pytest.approx(weights[is_other].sum(), abs=4 * 0.5 / np.sqrt(1000))
    assert np.array_equal(draws, pickle.loads(pickle.dumps(state)).resample(4000, seed=0))


def gradient_of(likelihood, priors, data, z):
    """Return the gradient of the logarithm of the density, from the derivatives of the templates."""
    jax = pytest.importorskip("jax")
    from stronglens.regression.image_likelihood import integrate_intensities

    templates, derivatives = likelihood.templates(z, priors.array)
    templates, derivatives = correct(templates, z, data.correction, derivatives)
    with jax.enable_x64(True):
        slope = jax.grad(integrate_intensities)(
            templates, data.image, data.weight, likelihood.correlation, likelihood.has_magnitude
        )
    return np.tensordot(derivatives, np.asarray(slope), 3) - z


@pytest.mark.slow
def test_values_and_gradients_are_those_of_pyautolens():
    al = pytest.importorskip("autolens")
    from stronglens.regression.image_likelihood import ImageLikelihood

    simulator = make_simulator(parameters_of(), threads=1)
    priors = read_priors(simulator)
    images, labels, _ = simulator.simulate([0])
    rate = simulator.noiseless(simulator.physical_scene(labels))
    noise = np.sqrt(telescope.noise_variance(rate, simulator.telescope))[0].astype(float)
    data = ImageData(images[0].astype(float), 1 / noise)
    likelihood = ImageLikelihood(simulator, priors.names)
    value = {name: float(labels[name][0]) for name in priors.names}
    size = np.hypot(value["lens-ellip-x"], value["lens-ellip-y"])
    q = (1 - size) / (1 + size)

    def light(kind, shape, more):
        kinds = (al.lp_linear.Sersic, al.mp.Isothermal)
        centre = value[f"{kind}-center-y"], value[f"{kind}-center-x"]
        return kinds["einstein_radius" in more](
            centre=centre, ell_comps=(value[f"{shape}-ellip-y"], value[f"{shape}-ellip-x"]), **more
        )

    def sersic(kind):
        return {"effective_radius": value[f"{kind}-effect"], "sersic_index": value[f"{kind}-sersic"]}

    # PyAutoLens's radius is the mean of the semi-axes of the critical curve.
    mass = light("lens", "lens", {"einstein_radius": value["einstein-radius-sie"] * (1 + q) / (2 * np.sqrt(q))})
    shear = al.mp.ExternalShear(gamma_1=value["shear-1"], gamma_2=value["shear-2"])
    lens = al.Galaxy(redshift=0.5, bulge=light("lens", "lens", sersic("lens")), mass=mass, shear=shear)
    tracer = al.Tracer([lens, al.Galaxy(redshift=1.0, bulge=light("src", "src", sersic("src")))])
    scale = simulator.parameters.pixel_scale
    arrays = [al.Array2D.no_mask(array, pixel_scales=scale) for array in (data.image, noise, simulator.telescope.psf)]
    dataset = al.Imaging(data=arrays[0], noise_map=arrays[1], psf=al.Convolver(kernel=arrays[2]))
    hidden = np.ones(data.image.shape, bool)
    margin = simulator.telescope.padding  # the kernel needs light from around the mask
    hidden[margin:-margin, margin:-margin] = False
    dataset = dataset.apply_mask(al.Mask2D(hidden, pixel_scales=scale)).apply_over_sampling(over_sample_size_lp=16)
    theirs = al.FitImaging(dataset=dataset, tracer=tracer).chi_squared

    z = priors.to_normal(np.array([value[name] for name in priors.names]))
    seen = replace(data, weight=np.where(hidden, 0, data.weight))
    templates = likelihood.render(z[None], priors)[0]
    basis = (templates[:-1] * seen.weight).reshape(2, -1).T  # without a background, as theirs
    residual = (
        basis @ np.linalg.lstsq(basis, (seen.image * seen.weight).ravel())[0] - (seen.image * seen.weight).ravel()
    )
    # 2 x 2 rays against 16 x 16: the differences of the images are below a tenth of the noise.
    assert residual @ residual == pytest.approx(float(theirs), abs=0.03 * seen.number)
    corrected = replace(seen, correction=likelihood.correction(z[None], priors))
    density, gradient = likelihood.density(priors, corrected), gradient_of(likelihood, priors, corrected, z)
    assert density(z) == pytest.approx(likelihood.judge(z[None], priors, seen.image, seen.weight)[0], abs=1e-6)
    for column, step in enumerate(1e-4 * np.eye(len(z))):
        ends = [density(z + sign * step) for sign in (1, -1)]
        assert gradient[column] == pytest.approx((ends[0] - ends[1]) / 2e-4, rel=1e-3, abs=1e-2), priors.names[column]


@pytest.mark.parametrize("has_magnitude", [False, True])
def test_intensities_are_integrated_out_with_the_prior_of_the_training_set(has_magnitude):
    jax = pytest.importorskip("jax")
    from stronglens.regression.image_likelihood import integrate_intensities

    random = np.random.default_rng(0)
    weight, background = np.full((6, 6), 8.0), np.ones((6, 6))
    light = random.uniform(0, 1, (6, 6))
    image = 0.7 * light + 0.1 + random.normal(size=(6, 6)) / 8

    def value(template):
        with jax.enable_x64(True):
            return float(integrate_intensities(np.stack([template, background]), image, weight, 0.0, (has_magnitude,)))

    def by_sums(template):
        intensity, level = np.linspace(1e-3, 3, 1500)[:, None], np.linspace(-0.6, 0.8, 300)
        residual = 8 * (image.ravel() - intensity[..., None] * template.ravel() - level[:, None])
        density = np.exp(-0.5 * (residual**2).sum(axis=-1)) / (intensity if has_magnitude else 1)
        return np.log(density.sum())

    other = light**2
    assert value(light) - value(other) == pytest.approx(by_sums(light) - by_sums(other), abs=0.05)
    # A magnitude has no unit of the template; a flat intensity has one.
    assert value(2 * light) - value(light) == pytest.approx(0 if has_magnitude else -np.log(2), abs=1e-9)


@pytest.mark.slow
def test_the_truth_lies_in_the_refined_posterior_and_noise_has_no_lens():
    parameters = parameters_of()
    simulator = make_simulator(parameters, threads=1)
    images, labels, _ = simulator.simulate([0])
    rate = simulator.noiseless(simulator.physical_scene(labels))
    noise = np.sqrt(telescope.noise_variance(rate, simulator.telescope))[0]
    names = ("einstein-radius-sie", "src-center-x", "src-center-y")
    true = {name: float(labels[name][0]) for name in labels}
    samples = np.array([true[name] for name in names]) + 0.05 * np.random.default_rng(0).normal(size=(100, 3))
    with ThreadPoolExecutor(1) as executor:
        found = refine_lens(
            parameters, names, samples, images[0], noise, None, executor, 0, Console(quiet=True), "lens"
        )
        assert found.is_lens
        assert found.population.is_converged
        assert abs(found.model.chi2 - 1) < 5 * np.sqrt(2 / images[0].size)  # five standard deviations
        for column, draws in zip(found.columns, found.values.T, strict=True):
            # Of 16 columns, one in 5,000 runs has a truth beyond four standard deviations; some are not Gaussian.
            assert abs(draws.mean() - true[column.name]) < 4.5 * draws.std(), column.name
        # Another sampler, which begins with the whole prior, has the same moments within the errors of 1000 draws.
        work = LensRefining(parameters, names, 0)
        nested = work._start_nested(replace(found, is_done=False, population=None))
        while not nested.is_done:
            nested = work(nested)
        assert nested.nested.is_converged
        assert nested.effective >= 1000
        assert "nested" in nested.effort
        for column, draws, others in zip(found.columns, found.values.T, nested.values.T, strict=True):
            assert abs(draws.mean() - others.mean()) < 0.2 * others.std(), column.name
            assert draws.std() == pytest.approx(others.std(), rel=0.2), column.name
        pixels = refine_lens(
            parameters, names, samples, images[0], noise, None, executor, 0, Console(quiet=True), "lens", True
        )
        assert pixels.population.is_converged
        assert abs(pixels.model.chi2 - 1) < 5 * np.sqrt(2 / images[0].size)
        assert pixels.source.brightness.shape == (pixels.source.shown.side,) * 2
        for column, draws in zip(pixels.columns, pixels.values.T, strict=True):
            assert abs(draws.mean() - true[column.name]) < 4.5 * draws.std(), column.name
        empty = np.random.default_rng(1).normal(size=images[0].shape) * noise
        nothing = refine_lens(parameters, names, samples, empty, noise, None, executor, 0, Console(quiet=True), "noise")
    assert not nothing.is_lens
    assert nothing.values is None


@pytest.mark.slow
def test_more_rays_around_a_cusp_give_the_simulators_density_and_gradients():
    from stronglens.regression.image_likelihood import ImageLikelihood

    simulator = make_simulator(
        parameters_of(
            pixel_scale=0.1,
            grid_size=40,
            src_effect_range=Range(0.05, 0.3),
            src_sersic_range=Range(4, 6),
            snr_min=300.0,
        ),
        threads=1,
    )
    assert simulator.renderer.refine_source
    priors = read_priors(simulator)
    images, labels, _ = simulator.simulate([0])
    rate = simulator.noiseless(simulator.physical_scene(labels))
    noise = np.sqrt(telescope.noise_variance(rate, simulator.telescope))[0].astype(float)
    data, scatter = ImageData(images[0].astype(float), 1 / noise), []
    z = priors.to_normal(np.array([float(labels[name][0]) for name in priors.names]))
    points = z + 0.003 * priors.is_free * np.random.default_rng(0).normal(size=(16, len(z)))
    for is_fine in (False, True):
        likelihood = ImageLikelihood(simulator, priors.names, is_fine)
        density = likelihood.density(priors, data)
        exact = likelihood.judge(points, priors, data.image, data.weight)
        scatter.append(np.std(exact - [density(point) for point in points]))
    assert scatter[1] < 0.1 * scatter[0]
    gradient = gradient_of(likelihood, priors, data, z)
    for column in np.flatnonzero(priors.is_free):
        ends = [density(z + step * np.eye(len(z))[column]) for step in (1e-4, -1e-4)]
        assert gradient[column] == pytest.approx((ends[0] - ends[1]) / 2e-4, rel=0.1, abs=20), priors.names[column]
    # The density hardly jumps as another pixel has more rays; with the simulator's 96 pixels, by up to 0.58.
    for direction in 0.003 * priors.is_free * np.random.default_rng(3).normal(size=(3, len(z))):
        steps = np.linspace(-1, 1, 81)
        values = np.array([density(z + step * direction) for step in steps])
        smooth = np.polynomial.Polynomial.fit(steps, values, 3)(steps)
        assert np.abs(np.diff(values - smooth)).max() < 0.25


@pytest.mark.slow
def test_models_of_clumpy_training_sets_have_derivatives():
    from stronglens.regression.image_likelihood import ImageLikelihood

    simulator = make_simulator(parameters_of(src_clumps=2), threads=1)
    priors = read_priors(simulator)
    templates, derivatives = ImageLikelihood(simulator, priors.names).templates(
        np.full(len(priors.names), 0.1), priors.array
    )
    assert np.isfinite(templates).all()
    assert np.isfinite(derivatives).all()


@pytest.mark.parametrize(("lower", "apart", "is_told"), [(4.0, 0.5, True), (80.0, 0.5, False), (4.0, 0.001, False)])
def test_two_masses_that_describe_an_image_are_told(priors, monkeypatch, lower, apart, is_told):
    from stronglens.regression import pixel_fit

    def fit_pixels(simulator, priors, data, fit):
        posterior = SimpleNamespace(log_density=lambda point: -1000.0 - lower * (point[0] > 0), at=fit)
        return posterior, Population.start(np.array([fit, 0.0, 3.0]), 1e-4 * np.eye(3))

    monkeypatch.setattr(pixel_fit, "fit_pixels", fit_pixels)
    state = Refinement(priors, ImageData(np.zeros((4, 4)), np.ones((4, 4))), None, None, np.zeros((1, 2)))
    work = LensRefining(None, (), 0, has_pixels=True)
    found = work._begin_with_pixels(None, state, [apart, 0.0])
    assert found.posterior.at == 0.0
    assert [note.startswith("SEVERAL MAXIMA") for note in found.notes] == [True] * is_told
    assert work._begin_with_pixels(None, state, [apart]).notes == ()

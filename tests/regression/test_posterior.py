"""Posteriors: normalised densities, samples from them, and a posterior that is known in closed form."""

import zipfile

import numpy as np
import pytest
from scipy import stats

from stronglens.networks import build_backbone
from stronglens.out_of_distribution import build_feature_extractor
from stronglens.parameters import Column, RunError
from stronglens.regression import posterior as posterior_module
from stronglens.regression.label_space import LabelSpace
from stronglens.regression.posterior import Posterior, build_posterior, dimensions_of
from stronglens.scaling import ImageScaling
from stronglens.training import FLOW, Density, fit, load_network, save_network

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")  # BayesFlow's serialisation

SIDE = 8
COUPLINGS = 2
"""Of the flows, but for those that learn: the six of a real one do the same, and take three times as long to trace."""
IMAGES = ImageScaling(softening=1.0, mean=0.0, variance=1.0)


def make_network(kind, labels, seed=0):
    image, summary = build_backbone("report", (SIDE, SIDE), IMAGES, seed)
    return build_posterior(kind, image, summary, labels, seed)


def make_space(labels, kind="free"):
    prior = (0.0, 1.0) if kind == "range" else None
    columns = [Column(f"label-{place}", None, "", "", prior=prior, drawn=kind == "range") for place in range(labels)]
    draws = np.random.default_rng(0).uniform(0, 1, (1000, labels))
    return LabelSpace.fit(columns, draws if kind == "range" else draws - 0.5)


def record_of(kind, space):
    return {"posterior": kind, "label-space": space.to_dict()}


@pytest.fixture
def admitted(monkeypatch):
    """Let flows with as few couplings be loaded."""
    monkeypatch.setitem(FLOW, "depth", COUPLINGS)


@pytest.fixture(scope="module")
def networks():
    """Networks of each kind with changed weights, since all initial densities are the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FLOW, "depth", COUPLINGS)
        made = {kind: make_network(kind, 2) for kind in ("flow", "gaussian")}
    random = np.random.default_rng(1)
    for network in made.values():
        for variable in network.trainable_variables:
            variable.assign(variable.numpy() + random.normal(0, 0.05, variable.shape).astype(np.float32))
    return made


@pytest.mark.parametrize("kind", ["flow", "gaussian"])
def test_density_matches_the_samples(networks, kind):
    network, image = networks[kind], np.random.default_rng(2).normal(0, 1, (1, SIDE, SIDE)).astype(np.float32)
    axis = np.linspace(-8, 8, 161)
    points = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2).astype(np.float32)
    density = np.exp(network.predict([np.repeat(image, len(points), 0), points], batch_size=4096, verbose=0))
    cell = (axis[1] - axis[0]) ** 2
    assert density.sum() * cell == pytest.approx(1, abs=0.01)  # a grid of 0.1 is fine for widths of about 1

    space = make_space(2)
    posterior = Posterior(network, record_of(kind, space))
    draws = posterior.sample(build_feature_extractor(network).predict(image, verbose=0), 20_000, 0)[0]
    inside = space.to_space(draws)
    expected = (density[:, None] * points).sum(axis=0) * cell
    # Four standard errors of 20,000 draws of a deviation of about 1.
    np.testing.assert_allclose(inside.mean(axis=0), expected, atol=0.04)
    away = points - expected
    spread = (density[:, None] * away).T @ away * cell
    np.testing.assert_allclose(np.cov(inside.T), spread, atol=0.08)


def test_samples_beyond_all_labels_are_redrawn(networks, monkeypatch):
    monkeypatch.setattr(posterior_module, "MAX_SIGMA", 1.5)  # not 8: of this network no draw goes so far
    space = make_space(2)
    seen = build_feature_extractor(networks["flow"]).predict(np.ones((1, SIDE, SIDE), np.float32), verbose=0)
    draws = space.to_space(Posterior(networks["flow"], record_of("flow", space)).sample(seen, 5000, 0))
    farthest = np.abs(draws).max(axis=-1)
    assert farthest.max() < 1.501
    assert np.mean(farthest > 1.499) < 0.01  # not moved to the edge


@pytest.mark.parametrize("kind", ["flow", "gaussian"])
def test_samples_of_an_image_do_not_depend_on_other_images(networks, kind):
    posterior = Posterior(networks[kind], record_of(kind, make_space(2)))
    images = np.random.default_rng(5).normal(0, 1, (3, SIDE, SIDE)).astype(np.float32)
    seen = build_feature_extractor(networks[kind]).predict(images, verbose=0)
    together = posterior.sample(seen, 50, 3, is_common=True)
    for row in range(3):
        # As measured alone, by this version or an older one; but for rounding.
        np.testing.assert_allclose(together[row], posterior.sample(seen[[row]], 50, 3)[0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(
            together[row], posterior.sample_images(images[[row]], 50, 3)[0], rtol=1e-4, atol=1e-5
        )


def test_gaussian_is_scipys(networks):
    network, random = networks["gaussian"], np.random.default_rng(3)
    images, points = random.normal(0, 1, (5, SIDE, SIDE)).astype(np.float32), random.normal(0, 1, (5, 2))
    summaries = build_feature_extractor(network).predict(images, verbose=0)
    numbers = np.asarray(network.get_layer("gaussian")(summaries), float)
    for row, point, found in zip(
        numbers, points, network.predict([images, points.astype(np.float32)], verbose=0), strict=True
    ):
        factor = np.array([[np.exp(row[2]), 0], [row[6], np.exp(row[3])]])  # lower triangle of what follows the means
        known = stats.multivariate_normal(row[:2], np.linalg.inv(factor.T @ factor)).logpdf(point)
        assert float(found) == pytest.approx(known, abs=1e-4)


@pytest.mark.parametrize("kind", ["flow", "gaussian"])
def test_file_survives_and_is_sealed(networks, admitted, kind, tmp_path):
    network, path = networks[kind], tmp_path / "posterior.keras"
    space = make_space(2)
    save_network(network, path, record_of(kind, space))
    again, record = load_network(path)
    images = np.random.default_rng(4).normal(0, 1, (3, SIDE, SIDE)).astype(np.float32)
    draws = [Posterior(one, record).sample_images(images, 100, 5) for one in (network, again)]
    assert np.array_equal(*draws)
    assert draws[0].shape == (3, 100, 2)


def test_a_flow_with_unknown_classes_is_refused(networks, admitted, tmp_path):
    path, bad = tmp_path / "posterior.keras", tmp_path / "bad.keras"
    save_network(networks["flow"], path, record_of("flow", make_space(2)))
    mlp = b'"subnet": "mlp"'
    for old_text, new_text in (
        (mlp, b'"subnet": "__bayesflow_type__eval"'),
        (mlp, b'"subnet": "bayesflow.networks>MLP"'),
        (b'"activation": "silu"', b'"activation": "bayesflow.metrics>RootMeanSquaredError"'),
        (b'"depth": 2', b'"depth": 1000000'),
        (b'"dropout": null', b'"dropout": 0.5'),
    ):
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(bad, "w") as new:
            for name in old.namelist():
                content = old.read(name)
                if name == "config.json":
                    assert old_text in content
                    content = content.replace(old_text, new_text)
                new.writestr(name, content)
        with pytest.raises(RunError, match=r"which is not a layer|not one of this program"):
            load_network(bad)


def test_the_seed_decides_the_start():
    one, same, other = (
        [w for w in make_network("flow", 3, seed).get_weights() if w.dtype != np.uint32] for seed in (1, 1, 2)
    )
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    "damage", [{"posterior": "box"}, {"label-space": {}}, {"label-space": make_space(3).to_dict()}]
)
def test_a_record_of_another_network_is_refused(networks, damage):
    with pytest.raises(RunError, match="damaged; train the network again"):
        Posterior(networks["flow"], record_of("flow", make_space(2)) | damage)


@pytest.mark.parametrize(("kind", "labels"), [pytest.param("flow", 1, marks=pytest.mark.slow), ("gaussian", 2)])
def test_learns_a_posterior_that_is_known(kind, labels, tmp_path):
    # A pixel is the label and noise of 0.1 on it: within the range the posterior is a normal one about the mean pixel,
    # of deviation 0.1 / sqrt(pixels). One label leaves the flow a dimension of noise.
    random = np.random.default_rng(6)
    space = make_space(labels, "range")
    truth = random.uniform(0, 1, (1700, labels))
    images = random.normal(0, 0.4, (len(truth), SIDE, SIDE)).astype(np.float32)
    half = SIDE // labels
    for place in range(labels):
        images[:, place * half : (place + 1) * half] += truth[:, place, None, None]
    network = make_network(kind, labels)
    fit(
        network,
        (images[:1300], truth[:1300]),
        (images[1300:1400], truth[1300:1400]),
        label_names=space.names,
        model_file=tmp_path / "learned.keras",
        epochs=8,
        learning_rate=2e-3,
        learning_schedule="cosine",
        objective=Density(space, dimensions_of(kind, labels)),
        batch_size=64,
        quiet=True,
        record=record_of(kind, space),
    )
    known = 0.4 / np.sqrt(SIDE * half)
    posterior = Posterior(*load_network(tmp_path / "learned.keras"))
    draws = posterior.sample(build_feature_extractor(network).predict(images[1400:], verbose=0), 500, 7)
    assert draws.min() >= 0
    assert draws.max() <= 1
    away = (truth[1400:] > 0.2) & (truth[1400:] < 0.8)  # the ends cut the posterior off
    error = (draws.mean(axis=1) - truth[1400:])[away]
    assert np.sqrt(np.mean(error**2)) < 1.5 * known  # against 0.17 of not looking
    assert 0.75 * known < draws.std(axis=1)[away].mean() < 1.6 * known
    z = error / draws.std(axis=1)[away]
    assert 0.7 < z.std() < 1.3


def test_mixed_precision_leaves_the_density_in_full(networks):
    from stronglens.training.precision import copy_network

    network = networks["flow"]
    copied = copy_network(network, "mixed_bfloat16")
    assert copied.get_layer("convolution_1").compute_dtype == "bfloat16"
    assert copied.get_layer("flow").compute_dtype == "float32"
    random = np.random.default_rng(8)
    inputs = [random.normal(0, 1, (4, SIDE, SIDE)).astype(np.float32), random.normal(0, 1, (4, 2)).astype(np.float32)]
    found = [one.predict(inputs, verbose=0) for one in (network, copied)]
    np.testing.assert_allclose(*found, rtol=0.02)  # 8 bits of a summary


def test_the_noise_dimension_differs_between_batches():
    objective = Density(make_space(1), 2)
    batches = [objective.encode(None, np.full((5, 1), label), "training") for label in (0.1, 0.2)]
    assert batches[0].shape == (5, 2)
    assert not np.intersect1d(batches[0][:, 1], batches[1][:, 1]).size
    assert np.array_equal(objective.encode(None, np.full((5, 1), 0.1), "training"), batches[0])  # when it goes on

"""Networks that compress images: they begin as PCA, learn more than PCA, and name a collapse."""

import numpy as np
import pytest
from small_images import SIDE, draw_spots

from stronglens.generation.components import components_of, fit_components, stretch
from stronglens.generation.compression import compression_metrics, find_inactive
from stronglens.generation.network import KINDS, build_network, codes_of, encode
from stronglens.generation.objective import PointBatches, Reconstruction
from stronglens.generation.report import describe_inactive
from stronglens.scaling import fit_image_scaling
from stronglens.training import fit, keras, load_network

LATENTS = 3


@pytest.fixture(scope="module")
def images():
    return draw_spots(600)


@pytest.fixture(scope="module")
def scaling(images):
    return fit_image_scaling(images)


@pytest.fixture(scope="module")
def components(images, scaling):
    return fit_components(images, scaling, 20, is_symmetric=False)


def build(kind, scaling, components, latents=LATENTS):
    return build_network(kind, (SIDE, SIDE), scaling, components, latents, width=32, depth=1)


def train(parts, kind, components, scaling, images, path, size=SIDE**2, **changes):
    pixels = stretch(images, scaling)
    points = components.project(pixels)
    residual = np.square(pixels - components.restore(points)).sum(axis=1)
    objective = Reconstruction(parts, components.deviation, size, LATENTS, kind == "vae")

    def make(rows, seed):
        some = points[None, rows], residual[None, rows]
        return lambda size, multiple: PointBatches(*some, size, multiple, objective, seed)

    settings = {"epochs": 25, "learning_rate": 3e-3, "batch_size": 50, "quiet": True} | changes
    return fit(
        parts.network, make(slice(100, None), 1), make(slice(100), None), label_names=(), model_file=path,
        objective=objective, **settings,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["pca", "autoencoder", "vae"])
def test_an_untrained_network_is_pca(kind, images, scaling, components):
    network = build(kind, scaling, components).network
    restored = stretch(np.asarray(network(images[:50])), scaling)
    pixels = stretch(images[:50], scaling)
    wanted = components.restore(components.project(pixels)[:, :LATENTS])
    np.testing.assert_allclose(restored, wanted, atol=2e-3)
    assert components_of(network).axes.shape == components.axes.shape


@pytest.mark.parametrize("kind", KINDS)
def test_encoder_and_decoder_are_built_in_layers_alone(kind, images, scaling, components):
    network = build(kind, scaling, components).network

    def layers(model):
        for layer in model.layers:
            yield from layers(layer) if isinstance(layer, keras.Model) else [layer]

    names = {type(layer).__name__ for layer in layers(network)}
    assert not names & {"Lambda", "GaussianNoise", "Dropout"}
    assert all(type(layer).__module__.startswith("keras.") for layer in layers(network))
    codes = codes_of(network.get_layer("encoder")(images[:5]))
    restored = network.get_layer("decoder")(codes)
    assert restored.shape == (5, SIDE, SIDE)
    np.testing.assert_allclose(restored, network(images[:5]), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", [pytest.param("autoencoder", marks=pytest.mark.slow), "vae"])
def test_a_trained_network_is_better_than_pca_and_comes_back_from_its_file(kind, images, scaling, components, tmp_path):
    parts = build(kind, scaling, components)
    history = train(parts, kind, components, scaling, images, tmp_path / "n.keras")
    network, _ = load_network(tmp_path / "n.keras")
    test = draw_spots(100, seed=9)
    pixels = stretch(test, scaling)
    error = np.square(stretch(np.asarray(network(test)), scaling) - pixels).mean()
    by_pca = np.square(components.restore(components.project(pixels)[:, :LATENTS]) - pixels).mean()
    assert error < 0.7 * by_pca, "three numbers describe a spot, but not linearly"
    assert set(history) >= {"loss", "rms", "val_rms"} | ({"divergence"} if kind == "vae" else set())


@pytest.mark.slow
def test_an_interrupted_training_ends_as_an_uninterrupted_one(images, scaling, components, tmp_path, monkeypatch):
    whole = build("vae", scaling, components)
    train(whole, "vae", components, scaling, images, tmp_path / "whole.keras", epochs=3)
    part = build("vae", scaling, components)

    class Stop(Exception):
        pass

    original = PointBatches.begin_epoch

    def begin(self, epoch):
        if epoch == 2:
            raise Stop
        original(self, epoch)

    monkeypatch.setattr(PointBatches, "begin_epoch", begin)
    with pytest.raises(Stop):
        train(part, "vae", components, scaling, images, tmp_path / "part.keras", epochs=3)
    monkeypatch.undo()
    again = build("vae", scaling, components)
    train(again, "vae", components, scaling, images, tmp_path / "part.keras", epochs=3, resume=True)
    for one, other in zip(whole.network.get_weights(), again.network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_divergence_is_that_of_two_normal_distributions():
    random = np.random.default_rng(0)
    mean, log_variance = random.normal(size=(2, 4, LATENTS)).astype(np.float32)
    objective = Reconstruction(None, np.ones(2, np.float32), 2, LATENTS, True)
    output = np.concatenate([np.zeros((4, 2), np.float32), mean, log_variance], axis=1)
    found = keras.ops.convert_to_numpy(objective.divergence(output))
    sigma = np.exp(0.5 * log_variance)
    z = mean + sigma * random.normal(size=(400_000, 1, 1))
    log_ratio = -np.log(sigma) - ((z - mean) / sigma) ** 2 / 2 + z**2 / 2
    np.testing.assert_allclose(found, log_ratio.mean(axis=0).sum(axis=1), atol=0.03)  # of 400,000 samples


def test_codes_without_information_are_named():
    # A network that may use four codes for images that one number describes: the prior switches three of them off.
    random = np.random.default_rng(0)
    codes = np.column_stack([random.standard_normal(500), 1e-3 * random.standard_normal((500, 3))])
    log_variance = np.tile([-4.0, 0.0, 0.0, 0.0], (500, 1))
    inactive = find_inactive(codes, log_variance)
    assert inactive.tolist() == [False, True, True, True]
    assert "2, 3, 4 (3 of 4)" in describe_inactive(inactive)
    assert describe_inactive(np.ones(4, bool)).startswith("Collapse")
    assert describe_inactive(np.zeros(4, bool)) == "All 4 codes are active"


@pytest.mark.slow
def test_a_collapse_of_a_vae_is_named(images, scaling, components, tmp_path):
    # A reconstruction that weighs as little as that of a single pixel: the prior wins.
    parts = build("vae", scaling, components)
    changes = {"size": 1, "epochs": 30, "learning_rate": 1e-2}
    train(parts, "vae", components, scaling, images, tmp_path / "n.keras", **changes)
    inactive = find_inactive(*encode(parts.network, draw_spots(200, seed=9)))
    assert describe_inactive(inactive).startswith("Collapse: no code depends on the image")


def test_a_comparison_with_itself_shows_no_difference():
    errors = {"image": np.random.default_rng(0).uniform(1, 2, 50)}
    ratio = compression_metrics(errors, errors, None, 0)["image"]["ratio"]
    assert ratio["low"] == ratio["value"] == ratio["high"] == 1.0, "paired: the same images in each resample"

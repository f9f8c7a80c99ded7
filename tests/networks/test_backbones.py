"""Trunks: raw images of any size in, features out that keep where things are."""

import numpy as np
import pytest

from stronglens.networks import build_backbone, head_seeds
from stronglens.networks.backbones import open_image
from stronglens.parameters import RunError
from stronglens.regression.network import build_network, convolution_activations
from stronglens.scaling import ImageScaling, fit_image_scaling, fit_label_scaling
from stronglens.training import fit, keras, load_network, spread_seed

SCALING = ImageScaling(softening=0.01, mean=1.5, variance=4.0)
FEATURES = {"report": 128, "resnet": 256, "convnext": 256}
NEW = ["resnet", "convnext"]


def build(kind, shape, seed=0):
    return keras.Model(*build_backbone(kind, shape, SCALING, seed))


@pytest.mark.parametrize("kind", FEATURES)
@pytest.mark.parametrize("side", [64, 96, 100, 128])
def test_images_of_any_size_give_features(kind, side):
    backbone = build(kind, (side, side))
    assert backbone.input_shape == (None, side, side)
    assert backbone.output_shape == (None, FEATURES[kind])
    if side == 100:  # halved to 50, 25 and then with a rest
        assert np.isfinite(backbone.predict(np.ones((1, side, side), np.float32), verbose=0)).all()


@pytest.mark.parametrize("kind", NEW)
def test_new_trunks_are_small(kind):
    assert 0.5e6 < build(kind, (64, 64)).count_params() < 1.5e6  # the report's has 1.2 million
    assert build(kind, (128, 128)).count_params() < 4e6  # the report's 4.4 million


@pytest.mark.parametrize("kind", FEATURES)
def test_too_small_images_are_refused(kind):
    with pytest.raises(RunError, match=r"7 x 64 pixels are too small .* at least 8 x 8"):
        build_backbone(kind, (7, 64), SCALING)
    assert build(kind, (8, 9)).predict(np.ones((1, 8, 9), np.float32), verbose=0).shape == (1, FEATURES[kind])


@pytest.mark.parametrize("kind", NEW)
def test_the_seed_decides_the_start(kind):
    one, same, other = (build(kind, (16, 16), seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    kernels = [array for array in one if array.ndim > 1]
    assert not any(np.array_equal(a, b) for a, b in zip(kernels, (w for w in other if w.ndim > 1), strict=True))
    assert len({array.tobytes() for array in kernels}) == len(kernels)


def test_a_head_has_seeds_of_its_own():
    seeds = head_seeds(5)
    # The report's backbone takes the first four; its dropout and last layer have always had the next two.
    assert seeds[:2] == spread_seed(5, 6)[4:]
    taken = [
        layer.get_config()[key]["config"]["seed"]
        for kind in FEATURES
        for layer in build(kind, (16, 16), 5).layers
        for key in ("kernel_initializer", "depthwise_initializer")
        if key in layer.get_config() and layer.get_config()[key] is not None
    ]
    assert len(taken) > 20
    assert not set(taken) & set(seeds)


@pytest.mark.parametrize(("kind", "first"), [("resnet", (16, 24, 32)), ("convnext", (8, 12, 64))], ids=NEW)
def test_three_layers_show_what_it_sees(kind, first):
    network = build_network((32, 48), SCALING, fit_label_scaling(np.eye(3), "abc"), kind=kind)
    seen = convolution_activations(network, np.ones((32, 48)))
    assert [maps.shape for maps in seen] == [first, (8, 12, 64), (4, 6, 128)]


def test_bands_are_the_channels_of_a_network_each_with_its_softening():
    image, x = open_image((8, 9, 2), ImageScaling((0.01, 0.1), mean=0.5, variance=4.0), 8)
    stretched = keras.Model(image, x)(np.full((1, 8, 9, 2), 0.1, np.float32))
    assert stretched.shape == (1, 8, 9, 2)
    expected = (np.arcsinh([10, 1]) - 0.5) / 2
    np.testing.assert_allclose(stretched[0, 3, 4], expected, rtol=1e-5)


@pytest.mark.parametrize("kind", NEW)
def test_overfits_a_handful_of_images_and_survives_save_and_load(kind, tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.uniform(4, 12, (8, 2))  # a spot's place, in pixels
    rows, columns = np.mgrid[:16, :16]
    spots = [np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 4) for y, x in labels]
    images = (np.array(spots) + 0.02 * rng.normal(size=(8, 16, 16))).astype(np.float32)
    network = build_network((16, 16), fit_image_scaling(images), fit_label_scaling(labels, ["y", "x"]), 1, kind)
    often = (np.tile(images, (32, 1, 1)), np.tile(labels, (32, 1)))  # an epoch costs more than its steps do
    fit(
        network, often, None, label_names=["y", "x"], model_file=tmp_path / "n.keras", epochs=6,
        learning_rate=2e-3, learning_schedule="cosine", batch_size=8, quiet=True,
    )  # fmt: skip
    found = network.predict(images, verbose=0)
    # Half a pixel, of a range of eight: where things are is not lost.
    assert np.abs(found - labels).max() < 0.5
    assert np.array_equal(load_network(tmp_path / "n.keras")[0].predict(images, verbose=0), found)

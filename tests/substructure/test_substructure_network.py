"""The residual networks: the layers of the paper, from raw images to probabilities."""

import numpy as np
import pytest

from stronglens.parameters import RunError
from stronglens.scaling import ImageScaling, fit_image_scaling
from stronglens.substructure.network import ARCHITECTURES, Architecture, build_network
from stronglens.training import Classification, fit, keras, load_network

SCALING = ImageScaling(1.0, 0.0, 1.0)


def make_images(count, side=32, seed=0):
    """Images of noise with nothing, a spot or a line, depending on the class; and the classes, one column."""
    rng = np.random.default_rng(seed)
    classes = np.arange(count) % 3
    images = rng.normal(size=(count, side, side)).astype(np.float32)
    images[classes == 1, 8:14, 8:14] += 3
    images[classes == 2, :, 16] += 3
    return images, classes[:, np.newaxis].astype(float)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A network of one block a stage after 40 steps on six images: its file, itself, its history, the images."""
    images, labels = make_images(6)
    # Eight epochs of five batches: an epoch costs more than its steps do.
    many = np.tile(images, (10, 1, 1)), np.tile(labels, (10, 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ARCHITECTURES, "resnet18", Architecture((1, 1, 1, 1)))  # more blocks only take longer to trace
        network = build_network("resnet18", images.shape[1:], fit_image_scaling(images), 3, seed=1)
    model_file = tmp_path_factory.mktemp("trained") / "network.keras"
    history = fit(
        network, many, None, label_names=["class"], model_file=model_file, epochs=8, learning_rate=1e-2,
        learning_schedule="cosine", warm_up=1, optimizer="sgd", objective=Classification(3), batch_size=12, quiet=True,
    )  # fmt: skip
    return model_file, network, history, images, labels


@pytest.mark.parametrize(
    # torchvision's counts for 3 colours and 1000 classes, as its documentation lists them, and the features of
    # its last layer.
    ("kind", "torchvision", "features"),
    [("resnet18", 11_689_512, 512), ("resnet34", 21_797_672, 512), ("bottleneck", 25_557_032, 2048)],
)
def test_parameters_are_those_of_the_paper(kind, torchvision, features):
    network = build_network(kind, (64, 64), SCALING, 3)
    colours, dense = 64 * 7 * 7 * 2, (features + 1) * 997  # what one colour and three classes do without
    assert sum(int(np.prod(v.shape)) for v in network.trainable_variables) == torchvision - colours - dense


@pytest.mark.parametrize(("kind", "shape"), [("resnet18", (32, 32)), ("resnet18", (33, 47)), ("bottleneck", (32, 32))])
def test_any_image_of_32_pixels_or_more_gives_probabilities(kind, shape):
    images = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    found = build_network(kind, shape, SCALING, 3).predict(images, verbose=0)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)


def test_smaller_images_are_refused():
    with pytest.raises(RunError, match=r"31 x 40 pixels are too small .* at least 32 x 32"):
        build_network("resnet18", (31, 40), SCALING, 3)


def test_sizes_are_halved_as_in_the_paper():
    network = build_network("resnet34", (64, 64), SCALING, 3)
    sums = [layer.output.shape[1:] for layer in network.layers if isinstance(layer, keras.layers.Add)]
    # A sixteenth of 224 pixels in place of 56, and so on.
    assert sums == [(16, 16, 64)] * 3 + [(8, 8, 128)] * 4 + [(4, 4, 256)] * 6 + [(2, 2, 512)] * 3


def test_initial_weights_depend_on_the_seed_and_differ_from_layer_to_layer():
    one, same, other = (build_network("resnet18", (32, 32), SCALING, 3, seed) for seed in (1, 1, 2))
    kernels = [layer.kernel.numpy() for layer in one.layers if isinstance(layer, keras.layers.Conv2D)]
    assert all(np.array_equal(a, b) for a, b in zip(one.get_weights(), same.get_weights(), strict=True))
    assert not np.array_equal(kernels[0], other.get_layer("stem").kernel.numpy())
    first_stage = [kernel for kernel in kernels if kernel.shape == (3, 3, 64, 64)]
    assert len(first_stage) == 4
    assert len({kernel.tobytes() for kernel in first_stage}) == 4
    # He et al. 2015: a variance of 2 over 9 x 512 inputs. A deviation of 2e6 numbers is good to 0.05 per cent.
    assert kernels[-1].std() == pytest.approx(np.sqrt(2 / (9 * 512)), rel=3e-3)


def test_overfits_a_handful_of_images(trained):
    _, network, history, images, labels = trained
    assert history["accuracy"][-1] == 1
    # In inference too, where the moving means stand in for those of the batch.
    found = network.predict(images, verbose=0)
    assert (found[np.arange(6), labels[:, 0].astype(int)] > 0.9).all()


def test_survives_save_and_load_bit_for_bit(trained):
    model_file, network, _, images, _ = trained
    expected = network.predict(images, verbose=0)
    assert np.array_equal(load_network(model_file)[0].predict(images, verbose=0), expected)

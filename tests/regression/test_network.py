"""The ``report`` network: its size, scalings and activations."""

import numpy as np
import pytest

from stronglens.parameters import RunError
from stronglens.regression.network import build_network, convolution_activations
from stronglens.scaling import ImageScaling, LabelScaling
from stronglens.training import keras

IMAGES = ImageScaling(softening=0.01, mean=1.5, variance=4.0)
THREE = LabelScaling((2.0, 0.0, 0.1), (0.5, 0.2, 30.0))


def test_has_the_parameters_of_the_report():
    network = build_network((64, 64), IMAGES, THREE)
    assert sum(int(np.prod(w.shape)) for w in network.trainable_weights) == 1_214_307  # Table 1 of the report
    assert network.non_trainable_weights == []


def test_is_built_as_the_report_says():
    layers = build_network((64, 64), IMAGES, THREE).layers
    convolutions = [layer for layer in layers if isinstance(layer, keras.layers.Conv2D)]
    assert [(c.filters, c.kernel_size, c.padding, c.strides) for c in convolutions] == [
        (32, (6, 6), "same", (1, 1)),
        (64, (4, 4), "same", (1, 1)),
        (128, (4, 4), "same", (1, 1)),
    ]
    assert all(c.activation is keras.activations.tanh for c in convolutions)
    assert [layer.rate for layer in layers if isinstance(layer, keras.layers.Dropout)] == [0.35]
    first, last = (layer for layer in layers if isinstance(layer, keras.layers.Dense))
    assert (first.units, first.activation) == (128, keras.activations.relu)
    assert (last.units, last.activation) == (3, keras.activations.linear)


def test_takes_plain_images_and_gives_labels_in_their_units():
    network = build_network((16, 24), IMAGES, THREE)
    images = np.random.default_rng(0).uniform(0, 1, (5, 16, 24)).astype(np.float32)
    inner = keras.Model(network.inputs, network.get_layer("standardised_labels").output)
    standardised = inner.predict(images, verbose=0)
    assert standardised.shape == (5, 3)
    np.testing.assert_allclose(
        network.predict(images, verbose=0), standardised * THREE.deviation + np.array(THREE.mean), rtol=1e-6, atol=1e-6
    )


def test_stretch_is_the_fitted_one():
    network = build_network((16, 16), IMAGES, THREE)
    image = np.linspace(-1, 100, 256, dtype=np.float32).reshape(1, 16, 16)
    stretched = keras.Model(network.inputs, network.get_layer("normalised_image").output).predict(image, verbose=0)
    np.testing.assert_allclose(stretched, (np.arcsinh(image.astype(float) / 0.01) - 1.5) / 2, rtol=1e-5, atol=1e-5)


def test_the_seed_decides_the_start():
    one, same, other = (build_network((16, 16), IMAGES, THREE, seed=seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one[0], other[0])
    # A large seed is a seed too.
    build_network((16, 16), IMAGES, THREE, seed=2**63 - 1)


def test_activations_follow_the_image():
    network = build_network((16, 24), IMAGES, THREE)
    activations = convolution_activations(network, np.random.default_rng(0).uniform(0, 1, (16, 24)))
    assert [a.shape for a in activations] == [(16, 24, 32), (8, 12, 64), (4, 6, 128)]
    assert all(np.abs(a).max() <= 1 for a in activations)
    # The first layer by hand, at one pixel: a 6 x 6 kernel with `same` padding starts two pixels before.
    image = np.random.default_rng(0).uniform(0, 1, (16, 24))
    stretched = (np.arcsinh(image / 0.01) - 1.5) / 2
    kernel, bias = network.get_layer("convolution_1").get_weights()
    patch = stretched[8 - 2 : 8 + 4, 9 - 2 : 9 + 4]
    np.testing.assert_allclose(
        activations[0][8, 9], np.tanh((patch[:, :, None] * kernel[:, :, 0]).sum((0, 1)) + bias), atol=1e-5
    )


@pytest.mark.parametrize("shape", [(7, 64), (64, 4), (1, 1)])
def test_too_small_images_are_refused(shape):
    with pytest.raises(RunError, match="too small for the network"):
        build_network(shape, IMAGES, THREE)


def test_the_smallest_allowed_images_are_accepted():
    network = build_network((8, 9), IMAGES, THREE)
    assert network.predict(np.ones((1, 8, 9), np.float32), verbose=0).shape == (1, 3)

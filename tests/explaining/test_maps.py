"""Maps of networks whose answer is known."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_network import SIDE, convolving_output, linear_output, make_images

from stronglens.explaining.gradients import value_and_gradient
from stronglens.explaining.layers import find_layer
from stronglens.explaining.maps import METHODS, Settings, permuted_weights, why_refused
from stronglens.explaining.occlusion import occlude, patch_corners
from stronglens.explaining.outputs import scoring
from stronglens.parameters import UsageError

ROOT = Path(__file__).parents[2]
BY_BACKEND = """
import sys, numpy as np
sys.path[:0] = ["tests/explaining"]
from small_network import convolving_output, make_images
from stronglens.explaining.maps import METHODS, Settings
output = convolving_output(residual=True)
weights = [np.random.default_rng(k).normal(0, 0.5, w.shape) for k, w in enumerate(output.head.get_weights())]
output.head.set_weights(weights)
maps = {name: one.make(output, make_images(), Settings(steps=8)) for name, one in METHODS.items()}
np.savez(sys.argv[1], **maps)
"""


@pytest.fixture(scope="module")
def output():
    return convolving_output()


def test_gradient_is_the_slope(output):
    images, step = make_images(2), 1e-2
    values, gradient = value_and_gradient(scoring(output.head), images)
    np.testing.assert_allclose(values, output.score(images), rtol=1e-5)
    moved = images.copy()
    moved[:, 4, 5] += step
    slope = (output.score(moved) - values) / step
    # A difference of float32 numbers of 0.1, over 0.01, and the curvature of the stretch.
    np.testing.assert_allclose(gradient[:, 4, 5], slope, atol=2e-4)


def test_maps_of_a_linear_network_are_its_weights():
    weights = np.random.default_rng(1).normal(size=(SIDE, SIDE))
    output, images = linear_output(weights), make_images()
    settings = Settings(patch=1, steps=4)
    for name in ("input-x-gradient", "integrated-gradients", "occlusion"):
        np.testing.assert_allclose(METHODS[name].make(output, images, settings), weights * images, atol=1e-4)
    for name in ("gradient", "smoothgrad"):
        np.testing.assert_allclose(METHODS[name].make(output, images, settings)[0], weights, atol=1e-5)


def test_integrated_gradients_are_complete(output):
    images = make_images(4)
    change = output.score(images) - output.score(np.zeros_like(images))
    total = METHODS["integrated-gradients"].make(output, images, Settings(steps=64)).sum(axis=(1, 2))
    np.testing.assert_allclose(total, change, rtol=0.01)  # the accuracy at 64 steps


def test_bands_are_summed():
    from stronglens.finding.explaining import explained_outputs
    from stronglens.finding.network import build_network, join_members

    members = [build_network("small", (16, 16, 2), None, seed) for seed in (0, 1)]
    images = np.random.default_rng(0).normal(size=(2, 16, 16, 2)).astype(np.float32)
    (joint,) = explained_outputs(join_members(members), {})
    assert joint.score(images).shape == (2,)
    alone = [METHODS["gradient"].make(explained_outputs(one, {})[0], images, Settings()) for one in members]
    # A committee's map is the mean of those of its members.
    np.testing.assert_allclose(METHODS["gradient"].make(joint, images, Settings()), np.mean(alone, axis=0), atol=1e-6)


def test_grad_cam_of_a_mean_over_the_image(output):
    """Behind the last feature maps are a mean and a dense layer: a map's weight is that of the dense layer."""
    from stronglens.explaining.layers import activations

    images, layer = make_images(), find_layer(output.head, None)
    weights = output.head.layers[-1].get_weights()[0][:, 0]
    expected = np.maximum(activations(output.head, layer, images) @ weights, 0) / SIDE**2
    found = METHODS["grad-cam"].make(output, images, Settings())
    np.testing.assert_allclose(found, expected, atol=1e-7)
    assert METHODS["grad-cam"].make(output, images, Settings(layer="one")).shape == images.shape
    with pytest.raises(UsageError, match="--layer=none: not one of one, two, three"):
        find_layer(output.head, "none")


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_guided_variants_need_rectifiers(activation):
    output = convolving_output(activation)
    for name in ("guided-backpropagation", "guided-grad-cam"):
        assert activation in why_refused(output, name)
        with pytest.raises(UsageError, match="means nothing without ReLU"):
            METHODS[name].make(output, make_images(1), Settings())
    assert why_refused(convolving_output(residual=True), "guided-backpropagation") is None


def test_guided_backpropagation_passes_positive_gradients():
    """With positive kernels, a negative weight of the output sends back nothing."""
    output = convolving_output()
    arrays = output.head.get_weights()
    positive = [np.abs(one) for one in arrays]
    positive[-2] = np.array([[-1], [-1], [-1], [-1]], np.float32)
    output.head.set_weights(positive)
    images = np.abs(make_images(1))
    assert METHODS["gradient"].make(output, images, Settings()).max() < 0
    assert not METHODS["guided-backpropagation"].make(output, images, Settings()).any()


def test_permuted_weights_are_put_back(output):
    before, images = output.head.get_weights(), make_images()
    score = output.score(images)
    with permuted_weights(output):
        assert not np.array_equal(output.score(images), score)
    assert all(np.array_equal(one, other) for one, other in zip(before, output.head.get_weights(), strict=True))
    np.testing.assert_array_equal(output.score(images), score)


def test_occlusion_covers_the_image():
    assert patch_corners(12, 5, 5) == [0, 5, 7]
    output, image = linear_output(np.ones((SIDE, SIDE))), make_images(1)[0]
    changes, heat, corners = occlude(output, image, np.zeros_like(image), patch=5, stride=3)
    expected = [image[row : row + 5, column : column + 5].sum() for row, column in corners]
    np.testing.assert_allclose(changes, expected, atol=1e-4)
    assert heat.shape == image.shape
    assert (np.abs(heat) > 0).all()


def test_fills(output):
    images = make_images(1)
    same = METHODS["occlusion"].make(output, images, Settings(fill="twin"), images)
    assert not same.any()  # a twin that is the image changes nothing
    for fill in ("blur", "noise"):
        assert METHODS["occlusion"].make(output, images, replace(Settings(), fill=fill)).any()


@pytest.mark.slow
@pytest.mark.command
def test_both_backends_agree(tmp_path):
    """To 1e-5 of the largest value: rounding of float32 in two libraries. An occlusion is a difference of outputs."""
    found = []
    for backend in ("tensorflow", "jax"):
        path = tmp_path / f"{backend}.npz"
        environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, "-c", BY_BACKEND, path], cwd=ROOT, env=environment, check=True, timeout=300)
        found.append(np.load(path))
    for name in METHODS:
        one, other = (maps[name] for maps in found)
        assert one.any()
        limit = 1e-4 if name == "occlusion" else 1e-5
        assert np.abs(one - other).max() < limit * np.abs(one).max(), name

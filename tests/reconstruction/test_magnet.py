"""The network of MagNet: its size, and that it learns."""

import numpy as np
import pytest

from stronglens.reconstruction.network import INVERSIONS, Camera, build_network
from stronglens.reconstruction.train import EqualSteps
from stronglens.training import keras, load_network, save_network

CAMERA = Camera(side=32, source_side=16, pixel_scale=0.12, source_field=1.5, operator_error=0.004)
STEPS = 2


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_it_has_the_parameters_of_the_report_at_any_stride(stride):
    # 5 x 5 kernels with biases: 2 -> 32, GRU of 32 and 128, 128 -> 32, GRU of 32 and 128, 128 -> 1.
    gates = 3 * (25 * (32 + 128) * 128 + 128)
    expected = (25 * 2 * 32 + 32) + gates + (25 * 128 * 32 + 32) + gates + (25 * 128 + 1)
    network = build_network("magnet", CAMERA, 0, STEPS, stride=stride)
    assert network.count_params() == expected == 3_180_033
    assert network.output_shape == (None, len(INVERSIONS) + STEPS + 1, 16, 16)


@pytest.mark.slow
def test_it_fits_two_images_and_is_saved(tmp_path):
    y, x = np.mgrid[:16, :16]
    sources = np.exp(-((x - [[[6]], [[10]]]) ** 2 + (y - [[[8]], [[6]]]) ** 2) / 8).astype(np.float32)
    operator, *_ = prepare(inputs := two_images())
    inputs["image"] = keras.ops.convert_to_numpy(operator.forward(sources))
    network, objective = build_network("magnet", CAMERA, 0, STEPS), EqualSteps()
    optimizer = keras.optimizers.Adam(1e-3, global_clipnorm=objective.clipped_at)
    network.compile(optimizer, objective.loss(), metrics=objective.metrics(), jit_compile=objective.jit_compile)
    history = network.fit(inputs, sources, batch_size=2, epochs=60, verbose=0).history
    zero = np.sqrt(np.mean(sources**2))
    # A tenth of what an estimate of zero misses was reached at this rate; twice that is left for rounding.
    assert history["rmse"][-1] < 0.2 * zero
    assert history["loss"][-1] < 0.1 * history["loss"][0]
    output = network.predict(inputs, verbose=0)
    kept = build_network("magnet", CAMERA, 0, STEPS)  # not compiled, as the files of trainings are
    kept.set_weights(network.get_weights())
    save_network(kept, tmp_path / "magnet.keras", {})
    again, _ = load_network(tmp_path / "magnet.keras")
    np.testing.assert_allclose(again.predict(inputs, verbose=0), output, atol=1e-4)


def two_images():
    lens = np.array([[0.8, 0, 0, 0.1, 0, 0.05, 0], [1.0, 0, 0, 0, 0.2, 0, 0.05]], np.float32)
    noise = np.full((2, 32, 32), 0.01, np.float32)
    return {"image": None, "lens": lens, "noise": noise, "psf_fwhm": np.full((2, 1), 0.1, np.float32)}


def prepare(inputs):
    layer = build_network("none", CAMERA, 0).get_layer("reconstruction")
    return layer.prepare(*(keras.ops.convert_to_tensor(inputs[name]) for name in ("lens", "noise", "psf_fwhm")))

"""Networks of the reconstruction task: what they give, and the files that they are kept in."""

import json
import os
import subprocess
import sys
import textwrap
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from stronglens.parameters import RunError
from stronglens.reconstruction.network import INVERSIONS, Camera, build_network, reconstruction_loss
from stronglens.reconstruction.operator import Operator, gaussian_blur, pixel_rays, separate_psf, trace_rays
from stronglens.training import keras, load_network, save_network

ROOT = Path(__file__).parents[2]
CAMERA = Camera(side=16, source_side=8, pixel_scale=0.3, source_field=1.5, operator_error=0.01)
PSF = ((0.0, 0.1, 0.0), (0.0, 0.1, 0.7), (0.0, 0.1, 0.0))
LENSES = np.array([[1.0, 0, 0, 0.15, 0.1, 0.03, -0.05], [0.7, 0, 0, -0.3, 0.2, -0.1, 0.08]], np.float32)


def source():
    away = np.hypot(*np.mgrid[-3.5:4, -3.5:4])
    return np.stack([np.exp(-away), np.exp(-((away - 2) ** 2))]).astype(np.float32)


def observed(psf=None, fwhm=0.3, noise=0.01):
    """Return the inputs of a network: two images, some of whose pixels are masked."""
    blur = separate_psf(np.array(psf), 16) if psf else (gaussian_blur(16, 0.3, np.full(2, fwhm, np.float32)),) * 2
    operator = Operator(trace_rays(LENSES, pixel_rays(16, 0.3)), 8, 1.5, *blur, np.ones((2, 16, 16), np.float32))
    random = np.random.default_rng(0)
    image = np.asarray(operator.forward(source())) + noise * random.standard_normal((2, 16, 16))
    deviation = np.where(random.random((2, 16, 16)) < 0.1, np.inf, noise)
    return {
        "image": image.astype(np.float32), "lens": LENSES, "noise": deviation.astype(np.float32),
        "psf_fwhm": np.full((2, 1), fwhm, np.float32),
    }  # fmt: skip


@pytest.fixture(scope="module")
def recurrent():
    network = build_network("rim", CAMERA, seed=3, steps=2)
    # As if it were trained: the last layers begin with almost no effect.
    random = np.random.default_rng(0)
    network.set_weights([weight + 0.02 * random.standard_normal(weight.shape) for weight in network.get_weights()])
    return network


@pytest.fixture(scope="module")
def saved(recurrent, tmp_path_factory):
    path = tmp_path_factory.mktemp("networks") / "n.keras"
    save_network(recurrent, path, {"network": "rim"})
    return path


@pytest.mark.parametrize(("kind", "steps"), [("none", 0), ("unet", 1), ("rim", 3)])
def test_outputs(kind, steps):
    output = np.asarray(build_network(kind, CAMERA, 0, steps=3)(observed()))
    assert output.shape == (2, len(INVERSIONS) + steps + 1, 8, 8)
    projected, smooth, start = output[:, :3].swapaxes(0, 1)
    errors = [
        np.sqrt(np.mean((estimate - source()) ** 2)) for estimate in (np.zeros_like(start), projected, smooth, start)
    ]
    assert errors[0] > errors[1] > errors[2] > errors[3]
    assert errors[3] < 0.2 * errors[0]
    assert start.min() >= 0
    # An untrained network hardly changes its start, and gives an error of 0.03.
    np.testing.assert_allclose(np.exp(output[:, -1] / 2), 0.03, rtol=1e-2)
    if kind == "unet":
        np.testing.assert_allclose(output[:, 3], start, atol=1e-3)


def test_a_measured_psf_is_used():
    inputs = observed(PSF)
    errors = [
        np.sqrt(np.mean((np.asarray(build_network("none", camera, 0)(inputs))[:, 2] - source()) ** 2))
        for camera in (replace(CAMERA, psf=PSF), CAMERA)
    ]
    assert errors[0] < 0.7 * errors[1]


def test_masked_pixels_do_not_matter(recurrent):
    inputs = observed()
    masked = np.isinf(inputs["noise"])
    expected = np.asarray(recurrent(inputs))
    assert np.isfinite(expected).all()
    for value in (1e4, np.nan, np.inf):
        spoilt = inputs | {"image": np.where(masked, value, inputs["image"]).astype(np.float32)}
        np.testing.assert_array_equal(recurrent(spoilt), expected)
    nothing = inputs | {"noise": np.full_like(inputs["noise"], np.inf)}
    assert np.isfinite(recurrent(nothing)).all()


def test_images_of_a_batch_do_not_mix(recurrent):
    inputs = observed()
    swapped = recurrent({name: values[::-1] for name, values in inputs.items()})
    np.testing.assert_allclose(np.asarray(swapped)[::-1], recurrent(inputs), atol=1e-4)


def test_equal_seeds_build_equal_networks():
    one, same, other = (build_network("unet", CAMERA, seed).get_weights() for seed in (0, 0, 1))
    assert all(np.array_equal(*pair) for pair in zip(one, same, strict=True))
    assert not np.array_equal(one[0], other[0])


def test_loss_weighs_later_steps_more():
    random = np.random.default_rng(0)
    truth, output = random.random((2, 4, 4), np.float32), random.random((2, 3 + 2 + 1, 4, 4), np.float32)
    squares = np.mean((output[:, 3:5] - truth[:, None]) ** 2, axis=(2, 3))
    scaled = (output[:, 4] - truth) / np.exp(output[:, 5] / 2)
    likelihood = -2 * stats.t(df=4).logpdf(scaled) + output[:, 5] + 2 * stats.t(df=4).logpdf(0)
    wanted = squares @ [1 / 3, 2 / 3] / 0.02**2 + likelihood.mean(axis=(1, 2)) / 2
    np.testing.assert_allclose(reconstruction_loss(truth, output), wanted, rtol=1e-5)


def test_a_saved_network_gives_the_same(recurrent, saved):
    network, record = load_network(saved)
    assert record == {"network": "rim"}
    np.testing.assert_array_equal(network(observed()), recurrent(observed()))


@pytest.mark.slow
def test_the_other_backend_opens_the_same_file(recurrent, saved, tmp_path):
    np.savez(tmp_path / "inputs.npz", **observed())
    program = """
        import sys
        import numpy as np
        import stronglens.reconstruction.network
        from stronglens.training import load_network
        network, _ = load_network(sys.argv[1])
        np.save(sys.argv[3], network.predict(dict(np.load(sys.argv[2])), verbose=0))
    """
    backend = "jax" if keras.config.backend() == "tensorflow" else "tensorflow"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), saved, tmp_path / "inputs.npz", tmp_path / "output.npy"],
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    # Another backend sums in another order, and forty steps of the inversion add to that. The peak is 1.
    np.testing.assert_allclose(np.load(tmp_path / "output.npy"), recurrent(observed()), atol=1e-3)


def rewrite(source, target, change):
    """Copy the file of a network, with its layer of ours changed."""
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, "w") as other:
        members = {name: archive.read(name) for name in archive.namelist()}
        config = json.loads(members["config.json"])
        change(next(layer for layer in config["config"]["layers"] if layer["class_name"] == "Reconstruction"))
        for name, content in (members | {"config.json": json.dumps(config)}).items():
            other.writestr(name, content)
    return target


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"class_name": "Cell", "registered_name": "stronglens>Cell"}, "'Cell'"),
        ({"class_name": "Cell"}, "'Cell'"),
        ({"name": "stronglens>Cell"}, "'stronglens>Cell'"),
        ({"module": "foreign.layers"}, "'Reconstruction'"),
        ({"module": "stronglensforeign.layers"}, "'Reconstruction'"),
        ({"module": None}, "'Reconstruction'"),
        ({"registered_name": "Reconstruction"}, "'Reconstruction'"),
        ({"registered_name": "foreign>Reconstruction"}, "'Reconstruction'"),
        ({"registered_name": None}, "'Reconstruction'"),
        ({"module": "stronglens.training", "class_name": "load_network"}, "'load_network'"),
        (
            {"module": "keras.layers", "class_name": "Lambda", "registered_name": "stronglens>Reconstruction"},
            "'Lambda'",
        ),
    ],
)
def test_only_our_layer_is_admitted(saved, tmp_path, change, message):
    path = rewrite(saved, tmp_path / "n.keras", lambda layer: layer.update(change))
    with pytest.raises(RunError, match=message) as caught:
        load_network(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change", [{"kind": "else"}, {"camera": {"side": 16}}, {"camera": 5}, {"steps": "two"}, {"more": 1}]
)
def test_damaged_settings_are_refused(saved, tmp_path, change):
    path = rewrite(saved, tmp_path / "n.keras", lambda layer: layer["config"].update(change))
    with pytest.raises(RunError, match="no usable network"):
        load_network(path)


def test_keras_knows_the_layer_by_its_name():
    # Saved files name it: it must not change.
    assert keras.saving.get_registered_object("stronglens>Reconstruction") is not None

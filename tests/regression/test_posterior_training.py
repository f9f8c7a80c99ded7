"""Training of posteriors: resumed after an interruption, and on several devices."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from interrupted import ctrl_c_after

from stronglens.networks import build_backbone
from stronglens.parameters import Column
from stronglens.regression.label_space import LabelSpace
from stronglens.regression.posterior import build_posterior
from stronglens.scaling import fit_image_scaling
from stronglens.training import Density, fit

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning"),  # BayesFlow's serialisation
    pytest.mark.usefixtures("shallow_flow"),
]

ROOT = Path(__file__).parents[2]
NAMES = ["x", "y"]


def train(folder, name="flow.keras", network="report", count=60, **settings):
    """Train a flow for the positions of Gaussian sources."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:16, :16] - 7.5
    places = rng.uniform(-3, 3, (count + 20, 2))
    light = np.exp(-((x - places[:, :1, None]) ** 2 + (y - places[:, 1:, None]) ** 2) / 4)
    images = (light + 0.02 * rng.standard_normal(light.shape)).astype(np.float32)
    space = LabelSpace.fit([Column(label, None, "", "") for label in NAMES], places[:count])
    image, summary = build_backbone(network, (16, 16), fit_image_scaling(images), 3)
    density = build_posterior("flow", image, summary, 2, 3)
    settings = {"epochs": 3, "learning_rate": 1e-3, "seed": 1, "quiet": True, **settings}
    history = fit(
        density, (images[:count], places[:count]), (images[count:], places[count:]), objective=Density(space, 2, 1),
        label_names=NAMES, model_file=Path(folder) / name, **settings,
    )  # fmt: skip
    return density, history


def test_a_resumed_training_of_a_flow_is_identical(tmp_path):
    with ctrl_c_after(1):
        train(tmp_path)
    resumed, history = train(tmp_path, resume=True)
    straight, expected = train(tmp_path, name="straight.keras")
    assert history == expected
    assert all(np.array_equal(a, b) for a, b in zip(resumed.get_weights(), straight.get_weights(), strict=True))


TRAIN_ON_TWO = f"""
    import json, sys
    sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}, {str(Path(__file__).parent)!r}]
    from stronglens.training import keras
    if keras.config.backend() == "tensorflow":
        import tensorflow
        tensorflow.config.set_logical_device_configuration(
            tensorflow.config.list_physical_devices("CPU")[0], [tensorflow.config.LogicalDeviceConfiguration()] * 2
        )
    import test_posterior_training
    from stronglens.training import FLOW
    FLOW["depth"] = 2
    losses = {{}}
    for name, devices in (("two", ["cpu:0", "cpu:1"]), ("one", None)):
        _, losses[name] = test_posterior_training.train(sys.argv[1], f"{{name}}.keras", epochs=1, devices=devices)
    print(json.dumps(losses))
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_devices_train_a_flow_as_one_does(backend, tmp_path):
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "KERAS_BACKEND": backend,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    }
    command = [sys.executable, "-c", textwrap.dedent(TRAIN_ON_TWO), tmp_path]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    losses = json.loads(done.stdout)
    for name in ("loss", "val_loss"):
        # The sum over a batch is made in two halves: float32 rounding, which Adam amplifies where gradients are small.
        assert losses["two"][name] == pytest.approx(losses["one"][name], rel=1e-3)

"""The device line, and training on several devices at once: here two that share a processor."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from test_loop import make_blobs

from stronglens.training import describe_device, device, load_network

pytestmark = pytest.mark.command
ROOT = Path(__file__).parents[2]
PAIR = ["cpu:0", "cpu:1"]

OPEN_TWO = f"""
    import json, sys
    from pathlib import Path
    sys.path[:0] = {[str(ROOT / folder) for folder in (".", "tests", "tests/training", "tests/regression")]}
    from stronglens.training import keras
    if keras.config.backend() == "tensorflow":
        import tensorflow
        tensorflow.config.set_logical_device_configuration(
            tensorflow.config.list_physical_devices("CPU")[0], [tensorflow.config.LogicalDeviceConfiguration()] * 2
        )
    folder, losses = Path(sys.argv[1]), {{}}
"""
TRAIN_ON_TWO = f"""
    import test_loop
    from functools import partial
    from stronglens.regression import network
    from interrupted import ctrl_c_after

    train = partial(test_loop.train, folder, build=test_loop.make_network)
    # 61 images, in batches of 15 that are rounded up to 16: one is left out, 60 are spread. Begun on one device.
    with ctrl_c_after(1):
        train(count=61, batch_size=16, epochs=3)
    _, losses["ragged"] = train(resume=True, count=61, batch_size=15, epochs=3, devices={PAIR})
    network.DROPOUT_RATE = 0  # each device would draw its own
    for name, devices in (("two", {PAIR}), ("one", None)):
        _, losses[name] = train(name=f"{{name}}.keras", epochs=1, devices=devices)
    descent = dict(epochs=1, optimizer="sgd", learning_rate=0.01, weight_decay=0.1, augment=True)
    for name, devices in (("descent on two", {PAIR}), ("descent on one", None)):
        _, losses[name] = train(name="descent.keras", devices=devices, **descent)
"""
TRAIN_FLOW_ON_TWO = f"""
    import test_posterior_training
    from stronglens.training import FLOW

    FLOW["depth"] = 2  # a shallow one is traced in a third of the time
    for name, devices in (("flow on two", {PAIR}), ("flow on one", None)):
        _, losses[name] = test_posterior_training.train(folder, "flow.keras", epochs=1, devices=devices)
"""
CLASSIFY_ON_TWO = f"""
    import test_classifier

    _, losses["classes"] = test_classifier.train(folder, "classes.keras", count=241, epochs=6, devices={PAIR})
"""
PROCESSES = {
    # Each in a process of its own: TensorFlow takes one shape for all that two devices ever sum.
    "tensorflow": [TRAIN_ON_TWO, TRAIN_FLOW_ON_TWO, CLASSIFY_ON_TWO],
    "jax": [TRAIN_ON_TWO + TRAIN_FLOW_ON_TWO + CLASSIFY_ON_TWO],
}


@pytest.fixture(scope="module", params=["tensorflow", "jax"])
def on_two_devices(request, tmp_path_factory):
    """The folder and the histories of trainings on two devices and on one."""
    folder = tmp_path_factory.mktemp(request.param)
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "KERAS_BACKEND": request.param,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    }
    losses = {}
    for script in PROCESSES[request.param]:
        program = textwrap.dedent(f"{OPEN_TWO}{script}\n    print(json.dumps(losses))")
        done = subprocess.run([sys.executable, "-c", program, folder], env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        losses |= json.loads(done.stdout)
    return folder, losses


@pytest.mark.slow
def test_two_devices_train_as_one_does(on_two_devices):
    _, losses = on_two_devices
    for name in ("loss", "val_loss"):
        # The sum over a batch is made in two halves: float32 rounding, which the first steps hardly amplify.
        assert losses["two"][name] == pytest.approx(losses["one"][name], rel=1e-5)
        assert losses["descent on two"][name] == pytest.approx(losses["descent on one"][name], rel=1e-5)


@pytest.mark.slow
def test_two_devices_train_a_flow_as_one_does(on_two_devices):
    _, losses = on_two_devices
    for name in ("loss", "val_loss"):
        # The sum over a batch is made in two halves: float32 rounding, which Adam amplifies where gradients are small.
        assert losses["flow on two"][name] == pytest.approx(losses["flow on one"][name], rel=1e-3)


@pytest.mark.slow
def test_two_devices_train_a_classifier_with_batch_normalisation(on_two_devices):
    _, losses = on_two_devices
    # Each normalises its own half of a batch, or both the whole: no two numbers to compare. A third is chance.
    assert np.isfinite(losses["classes"]["val_loss"]).all()
    assert losses["classes"]["accuracy"][-1] > 0.5


@pytest.mark.slow
def test_images_that_two_devices_cannot_share_evenly_are_no_trouble(on_two_devices):
    folder, losses = on_two_devices
    assert {len(numbers) for numbers in losses["ragged"].values()} == {3}
    assert np.isfinite(list(losses["ragged"].values())).all()
    network, record = load_network(folder / "network.keras")
    assert record["training"]["finished"] is True
    images, labels = make_blobs(61)
    error = network.predict(images, verbose=0) - labels
    assert np.sqrt(np.mean(error**2)) < 0.7 * labels.std()  # it has learned


def test_device_line_says_how_many_share_a_batch(monkeypatch):
    assert describe_device(20).startswith("training on ")
    monkeypatch.setattr(device, "_name_gpus", lambda: ["NVIDIA A100"])
    assert describe_device(20) == "training on GPU: NVIDIA A100"
    monkeypatch.setattr(device, "_name_gpus", lambda: ["NVIDIA A100"] * 8)
    assert describe_device() == "training on 8 GPUs: NVIDIA A100"
    assert describe_device(20) == "training on 8 GPUs: NVIDIA A100 (batches of 24 images, shared among them)"
    assert describe_device(32) == "training on 8 GPUs: NVIDIA A100 (batches of 32 images, shared among them)"

"""The fit loop: it learns, repeats itself, goes on after a kill, and stops when it diverges."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from interrupted import ctrl_c_after

from stronglens.evaluation import regression_metrics
from stronglens.parameters import RunError, UsageError
from stronglens.regression.network import build_network
from stronglens.scaling import fit_image_scaling, fit_label_scaling, restore_labels, stretch_images
from stronglens.training import describe_device, fit, keras, load_network, remove_state, spread_seed, state_path

pytestmark = pytest.mark.command

ROOT = Path(__file__).parents[2]
NAMES = ["x", "y"]


def make_blobs(count, side=16, seed=0):
    """Blobs of light at random places, with noise; the labels are their places in pixels."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    places = rng.uniform(-3, 3, (count, 2))
    light = np.exp(-((x - places[:, :1, None]) ** 2 + (y - places[:, 1:, None]) ** 2) / 4)
    return (light + 0.02 * rng.standard_normal(light.shape)).astype(np.float32), places


def make_network(images, labels, seed=3):
    return build_network(images.shape[1:], fit_image_scaling(images), fit_label_scaling(labels, NAMES), seed)


def make_dense_network(images, labels, seed=3):
    """Two dense layers with dropout between them: traced and saved in half the time of a real network."""
    *kernels, dropout = spread_seed(seed, 3)
    first, last = map(keras.initializers.GlorotUniform, kernels)
    image = keras.Input(images.shape[1:], name="image")
    x = keras.layers.Flatten()(stretch_images(image, fit_image_scaling(images)))
    x = keras.layers.Dense(32, "relu", kernel_initializer=first)(x)
    x = keras.layers.Dense(2, kernel_initializer=last)(keras.layers.Dropout(0.1, seed=dropout)(x))
    return keras.Model(image, restore_labels(x, fit_label_scaling(labels, NAMES)))


def train(folder, count=60, name="network.keras", build=make_dense_network, **settings):
    images, labels = make_blobs(count + 20)
    split = (images[:count], labels[:count]), (images[count:], labels[count:])
    settings = {"epochs": 3, "learning_rate": 1e-3, "seed": 1, "quiet": True, **settings}
    network = build(*split[0])
    history = fit(network, *split, label_names=NAMES, model_file=folder / name, **settings)
    return network, history


def saved_epochs(model_file):
    with np.load(state_path(model_file)) as archive:
        return json.loads(str(archive["head"]))["epochs"]


def test_overfits_a_handful_of_images(tmp_path):
    images, labels = make_blobs(8)
    network = make_network(images, labels)
    often = np.tile(images, (25, 1, 1)), np.tile(labels, (25, 1))  # an epoch costs more than its steps do
    fit(network, often, None, label_names=NAMES, model_file=tmp_path / "n.keras", epochs=8,
        learning_rate=2e-3, learning_schedule="cosine", batch_size=8, quiet=True)  # fmt: skip
    error = network.predict(images, verbose=0) - labels
    # An eighth of the labels' own spread (1.7 pixels): dropout in training leaves it some blur.
    assert np.sqrt(np.mean(error**2)) < labels.std() / 8


def test_beats_predicting_the_mean_on_images_it_has_not_seen(tmp_path):
    network, _ = train(tmp_path, count=300, build=make_network, epochs=6)
    images, labels = make_blobs(100, seed=9)
    _, training_labels = make_blobs(320)
    found = regression_metrics(
        labels, network.predict(images, verbose=0), training_labels[:300].mean(axis=0), NAMES, seed=0
    )
    for entries in found["labels"].values():
        assert entries["rmse"]["high"] < 0.5 * entries["baseline"]["rmse"]["low"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A training of three epochs: its folder, its network and its history."""
    folder = tmp_path_factory.mktemp("trained")
    return folder, *train(folder, record={"labels": NAMES}, log_dir=folder / "logs")


def test_survives_save_and_load_bit_for_bit(trained):
    folder, network, _ = trained
    images, _ = make_blobs(10, seed=5)
    loaded, record = load_network(folder / "network.keras")
    assert np.array_equal(loaded.predict(images, verbose=0), network.predict(images, verbose=0))
    assert record["labels"] == NAMES
    assert record["training"]["finished"] is True


def test_the_same_seed_gives_the_same_losses_without_a_word(trained, tmp_path, capsys):
    _, one, history = trained
    (two, again), (_, other) = (train(tmp_path, name=f"{seed}.keras", seed=seed) for seed in (1, 2))
    assert capsys.readouterr() == ("", "")
    assert history == again
    assert all(np.array_equal(a, b) for a, b in zip(one.get_weights(), two.get_weights(), strict=True))
    assert history["loss"] != other["loss"]


def test_keeps_the_best_epoch_not_the_last(tmp_path):
    images, labels = make_blobs(50)
    # Validation labels are the opposite of the training labels: the better it learns, the worse the validation.
    valid = images[40:], -labels[40:]
    network = make_network(images[:40], labels[:40])
    history = fit(network, (images[:40], labels[:40]), valid, label_names=NAMES, model_file=tmp_path / "n.keras",
                  epochs=6, learning_rate=1e-3, quiet=True)  # fmt: skip
    _, record = load_network(tmp_path / "n.keras")
    best = int(np.argmin(history["val_loss"]))
    assert best < 5
    assert record["training"]["best_epoch"] == best + 1
    deviation = np.asarray(network.layers[-1].scale)
    loss = np.mean(((network.predict(valid[0], verbose=0) - valid[1]) / deviation) ** 2)
    assert loss == pytest.approx(min(history["val_loss"]), rel=1e-4)


def test_history_and_logs_say_the_same(trained):
    folder, _, history = trained
    assert {name: len(numbers) for name, numbers in history.items()} == dict.fromkeys(
        ["loss", "mean_absolute_error", "val_loss", "val_mean_absolute_error", "learning_rate"], 3
    )
    with open(folder / "logs/history.csv") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["val_loss"]) for row in rows] == history["val_loss"]
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    for split in ("train", "validation"):
        assert len(list((folder / "logs/tensorboard" / split).glob("events.*"))) == 1


def test_cosine_schedule_falls_to_nothing(tmp_path):
    _, history = train(tmp_path, learning_schedule="cosine", epochs=4)
    # Read after each epoch: (1 + cos(pi k / 4)) / 2 of the first rate.
    expected = [1e-3 * (1 + np.cos(np.pi * k / 4)) / 2 for k in (1, 2, 3, 4)]
    np.testing.assert_allclose(history["learning_rate"], expected, rtol=1e-5, atol=1e-9)


def test_mixed_precision_learns_and_leaves_a_file_in_32_bits(tmp_path):
    # In test_classifier.py with convolutions, which are slow in 16 bits on a CPU.
    network, history = train(tmp_path, count=200, epochs=10, learning_rate=1e-2, mixed_precision=True)
    assert min(history["val_loss"]) < 0.2  # of standardised labels: 1 is predicting the mean
    loaded, _ = load_network(tmp_path / "network.keras")
    assert {layer.compute_dtype for layer in loaded.layers if hasattr(layer, "compute_dtype")} == {"float32"}
    images, _ = make_blobs(10, seed=5)
    assert np.array_equal(loaded.predict(images, verbose=0), network.predict(images, verbose=0))


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """A training of six epochs without interruptions: its network and its history."""
    return train(tmp_path_factory.mktemp("straight"), epochs=6)


@pytest.fixture
def killed(tmp_path):
    """A training of six epochs, killed at the end of the fourth, before that is stored."""
    script = textwrap.dedent(
        f"""
        import sys, time
        from pathlib import Path
        sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}, {str(Path(__file__).parent)!r}]
        import test_loop
        from stronglens.training import checkpoint
        from stronglens.training.checkpoint import Checkpoint
        checkpoint.WRITING_SHARE = float("inf")  # every epoch is stored, however long that takes
        finish_epoch = Checkpoint.on_epoch_end
        def wait(self, epoch, logs=None):
            if epoch == 3:
                print("waiting", flush=True)
                time.sleep(3600)
            finish_epoch(self, epoch, logs)
        Checkpoint.on_epoch_end = wait
        test_loop.train(Path({str(tmp_path)!r}), epochs=6, log_dir=Path({str(tmp_path / "logs")!r}))
        """
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGKILL)
    return tmp_path / "network.keras"


def test_a_killed_training_goes_on_as_if_nothing_had_happened(killed, straight, tmp_path):
    assert saved_epochs(killed) == 3
    load_network(killed)  # what is there is whole
    resumed, history = train(tmp_path, epochs=6, resume=True, log_dir=tmp_path / "logs")
    uninterrupted, expected = straight
    assert history == expected
    assert all(np.array_equal(a, b) for a, b in zip(resumed.get_weights(), uninterrupted.get_weights(), strict=True))
    assert not state_path(killed).exists()
    with open(tmp_path / "logs/history.csv") as file:
        assert [float(row["loss"]) for row in csv.DictReader(file)] == expected["loss"]


OLDER = b"a network of another training"


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """The folder of a training of six epochs that would replace a network, interrupted after the fourth.

    It is not to be changed.
    """
    folder = tmp_path_factory.mktemp("interrupted")
    (folder / "network.keras").write_bytes(OLDER)
    with ctrl_c_after(4):
        train(folder, epochs=6)
    return folder


def test_ctrl_c_keeps_every_epoch_and_the_older_network(interrupted, straight, tmp_path):
    assert saved_epochs(interrupted / "network.keras") == 4
    assert (interrupted / "network.keras").read_bytes() == OLDER
    shutil.copytree(interrupted, tmp_path, dirs_exist_ok=True)
    _, history = train(tmp_path, epochs=6, resume=True)
    assert history == straight[1]
    load_network(tmp_path / "network.keras")  # the finished one


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 2}, "--seed was 1 and is now 2"),
        ({"learning_rate": 1e-4}, "--learning-rate was 0.001 and is now 0.0001"),
        ({"learning_schedule": "cosine"}, "--learning-schedule was constant and is now cosine"),
        ({"batch_size": 10}, "--batch-size was 20 and is now 10"),
        ({"epochs": 9}, "--epochs was 6 and is now 9"),
        ({"count": 59}, "the training images differ"),
        ({"mixed_precision": True}, "--mixed-precision was False and is now True"),
    ],
)
def test_resume_with_other_settings_is_refused_and_says_which(interrupted, tmp_path, change, named):
    shutil.copytree(interrupted, tmp_path, dirs_exist_ok=True)
    with pytest.raises(RunError, match=named) as caught:
        train(tmp_path, **{"epochs": 6, "resume": True, **change})
    assert "\n" not in str(caught.value)
    assert (tmp_path / "network.keras").read_bytes() == OLDER
    assert saved_epochs(tmp_path / "network.keras") == 4


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no more than a beginning", None])
def test_damaged_state_is_refused(interrupted, tmp_path, damage):
    shutil.copytree(interrupted, tmp_path, dirs_exist_ok=True)
    path = state_path(tmp_path / "network.keras")
    path.write_bytes(path.read_bytes()[:-1000] if damage is None else damage)
    with pytest.raises(RunError, match="is damaged"):
        train(tmp_path, epochs=6, resume=True)


def test_a_finished_training_that_is_kept_costs_nothing_to_resume(tmp_path):
    network, history = train(tmp_path, keep_state=True, resume=True)  # there is nothing to resume: it starts
    assert len(history["loss"]) == 3
    again, same = train(tmp_path, keep_state=True, resume=True)
    assert same == history
    assert all(np.array_equal(a, b) for a, b in zip(network.get_weights(), again.get_weights(), strict=True))
    remove_state(tmp_path / "network.keras")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["network.keras"]


def test_divergence_stops_with_its_cause(tmp_path):
    with pytest.raises(RunError, match=r"--learning-rate 1e\+30 is too high; try 0\.001"):
        train(tmp_path, learning_rate=1e30)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("which", "what"), [(0, "images"), (1, "labels")])
def test_data_that_are_not_finite_are_refused_before_training(tmp_path, which, what):
    images, labels = make_blobs(30)
    network = make_network(images, labels)
    data = [images, labels]
    data[which][7].flat[0] = np.nan
    with pytest.raises(RunError, match=f"the training {what} contain NaN or infinite values"):
        fit(network, tuple(data), None, label_names=NAMES, model_file=tmp_path / "n.keras", epochs=1,
            learning_rate=1e-3, quiet=True)  # fmt: skip


def test_no_training_images_is_said(tmp_path):
    images, labels = make_blobs(30)
    with pytest.raises(RunError, match="the training split has 0 images"):
        fit(make_network(images, labels), (images[:0], labels[:0]), None, label_names=NAMES,
            model_file=tmp_path / "n.keras", epochs=1, learning_rate=1e-3, quiet=True)  # fmt: skip


def test_model_file_needs_its_ending(tmp_path):
    with pytest.raises(UsageError, match=r"must end in \.keras"):
        train(tmp_path, name="network.h5")


def test_a_file_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "models").write_text("a file where a folder should be")
    with pytest.raises(RunError, match="cannot write"):
        train(tmp_path / "models", epochs=1)


def test_progress_is_a_line_an_epoch_when_piped(tmp_path, capsys):
    train(tmp_path, quiet=False)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert all("val_loss" in line and line.endswith("left") for line in lines)


def test_progress_is_one_line_in_a_terminal(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda self: True, raising=False)
    train(tmp_path, quiet=False)
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert shown.split("\r")[-1].startswith("\x1b[Kepoch 3/3")


def test_the_device_is_said():
    assert describe_device().startswith("training on ")


def test_jax_trains_is_quiet_and_needs_no_pyautolens(tmp_path):
    script = textwrap.dedent(
        f"""
        import sys
        from pathlib import Path
        sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}, {str(Path(__file__).parent)!r}]
        import stronglens.regression.train
        assert "autolens" not in sys.modules
        import test_loop
        from stronglens.training import keras
        assert keras.config.backend() == "jax"
        folder = Path({str(tmp_path)!r})
        network, history = test_loop.train(folder, 200, build=test_loop.make_network, epochs=4, log_dir=folder / "logs")
        assert min(history["val_loss"]) < 0.2, history
        """
    )
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    load_network(tmp_path / "network.keras")

"""The task with both commands: data, training, a network that loads elsewhere, bad input."""

import json

import numpy as np
import pytest
from interrupted import ctrl_c_after
from small_sources import SMALL, SMALL_FLAGS

import generate_data
import model_and_figures
import params_and_cli as panel
from stronglens.dataset import load_dataset
from stronglens.execution import Console
from stronglens.parameters import RunError
from stronglens.reconstruction import experiments, strength
from stronglens.reconstruction import train as training
from stronglens.reconstruction.inversion import FIRST_STRENGTHS
from stronglens.reconstruction.plan import plan_training
from stronglens.training import load_network


@pytest.fixture(autouse=True)
def few_inversions(monkeypatch):
    """Try three strengths at two noise levels, and fill the batches of six test lenses up to eight images."""
    monkeypatch.setattr(strength, "LEVELS", (0.0, 0.05))
    monkeypatch.setattr(strength, "STRENGTHS", (10.0, 100.0, 1000.0))
    monkeypatch.setattr(experiments, "BATCH", 8)


def refused(capsys, command, *arguments):
    with pytest.raises(SystemExit) as caught:
        command.main([*map(str, arguments)])
    return caught.value.code, capsys.readouterr().err.strip().splitlines()[-1]


def flags(folder, dataset):
    files = [f"--figures-dir={folder / 'figures'}", f"--model-file={folder / 'n.keras'}"]
    return ["--task=reconstruction", f"--dataset-dir={dataset}", *files]


def train(folder, dataset, **changes):
    """Train a network, without its report; return the history, the weights and the record."""
    cls = panel.COMMANDS["model_and_figures.py"]["reconstruction"]
    files = {"dataset_dir": dataset, "figures_dir": folder / "figures", "model_file": folder / "n.keras"}
    choices = {"network": "rim", "steps": 1, "epochs": 2, "batch_size": 8, "quiet": True} | changes
    parameters = cls.of(panel.OVERRIDES, task="reconstruction", **files, **choices)
    history = training.train_network(plan_training(parameters, Console(True), model_and_figures.rebuild), None)
    network, record = load_network(folder / "n.keras")
    return history, network.get_weights(), record


def test_dataset_has_images_and_sources(small_sources):
    manifest = json.loads((small_sources / "manifest.json").read_text())
    assert manifest["parameters"]["task"] == "reconstruction"
    assert manifest["arrays"] == {"sources": [SMALL["source_grid_size"]] * 2}
    assert manifest["photographs"] >= 70
    assert len(list((small_sources / "sources").glob("*.pickle"))) == 60
    columns = {column["name"]: column for column in manifest["columns"]}
    assert 0 < columns["operator-error"]["distribution"]["mean"] < 0.05
    assert columns["magnification"]["distribution"]["min"] >= 3


def test_the_format_and_the_number_of_images_do_not_change_an_image(small_sources, tmp_path):
    folder = tmp_path / "zarr"
    assert generate_data.main([*SMALL_FLAGS, "-n=7", "--format=zarr", f"--dataset-dir={folder}", "--quiet"]) == 0
    one, other = load_dataset(folder), load_dataset(small_sources)
    np.testing.assert_array_equal(one.images[:], other.images[:7])
    np.testing.assert_array_equal(one.others["sources"][:], other.others["sources"][:7])


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        (["--source-grid-size=18"], 2, "must be a multiple of 4"),
        (["--src-radius-range=0.1,0.6"], 2, "do not fit"),
        (["--source-images=nowhere"], 1, "no file or folder nowhere"),
        (["--magnification-min=900", "--tries=2"], 1, "no image accepted in 2 tries"),
    ],
)
def test_simulations_that_are_refused(tmp_path, capsys, changes, code, message):
    found, line = refused(capsys, generate_data, *SMALL_FLAGS, "-n=4", f"--dataset-dir={tmp_path / 'd'}", *changes)
    assert found == code
    assert message in line


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        (["--simulate"], 2, "--simulate applies to --task=regression"),
        (["--mixed-precision"], 2, "--mixed-precision applies to --task=regression"),
        (["--network=magnet", "--rim-stride=3"], 2, "--rim-stride=3 must be 1, 2 or 4"),
        (["--lens=1,0,0,0,0,0,0"], 2, "give"),
        (["--valid-split=0.0"], 2, "0 for valid"),
        (["--dataset-dir=nowhere"], 1, "make one with generate_data.py"),
    ],
)
def test_trainings_that_are_refused(small_sources, tmp_path, capsys, changes, code, message):
    found, line = refused(capsys, model_and_figures, *flags(tmp_path, small_sources), *changes)
    assert found == code
    assert message in line


def test_a_dataset_of_another_task_is_refused(small_dataset, tmp_path, capsys):
    code, line = refused(capsys, model_and_figures, *flags(tmp_path, small_dataset))
    assert code == 1
    assert "--task regression, not reconstruction" in line


@pytest.mark.parametrize("network", [pytest.param("none", marks=pytest.mark.slow), "unet"])
def test_the_command_trains_a_network_and_tests_it(small_sources, tmp_path, capsys, network):
    given = [*flags(tmp_path, small_sources), f"--network={network}", "-e=1"]
    assert model_and_figures.main(given) == 0
    said = capsys.readouterr().out
    assert "no galaxy is in two sets" in said
    assert "Network: " in said
    metrics = json.loads((tmp_path / "figures" / "metrics.json").read_text())
    assert list(metrics["levels"]) == ["0", "0.01", "0.05", "0.1"]
    for kinds in metrics["levels"].values():
        for found in kinds.values():
            assert found["methods"].keys() >= {"zero", "back-projection", "curvature", "non-negative"}
            assert found["rmse"]["low"] <= found["rmse"]["value"] <= found["rmse"]["high"]
            assert ("coverage" in found) == (network != "none")  # the inversion alone has no error bars
            # Inversion needs no training: it leaves half of what an empty image has, or less.
            assert found["methods"]["non-negative"]["value"] < 0.5 * found["methods"]["zero"]["value"]
    rows = (tmp_path / "figures" / "predictions.csv").read_text().splitlines()
    assert len(rows) == 1 + sum(found["lenses"] for kinds in metrics["levels"].values() for found in kinds.values())
    drawn = {path.stem for path in (tmp_path / "figures").glob("*.png")}
    assert drawn == {"sources", "errors", "flux", "lens_errors"} | ({"history"} if network != "none" else set())
    loaded, record = load_network(tmp_path / "n.keras")
    assert record["network"] == network
    noise, strengths = zip(*loaded.get_layer("reconstruction").camera.strength, strict=True)
    assert 0 < noise[0] < noise[1]
    assert set(strengths) <= set(strength.STRENGTHS)
    assert record["calibration"].keys() == {"noise", "brightness", "factors"}
    assert sorted(row for rows in record["split"].values() for row in rows) == list(range(60))
    assert loaded.output_shape == (None, 4 + (network == "unet"), 16, 16)


@pytest.mark.slow
def test_interrupted_training_gives_the_same_numbers(small_sources, tmp_path, monkeypatch):
    # The fit of the regularisation comes before the training, and takes as long here.
    monkeypatch.setattr(training, "fit_strengths", lambda *_: FIRST_STRENGTHS)
    history, weights, record = train(tmp_path / "whole", small_sources)
    with ctrl_c_after(1):
        train(tmp_path / "resumed", small_sources)
    with pytest.raises(RunError, match="--steps"):
        train(tmp_path / "resumed", small_sources, resume=True, steps=2)
    again, same, resumed = train(tmp_path / "resumed", small_sources, resume=True)
    assert again == history
    assert len(history["val_rmse"]) == 2
    for one, other in zip(weights, same, strict=True):
        np.testing.assert_array_equal(one, other)
    assert resumed["calibration"] == record["calibration"]
    assert resumed["training"] == record["training"]

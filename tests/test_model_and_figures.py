import csv
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_datasets import SMALL
from waiting import wait_until

import generate_data
import model_and_figures
from stronglens.dataset import load_dataset
from stronglens.dataset.manifest import manifest_checksum

pytestmark = pytest.mark.command

ROOT = Path(__file__).parent.parent
FIGURES = [
    "activations-input",
    "activations-layer-1",
    "activations-layer-2",
    "activations-layer-3",
    "best_predictions",
    "losses",
    "predictions",
    "samples",
    "worst_predictions",
]


def flags(folder, dataset):
    return [f"--dataset-dir={dataset}", f"--figures-dir={folder / 'figures'}", f"--model-file={folder / 'n.keras'}"]


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        model_and_figures.main([*map(str, arguments)])
    lines = capsys.readouterr().err.strip().splitlines()
    return caught.value.code, lines[-1]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, small_dataset):
    folder = tmp_path_factory.mktemp("trained")
    arguments = ["-e=3", "-mlr=1e-3", "--labels=einstein-radius,src-center-x", "-sn=4", "-f=jpg"]
    assert model_and_figures.main([*flags(folder, small_dataset), *arguments]) == 0
    return folder


def test_figures_metrics_and_predictions(trained, small_dataset):
    figures = trained / "figures"
    assert sorted(path.stem for path in figures.glob("*.jpg")) == FIGURES
    assert all(path.stat().st_size > 5000 for path in figures.glob("*.jpg"))
    metrics = json.loads((figures / "metrics.json").read_text())
    assert metrics["images"] == 6  # a tenth of 60
    entry = metrics["labels"]["einstein-radius"]["rmse"]
    assert entry["low"] <= entry["value"] <= entry["high"]
    with open(figures / "predictions.csv") as file:
        rows = list(csv.DictReader(file))
    labels = load_dataset(small_dataset).labels.set_index("file")
    assert len(rows) == 6
    for row in rows:
        assert float(row["einstein-radius-true"]) == pytest.approx(labels.loc[row["file"], "einstein-radius"], rel=1e-6)
    rmse = np.sqrt(np.mean([(float(r["src-center-x-true"]) - float(r["src-center-x-predicted"])) ** 2 for r in rows]))
    assert rmse == pytest.approx(metrics["labels"]["src-center-x"]["rmse"]["value"], rel=1e-4)


def test_images_on_disk_teach_the_same(trained, small_dataset, tmp_path, monkeypatch, capsys):
    from stronglens.dataset import image_set

    monkeypatch.setattr(image_set, "_free_memory", lambda: 10_000)
    arguments = ["-e=3", "-mlr=1e-3", "--labels=einstein-radius,src-center-x", "-sn=4", "-f=jpg"]
    assert model_and_figures.main([*flags(tmp_path, small_dataset), *arguments]) == 0
    assert "(61.4 kB) do not fit in memory" in capsys.readouterr().out
    for name in ("metrics.json", "predictions.csv", "logs/history.csv"):
        assert (tmp_path / "figures" / name).read_bytes() == (trained / "figures" / name).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--simulate", "--workers=2", "--scheduler=tcp://x:1"], "exclude each other"),
        (["--workers=2"], "apply with --simulate only"),
        (["--simulate", "--predict", "x.npy"], "--simulate (training) and --predict"),
        (["--learning-schedule=exponential", "--warm-up=2"], "--warm-up does not apply"),
    ],
)
def test_flags_that_make_no_sense_together(small_dataset, tmp_path, capsys, arguments, message):
    code, line = refused(capsys, *flags(tmp_path, small_dataset), *arguments)
    assert code == 2
    assert message in line


@pytest.mark.slow
def test_training_on_fresh_simulations(small_dataset, tmp_path, capsys):
    # Turned, too: simulations then come with src-center-y, by which src-center-x is moved.
    arguments = ["-e=2", "-mlr=1e-3", "--labels=einstein-radius,src-center-x", "-sn=4", "--simulate", "--augment=on"]
    assert model_and_figures.main([*flags(tmp_path, small_dataset), *arguments]) == 0
    printed = capsys.readouterr()
    assert "Images: 42 simulated for each epoch, 12 for validation, 6 for the test" in printed.out
    assert printed.err.count("epoch") == 2
    from stronglens.training import load_network

    _, record = load_network(tmp_path / "n.keras")
    assert record["fresh"] == {"first-index": 60, "images-an-epoch": 42}
    assert [len(record["split"][name]) for name in ("train", "valid", "test")] == [0, 12, 6]
    with open(tmp_path / "figures" / "logs" / "history.csv") as file:
        assert len(list(csv.DictReader(file))) == 2


def test_split_is_recorded_and_disjoint(trained):
    from stronglens.training import load_network

    _, record = load_network(trained / "n.keras")
    together = [index for rows in record["split"].values() for index in rows]
    assert sorted(together) == list(range(60))
    assert record["metrics"]["labels"].keys() == {"einstein-radius", "src-center-x"}


def test_network_measures_an_image_it_was_tested_on(trained, small_dataset, capsys):
    with open(trained / "figures" / "predictions.csv") as file:
        row = next(csv.DictReader(file))
    image = small_dataset / row["file"]
    arguments = ["--pixel-scale=0.4", "--unit=e-/s", "--zero-point=25.72"]
    assert model_and_figures.main([*flags(trained, small_dataset), "--predict", str(image), *arguments]) == 0
    printed = capsys.readouterr().out
    assert "einstein-radius [arcsec]" in printed
    assert "point estimate without an error bar" in printed
    with open(trained / "figures" / "measured.csv") as file:
        measured = next(csv.DictReader(file))
    for label in ("einstein-radius", "src-center-x"):
        assert float(measured[label]) == pytest.approx(float(row[f"{label}-predicted"]), rel=1e-4, abs=1e-5)
    assert (trained / "figures" / "measured.png").stat().st_size > 5000


def test_a_point_estimate_has_nothing_to_export(trained, small_dataset, tmp_path, capsys):
    np.save(tmp_path / "a.npy", np.ones((16, 16)))
    where = flags(trained, small_dataset)
    measure = [*where, f"--predict={tmp_path / 'a.npy'}"]
    code, line = refused(capsys, *measure, "--published=table.csv")
    assert code == 2
    assert line == "error: --published needs a network with posteriors; train one with --posterior=flow"
    assert "--coolest needs the redshifts" in refused(capsys, *measure, "--coolest")[1]
    assert "--published applies to measured images" in refused(capsys, *where, "--published=table.csv")[1]


def test_bad_file_among_good_ones_costs_only_itself(trained, small_dataset, capsys, tmp_path):
    good, evil = small_dataset / "images" / "000001.pickle", tmp_path / "evil.pickle"
    evil.write_bytes(pickle.dumps(os.system))
    arguments = ["--pixel-scale=0.4", "--unit=e-/s"]
    code, line = refused(capsys, *flags(trained, small_dataset), "--predict", evil, good, *arguments)
    assert code == 1
    assert "evil.pickle" in line
    assert len((trained / "figures" / "measured.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (np.ones((16, 16, 3)), [], "image.npy"),
        (np.full((16, 16), np.nan), [], "image.npy"),
        (np.arange(256.0).reshape(16, 16), ["--unit=e-/s"], "--pixel-scale"),
        (np.arange(256.0).reshape(16, 16), ["--pixel-scale=0.4"], "--unit"),
        (np.arange(64.0).reshape(8, 8), ["--pixel-scale=0.4", "--unit=e-/s"], "image.npy"),
        (np.arange(256.0).reshape(16, 16), ["--pixel-scale=0.4", "--unit=e-"], "--exposure-time"),
    ],
)
def test_images_that_cannot_be_used(trained, small_dataset, capsys, tmp_path, content, arguments, message):
    np.save(tmp_path / "image.npy", content)
    code, line = refused(capsys, *flags(trained, small_dataset), "--predict", tmp_path / "image.npy", *arguments)
    assert code in (1, 2)
    assert message in line


def test_real_lenses_are_measured(trained, real_data, capsys, small_dataset):
    lenses = real_data / "real_lenses"
    euclid = lenses / "euclid_q1_102018665" / "data.fits"
    assert model_and_figures.main([*flags(trained, small_dataset), f"--predict={euclid}", "--hdu=VIS_BGSUB"]) == 0
    assert "from zero point 24.60 to 25.72" in capsys.readouterr().out
    slacs = [str(lenses / name / "data.fits") for name in ("slacs_j0946+1006", "slacs_j1430+4105")]
    calibration = ["-ps=0.05", "--unit=e-/s", "-zp=25.94"]
    assert model_and_figures.main([*flags(trained, small_dataset), "-p", *slacs, *calibration]) == 0
    assert len((trained / "figures" / "measured.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--labels=src-redshift,nonsense"], 2, "no label 'nonsense'"),
        (["--dataset-dir=nowhere"], 1, "make one with generate_data.py"),
        (["-v=0.5", "-t=0.5"], 2, "cannot be split"),
        (["--cmap=rainbowz"], 2, "rainbow"),
        (["--labels=src-redshift", "--epochs=0"], 2, "--epochs"),
        (["--predict", "x.fits", "--model-file=nowhere.keras"], 1, "nowhere.keras"),
        (["--figure-format=bmp"], 2, "--figure-format"),
        (["--figures-dir=/proc/figures"], 1, "--figures-dir /proc/figures"),
    ],
)
def test_bad_input_is_one_line(tmp_path, small_dataset, capsys, arguments, code, message):
    got, line = refused(capsys, *flags(tmp_path, small_dataset), "--quiet", *arguments)
    assert got == code
    assert message in line
    assert not (tmp_path / "n.keras").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", pickle.dumps({"a": 1}), b"\x89HDF\r\n\x1a\n"])
def test_foreign_network_is_refused(tmp_path, small_dataset, capsys, content):
    (tmp_path / "n.keras").write_bytes(content)
    code, line = refused(capsys, *flags(tmp_path, small_dataset), "--predict", "x.fits")
    assert code == 1
    assert "n.keras" in line


@pytest.mark.parametrize(
    "change", [{"image-shape": [8, 8]}, {"pixel-scale": "wide"}, {"labels": []}, {"zero-point": None}, {"labels": [3]}]
)
def test_network_with_a_foreign_record_is_refused(trained, tmp_path, small_dataset, capsys, change):
    from stronglens.training import load_network, save_network

    network, record = load_network(trained / "n.keras")
    save_network(network, tmp_path / "n.keras", record | change)
    image = small_dataset / "images" / "000001.pickle"
    given = ["--pixel-scale=0.4", "--unit=e-/s", "--zero-point=25.72"]
    code, line = refused(capsys, *flags(tmp_path, small_dataset), "--predict", image, *given)
    assert code == 1
    assert "n.keras holds a damaged or foreign record" in line or "too small" in line


def test_dataset_of_another_task(tmp_path, small_dataset, capsys):
    shutil.copytree(small_dataset, tmp_path / "d")
    manifest = json.loads((tmp_path / "d" / "manifest.json").read_text())
    manifest["parameters"]["task"] = "finding"
    manifest["checksums"]["manifest.json"] = manifest_checksum(manifest)
    (tmp_path / "d" / "manifest.json").write_text(json.dumps(manifest))
    code, line = refused(capsys, *flags(tmp_path, tmp_path / "d"))
    assert code == 1
    assert "--task finding" in line


def test_labels_without_value_lists_what_can_be_learned(small_dataset, capsys, tmp_path):
    for dataset in (small_dataset, tmp_path / "none"):
        with pytest.raises(SystemExit) as caught:
            model_and_figures.main([f"--dataset-dir={dataset}", "--labels"])
        assert caught.value.code == 0
        table = capsys.readouterr().out
        for word in ("src-redshift", "einstein-radius", "magnification", "arcsec", "redshift of the source"):
            assert word in table


def test_redshift_that_leaves_no_trace_is_warned_of_before_the_training(tmp_path, capsys, monkeypatch):
    generate_data.main([*SMALL, "-n=12", "--redshift-effects=none", f"--dataset-dir={tmp_path / 'd'}", "--quiet"])
    trained = []
    monkeypatch.setattr("stronglens.regression.train.train_network", lambda *_: trained.append(capsys.readouterr().err))
    monkeypatch.setattr("stronglens.regression.report.write_report", lambda *_: {})
    model_and_figures.main(flags(tmp_path, tmp_path / "d"))
    assert "its images do not depend on src-redshift" in trained[0]


@pytest.mark.slow
def test_killed_training_resumes(tmp_path, small_dataset):
    arguments = [*flags(tmp_path, small_dataset), "-e=60", "-mlr=1e-4"]
    command = [sys.executable, "model_and_figures.py", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_until((tmp_path / "n.resume.npz").exists, process)
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "figures" / "metrics.json").exists()
    assert model_and_figures.main([*arguments, "--resume"]) == 0
    history = (tmp_path / "figures" / "logs" / "history.csv").read_text().splitlines()
    assert len(history) == 1 + 60
    assert sorted(path.stem for path in (tmp_path / "figures").glob("*.png")) == FIGURES
    assert not (tmp_path / "n.resume.npz").exists()

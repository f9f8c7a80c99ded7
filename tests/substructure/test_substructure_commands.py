"""The task with both commands: simulated and public data, metrics, figures, prediction, bad input."""

import contextlib
import csv
import io
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import generate_data
import model_and_figures
from stronglens.substructure.figures import share_text

ROOT = Path(__file__).parents[2]
SMALL = ["--task=substructure", "--grid-size=32", "--pixel-scale=0.1", "--over-sampling=1", "--subhalo-mass-min=1e8"]
FIGURES = ["auc_against", "ceiling", "confusion", "history", "mistakes", "reliability", "roc", "samples"]


def refused(capsys, command, *arguments):
    with pytest.raises(SystemExit) as caught:
        command.main([*map(str, arguments)])
    return caught.value.code, capsys.readouterr().err.strip().splitlines()[-1]


def table(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def table_of_areas(printed):
    """Return the table of areas in the terminal output: cells by the title of the line."""
    lines = printed.split("Area under the ROC curve of each class against no")[1].split("\n\n")[0].splitlines()[1:]
    assert lines[0].split() == ["sphere", "vortex"]
    assert max(map(len, lines)) <= 100
    return {line[:32].strip(): line[32:].split("  ") for line in lines}


def train(folder, dataset, *more):
    flags = [f"--dataset-dir={dataset}", f"--figures-dir={folder / 'figures'}", f"--model-file={folder / 'n.keras'}"]
    return ["--task=substructure", *flags, "--network=resnet18", "-e=1", "-b=16", "--ceiling-images=3", *more]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated") / "dataset"
    assert generate_data.main([*SMALL, "-n=90", f"--dataset-dir={folder}", "--quiet"]) == 0
    return folder


# One measured image of each class is asked for, and the figure of samples shows the effects of four.
@pytest.fixture(scope="module")
def trained(tmp_path_factory, simulated):
    folder = tmp_path_factory.mktemp("trained")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert model_and_figures.main(train(folder, simulated, "--ceiling-images=1", "--test-split=0.2")) == 0
    (folder / "printed.txt").write_text(printed.getvalue())
    return folder


@pytest.fixture(scope="module")
def public(tmp_path_factory):
    """Images like those of the public datasets: (1, H, W), 0 to 1, in folders train and val."""
    folder = tmp_path_factory.mktemp("public")
    random = np.random.default_rng(1)
    for part, number in (("train", 20), ("val", 5)):
        for name in ("no", "sphere", "vort"):
            (folder / part / name).mkdir(parents=True)
            for index in range(number):
                np.save(folder / part / name / f"{index}.npy", random.random((1, 36, 36)))
    return folder


def test_report(trained, simulated):
    figures = trained / "figures"
    assert sorted(path.stem for path in figures.glob("*.png")) == FIGURES
    metrics = json.loads((figures / "metrics.json").read_text())
    assert metrics["images"] == 18
    for name in ("sphere", "vortex"):
        against = metrics["against_no"][name]
        assert set(against) == {"scalars", "network", "refit", "known"}
        assert against["known"]["value"] >= against["refit"]["value"] > 0.5
        share, reach = metrics["share_of_ceiling"][name], against["refit"]["value"] - 0.5
        if share["value"] is None:
            assert reach < 0.05
        else:
            assert share["value"] == pytest.approx((against["network"]["value"] - 0.5) / reach)
    cells = table_of_areas((trained / "printed.txt").read_text())
    for title in ("scalar measurements", "network", "matched filter, lens refitted", "matched filter, lens known"):
        assert len([cell for cell in cells[title] if cell.strip()]) == 2
    shares = [cell.strip() for cell in cells["share of the upper limit"] if cell.strip()]
    assert shares == [share_text(share) for share in metrics["share_of_ceiling"].values()]
    assert set(metrics["in_bins"]) == {"snr", "substructure-snr"}  # the mass is the same in all
    rows = table(figures / "predictions.csv")
    assert [row["true"] for row in rows].count("vortex") == 6
    for row in rows:
        shares = {name: float(row[f"P({name})"]) for name in ("no", "sphere", "vortex")}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-4)
        assert row["predicted"] == max(shares, key=shares.get)
    labels = table(simulated / "labels.csv")
    classes = {row["file"]: int(float(row["substructure"])) for row in labels}
    assert all(classes[row["file"]] == ("no", "sphere", "vortex").index(row["true"]) for row in rows)


def test_the_network_loads_where_only_keras_is(trained, simulated):
    program = (
        "import keras, numpy, sys; network = keras.saving.load_model(sys.argv[1], compile=False); "
        "print(network.predict(numpy.ones((2, 32, 32), 'float32'), verbose=0).sum(axis=1))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, trained / "n.keras"], capture_output=True, text=True, cwd="/", check=True
    )
    assert done.stdout.strip().splitlines()[-1] == "[1. 1.]" or "0.99" in done.stdout


def test_telescope_images_are_classified(trained, tmp_path, capsys):
    np.save(tmp_path / "lens.npy", np.random.default_rng(1).random((40, 40)))
    flags = ["--task=substructure", f"--model-file={trained / 'n.keras'}", f"--figures-dir={tmp_path}"]
    files = [f"--predict={tmp_path / 'lens.npy'}", "-ps=0.1", "--unit=e-/s", "-zp=25.94"]
    assert model_and_figures.main([*flags, *files]) == 0
    said = capsys.readouterr().out
    assert "P(vortex)" in said
    (row,) = table(tmp_path / "measured.csv")
    # The verdict is from the network's test: after one epoch on 63 images its accuracy is that of a random guess.
    metrics = json.loads((trained / "figures" / "metrics.json").read_text())
    chance = metrics["baseline"]["accuracy"]["value"]
    assert chance == pytest.approx(1 / 3)
    assert float(row["accuracy"]) == pytest.approx(metrics["accuracy"]["value"], abs=1e-4)
    assert float(row["accuracy-by-chance"]) == pytest.approx(chance, abs=1e-4)
    assert row["learned"] == ("yes" if metrics["accuracy"]["low"] > chance else "no")
    assert ("NOT LEARNED: the accuracy is not above this baseline" in said) == (row["learned"] == "no")
    assert f"of always predicting the most frequent class: {chance:.3f}" in said
    assert 0 <= float(row["unlike-percentile"]) <= 100
    assert "farther from the training set than" in row["notes"]
    assert sum(float(row[f"P({name})"]) for name in ("no", "sphere", "vortex")) == pytest.approx(1, abs=1e-4)
    code, line = refused(capsys, model_and_figures, f"--model-file={trained / 'n.keras'}", files[0])
    assert code == 1
    assert "trained for --task substructure" in line


def test_lens_light_is_reported_if_training_had_none(trained, simulated, tmp_path, capsys):
    y, x = np.mgrid[15.5:-16:-1, -15.5:16] * 0.1
    images = []
    for index in range(30):
        with open(simulated / "images" / f"{index:06d}.pickle", "rb") as file:
            images.append(np.asarray(pickle.load(file)))
    light = 2 * np.max(images[0]) * np.exp(-np.hypot(x, y) / 0.2)
    for index, image in enumerate(images):
        np.save(tmp_path / f"own{index}.npy", image)
    np.save(tmp_path / "light.npy", images[0] + light)
    flags = ["--task=substructure", f"--model-file={trained / 'n.keras'}", f"--figures-dir={tmp_path}", "--quiet"]
    files = ["--predict", *map(str, sorted(tmp_path.glob("*.npy"))), "-ps=0.1", "--unit=e-/s", "-zp=25.94"]
    assert model_and_figures.main([*flags, *files]) == 0
    notes = {row["file"].split("/")[-1]: row["notes"] for row in table(tmp_path / "measured.csv")}
    assert "trained without lens light (--lens-light=off)" in notes.pop("light.npy")
    assert not any("LIGHT AT THE CENTRE" in note for note in notes.values())  # 1 % of images like these have it


def test_public_folders_with_both_commands(public, tmp_path, capsys):
    dataset = tmp_path / "dataset"
    arguments = ["--task=substructure", f"--convert-from={public}", f"--dataset-dir={dataset}"]
    assert generate_data.main(arguments) == 0
    assert "75 images" in capsys.readouterr().out
    assert model_and_figures.main(train(tmp_path, dataset)) == 0
    printed = capsys.readouterr().out
    assert "No upper limit: external images" in printed
    cells = table_of_areas(printed)
    assert "network" in cells
    assert not any("matched filter" in title or "share" in title for title in cells)
    drawn = sorted(path.stem for path in (tmp_path / "figures").glob("*.png"))
    assert drawn == sorted(set(FIGURES) - {"ceiling", "auc_against"})  # neither noise nor masses are known
    metrics = json.loads((tmp_path / "figures" / "metrics.json").read_text())
    assert metrics["images"] == 15  # those of val, and no others
    row = table(tmp_path / "figures" / "predictions.csv")[0]
    assert row["source"].startswith("val/no/")
    files = [f"--predict={public / 'val' / 'no' / '0.npy'}", f"--figures-dir={tmp_path / 'measured'}"]
    assert model_and_figures.main(["--task=substructure", f"--model-file={tmp_path / 'n.keras'}", *files]) == 0
    np.save(tmp_path / "wide.npy", np.ones((36, 40)))
    network = ["--task=substructure", f"--model-file={tmp_path / 'n.keras'}", f"--figures-dir={tmp_path / 'measured'}"]
    code, line = refused(capsys, model_and_figures, *network, f"--predict={tmp_path / 'wide.npy'}")
    assert code == 1
    assert "40 x 36 pixels" in line
    code, line = refused(capsys, model_and_figures, *network, files[0], "--pixel-scale=0.1")
    assert code == 2
    assert "--pixel-scale does not apply to a network" in line
    code, line = refused(capsys, model_and_figures, *train(tmp_path, dataset, "--simulate"))
    assert code == 2
    assert "this one was converted" in line


def test_fresh_simulations_train_it(simulated, tmp_path):
    assert model_and_figures.main(train(tmp_path, simulated, "--simulate", "--ceiling-images=0", "--quiet")) == 0
    metrics = json.loads((tmp_path / "figures" / "metrics.json").read_text())
    assert "refit" not in metrics["against_no"]["sphere"]


def test_without_noise_there_is_no_ceiling(tmp_path, capsys):
    dataset = tmp_path / "dataset"
    assert generate_data.main([*SMALL, "--telescope=none", "-n=60", f"--dataset-dir={dataset}", "--quiet"]) == 0
    assert model_and_figures.main(train(tmp_path, dataset)) == 0
    assert "the images are noise-free" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--lens-model=composite"], "--lens-model=sie"),
        (["--subhalo-truncation=3"], "use --subhalo-profile=nfw"),
        (["--subhalo-number=20000"], "between 0 and 10000"),
    ],
)
def test_what_cannot_be_simulated_is_refused(flags, words, tmp_path, capsys):
    code, line = refused(capsys, generate_data, *SMALL, *flags, f"--dataset-dir={tmp_path / 'd'}")
    assert code == 2
    assert words in line


def test_flags_of_a_task_apply_to_this_task_only(capsys):
    assert "applies to --task=substructure" in refused(capsys, generate_data, "--subhalo-number=3")[1]
    said = refused(capsys, model_and_figures, "--network=resnet18")[1]
    assert "--network must be report, resnet or convnext; received resnet18" in said
    assert (
        "applies to --task=regression" in refused(capsys, model_and_figures, "--task=substructure", "--labels=snr")[1]
    )


def test_a_misnamed_or_missing_class_is_refused(public, tmp_path, capsys):
    wrong = tmp_path / "wrong"
    for name in ("no", "spere", "vort"):
        (wrong / name).mkdir(parents=True)
        np.save(wrong / name / "0.npy", np.ones((36, 36)))
    code, line = refused(
        capsys, generate_data, "--task=substructure", f"--convert-from={wrong}", f"--dataset-dir={tmp_path / 'd'}"
    )
    assert code == 2
    assert "spere" in line
    assert "sphere" in line
    (wrong / "spere").rename(tmp_path / "away")
    line = refused(
        capsys, generate_data, "--task=substructure", f"--convert-from={wrong}", f"--dataset-dir={tmp_path / 'd'}"
    )[1]
    assert "sphere" in line
    code, line = refused(capsys, model_and_figures, "--task=substructure", f"--dataset-dir={public}")
    assert code == 1
    assert "--convert-from" in line
    code, line = refused(
        capsys, generate_data, "--task=substructure", f"--convert-from={public}", f"--dataset-dir={public / 'd'}"
    )
    assert code == 2
    assert "give another folder" in line

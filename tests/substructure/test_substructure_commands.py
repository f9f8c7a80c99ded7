"""The commands of the task: simulated data, metrics, figures, prediction, bad input."""

import contextlib
import io
import json
import os
import pickle
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from small_classifier import FIGURES, SMALL, refused, table, table_of_areas, train

import generate_data
import model_and_figures
from stronglens.execution import open_executor
from stronglens.regression.network import build_network
from stronglens.scaling import fit_image_scaling, fit_label_scaling
from stronglens.substructure import ceiling
from stronglens.substructure.figures import share_text
from stronglens.training import fit, load_network

pytestmark = [pytest.mark.command, pytest.mark.usefixtures("shallow_resnet")]


# One measured image of each class is asked for, and the figure of samples shows the effects of four.
@pytest.fixture(scope="module")
def trained(tmp_path_factory, simulated, shallow_resnet):
    folder = tmp_path_factory.mktemp("trained")
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        # Another process would first import JAX and PyAutoLens, for a dozen seconds.
        patch.setattr(ceiling, "open_executor", lambda processes: open_executor(0))
        assert model_and_figures.main(train(folder, simulated, "--ceiling-images=1", "--test-split=0.2")) == 0
    (folder / "printed.txt").write_text(printed.getvalue())
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


@pytest.mark.slow
def test_networks_open_where_only_keras_is(trained, simulated, tmp_path):
    """With either backend; a classifier of this task and a network of regression."""
    with open(simulated / "images" / "000000.pickle", "rb") as file:
        lenses = np.asarray(pickle.load(file), np.float32)[None]
    network, _ = load_network(trained / "n.keras")
    rng = np.random.default_rng(0)
    blobs, places = rng.normal(size=(30, 16, 16)).astype(np.float32), rng.normal(size=(30, 2))
    regression = build_network(blobs.shape[1:], fit_image_scaling(blobs), fit_label_scaling(places, ["x", "y"]), 3)
    fit(regression, (blobs, places), None, label_names=["x", "y"], model_file=tmp_path / "r.keras", epochs=1,
        learning_rate=1e-3, quiet=True)  # fmt: skip
    expected = network.predict(lenses, verbose=0), regression.predict(blobs, verbose=0)
    np.savez(tmp_path / "images.npz", lenses, blobs)
    program = textwrap.dedent(
        """
        import sys
        import keras, numpy as np
        files, images = sys.argv[1:3], np.load("images.npz")
        networks = [keras.saving.load_model(file) for file in files]
        found = [network.predict(images[name], verbose=0) for network, name in zip(networks, images)]
        np.savez(sys.argv[3], *found)
        assert "stronglens" not in sys.modules
        """
    )
    for backend in ("tensorflow", "jax"):
        subprocess.run(
            [sys.executable, "-c", program, trained / "n.keras", "r.keras", f"{backend}.npz"],
            env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": ""},
            stderr=subprocess.DEVNULL,
            cwd=tmp_path,
            check=True,
        )
        with np.load(tmp_path / f"{backend}.npz") as found:
            classes, labels = found.values()
        assert classes.sum() == pytest.approx(1)
        if backend == "tensorflow":
            assert np.array_equal(classes, expected[0])
        # Another backend sums in another order: float32 rounding, of the classifier through many layers.
        np.testing.assert_allclose(classes, expected[0], rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(labels, expected[1], rtol=1e-5, atol=1e-5)


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
    assert f"of always predicting the most frequent class: {chance:.3f}" in " ".join(said.split())  # it is wrapped
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


@pytest.mark.slow
def test_fresh_simulations_train_it(simulated, tmp_path):
    assert model_and_figures.main(train(tmp_path, simulated, "--simulate", "--ceiling-images=0", "--quiet")) == 0
    metrics = json.loads((tmp_path / "figures" / "metrics.json").read_text())
    assert "refit" not in metrics["against_no"]["sphere"]


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

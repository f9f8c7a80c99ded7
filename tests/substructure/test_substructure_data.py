"""The task's commands on public images, which have neither noise nor masses, and on images without noise."""

import json

import numpy as np
import pytest
from small_classifier import FIGURES, SMALL, refused, table, table_of_areas, train

import generate_data
import model_and_figures

pytestmark = [pytest.mark.command, pytest.mark.usefixtures("shallow_resnet")]


@pytest.mark.slow
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


@pytest.mark.slow
def test_without_noise_there_is_no_ceiling(tmp_path, capsys):
    dataset = tmp_path / "dataset"
    assert generate_data.main([*SMALL, "--telescope=none", "-n=60", f"--dataset-dir={dataset}", "--quiet"]) == 0
    assert model_and_figures.main(train(tmp_path, dataset)) == 0
    assert "the images are noise-free" in capsys.readouterr().out

"""The whole commands of the generation task."""

import json

import pytest
from small_datasets import SMALL

import generate_data
import model_and_figures

pytestmark = pytest.mark.command


def run(*arguments):
    return model_and_figures.main(["--task=generation", "--quiet", *arguments])


def test_the_task_has_no_simulator(capsys):
    with pytest.raises(SystemExit):
        generate_data.main(["--task=generation"])
    assert "learns from datasets of the tasks regression" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--simulate"], "--simulate applies to --task=regression"),
        (["--latents=20", "--components=10"], "at most --components=10"),
        (["--sampler=prior", "--network=autoencoder"], "no prior"),
        (["--sampler=prior", "--condition=snr"], "use flow or gmm"),
        (["--more-latents=2,x"], "received x"),
        (["--example=iris", "--spectra=here"], "exclude each other"),
    ],
)
def test_what_does_not_fit_together_is_refused(flags, words, capsys):
    with pytest.raises(SystemExit):
        run(*flags)
    assert words in capsys.readouterr().err


@pytest.mark.slow
def test_images_are_compressed_tested_and_generated(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert generate_data.main([*SMALL, "-n=600", "--quiet"]) == 0
    flags = ["--components=20", "--latents=4", "--sampler=gmm", "--condition=einstein-radius"]
    assert run("-e=2", "--more-latents=2", *flags) == 0
    metrics = json.loads((tmp_path / "figures" / "metrics.json").read_text())
    assert metrics["compression"]["truth"]["ratio"]["value"] < 1.3, "it begins as PCA"
    assert set(metrics["compression-by-latents"]) == {"2", "4"}
    assert metrics["samples"]["asked"]["einstein-radius"]["generated"] < 2
    drawn = {path.stem for path in (tmp_path / "figures").glob("*.png")}
    assert drawn >= {"reconstructions", "grid", "latents", "codes", "samples", "statistics", "errors", "losses"}
    assert run("--sample=20") == 0
    assert (tmp_path / "generated" / "labels.csv").read_text().startswith("file,einstein-radius")
    with pytest.raises(SystemExit):
        model_and_figures.main(["--dataset-dir=generated", "--labels=einstein-radius", "--quiet"])
    assert "--use-generated" in capsys.readouterr().err

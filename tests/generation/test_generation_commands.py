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
        (["--sampler=prior", "--condition=snr"], "use flow, flow-matching, gmm or gan"),
        (["--more-latents=2,x"], "received x"),
        (["--example=iris", "--spectra=here"], "exclude each other"),
        (["--gan-space=latents"], "does not apply with --network=vae"),
        (["--network=gan", "--sampler=flow"], "draws its own random numbers"),
        (["--network=gan", "--optimizer=sgd"], "--optimizer does not apply"),
        (["--network=gan", "--valid-split=0"], "needs validation images"),
        (["--network=gan", "--predict", "x.fits"], "no encoder"),
        (["--network=cyclegan"], "needs --target-dir"),
        (["--network=cyclegan", "--target-dir=b", "--sample=5"], "it translates images"),
        (["--target-dir=b"], "applies with --network=cyclegan only"),
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
    players = ["--network=gan", "--width=8", "--latents=4", "--condition=einstein-radius", "-e=2"]
    assert run(*players, "--figures-dir=gan", "--model-file=models/gan.keras") == 0
    metrics = json.loads((tmp_path / "gan" / "metrics.json").read_text())
    assert metrics["training"]["epochs"] == 2
    assert "einstein-radius" in metrics["samples"]["asked"]
    assert {path.name for path in (tmp_path / "gan").iterdir()} >= {"epochs.gif", "samples.png", "losses.png"}
    assert run("--network=gan", "--sample=20", "--model-file=models/gan.keras", "--sample-dir=made") == 0
    assert json.loads((tmp_path / "made" / "manifest.json").read_text())["generated"]["network"] == "gan"


@pytest.mark.slow
def test_images_are_translated_between_two_datasets(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, more in {"a": [], "b": ["--noise-correlation=0.4"]}.items():
        assert generate_data.main([*SMALL, "-n=300", f"--dataset-dir={name}", "--quiet", *more]) == 0
    labels = ["--labels=einstein-radius", "-e=1", "--quiet", "--figures-dir=r"]
    assert model_and_figures.main([*labels, "--dataset-dir=a", "--model-file=models/r.keras"]) == 0
    flags = ["--network=cyclegan", "--width=4", "--depth=1", "-e=1", "--target-dir=b", "--dataset-dir=a"]
    flags += ["--learning-rate=1e-6"]  # such that the translators stay where they begin
    arguments = ["--task=generation", *flags, "--features-from=models/r.keras", "--target-network=models/r.keras"]
    capsys.readouterr()
    assert model_and_figures.main(arguments) == 0
    said = capsys.readouterr().out
    assert "come from the same draws" in said
    assert "einstein-radius, measured less true [arcsec]" in said
    metrics = json.loads((tmp_path / "figures" / "metrics.json").read_text())
    assert metrics["pairs"]["back"]["ratio"]["value"] < 1.2, "they begin as the identity"
    sets = metrics["label"]["sets"]
    assert sets["trained on the target"] == sets["as it is"], "it is the same network"
    assert {path.name for path in (tmp_path / "figures").iterdir()} >= {"there-and-back.png", "epochs.gif"}

"""Posteriors from the command line: training, test, measurement and export."""

import contextlib
import csv
import io
import json
import pickle
import zipfile

import numpy as np
import pytest

import generate_data
import model_and_figures
from stronglens.regression import report
from stronglens.regression.posterior import Posterior
from stronglens.training import load_network

pytestmark = [pytest.mark.command, pytest.mark.filterwarnings("ignore::UserWarning:coolest")]

# All that the image of an isothermal lens depends on, what is fixed left out.
LABELS = "einstein-radius-sie,lens-ellip-x,lens-ellip-y,src-center-x,src-center-y"
FIXED = [
    "--lens-light=off", "--lens-center-var=0", "--shear-var=0", "--src-ellip-var=0", "-seff=0.2", "-sser=1",
    "-er=0.8,1.6", "-n=80", "--lens-model=sie", "--grid-size=16", "--pixel-scale=0.3", "--over-sampling=1",
]  # fmt: skip
LEARNING = ["-e=2", f"--labels={LABELS}", "--posterior=flow", "--augment=on", "--posterior-draws=200", "-sn=4"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, shallow_flow):
    folder = tmp_path_factory.mktemp("posterior")
    assert generate_data.main([*FIXED, f"--dataset-dir={folder / 'dataset'}", "--quiet"]) == 0
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(report, "MOST_POSTERIORS", 5)  # as if no more fitted in memory
        assert model_and_figures.main([*flags(folder), *LEARNING, f"--dataset-dir={folder / 'dataset'}"]) == 0
    (folder / "printed.txt").write_text(printed.getvalue())
    return folder


def flags(folder):
    return ["-f=jpg", f"--figures-dir={folder / 'figures'}", f"--model-file={folder / 'n.keras'}"]


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        model_and_figures.main([*map(str, arguments)])
    return caught.value.code, capsys.readouterr().err.strip().splitlines()[-1]


def test_report_has_calibration(trained):
    figures = trained / "figures"
    drawn = {path.stem for path in figures.glob("*.jpg")}
    assert {"coverage", "ranks", "contraction", "posteriors", "corner", "predictions", "losses"} <= drawn
    found = json.loads((figures / "metrics.json").read_text())["posterior"]
    off = {name: entry["coverage_deviation"]["value"] for name, entry in found["labels"].items()}
    off["joint"] = found["joint"]["coverage_deviation"]["value"]
    assert set(off) == {*LABELS.split(","), "joint"}
    largest = found["largest_coverage_deviation"]
    assert largest["value"] == max(off.values()) == off[largest["where"]]
    with zipfile.ZipFile(trained / "n.keras") as file:
        assert set(json.loads(file.read("stronglens.json"))["familiarity"]) >= {"summary", "width", "centre", "texture"}
    with open(figures / "predictions.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5
    assert "Posteriors are tested on 5 of the 8 test images" in (trained / "printed.txt").read_text()  # a tenth of 80
    for row in rows:
        ends = [float(row[f"einstein-radius-sie-q{share}"]) for share in ("2.5", "16", "50", "84", "97.5")]
        assert ends == sorted(ends)
        assert ends[0] >= 0.8  # the range it was drawn from
        assert ends[-1] <= 1.6


def test_lens_is_measured_modelled_and_exported(trained, tmp_path, capsys):
    image = tmp_path / "J0946.1+10.pickle"
    with open(trained / "dataset" / "images" / "000003.pickle", "rb") as file:
        image.write_bytes(pickle.dumps(pickle.load(file).astype(np.float64)))
    table = tmp_path / "published.csv"
    table.write_text(
        "file,einstein_radius_arcsec,einstein_radius_convention,axis_ratio,z_lens,z_source\n"
        "J0946.1+10.pickle,1.2,intermediate axis,0.9,0.3,1.5\n"
    )
    arguments = [f"--predict={image}", "--pixel-scale=0.3", "--unit=e-/s", "--zero-point=25.72", f"--published={table}"]
    folder = tmp_path / "measured"
    where = [f"--figures-dir={folder}", f"--model-file={trained / 'n.keras'}"]
    assert model_and_figures.main([*arguments, *where, "--coolest", "--posterior-draws=300"]) == 0
    said = capsys.readouterr().out
    assert "published  difference  in 95 %" in said
    assert said.index("lens-axis-ratio") < said.index("the training set than")  # how familiar it is: below its table
    assert "(do not extrapolate):\n  einstein-radius-sie 0.8 to 1.6; " in said
    with open(folder / "measured.csv") as file:
        (measured,) = csv.DictReader(file)
    assert (float(measured["field-x"]), float(measured["field-y"])) == (0, 0)
    assert 0 <= float(measured["unlike-percentile"]) <= 100
    assert "the training set than" in measured["notes"]
    with open(folder / "posteriors.csv") as file:
        rows = {row["label"]: row for row in csv.DictReader(file)}
    assert set(rows) == {*LABELS.split(","), "lens-axis-ratio"}
    assert float(rows["einstein-radius-sie"]["published"]) == 1.2
    # Two epochs on 56 images: what was not learned is said in every output, and not compared.
    verdicts = dict(text.split(": ") for text in measured["learned"].split("; "))
    metrics = json.loads((trained / "figures" / "metrics.json").read_text())["labels"]
    for label, row in rows.items():
        if label in metrics:
            assert row["learned"] == verdicts[label]
            assert row["learned"] == "no" or metrics[label]["r2"]["low"] > 0
        assert (row["inside-95"] == "") == (row["published"] == "" or row["learned"] == "no")
    assert "no" in verdicts.values()
    assert "NOT LEARNED by this network" in said
    assert rows["einstein-radius-sie"]["unlike-percentile"] == measured["unlike-percentile"]
    # One statistic everywhere: the median, which a change of variable moves along, named in the header.
    assert {name: measured[f"{name}-median"] for name in LABELS.split(",")} == {
        name: rows[name]["median"] for name in LABELS.split(",")
    }
    assert not set(LABELS.split(",")) & set(measured)
    draws = np.genfromtxt(folder / f"draws_{tmp_path.name}_J0946.1+10.csv", delimiter=",", names=True, deletechars="")
    assert len(draws) == 300
    with open(image, "rb") as file:
        by_hand = Posterior(*load_network(trained / "n.keras")).sample_images(pickle.load(file)[None], 300)[0]
    for name, values in zip(LABELS.split(","), by_hand.T, strict=True):
        np.testing.assert_allclose(draws[name], values, rtol=1e-4, atol=1e-5)  # but for rounding
    assert np.median(draws["lens-axis-ratio"]) == pytest.approx(float(rows["lens-axis-ratio"]["median"]), rel=1e-5)
    assert (folder / f"lens_{tmp_path.name}_J0946.1+10.png").stat().st_size > 5000
    names = {"coolest.json", "image.fits", "mask.fits", "noise_map.fits", "psf.fits"}
    assert {file.name for file in (folder / f"coolest_{tmp_path.name}_J0946.1+10").iterdir()} == names
    exported = json.loads((folder / f"coolest_{tmp_path.name}_J0946.1+10" / "coolest.json").read_text())
    assert {entity["type"] for entity in exported["lensing_entities"]} == {"Galaxy", "MassField"}
    assert exported["meta"]["origin"] == "(x, y) = (+0.0000, +0.0000) arcsec from the middle of the image's file"
    assert "the training set than" in exported["meta"]["notes"]
    assert exported["meta"]["learned"] == measured["learned"]
    assert "NOT LEARNED by this network" in exported["meta"]["doubtful"]


def test_a_table_of_other_lenses_is_refused(trained, tmp_path, capsys):
    image, table = trained / "dataset" / "images" / "000003.pickle", tmp_path / "published.csv"
    table.write_text("name,axis_ratio\nSLACSJ0946,0.8\n")
    where = [f"--figures-dir={tmp_path}", f"--model-file={trained / 'n.keras'}"]
    given = [f"--predict={image}", "--pixel-scale=0.3", "--unit=e-/s", "--zero-point=25.72"]
    code, line = refused(capsys, *where, *given, f"--published={table}")
    assert code == 2
    assert "none of its rows is of a measured file" in line

"""Table and figure of refined posteriors, beside those of the network."""

import csv
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import params_and_cli as panel
from stronglens.dataset import write_whole
from stronglens.measuring.coolest import LENS_COLUMNS, read_coolest
from stronglens.measuring.images import ImageFile
from stronglens.plotting import new_figure
from stronglens.regression import refined_lenses
from stronglens.regression.image_fit import Evidence, ImageData, ImageFit
from stronglens.regression.image_priors import read_priors
from stronglens.regression.lens_posteriors import LensPosterior
from stronglens.regression.nested import NestedSampling
from stronglens.regression.published import POSTERIOR_COLUMNS, PublishedLens, posterior_rows, summarize
from stronglens.regression.refined_lenses import RefinedLenses
from stronglens.regression.refinement import Refinement, describe_draws, make_model
from stronglens.regression.simulator import make_simulator

LABELS = ("einstein-radius-sie", "src-center-x")
SIDE = 16


def parameters_of_lens():
    return panel.RegressionSimulation.of(
        overrides=panel.OVERRIDES, lens_model="sie", grid_size=SIDE, pixel_scale=0.3, over_sampling=1
    )


def refinement(**values):
    simulator = make_simulator(parameters_of_lens(), threads=1)
    priors, random = read_priors(simulator), np.random.default_rng(0)
    number = len(priors.names)
    templates = random.uniform(size=(3, SIDE, SIDE))
    data = ImageData(templates.sum(axis=0), np.ones((SIDE, SIDE)))
    best = ImageFit(np.zeros(number), 1.0, 150.0, templates, np.ones(3), np.eye(number))
    evidence = Evidence(150.0, 900.0, 800.0, SIDE**2, 7, 3)
    drawn = dict(zip(priors.names, priors.to_values(0.1 * random.normal(size=(80, number))).T, strict=True))
    columns, draws = describe_draws(drawn, priors, simulator.columns, LABELS)
    return Refinement(
        priors, data, best, evidence, np.zeros((1, number)), is_done=True, columns=columns, values=draws,
        model=make_model(best, priors, data, 2), notes=("NOT CONVERGED",), nested=NestedSampling.start(number, 0),
        **values,
    )  # fmt: skip


@pytest.fixture
def lens(tmp_path):
    """Refined lenses whose work is replaced by a given result, and the posterior of the network."""
    found, image = refinement(), ImageFile("there/lens.fits")
    prepared = SimpleNamespace(image=found.data.image, mask=None, noise=1.0)
    prediction = SimpleNamespace(draws=np.zeros((5, 2)))
    measured = SimpleNamespace(name="lens.fits", image=image, prepared=prepared, prediction=prediction)
    columns = [column for column in found.columns if column.name in LABELS]
    samples = np.random.default_rng(1).normal(1, 0.2, (60, 2))
    summaries = summarize(columns, samples, {})
    head = ",".join(["file", "path", *POSTERIOR_COLUMNS])
    rows = [",".join(["lens.fits", str(image), *row]) for row in posterior_rows(summaries, None)]
    write_whole(tmp_path / "posteriors.csv", "\n".join([head, *rows]) + "\n")
    parameters = SimpleNamespace(
        quiet=False, figures_dir=tmp_path, figure_format="png", cmap="magma", seed=0, resume=False, refine_from=None,
        coolest=False, refine_source="sersic",
    )  # fmt: skip
    lenses = RefinedLenses(
        parameters, SimpleNamespace(made_with=object(), labels=LABELS, lens_model="sie", pixel_scale=0.3)
    )
    return lenses, LensPosterior(measured, columns, samples, PublishedLens({}), summaries), found


def test_both_posteriors_stand_side_by_side(lens, tmp_path, monkeypatch, capsys):
    lenses, one, found = lens
    monkeypatch.setattr(lenses, "_refine", lambda *_: found)
    assert lenses.write([one], None) == []
    rows = {row["label"]: row for row in csv.DictReader((tmp_path / "posteriors.csv").read_text().splitlines())}
    both, added = rows["src-center-x"], rows["shear-1"]
    assert float(both["median"]) == pytest.approx(1, abs=0.2)  # of the network
    place = [column.name for column in found.columns].index("src-center-x")
    assert float(both["refined-mean"]) == pytest.approx(found.values[:, place].mean(), rel=1e-5)
    assert added["median"] == ""
    assert added["path"] == "there/lens.fits"
    assert "lens-axis-ratio" in rows
    assert list(tmp_path.glob("refined_*.png"))
    assert list(tmp_path.glob("draws_*_refined.csv"))
    assert "NOT CONVERGED" in capsys.readouterr().out


def test_an_image_without_a_lens_is_named_and_leaves_the_table(lens, tmp_path, monkeypatch, capsys):
    lenses, one, _ = lens
    before = (tmp_path / "posteriors.csv").read_text()
    evidence = Evidence(150.0, 151.0, 150.5, SIDE**2, 7, 3)
    found = SimpleNamespace(is_lens=False, evidence=evidence, notes=("a neighbour is left out",))
    monkeypatch.setattr(lenses, "_refine", lambda *_: found)
    assert lenses.write([one], None) == []
    printed = capsys.readouterr().out
    assert "no evidence of a lens" in printed
    assert "a neighbour is left out" in printed
    assert (tmp_path / "posteriors.csv").read_text() == before


def test_refined_images_are_kept_by_resume_unless_a_setting_changed(lens, tmp_path, monkeypatch, capsys):
    lenses, one, found = lens
    begun = (tmp_path / "posteriors.csv").read_text()
    done = []
    monkeypatch.setattr(refined_lenses, "draw_lens_model", lambda *_, **__: new_figure(1, 1))
    monkeypatch.setattr(RefinedLenses, "_refine", lambda *_: done.append(1) or found)
    assert lenses.write([one], None) == []
    table = (tmp_path / "posteriors.csv").read_text()
    lenses.parameters.resume = True
    for seed, number in ((0, 1), (1, 2)):
        lenses.parameters.seed = seed
        (tmp_path / "posteriors.csv").write_text(begun)
        assert RefinedLenses(lenses.parameters, lenses.lenses).write([one], None) == []
        assert (tmp_path / "posteriors.csv").read_text() == table
        assert len(done) == number
    assert "refined before, kept" in capsys.readouterr().out


def test_coolest_holds_the_refined_model_from_which_another_run_can_start(lens, tmp_path, monkeypatch):
    lenses, one, found = lens
    seen = one.measurement
    seen.prepared.centre = seen.prepared.shift = (0.0, 0.0)
    seen.prepared.noise = np.ones((SIDE, SIDE))
    seen.observation = SimpleNamespace(camera={}, electrons=None, zero_point=None)
    seen.prediction.notes = ()
    one = replace(one, published=PublishedLens({}, 0.3, 0.9))
    lenses.parameters.coolest, lenses.lenses.verdicts, lenses.lenses.made_with = True, {}, parameters_of_lens()
    monkeypatch.setattr(refined_lenses, "draw_lens_model", lambda *_, **__: new_figure(1, 1))
    monkeypatch.setattr(lenses, "_refine", lambda *_: found)
    with ThreadPoolExecutor(1) as executor:
        assert lenses.write([one], executor) == []
    folder = tmp_path / "coolest_"  # an image file made by hand has no stem
    meta = json.loads((folder / "coolest.json").read_text())["meta"]
    assert meta["point_estimate"].startswith("best fit")
    assert "NOT CONVERGED" in meta["refined"]
    values = found.model.values
    start = dict(zip(LENS_COLUMNS, read_coolest(folder), strict=True))
    assert start == pytest.approx({name: values[name] for name in LENS_COLUMNS}, abs=1e-6)

    taken = []
    monkeypatch.undo()
    monkeypatch.setattr(refined_lenses, "refine_lens", lambda *given: taken.append(given) or found)
    lenses.parameters.refine_from = folder
    seen.prepared.shift = (0.02, -0.01)  # the centre of the cut-out lies above that of the template
    assert lenses._refine(one, lenses.lenses.made_with, None) is found
    _, labels, draws = taken[0][:3]
    assert labels == LENS_COLUMNS
    x, y = start["lens-center-x"] + 0.01, start["lens-center-y"] - 0.02
    assert draws[0, :3] == pytest.approx([start["einstein-radius-sie"], x, y])

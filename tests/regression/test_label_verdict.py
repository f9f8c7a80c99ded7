"""Verdicts on labels from the test of a network, and their use in measurements."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from stronglens.evaluation import posterior_metrics, regression_metrics
from stronglens.measuring import Prediction
from stronglens.parameters import Column
from stronglens.regression.label_verdict import (
    LabelVerdict,
    add_derived,
    describe_verdicts,
    judge_image,
    judge_labels,
    list_learned,
)
from stronglens.regression.lens_posteriors import list_remarks
from stronglens.regression.prediction import find_wide
from stronglens.regression.published import POSTERIOR_COLUMNS, posterior_rows, posterior_table, summarize

NAMES = ["sharp", "blind", "narrow", "src-redshift"]
IMAGES, DRAWS = 400, 200
rng = np.random.default_rng(0)
TRUTH = rng.uniform(-1, 1, (IMAGES, 4))
PRIOR = rng.uniform(-1, 1, (2000, 4))


def draw():
    """Posteriors: calibrated; the prior; narrow with means independent of the truth; the prior."""
    draws = rng.uniform(-1, 1, (IMAGES, DRAWS, 4)).astype(np.float32)
    draws[..., 0] = TRUTH[:, None, 0] + 0.1 * (rng.normal(size=(IMAGES, 1)) + rng.normal(size=(IMAGES, DRAWS)))
    draws[..., 2] = rng.uniform(-0.5, 0.5, (IMAGES, 1)) + 0.05 * rng.normal(size=(IMAGES, DRAWS))
    return draws


@pytest.fixture(scope="module")
def record():
    draws = draw()
    metrics = regression_metrics(TRUTH, draws.mean(axis=1), PRIOR.mean(axis=0), NAMES, seed=0, n_bootstrap=200)
    metrics["posterior"] = posterior_metrics(TRUTH, draws, PRIOR, NAMES, seed=0, n_bootstrap=200)
    return json.loads(json.dumps({"metrics": metrics, "simulation": {"redshift-effects": "none"}}))


def test_each_label_has_its_verdict(record):
    verdicts = judge_labels(record, NAMES)
    assert {name: one.learned for name, one in verdicts.items()} == {
        "sharp": "yes",
        "blind": "no",  # posterior = prior
        # `constrained` is True of narrow posteriors; that their means do not follow the truth, R^2 says.
        "narrow": "no",
        "src-redshift": "not in images",  # simulated without an effect of redshifts
    }
    assert record["metrics"]["posterior"]["labels"]["narrow"]["constrained"] is True
    assert [verdicts[name].is_calibrated for name in ("sharp", "blind", "narrow")] == [True, True, False]
    said = describe_verdicts(verdicts)
    assert said[0].startswith("NOT LEARNED by this network")
    assert "blind (R^2" in said[0]
    assert said[1].startswith("NOT IN IMAGES")
    assert "src-redshift (simulated with --redshift-effects none)" in said[1]
    assert list_learned(verdicts) == "sharp: yes; blind: no; narrow: no; src-redshift: not in images"


def test_point_estimates_are_judged_by_r2(record):
    metrics = {key: value for key, value in record["metrics"].items() if key != "posterior"}
    verdicts = judge_labels({"metrics": metrics}, NAMES)
    assert [one.learned for one in verdicts.values()] == ["yes", "no", "no", "no"]
    assert all(one.is_calibrated is None for one in verdicts.values())


@pytest.mark.parametrize(
    "older",
    [{}, {"metrics": None}, {"metrics": {"labels": {}}}, {"metrics": {"labels": {"sharp": {"r2": 3}}, "images": 3}}],
)
def test_networks_without_a_test_have_unknown_verdicts(older):
    (verdict,) = judge_labels(older, ["sharp"]).values()
    assert (verdict.learned, verdict.is_comparable) == ("unknown", True)
    assert describe_verdicts({"sharp": verdict}) == [
        "unknown whether the network has learned: sharp (no test is recorded)"
    ]
    assert judge_labels({**older, "simulation": {"redshift-effects": "none"}}, ["src-redshift"])[
        "src-redshift"
    ].learned == "not in images"  # fmt: skip


def test_a_posterior_of_one_image_can_be_as_wide_as_the_prior(record):
    verdicts = judge_labels(record, ["sharp", "blind"])
    wide, sharp = rng.uniform(-1, 1, (DRAWS, 2)), 0.1 * rng.normal(size=(DRAWS, 2))
    assert judge_image(verdicts, wide)["sharp"].is_wide
    # And not the other label, which the network has not learned.
    assert find_wide(verdicts, wide) == ["posterior as wide as the prior for this image, although learned: sharp"]
    assert find_wide(verdicts, sharp) == []
    assert judge_image(verdicts, wide)["sharp"].word == "AS WIDE AS PRIOR"
    assert not judge_image(verdicts, wide)["sharp"].is_comparable


def test_labels_that_are_not_learned_are_not_compared(record):
    columns = [Column(name, None, "x", "") for name in NAMES]
    verdicts = judge_image(judge_labels(record, NAMES), 0.1 * rng.normal(size=(DRAWS, 4)))
    summaries = summarize(columns, 0.1 * rng.normal(size=(DRAWS, 4)), dict.fromkeys(NAMES, 0.05), verdicts)
    assert [one.is_inside for one in summaries] == [True, None, None, None]
    assert [one.difference is None for one in summaries] == [False, True, True, True]
    lines = posterior_table("d.fits", summaries)
    assert [line.split()[1:3] for line in lines[3:]] == [["NOT", "LEARNED"], ["NOT", "LEARNED"], ["NOT", "IN"]]
    assert [line.endswith("yes") for line in lines[2:]] == [True, False, False, False]
    rows = [dict(zip(POSTERIOR_COLUMNS, row, strict=True)) for row in posterior_rows(summaries, None)]
    assert [row["learned"] for row in rows] == ["yes", "no", "no", "not in images"]
    assert [row["inside-95"] for row in rows] == ["yes", "", "", ""]
    assert [row["calibrated"] for row in rows][:3] == ["yes", "yes", "no"]


def test_derived_quantities_have_the_worst_verdict_of_their_labels():
    verdicts = {
        "einstein-radius": LabelVerdict("yes"),
        "lens-ellip-x": LabelVerdict("yes"),
        "lens-ellip-y": LabelVerdict("no"),
    }
    found = add_derived(verdicts, [*verdicts, "einstein-radius-sie", "lens-axis-ratio"])
    assert found["einstein-radius-sie"].learned == "yes"  # an ellipticity moves it by 2 % at most
    assert found["lens-axis-ratio"].learned == "no"


def test_exported_files_contain_the_verdicts(record):
    measured = SimpleNamespace(prepared=SimpleNamespace(centre=(0, 0)), name="d", prediction=Prediction(np.zeros(1)))
    remarks = list_remarks(measured, judge_labels(record, NAMES))
    assert remarks["learned"] == "sharp: yes; blind: no; narrow: no; src-redshift: not in images"
    assert "NOT LEARNED" in remarks["doubtful"]

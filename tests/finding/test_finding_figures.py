"""Figures of the finding task: legible, and saying what is not measured."""

import numpy as np
import pytest
from readable_figures import assert_readable

from stronglens.finding.completeness import completeness_table
from stronglens.finding.evaluation import PREVALENCES, auroc_entry
from stronglens.finding.figures import draw_completeness, draw_mistakes, draw_purity, draw_roc
from stronglens.finding.figures.mistakes import compose_colours

RNG = np.random.default_rng(0)
LENSES, NEGATIVES = RNG.normal(2, 1, 300), RNG.normal(0, 1, 1500)


def test_roc_is_legible():
    auroc = auroc_entry(LENSES, NEGATIVES, 0, 50)
    text = assert_readable(draw_roc(LENSES, NEGATIVES, auroc, (LENSES - 1, NEGATIVES)))
    assert "300 lenses, 1,500 non-lenses" in text
    assert f"area {auroc['value']:.3f}" in text
    assert "not measured" in text


def test_completeness_is_legible_with_empty_cells():
    radius, snr = RNG.uniform(0.5, 1.1, 300), RNG.uniform(20, 100, 300)
    rows = completeness_table(LENSES, radius, snr, {"best_f1": 1.0, "one_per_cent": 2.3})
    text = assert_readable(draw_completeness(rows))
    assert "no lenses" in text
    assert "at a false-positive rate of 0.01" in text
    assert_readable(draw_completeness([row for row in rows if row["threshold"] == "best_f1"]))


@pytest.mark.parametrize("shift", [0, 10])
def test_purity_is_legible(shift):
    text = assert_readable(draw_purity(LENSES + shift, NEGATIVES, PREVALENCES))
    assert ("completeness 0.8: not measured" in text) == (shift == 10)
    assert "one lens in 2,000 galaxies" in text


@pytest.mark.parametrize("shape", [(40, 12, 12), (40, 12, 12, 2), (40, 12, 12, 4)])
def test_mistakes_of_each_kind_are_shown(shape):
    kind = np.arange(40) % 4
    group = (kind == 0).astype(int)
    bands = ("VIS", "Y", "J", "H")[: shape[3] if len(shape) > 3 else 1]
    figure = draw_mistakes(
        RNG.normal(0, 1, shape), np.arange(40.0), group, kind, 0.1, count=3, bands=bands, indices=range(100, 140)
    )
    text = assert_readable(figure)
    assert "lens: lowest scores of 10" in text
    assert "spiral: highest scores of 10" in text
    # Lenses 0, 4, 8 have the lowest scores, companions 37, 33, 29 the highest.
    assert all(f"#{index}" in text for index in (100, 104, 108, 137, 133, 129))
    assert "#136" not in text


def test_colours_of_a_composite_are_those_of_the_bands():
    spot = 100 * np.exp(-np.sum((np.indices((32, 32)) - 15.5) ** 2, axis=0) / 18)
    noise = RNG.normal(0, 0.1, (32, 32, 3))
    left, right = np.roll(spot, -8, axis=1), np.roll(spot, 8, axis=1)
    image = noise + np.stack([left, spot, right], axis=-1)
    colour = compose_colours(image)
    assert colour.shape == (32, 32, 3)
    assert colour.min() >= 0
    assert colour.max() <= 1
    assert colour[15, 7].argmax() == 2  # light of the bluest band is blue
    assert colour[15, 23].argmax() == 0

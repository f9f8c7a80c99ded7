"""Figures of posteriors: all labels exist, and no text is outside the figure or overlaps."""

import numpy as np
import pytest
from readable_figures import assert_readable

from stronglens.evaluation import posterior_metrics
from stronglens.parameters import Column
from stronglens.regression.figures import (
    draw_contraction,
    draw_corner,
    draw_coverage,
    draw_posteriors,
    draw_prior_dependence,
    draw_ranks,
)

COLUMNS = [
    Column("src-redshift", None, r"z_{\rm src}", ""),
    Column("src-center-x", "arcsec", r"x_{\rm src}", ""),
    Column("masslight-ratio", "1/(e-/s)", r"\Upsilon_{\rm bulge}", ""),
    *(Column(f"a-label-without-symbol-{place}", None, "", "") for place in range(17)),
]


def draw(labels, images=60, draws=40):
    """Return truth, posterior samples (exact, but half as wide for the last label), and samples from the prior."""
    rng = np.random.default_rng(labels)
    scale = 10.0 ** rng.integers(-3, 3, labels)
    truth, prior = rng.normal(size=(images, labels)), rng.normal(size=(200, labels))
    mean = (truth + rng.normal(size=truth.shape)) / 2
    width = np.where(np.arange(labels) == labels - 1, 0.25, 1) * np.sqrt(0.5)
    samples = mean[:, None] + width * rng.normal(size=(images, draws, labels))
    return truth * scale, (samples * scale).astype(np.float32), prior * scale


@pytest.mark.parametrize("labels", [1, 3, 20])
def test_figures_are_readable(labels):
    truth, samples, prior = draw(labels)
    columns = COLUMNS[:labels]
    metrics = posterior_metrics(truth, samples, prior, [one.name for one in columns], seed=0, n_bootstrap=0)
    said = assert_readable(draw_coverage(metrics, columns))
    assert "all jointly (TARP)" in said
    assert f"−{100 * metrics['labels'][columns[-1].name]['coverage_deviation']['value']:.1f} %" in said
    assert "p < 0.001" in assert_readable(draw_ranks(metrics, columns))
    assert said.count("level [%]") >= min(labels, 5)
    assert "contraction" in assert_readable(draw_contraction(truth, samples, prior, columns))
    assert "true $z_{\\rm src}$" in assert_readable(draw_posteriors(truth, samples, columns))


@pytest.mark.parametrize("labels", [1, 2, 7, 20])
def test_corner_is_readable(labels):
    _, samples, _ = draw(labels, images=2, draws=300)
    figure = draw_corner(samples[0], COLUMNS[:labels], truth=samples[1].mean(axis=0), name="J0029")
    said = assert_readable(figure)
    for needed in ("Posterior of J0029", "truth", "$z_{\\rm src}$"):
        assert needed in said
    shown = min(labels, 10)
    assert len(figure.axes) == shown * (shown + 1) // 2
    assert ("10 of 20 labels" in said) == (labels == 20)


def test_undefined_values_are_named_in_figures():
    truth, samples, prior = draw(2)
    samples[:, :, 1] = np.nan
    prior[:, 0] = 1.0
    columns = COLUMNS[:2]
    metrics = posterior_metrics(truth, samples, prior, [one.name for one in columns], seed=0, n_bootstrap=0)
    for figure in (
        draw_coverage(metrics, columns),
        draw_ranks(metrics, columns),
        draw_contraction(truth, samples, prior, columns),
        draw_posteriors(truth, samples, columns),
    ):
        assert "not defined" in assert_readable(figure)
    assert_readable(draw_corner(samples[0], columns))
    assert_readable(draw_corner(np.ones((50, 3)), COLUMNS[:3]))


def test_dependence_on_a_prior_is_readable():
    truth = np.random.default_rng(0).uniform(1, 3, 80)
    values = np.stack([truth, truth, truth - 0.2, truth + 0.2])
    entry = {"contraction": {"value": -0.014}, "r2": {"value": -0.002}, "brightness_alone": 0.75}
    names = ("sources alike (×1.2)", "the default range (×5)", "a wide range (×100)", "as seen", "not at all")
    said = assert_readable(draw_prior_dependence({name: (values, entry) for name in names}, r"$z_{\rm src}$"))
    assert "contraction −0.01" in said
    assert "R² 0.00 (brightness alone 0.75)" in said

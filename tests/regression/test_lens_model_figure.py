"""Figure of a measured lens, with and without a model: no text is outside the figure or overlaps."""

import numpy as np
import pytest
from readable_figures import assert_readable

from stronglens.parameters import Column
from stronglens.plotting import RED, save_figure
from stronglens.regression.figures import draw_lens_model
from stronglens.regression.label_verdict import LabelVerdict
from stronglens.regression.lens_model import LensModel
from stronglens.regression.lens_shape import critical_curve
from stronglens.regression.published import derive_quantities, summarize

VALUES = {
    "einstein-radius-sie": 1.3, "lens-ellip-x": 0.1, "lens-ellip-y": -0.05, "src-center-x": 0.1,
    "src-center-y": -0.002, "shear-1": 0.03, "shear-2": 0.0, "lens-center-x": 0.0, "lens-center-y": 0.0,
    "src-effect": 0.2, "src-sersic": 1.2, "lens-effect": 0.9, "lens-sersic": 3.5, "src-ellip-x": 0.1,
    "src-ellip-y": -0.2,
}  # fmt: skip
COLUMNS = [Column(name, "arcsec" if "center" in name else None, f"x_{{{k}}}", "") for k, name in enumerate(VALUES)]


def draw(count=15, published=None, has_model=True, mask=None, notes=(), width=0.01, verdicts=None, warnings=()):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[1.575:-1.6:-0.05, -1.575:1.6:0.05]
    arcs = 0.3 * np.exp(-((np.hypot(x, y) - 1.2) ** 2) / 0.01) * (x > 0)
    light = np.exp(-3 * np.hypot(x, y))
    image = arcs + light + rng.normal(0, 0.01, x.shape)
    residual = (image - arcs - light) / 0.01
    if mask is not None:
        residual[mask] = np.nan
    model = LensModel(
        VALUES, arcs, light, 0.0, 0.1, 0.2, residual, 1.02, 0.99, 127, {"lens-sersic": 4.0}, critical_curve(VALUES),
        ("a note of the model",),
    )  # fmt: skip
    samples = np.array(list(VALUES.values())[:count]) + width * rng.normal(size=(500, count))
    columns, samples = derive_quantities(COLUMNS[:count], samples, "sie")
    summaries = summarize(columns, samples, published or {}, verdicts)
    name, model = "a$b_^/data.fits", model if has_model else None
    return draw_lens_model(name, image, mask, 0.05, columns, samples, summaries, model, notes, warnings=warnings)


@pytest.mark.parametrize("width", [1e-4, 0.01, 0.5])
def test_with_a_model(width, tmp_path):
    mask = np.zeros((64, 64), bool)
    mask[:10, 40:] = True
    published = {"einstein-radius-sie": 1.31, "lens-axis-ratio": 0.3}
    figure = draw(published=published, mask=mask, notes=["x " * 300], width=width)
    words = assert_readable(figure)
    assert "shape of the lens light" in words
    for expected in ("residual / noise", "reduced", "1.02", "critical curve", "a note of the model", "published"):
        assert expected in words
    for expected in ("einstein-radius-sie", "1.31", r"a\$b_^/data.fits"):
        assert expected in words
    assert ("no" in words.splitlines()) == (width < 0.1)  # a ratio of 0.3 lies outside but for the widest
    bars = [text for text in (axes.get_xlabel() for axes in figure.axes) if text in ("e-/s\nper pixel", "σ")]
    assert bars == [*["e-/s\nper pixel"] * 3, "σ"]  # a colour bar has a unit
    save_figure(figure, tmp_path / "figure.png")


@pytest.mark.parametrize("count", [1, 3, 15])
def test_without_a_model(count):
    words = assert_readable(draw(count, has_model=False, notes=["no model image: learn more"]))
    assert "there is no model" in words
    assert "no published values" in words
    assert "residual" not in words


def in_red(figure):
    return " ".join(text.get_text() for text in figure.texts if text.get_color() == RED)


@pytest.mark.parametrize("published", [None, {"src-center-x": 0.1, "einstein-radius-sie": 1.31}])
def test_unreliable_values_are_red(published):
    verdicts = {"src-center-x": LabelVerdict("no"), "shear-1": LabelVerdict("yes", is_calibrated=False)}
    figure = draw(published=published, verdicts=verdicts, warnings=["UNLIKE THE TRAINING SET: " + "far " * 60])
    assert_readable(figure)
    red = in_red(figure)
    for words in ("UNLIKE THE TRAINING SET", "not learned", "src-center-x", "shear-1"):
        assert words in red
    assert "einstein-radius-sie" not in red
    assert in_red(draw()) == ""


def test_quantities_that_do_not_vary():
    assert_readable(draw(3, width=0.0))

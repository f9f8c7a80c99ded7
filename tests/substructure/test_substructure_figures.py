"""Figures of the substructure task: all labels exist, and no text is outside the figure or overlaps."""

import numpy as np
import pytest
from readable_figures import assert_readable

from stronglens.evaluation import auc_in_bins, classification_metrics
from stronglens.plotting import save_figure
from stronglens.substructure.figures import (
    draw_auc_against,
    draw_ceiling,
    draw_confusion,
    draw_history,
    draw_mistakes,
    draw_reliability,
    draw_roc,
    draw_samples,
)

CLASSES = ["no", "sphere", "vortex"]
TITLES = ["no: smooth dark matter", "sphere: subhalos", "vortex: a line through the lens"]


def draw_predictions(count, strength=1.0, shares=(1 / 3, 1 / 3, 1 / 3)):
    """Return true classes (count,), probabilities (count, 3) and their metrics."""
    rng = np.random.default_rng(1)
    true = rng.choice(3, size=count, p=shares)
    scores = strength * (rng.normal(size=(count, 3)) + strength * np.eye(3)[true])
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    return true, probabilities, classification_metrics(true, probabilities, CLASSES, seed=1, n_bootstrap=50)


def draw_lenses(count):
    rng = np.random.default_rng(2)
    y, x = np.mgrid[3.15:-3.2:-0.1, -3.15:3.2:0.1]
    radius = np.hypot(x, y)
    rings = np.array([np.exp(-((radius - size) ** 2) / 0.02) for size in rng.uniform(0.8, 1.8, count)])
    return (rings.reshape(count, 64, 64) + 0.1 * rng.normal(size=(count, 64, 64))).astype(np.float32)


CASES = {
    "usual": (3000, 1.0, (0.4, 0.3, 0.3)),
    "perfect": (90, 30.0, (0.4, 0.3, 0.3)),
    "blind": (300, 0.0, (0.4, 0.3, 0.3)),
    "a class absent": (300, 1.0, (0.5, 0.5, 0.0)),
    "one image": (1, 1.0, (0.0, 1.0, 0.0)),
}


@pytest.mark.parametrize("case", CASES)
def test_graphs_of_metrics_are_readable(case):
    true, probabilities, metrics = draw_predictions(*CASES[case])
    roc = assert_readable(draw_roc(true, probabilities, CLASSES, metrics))
    confusion = assert_readable(draw_confusion(metrics, CLASSES))
    reliability = assert_readable(draw_reliability(metrics))
    for needed in (
        "false positive rate",
        "true positive rate",
        "random classifier: 0.500",
        f"{len(true):,} test image",
    ):
        assert needed in roc
    for needed in ("predicted class", "true class", *CLASSES):
        assert needed in confusion
    for needed in ("calibration error", "accuracy", "probability of the predicted class"):
        assert needed in reliability
    assert f"{metrics['calibration_error_by_chance']['value']:.3f} if calibrated" in reliability
    if case == "a class absent":
        assert "vortex: undefined (no test image of class vortex)" in roc


def test_curves_and_counts_are_those_of_the_predictions():
    true = np.array([0, 0, 0, 1, 1, 2])
    probabilities = np.array(
        [[0.8, 0.1, 0.1], [0.6, 0.2, 0.2], [0.1, 0.7, 0.2], [0.1, 0.6, 0.3], [0.3, 0.4, 0.3], [0.1, 0.2, 0.7]]
    )
    metrics = classification_metrics(true, probabilities, CLASSES, seed=1, n_bootstrap=5)
    curve = draw_roc(true, probabilities, CLASSES, metrics).axes[0].lines[1]
    # sphere: 0.7 is a false alarm, then 0.6 and 0.4 are found
    np.testing.assert_allclose(curve.get_xdata(), [0, 0.25, 0.25, 0.25, 0.75, 1])
    np.testing.assert_allclose(curve.get_ydata(), [0, 0, 0.5, 1, 1, 1])
    words = assert_readable(draw_confusion(metrics, CLASSES))
    assert "66.7%" in words
    assert "33.3%" in words
    assert "sphere\n(2)" in words
    (points,) = [line for line in draw_reliability(metrics).axes[0].lines if line.get_marker() == "o"]
    assert len(points.get_xdata()) == sum(bool(one["count"]) for one in metrics["reliability"])


def test_metrics_that_are_not_finite_can_be_drawn():
    true, probabilities = np.array([0, 1]), np.full((2, 3), np.nan)
    metrics = classification_metrics(true, probabilities, CLASSES, seed=1)
    assert_readable(draw_confusion(metrics, CLASSES))
    assert "values that are not finite" in assert_readable(draw_reliability(metrics))


@pytest.mark.parametrize("epochs", [1, 3, 60, 1000])
def test_history_marks_the_best_epoch(epochs):
    steps = np.arange(epochs)
    history = {
        "loss": 1.1 * np.exp(-steps / 30) + 0.1,
        "val_loss": np.exp(-steps / 20) + 0.4 + 0.002 * np.maximum(steps - 40, 0),
        "accuracy": 1 - 0.6 * np.exp(-steps / 30),
        "val_accuracy": 0.8 - 0.4 * np.exp(-steps / 20),
        "learning_rate": np.full(epochs, 1e-3),
    }
    words = assert_readable(draw_history(history))
    best = int(np.argmin(history["val_loss"])) + 1
    for needed in ("training", "validation", "cross-entropy", "accuracy", f"best epoch: {best}"):
        assert needed in words
    assert ("learning rate 0.001" in words) == (epochs > 1)  # that of a single epoch is the end of its decay


@pytest.mark.parametrize(
    "history", [{}, {"loss": [np.nan]}, {"loss": [1.0, 0.5]}, {"loss": [0.0, 0.0], "accuracy": [1.0, 1.0]}]
)
def test_an_incomplete_history_can_be_drawn(history):
    words = assert_readable(draw_history(history))
    assert ("not recorded" in words) == ("accuracy" not in history)


def test_areas_against_quantities_are_readable():
    true, probabilities, _ = draw_predictions(900)
    rng = np.random.default_rng(3)
    mass = np.where(true == 0, np.nan, 10 ** rng.uniform(7, 10, 900))
    bins = {
        text: auc_in_bins(true, probabilities, CLASSES, values, seed=1, n_bootstrap=20)
        for text, values in (("signal-to-noise ratio", rng.uniform(5, 60, 900)), (r"mass [$M_\odot$]", mass))
    }
    figure = draw_auc_against(bins | {"nothing": None, "empty": []})
    words = assert_readable(figure)
    assert len(figure.axes) == 2
    assert [axes.get_xscale() for axes in figure.axes] == ["linear", "log"]
    for needed in ("signal-to-noise ratio", r"mass [$M_\odot$]", "sphere against no", "mean of the classes"):
        assert needed in words
    assert_readable(draw_auc_against(dict(list(bins.items())[1:])))
    assert "no quantity was measured" in assert_readable(draw_auc_against({"nothing": None}))


def test_areas_that_are_undefined_leave_gaps():
    true, probabilities, _ = draw_predictions(30)
    bins = auc_in_bins(true, probabilities, CLASSES, true * 1.0, 3, seed=1, fewest=1)
    words = assert_readable(draw_auc_against({"class": bins}))
    assert "undefined in every bin" in words
    assert "vortex against no: undefined, too few images" in words  # of one class here, of the other there


@pytest.mark.parametrize("panels", [1, 2])
def test_a_class_that_is_undefined_in_every_bin_is_named(panels):
    true, probabilities, _ = draw_predictions(900, shares=(0.5, 0.495, 0.005))
    values = np.random.default_rng(3).uniform(5, 60, 900)
    bins = auc_in_bins(true, probabilities, CLASSES, values, seed=1, n_bootstrap=20)
    words = assert_readable(draw_auc_against({f"signal {k}": bins for k in range(panels)}))
    assert words.count("vortex against no: undefined, fewer than 10 images of vortex") == panels
    assert words.count("undefined, fewer than 10 images of vortex") == 2 * panels  # the mean of the classes, too
    assert "sphere against no: undefined" not in words


def draw_entry(value):
    return {"value": value, "low": value - 0.02, "high": min(value + 0.02, 1.0)}


@pytest.mark.parametrize("count", [0, 1, 300])
def test_the_ceiling_is_readable(count):
    rng = np.random.default_rng(4)
    methods = ("scalars", "network", "refit", "known")
    areas = {
        name: {method: draw_entry(value) for method, value in zip(methods, values, strict=True)}
        for name, values in (("sphere", (0.52, 0.65, 0.7, 0.8)), ("vortex", (0.6, 0.9, 0.98, 0.999)))
    }
    shares = {
        "sphere": {"value": 0.371, "low": 0.311, "high": 0.428},
        "vortex": {"value": 0.83, "low": None, "high": None, "reason": "too few test images for an interval"},
    }
    significances = {name: {"refit": rng.lognormal(0, 1, count), "known": rng.lognormal(1, 1, count)} for name in areas}
    words = assert_readable(draw_ceiling(areas, shares, significances))
    for needed in (
        "sphere against no: 37 % (31 to 43) of the upper limit", "vortex against no: 83 % of the upper limit",
        "network",
        "random", "scalar measurements", "matched filter, lens refitted", "matched filter, lens known",
        "0.700 (0.680–0.720)", "detection significance", "the substructure signal is known", "is projected out",
    ):  # fmt: skip
        assert needed in words
    assert "best" not in words  # the linearised filter is not a strict bound
    assert_readable(draw_ceiling(areas, shares))


def test_an_incomplete_ceiling_figure_says_so():
    chance = {"network": draw_entry(0.51), "refit": draw_entry(0.505)}
    undefined = {"network": {"value": None, "low": None, "high": None, "reason": "no test images"}}
    shares = {"sphere": {"value": None, "low": None, "high": None, "reason": "the upper limit is too close to 0.5"}}
    significances = {"sphere": {"known": [np.nan, 0.0, -1.0]}}
    words = assert_readable(draw_ceiling({"sphere": chance, "vortex": undefined}, shares, significances))
    for needed in ("share undefined: the upper limit is too close to 0.5", "no upper limit", "n/a"):
        assert needed in words
    assert "%" not in words


@pytest.mark.parametrize(
    ("count", "paired", "pixel_scale"),
    [(1, True, 0.1), (2, True, 0.1), (6, True, None), (1, False, 0.1), (6, False, None)],
)
def test_samples_are_readable(count, paired, pixel_scale):
    images = [draw_lenses(count) for _ in CLASSES]
    effects = [None, *(10 * some for some in images[1:])] if paired else None
    figure = draw_samples(images, TITLES, effects, pixel_scale)
    words = assert_readable(figure)
    assert sum(bool(axes.images) for axes in figure.axes) >= 3 * min(count, 4) * (2 if paired else 1)
    for needed in (*TITLES, f"x [{'arcsec' if pixel_scale else 'pixels'}]", "brightness [image peak]"):
        assert needed in words
    assert ("effect [σ of pixel noise]" in words) == paired
    assert words.count("none") == (min(count, 4) if paired else 0)
    assert ("image minus the image of the same lens with smooth dark matter, without noise" in words) == paired


def test_a_faint_lens_is_seen_beside_a_bright_one():
    lenses = draw_lenses(2)
    images = [lenses * np.array([1.0, 1000.0])[:, None, None], np.zeros((1, 64, 64)), np.full((1, 64, 64), np.nan)]
    figure = draw_samples(images, CLASSES, None, 0.1)
    drawn = [axes.images[0] for axes in figure.axes if axes.images and axes.images[0].get_array().shape == (64, 64)]
    for image in drawn[:2]:
        assert image.norm(image.get_array()).max() == pytest.approx(1, abs=0.1)  # either is white somewhere
    for image, own in zip(drawn, images[0], strict=False):
        np.testing.assert_allclose(image.get_array(), own / own.max())


def test_samples_of_few_classes_empty_classes_and_odd_shapes(tmp_path):
    wide = np.random.default_rng(5).normal(size=(2, 20, 40))
    for images, effects in (
        ([wide, wide[:0]], [wide, wide[:0]]),
        ([wide[:1]], [np.zeros((1, 20, 40))]),
        ([wide[:0]], None),
    ):
        figure = draw_samples(images, TITLES[: len(images)], effects, 0.1, effect_unit="peak")
        assert_readable(figure)
        save_figure(figure, tmp_path / "a.png")


@pytest.mark.parametrize(("count", "pixel_scale"), [(1, 0.1), (3, None), (25, 0.1)])
def test_mistakes_are_readable_and_the_surest_first(count, pixel_scale):
    images = draw_lenses(100)
    true, probabilities, _ = draw_predictions(100)
    figure = draw_mistakes(images, true, probabilities, CLASSES, pixel_scale, count)
    words = assert_readable(figure)
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != true)
    first = wrong[np.argmax(probabilities[wrong].max(axis=1))]
    np.testing.assert_array_equal(np.asarray(figure.axes[0].images[0].get_array()), images[first])
    predicted = CLASSES[probabilities[first].argmax()]
    assert f"true {CLASSES[true[first]]},\npredicted {predicted} ({probabilities[first].max():.0%})" in words
    assert f"{len(wrong)} of 100 test images" in words
    assert ("x [arcsec]" in words) == (pixel_scale is not None)


def test_every_panel_carries_the_index_of_its_image():
    images, (true, probabilities, _) = draw_lenses(100), draw_predictions(100)
    rows = np.arange(100) * 7 + 1000  # indices in the dataset, of which these images are a part
    assert_readable(draw_mistakes(images, true, probabilities, CLASSES, 0.1, 1, indices=rows))
    figure = draw_mistakes(images, true, probabilities, CLASSES, 0.1, 9, indices=rows)
    words = assert_readable(figure)
    assert "#: index in the dataset" in words
    for axes in figure.axes[:9]:
        place = (int(axes.texts[0].get_text().removeprefix("#")) - 1000) // 7
        np.testing.assert_array_equal(np.asarray(axes.images[0].get_array()), images[place])
        assert probabilities[place].argmax() != true[place]
    assert_readable(draw_samples([images[:1]], CLASSES[:1], None, 0.1, indices=[[0]]))
    samples = [images[4 * k : 4 * k + 4] for k in range(3)]
    for effects in (None, [None, *samples[1:]]):
        figure = draw_samples(samples, CLASSES, effects, 0.1, indices=np.arange(12).reshape(3, 4))
        assert_readable(figure)
        written = [axes.texts[0].get_text() for axes in figure.axes if axes.texts]
        assert [text for text in written if text != "none"] == [f"#{index}" for index in range(12)]


@pytest.mark.parametrize("count", [0, 1, 40])
def test_without_mistakes_the_figure_says_so(count):
    true = np.arange(count) % 3
    words = assert_readable(draw_mistakes(draw_lenses(count), true, np.eye(3)[true], CLASSES, 0.1))
    assert "There is nothing to show" in words

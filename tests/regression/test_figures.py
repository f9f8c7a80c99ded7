"""Figures of the regression task: all labels exist, and no text is outside the figure or overlaps."""

from types import SimpleNamespace

import numpy as np
import pytest
from readable_figures import assert_readable, visible_texts

from stronglens.parameters import Column
from stronglens.plotting import save_figure, write_captions
from stronglens.regression import report
from stronglens.regression.figures import (
    draw_activations,
    draw_gallery,
    draw_generalisation_gap,
    draw_losses,
    draw_predictions,
    draw_samples,
)

COLUMNS = [
    Column("src-redshift", None, r"z_{\rm src}", ""),
    Column("src-center-x", "arcsec", r"x_{\rm src}", ""),
    Column("src-center-y", "arcsec", r"y_{\rm src}", ""),
    Column("einstein-radius", "arcsec", r"\theta_{\rm E}", ""),
    Column("velocity-dispersion", "km/s", r"\sigma_v", ""),
    Column("masslight-ratio", "1/(e-/s)", r"\Upsilon_{\rm bulge}", ""),
    Column("magnification", None, r"\mu", ""),
    Column("snr", None, r"{\rm S/N}", ""),
]
LOW = np.array([1.0, -0.4, -0.4, 0.8, 200, 0.1, 1, 10])
HIGH = np.array([3.0, 0.4, 0.4, 2.0, 320, 0.6, 30, 200])


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(1)
    y, x = np.mgrid[3.15:-3.2:-0.1, -3.15:3.2:0.1]
    radius = np.hypot(x, y)
    rings = [
        rng.uniform(0.1, 3) * np.exp(-3 * radius) + 0.2 * np.exp(-((radius - rng.uniform(0.8, 1.8)) ** 2) / 0.02)
        for _ in range(144)
    ]
    return (np.array(rings) + rng.normal(0, 0.012, (144, 64, 64))).astype(np.float32)


def draw_labels(count, labels=8, seed=1):
    """Return true and predicted values (count, labels)."""
    rng = np.random.default_rng(seed)
    true = rng.uniform(LOW[:labels], HIGH[:labels], (count, labels))
    return true, true + 0.1 * rng.normal(size=true.shape) * (HIGH - LOW)[:labels]


def words_of(figure):
    return "\n".join(text.get_text() for text, _ in visible_texts(figure))


@pytest.mark.parametrize(("count", "labels"), [(1, 1), (2, 3), (3, 3), (16, 3), (25, 8)])
def test_samples_are_readable(images, count, labels):
    true, _ = draw_labels(count, labels)
    figure = draw_samples(images, write_captions(true, COLUMNS[:labels]), 0.1, n=count)
    assert_readable(figure)
    words = words_of(figure)
    for needed in ("Simulated lenses", "x [arcsec]", "y [arcsec]", "[e-/s per pixel]", r"$z_{\rm src}$ = "):
        assert needed in words
    assert sum(bool(axes.images) for axes in figure.axes) == count


def test_fewer_images_than_wanted_and_no_captions(images):
    figure = draw_samples(images[:3], [], 0.1, n=16)
    assert_readable(figure)
    assert "3 images" in words_of(figure)


def test_many_images_can_be_drawn(images):
    true, _ = draw_labels(144, 3)
    figure = draw_samples(images, write_captions(true, COLUMNS[:3]), 0.1, n=144)
    assert "144 images" in words_of(figure)
    assert len(figure.axes) >= 144


@pytest.mark.parametrize("fill", [0.0, 1e-30, 1e6])
def test_images_without_contrast_can_be_drawn(fill, tmp_path):
    save_figure(draw_samples(np.full((4, 16, 16), fill), ["a"] * 4, 0.1), tmp_path / "a.png")


@pytest.mark.parametrize("epochs", [1, 3, 50, 2000])
def test_losses_mark_the_best_epoch(epochs):
    rng = np.random.default_rng(1)
    steps = np.arange(epochs)
    history = {
        "loss": 0.9 * np.exp(-steps / 20) + 0.1,
        "mean_absolute_error": 0.8 * np.exp(-steps / 20) + 0.1,
        "val_loss": 0.6 * np.exp(-steps / 20) + 0.4 + 0.001 * rng.uniform(size=epochs),
        "val_mean_absolute_error": 0.8 * np.exp(-steps / 20) + 0.3,
    }
    figure = draw_losses(history)
    assert_readable(figure)
    words = words_of(figure)
    best = int(np.argmin(history["val_loss"])) + 1
    for needed in ("training", "validation", "mean squared error", "mean absolute error", f"best epoch: {best}"):
        assert needed in words


def test_losses_without_validation_or_that_are_not_finite():
    assert "lowest training loss" in words_of(draw_losses({"loss": [1.0, 0.5]}))
    figure = draw_losses({"loss": [1.0, np.nan], "val_loss": [np.nan, np.inf]})
    assert "no finite loss" in words_of(figure)
    assert_readable(draw_losses({"loss": [np.nan]}))
    assert_readable(draw_losses({}))
    assert "negative log density (loss)" in words_of(draw_losses({"loss": [1.0, -0.5]}, "negative log density"))
    assert_readable(draw_losses({"loss": [0.0, 0.0], "val_loss": [1e-9, 1e9]}))


def test_gap_of_two_trainings_is_the_difference_of_their_losses():
    epochs = np.arange(1, 31)
    stored = {"loss": 1 / epochs, "val_loss": 0.5 + 0.5 / epochs}
    fresh = {"loss": 0.3 + 0.7 / epochs, "val_loss": 0.28 + 0.7 / epochs}
    figure = draw_generalisation_gap({"stored images": stored, "fresh images": fresh})
    assert_readable(figure)
    gaps = {line.get_label(): line.get_ydata() for line in figure.axes[1].lines}
    np.testing.assert_allclose(gaps["stored images"], 0.5 - 0.5 / epochs)
    np.testing.assert_allclose(gaps["fresh images"], -0.02)
    assert "training, fresh images" in words_of(figure)


def test_activations_show_the_input_and_each_layer(images):
    rng = np.random.default_rng(1)
    layers = [np.tanh(rng.normal(size=shape)) for shape in ((64, 64, 32), (32, 32, 64), (16, 16, 128))]
    figures = draw_activations(images[0], layers, 0.1)
    assert list(figures) == ["activations-input", *(f"activations-layer-{layer}" for layer in (1, 2, 3))]
    for figure in figures.values():
        assert_readable(figure)
    for layer, filters in zip((1, 2, 3), (32, 64, 128), strict=True):
        words = words_of(figures[f"activations-layer-{layer}"])
        assert f"Convolution layer {layer}: {filters} filters" in words
        assert "activation [dimensionless]" in words
        assert f"–{filters}" in words
    assert "[e-/s per pixel]" in words_of(figures["activations-input"])


def test_filters_are_in_order(images):
    maps = np.zeros((4, 4, 128))
    maps[:, :, 17] = 1  # second row of sixteen, second place
    picture = np.asarray(draw_activations(images[0], [maps], 0.1)["activations-layer-1"].axes[0].images[0].get_array())
    assert (picture[5:9, 5:9] == 1).all()
    assert np.nansum(picture) == 16


@pytest.mark.parametrize("activation", [np.tanh, lambda x: np.where(x > 0, x, 0.1 * x), lambda x: np.maximum(x, 0)])
def test_signed_activations_are_white_at_zero(images, activation):
    """A sequential colour map would hide the sign, since zero would have another colour in each layer."""
    maps = activation(np.random.default_rng(1).normal(0.5, 1, (8, 8, 16)))
    (picture,) = draw_activations(images[0], [maps], 0.1, "viridis")["activations-layer-1"].axes[0].images
    is_signed = maps.min() < 0
    assert picture.get_cmap().name == ("RdBu_r" if is_signed else "viridis")
    assert picture.norm.vmin == (-picture.norm.vmax if is_signed else 0.0)
    assert picture.norm.vmax == pytest.approx(np.percentile(np.abs(maps), 99.8))
    if is_signed:
        assert min(picture.to_rgba(np.zeros((1, 1)))[0, 0]) > 0.96
        assert picture.axes.get_facecolor()[0] < 0.7  # the gaps between maps are not white


def test_every_panel_carries_the_index_of_its_image(images):
    rows = np.arange(144) * 7 + 1000  # indices in the dataset, of which these images are a part
    errors = np.random.default_rng(3).permutation(144).astype(float)
    true, predicted = draw_labels(144, 3)
    for which, order in (("best", np.argsort(errors)), ("worst", np.argsort(-errors))):
        figure = draw_gallery(images, true, predicted, COLUMNS[:3], errors, 0.1, which, 9, indices=rows)
        assert_readable(figure)
        assert indices_of(figure) == [f"#{row}" for row in rows[order[:9]]]
        for axes, place in zip(figure.axes, order[:9], strict=False):
            np.testing.assert_array_equal(np.asarray(axes.images[0].get_array()), images[place])
        assert "#: index in the dataset" in words_of(figure)
    figure = draw_samples(images, [], 0.1, n=16, indices=range(144))
    assert_readable(figure)
    assert indices_of(figure) == [f"#{row}" for row in range(16)]
    figure = draw_activations(images[0], [], 0.1, index=1234567)["activations-input"]
    assert_readable(figure)
    assert indices_of(figure) == ["#1234567"]


def test_the_report_numbers_images_as_the_dataset_does(images, monkeypatch):
    """The indices of the test rows 100 to 143 are those of the dataset, not positions among the test rows."""

    class Images:
        def __getitem__(self, rows):
            return images[rows]

        def __len__(self):
            return len(images)

        def subset(self, rows):
            return images[rows]

    monkeypatch.setattr(report, "convolution_activations", lambda features, image: [])
    rows = np.arange(100, 144)
    truth, predicted = draw_labels(144, 3)
    drawn = report.draw_all(
        SimpleNamespace(cmap="magma", subplots_number=4, posterior="flow"),
        SimpleNamespace(images=Images(), manifest={"telescope": {"pixel-scale": 0.1}}),
        rows, truth, predicted[rows], COLUMNS[:3], None, {"loss": [1.0]}, None,
    )  # fmt: skip
    for name in ("samples", "best_predictions", "worst_predictions", "activations-input"):
        indices = [int(text.removeprefix("#")) for text in indices_of(drawn[name])]
        assert len(indices) == (1 if name == "activations-input" else 4)
        for axes, index in zip(drawn[name].axes, indices, strict=False):
            np.testing.assert_array_equal(np.asarray(axes.images[0].get_array()), images[index])
    assert "true → posterior mean" in words_of(drawn["worst_predictions"])


def indices_of(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts if text.get_text().startswith("#")]


def test_figures_name_the_estimate(images):
    true, predicted = draw_labels(144, 2)
    gallery = draw_gallery(images, true, predicted, COLUMNS[:2], predicted[:, 0], 0.1, n=4, estimate="posterior mean")
    assert "true → posterior mean" in words_of(gallery)
    drawn = words_of(draw_predictions(true, predicted, COLUMNS[:2], estimate="posterior mean"))
    assert "predicted: posterior mean" in drawn


@pytest.mark.parametrize("value", [0.0, 1.0, np.nan])
def test_constant_filters_can_be_drawn(images, value, tmp_path):
    for figure in draw_activations(images[0], [np.full((4, 4, 5), value)], 0.1).values():
        save_figure(figure, tmp_path / "a.png")


@pytest.mark.parametrize(("count", "labels"), [(1, 1), (30, 2), (100, 3), (1000, 5), (5000, 8)])
def test_predictions_are_readable(count, labels):
    true, predicted = draw_labels(count, labels)
    metrics = {"labels": {column.name: {"r2": {"value": 0.512}, "rmse": {"value": 0.123}} for column in COLUMNS}}
    figure = draw_predictions(true, predicted, COLUMNS[:labels], metrics)
    assert_readable(figure)
    words = words_of(figure)
    assert "$R^2$ = 0.512" in words
    assert f"{count:,} test image" in words
    for column in COLUMNS[:labels]:
        assert f"true {column.axis_text}" in words


def test_predictions_that_are_constant_wild_or_undefined():
    true, predicted = draw_labels(50, 3)
    true[:, 0] = 1.5
    predicted[0, 1] = 1e4
    predicted[0, 2] = np.nan
    metrics = {"labels": {column.name: {"r2": {"value": None}, "rmse": {"value": 0.1}} for column in COLUMNS}}
    figure = draw_predictions(true, predicted, COLUMNS[:3], metrics)
    assert_readable(figure)
    assert "$R^2$ = n/a" in words_of(figure)
    assert "1 outside" in words_of(figure)
    assert figure.axes[2].get_ylim()[1] < 2  # the wild one does not set the axis
    assert_readable(draw_predictions(np.empty((0, 2)), np.empty((0, 2)), COLUMNS[:2]))


@pytest.mark.parametrize("which", ["best", "worst"])
@pytest.mark.parametrize(("count", "labels"), [(1, 1), (9, 3), (25, 8)])
def test_galleries_are_readable(images, which, count, labels):
    true, predicted = draw_labels(144, labels)
    errors = np.abs(predicted - true)[:, 0]
    figure = draw_gallery(images, true, predicted, COLUMNS[:labels], errors, 0.1, which=which, n=count)
    assert_readable(figure)
    first = int(np.argmin(errors) if which == "best" else np.argmax(errors))
    shown = figure.axes[0].images[0].get_array()
    np.testing.assert_array_equal(np.asarray(shown), images[first])
    words = words_of(figure)
    assert f"{which} first" in words
    assert "→" in words
    if labels == 8:
        assert "4 of 8 labels" in words

"""Translation between two datasets: what it learns, and what the report finds in translations that are known."""

from types import SimpleNamespace

import numpy as np
import pytest
from readable_figures import assert_readable
from scipy.ndimage import gaussian_filter
from small_images import SIDE, draw_spots

from stronglens.generation import figures
from stronglens.generation.components import stretch, unstretch
from stronglens.generation.cyclegan import Cycle, PairBatches, are_pairs
from stronglens.generation.game import Judge, fit_game
from stronglens.generation.testing_cyclegan import (
    QuantileMatch,
    describe_hidden_signal,
    describe_label,
    describe_pairs,
    measure_pairs,
    search_hidden_signal,
)
from stronglens.parameters import Column
from stronglens.scaling import fit_image_scaling
from stronglens.training import load_network

IMAGES = draw_spots(200)
SCALING = fit_image_scaling(IMAGES)
GAIN = 2.5
"""Brightness of the target's images over that of the first ones."""


def blur(images):
    """Images of another telescope: wider spots, and noise of their own."""
    noise = 0.01 * np.random.default_rng(5).standard_normal(images.shape)
    return (gaussian_filter(images, (0, 1.5, 1.5)) + noise).astype(np.float32)


def make_cycle():
    first = [stretch(draw_spots(100, seed), SCALING) for seed in (0, 1)]
    second = [stretch(blur(draw_spots(100, seed)), SCALING) for seed in (2, 1)]
    valid = first[1], second[1]

    def features(points):
        return np.stack([points.max(axis=1), points.mean(axis=1)], axis=1)

    judges = [Judge(features(points)) for points in valid]
    cycle = Cycle((SIDE, SIDE), SCALING, 4, 1, (3e-3, 1e-3), judges, (features, features), valid, 0)
    return cycle, PairBatches((first[0], second[0]), (SIDE, SIDE), 10, 0, True)


@pytest.mark.slow
def test_a_translation_approaches_the_images_of_another_telescope(tmp_path):
    cycle, batches = make_cycle()
    points = draw_spots(20)
    before = cycle.kept.predict(points, verbose=0)
    np.testing.assert_allclose(before, points, rtol=1e-3, atol=1e-4, err_msg="untrained translators are the identity")
    history = fit_game(
        cycle, batches, model_file=tmp_path / "c.keras", epochs=40, seed=0, settings={}, record={},
        log_dir=tmp_path / "logs", resume=False, quiet=True, say=lambda line: None,
    )  # fmt: skip
    assert set(history) >= {"generator-there", "generator-back", "discriminators", "cycle", "identity"}
    network, _ = load_network(tmp_path / "c.keras")
    test = draw_spots(50, seed=9)
    for name, given, wanted in (("there", test, blur(test)), ("back", blur(test), test)):
        made = stretch(network.get_layer(name).predict(given, verbose=0), SCALING)
        error, untouched = (
            np.sqrt(np.mean((one - stretch(wanted, SCALING)) ** 2)) for one in (made, stretch(given, SCALING))
        )
        assert error < untouched, "nobody has shown it a pair, and it begins as the identity"
    assert len(list((tmp_path / "logs" / "images").glob("*.npy"))) == len(history["cycle"])


def translate(function):
    return lambda images: unstretch(function(stretch(images, SCALING)), SCALING, images.shape[1:])


def test_a_hidden_signal_is_found():
    def hide(pixels):
        return 0.5 + 0.01 * pixels  # all images look alike, but for details below the noise

    hidden = search_hidden_signal(translate(hide), translate(lambda pixels: (pixels - 0.5) / 0.01), IMAGES, SCALING, 0)
    assert max(hidden["growth"]) == pytest.approx(100, rel=0.05)
    assert "information is hidden" in describe_hidden_signal(hidden)[1]
    honest = search_hidden_signal(
        translate(lambda pixels: pixels + 0.1), translate(lambda pixels: pixels - 0.1), IMAGES, SCALING, 0
    )
    assert honest["growth"] == pytest.approx([1.0] * len(honest["growth"]), rel=0.02)
    assert "no hidden signal" in describe_hidden_signal(honest)[1]


def test_pairs_tell_a_good_translation_from_a_bad_one():
    wanted = GAIN * IMAGES
    match = QuantileMatch(IMAGES, wanted)
    found = measure_pairs(2.3 * IMAGES, IMAGES, wanted, match(IMAGES), SCALING, 0)
    assert found["ratio"]["high"] < 0.5
    assert found["quantile match"] < 0.1 * found["as it is"], "brightness is all that differs"
    worse = measure_pairs(0.5 * IMAGES, IMAGES, wanted, None, SCALING, 0)
    lines = describe_pairs({"there": found, "back": worse})
    assert lines[2].endswith("the translation makes it worse")
    assert "worse" not in lines[1]


def test_pairs_are_known_by_their_draws():
    def dataset(values):
        column = Column("x", None, "x", "", prior=(0, 1), drawn=True)
        return SimpleNamespace(
            images=np.zeros(len(values)), columns={"x": column}, column_values=lambda names: np.array(values)[:, None]
        )

    assert are_pairs(dataset([1.0, 2.0]), dataset([1.0, 2.0]))
    assert not are_pairs(dataset([1.0, 2.0]), dataset([1.0, 3.0]))
    assert not are_pairs(dataset([1.0, 2.0]), dataset([1.0, 2.0, 3.0]))


def test_a_larger_bias_is_printed_as_one():
    def measured(before, after, error=0.001):
        sets = {"as it is": before, "translated": after, "first dataset": 0.0, "quantile match": 0.0}
        sets = {name: {"bias": bias, "error": error, "rms": 0.1} for name, bias in sets.items()}
        return describe_label({"label": "einstein-radius", "unit": "arcsec", "sets": sets})

    assert any("makes the bias larger: 0.0100 before, 0.0300 after" in line for line in measured(0.01, -0.03))
    assert any("makes the bias smaller" in line for line in measured(0.03, 0.01))
    assert any("Too few images to tell" in line for line in measured(0.03, 0.01, error=0.05))
    assert "--target-network" in measured(0.03, 0.01)[-1]


def test_figures_of_players_are_readable(tmp_path):
    epochs = np.geomspace(1, 0.1, 12).tolist()
    names = ("generator-there", "generator-back", "discriminators", "cycle", "identity")
    history = dict.fromkeys((*names, "coverage", "pair-distance", "distance"), epochs)
    assert "saved: epoch 3" in assert_readable(figures.draw_players(history, 3))
    three = [IMAGES[:3]] * 3
    text = assert_readable(figures.draw_there_and_back(three, three, (range(3), range(3)), 0.1, "magma", ("a", "b")))
    assert "B again" in text
    path = figures.write_samples(tmp_path / "e.gif", [IMAGES[:16]] * 12, history, "magma", "no noise")
    assert path.stat().st_size > 1000

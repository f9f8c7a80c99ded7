"""Ascents: they rise, stay within physical flux, and can be looked at."""

import numpy as np
import pytest
from PIL import Image
from small_network import SIDE, convolving_output, make_images

from stronglens.explaining.ascent import (
    BRIGHTEST,
    FAINTEST,
    Climb,
    climb,
    dream_score,
    kernel_score,
    noise_start,
    output_score,
    variation_gradient,
)
from stronglens.explaining.figures.animation import write_ascent, write_occlusion

NOISE = np.array([0.1])


@pytest.fixture(scope="module")
def output():
    return convolving_output()


@pytest.mark.parametrize("score", ["output", "dream", "kernel"])
def test_an_ascent_rises_within_limits(output, score):
    make = {
        "output": lambda: output_score(output.heads),
        "dream": lambda: dream_score(output.head, "one"),
        "kernel": lambda: kernel_score(output.head, "one", np.array([1])),
    }[score]
    start = noise_start((SIDE, SIDE), NOISE, 0)
    frames, values = climb(make(), start, NOISE, Climb(steps=8, step_size=0.3), is_noise=True)
    assert frames.shape == (9, 1, SIDE, SIDE)
    assert values[-1, 0] > values[0, 0]
    assert frames.min() >= FAINTEST * 0.1 * 1.0001  # rounding
    assert frames.max() <= BRIGHTEST * 0.1 * 1.0001


def test_the_weight_of_light_keeps_the_image_dark(output):
    start = noise_start((SIDE, SIDE), NOISE, 0)
    dark, bright = (
        climb(output_score(output.heads), start, NOISE, Climb(20, 0.03, l2=l2), is_noise=True)[0][-1]
        for l2 in (20.0, 0.0)
    )
    assert np.abs(dark).sum() < np.abs(bright).sum()


def test_gradient_of_the_variation():
    image, step = make_images(1).astype(float), 1e-6

    def variation(one):
        return sum(np.sqrt(np.diff(one, axis=axis) ** 2 + 0.01).sum() for axis in (1, 2))

    moved = image.copy()
    moved[0, 3, 0] += step
    slope = (variation(moved) - variation(image)) / step
    assert variation_gradient(image)[0, 3, 0] == pytest.approx(slope, abs=1e-4)


def test_animations_can_be_opened(tmp_path):
    frames = np.stack([make_images(1)[0]] * 5)
    patches = [(0, 0), (0, 5), (5, 0)], [1.0, -1, 0]
    for path in (
        write_ascent(tmp_path / "a.gif", frames, np.arange(5.0), "logit", "magma"),
        write_occlusion(tmp_path / "b.gif", frames[0], frames[0] * 0, *patches, 5, "magma"),
    ):
        with Image.open(path) as animation:
            assert animation.format == "GIF"
            assert animation.n_frames > 1
            assert animation.width >= 300

"""Posteriors in the fit loop: stopped and gone on with."""

from pathlib import Path

import numpy as np
import pytest
from interrupted import ctrl_c_after

from stronglens.networks import build_backbone
from stronglens.parameters import Column
from stronglens.regression.label_space import LabelSpace
from stronglens.regression.posterior import build_posterior
from stronglens.scaling import fit_image_scaling
from stronglens.training import Density, fit

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning"),  # BayesFlow's serialisation
    pytest.mark.usefixtures("shallow_flow"),
]

NAMES = ["x", "y"]


def train(folder, name="flow.keras", network="report", count=60, **settings):
    """Train a flow for the positions of Gaussian sources."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:16, :16] - 7.5
    places = rng.uniform(-3, 3, (count + 20, 2))
    light = np.exp(-((x - places[:, :1, None]) ** 2 + (y - places[:, 1:, None]) ** 2) / 4)
    images = (light + 0.02 * rng.standard_normal(light.shape)).astype(np.float32)
    space = LabelSpace.fit([Column(label, None, "", "") for label in NAMES], places[:count])
    image, summary = build_backbone(network, (16, 16), fit_image_scaling(images), 3)
    density = build_posterior("flow", image, summary, 2, 3)
    settings = {"epochs": 3, "learning_rate": 1e-3, "seed": 1, "quiet": True, **settings}
    history = fit(
        density, (images[:count], places[:count]), (images[count:], places[count:]), objective=Density(space, 2, 1),
        label_names=NAMES, model_file=Path(folder) / name, **settings,
    )  # fmt: skip
    return density, history


def test_a_resumed_training_of_a_flow_is_identical(tmp_path):
    with ctrl_c_after(1):
        train(tmp_path)
    resumed, history = train(tmp_path, resume=True)
    straight, expected = train(tmp_path, name="straight.keras")
    assert history == expected
    assert all(np.array_equal(a, b) for a, b in zip(resumed.get_weights(), straight.get_weights(), strict=True))

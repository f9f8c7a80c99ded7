"""The truths of a dataset belong to its images."""

import json

import numpy as np
import pytest
from small_separation import simulation, simulator

from stronglens.dataset import load_dataset
from stronglens.lens_models import ISOTHERMAL, LENS_MODELS
from stronglens.parameters import UsageError
from stronglens.separation.camera import Camera
from stronglens.separation.evaluation import TestSet as SeparationSet
from stronglens.separation.scene import SeparationSimulator
from stronglens.simulation.lens_simulator import LensSimulator


@pytest.mark.parametrize(
    "lens_model", [name if name == ISOTHERMAL else pytest.param(name, marks=pytest.mark.slow) for name in LENS_MODELS]
)
def test_truths_add_up_to_the_image_and_its_noise(lens_model):
    """Also of images that were drawn again, with exposure times of their own."""
    made = simulator(lens_model=lens_model, magnification_min=6.0, snr_range=None, snr_min=30.0)
    images, labels, rejected, others = made.simulate(range(12))
    assert rejected["magnification-min"] + rejected["snr-min"] > 2
    deviation = np.sqrt(
        (others["source"] + others["lens"] + made.telescope.sky) / 2264 + 4 * made.telescope.read_noise**2 / 2264**2
    )
    residuals = (images - others["source"] - others["lens"]) / deviation
    assert np.abs(residuals.mean(axis=(1, 2))).max() < 5 / 24  # 24 x 24 pixels
    assert residuals.std(axis=(1, 2)) == pytest.approx(1, abs=5 / np.sqrt(2) / 24)
    again = np.sqrt(np.sum((others["source"] / deviation) ** 2, axis=(1, 2)))
    assert again == pytest.approx(labels["snr"], rel=1e-5)
    assert others["convergence"].shape == images.shape
    assert (others["convergence"] > 0).all()


def test_the_images_are_those_of_the_regression_task():
    parameters = simulation()
    images, labels, *_ = SeparationSimulator(parameters).simulate(range(3))
    others, more, _ = LensSimulator(parameters).simulate(range(3))
    assert np.array_equal(images, others)
    assert all(np.array_equal(labels[name], more[name]) for name in more)


def test_dataset_has_the_arrays(small_separation):
    manifest = json.loads((small_separation / "manifest.json").read_text())
    assert manifest["arrays"] == {name: [24, 24] for name in ("source", "lens", "convergence")}
    dataset = load_dataset(small_separation, "separation")
    test = SeparationSet.of(dataset, np.arange(60))
    assert np.mean(test.residuals(test.rate) ** 2) == pytest.approx(1, abs=0.02)  # 34,560 pixels
    assert Camera.of(manifest).exposure_time == 2264


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lens_light": "off"}, "--lens-light=off"),
        ({"telescope": "none"}, "needs the photon and read noise"),
        ({"peak_noise_range": "0.01,0.02"}, "no --peak-noise-range"),
    ],
)
def test_refusals(changes, message):
    from stronglens.parameters import Range

    if "peak_noise_range" in changes:
        changes = {"peak_noise_range": Range(0.01, 0.02)}
    with pytest.raises(UsageError, match=message):
        simulator(**changes)

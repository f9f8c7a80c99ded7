"""Samplers of codes, and datasets of generated images."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from small_images import SIDE, draw_spots

from stronglens.dataset import load_dataset
from stronglens.execution import Console
from stronglens.generation.baseline import fit_mixture, fit_process, sample_mixture
from stronglens.generation.codes import Codes
from stronglens.generation.components import fit_components
from stronglens.generation.generated import camera_of, observe_samples, write_generated
from stronglens.generation.network import build_network
from stronglens.generation.sampler import TRAINED, Sampler
from stronglens.learning.plan import load_training_set
from stronglens.parameters import UsageError
from stronglens.scaling import fit_image_scaling

TELESCOPE = {
    "name": "euclid", "pixel-scale": 0.1, "zero-point": 25.72, "sky": 0.2, "exposure-time": 2000.0, "exposures": 4,
    "read-noise": 4.0, "noise-correlation": 0.0, "psf": None,
}  # fmt: skip
ORIGIN = {
    "manifest": {
        "parameters": {"task": "regression", "format": "pickle", "generated-number": 5},
        "versions": {},
        "image-shape": [SIDE, SIDE],
        "image-unit": "e-/s",
        "telescope": TELESCOPE,
        "conventions": "",
    },
    "noise": {},
    "columns": [{"name": "flux", "unit": None, "symbol": None, "help": "", "prior": None, "drawn": False, "spin": 0,
                 "pair": None}],
    "checksum": "",
}  # fmt: skip


def standard(latents, labels=0):
    ones = {"mean": 0.0, "deviation": 1.0}
    record = {f"code-{name}": [value] * latents for name, value in ones.items()}
    return record | {f"label-{name}": [value] * labels for name, value in ones.items()}


def test_a_mixture_has_the_moments_of_the_points():
    random = np.random.default_rng(0)
    points = np.concatenate([random.normal([3, 0], 0.5, (2000, 2)), random.normal([-3, 1], [0.2, 1], (2000, 2))])
    drawn = sample_mixture(fit_mixture(points, 0), 4000, random)
    np.testing.assert_allclose(drawn.mean(axis=0), points.mean(axis=0), atol=0.2)  # 3 / sqrt(4000), three times
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(points.T), atol=0.3)


def test_a_conditional_mixture_follows_its_labels():
    random = np.random.default_rng(0)
    label = random.uniform(-1, 1, (3000, 1))
    points = np.concatenate([2 * label + 0.1 * random.standard_normal((3000, 1)), label], axis=1)
    wanted = np.linspace(-0.9, 0.9, 500)[:, None]
    drawn = sample_mixture(fit_mixture(points, 0), 500, random, wanted)
    assert np.std(drawn - 2 * wanted) < 0.15, "the scatter is 0.1"


def test_a_gaussian_process_learns_a_curve_from_few_points():
    x = np.linspace(-2, 2, 30)[:, None]
    predict = fit_process(x, np.sin(2 * x[:, 0]), 0)
    np.testing.assert_allclose(predict(x + 0.05), np.sin(2 * x[:, 0] + 0.1), atol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "share"), [("flow", 0.5), ("flow-matching", 0.5), ("gan", 0.0)])
def test_a_sampler_closes_the_gap_between_prior_and_codes(kind, share, tmp_path, shallow_flow):
    # Codes on a ring, whose first coordinate is the label that is asked for.
    random = np.random.default_rng(0)
    angle = random.uniform(0, 2 * np.pi, 2000)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)[None]
    codes = Codes(ring, np.full_like(ring, 0.05), ring[..., :1])
    model_file = tmp_path / "n.keras"
    parameters = SimpleNamespace(
        model_file=model_file, epochs=1, optimizer="adam", learning_rate=1e-3, learning_schedule="constant", warm_up=0,
        weight_decay=0.0, batch_size=100, seed=0, mixed_precision=False, resume=False, quiet=True, figures_dir=tmp_path,
        condition=("x",), sampler_epochs=30, task="generation",
    )  # fmt: skip
    plan = SimpleNamespace(parameters=parameters, console=Console(True))
    record = standard(2, 1) | {"kind": kind, "condition": ["x"]}
    TRAINED[kind](plan, codes, codes, record)
    drawn = Sampler(record, 2, model_file)(2000, 0, codes.labels[0])
    radius = np.hypot(*drawn.T)
    assert np.mean(np.abs(radius - 1) < 0.3) > share, "of normal numbers, 35 % are there; a GAN takes longer"
    assert np.corrcoef(drawn[:, 0], codes.labels[0, :, 0])[0, 1] > 0.5, "0 without a condition"


@pytest.fixture(scope="module")
def network():
    images = draw_spots(300)
    scaling = fit_image_scaling(images)
    return build_network("pca", (SIDE, SIDE), scaling, fit_components(images, scaling, 20, False), 3).network


@pytest.fixture
def generated(network, tmp_path):
    sampler = Sampler({"kind": "prior", "condition": []}, 3, tmp_path / "n.keras")
    record = {"origin": ORIGIN, "network": "pca"}
    write_generated(network, record, sampler, tmp_path / "new", 130, 0, "zarr", Console(True), False)
    return tmp_path / "new"


def test_generated_images_are_a_dataset_that_is_marked(generated):
    dataset = load_dataset(generated)
    assert dataset.images.shape == (130, SIDE, SIDE)
    assert dataset.manifest["generated"]["sampler"] == "prior"
    assert not dataset.columns, "nobody knows their labels"
    assert json.loads((generated / "manifest.json").read_text())["parameters"]["generated-number"] == 130


def test_generated_images_train_nothing_unless_told(generated):
    def parameters(use_generated):
        return SimpleNamespace(
            cmap="magma", dataset_dir=generated, task="regression", use_generated=use_generated, simulate=False
        )

    with pytest.raises(UsageError, match="--use-generated"):
        load_training_set(parameters(False), Console(True), dict)
    dataset, _ = load_training_set(parameters(True), Console(True), dict)
    assert len(dataset.images) == 130


def test_the_noise_of_generated_images_is_that_of_their_camera():
    light = np.full((50, SIDE, SIDE), 0.3, np.float32)
    images = observe_samples(light, ORIGIN, 0, range(50))
    variance = (0.3 + TELESCOPE["sky"]) / 2000 + 4 * 4.0**2 / 2000**2  # photons and four read-outs
    assert np.std(images) == pytest.approx(np.sqrt(variance), rel=0.03)  # 12,800 pixels give it to 0.6 %
    assert images.mean() == pytest.approx(0.3, abs=1e-3)
    again = observe_samples(light[:2], ORIGIN, 0, range(2))
    np.testing.assert_array_equal(again, images[:2], "an image's noise depends on its index alone")


def test_noise_that_is_drawn_for_each_image_is_drawn_from_the_training_images():
    origin = ORIGIN | {"noise": {"peak-noise": [0.1]}}
    images = observe_samples(np.full((20, SIDE, SIDE), 2.0, np.float32), origin, 0, range(20))
    assert np.std(images) == pytest.approx(0.2, rel=0.05), "a tenth of the peak"


def test_without_noise_there_is_no_camera():
    manifest = ORIGIN["manifest"] | {"telescope": TELESCOPE | {"exposure-time": 0.0}}
    assert camera_of(ORIGIN | {"manifest": manifest}) is None

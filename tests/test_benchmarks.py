"""The benchmarks run; no test depends on their results."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import ensai

ROOT = Path(__file__).parent.parent


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, env=os.environ | environment
    )


@pytest.mark.benchmark
def test_gpu_benchmark_runs_without_a_gpu_and_without_tensorflow(tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise ImportError('no TensorFlow here')\n")
    output = tmp_path / "results" / "gpu.json"
    done = run("benchmarks.gpu", "--on-cpu", f"--output={output}", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    report = json.loads(output.read_text())
    assert len(report["simulating"]["rows"]) == 4
    assert len(report["training"]["rows"]) == 2
    for row in report["simulating"]["rows"] + report["training"]["rows"]:
        assert all(value > 0 for value in row.values() if isinstance(value, (int, float)))


@pytest.mark.benchmark
def test_gpu_benchmark_says_in_a_line_that_there_is_no_gpu():
    done = run("benchmarks.gpu", JAX_PLATFORMS="cpu")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "no GPU;" in done.stderr


def test_ensai_prior_ratio_makes_their_ellipticities_of_ours():
    labels = np.zeros((200_000, 5))
    labels[:, 1:3] = np.random.default_rng(0).uniform(-0.819, 0.819, (200_000, 2))
    weights = ensai.prior_ratio(labels)
    e = np.hypot(*ensai.to_their_measure(labels)[:, 1:3].T)
    shares = np.histogram(e, np.linspace(0.1, 0.9, 9), weights=weights)[0] / weights[e > 0.1].sum()
    # Uniform in e; the least of the bins holds 4,000 of the draws, of weights that differ little within a bin.
    np.testing.assert_allclose(shares, 1 / 8, rtol=0.06)
    assert weights[e > 0.9].max() == 0


def test_ensai_measures_errors_that_are_known():
    random = np.random.default_rng(1)
    truth = random.uniform((0.1, -0.5, -0.5, -0.25, -0.25), (3, 0.5, 0.5, 0.25, 0.25), (4000, 5))
    width = np.array([0.05, 0.01, 0.01, 0.02, 0.03])
    means = truth + width * random.standard_normal(truth.shape)
    samples = means[:, None] + width * random.standard_normal((4000, 200, 5))
    measured, predicted = ensai.measure(truth, samples)
    assert predicted.shape == truth.shape
    # A thousand effective images: a root mean square is known to 1 / sqrt(2,000) = 2 %.
    for name, wanted in (("theta_E", 0.05), ("x", 0.02), ("y", 0.03)):
        assert measured["rms"][name]["value"] == pytest.approx(wanted, rel=0.1)
        assert measured["rms"][name]["low"] < measured["rms"][name]["value"] < measured["rms"][name]["high"]
        assert measured["half_width_68"][name] == pytest.approx(wanted, rel=0.1)
    # e = 2 eps / (1 + eps) is up to twice as wide; and half of its angle is half as far off
    assert 0.01 < measured["rms"]["e_x"]["value"] < 0.02
    assert measured["rms_with_sign_by_truth"]["e_x"]["value"] < measured["rms"]["e_x"]["value"]
    assert sum(found["images"] for found in measured["theta_E_in_bins"].values()) == 4000


@pytest.mark.benchmark
def test_ensai_benchmark_runs(tmp_path):
    done = run("benchmarks.ensai", "smoke", f"--output={tmp_path}")
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "ensai-smoke.json").read_text())
    assert report["images"] == report["coverage"]["images"] == 96
    assert all(report["rms"][name]["low"] > 0 for name in report["marks"])
    assert (tmp_path / "ensai.png").exists()


def test_what_a_quantity_explains_is_its_share_of_the_variance():
    from benchmarks.redshift import explained

    known, noise = np.random.default_rng(0).normal(size=(2, 20_000))
    assert explained(known, np.abs(known)) > 0.95  # of any function of it, as far as bins are narrow
    assert explained(known, known + noise) == pytest.approx(0.5, abs=0.02)
    assert explained(known, noise) == pytest.approx(0, abs=0.003)  # bins of chance are taken off


@pytest.mark.slow
def test_images_that_are_unlike_differ_in_what_they_say_alone():
    from small_datasets import SMALL_PARAMETERS

    import params_and_cli as panel
    from benchmarks.unlike import KINDS, LIKE, Simulation, simulator

    parameters = panel.RegressionSimulation.of(panel.OVERRIDES, **SMALL_PARAMETERS)
    images, labels, _ = simulator(parameters, 1.0, 1.0).simulate(range(128))
    found = {kind: Simulation(parameters, kind, "einstein-radius")(0) for kind in KINDS}
    same, truth = found[LIKE]
    np.testing.assert_array_equal(same, images)
    np.testing.assert_array_equal(truth, labels["einstein-radius"])
    assert not found["no lens: one galaxy"][1].any()
    np.testing.assert_allclose(found["mass doubled"][1], 2 * truth)
    for kind, (shown, _) in found.items():
        assert shown.shape == images.shape
        assert (shown == images).all() == (kind == LIKE), kind
    # A second galaxy's light is added and none taken: as much again, on average, as far as the field holds it.
    assert np.mean(found["galaxy beside the lens"][0]) > 1.3 * images.mean()
    # Blur moves light and hardly loses any across the edges, of rings well inside the field.
    assert np.mean(found["PSF 3 times broader"][0]) == pytest.approx(images.mean(), rel=0.05)


def test_a_galaxy_in_pixels_is_lensed_as_the_profile_that_it_shows():
    import params_and_cli as panel
    from benchmarks.galaxies import Galaxy, lens_galaxy
    from benchmarks.unlike import simulator
    from stronglens.raytracing.pixelised import start_rays

    parameters = panel.RegressionSimulation.of(panel.OVERRIDES, lens_model="sie", grid_size=32, seed=3)
    lens_simulator = simulator(parameters, 1.0, 1.0)
    scene = lens_simulator.physical_scene(lens_simulator.draw(range(3)).draws)
    zeros = np.zeros(3)
    scene |= {"src_ellip_x": zeros, "src_ellip_y": zeros, "src_sersic": zeros + 1, "src_effect": zeros + 0.2}
    rendered, _ = lens_simulator.render(scene)
    radius = np.hypot(*np.mgrid[-300:301, -300:301]) / 30
    light = np.exp(-1.678347 * radius)  # an exponential disk, half its light within 30 pixels
    galaxy = Galaxy(light, np.array([300.0, 300.0]), 30.0)
    rays = start_rays(rendered.shape[1:], parameters.pixel_scale, parameters.over_sampling)
    for place, image in enumerate(rendered):
        row = {name: float(values[place]) for name, values in scene.items()}
        seen = lens_galaxy(galaxy, row, 0.7, rays).reshape(*image.shape, -1).mean(axis=-1)
        np.testing.assert_allclose(seen / seen.max(), image / image.max(), atol=5e-3)


def test_a_mesh_is_resampled_at_the_places_of_our_pixels():
    from benchmarks.reconstruction import resample

    y, x = np.meshgrid(np.linspace(0.9, -0.8, 34), np.linspace(-0.95, 0.85, 34), indexing="ij")
    side, field = 32, 1.5
    along = (np.arange(side) - (side - 1) / 2) * field / side
    # Row 0 of a source is at its top. A linear function is kept by a linear interpolation.
    expected = 2 * along - 3 * -along[:, None] + 1
    np.testing.assert_allclose(resample(2 * x - 3 * y + 1, np.stack([y, x], axis=-1), side, field), expected)


@pytest.mark.benchmark
def test_reconstruction_benchmark_runs(tmp_path):
    done = run("benchmarks.reconstruction", "--lenses=1", "--reconstructions=50", f"--output={tmp_path}/found.json")
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "found.json").read_text())
    # Both recover the source: one lens tells no more.
    for name in ("ours", "theirs"):
        assert min(report[name]["rmse"].values()) < 0.5 * report["zero_image"]


@pytest.mark.benchmark
def test_magnet_benchmark_runs_on_small_images(tmp_path):
    small = "--flags=--grid-size=32 --pixel-scale=0.24 --source-grid-size=16"
    output = f"--output={tmp_path}/found.json"
    done = run("benchmarks.reconstruction", "gpu", "--images=24", "--epochs=1", small, output)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "found.json").read_text())
    assert report["images_a_second"] > 0
    assert 0 < report["zero_image"] < 1

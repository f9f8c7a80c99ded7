"""Noise and level of the background of images that the lens fills; notes on simulated images."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from small_observations import EUCLID, galaxy, noise, observe, write_fits

import generate_data
from params_and_cli import OVERRIDES, RegressionTraining
from stronglens.dataset import load_dataset
from stronglens.measuring import Prediction, measure_files, read_training_images
from stronglens.observation import describe_backgrounds, place_center, prepare, read_background
from stronglens.observation.noise import measure_background
from stronglens.parameters import RunError, UsageError, parse
from stronglens.telescope.recording import correlate

DATASETS = {
    "sie": ["--lens-model=sie", "--grid-size=48", "-n=100"],
    "composite": ["-n=100"],
    "correlated": ["--lens-model=sie", "--lens-light=off", "--noise-correlation=0.3", "-n=100"],
    "hst": ["--lens-model=sie", "--telescope=hst", "-n=60"],
}


@dataclass(frozen=True)
class Simulated:
    images: np.ndarray
    camera: dict
    record: dict  # as saved with a network trained on these images
    noise: float  # of an empty pixel, e-/s: sqrt(sky t + exposures read_noise^2) / t


@pytest.fixture(
    scope="module", params=[name if name == "sie" else pytest.param(name, marks=pytest.mark.slow) for name in DATASETS]
)
def simulated(request, tmp_path_factory) -> Simulated:
    folder = tmp_path_factory.mktemp(request.param) / "dataset"
    assert generate_data.main([*DATASETS[request.param], f"--dataset-dir={folder}", "--quiet"]) == 0
    dataset = load_dataset(folder)
    images, camera = dataset.images[np.arange(len(dataset.images))], dataset.manifest["telescope"]
    time = camera["exposure-time"]
    expected = np.sqrt(camera["sky"] * time + camera["exposures"] * camera["read-noise"] ** 2) / time
    record = dataset.describe(["einstein-radius"]) | {"background": describe_backgrounds(images)}
    return Simulated(images, camera, record, expected)


def measure(simulated, folder, images, *words, record=None, noise_map=None):
    """Measure images as if they were files of a user."""
    paths = []
    for number, image in enumerate(images):
        paths.append(folder / f"lens{number}.npy")
        np.save(paths[-1], image)
    side = images.shape[1]
    network = SimpleNamespace(inputs=[SimpleNamespace(shape=(None, side, side))], output_shape=(None, 1))
    words = [
        *("--unit=e-/s", f"--zero-point={simulated.camera['zero-point']}", "--quiet", f"--figures-dir={folder}"),
        *(f"--pixel-scale={simulated.camera['pixel-scale']}", *words, "--predict", *map(str, paths)),
    ]
    parameters = parse(RegressionTraining, words, program="model_and_figures.py", overrides=OVERRIDES)

    def predict(images):
        return [Prediction(np.zeros(1)) for _ in images]

    training_images = read_training_images(parameters, record or simulated.record, network)
    results = measure_files(parameters, training_images, predict, ["einstein-radius"])
    assert not results.refused
    assert len(results.kept) == len(images)
    return results.kept


def share(measured, words):
    return np.mean([any(words in note for note in one.notes) for one in measured])


# The noise


def test_noise_is_measured_where_the_lens_fills_the_image(simulated):
    measured = [measure_background(image.astype(float)) for image in simulated.images]
    ratios = np.array([one.noise / simulated.noise for one in measured if one.is_reliable])
    assert len(ratios) > 0.85 * len(measured)
    assert np.median(ratios) == pytest.approx(1, abs=0.2)
    assert np.percentile(np.abs(ratios - 1), 95) < 0.4


@pytest.mark.parametrize("correlation", [0.0, 0.3])
def test_noise_is_measured_beside_photons_and_a_steep_galaxy(correlation):
    """A de Vaucouleurs profile whose photon noise doubles the noise at its effective radius of 10 pixels."""
    rows, columns = np.indices((64, 64))
    radius = np.hypot(rows - 31.5, columns - 31.5)
    light = 0.6 * np.exp(-7.67 * ((radius / 10) ** 0.25 - 1))
    deviation = 0.01 * np.sqrt(1 + light / 0.2)
    random = np.random.default_rng(3)
    images = light + deviation * correlate(random.normal(size=(20, 64, 64)), correlation)
    measured = [measure_background(image) for image in images]
    assert all(one.is_reliable for one in measured)
    assert np.median([one.noise for one in measured]) == pytest.approx(0.01, rel=0.2)


@pytest.mark.parametrize("side", [5, 8, 24, 32])
def test_a_small_file_is_reported_as_too_small(side):
    image = 0.01 * noise((side, side))
    found = prepare(observe(image), shape=(side, side), pixel_scale=0.1, zero_point=25.72)
    assert np.isnan(found.background_noise)
    assert (found.noise > 0).all()
    assert any("too small, or too full of light, to measure its noise" in note for note in found.notes)


def test_the_noise_of_a_file_full_of_light_is_unknown():
    found = prepare(observe(galaxy((64, 64), peak=1e4, size=20.0) + noise((64, 64))), **EUCLID)
    assert np.isnan(found.background_noise)


def test_training_images_are_not_called_unlike(simulated, tmp_path):
    measured = measure(simulated, tmp_path, simulated.images)
    assert share(measured, "outside the training range") <= 0.02
    assert share(measured, "sky subtracted") <= 0.02


def test_new_images_of_the_same_simulation_are_not_called_unlike(simulated, tmp_path):
    half = len(simulated.images) // 2
    record = simulated.record | {"background": describe_backgrounds(simulated.images[:half])}
    measured = measure(simulated, tmp_path, simulated.images[half:], record=record)
    assert share(measured, "outside the training range") <= 0.02


def test_images_with_more_noise_are_noticed(simulated, tmp_path):
    more = 4 * simulated.noise * np.random.default_rng(0).standard_normal(simulated.images.shape)
    measured = measure(simulated, tmp_path, simulated.images + more)
    assert share(measured, "outside the training range") >= 0.95


def test_networks_of_older_versions_compare_with_their_camera(simulated, tmp_path):
    record = {key: value for key, value in simulated.record.items() if key != "background"}
    measured = measure(simulated, tmp_path, simulated.images, record=record)
    assert share(measured, "outside the training range") <= 0.02
    assert share(measured, "sky subtracted") == 0  # their records have no level


def test_a_correct_noise_map_is_not_called_unlike(simulated, tmp_path):
    """The map is compared, not the noise in the image, which is half as large if pixels were resampled."""
    np.save(tmp_path / "map.npy", np.full(simulated.images.shape[1:], simulated.noise))
    smooth = correlate(simulated.images.astype(float), 0.3) / 2
    for images in (simulated.images, smooth):
        measured = measure(simulated, tmp_path, images, "--noise-map=map.npy")
        assert share(measured, "outside the training range") == 0


# The level


def test_a_sky_that_is_not_subtracted_is_noticed_and_fitted(simulated, tmp_path):
    raw = simulated.images + np.float32(simulated.camera["sky"])
    measured = measure(simulated, tmp_path, raw)
    assert share(measured, "was the sky subtracted? --background=fit") >= 0.9
    fitted = measure(simulated, tmp_path, raw, "--background=fit")
    left = [np.mean(one.seen - image) for one, image in zip(fitted, simulated.images, strict=True)]
    assert np.median(np.abs(left)) < simulated.noise
    assert np.percentile(np.abs(left), 90) < 3 * simulated.noise
    assert share(fitted, "sky subtracted") <= 0.02


def test_a_sky_subtracted_twice_is_noticed(simulated, tmp_path):
    measured = measure(simulated, tmp_path, simulated.images - np.float32(simulated.camera["sky"]))
    assert share(measured, "was too much sky subtracted?") >= 0.9


def test_a_background_is_given_in_the_unit_of_the_file(tmp_path):
    from stronglens.observation import read_observation

    image = 1000 + noise()
    path = write_fits(tmp_path / "a.fits", image, BUNIT="ELECTRONS", EXPTIME=100.0)
    observation = read_observation(path, pixel_scale=0.1, background=1000.0)
    np.testing.assert_allclose(observation.image, np.flipud(image - 1000) / 100)
    assert "a background of 1000 subtracted from the pixels as they are stored" in observation.notes


def test_a_background_is_fitted_around_the_lens_in_a_larger_file():
    """The image has a masked neighbour and an unmasked one."""
    image = 7.0 + galaxy((200, 200), x=20, peak=300.0) + noise((200, 200)) + galaxy((200, 200), x=75, peak=500.0)
    mask = np.zeros((200, 200), bool)
    mask[:, :40] = True
    image[mask] = 1e4
    centre, _ = place_center(observe(image, mask=mask), (2.0, 0.0), 6.4, None)
    found = prepare(observe(image, mask=mask), **EUCLID, centre=centre, subtract_background=True)
    (note,) = [note for note in found.notes if "fitted to the outskirts" in note]
    assert float(note.split()[3]) == pytest.approx(7, abs=0.3)  # the noise is 1


def test_masked_outskirts_have_no_background():
    mask = np.ones((100, 100), bool)
    mask[30:70, 30:70] = False
    with pytest.raises(RunError, match="give --background=VALUE"):
        prepare(observe(noise(), mask=mask), **EUCLID, subtract_background=True)


@pytest.mark.parametrize(("words", "value"), [("none", "none"), ("FIT", "fit"), ("-0.5", -0.5), ("1e3", 1000.0)])
def test_backgrounds_are_read(words, value):
    assert read_background(words) == value


@pytest.mark.parametrize("words", ["", "median", "nan", "inf", "1,2"])
def test_other_backgrounds_are_usage_errors(words):
    with pytest.raises(UsageError, match="--background must be none, fit or a number"):
        read_background(words)


def test_images_without_noise_have_no_background():
    assert describe_backgrounds(np.zeros((3, 4, 4))) == {}
    assert describe_backgrounds(np.zeros((3, 64, 64))) == {"noise": [0.0, 0.0], "level": [0.0, 0.0]}


def test_a_record_describes_an_even_sample_of_the_images():
    """500 of 1,000 images are measured. Levels are 0 to 9.99; their 0.5 and 99.5 % quantiles are 0.05 and 9.94."""
    images = noise((1000, 16, 16)) / 100 + np.arange(1000)[:, None, None] / 100
    found = describe_backgrounds(images)
    assert found["level"] == pytest.approx([0.05, 9.94], abs=0.05)
    assert 0.004 < found["noise"][0] < found["noise"][1] < 0.03

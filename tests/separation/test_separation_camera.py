"""Units of the noise."""

import numpy as np
import pytest

from stronglens.separation.camera import Camera
from stronglens.telescope import add_noise

EUCLID = {"sky": 0.233, "exposures": 4, "read_noise": 4.2}


@pytest.mark.parametrize("level", [0.0, 0.1, 3.0])
def test_the_noise_is_one_at_any_brightness(level):
    camera = Camera(exposure_time=2264.0, **EUCLID)
    rate = np.full((1, 200, 200), level, np.float32)
    image = add_noise(rate, camera.telescope(), [np.random.default_rng(0)])
    times = camera.exposure_times(image)
    noise = camera.to_units(image, times) - camera.to_units(rate, times)
    assert noise.std() == pytest.approx(1, abs=0.02)  # 40,000 pixels give 0.0035
    assert noise.mean() == pytest.approx(0, abs=0.03)


def test_light_survives_the_units():
    camera = Camera(exposure_time=None, **EUCLID)
    light, times = np.random.default_rng(0).normal(0, 0.02, (3, 8, 8)) + 1, np.array([500.0, 2000, 9000])[:, None, None]
    assert camera.to_light(camera.to_units(light, times), times) == pytest.approx(light, rel=1e-9)


@pytest.mark.parametrize("correlation", [0.0, 0.4])
def test_exposure_times_are_estimated_from_the_noise(correlation):
    camera, times = Camera(exposure_time=None, noise_correlation=correlation, **EUCLID), np.array([300.0, 5000.0])
    rate = np.zeros((2, 100, 100), np.float32)
    images = add_noise(rate, camera.telescope(), [np.random.default_rng(seed) for seed in range(2)], times)
    assert camera.exposure_times(images)[:, 0, 0] == pytest.approx(times, rel=0.06)  # 10,000 pixels: 3 %

"""Networks: what they give adds up, whatever their weights; metrics and classical methods on known images."""

import numpy as np
import pytest

from stronglens.scaling import ImageScaling
from stronglens.separation.camera import Camera
from stronglens.separation.convergence import MAP, SIGMA, MapComponents, build_components
from stronglens.separation.metrics import flux_ratio, peak_ratio
from stronglens.separation.network import DENOISED, SOURCE, UNITS, build_network
from stronglens.separation.yardsticks import (
    Components,
    denoise,
    make_yardsticks,
    subtract_lens_model,
    subtract_symmetric_part,
)
from stronglens.telescope import add_noise
from stronglens.training import keras

CAMERA = Camera(sky=0.233, exposure_time=2264.0, exposures=4, read_noise=4.2)
SCALING = ImageScaling(0.1, 0.0, 1.0)
SIDE = 20  # not a multiple of eight: the U-Net halves the image three times


def some_images(number=3):
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    light = np.exp(-np.hypot(x, y) / 2).astype(np.float32)[None] * np.arange(1, number + 1)[:, None, None]
    images = add_noise(light, CAMERA.telescope(), [np.random.default_rng(seed) for seed in range(number)])
    return images, light


@pytest.mark.parametrize(("kind", "time"), [("unet", 2264.0), ("unet", None), ("branched", 2264.0)])
def test_noise_source_and_lens_add_up_to_the_image(kind, time):
    camera = Camera(0.233, time, 4, 4.2)
    network = build_network(kind, (SIDE, SIDE), SCALING, camera, seed=0)
    images, _ = some_images()
    both = keras.Model(network.inputs[0], [network.get_layer(UNITS).output, network.output])
    units, planes = (np.asarray(one) for one in both(images))
    times = camera.exposure_times(images)
    noise, source = units[..., 0], units[..., 1]
    assert np.ptp(noise) > 0
    assert planes[..., DENOISED] == pytest.approx(
        camera.to_light(camera.to_units(images, times) - noise, times), abs=2e-5
    )
    assert planes[..., SOURCE] == pytest.approx(camera.to_light(source, times), abs=2e-5)
    lens = planes[..., DENOISED] - planes[..., SOURCE]
    residual = images - planes[..., DENOISED]
    assert lens + planes[..., SOURCE] + residual == pytest.approx(images, abs=1e-6)


def test_components_give_a_map_and_its_uncertainty():
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2 + 0.1
    random = np.random.default_rng(0)
    maps = random.uniform(0.5, 2, (40, 1, 1)) / np.hypot(x, y * random.uniform(0.8, 1.2, (40, 1, 1)))
    components = MapComponents.of(maps)
    again = components.decode(components.encode(np.log(maps)))
    assert np.abs(again - np.log(maps)).max() < 0.05
    network = build_components((SIDE, SIDE), SCALING, components, seed=0)
    found = np.asarray(network(some_images()[0]))
    assert np.isfinite(found).all()
    assert (found[..., MAP] > 0).all()
    assert (found[..., SIGMA] > 0).all()


def test_peak_ratio_and_flux():
    truth = np.zeros((1, 10, 10))
    truth[0, 5, 5] = 2.0
    assert peak_ratio(truth + 0.02, truth) == pytest.approx([40.0])
    assert flux_ratio(truth * 1.1, truth) == pytest.approx([1.1])


def test_a_centred_lens_has_no_asymmetric_part():
    _, light = some_images()
    assert np.abs(subtract_symmetric_part(light)).max() < 1e-6
    light[:, 3, 4] += 1
    assert subtract_symmetric_part(light)[:, 3, 4] == pytest.approx(1, abs=1e-6)


def test_classical_methods_reduce_the_noise():
    images, light = some_images()
    yardsticks = make_yardsticks(Components(CAMERA.to_units(light, CAMERA.exposure_times(light))))
    before = peak_ratio(images, light).mean()
    for name, strength in (("wiener", 1.0), ("tv", 0.35), ("nl-means", 0.8), ("pca", 2)):
        assert peak_ratio(denoise(yardsticks[name], strength, images, CAMERA), light).mean() > before + 1, name


def test_a_lens_model_of_components_leaves_the_source():
    """A small bright source does not change the lens much: its pixels are outliers."""
    images, light = some_images()
    components = Components(CAMERA.to_units(light, CAMERA.exposure_times(light)))
    images[:, 2:5, 3:6] += 2
    source = subtract_lens_model(components, 2, images, CAMERA)
    assert source[:, 2:5, 3:6] == pytest.approx(2, abs=0.2)  # the noise of a pixel is 0.03
    source[:, 2:5, 3:6] = 0
    assert np.abs(source.mean(axis=(1, 2))).max() < 0.01

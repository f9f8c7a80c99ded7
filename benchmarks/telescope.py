"""Time per image of convolution, signal-to-noise ratio and noise, compared with the ray tracing."""

import jax
import numpy as np

import params_and_cli as panel
from benchmarks.timing import measure_rates
from stronglens import telescope
from stronglens.sampling import Stream, generator, key_words
from stronglens.simulation.lens_simulator import LensSimulator

IMAGES = 128


def measure(seconds: float) -> dict:
    """Measure each stage of the simulation of the default dataset (composite lenses, Euclid VIS)."""
    parameters = panel.RegressionSimulation.of(overrides=panel.OVERRIDES)
    simulator = LensSimulator(parameters)
    camera = simulator.telescope
    scene = simulator.physical_scene(simulator.draw(range(IMAGES)).draws)
    source, lens = simulator.render(scene)
    blurred = telescope.blur(source, camera.psf)
    rate = blurred + telescope.blur(lens, camera.psf)

    # The program for a GPU, run on JAX's default device.
    under_jax = LensSimulator(parameters, on_device=True)
    device, on_device = telescope.DeviceTelescope(camera), jax.device_put((source, lens))
    rate_on_device, _ = device.observe(*on_device)
    keys = np.stack([key_words(0, Stream.NOISE, index) for index in range(IMAGES)])

    def add_noise():
        telescope.add_noise(rate, camera, [generator(0, Stream.NOISE, index) for index in range(IMAGES)])

    rates = measure_rates(
        {
            "draws and rules": (lambda: simulator.draw(range(IMAGES)), IMAGES),
            "ray tracing": (lambda: simulator.render(scene), IMAGES),
            "blur (source and lens)": (
                lambda: [telescope.blur(np.copy(images), camera.psf) for images in (source, lens)],
                IMAGES,
            ),
            "Poisson and read noise": (add_noise, IMAGES),
            "whole chunk": (lambda: simulator.simulate(range(IMAGES)), IMAGES),
            "the same, all under JAX": (lambda: under_jax.simulate(range(IMAGES)), IMAGES),
            "its blur and labels": (lambda: device.observe(*on_device), IMAGES),
            "its noise": (lambda: device.add_noise(rate_on_device, keys), IMAGES),
        },
        seconds / 2,
    )
    milliseconds = {name: 1000 / value for name, value in rates.items()}
    for name, value in milliseconds.items():
        share = value / milliseconds["whole chunk"]
        print(f"{name:>25} {value:7.3f} ms/image {share:6.0%} of a chunk", flush=True)
    return {"milliseconds_an_image": milliseconds}

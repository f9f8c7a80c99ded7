"""Whether a lens is found where there is one (``python -m benchmarks.refine galaxies``).

Every galaxy has a Sersic profile, every second one also a bulge and a halo of other shapes, and up to two neighbours.
They are rendered with a lensed source and without. The search starts from wrong draws, without a network.
"""

import time

import numpy as np

from stronglens import telescope
from stronglens.parameters import Range
from stronglens.regression.image_fit import ImageData
from stronglens.regression.image_likelihood import likelihood_of
from stronglens.regression.image_priors import read_priors
from stronglens.regression.lens_gaussians import render_gaussians
from stronglens.regression.lens_search import LensSearch
from stronglens.regression.refinement import place_draws
from stronglens.regression.simulator import make_simulator

SIDE, PIXEL, SNR = 40, 0.1, 30.0
LABELS = ("einstein-radius-sie", "src-center-x", "src-center-y")


def search_in_galaxies(number: int) -> dict:
    """Return how often a lens was found in a number of galaxies without and with a lensed source, and CPU seconds."""
    import params_and_cli as panel

    parameters = panel.RegressionSimulation.of(
        overrides=panel.OVERRIDES, lens_model="sie", grid_size=SIDE, pixel_scale=PIXEL, over_sampling=2, snr_min=SNR,
        lens_center_x_range=Range(-0.05, 0.05), lens_center_y_range=Range(-0.05, 0.05), seed=11,
    )  # fmt: skip
    simulator = make_simulator(parameters, threads=1)
    priors = read_priors(simulator)
    likelihood = likelihood_of(simulator, priors.names, False)
    found: dict = {"galaxies": number, "without-lens": 0, "with-lens": 0, "radius-errors": []}
    before = time.process_time()
    for index in range(number):
        random = np.random.default_rng(index)
        _, labels, _ = simulator.simulate([index])
        scene = simulator.physical_scene(labels)
        more = draw_light(simulator, random, labels, index % 2 == 1)
        samples = random.uniform([0.5, -0.3, -0.3], [1.8, 0.3, 0.3], (50, 3))
        for key, brightness in (("without-lens", 0.0), ("with-lens", 1.0)):
            rate = simulator.noiseless(scene | {"src_intensity": brightness * scene["src_intensity"]})
            rate = rate + more * rate.max()
            noise = np.sqrt(telescope.noise_variance(rate, simulator.telescope))[0].astype(float)
            image = rate[0] + noise * random.normal(size=noise.shape)
            search = LensSearch(likelihood, place_draws(priors, LABELS, samples), 0)
            result = search.run(priors, ImageData(image, 1 / noise, likelihood.correlation))
            found[key] += result.evidence.is_lens
            print(f"galaxy {index}, {key}: {result.evidence.text}; {'; '.join(result.notes)}", flush=True)
            if result.evidence.is_lens and brightness:
                values = dict(zip(result.priors.names, result.priors.to_values(result.best.z), strict=True))
                error = values["einstein-radius-sie"] - float(labels["einstein-radius-sie"][0])
                found["radius-errors"].append(round(error, 3))
    return found | {"cpu-seconds": (time.process_time() - before) / (2 * number)}


def draw_light(simulator, random: np.random.Generator, labels, has_halo: bool) -> np.ndarray:
    """Return more light of a galaxy, and of up to two neighbours (H, W), relative to the peak of the galaxy."""

    def render(x: float, y: float, ellipticities) -> np.ndarray:
        return render_gaussians(np.array([x, y, *ellipticities]), (SIDE, SIDE), simulator.telescope.psf, PIXEL)

    light = np.zeros((SIDE, SIDE))
    if has_halo:
        x, y = (float(labels[f"lens-center-{axis}"][0]) for axis in "xy")
        images = render(x, y, random.normal(0, 0.15, 4))
        light += 0.5 * images[2] + 0.2 * images[21] + 0.05 * images[24]
    for _ in range(random.integers(0, 3)):
        angle, radius = random.uniform(0, 2 * np.pi), random.uniform(0.6, 2.2)
        images = render(radius * np.cos(angle), radius * np.sin(angle), random.normal(0, 0.2, 4))
        narrow, wide = images[random.integers(2, 5)], images[random.integers(4, 7)]
        light += 10 ** random.uniform(-2, 0) * (narrow + 0.2 * wide)
    return light

"""Errors of the mass where the source is lumpy and fitted with pixels (``python -m benchmarks.refine lumps``).

Each lens has a random mass, a source of one wide and three narrow Gaussians, and noise that follows the light. The fit
starts near the truth, without a network. Reported is the squared distance of the mass from the truth in units of its
covariance at the maximum; it should be 7 on average, with a standard deviation of 3.7. It is found twice: with the
prior of the command, and with one that expects the same curvature everywhere.
"""

import time
from types import SimpleNamespace
from unittest import mock

import numpy as np
from scipy.signal import convolve2d

from stronglens.raytracing.pixelised import start_rays
from stronglens.regression import pixel_fit
from stronglens.regression.image_fit import ImageData, ImageFit
from stronglens.regression.image_priors import Priors
from stronglens.regression.importance import WIDENED
from stronglens.regression.pixel_posterior import trace_mass
from stronglens.telescope import gaussian_psf

SIDE, PIXEL, FWHM, RAYS = 44, 0.1, 0.16, 6
"""Pixels, arcsec of a pixel and of the point-spread function, rays along each side of a pixel."""

SKY, PHOTONS = 0.02, 1000
"""Standard deviation of the noise in the dark, and number of photons for a brightness of 1."""

RANGES = {
    "lens-center-x": (-0.1, 0.1), "lens-center-y": (-0.1, 0.1), "lens-ellip-x": (-0.25, 0.25),
    "lens-ellip-y": (-0.25, 0.25), "lens-effect": (0.5, 3), "lens-sersic": (2, 6),
    "einstein-radius-sie": (0.5, 2.2), "shear-1": (-0.1, 0.1), "shear-2": (-0.1, 0.1),
}  # fmt: skip
AWAY = 0.03
"""Distance of the start from the truth, in standard deviations of the prior."""


def measure_lumpy_lenses(number: int) -> dict:
    """Return squared distances of a number of lenses, signal-to-noise ratios, and CPU seconds of a lens."""
    found: dict = {"command": [], "one-curvature": [], "snr": []}
    before = time.process_time()
    for seed in range(number):
        lens = simulate(seed)
        found["snr"].append(round(lens[-1]))
        found["command"].append(round(squared_distance(seed, *lens), 1))
        with mock.patch.object(pixel_fit, "FLOORS", pixel_fit.FLOORS[-1:]):
            found["one-curvature"].append(round(squared_distance(seed, *lens), 1))
        print(f"lens {seed}: {found['command'][-1]}, with one curvature {found['one-curvature'][-1]}", flush=True)
    seconds = (time.process_time() - before) / (2 * number)
    return found | {name: float(np.mean(found[key])) for name, key in MEANS.items()} | {"cpu-seconds": seconds}


MEANS = {"mean-command": "command", "mean-one-curvature": "one-curvature"}


def simulate(seed: int) -> tuple[ImageData, np.ndarray, Priors, np.ndarray, SimpleNamespace, float]:
    """Return an image, its arcs, priors, true standard normal numbers, a simulator, and the arcs' signal-to-noise."""
    import autolens as al

    random, priors = np.random.default_rng(seed), Priors(tuple(RANGES), *np.array(list(RANGES.values())).T)
    ellipticity, shear = random.normal(0, 0.08, 2).clip(-0.2, 0.2), random.normal(0, 0.03, 2).clip(-0.08, 0.08)
    x, y = random.uniform(-0.03, 0.03, 2)
    truth = priors.to_normal(np.array([x, y, *ellipticity, 1, 3, random.uniform(0.9, 1.4), *shear]))
    psf = gaussian_psf(FWHM, PIXEL)
    whole = SIDE + len(psf) - 1
    places = start_rays((whole, whole), PIXEL, RAYS)
    ends = trace_mass("sie", priors, truth, places.reshape(-1, 1, 2)).reshape(-1, 2) - random.uniform(-0.15, 0.15, 2)
    lumps = [(0, 0, random.uniform(0.15, 0.25), 1.0)]
    lumps += [(*random.normal(0, 0.15, 2), random.uniform(0.04, 0.1), random.uniform(0.5, 3)) for _ in range(3)]
    source = sum(
        bright * np.exp(-0.5 * ((ends - place) ** 2).sum(axis=1) / width**2) for *place, width, bright in lumps
    )
    profile = al.lp.Sersic(
        centre=(y + 0.01, x - 0.01), ell_comps=(ellipticity[1] + 0.03, ellipticity[0] + 0.02), intensity=0.5,
        effective_radius=1, sersic_index=3,
    )  # fmt: skip
    lens = np.asarray(profile.image_2d_from(grid=al.Grid2DIrregular(places)))
    shape = whole, whole, RAYS**2
    arcs, lens = (convolve2d(light.reshape(shape).mean(axis=-1), psf, mode="valid") for light in (0.5 * source, lens))
    noise = np.sqrt(SKY**2 + (arcs + lens) / PHOTONS)
    image = arcs + lens + noise * random.normal(size=noise.shape)
    simulator = SimpleNamespace(
        telescope=SimpleNamespace(psf=psf, padding=len(psf) // 2, pixel_scale=PIXEL),
        parameters=SimpleNamespace(lens_model="sie"),
        renderer=SimpleNamespace(lens_light=True),
    )
    return ImageData(image, 1 / noise), arcs, priors, truth, simulator, float(np.sqrt(((arcs / noise) ** 2).sum()))


def squared_distance(seed: int, data, arcs, priors, truth, simulator, _) -> float:
    """Return the squared distance of the mass at the maximum from the truth, in units of the covariance there."""
    start = truth + AWAY * np.random.default_rng([seed, 1]).normal(size=len(truth))
    images = np.stack([arcs, data.image - arcs, np.ones_like(arcs)])
    fit = ImageFit(start, 0, 0, images, np.ones(3), AWAY**2 * np.eye(len(truth)))
    posterior, population = pixel_fit.fit_pixels(simulator, priors, data, fit)
    away = population.centres[0][:-1] - truth[posterior.priors.is_free]
    return float(away @ np.linalg.solve(population.covariances[0][:-1, :-1] / WIDENED, away))

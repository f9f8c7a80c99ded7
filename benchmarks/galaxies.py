"""Test of a network that was trained on model galaxies on lenses with observed galaxies as sources.

``python -m benchmarks.galaxies IMAGES.fits --model-file=models/slacs.keras`` uses galaxies of GalSim's COSMOS sample
(Mandelbaum et al. 2012, MNRAS 420, 1518: Hubble images with 0.03" pixels, one per extension) as sources instead of
those of the simulator, with the same lenses, sizes, magnitudes, positions and telescope. It compares the results of the
network, and writes them to ``benchmarks/results/galaxies.json`` and ``docs/images/galaxies.png``. With a network of
``--task=separation`` it compares the separated sources, and prints them.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from astropy.io import fits

import params_and_cli as panel
from benchmarks.__main__ import describe_machine
from benchmarks.command import ROOT
from benchmarks.unlike import DRAWS, RADII, RESULTS, SEED, simulator
from stronglens.dataset import CHUNK_SIZE
from stronglens.execution import open_executor
from stronglens.observation.galaxies import Galaxy, clean
from stronglens.parameters import RunError, from_manifest
from stronglens.plotting import asinh_norm, draw_panels, save_figure

FIGURE = ROOT / "docs" / "images" / "galaxies.png"
IMAGES = 1024
MODELS, PHOTOGRAPHED = "the simulator's sources", "photographed galaxies"
BRIGHT = 40
"""Signal-to-noise ratio above which fluxes are compared."""

OF_MASS = ("lens-ellip-x", "lens-ellip-y", "shear-1", "shear-2")


def read_galaxies(paths: Sequence[Path]) -> list[Galaxy]:
    """Read all images in FITS files.

    Raises
    ------
    RunError
        If there is no image.
    """
    galaxies = []
    for path in paths:
        with fits.open(path) as file:
            galaxies += [clean(hdu.data) for hdu in file if getattr(hdu, "is_image", False) and hdu.size]
    if not galaxies:
        raise RunError(f"no image in {', '.join(map(str, paths))}")
    return galaxies


def lens_galaxy(galaxy: Galaxy, row: dict[str, float], angle: float, grid: np.ndarray) -> np.ndarray:
    """Return the surface brightness (K,) of a lensed galaxy of unit flux at the positions (K, 2) of rays, (y, x).

    The half-light radius is that of the source in the scene. Deflections are from PyAutoLens.
    """
    from stronglens.raytracing.pixelised import brightness_at, trace_rays

    away = trace_rays("sie", row, grid) - (row["src_center_y"], row["src_center_x"])
    turned = away @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    pixel = row["src_effect"] / galaxy.radius
    return brightness_at(galaxy.light, galaxy.centre, pixel, turned) / pixel**2


@dataclass(frozen=True, eq=False)
class Lenses:
    """Images of lenses, e-/s, with one kind of source.

    Attributes
    ----------
    images : ndarray (N, H, W)
        With noise.
    source, lens : ndarray (N, H, W)
        Light of the source and of the lens without noise, blurred.
    labels : dict of str to ndarray (N,)
        With the ``snr`` of this kind of source.
    """

    images: np.ndarray
    source: np.ndarray
    lens: np.ndarray
    labels: dict[str, np.ndarray]

    @classmethod
    def joined(cls, parts: "Sequence[Lenses]", number: int) -> "Lenses":
        """Return the first lenses of several."""
        arrays = (np.concatenate([getattr(part, name) for part in parts])[:number].astype(np.float32)
                  for name in ("images", "source", "lens"))  # fmt: skip
        labels = {name: np.concatenate([part.labels[name] for part in parts])[:number] for name in parts[0].labels}
        return cls(*arrays, labels)


@dataclass(frozen=True, eq=False)
class Simulation:
    """Simulate lenses with the simulator's sources and with observed galaxies.

    It is called with the index of a chunk.
    """

    parameters: object
    galaxies: list[Galaxy]

    def __call__(self, chunk: int) -> dict[str, Lenses]:
        from stronglens import telescope
        from stronglens.raytracing import source_flux_in_field
        from stronglens.raytracing.pixelised import start_rays
        from stronglens.sampling import Stream, generator

        indices = np.arange(chunk * CHUNK_SIZE, (chunk + 1) * CHUNK_SIZE)
        lens_simulator = simulator(self.parameters, 1.0, 1.0)
        images, labels, _ = lens_simulator.simulate(indices)
        scene = lens_simulator.physical_scene(lens_simulator.complete(labels, indices))
        source, lens = lens_simulator.render(scene)
        flux = source_flux_in_field(scene, lens_simulator.shape, self.parameters.pixel_scale)
        rays = start_rays(source.shape[1:], self.parameters.pixel_scale, self.parameters.over_sampling)
        random = np.random.default_rng(chunk)
        photographed = np.empty_like(source)
        for place, angle in enumerate(2 * np.pi * random.random(len(indices))):
            row = {name: float(values[place]) for name, values in scene.items()}
            bright = lens_galaxy(self.galaxies[indices[place] % len(self.galaxies)], row, angle, rays)
            pixels = bright.reshape(*source.shape[1:], -1).mean(axis=-1)
            photographed[place] = flux[place] * self.parameters.pixel_scale**2 * pixels
        time, camera = labels.get("exposure-time"), lens_simulator.telescope
        rate, measured = telescope.observe(photographed, lens, camera, None, time, None)
        noise = [generator(self.parameters.seed, Stream.NOISE, index) for index in indices]
        others = telescope.add_noise(rate, camera, noise, time)
        source, photographed, lens = (telescope.blur(light, camera.psf) for light in (source, photographed, lens))
        return {
            MODELS: Lenses(images, source, lens, labels),
            PHOTOGRAPHED: Lenses(others, photographed, lens, labels | {"snr": measured["snr"]}),
        }


def simulate(parameters, galaxies: list[Galaxy], number: int) -> dict[str, Lenses]:
    """Simulate lenses with both kinds of sources, other ones than those of a training set."""
    work = Simulation(replace(parameters, seed=parameters.seed + SEED), galaxies)
    with open_executor(1) as executor:  # PyAutoLens needs a separate process
        parts = [executor.submit(work, chunk).result() for chunk in range(-(-number // CHUNK_SIZE))]
    return {kind: Lenses.joined([part[kind] for part in parts], number) for kind in (MODELS, PHOTOGRAPHED)}


def study(network, record: dict, galaxies: list[Galaxy], number: int) -> tuple[dict, dict]:
    """Measure lenses with both kinds of sources.

    Returns
    -------
    found : dict
        Results.
    drawn : dict
        For the figure: images (N, H, W) with observed galaxies, their true Einstein radii and signal-to-noise ratios
        (N,), posterior samples of the radii (N, S) and the pixel scale.
    """
    from stronglens.out_of_distribution import FAR, ImageFeatures, OutOfDistribution
    from stronglens.regression.posterior import Posterior

    names = [item["name"] for item in record["labels"]]
    radius = next((name for name in RADII if name in names), None)
    if radius is None or not record.get("posterior") or (record.get("simulation") or {}).get("lens-model") != "sie":
        raise RunError("the network does not give the posterior of the Einstein radius of isothermal lenses")
    posterior, score = Posterior(network, record), OutOfDistribution.from_dict(record["familiarity"])
    features, place = ImageFeatures(network, posterior), names.index(radius)
    made_with = from_manifest(panel.RegressionSimulation, record["simulation"], panel.OVERRIDES)
    kinds, drawn = {}, {}
    for kind, lenses in simulate(made_with, galaxies, number).items():
        truth, seen = lenses.labels, features(lenses.images)
        draws = posterior.sample(seen["summary"], DRAWS, 0)
        kinds[kind] = judge(draws[..., place], truth[radius])
        kinds[kind]["flagged"] = float((score.percentile(seen) > 100 * FAR).mean())
        for name in OF_MASS:
            if name in names:
                kinds[kind][name] = judge(draws[..., names.index(name)], truth[name])
        _print(kind, kinds[kind])
        drawn = {"images": lenses.images, "true": truth[radius], "draws": draws[..., place], "snr": truth["snr"]}
    found = {"radius": radius, "images": number, "galaxies": len(galaxies), "kinds": kinds}
    return found, drawn | {"pixel_scale": record["pixel-scale"]}


def study_separation(network, record: dict, galaxies: list[Galaxy], number: int) -> None:
    """Print how well a network separates lenses with both kinds of sources."""
    from stronglens.separation.metrics import flux_ratio, half_width, interval, peak_ratio, similarity
    from stronglens.separation.report import separate

    made_with = from_manifest(panel.SeparationSimulation, record["simulation"], panel.OVERRIDES)
    for kind, lenses in simulate(made_with, galaxies, number).items():
        found = separate(network, lenses.images)
        sums = flux_ratio(found.source, lenses.source)[lenses.labels["snr"] > BRIGHT]
        quantities = {
            "PSNR of all light [dB]": interval(peak_ratio(found.denoised, lenses.source + lenses.lens), 0),
            "PSNR of the source [dB]": interval(peak_ratio(found.source, lenses.source), 0),
            "SSIM of the source": interval(similarity(found.source, lenses.source), 0),
            f"source flux over the true one, S/N > {BRIGHT}: median": interval(sums, 0, np.median),
            "... half-width": interval(sums, 0, half_width),
        }
        print(f"{number:,} lenses with {kind}, 95 % bootstrap intervals")
        for name, entry in quantities.items():
            print(f"  {name:<52} {entry['value']:.3f} ({entry['low']:.3f} to {entry['high']:.3f})")


def judge(draws: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Return errors and coverage of posterior samples (N, S) of one quantity with the true values (N,)."""
    error = np.median(draws, axis=1) - truth
    inside = {}
    for level in (0.68, 0.95):
        low, high = np.quantile(draws, (0.5 - level / 2, 0.5 + level / 2), axis=1)
        inside[f"inside_{level:.0%}"] = float(np.mean((low <= truth) & (truth <= high)))
    return {
        "rms": float(np.sqrt(np.mean(error**2))),
        "median_size": float(np.median(np.abs(error))),
        "mean_error": float(error.mean()),
        "within_5%": float(np.mean(np.abs(error) <= 0.05 * np.abs(truth))),
        **inside,
    }


def draw_examples(drawn: dict, galaxies: int):
    """Draw the lens with the highest signal-to-noise ratio for each galaxy, with true and measured radius."""
    numbers = np.arange(len(drawn["snr"]))
    best = [part[drawn["snr"][part].argmax()] for part in (numbers[one::galaxies] for one in range(min(galaxies, 12)))]
    rows = zip(drawn["true"][best], drawn["draws"][best].mean(axis=1), drawn["draws"][best].std(axis=1), strict=True)
    return draw_panels(
        drawn["images"][best],
        [f'true {true:.2f}", measured {mean:.2f} ± {deviation:.2f}"' for true, mean, deviation in rows],
        drawn["pixel_scale"],
        asinh_norm(drawn["images"][best]),
        "magma",
        "brightness [e−/s]",
        "Einstein radii of lenses with observed galaxies as sources",
        f"the lens with the highest S/N for each galaxy, of {len(numbers):,}; the network was trained on model sources",
        narrowest=1.75,
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.galaxies", description=__doc__.splitlines()[0])
    parser.add_argument("galaxies", type=Path, nargs="+", help="FITS files with an image of a galaxy in each extension")
    parser.add_argument(
        "--model-file",
        type=Path,
        required=True,
        help="network with posteriors of isothermal lenses, or of --task=separation",
    )
    parser.add_argument("--images", type=int, default=IMAGES, help="number of images for each kind of source")
    parser.add_argument("--results", type=Path, default=RESULTS / "galaxies.json")
    parser.add_argument("--figure", type=Path, default=FIGURE)
    options = parser.parse_args(arguments)
    from stronglens.training import load_network

    galaxies = read_galaxies(options.galaxies)
    network, record = load_network(options.model_file)
    if record["task"] == "separation":
        study_separation(network, record, galaxies, options.images)
        return 0
    found, drawn = study(network, record, galaxies, options.images)
    report = {"machine": describe_machine(), "network": str(options.model_file), **found}
    options.results.write_text(json.dumps(report, indent=1) + "\n")
    save_figure(draw_examples(drawn, len(galaxies)), options.figure)
    return 0


def _print(kind: str, entry: dict) -> None:
    print(
        f'{kind:<26} RMS {entry["rms"]:.3f}", median {entry["median_size"]:.3f}", mean {entry["mean_error"]:+.3f}"; '
        f"within 5 %: {entry['within_5%']:.0%}; inside 68 and 95 %: {entry['inside_68%']:.0%}, "
        f"{entry['inside_95%']:.0%}; out of distribution: {entry['flagged']:.0%}",
        flush=True,
    )


if __name__ == "__main__":
    from benchmarks import galaxies  # imported by name, so that other processes can unpickle its classes

    sys.exit(galaxies.main())

"""Test of the out-of-distribution score of ``--predict``.

``python -m benchmarks.unlike --model-file=models/regression.keras`` applies a network to kinds of images that differ
from the training images in one property each. It reports the fraction that is out of distribution, and the errors of
the Einstein radius for all images and for those that are not flagged. Without a network it trains a small one first (20
minutes on two cores). The results are written to ``benchmarks/results/unlike.json`` and ``docs/images/unlike.png``.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

import params_and_cli as panel
from benchmarks.__main__ import describe_machine
from benchmarks.command import ROOT, run_command
from stronglens.dataset import CHUNK_SIZE, load_dataset
from stronglens.execution import open_executor
from stronglens.parameters import Column, RunError, from_manifest
from stronglens.plotting import asinh_norm, draw_panels, save_figure

RESULTS = Path(__file__).parent / "results"
FIGURE = ROOT / "docs" / "images" / "unlike.png"
GENERATE = ("-n=10000", "--lens-model=sie", "--over-sampling=2", "--format=zarr")
TRAIN = ("--posterior=flow", "--network=resnet", "--labels=einstein-radius,src-center-x,src-center-y", "-e=15")
RADII = ("einstein-radius", "einstein-radius-sie")

SEED = 10**6
"""Offset of the seed from that of the training set, for other images with the same distribution."""

IMAGES = 1024
DRAWS = 200
ASIDE = 0.6
"""Distance of a neighbour from the image centre, in units of half the field."""


# Changes of the scene of the ray tracer (dict of (N,) arrays).


def remove_mass(scene, labels):
    massless = ("einstein_radius_sie", "shear_1", "shear_2", "masslight_ratio", "disk_masslight_ratio", "halo_kappa")
    return scene | {name: 0 * scene[name] for name in massless if name in scene}


def remove_source(scene, labels):
    return multiply_source(scene, 0)


def multiply_source(scene, factor):
    """Return the scene with the light of the source, including clumps, multiplied by a factor."""
    bright = [name for name in scene if name == "src_intensity" or (name.startswith("clump_") and "intensity" in name)]
    return scene | {name: factor * scene[name] for name in bright}


def remove_lens(scene, labels):
    return remove_source(remove_mass(scene, labels), labels)


def double_mass(scene, labels):
    massive = ("einstein_radius_sie", "masslight_ratio", "disk_masslight_ratio", "halo_kappa")
    return scene | {name: 2 * scene[name] for name in massive if name in scene}


def brighten_source(scene, labels):
    drawn = labels["src-intensity"] if "src-intensity" in labels else 10 ** (-0.4 * labels["src-magnitude"])
    return multiply_source(scene, 2 * drawn.max() / drawn)


def enlarge_source(scene, labels):
    factor = 2 * scene["src_effect"].max() / scene["src_effect"]
    enlarged = {name: factor * scene[name] for name in scene if name == "src_effect" or name.endswith("_sigma")}
    for axis in "xy":
        middle = scene[f"src_center_{axis}"]
        places = [name for name in scene if name.startswith("clump_") and name.endswith(f"_center_{axis}")]
        enlarged |= {name: middle + factor * (scene[name] - middle) for name in places}
    return scene | enlarged


def move(scene, x, y):
    shifts = {"_center_x": x, "_center_y": y}
    return scene | {
        name: values + shift for name, values in scene.items() for end, shift in shifts.items() if name.endswith(end)
    }


def move_half_an_arcsec(scene, labels):
    return move(scene, 0.35, 0.35)


# Changes of the recorded images (N, H, W), from images with and without noise.


def multiply_noise(factor):
    return lambda noisy, bare: bare + factor * (noisy - bare)


@dataclass(frozen=True)
class Kind:
    """A difference from the images of the training set.

    Attributes
    ----------
    scene : callable
        Changes the scene.
    beside : callable or None
        Returns the scene of a neighbour from another scene.
    pixels : float
        Size of a pixel relative to the training set.
    psf : float
        Width of the point-spread function relative to the training set.
    record : callable
        Changes the recorded image.
    """

    scene: Callable = lambda scene, labels: scene
    beside: Callable | None = None
    pixels: float = 1.0
    psf: float = 1.0
    record: Callable = lambda noisy, bare: noisy


LIKE = "like the training images"
KINDS = {
    LIKE: Kind(),
    "no lens: one galaxy": Kind(scene=remove_lens),
    "no lens: two galaxies": Kind(scene=remove_mass),
    "galaxy beside the lens": Kind(beside=remove_lens),
    "another lens beside it": Kind(beside=lambda scene, labels: scene),
    "pixels 1.25 times larger": Kind(pixels=1.25),
    "pixels 2 times larger": Kind(pixels=2.0),
    "pixels 1.25 times smaller": Kind(pixels=0.8),
    "pixels 2 times smaller": Kind(pixels=0.5),
    "PSF 1.5 times broader": Kind(psf=1.5),
    "PSF 3 times broader": Kind(psf=3.0),
    "noise doubled": Kind(record=multiply_noise(2)),
    "noise times 5": Kind(record=multiply_noise(5)),
    "unit wrong by 3": Kind(record=lambda noisy, bare: 3 * noisy),
    "lens off centre by 0.5 arcsec": Kind(scene=move_half_an_arcsec),
    "mass doubled": Kind(scene=double_mass),
    "source 2x the brightest": Kind(scene=brighten_source),
    "source 2x the largest": Kind(scene=enlarge_source),
    "negative": Kind(record=lambda noisy, bare: -noisy),
    "noise alone": Kind(record=lambda noisy, bare: noisy - bare),
}
JUNK = ("negative", "noise alone")
"""Kinds of images without a correct value."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.unlike", description=__doc__.splitlines()[0])
    parser.add_argument("--model-file", type=Path, help="a trained network of the regression task; default: train one")
    parser.add_argument("--dataset-dir", type=Path, help="fit the score to this training set, for an older network")
    parser.add_argument("--images", type=int, default=IMAGES, help="number of images of each kind")
    parser.add_argument("--results", type=Path, default=RESULTS / "unlike.json")
    parser.add_argument("--figure", type=Path, default=FIGURE)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        model_file = options.model_file or train(Path(folder))
        found, examples, pixel_scale = study(model_file, options.images, options.dataset_dir)
    report = {"machine": describe_machine(), "network": str(options.model_file or "trained here"), **found}
    options.results.parent.mkdir(exist_ok=True)
    options.results.write_text(json.dumps(report, indent=1) + "\n")
    save_figure(draw_examples(examples, found, pixel_scale), options.figure)
    return 0


def train(folder: Path) -> Path:
    """Simulate a dataset and train a network, for a run without ``--model-file``."""
    data, model_file = f"--dataset-dir={folder}/data", folder / "network.keras"
    run_command("generate_data.py", *GENERATE, data)
    run_command("model_and_figures.py", *TRAIN, data, f"--figures-dir={folder}/figures", f"--model-file={model_file}")
    return model_file


def study(model_file: Path, number: int, dataset_dir: Path | None = None) -> tuple[dict, list[np.ndarray], float]:
    """Apply a network to all kinds of images.

    Returns
    -------
    results : dict
    examples : list of ndarray (H, W)
        One image of each kind.
    pixel_scale : float, arcsec
    """
    from stronglens.out_of_distribution import FAR, ImageFeatures, OutOfDistribution
    from stronglens.out_of_distribution.comparison import MOST_TRAINING
    from stronglens.regression.posterior import Posterior
    from stronglens.training import load_network

    network, record = load_network(model_file)
    labels = [item["name"] for item in record["labels"]]
    radius = next((name for name in RADII if name in labels), None)
    posterior = Posterior(network, record) if record.get("posterior") else None
    features = ImageFeatures(network, posterior)
    if dataset_dir:
        images = load_dataset(dataset_dir, "regression").images
        valid, test = (np.array(record["split"][part], int) for part in ("valid", "test"))
        train = np.setdiff1d(np.arange(len(images)), [*valid, *test])[:MOST_TRAINING]
        score = OutOfDistribution.fit(features(images.subset(train)), features(images.subset(valid)))
    else:
        score = OutOfDistribution.from_dict(record.get("familiarity"))
    if score is None or radius is None or record.get("simulation") is None:
        raise RunError(f"{model_file} was not trained for {' or '.join(RADII)} on simulations of the current version")
    made_with = from_manifest(panel.RegressionSimulation, record["simulation"], panel.OVERRIDES)
    made_with = replace(made_with, seed=made_with.seed + SEED)
    kinds = [name for name in KINDS if made_with.lens_light == "on" or not needs_light(KINDS[name])]
    place, report, examples = labels.index(radius), {}, []
    column = Column.from_dict(record["labels"][place])
    print(f"{'':<48}{'Einstein radius [arcsec]: RMS error':<38}{'':<22}{'inside 95 % interval':>22}")
    heads = f"{'all':>12}{'unflagged':>12}{'median error':>14}{'posterior sd':>14}{'all':>11}{'unflagged':>12}"
    print(f"{'':<30}{'flagged':>8}{'percentile':>12}{heads}")
    with open_executor(1) as executor:  # PyAutoLens needs a separate process
        for name in kinds:
            work = Simulation(made_with, name, radius)
            parts = [executor.submit(work, chunk) for chunk in range(-(-number // CHUNK_SIZE))]
            parts = zip(*(part.result() for part in parts), strict=True)
            images, truth = (np.concatenate(part)[:number] for part in parts)
            seen, draws = features(images), None
            if posterior is None:
                answers = network.predict(images, batch_size=256, verbose=0)[:, place]
            else:
                draws = posterior.sample(seen["summary"], DRAWS, 0)[..., place]
                answers = draws.mean(axis=1)
            percent = score.percentile(seen)
            report[name] = judge(percent, percent > 100 * FAR, answers, draws, None if name in JUNK else truth)
            if draws is not None and name not in JUNK:
                report[name]["limit"] = count_limits(column, draws, truth)
            far = dict(zip(score.measures, score.scores(seen) > 1, strict=True))
            report[name]["far"] = {aspect: float(are.mean()) for aspect, are in far.items()}
            examples.append(images[0])
            _print(name, report[name])
    return {"radius": radius, "images": number, "kinds": report}, examples, record["pixel-scale"]


def needs_light(kind: Kind) -> bool:
    """Return whether a kind of image is empty for lenses without light."""
    return remove_lens in (kind.scene, kind.beside)


def judge(percent, flagged, answers, draws, truth) -> dict:
    """Return the flagged fraction, and errors of all and of unflagged images (None if there are no such images)."""
    report = {"flagged": float(flagged.mean()), "median_percentile": float(np.median(percent))}
    if truth is None:
        return report
    error, parts = answers - truth, {"all": np.full(len(flagged), True), "unflagged": ~flagged}
    report["rms"] = {key: _mean(np.square(error[part]), np.sqrt) for key, part in parts.items()}
    report["median_error"] = float(np.median(error))
    if draws is not None:
        low, high = np.quantile(draws, (0.025, 0.975), axis=1)
        inside = (low <= truth) & (truth <= high)
        report["median_sd"] = float(np.median(draws.std(axis=1)))
        report["inside_95"] = {key: _mean(inside[part]) for key, part in parts.items()}
    return report


def count_limits(column: Column, draws: np.ndarray, truth: np.ndarray) -> dict[str, float | None]:
    """Return the fraction of posteriors (N, S) that are limits, of all and of those outside the training range."""
    from stronglens.regression.prediction import find_limits

    is_limit = np.array([bool(find_limits([column], one[:, None])) for one in draws])
    low, high = column.prior or (-np.inf, np.inf)
    return {"all": _mean(is_limit), "beyond": _mean(is_limit[(truth < low) | (truth > high)])}


@dataclass(frozen=True)
class Simulation:
    """Simulate a kind of image; it is called with the index of a chunk and returns images and true radii (N,)."""

    parameters: object
    kind: str
    radius: str

    def __call__(self, chunk: int) -> tuple[np.ndarray, np.ndarray]:
        from stronglens import telescope
        from stronglens.raytracing import einstein_radius
        from stronglens.sampling import Stream, generator

        kind = KINDS[self.kind]
        indices = np.arange(chunk * CHUNK_SIZE, (chunk + 1) * CHUNK_SIZE)
        _, labels, _ = simulator(self.parameters, 1.0, 1.0).simulate(indices)
        lens_simulator = simulator(self.parameters, kind.pixels, kind.psf)
        drawn = lens_simulator.physical_scene(lens_simulator.complete(labels, indices))
        scene = kind.scene(drawn, labels)
        bare = lens_simulator.noiseless(scene)
        if kind.beside is not None:
            angle = 2 * np.pi * np.random.default_rng(chunk).random(len(indices))
            other = {name: np.roll(values, 1) for name, values in kind.beside(drawn, labels).items()}
            aside = ASIDE * lens_simulator.field / 2
            # Only light is added: each lens deflects only its own source.
            bare = bare + lens_simulator.noiseless(move(other, aside * np.cos(angle), aside * np.sin(angle)))
        noise = [generator(self.parameters.seed, Stream.NOISE, index) for index in indices]
        drawn_noise = labels.get("exposure-time"), labels.get("peak-noise")
        images = kind.record(telescope.add_noise(bare, lens_simulator.telescope, noise, *drawn_noise), bare)
        is_sie = self.radius == "einstein-radius-sie"
        truth = scene["einstein_radius_sie"] if is_sie else einstein_radius(self.parameters.lens_model, scene)
        return images.astype(np.float32), truth


@lru_cache(maxsize=2)
def simulator(parameters, pixels: float, psf: float):
    """Return a simulator with pixels and point-spread function scaled by factors."""
    from scipy.signal import fftconvolve

    from stronglens.simulation.lens_simulator import LensSimulator
    from stronglens.telescope import gaussian_psf

    lens_simulator = LensSimulator(replace(parameters, pixel_scale=pixels * parameters.pixel_scale), on_device=False)
    if psf != 1:
        # Widths of Gaussians add in quadrature.
        more = gaussian_psf(np.sqrt(psf**2 - 1) * parameters.psf_fwhm, parameters.pixel_scale)
        lens_simulator.telescope = replace(
            lens_simulator.telescope, psf=fftconvolve(lens_simulator.telescope.psf, more).clip(min=0)
        )
    return lens_simulator


def draw_examples(images, found: dict, pixel_scale: float):
    """Draw an image of each kind, with the fraction of its kind that is out of distribution."""
    captions = []
    for name, entry in found["kinds"].items():
        line = f"flagged: {100 * entry['flagged']:.1f} %"
        if "rms" in entry:
            line += f"; RMS {entry['rms']['all']:.2f}" + '"'
        captions.append(f"{name}\n{line}")
    return draw_panels(
        images,
        captions,
        pixel_scale,
        asinh_norm(np.stack(images)),
        "magma",
        "brightness [e−/s]",
        "Out-of-distribution detection by --predict",
        f"{found['images']:,} images of each kind; RMS: error of the Einstein radius",
        narrowest=1.75,
    )


def _mean(values: np.ndarray, then: Callable = float) -> float | None:
    return float(then(values.mean())) if len(values) else None


def _print(name: str, entry: dict) -> None:
    def show(value, form):
        return "-" if value is None else format(value, form)

    line = f"{name:<30}{entry['flagged']:>8.1%}{entry['median_percentile']:>12.1f}"
    if "rms" in entry:
        line += "".join(f"{show(entry['rms'][key], '.3f'):>12}" for key in ("all", "unflagged"))
        line += f"{entry['median_error']:>+14.3f}"
    if "inside_95" in entry:
        line += f"{entry['median_sd']:>14.3f}"
        line += f"{show(entry['inside_95']['all'], '.1%'):>11}{show(entry['inside_95']['unflagged'], '.1%'):>12}"
    print(line, flush=True)


if __name__ == "__main__":
    from benchmarks import unlike  # imported by name, so that other processes can unpickle its classes

    sys.exit(unlike.main())

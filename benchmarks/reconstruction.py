"""Our reconstruction of lensed sources beside PyAutoLens's pixelised inversion: errors and time.

``python -m benchmarks.reconstruction`` simulates lenses and writes ``benchmarks/results/reconstruction.json``:

- errors of both non-negative inversions on the same observations (noise of 5 % of the peak, a PSF), each at the best of
  a few coefficients;
- CPU seconds of 1,000 reconstructions by the inversion and by both networks, and of as many fits by PyAutoLens (those
  of the lenses that were compared, scaled).

``python -m benchmarks.reconstruction gpu`` trains MagNet at 192 pixels (``--preset=magnet``) on a GPU.

Each library has a process of its own: importing autolens enables 64 bits in JAX.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.__main__ import describe_machine
from benchmarks.command import ROOT, run_command

RESULTS = Path(__file__).parent / "results" / "reconstruction.json"
NOISE, FWHM = 0.05, 0.2
"""Noise as a fraction of the image's peak, and the PSF, arcsec."""

STRENGTHS = (10.0, 30.0, 100.0, 300.0)
"""Of our curvature regularisation."""

COEFFICIENTS = (4.0, 8.0, 16.0)
"""Of PyAutoLens's constant regularisation."""

NETWORKS = ("none", "unet", "rim")
BATCH = 50
COLUMNS = ("einstein-radius-sie", "lens-ellip-x", "lens-ellip-y", "shear-1", "shear-2")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reconstruction", description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", default="compare", choices=["compare", "gpu"])
    parser.add_argument("--lenses", type=int, default=16, help="number of lenses that are compared")
    parser.add_argument(
        "--reconstructions", type=int, default=1000, help=f"number of timed reconstructions, a multiple of {BATCH}"
    )
    parser.add_argument("--images", type=int, default=10_000, help="gpu: number of images")
    parser.add_argument("--epochs", type=int, default=10, help="gpu: epochs of training")
    parser.add_argument("--flags", default="", help="gpu: more flags of generate_data.py, for a test with small images")
    parser.add_argument("--output", type=Path, help=f"default: {RESULTS}, and magnet.json beside it for gpu")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.reconstructions % BATCH:
        parser.error(f"--reconstructions must be a multiple of {BATCH}: another batch would be compiled while timed")
    if options.part:
        report = PARTS[options.part](options.folder, options)
        (options.folder / f"{options.part}.json").write_text(json.dumps(report))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        report = (compare if options.what == "compare" else train_magnet)(Path(folder), options)
    output = options.output or (RESULTS if options.what == "compare" else RESULTS.with_name("magnet.json"))
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps({"machine": describe_machine()} | report, indent=1) + "\n")
    return 0


def compare(folder: Path, options: argparse.Namespace) -> dict:
    """Compare errors and times with PyAutoLens's."""
    number = max(options.lenses, options.reconstructions)
    run_command("generate_data.py", "--task=reconstruction", f"-n={number}", f"--dataset-dir={folder}/data")
    ours, theirs = run_part("ours", folder, options), run_part("theirs", folder, options)
    best = {name: min(found["rmse"].values()) for name, found in (("ours", ours), ("theirs", theirs))}
    report = {
        "lenses": options.lenses,
        "noise": NOISE,
        "psf_fwhm": FWHM,
        "zero_image": ours.pop("zero_image"),
        "ours": ours,
        "theirs": theirs,
        "rmse_ratio": best["ours"] / best["theirs"],
        "time_ratio": {
            name: theirs["cpu_seconds_a_fit"] * options.reconstructions / found["cpu_seconds"]
            for name, found in ours["times"].items()
        },
    }
    print(f"RMSE on {options.lenses} lenses, {NOISE:.0%} noise, PSF of {FWHM} arcsec; an image of zeros "
          f"{report['zero_image']:.4f}")  # fmt: skip
    for name, found in (("ours", ours), ("PyAutoLens", theirs)):
        print(
            f"{name:>12}: " + ", ".join(f"{rmse:.4f} at {coefficient}" for coefficient, rmse in found["rmse"].items())
        )
    print(f"best of ours over best of PyAutoLens's: {report['rmse_ratio']:.3f}")
    print(f"PyAutoLens: {theirs['cpu_seconds_a_fit']:.2f} CPU-s a fit, {theirs['cpu_seconds_a_source']:.2f} of them "
          "until the source is known")  # fmt: skip
    for name, found in ours["times"].items():
        print(f"{name:>12}: {found['cpu_seconds']:.1f} CPU-s for {options.reconstructions:,} reconstructions (and "
              f"{found['start_cpu_seconds']:.1f} to compile): {report['time_ratio'][name]:.0f} times less")  # fmt: skip
    return report


def run_part(part: str, folder: Path, options: argparse.Namespace) -> dict:
    """Run one part in a separate process; return its results."""
    settings = [f"--lenses={options.lenses}", f"--reconstructions={options.reconstructions}"]
    command = [sys.executable, "-m", "benchmarks.reconstruction", f"--part={part}", f"--folder={folder}", *settings]
    subprocess.run(command, check=True, cwd=ROOT)
    return json.loads((folder / f"{part}.json").read_text())


def measure_ours(folder: Path, options: argparse.Namespace) -> dict:
    """Observe the lenses; return the errors of our inversion at some strengths, and the times of 1,000 reconstructions.

    The times do not depend on the weights, and the networks are not trained.
    """
    from stronglens.dataset import load_dataset
    from stronglens.reconstruction.batches import lens_values, network_inputs
    from stronglens.reconstruction.network import INVERSIONS, build_network
    from stronglens.reconstruction.observing import Conditions, observe

    dataset = load_dataset(folder / "data", "reconstruction")
    rows = np.arange(len(dataset.images))
    generators = [np.random.default_rng(row) for row in rows]
    seen = observe(dataset.images[rows], Conditions.of(dataset.manifest).at(NOISE, FWHM), generators)
    inputs, few = network_inputs(seen, lens_values(dataset, rows)), options.lenses
    camera, sources = make_camera(dataset, rows), dataset.others["sources"][rows[:few]]
    np.savez(
        folder / "seen.npz", images=seen.images[:few], noise=np.hypot(seen.noise, camera.operator_error)[:few],
        sources=sources, lenses=dataset.column_values(list(COLUMNS))[:few],
        sizes=[camera.pixel_scale, camera.source_field],
    )  # fmt: skip
    network = build_network("none", camera, 0, takes_strength=True)
    network.compile(jit_compile=True)
    rmse = {}
    for strength in STRENGTHS:
        given = {name: values[:few] for name, values in inputs.items()}
        given["strength"] = np.full((few, 1), strength, np.float32)
        estimates = network.predict(given, batch_size=BATCH, verbose=0)[:, INVERSIONS.index("non-negative")]
        rmse[f"{strength:g}"] = error(estimates, sources)
    many = {name: values[: options.reconstructions] for name, values in inputs.items()}
    times = {name: time_network(build_network(name, camera, 0), many) for name in NETWORKS}
    return {"zero_image": error(0, sources), "rmse": rmse, "times": times, "backend": os.environ["KERAS_BACKEND"]}


def make_camera(dataset, rows: np.ndarray):
    """Return what a network must know about the images."""
    from stronglens.reconstruction.network import Camera

    parameters = dataset.manifest["parameters"]
    operator_error = dataset.column_values(["operator-error"])[rows, 0]
    return Camera(
        parameters["grid-size"], parameters["source-grid-size"], parameters["pixel-scale"], parameters["source-field"],
        float(np.sqrt(np.mean(operator_error**2))),
    )  # fmt: skip


def time_network(network, inputs: dict[str, np.ndarray]) -> dict[str, float]:
    """Return the CPU seconds of all reconstructions, and of the first batch, which is compiled."""
    network.compile(jit_compile=True)
    start = time.process_time()
    network.predict({name: values[:BATCH] for name, values in inputs.items()}, batch_size=BATCH, verbose=0)
    compiled, began = time.process_time(), time.perf_counter()
    network.predict(inputs, batch_size=BATCH, verbose=0)
    return {
        "cpu_seconds": time.process_time() - compiled,
        "seconds": time.perf_counter() - began,
        "start_cpu_seconds": compiled - start,
    }


def measure_theirs(folder: Path, options: argparse.Namespace) -> dict:
    """Return the errors of PyAutoLens's inversions at some coefficients, and CPU seconds of a fit.

    A fit gives the source and the evidence. The first one, which compiles, is not counted.
    """
    import autolens as al

    from stronglens.raytracing.pixelised import start_rays, trace_rays
    from stronglens.raytracing.scene import STOCK, build_lens
    from stronglens.reconstruction.scene import NO_LIGHT, OPERATOR_RAYS

    seen = np.load(folder / "seen.npz")
    pixel_scale, field = seen["sizes"]
    images, sources = seen["images"].astype(float), seen["sources"]
    rays = start_rays(images.shape[1:], pixel_scale, OPERATOR_RAYS)
    psf = al.Convolver(kernel=al.Array2D.no_mask(gaussian(FWHM / pixel_scale), pixel_scales=pixel_scale))
    # PyAutoLens sets the pixels at the edge of a mesh to zero.
    shape = tuple(side + 2 for side in sources.shape[1:])

    def fit(row, coefficient):
        scene = dict(zip((name.replace("-", "_") for name in COLUMNS), seen["lenses"][row], strict=True)) | NO_LIGHT
        masses, _ = build_lens("sie", scene, STOCK)
        # A mesh covers all rays that are not masked: only pixels with a ray in the source's field are kept.
        ends = trace_rays("sie", scene, rays).reshape(*images.shape[1:], -1, 2)
        is_seen = (np.abs(ends) < field / 2).all(axis=-1).any(axis=-1)
        start = time.process_time()
        data, noise = (
            al.Array2D.no_mask(values[row].astype(float), pixel_scales=pixel_scale)
            for values in (images, seen["noise"])
        )
        observed = al.Imaging(data=data, noise_map=noise, psf=psf, over_sample_size_pixelization=OPERATOR_RAYS)
        observed = observed.apply_mask(mask=al.Mask2D(mask=~is_seen, pixel_scales=pixel_scale))
        mesh = al.Pixelization(
            mesh=al.mesh.RectangularUniform(shape=shape), regularization=al.reg.Constant(coefficient=coefficient)
        )
        galaxies = [al.Galaxy(redshift=0.5, **masses), al.Galaxy(redshift=1.0, pixelization=mesh)]
        done = al.FitImaging(dataset=observed, tracer=al.Tracer(galaxies=galaxies))
        values = np.asarray(done.inversion.reconstruction).reshape(shape)
        known = time.process_time() - start
        _ = done.figure_of_merit
        return values, done.inversion.linear_obj_list[0].source_plane_mesh_grid, known, time.process_time() - start

    rmse, times = {}, []
    for coefficient in COEFFICIENTS:
        estimates = []
        for row in range(len(images)):
            values, places, *taken = fit(row, coefficient)
            estimates.append(resample(values, np.asarray(places.array).reshape(*shape, 2), len(sources[0]), field))
            times.append(taken)
        rmse[f"{coefficient:g}"] = error(np.array(estimates), sources)
    until_source, whole = np.mean(times[1:], axis=0)
    return {"rmse": rmse, "cpu_seconds_a_fit": whole, "cpu_seconds_a_source": until_source, "fits": len(times) - 1}


def gaussian(fwhm: float, reach: int = 5) -> np.ndarray:
    """Return a Gaussian PSF of some width, in pixels: (11, 11)."""
    away = np.arange(-reach, reach + 1)
    row = np.exp(-4 * np.log(2) * (away / fwhm) ** 2)
    return np.outer(row, row) / row.sum() ** 2


def resample(values: np.ndarray, places: np.ndarray, side: int, field: float) -> np.ndarray:
    """Return a rectangular mesh, whose pixels lie at (y, x), at the pixels of our sources, linearly between its own."""
    from scipy import ndimage

    along = (np.arange(side) - (side - 1) / 2) * field / side
    (top, left), (down, right) = places[0, 0], places[1, 1]
    at = np.meshgrid((-along - top) / (down - top), (along - left) / (right - left), indexing="ij")
    return ndimage.map_coordinates(values, np.stack(at), order=1)


def error(estimates: np.ndarray | float, sources: np.ndarray) -> float:
    """Return the root mean square error of a pixel."""
    return float(np.sqrt(np.mean((estimates - sources) ** 2)))


def train_magnet(folder: Path, options: argparse.Namespace) -> dict:
    """Train MagNet with both commands; return its speed and its error on the test set."""
    paths = f"--dataset-dir={folder}/data", f"--model-file={folder}/magnet.keras", f"--figures-dir={folder}/figures"
    run_command("generate_data.py", "--preset=magnet", f"-n={options.images}", paths[0], *options.flags.split())
    run = run_command("model_and_figures.py", "--preset=magnet", f"-e={options.epochs}", *paths)
    report = {"images": options.images, "epochs": options.epochs, "seconds": run["seconds"]}
    report |= run_part("magnet", folder, options)
    print(
        f"{report['images_a_second']:.3g} training images/s; RMSE on {report['test']:,} test images "
        f"{report['rmse']:.4f}, of an image of zeros {report['zero_image']:.4f}"
    )
    return report


def measure_magnet(folder: Path, options: argparse.Namespace) -> dict:
    """Return training images per second, and the errors of a trained network and of zeros on the test set."""
    from stronglens.dataset import load_dataset
    from stronglens.reconstruction.batches import ReconstructionBatches
    from stronglens.reconstruction.observing import Conditions
    from stronglens.reconstruction.train import EqualSteps, measure_speed
    from stronglens.training import load_network

    dataset = load_dataset(folder / "data", "reconstruction")
    network, record = load_network(folder / "magnet.keras")
    rows = np.array(record["split"]["test"])
    objective, conditions = EqualSteps(), Conditions.of(dataset.manifest)
    batches = ReconstructionBatches(dataset, rows, conditions, 2, 1, objective=objective)
    squares = np.zeros(2)
    for number in range(len(batches)):
        inputs, sources = batches[number]
        estimate = network.predict_on_batch(inputs)[:, -2]
        squares += np.sum((estimate - sources) ** 2), np.sum(sources**2)
    rmse, zero = np.sqrt(squares / len(rows) / np.prod(sources.shape[1:]))
    speed = measure_speed(network, objective, batches[0])
    return {"images_a_second": speed, "test": len(rows), "rmse": float(rmse), "zero_image": float(zero)}


PARTS = {"ours": measure_ours, "theirs": measure_theirs, "magnet": measure_magnet}

if __name__ == "__main__":
    sys.exit(main())

"""``--refine`` beside PyAutoLens with Nautilus, and lenstronomy with PSO and emcee; calibration on simulated lenses.

``python -m benchmarks.refine`` simulates one lens with a Sersic source, and samples its posterior three times under one
likelihood and the same priors: with ours, with Nautilus, and with a particle swarm and emcee. It writes
``benchmarks/results/refine.json``:

- evaluations of the likelihood, effective sample sizes, means and standard deviations;
- CPU milliseconds of one likelihood by PyAutoLens (NumPy, and JAX), of the same image; of lenstronomy only
  those of rendering it, without point-spread function and without solving for the intensities, which flatters it;
- CPU seconds of ours, with compilation, with programs that JAX has kept (`JAX_COMPILATION_CACHE_DIR`), and without
  compilation; and those of the others: of their samplers, measured here with our likelihood less its own time, and
  evaluations times the time of one of their own likelihoods. With those they are NOT run: that takes hours.

``python -m benchmarks.refine calibration --network FILE`` simulates lenses of a network's training set with another
seed, runs ``model_and_figures.py --predict ... --refine`` on them, and writes
``benchmarks/results/refine-calibration-SOURCE.json``: coverage, ranks and widths of the network's posterior and of the
refined one. With ``--source=sersic`` the simulated sources have no clumps. An interrupted run is continued
(``--folder``).

``python -m benchmarks.refine lumps`` compares priors of a source of pixels (see `refine_lumps`), and
``python -m benchmarks.refine galaxies`` searches for lenses in galaxies with and without one (see `refine_galaxies`).
"""

import argparse
import json
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.__main__ import describe_machine
from benchmarks.command import ROOT
from benchmarks.raytracing import own_compilation_cache, without_compilation_cache

RESULTS = Path(__file__).parent / "results"
SIDE, PIXEL = 40, 0.1
LIVE, WANTED = 500, 400
"""Live points of Nautilus, and effective sample size of all three."""

PATIENCE = 1200
"""Seconds after which Nautilus is stopped."""

WALKERS, STEPS, DISCARDED = 64, 600, 200
PARTICLES, TURNS = 100, 100
SEED = 977


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.refine", description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", default="compare", choices=["compare", "calibration", "lumps", "galaxies"])
    parser.add_argument("--lens", type=int, default=10, help="compare: number of the simulated lens")
    parser.add_argument("--network", type=Path, help="calibration: network with a posterior")
    parser.add_argument("--lenses", type=int, default=48, help="calibration, lumps, galaxies: number of lenses")
    parser.add_argument("--batch", type=int, default=8, help="calibration: lenses in one command")
    parser.add_argument("--source", default="sersic", choices=["sersic", "pixels"], help="calibration: source")
    parser.add_argument("--folder", type=Path, help="calibration: folder of images and results, to continue")
    options = parser.parse_args(arguments)
    if options.what == "compare":
        name, found = "refine.json", compare(options.lens)
    elif options.what == "calibration":
        name, found = f"refine-calibration-{options.source}.json", calibrate(options)
    elif options.what == "galaxies":
        from benchmarks.refine_galaxies import search_in_galaxies

        name, found = "refine-galaxies.json", search_in_galaxies(options.lenses)
    else:
        from benchmarks.refine_lumps import measure_lumpy_lenses

        name, found = "refine-lumps.json", measure_lumpy_lenses(options.lenses)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / name).write_text(json.dumps({"machine": describe_machine()} | found, indent=1) + "\n")
    print(json.dumps(found, indent=1))
    return 0


def compare(index: int) -> dict:
    """Sample the posterior of one lens three times."""
    import params_and_cli as panel
    from stronglens import telescope
    from stronglens.execution import Console
    from stronglens.regression.image_likelihood import likelihood_of
    from stronglens.regression.refining import refine_lens
    from stronglens.regression.simulator import make_simulator

    parameters = panel.RegressionSimulation.of(
        overrides=panel.OVERRIDES, lens_model="sie", grid_size=SIDE, pixel_scale=PIXEL, seed=5, snr_min=100.0
    )
    simulator = make_simulator(parameters)
    images, labels, _ = simulator.simulate([index])
    rate = simulator.noiseless(simulator.physical_scene(labels))
    noise = np.sqrt(telescope.noise_variance(rate, simulator.telescope))[0]
    names = ("einstein-radius-sie", "src-center-x", "src-center-y")
    truth = np.array([labels[name][0] for name in names])
    guess = truth + 0.05 * np.random.default_rng(0).normal(size=(200, 3))

    def time_ours() -> tuple[float, Any]:
        before = time.process_time()
        found = refine_lens(parameters, names, guess, images[0], noise, None, executor, 0, Console(quiet=True), "lens")
        return time.process_time() - before, found

    with ThreadPoolExecutor(1) as executor:
        with without_compilation_cache():
            cpu, ours = time_ours()
            again, _ = time_ours()
        with own_compilation_cache():
            for _ in range(2):  # the second time, programs are read from the cache
                likelihood_of.cache_clear()
                cached, _ = time_ours()
    free, priors = ours.priors.is_free, ours.priors
    draws = (ours.nested or ours.population).resample(4000, SEED)
    evaluations = ours.nested.number if ours.nested else len(ours.population.draws)
    density = vectorised(simulator, ours)
    single = time_single(density, draws)
    text = f"{cpu:.1f} CPU s, {cached:.1f} with cached programs, {again:.1f} without compilation, {evaluations:,} draws"
    print(f"ours: {text}, share {ours.share:.2f}; one likelihood {1e3 * single:.2f} ms", flush=True)
    emcee, of_emcee = run_emcee(density, ours.best.z[free], single)
    print("swarm and emcee:", emcee, flush=True)
    peers = time_peers(simulator, ours, images[0], noise)
    print("seconds of one evaluation:", peers, flush=True)
    nautilus, of_nautilus = run_nautilus(density, int(free.sum()), single)
    columns = np.array(priors.names)[free]
    seconds_of = {
        "ours": cpu,
        "nautilus-pyautolens-extrapolated": nautilus["sampler-cpu-seconds"]
        + nautilus["evaluations"] * peers["pyautolens-best"],
        "pso-emcee-lenstronomy-extrapolated": emcee["sampler-cpu-seconds"] * emcee["evaluations"] / emcee["run"]
        + emcee["evaluations"] * peers["lenstronomy"],
    }
    return {
        "lens": {"index": index, "snr": float(labels["snr"][0]), "side": SIDE, "columns": len(columns)},
        "ours": {
            "cpu-seconds": cpu, "cpu-seconds-cached": cached, "cpu-seconds-again": again, "evaluations": evaluations,
            "effective": ours.effective, "share": ours.share,
        },
        "nautilus": nautilus,
        "pso-emcee": emcee,
        "seconds-of-one-evaluation": {"ours": single} | peers,
        "cpu-seconds": seconds_of,
        "ratio": {name: value / cpu for name, value in seconds_of.items()},
        "ratio-with-cached-programs": {name: value / cached for name, value in seconds_of.items() if name != "ours"},
        "ratio-without-compilation": {name: value / again for name, value in seconds_of.items() if name != "ours"},
        "difference-of-means-in-sd": spread(columns, draws, of_nautilus, lambda a, b: (a.mean() - b.mean()) / b.std()),
        "ratio-of-sd": spread(columns, draws, of_nautilus, lambda a, b: a.std() / b.std()),
        "emcee-difference-of-means-in-sd": spread(
            columns, draws, of_emcee, lambda a, b: (a.mean() - b.mean()) / b.std()
        ),
    }  # fmt: skip


def spread(columns, ours, theirs, compare_draws) -> dict:
    return {name: round(float(compare_draws(a, b)), 3) for name, a, b in zip(columns, ours.T, theirs.T, strict=True)}


def vectorised(simulator, ours):
    """Return the density of standard normal numbers (N, D), the prior included, as ours has it: (N,)."""
    import jax

    from stronglens.regression.image_likelihood import likelihood_of

    likelihood, free = likelihood_of(simulator, ours.priors.names, ours.is_fine), ours.priors.is_free
    data = ours.priors.array, ours.data.image, ours.data.weight, ours.data.correction

    def one(z):
        return likelihood.log_density(jax.numpy.zeros(len(free)).at[np.flatnonzero(free)].set(z), *data)

    with jax.enable_x64(True):
        compiled = jax.jit(lambda z: jax.lax.map(one, z))

    def density(z):
        z = np.atleast_2d(np.asarray(z, float))
        rows = -(-len(z) // 32) * 32  # few shapes: each is compiled
        with jax.enable_x64(True):
            return np.asarray(compiled(np.resize(z, (rows, z.shape[1]))))[: len(z)]

    return density


def time_single(density, draws) -> float:
    return best_time(lambda: density(draws[:256])) / 256


def run_nautilus(density, number: int, single: float) -> tuple[dict, np.ndarray]:
    from nautilus import Sampler
    from scipy.special import ndtri

    def likelihood(unit):
        z = ndtri(np.clip(unit, 1e-12, 1 - 1e-12))
        return density(z) + 0.5 * (z**2).sum(axis=1)  # the unit cube is the prior

    before = time.process_time()
    sampler = Sampler(lambda unit: unit, likelihood, n_dim=number, n_live=LIVE, vectorized=True, seed=SEED)
    ended = sampler.run(n_eff=WANTED, timeout=PATIENCE, verbose=False)
    points, logs, _ = sampler.posterior()
    z = ndtri(np.clip(points, 1e-12, 1 - 1e-12))
    keep = np.random.default_rng(SEED).choice(len(z), 4000, p=np.exp(logs) / np.exp(logs).sum())
    seconds = time.process_time() - before
    return {
        "evaluations": int(sampler.n_like), "effective": float(sampler.n_eff), "cpu-seconds-here": seconds,
        "sampler-cpu-seconds": seconds - sampler.n_like * single, "ended": bool(ended),
    }, z[keep]  # fmt: skip


def run_emcee(density, start: np.ndarray, single: float) -> tuple[dict, np.ndarray]:
    """Sample with emcee around the best fit; the swarm before it counts as PARTICLES x TURNS evaluations."""
    import emcee

    random = np.random.default_rng(SEED)
    positions = start + 0.1 * random.normal(size=(WALKERS, len(start)))
    sampler = emcee.EnsembleSampler(WALKERS, len(start), density, vectorize=True)
    before = time.process_time()
    sampler.run_mcmc(positions, STEPS)
    seconds = time.process_time() - before
    autocorrelation = float(sampler.get_autocorr_time(discard=DISCARDED, quiet=True, tol=0).max())
    effective = WALKERS * (STEPS - DISCARDED) / autocorrelation
    needed = WANTED * autocorrelation + WALKERS * DISCARDED + PARTICLES * TURNS
    return {
        "evaluations": int(needed), "autocorrelation": autocorrelation, "effective-here": effective,
        "run": WALKERS * STEPS, "sampler-cpu-seconds": max(seconds - WALKERS * STEPS * single, 0.0),
    }, sampler.get_chain(discard=DISCARDED, flat=True)  # fmt: skip


def time_peers(simulator, ours, image, noise) -> dict:
    """Return seconds of one likelihood by PyAutoLens, and of a rendering by lenstronomy, at the best fit of ours."""
    import autolens as al
    import jax

    from benchmarks.lenstronomy import build_renderer

    values, rays = ours.model.values, simulator.parameters.over_sampling
    psf = simulator.telescope.psf
    kernel = al.Convolver(kernel=al.Array2D.no_mask(psf, pixel_scales=PIXEL))
    data, deviation = (al.Array2D.no_mask(np.asarray(array, float), pixel_scales=PIXEL) for array in (image, noise))
    dataset = al.Imaging(data=data, noise_map=deviation, psf=kernel)
    dataset = dataset.apply_mask(al.Mask2D.all_false(shape_native=image.shape, pixel_scales=PIXEL))
    dataset = dataset.apply_over_sampling(over_sample_size_lp=rays)

    def merit(v, xp):
        mass, light = (v[0], v[1]), (v[2], v[3])
        lens = al.Galaxy(
            redshift=0.5,
            bulge=al.lp_linear.Sersic(centre=mass, ell_comps=light, effective_radius=v[4], sersic_index=v[5]),
            mass=al.mp.Isothermal(centre=mass, ell_comps=light, einstein_radius=v[6]),
            shear=al.mp.ExternalShear(gamma_1=v[7], gamma_2=v[8]),
        )
        light = al.lp_linear.Sersic(
            centre=(v[9], v[10]), ell_comps=(v[11], v[12]), effective_radius=v[13], sersic_index=v[14]
        )
        tracer = al.Tracer(galaxies=[lens, al.Galaxy(redshift=1.0, bulge=light)])
        return al.FitImaging(dataset=dataset, tracer=tracer, xp=xp).figure_of_merit

    order = (
        "lens-center-y", "lens-center-x", "lens-ellip-y", "lens-ellip-x", "lens-effect", "lens-sersic",
        "einstein-radius-sie", "shear-1", "shear-2", "src-center-y", "src-center-x", "src-ellip-y", "src-ellip-x",
        "src-effect", "src-sersic",
    )  # fmt: skip
    point = np.array([values[name] for name in order])
    found = {"pyautolens-numpy": best_time(lambda: merit(point, np))}
    with jax.enable_x64(True):
        compiled = jax.jit(lambda v: merit(v, jax.numpy))
        found["pyautolens-jax"] = best_time(lambda: jax.block_until_ready(compiled(point)))
    render = build_renderer("sie", True, image.shape, PIXEL, rays)
    scene = {name.replace("-", "_"): np.array([values[name]]) for name in order}
    scene |= {"src_intensity": np.ones(1), "lens_intensity": np.ones(1)}
    found["lenstronomy"] = best_time(lambda: render(scene))
    found["pyautolens-best"] = min(found["pyautolens-numpy"], found["pyautolens-jax"])
    return found


def best_time(work, rounds: int = 10) -> float:
    """Return the shortest CPU time of a call, s: the machine may be shared."""
    work()
    times = []
    for _ in range(rounds):
        before = time.process_time()
        work()
        times.append(time.process_time() - before)
    return min(times)


def calibrate(options) -> dict:
    """Refine simulated lenses of a network's training set, and compare truth and posteriors."""
    from benchmarks.refine_calibration import judge, prepare, refine

    folder = options.folder or Path(tempfile.mkdtemp(prefix="refine-"))
    truths = prepare(options.network, options.lenses, folder, options.source)
    seconds = refine(ROOT, options.network, folder, sorted(truths), options.batch, options.source)
    return {"network": options.network.name, "source": options.source, "seconds-of-commands": seconds} | judge(
        folder, truths
    )


if __name__ == "__main__":
    raise SystemExit(main())

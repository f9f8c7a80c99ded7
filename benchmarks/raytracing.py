"""Speed of ray tracing in memory: batches, a loop with one PyAutoLens ``Tracer`` per image, and lenstronomy."""

import tempfile
import time
from contextlib import contextmanager

import jax
import numpy as np
from autogalaxy.profiles.mass.abstract.deflections_memo import memo_disabled
from jax.experimental.compilation_cache import compilation_cache

import params_and_cli as panel
from benchmarks.lenstronomy import build_renderer, same_sersic_constant
from benchmarks.timing import measure_rates
from stronglens.lens_models import LENS_MODELS
from stronglens.raytracing import ImageRenderer
from stronglens.raytracing.reference import render_with_tracer
from stronglens.simulation.lens_simulator import LensSimulator

CASES = (  # lens model, lens light, over-sampling, required ratio to the loop
    ("sie", "off", 1, 50),
    ("sie", "off", 4, 20),
    ("sie", "on", 1, 35),
    ("sie", "on", 4, 20),
    ("powerlaw", "off", 1, None),
    ("powerlaw", "off", 4, None),
    ("composite", "on", 1, 15),
    ("composite", "on", 4, None),
)
COMPILE_GOAL = 10.0
"""seconds"""

IMAGES = 128


def measure(seconds: float) -> list[dict]:
    """Measure every case for draws from the default ranges, 64x64 pixels of 0.1 arcsec, without PSF and noise.

    lenstronomy is measured for ellipsoids of mass only. It has neither a closed form for an elliptical Sersic mass nor
    a precomputed decomposition, so times for composite lenses would not be comparable.
    """
    rows = []
    print(
        f"{'lens':>10} {'light':>5} {'rays':>5} {'loop':>7} {'lenstr.':>7} {'ours':>7} {'to loop':>8} {'goal':>5} "
        f"{'to lenstr.':>10} {'differences':>16} {'compiles':>9}"
    )
    for model, light, over_sampling, goal in CASES:
        row = measure_case(model, light, over_sampling, seconds) | {"goal": goal}
        rows.append(row)
        theirs = "lenstronomy" in row
        print(
            f"{model:>10} {light:>5} {over_sampling}x{over_sampling:<3} {row['loop']:>7.1f} "
            f"{format(row['lenstronomy'], '.1f') if theirs else '-':>7} {row['ours']:>7.0f} {row['ratio']:>8.1f} "
            f"{goal or '':>5} {format(row['ratio_to_lenstronomy'], '.1f') if theirs else '-':>10} "
            f"{row['largest_difference']:>8.0e}"
            f"{format(row['largest_difference_from_lenstronomy'], '.0e') if theirs else '-':>8}"
            f"{row['compile_seconds']:>8.1f} s",
            flush=True,
        )
    print(
        "loop, lenstr., ours: images/s; differences: largest of ours from the loop's and from lenstronomy's, as a "
        f"fraction of the image's peak; compiles: the first call, without a cache (goal: {COMPILE_GOAL:.0f} s)"
    )
    return rows


def measure_case(model: str, light: str, over_sampling: int, seconds: float) -> dict:
    parameters = panel.RegressionSimulation.of(
        overrides=panel.OVERRIDES, telescope="none", lens_model=model, lens_light=light, over_sampling=over_sampling
    )
    simulator = LensSimulator(parameters)
    scene = simulator.physical_scene(simulator.draw(range(IMAGES)).draws)
    few = max(8, 32 // over_sampling**2)
    head = {name: values[:few] for name, values in scene.items()}
    case = (model, light == "on")
    grid = (simulator.shape, parameters.pixel_scale, over_sampling)
    renderer = ImageRenderer(*case, *grid)
    with without_compilation_cache():
        start = time.perf_counter()
        renderer(scene)
        compile_seconds = time.perf_counter() - start

    works = {
        "loop": (lambda: render_with_tracer(*case, head, *grid), few),
        "ours": (lambda: renderer(scene), IMAGES),
    }
    is_ellipsoid = LENS_MODELS[model].is_ellipsoid
    if is_ellipsoid:
        by_lenstronomy = build_renderer(model, light == "on", *grid)
        works["lenstronomy"] = (lambda: by_lenstronomy(head), few)
    # A loop over new lenses does not use PyAutoGalaxy's cache of deflections; a benchmark with repetitions would.
    with memo_disabled():
        rates = measure_rates(works, seconds)
    # The others use the mean of uniform rays also at the lens centre, so the integration of the cusp is disabled here.
    source, lens = ImageRenderer(*case, *grid, integrate_cusp=False)(scene)
    ours = (source if lens is None else source + lens)[:few]
    row = {
        "lens_model": model,
        "lens_light": light,
        "over_sampling": over_sampling,
        **rates,
        "ratio": rates["ours"] / rates["loop"],
        "largest_difference": largest_difference(ours, render_with_tracer(*case, head, *grid)),
        "compile_seconds": compile_seconds,
    }
    if is_ellipsoid:
        with same_sersic_constant():
            row["largest_difference_from_lenstronomy"] = largest_difference(ours, by_lenstronomy(head))
        row["ratio_to_lenstronomy"] = rates["ours"] / rates["lenstronomy"]
    return row


def largest_difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.max(np.abs(ours - theirs).max(axis=(1, 2)) / theirs.max(axis=(1, 2))))


@contextmanager
def without_compilation_cache():
    jax.config.update("jax_enable_compilation_cache", False)
    jax.clear_caches()
    try:
        yield
    finally:
        jax.config.update("jax_enable_compilation_cache", True)


@contextmanager
def own_compilation_cache():
    """Keep compiled programs in a folder that is removed at the end."""
    before = jax.config.jax_compilation_cache_dir
    with tempfile.TemporaryDirectory() as folder:
        jax.config.update("jax_compilation_cache_dir", folder)
        compilation_cache.reset_cache()  # the folder is read when the cache is first used
        try:
            yield
        finally:
            jax.config.update("jax_compilation_cache_dir", before)
            compilation_cache.reset_cache()

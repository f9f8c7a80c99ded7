"""Ray-traced images a second, in memory: our batches against the original's loop of one ``Tracer`` an image."""

import numpy as np
from autogalaxy.profiles.mass.abstract.deflections_memo import memo_disabled

import params_and_cli as panel
from benchmarks.timing import measure_rates
from stronglens.raytracing import ImageRenderer
from stronglens.raytracing.reference import render_with_tracer
from stronglens.regression.scene import LensSimulator

CASES = (  # lens model, lens light, over-sampling, ratio to reach
    ("sie", "off", 1, 25),
    ("sie", "off", 4, 10),
    ("sie", "on", 1, 15),
    ("sie", "on", 4, None),
    ("composite", "on", 1, 5),
    ("composite", "on", 4, None),
)
IMAGES = 128


def measure(seconds: float) -> list[dict]:
    """Measure every case on the draws of the default ranges, 64x64 pixels of 0.1 arcsec, no blur and no noise."""
    rows = []
    print(f"{'lens':>10} {'light':>5} {'rays':>5} {'loop':>8} {'ours':>8} {'ratio':>6} {'goal':>5} {'difference':>10}")
    for model, light, over_sampling, goal in CASES:
        row = measure_case(model, light, over_sampling, seconds)
        rows.append(row | {"goal": goal})
        print(
            f"{model:>10} {light:>5} {over_sampling}x{over_sampling:<3} {row['loop']:>8.1f} {row['ours']:>8.0f} "
            f"{row['ratio']:>6.1f} {goal or '':>5} {row['largest_difference']:>10.1e}",
            flush=True,
        )
    print("loop, ours: images/s; difference: largest between the two, as a fraction of the image's peak")
    return rows


def measure_case(model: str, light: str, over_sampling: int, seconds: float) -> dict:
    parameters = panel.SimulationParameters.of(
        overrides=panel.OVERRIDES, telescope="none", lens_model=model, lens_light=light, over_sampling=over_sampling
    )
    simulator = LensSimulator(parameters)
    scene = simulator.physical_scene(simulator.draw(range(IMAGES)).draws)
    few = max(8, 32 // over_sampling**2)
    head = {name: values[:few] for name, values in scene.items()}
    case = (model, light == "on")
    grid = (simulator.shape, parameters.pixel_scale, over_sampling)
    renderer = ImageRenderer(*case, *grid)

    # A loop over new lenses never hits PyAutoGalaxy's memory of deflections; a benchmark that repeats some would.
    with memo_disabled():
        rates = measure_rates(
            {
                "loop": (lambda: render_with_tracer(*case, head, *grid), few),
                "ours": (lambda: renderer(scene), IMAGES),
            },
            seconds,
        )
    # The loop takes the mean of uniform rays at the lens's centre too, where ours integrates: compare like with like.
    source, lens = ImageRenderer(*case, *grid, integrate_cusp=False)(scene)
    ours = (source if lens is None else source + lens)[:few]
    theirs = render_with_tracer(*case, head, *grid)
    peak = theirs.max(axis=(1, 2))
    return {
        "lens_model": model,
        "lens_light": light,
        "over_sampling": over_sampling,
        "loop": rates["loop"],
        "ours": rates["ours"],
        "ratio": rates["ours"] / rates["loop"],
        "largest_difference": float(np.max(np.abs(ours - theirs).max(axis=(1, 2)) / peak)),
    }

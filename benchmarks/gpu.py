"""Simulation and training on a GPU, relative to its limits. ``make bench-gpu``; needs JAX, autolens and Keras.

It writes ``benchmarks/results/gpu.json`` in less than eight minutes. The limits are measured in the same run: chained
multiply-adds and a matrix product in float32 for arithmetic, a copy for bandwidth. XLA counts the operations of a
program (``cost_analysis``: floating-point operations, where a transcendental function is one operation, and bytes read
and written by every kernel). The limit with the larger share is the bottleneck.

Every part runs in a separate process, since importing autolens disables the tuning of GPU kernels and enables 64 bits.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "gpu.json"
PARTS = ("limits", "simulating", "training")
MOST_SECONDS = {"simulating": 270, "training": 150}
"""Time after which a part starts no new measurement, s."""

ROUNDS = 5


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--on-cpu", action="store_true", help="test with tiny arrays on a CPU; numbers mean nothing")
    parser.add_argument("--output", type=Path, help=f"default: {RESULTS}; with --on-cpu nothing is written")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if options.on_cpu:
        os.environ["JAX_PLATFORMS"] = "cpu"
    if options.part:
        rows = {"limits": measure_limits, "simulating": measure_simulating, "training": measure_training}[options.part]
        options.output.write_text(json.dumps(rows(options.on_cpu)))
        return 0
    report = {}
    for part in PARTS:
        report[part] = run_part(part, options.on_cpu)
        if "error" in report[part]:
            print(f"error: {report[part]['error']}", file=sys.stderr)
            return 1
        print_part(part, report)
    output = options.output or (None if options.on_cpu else RESULTS)
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(report, indent=1) + "\n")
        print(f"\nwritten to {output}")
    return 0


def run_part(part: str, on_cpu: bool) -> dict:
    """Run one part in a separate process; return its results."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "rows.json")
        command = [sys.executable, "-m", "benchmarks.gpu", f"--part={part}", f"--output={output}"]
        subprocess.run(command + ["--on-cpu"] * on_cpu, check=True, cwd=Path(__file__).parent.parent)
        return json.loads(output.read_text())


def print_part(part: str, report: dict) -> None:
    rows, limits = report[part], report["limits"]
    print(f"\n{part}\n{'-' * len(part)}")
    if part == "limits":
        print(f"{rows['device']}, JAX {rows['versions']['jax']}")
        for name in ("multiply_adds", "product_float32", "product_bfloat16"):
            print(f"{name:>18} {rows[name] / 1e12:8.2f} TFLOP/s")
        print(f"{'copy':>18} {rows['copy'] / 1e9:8.0f} GB/s")
    elif part == "simulating":
        for row in rows["rows"]:
            shares = {"arithmetic": row["flops"] / limits["multiply_adds"], "bandwidth": row["bytes"] / limits["copy"]}
            shares = {name: share * row["rendered"] for name, share in shares.items()}
            row |= {"bound": max(shares, key=shares.get), "shares": shares}
            print(
                f"{row['lens_model']:>10} {row['over_sampling']}x{row['over_sampling']} chunk {row['chunk_size']:>4}: "
                f"{row['rendered']:>9.0f} images/s noiseless ({max(shares.values()):.0%} of {row['bound']}), "
                f"{row['simulated']:>8.0f} through the telescope, {row['drawn']:>8.0f} drawn on the host; "
                f"compiled in {row['compile_seconds']:.0f} s"
            )
    else:
        for row in rows["rows"]:
            limit = limits["product_float32" if row["policy"] == "float32" else "product_bfloat16"]
            row["share_of_product"] = row["flops_a_second"] / limit
            print(
                f"{row['policy']:>14} batch {row['batch_size']:>4}: {row['images_a_second']:>9.0f} images/s resident, "
                f"{row['flops_a_second'] / 1e12:.2f} TFLOP/s ({row['share_of_product']:.0%} of a matrix product); "
                f"{row['fitted']:>8.0f} images/s by fit"
            )
    sys.stdout.flush()


def measure_limits(on_cpu: bool) -> dict:
    """Return the device, its software, and its limits: operations and bytes per second."""
    import jax
    import jax.numpy as jnp

    device = jax.devices()[0]
    if device.platform == "cpu" and not on_cpu:
        return {"error": "JAX finds no GPU; install requirements-gpu.txt on a machine with a GPU, or use --on-cpu"}
    side, length, links = (256, 1 << 14, 64) if on_cpu else (8192, 1 << 26, 512)

    def chain(x):
        for _ in range(links):
            x = x * 0.999 + 0.001
        return x

    matrix, vector = jnp.ones((side, side), jnp.float32), jnp.ones(length, jnp.float32)
    half = matrix.astype(jnp.bfloat16)
    product = jax.jit(lambda a: jnp.matmul(a, a, precision="highest"))  # float32 instead of 19 bits (tensor cores)
    packages = ("jax", "jaxlib", "keras", "autolens", "numpy")
    return {
        "device": device.device_kind,
        "versions": {name: version(name) for name in packages} | {"platform": device.client.platform_version},
        "multiply_adds": 2 * links * length / best_seconds(jax.jit(chain), vector),
        "product_float32": 2 * side**3 / best_seconds(product, matrix),
        "product_bfloat16": 2 * side**3 / best_seconds(product, half),
        "copy": 2 * vector.nbytes / best_seconds(jax.jit(lambda x: x + 1), vector),
    }


def best_seconds(work, *arguments) -> float:
    """Return the shortest time of several calls, including the work on the device."""
    import jax

    jax.block_until_ready(work(*arguments))
    seconds = []
    for _ in range(2 * ROUNDS):
        start = time.perf_counter()
        jax.block_until_ready(work(*arguments))
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def measure_simulating(on_cpu: bool) -> dict:
    """Return images per second: rendered on the device, simulated including the telescope, and drawn on the host.

    Rendered images have a margin for the convolution: operations are counted for 72x72 pixels, for images of 64x64.
    """
    import params_and_cli as panel
    from stronglens.simulation.lens_simulator import LensSimulator

    cases = [(model, rays) for model in ("sie", "composite") for rays in (1, 4)]
    chunk_sizes = (8,) if on_cpu else (128, 512, 2048)
    size = {"grid_size": 16, "pixel_scale": 0.4} if on_cpu else {}
    rows, begun = [], time.monotonic()
    for chunk_size in chunk_sizes:
        for model, rays in cases:
            if time.monotonic() - begun > MOST_SECONDS["simulating"]:
                break
            start = time.perf_counter()
            parameters = panel.RegressionSimulation.of(panel.OVERRIDES, lens_model=model, over_sampling=rays, **size)
            simulator = LensSimulator(parameters, chunk_size=chunk_size, on_device=True)
            indices = range(chunk_size)
            simulator.simulate(indices)
            compile_seconds = time.perf_counter() - start
            scene = simulator.physical_scene(simulator.draw(indices).draws)
            # XLA counts one iteration of a loop, and over-sampling is a loop over rays.
            cost = simulator.renderer.compile().cost_analysis()
            cost = cost[0] if isinstance(cost, list) else cost
            turns = rays**2 * simulator.renderer.turns
            rows.append(
                {
                    "lens_model": model,
                    "over_sampling": rays,
                    "chunk_size": chunk_size,
                    "compile_seconds": compile_seconds,
                    "rendered": chunk_size / best_seconds(simulator.renderer.render_on_device, scene),
                    "simulated": chunk_size / best_seconds(simulator.simulate, indices),
                    "drawn": chunk_size / best_seconds(lambda s=simulator, i=indices: s.draw(i).draws),
                    "flops": turns * (cost["flops"] + cost.get("transcendentals", 0)) / simulator.renderer.piece,
                    "bytes": turns * cost["bytes accessed"] / simulator.renderer.piece,
                }
            )
    return {"rows": rows, "left_out": len(cases) * len(chunk_sizes) - len(rows)}


def measure_training(on_cpu: bool) -> dict:
    """Return images per second for the ``report`` network: compiled steps on a resident batch, and ``fit``.

    Mixed precision is bfloat16, which does not need loss scaling.
    """
    os.environ["KERAS_BACKEND"] = "jax"
    import types

    import keras
    import numpy as np

    # stronglens.training imports TensorFlow, which may not be installed here.
    sys.modules["stronglens.training"] = types.SimpleNamespace(keras=keras)
    from benchmarks.training import GFLOP_AN_IMAGE
    from stronglens.regression.network import build_network
    from stronglens.scaling import fit_image_scaling, fit_label_scaling

    side, batch_sizes, images_fitted = (16, (4,), 16) if on_cpu else (64, (20, 256, 2048), 16384)
    random = np.random.default_rng(0)
    images = random.normal(size=(images_fitted, side, side)).astype(np.float32)
    labels = random.normal(size=(images_fitted, 3)).astype(np.float32)
    scalings = fit_image_scaling(images), fit_label_scaling(labels, ("a", "b", "c"))
    rows, begun = [], time.monotonic()
    for policy in ("float32", "mixed_bfloat16"):
        for batch_size in batch_sizes:
            if time.monotonic() - begun > MOST_SECONDS["training"]:
                break
            keras.config.set_dtype_policy(policy)
            network = build_network((side, side), *scalings)
            network.compile(keras.optimizers.Adam(1e-5), loss="mean_squared_error")
            resident = best_step_seconds(network, images[:batch_size], labels[:batch_size])
            part = slice(0, min(images_fitted, 200 * batch_size))
            network.fit(images[part], labels[part], batch_size=batch_size, verbose=0)
            start = time.perf_counter()
            network.fit(images[part], labels[part], batch_size=batch_size, verbose=0)
            rows.append(
                {
                    "policy": policy,
                    "batch_size": batch_size,
                    "images_a_second": batch_size / resident,
                    "flops_a_second": batch_size / resident * 1e9 * GFLOP_AN_IMAGE * (side / 64) ** 2,
                    "fitted": len(images[part]) / (time.perf_counter() - start),
                }
            )
    return {"rows": rows}


def best_step_seconds(network, images, labels, steps: int = 20) -> float:
    """Return the time of one training step, from several steps on the same batch on the device, s."""
    import jax
    import keras

    optimizer = keras.optimizers.Adam(1e-5)
    optimizer.build(network.trainable_variables)
    images, labels = jax.device_put(images), jax.device_put(labels)

    def loss(trainable, others):
        outputs, others = network.stateless_call(trainable, others, images, training=True)
        return ((outputs - labels) ** 2).mean(), others

    def step(trainable, others, state):
        (_, others), gradients = jax.value_and_grad(loss, has_aux=True)(trainable, others)
        return *optimizer.stateless_apply(state, gradients, trainable), others

    @jax.jit
    def run(trainable, others, state):
        def turn(_, carry):
            trainable, state, others = step(carry[0], carry[2], carry[1])
            return trainable, state, others

        return jax.lax.fori_loop(0, steps, turn, (trainable, state, others))

    groups = network.trainable_variables, network.non_trainable_variables, optimizer.variables
    return best_seconds(run, *([variable.value for variable in group] for group in groups)) / steps


if __name__ == "__main__":
    sys.exit(main())

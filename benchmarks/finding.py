"""Scoring a field of cut-outs from one Zarr array, compared with the network's plain inference.

``python -m benchmarks.finding`` writes Zarr arrays of noise with 66 pixels and scores them with an untrained network,
``small`` in one band: images in memory with Keras's ``predict``, and an array on disk, in turns in one process. It
prints images per second and per CPU second, which other users of the machine change less, and the largest memory
for two numbers of images. The results are written to ``benchmarks/results/finding.json``.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "finding.json"
SIDE, BATCH, TURNS = 66, 256, 3


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.finding", description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100_000)
    number = parser.parse_args().images
    from stronglens.finding.cubes import score_cube
    from stronglens.finding.network import build_network
    from stronglens.scaling import ImageScaling

    network = build_network("small", (SIDE, SIDE), ImageScaling(10.0, 0.0, 1.0))
    with tempfile.TemporaryDirectory() as folder:
        few, many = (write_noise(Path(folder) / f"{count}.zarr", count) for count in (number // 10, number))
        in_memory = np.random.default_rng(0).normal(size=(number // 20, SIDE, SIDE)).astype(np.float32)
        network.predict(in_memory[:BATCH], batch_size=BATCH, verbose=0)  # compiles
        plain, field = [], []
        for _ in range(TURNS):
            plain.append(measure(len(in_memory), lambda: network.predict(in_memory, batch_size=BATCH, verbose=0)))
            field.append(measure(number // 10, lambda: list(score_cube(network, few))))
        memory_few = peak_memory()
        whole = measure(number, lambda: [None for _ in score_cube(network, many)])
        memory_many = peak_memory()
    names = ("images_a_second", "images_a_cpu_second")
    report = {
        "images": number,
        "plain": dict(zip(names, np.median(plain, axis=0).tolist(), strict=True)),
        "field": dict(zip(names, np.median(field, axis=0).tolist(), strict=True)),
        "field_over_plain": dict(zip(names, np.median(np.divide(field, plain), axis=0).tolist(), strict=True)),
        "all_images": dict(zip(names, whole, strict=True)),
        "peak_memory_mb": {str(number // 10): memory_few, str(number): memory_many},
    }
    print(json.dumps(report, indent=1))
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")
    return 0


def write_noise(path: Path, number: int) -> str:
    """Write a Zarr array (N, 66, 66) of noise, block by block."""
    import zarr

    array = zarr.create_array(str(path), shape=(number, SIDE, SIDE), dtype="float32", chunks=(BATCH, SIDE, SIDE))
    random = np.random.default_rng(1)
    for start in range(0, number, BATCH):
        stop = min(start + BATCH, number)
        array[start:stop] = random.normal(size=(stop - start, SIDE, SIDE)).astype(np.float32)
    return str(path)


def measure(number: int, work) -> tuple[float, float]:
    """Return images per second and per CPU second of this process."""
    start, cpu = time.perf_counter(), time.process_time()
    work()
    return number / (time.perf_counter() - start), number / (time.process_time() - cpu)


def peak_memory() -> float:
    """Return the largest memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())

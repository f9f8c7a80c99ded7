"""Large datasets: overhead in addition to ray tracing and telescope, and memory by number of images."""

import time
from concurrent.futures import ThreadPoolExecutor
from tempfile import TemporaryDirectory

import params_and_cli as panel
from benchmarks.command import run_command
from stronglens import telescope
from stronglens.dataset import CHUNK_SIZE
from stronglens.execution import open_executor, run_chunks
from stronglens.regression.simulator import make_simulator
from stronglens.sampling import Stream, generator
from stronglens.simulation.chunks import simulator_of

IMAGES = 50_000
FEW, MANY = 10_000, 100_000
EMPTY_CHUNKS = 3_000
FASTEST = ("--lens-model=sie", "-os=1", "--format=zarr")
"""Flags of the fastest simulation, where waiting chunks would increase the memory first."""


def measure(seconds: float) -> dict:
    """Run the default command with the format zarr, and for comparison only the ray tracing and the telescope."""
    with TemporaryDirectory() as folder:
        target = (f"--dataset-dir={folder}/data", "--force")
        start_up = run_command("generate_data.py", "-n=1", "--format=zarr", *target)["seconds"]
        whole = run_command("generate_data.py", f"-n={IMAGES}", "--format=zarr", *target)["seconds"] - start_up
        bare = measure_bare()
        overhead = {workers: measure_overhead(workers) for workers in (0, 2)}
        few, many = (run_command("generate_data.py", f"-n={number}", *FASTEST, *target) for number in (FEW, MANY))
    peaks = [run["peak_memory_mb"] for run in (few, many)]
    print(
        f"{IMAGES:,} default images, zarr: {whole:.0f} s after {start_up:.1f} s of start-up, "
        f"{IMAGES / whole:,.0f} images/s; ray tracing and telescope {bare:.0f} s; overhead {1 - bare / whole:.0%}"
    )
    print(
        f"peak memory: {peaks[0]:.0f} MB for {FEW:,} images, {peaks[1]:.0f} MB for {MANY:,} "
        f"({peaks[1] / peaks[0] - 1:+.0%}); {MANY:,} in {many['seconds']:.0f} s"
    )
    print(
        f"overhead of an empty chunk: {1000 * overhead[0]:.2f} ms with threads, "
        f"{1000 * overhead[2]:.2f} ms with two worker processes"
    )
    return {
        "images_a_second": IMAGES / whole,
        "share_beside_ray_tracing_and_telescope": 1 - bare / whole,
        "peak_memory_mb": {str(number): peak for number, peak in zip((FEW, MANY), peaks, strict=True)},
        "memory_growth": peaks[1] / peaks[0] - 1,
        "milliseconds_of_bookkeeping_a_chunk": {str(workers): 1000 * each for workers, each in overhead.items()},
    }


def measure_overhead(workers: int) -> float:
    """Return the overhead of the executor for an empty chunk, s."""
    with open_executor(workers) as executor:
        run_chunks(do_nothing, range(100), executor, lambda images: None)
        start = time.perf_counter()
        run_chunks(do_nothing, range(EMPTY_CHUNKS), executor, lambda images: None)
        return (time.perf_counter() - start) / EMPTY_CHUNKS


def do_nothing(chunk: int) -> int:
    return CHUNK_SIZE


def measure_bare() -> float:
    """Return the time of ray tracing and telescope only, for the same numbers of images and threads, s."""
    simulator = simulator_of(make_simulator, panel.RegressionSimulation.of(panel.OVERRIDES))
    camera = simulator.telescope
    scene = simulator.physical_scene(simulator.draw(range(CHUNK_SIZE)).draws)

    def render_and_record(chunk: int) -> None:
        rate, _ = telescope.observe(*simulator.render(scene), camera)
        telescope.add_noise(rate, camera, [generator(0, Stream.NOISE, chunk, index) for index in range(CHUNK_SIZE)])

    render_and_record(0)
    with open_executor() as executor, ThreadPoolExecutor(executor.threads) as threads:
        start = time.perf_counter()
        list(threads.map(render_and_record, range(-(-IMAGES // CHUNK_SIZE))))
        return time.perf_counter() - start

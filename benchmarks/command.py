"""Complete commands as a user runs them: time of ``generate_data.py``, memory, workers and start-up."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
FEW, MANY = 2_000, 20_000
"""Numbers of images in two runs. The difference of their times gives the time per image, the rest is start-up."""


def measure(seconds: float) -> dict:
    """Run the default command in both formats, with 0, 1 and 2 worker processes, and both commands' start-up."""
    with tempfile.TemporaryDirectory() as folder:
        report = {"formats": measure_formats(folder), "workers": measure_workers(folder)}
        report["start_up"] = measure_start_up(folder)
    return report


def measure_formats(folder: str) -> dict:
    """Run the command for two numbers of images in both formats."""
    report = {}
    for kept in ("pickle", "zarr"):
        few, many = run_both(folder, f"--format={kept}")
        an_image = (many["seconds"] - few["seconds"]) / (MANY - FEW)
        report[kept] = {
            "milliseconds_an_image": 1000 * an_image,
            "start_up_seconds": few["seconds"] - FEW * an_image,
            "peak_memory_mb": [few["peak_memory_mb"], many["peak_memory_mb"]],
        }
        print(
            f"generate_data.py --format={kept}: {report[kept]['start_up_seconds']:.1f} s, then "
            f"{1000 * an_image:.2f} ms an image ({1 / an_image:,.0f} images/s); peak memory "
            f"{few['peak_memory_mb']:.0f} MB for {FEW:,} images, {many['peak_memory_mb']:.0f} MB for {MANY:,}",
            flush=True,
        )
    return report


def measure_workers(folder: str) -> dict:
    """Run the command with threads of one process, and with one and two worker processes."""
    rates = {}
    for workers in (0, 1, 2):
        few, many = run_both(folder, "--format=zarr", f"--workers={workers}")
        rates[str(workers)] = (MANY - FEW) / (many["seconds"] - few["seconds"])
        how = f"--workers={workers}" if workers else "threads of one process"
        ratio = rates[str(workers)] / rates["0"]
        print(f"{how}: {rates[str(workers)]:,.0f} images/s, {ratio:.2f} of one process", flush=True)
    return {"images_a_second": rates, "two_over_one": rates["2"] / rates["1"]}


def measure_start_up(folder: str) -> dict:
    """Run both commands on very few images, with an empty compile cache and with one from an earlier run."""
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": f"{folder}/cache"}
    report = {}
    for cache in ("cold", "warm"):
        data = f"{folder}/start-{cache}"
        run = run_command("generate_data.py", "-n=40", f"--dataset-dir={data}", environment=environment)
        report[f"generate_data_{cache}"] = run["seconds"]
    paths = (f"--dataset-dir={data}", f"--figures-dir={folder}/figures", f"--model-file={folder}/network.keras")
    report["model_and_figures"] = run_command("model_and_figures.py", "-e=1", *paths)["seconds"]
    report["help"] = run_command("generate_data.py", "--help")["seconds"]
    print(
        f"start-up: generate_data.py -n=40 {report['generate_data_cold']:.1f} s with a cold compile cache, "
        f"{report['generate_data_warm']:.1f} s with a warm one; model_and_figures.py -e=1 with this dataset, including "
        f"figures, {report['model_and_figures']:.1f} s; --help {report['help']:.2f} s",
        flush=True,
    )
    return report


def run_both(folder: str, *flags: str) -> list[dict]:
    """Simulate few and many images with the given flags."""
    data = f"--dataset-dir={folder}/data"
    return [run_command("generate_data.py", f"-n={number}", *flags, data, "--force") for number in (FEW, MANY)]


def run_command(program: str, *arguments: str, environment: dict | None = None) -> dict:
    """Run a command in a separate process; return its time and its peak memory, including child processes."""
    start = time.perf_counter()
    command = [sys.executable, str(ROOT / program), *arguments, "--quiet"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    peak = [0.0]
    watcher = threading.Thread(target=_watch_memory, args=(process, peak), daemon=True)
    watcher.start()
    if process.wait():
        raise SystemExit(f"{program} {' '.join(arguments)} failed")
    elapsed = time.perf_counter() - start
    watcher.join()
    return {"seconds": elapsed, "peak_memory_mb": peak[0]}


def _watch_memory(process: subprocess.Popen, peak: list[float]) -> None:
    import psutil

    while process.poll() is None:
        try:
            parent = psutil.Process(process.pid)
            used = sum(one.memory_info().rss for one in (parent, *parent.children(recursive=True)))
            peak[0] = max(peak[0], used / 2**20)
        except psutil.Error:
            pass
        time.sleep(0.05)

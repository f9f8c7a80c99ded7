"""The whole command as a user runs it: where the time of ``generate_data.py`` goes, and its peak memory."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
NUMBERS = (1000, 3000)


def measure(seconds: float) -> dict:
    """Run the default command for two numbers of images; the difference is what an image costs, the rest start-up."""
    runs = [run_command(number) for number in NUMBERS]
    an_image = (runs[1]["seconds"] - runs[0]["seconds"]) / (NUMBERS[1] - NUMBERS[0])
    start_up = runs[0]["seconds"] - NUMBERS[0] * an_image
    write = measure_writing()
    report = {
        "runs": runs,
        "start_up_seconds": start_up,
        "milliseconds_an_image": 1000 * an_image,
        "milliseconds_an_image_written": 1000 * write,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }
    print(f"start-up (imports, compilation, estimate) {start_up:.1f} s, then {1000 * an_image:.2f} ms an image")
    print(f"of which writing one pickle an image: {1000 * write:.2f} ms")
    print(f"peak memory {report['peak_memory_mb']:.0f} MB for {NUMBERS[1]} images")
    return report


def run_command(number: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "generate_data.py"), f"-n={number}", f"--dataset-dir={folder}/data"]
        start = time.perf_counter()
        subprocess.run([*command, "--quiet"], check=True, cwd=ROOT)
        elapsed = time.perf_counter() - start
    print(f"generate_data.py -n={number}: {elapsed:.1f} s", flush=True)
    return {"images": number, "seconds": elapsed}


def measure_writing() -> float:
    """Return the seconds that one image takes to write, on the file system of the temporary folder."""
    import numpy as np

    from stronglens.dataset import write_image

    image = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        for index in range(2000):
            write_image(os.path.join(folder, f"{index}.pickle"), image)
        return (time.perf_counter() - start) / 2000


if __name__ == "__main__":
    print(json.dumps(measure(0)))

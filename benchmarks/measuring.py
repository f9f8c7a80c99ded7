"""Measurement of many telescope images: files per second and memory, compared with an earlier commit.

``python -m benchmarks.measuring`` simulates lenses with 64 pixels, writes each as a FITS file, trains two small
networks (point estimates and a posterior) and measures the files with ``--predict``, with this checkout and with
another commit of the repository (``--against``). Rates exclude start-up: they are for the files after the first few.
The results are written to ``benchmarks/results/measuring.json``.
"""

import argparse
import json
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from benchmarks.command import ROOT, _watch_memory

NETWORKS = {
    "point estimates": ("--labels=einstein-radius,src-center-x,src-center-y",),
    "posterior": (
        "--labels=einstein-radius,lens-ellip-x,lens-ellip-y,src-center-x,src-center-y",
        "--posterior=flow",
    ),
}
FEW = 10
"""Number of files for the measurement of the start-up."""

RESULTS = ROOT / "benchmarks" / "results" / "measuring.json"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.measuring", description=__doc__.splitlines()[0])
    parser.add_argument("--against", default="1ff4b55", help="the other commit")
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--other-files", type=int, default=100, help="files that the other commit measures")
    parser.add_argument("--memory", type=int, default=10_000, help="files for the peak memory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "other"
        archive = subprocess.run(["git", "archive", options.against], cwd=ROOT, capture_output=True, check=True).stdout
        other.mkdir()
        subprocess.run(["tar", "-x", "-C", str(other)], input=archive, check=True)
        files = write_files(Path(folder), options.files)
        report = {"against": options.against, "files": options.files, "networks": {}}
        for name, flags in NETWORKS.items():
            # Trained by the other commit, so that both can load it.
            network = f"--model-file={folder}/{name.split()[0]}.keras"
            run(other, f"--dataset-dir={folder}/data", network, f"--figures-dir={folder}/trained", "-e=2", *flags)
            report["networks"][name] = compare(Path(folder), other, files, options.other_files, network, name)
        report["memory"] = measure_memory(Path(folder), files, options.memory, network)
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")
    return 0


def write_files(folder: Path, number: int) -> list[str]:
    """Simulate lenses and write a FITS file for each; return the paths."""
    from astropy.io import fits

    arguments = ["--lens-model=sie", f"-n={number}", f"--dataset-dir={folder}/data", "--quiet"]
    subprocess.run([sys.executable, "generate_data.py", *arguments], cwd=ROOT, check=True)
    (folder / "files").mkdir()
    files = []
    for path in sorted((folder / "data" / "images").iterdir()):
        image = fits.PrimaryHDU(np.flipud(pickle.loads(path.read_bytes())))
        image.header.update({"BUNIT": "electron/s", "MAGZERO": 25.72, "PIXSCALE": 0.1})
        files.append(str(folder / "files" / f"{path.stem}.fits"))
        image.writeto(files[-1])
    return files


def compare(folder: Path, other: Path, files: list[str], other_number: int, network: str, name: str) -> dict:
    """Return files per second for both commits, excluding start-up."""
    found = {}
    for what, root, number in (("other", other, other_number), ("ours", ROOT, len(files))):
        few = measure_files(folder, root, files[:FEW], network)["seconds"]
        many = measure_files(folder, root, files[:number], network)["seconds"]
        found[what] = {"start_up_seconds": few, "files_a_second": (number - FEW) / (many - few)}
    found["ratio"] = found["ours"]["files_a_second"] / found["other"]["files_a_second"]
    print(
        f"{name}: {found['ours']['files_a_second']:.0f} files/s after {found['ours']['start_up_seconds']:.0f} s, other "
        f"commit {found['other']['files_a_second']:.2f} files/s: {found['ratio']:.0f} times",
        flush=True,
    )
    return found


def measure_memory(folder: Path, files: list[str], number: int, network: str) -> dict:
    """Return the peak memory for a tenth of the files and for all files."""
    repeated = files * -(-number // len(files))
    links = folder / "links"
    links.mkdir()
    for index, path in enumerate(repeated[:number]):
        os.symlink(path, links / f"{index:06d}.fits")
    names = sorted(str(path) for path in links.iterdir())
    counts = (number // 10, number)
    few, many = (measure_files(folder, ROOT, names[:count], network)["peak_memory_mb"] for count in counts)
    print(f"peak memory: {few:.0f} MB for {number // 10:,} files, {many:.0f} MB for {number:,}: {many / few - 1:+.1%}")
    return {"files": [number // 10, number], "peak_memory_mb": [few, many]}


def measure_files(folder: Path, root: Path, files: list[str], network: str) -> dict:
    """Measure files with the checkout in a folder."""
    return run(root, network, f"--figures-dir={folder}/measured", "--predict", *files)


def run(root: Path, *arguments: str) -> dict:
    """Run ``model_and_figures.py`` of a checkout; return its time and its peak memory."""
    start, peak = time.perf_counter(), [0.0]
    command = [sys.executable, "model_and_figures.py", "--quiet", *arguments]
    process = subprocess.Popen(command, cwd=root)
    watcher = threading.Thread(target=_watch_memory, args=(process, peak), daemon=True)
    watcher.start()
    if process.wait():
        raise SystemExit(f"{' '.join(command)[:200]} failed")
    seconds = time.perf_counter() - start
    watcher.join()
    return {"seconds": seconds, "peak_memory_mb": peak[0]}


if __name__ == "__main__":
    sys.exit(main())

"""Measure everything, print it, and write ``benchmarks/results.json``.

``python -m benchmarks`` runs all sections (about 25 minutes on two cores), ``python -m benchmarks NAME ...`` some, each
in a process of its own: libraries leave traces in the environment. README.md beside this file says how to read them.
Numbers are medians of three interleaved rounds of several seconds; a ratio is between two things measured in the
same run on the same draws, and means something on another machine where a single time does not.
"""

import argparse
import json
import platform
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results.json"
SECTIONS = (
    "raytracing", "rays", "telescope", "store", "command", "large", "training", "simulated_training", "substructure",
    "matched_filter", "metrics",
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], help="what to measure (all by default)")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one round of one measurement")
    options = parser.parse_args()
    sections = options.sections or SECTIONS
    if len(sections) > 1:
        command = [sys.executable, "-m", "benchmarks", f"--seconds={options.seconds}"]
        return max(subprocess.run([*command, section]).returncode for section in sections)
    (section,) = sections
    print(f"\n{section}\n{'-' * len(section)}", flush=True)
    measured = import_module(f"benchmarks.{section}").measure(options.seconds)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps(results | {"machine": describe_machine(), section: measured}, indent=1) + "\n")
    return 0


def describe_machine() -> dict:
    """Return what the numbers were measured on."""
    import os

    model = next(
        (line.split(":")[1].strip() for line in _read("/proc/cpuinfo").splitlines() if line.startswith("model name")),
        platform.processor(),
    )
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("autolens", "jax", "tensorflow", "keras", "numpy")},
    }


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main())

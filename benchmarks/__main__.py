"""Run benchmarks, print the results, and write ``benchmarks/results.json``.

``python -m benchmarks`` runs all sections (about 25 minutes on two cores), and ``python -m benchmarks NAME ...``
selected sections, each in a separate process, since libraries change the environment. README.md in this folder explains
the results. Numbers are medians of three interleaved rounds of several seconds. Ratios are between two measurements in
the same run with the same draws; unlike single times, they are comparable between machines.
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
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], help="sections to run (default: all)")
    parser.add_argument("--seconds", type=float, default=4.0, help="duration of one round of a measurement")
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
    """Return the processor, system and library versions of this machine."""
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

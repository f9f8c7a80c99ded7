"""Cost of simulated images of the finding task, in one band and in four.

``python -m benchmarks.bands`` simulates chunks in VIS and in VIS, Y, J, H, in turns in one process, then fields of 198
pixels. It prints milliseconds of CPU time per image, which other users of the machine change less than rates, with
rejected draws included, and writes ``benchmarks/results/bands.json``.
"""

import json
import statistics
import sys
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "bands.json"
FOUR = ("VIS", "Y", "J", "H")
TURNS, CHUNK = 3, 128


def main() -> int:
    import params_and_cli as panel
    from stronglens.finding.simulator import make_simulator

    def make(**settings):
        return make_simulator(panel.FindingSimulation(**settings))

    small = {"one band": make(), "four bands": make(bands=FOUR)}
    wide = {
        "ou66, four bands": make(bands=FOUR, pixel_scale=0.3, over_sampling=2),
        "ou200, four bands": make(bands=FOUR, grid_size=198, over_sampling=2),
    }
    report = measure(small, TURNS)
    report["four over one"] = report["four bands"] / report["one band"]
    report |= measure(wide, 1)
    print(json.dumps(report, indent=1))
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")
    return 0


def measure(simulators: dict, turns: int) -> dict[str, float]:
    """Return the median CPU time per image, ms, of each simulator."""
    times: dict[str, list[float]] = {name: [] for name in simulators}
    for simulator in simulators.values():
        simulator.simulate(range(CHUNK))  # compiles
    for turn in range(1, turns + 1):
        for name, simulator in simulators.items():
            start = time.process_time()
            simulator.simulate(range(turn * CHUNK, (turn + 1) * CHUNK))
            times[name].append(1000 * (time.process_time() - start) / CHUNK)
    return {name: statistics.median(values) for name, values in times.items()}


if __name__ == "__main__":
    sys.exit(main())

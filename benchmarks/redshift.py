"""How much of a learned redshift is the prior of brightness: one network, data sets that differ in that prior alone.

``python -m benchmarks.redshift`` (25 minutes on two cores) learns the source's redshift from images whose sources are
alike, of the default range of brightness, and of a wide one; from images whose sources are drawn as bright as they are
seen, so that brightness tells nothing; and from images on which redshifts do not act. Writes
``benchmarks/results/redshift.json`` and ``docs/images/redshift.png``.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.__main__ import describe_machine
from benchmarks.command import ROOT, run_command
from stronglens.cosmology import QUOTED_SOURCE_REDSHIFT, surface_brightness_dimming
from stronglens.dataset import load_dataset
from stronglens.plotting import save_figure
from stronglens.regression.figures import draw_prior_dependence

RESULTS = Path(__file__).parent / "results"
FIGURE = ROOT / "docs" / "images" / "redshift.png"
REDSHIFT = "src-redshift"
DATASETS = {
    "sources alike (×1.2)": ("--src-intensity-range=0.2,0.24",),
    "the default range (×5)": (),
    "a wide range (×100)": ("--src-intensity-range=0.01,1",),
    "drawn as bright as seen": ("--src-magnitude-range=22.5,25.5",),
    "redshifts do not act": ("--redshift-effects=none",),
}
GENERATE = ("--lens-model=sie", "--lens-light=off", "--grid-size=48", "--over-sampling=2", "--format=zarr")
TRAIN = ("--posterior=flow", "--network=resnet", "--augment=on", "--labels=src-redshift,einstein-radius")
BINS = 40


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.redshift", description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=6000, help="of each data set")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--folder", type=Path, help="keep datasets, networks and figures here")
    parser.add_argument("--results", type=Path, default=RESULTS / "redshift.json")
    parser.add_argument("--figure", type=Path, default=FIGURE)
    options = parser.parse_args(arguments)
    report, drawn = {"machine": describe_machine(), "datasets": {}}, {}
    heads = f"{'R^2':>8}{'contraction':>13}{'brightness alone':>18}{'radius alone':>14}{'time':>8}"
    print(f"{'prior of brightness':<28}{heads}")
    with tempfile.TemporaryDirectory() as temporary:
        for number, (name, flags) in enumerate(DATASETS.items()):
            folder = (options.folder or Path(temporary)) / str(number)
            generate = (*GENERATE, *flags, f"-n={options.images}")
            train = (*TRAIN, f"-e={options.epochs}")
            data = f"--dataset-dir={folder}/data"
            run_command("generate_data.py", *generate, data, "--force")
            paths = (data, f"--figures-dir={folder}", f"--model-file={folder}/network.keras")
            run = run_command("model_and_figures.py", *train, *paths)
            posterior = json.loads((folder / "metrics.json").read_text())["posterior"]
            found = posterior["labels"][REDSHIFT]
            report["datasets"][name] = {
                "commands": [" ".join(["generate_data.py", *generate]), " ".join(["model_and_figures.py", *train])],
                "seconds": run["seconds"],
                **{key: found[key] for key in ("r2", "contraction", "constrained", "coverage_deviation")},
                **explain(load_dataset(folder / "data").labels, "--redshift-effects=none" not in flags),
            }
            table = pd.read_csv(folder / "predictions.csv", float_precision="round_trip")
            columns = ("true", "predicted", "q16", "q84")
            drawn[name] = np.stack([table[f"{REDSHIFT}-{column}"] for column in columns]), report["datasets"][name]
            _print(name, report["datasets"][name])
    options.results.parent.mkdir(exist_ok=True)
    options.results.write_text(json.dumps(report, indent=1) + "\n")
    save_figure(draw_prior_dependence(drawn, r"$z_{\rm src}$"), options.figure)
    return 0


def explain(labels: pd.DataFrame, does_act: bool) -> dict[str, float]:
    """Return what the source's surface brightness and the Einstein radius, each alone and free of error, would tell."""
    redshift = labels[REDSHIFT].to_numpy()
    if "src-magnitude" in labels:  # as observed
        brightness = -0.4 * np.log(10) * labels["src-magnitude"] - 2 * np.log(labels["src-effect"])
    else:
        dimming = surface_brightness_dimming(redshift, QUOTED_SOURCE_REDSHIFT) if does_act else 1.0
        brightness = np.log(labels["src-intensity"] * dimming)
    return {
        "brightness_alone": explained(brightness.to_numpy(), redshift),
        "radius_alone": explained(labels["einstein-radius"].to_numpy(), redshift),
    }


def explained(known: np.ndarray, wanted: np.ndarray) -> float:
    """Return the R^2 of the mean of one quantity in bins of equal number of another, less what bins explain by chance.

    It is the most that any function of the other quantity explains, for many bins and many more values: adjusted R^2.
    """
    order = np.argsort(known, kind="stable")
    within = sum(np.sum((part - part.mean()) ** 2) for part in np.array_split(wanted[order], BINS))
    count = len(wanted)
    return float(1 - within / (count - BINS) / np.var(wanted, ddof=1))


def _print(name: str, entry: dict) -> None:
    numbers = entry["r2"]["value"], entry["contraction"]["value"], entry["brightness_alone"], entry["radius_alone"]
    # Minus nothing is nothing.
    cells = (f"{round(number, 2) + 0.0:>{wide}.2f}" for number, wide in zip(numbers, (8, 13, 18, 14), strict=True))
    print(f"{name:<28}{''.join(cells)}{entry['seconds']:>6.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""Dependence of a learned source redshift on the prior of the source brightness.

``python -m benchmarks.redshift`` (25 minutes on two cores) trains the same network on datasets with different priors:
sources of almost one intrinsic brightness, of the default range, and of a wide range; sources drawn in observed
magnitude, so that the brightness does not depend on redshift; and images without effects of redshift. The results are
written to ``benchmarks/results/redshift.json`` and ``docs/images/redshift.png``.
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
    parser.add_argument("--images", type=int, default=6000, help="number of images per dataset")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--folder", type=Path, help="folder for datasets, networks and figures")
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
    """Return the R^2 of the redshift from the source's surface brightness alone and the Einstein radius alone."""
    redshift = labels[REDSHIFT].to_numpy()
    if "src-magnitude" in labels:  # observed magnitude
        brightness = -0.4 * np.log(10) * labels["src-magnitude"] - 2 * np.log(labels["src-effect"])
    else:
        dimming = surface_brightness_dimming(redshift, QUOTED_SOURCE_REDSHIFT) if does_act else 1.0
        brightness = np.log(labels["src-intensity"] * dimming)
    return {
        "brightness_alone": explained(brightness.to_numpy(), redshift),
        "radius_alone": explained(labels["einstein-radius"].to_numpy(), redshift),
    }


def explained(known: np.ndarray, wanted: np.ndarray) -> float:
    """Return the adjusted R^2 of the mean of ``wanted`` in bins of ``known`` with equal numbers of values.

    For many bins and many more values, this is the maximum R^2 of any function of ``known``.
    """
    order = np.argsort(known, kind="stable")
    within = sum(np.sum((part - part.mean()) ** 2) for part in np.array_split(wanted[order], BINS))
    count = len(wanted)
    return float(1 - within / (count - BINS) / np.var(wanted, ddof=1))


def _print(name: str, entry: dict) -> None:
    numbers = entry["r2"]["value"], entry["contraction"]["value"], entry["brightness_alone"], entry["radius_alone"]
    # Adding 0.0 avoids "-0".
    cells = (f"{round(number, 2) + 0.0:>{wide}.2f}" for number, wide in zip(numbers, (8, 13, 18, 14), strict=True))
    print(f"{name:<28}{''.join(cells)}{entry['seconds']:>6.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())

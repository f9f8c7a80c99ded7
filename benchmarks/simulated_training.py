"""Generalisation gap with stored and with newly simulated training images, for the same network and steps."""

import json
import tempfile
from pathlib import Path

import pandas as pd

from benchmarks.command import ROOT, run_command
from stronglens.plotting import save_figure
from stronglens.regression.figures import draw_generalisation_gap

FIGURE = ROOT / "docs" / "images" / "simulated-training.png"
STORED = ("-n=1500", "--lens-model=sie", "-os=2", "--seed=5")
LEARNING = ("-e=40", "-mlr=3e-4", "--labels=einstein-radius,src-center-x,src-center-y")


def measure(seconds: float) -> dict:
    """Train on 1,050 stored images, and on the same number of new images per epoch; draw the losses of both."""
    histories, report = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        run_command("generate_data.py", *STORED, f"--dataset-dir={folder}/data")
        for name, flags in (("stored images", ()), ("fresh images", ("--simulate",))):
            place = Path(folder, name.split()[0])
            paths = (f"--dataset-dir={folder}/data", f"--figures-dir={place}", f"--model-file={place}/network.keras")
            run = run_command("model_and_figures.py", *LEARNING, *flags, *paths)
            histories[name] = pd.read_csv(place / "logs" / "history.csv", float_precision="round_trip").to_dict("list")
            labels = json.loads((place / "metrics.json").read_text())["labels"]
            report[name] = {
                "seconds": run["seconds"],
                "lowest_validation_loss": min(histories[name]["val_loss"]),
                "gap_in_the_last_epoch": histories[name]["val_loss"][-1] - histories[name]["loss"][-1],
                "r2": {label: values["r2"] for label, values in labels.items()},
            }
            r2 = ", ".join(f"{label} {values['r2']['value']:.2f}" for label, values in labels.items())
            print(
                f"{name}: {run['seconds']:.0f} s; lowest validation loss {report[name]['lowest_validation_loss']:.3f}, "
                f"gap in the last epoch {report[name]['gap_in_the_last_epoch']:+.3f}; R^2 of the test images: {r2}",
                flush=True,
            )
    save_figure(draw_generalisation_gap(histories), FIGURE)
    return report

"""Train and test a substructure classifier with both commands, for several seeds.

``python -m benchmarks.classify small`` takes half an hour on two cores. ``public`` and ``matched`` follow the
literature: 150 pixels, 10,000 training and 2,500 test images of each class, 50 epochs of ResNet-34, three seeds; they
take hours on a GPU. Metrics, times and commands are written to ``benchmarks/results/substructure-NAME.json``.
"""

import argparse
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.__main__ import describe_machine
from benchmarks.command import run_command

RESULTS = Path(__file__).parent / "results"
KEPT = ("images", "accuracy", "macro_auc", "auc", "against_no", "share_of_ceiling", "calibration_error", "confusion")

FULL = ("-e=50", "--valid-split=0.04", "--test-split=0.1924", "--mixed-precision")
"""Of 13,000 images per class, 2,500 are for the test and 500 for validation."""


@dataclass(frozen=True)
class Configuration:
    """Flags of both commands, and seeds of the trainings.

    Attributes
    ----------
    generate, train : tuple of str
        Flags of generate_data.py and of model_and_figures.py.
    seeds : tuple of int
        Seeds of the split, the network and the order of images; all trainings use the same dataset.
    """

    generate: tuple[str, ...]
    train: tuple[str, ...]
    seeds: tuple[int, ...] = (0, 1, 2)


CONFIGURATIONS = {
    "small": Configuration(("-n=12000",), ("--network=resnet18", "-e=20"), (0,)),
    "public": Configuration(("-n=39000", "--substructure-preset=public"), FULL),
    "matched": Configuration(("-n=39000", "--grid-size=150", "--einstein-radius-range=1,1.6"), FULL),
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.classify", description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=CONFIGURATIONS)
    parser.add_argument("--seed", type=int, action="append", help="a seed (may be repeated); default: all")
    parser.add_argument("--folder", type=Path, help="resumable folder of dataset, networks and figures")
    options = parser.parse_args(arguments)
    configuration = CONFIGURATIONS[options.name]
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        report = {"machine": describe_machine(), "backend": os.environ.get("KERAS_BACKEND", "tensorflow"), "seeds": {}}
        data = ("--task=substructure", f"--dataset-dir={folder}/dataset")
        generate = (*data, "--format=zarr", *configuration.generate)
        run = run_command("generate_data.py", *generate, *(["--resume"] if (folder / "dataset").exists() else []))
        report["generate"] = {"command": _shown("generate_data.py", generate, folder), "seconds": run["seconds"]}
        for seed in options.seed or configuration.seeds:
            place = folder / f"seed-{seed}"
            paths = (f"--figures-dir={place}", f"--model-file={place}/network.keras")
            train = (*data, *configuration.train, f"--seed={seed}", *paths)
            run = run_command("model_and_figures.py", *train, *(["--resume"] if place.exists() else []))
            metrics = json.loads((place / "metrics.json").read_text())
            report["seeds"][str(seed)] = {
                "command": _shown("model_and_figures.py", train, folder),
                "seconds": run["seconds"],
                **{key: metrics[key] for key in KEPT},
                "scalars": {key: metrics["scalars"][key] for key in ("accuracy", "macro_auc", "auc")},
            }
            areas = ", ".join(f"{name} {entry['value']:.3f}" for name, entry in metrics["auc"].items())
            print(f"seed {seed}: accuracy {metrics['accuracy']['value']:.4f}, AUC {areas}, {run['seconds']:.0f} s")
            RESULTS.mkdir(exist_ok=True)
            output = RESULTS / f"substructure-{options.name}.json"
            output.write_text(json.dumps(report, indent=1) + "\n")
    return 0


def _shown(program: str, flags: tuple[str, ...], folder: Path) -> str:
    return " ".join(["python", program, *flags]).replace(f"{folder}/", "")


if __name__ == "__main__":
    sys.exit(main())

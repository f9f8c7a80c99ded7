"""Train the networks that come with the project, ``stronglens/presets/NAME.keras``, by the commands of their presets.

``python -m benchmarks.networks slacs euclid`` simulates the presets' datasets and trains their networks, unless they
are there (``dataset-NAME/``, ``models/NAME.keras``). It then stores the weights in 16 bits, compares the answers of
both files for test images, and refuses a network whose answers change by more than a tenth of a posterior's width.
"""

import argparse
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np

from benchmarks.command import ROOT
from stronglens.dataset import load_dataset
from stronglens.network_archive import RECORD, WEIGHTS

PRESETS = ROOT / "stronglens" / "presets"
NAMES = ("slacs", "euclid")
LARGEST = 6_000_000
"""Maximum size of a file, bytes."""

FEWEST = 1_000
"""Weights of arrays that are stored in 16 bits. Smaller ones, such as the moments of the images, stay in 32 bits."""

IMAGES, DRAWS = 256, 1000
ALLOWED = 0.1
"""Maximum change of a posterior's mean and standard deviation, in standard deviations, for 99 % of posteriors."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.networks", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME", help="presets (default: slacs euclid)")
    for name in parser.parse_args(arguments).names:
        own = Path("models") / f"{name}.keras"
        if not own.exists():
            train(name)
        packed = PRESETS / own.name
        aside = packed.with_suffix(".packing.keras")
        try:
            pack(own, aside)
            mean, width = compare(own, aside, Path(f"dataset-{name}"))
            size = aside.stat().st_size
            print(
                f"{name}: {own.stat().st_size:,} bytes, with 16-bit weights {size:,}; 99 % of posteriors change by less"
                f" than {mean:.1g} standard deviations in the mean and {width:.1g} in the width"
            )
            if max(mean, width) > ALLOWED or size > LARGEST:
                print(f"{name}: not kept, the limits are {ALLOWED} and {LARGEST:,} bytes", file=sys.stderr)
                return 1
            aside.replace(packed)
        finally:
            aside.unlink(missing_ok=True)
    return 0


def train(name: str) -> None:
    """Run both commands of a preset."""
    if not Path(f"dataset-{name}/manifest.json").exists():
        subprocess.run([sys.executable, ROOT / "generate_data.py", f"--preset={name}", "--format=zarr"], check=True)
    subprocess.run([sys.executable, ROOT / "model_and_figures.py", f"--preset={name}"], check=True)


def pack(source: Path, target: Path) -> None:
    """Copy a network's file with large arrays in 16 bits, and with the commit of this checkout in its record."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.infolist():
            content = old.read(member)
            if member.filename == WEIGHTS:
                content = halve(content)
            elif member.filename == RECORD:
                if "metrics" not in json.loads(content):
                    raise SystemExit(f"{source} has not been tested: run model_and_figures.py --resume first")
                content = json.dumps(json.loads(content) | {"commit": commit.stdout.strip()}, separators=(",", ":"))
            compress = zipfile.ZIP_STORED if member.filename == WEIGHTS else zipfile.ZIP_DEFLATED
            new.writestr(member.filename, content, compress)


def halve(content: bytes) -> bytes:
    """Return Keras's file of weights (HDF5) with its large arrays in 16 bits."""
    packed = io.BytesIO()
    with h5py.File(io.BytesIO(content), "r") as old, h5py.File(packed, "w") as new:
        new.attrs.update(old.attrs)

        def copy(name, node):
            if isinstance(node, h5py.Group):
                copied = new.require_group(name)
            else:
                values = node[()]
                is_large = values.size >= FEWEST and values.dtype == np.float32
                copied = new.create_dataset(name, data=values.astype(np.float16) if is_large else values)
            copied.attrs.update(node.attrs)

        old.visititems(copy)
    return packed.getvalue()


def compare(first: Path, second: Path, dataset: Path) -> tuple[float, float]:
    """Return the change of the means and of the widths of posteriors between two networks, 99th percentiles."""
    from stronglens.regression.posterior import Posterior
    from stronglens.training import load_network

    draws = []
    for path in (first, second):
        network, record = load_network(path)
        rows = np.asarray(record["split"]["test"])[:IMAGES]
        draws.append(Posterior(network, record).sample_images(load_dataset(dataset).images[rows], DRAWS))
    before, after = draws
    width = before.std(axis=1)
    mean = np.abs(after.mean(axis=1) - before.mean(axis=1)) / width
    return float(np.percentile(mean, 99)), float(np.percentile(np.abs(after.std(axis=1) / width - 1), 99))


if __name__ == "__main__":
    sys.exit(main())

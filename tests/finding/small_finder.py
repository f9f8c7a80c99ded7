"""A small dataset of the task, written without its simulator: rings and spots in noise."""

import csv
from collections import Counter

import numpy as np

from stronglens.dataset import DatasetWriter
from stronglens.parameters import Column

SIDE = 16
BANDS = ["VIS", "Y"]


def make_images(count, bands=2, seed=0):
    """Images (N, 16, 16[, B]) of noise with a spot (group 0), a ring (1) or both (2), and the groups (N,)."""
    random = np.random.default_rng(seed)
    groups = np.arange(count) % 9 % 4 // 2  # as many lenses as others, a ninth later doubtful
    groups[8::9] = 2
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    radius = np.hypot(x, y)
    ring, spot = np.exp(-((radius - 5) ** 2)), 3 * np.exp(-(radius**2) / 3)
    light = (groups >= 1)[:, None, None] * ring + (groups != 1)[:, None, None] * spot
    images = light[..., None] * np.array([4.0, 2.0])[:bands] + random.normal(size=(count, SIDE, SIDE, bands))
    return images.astype(np.float32).reshape(count, SIDE, SIDE, *([bands] if bands > 1 else [])), groups


def write_dataset(folder, count=120, bands=2, seed=0):
    """Write such images as a dataset of external images."""
    images, groups = make_images(count, bands, seed)
    kinds = np.where(groups == 1, 0, 1 + np.arange(count) % 7)
    manifest = {
        "number": count, "image-shape": list(images.shape[1:]), "bands": BANDS[:bands], "image-unit": "e-/s",
        "classes": ["non-lens", "lens", "doubtful"], "parameters": {"task": "finding", "format": "pickle"},
        "versions": {}, "conventions": {}, "origin": {"folder": "made"},
        "telescope": {"name": "euclid", "pixel-scale": 0.1, "zero-point": 25.72, "psf": None,
                      "bands": {"VIS": {"zero-point": 25.72}, "Y": {"zero-point": 25.04}}},
    }  # fmt: skip
    columns = [Column(name, None, name, name, drawn=False).to_dict() for name in ("group", "kind", "snr")]
    with DatasetWriter(folder, manifest) as writer:
        for chunk in writer.missing_chunks:
            rows = slice(128 * chunk, 128 * (chunk + 1))
            values = {"group": groups[rows], "kind": kinds[rows], "snr": 20.0 + np.arange(count)[rows]}
            writer.store.write_chunk(chunk, images[rows], values, Counter())
        writer.finish(columns, lambda values: {})
    return folder


def flags(folder, dataset, *more):
    """Flags of a training of one short epoch."""
    places = [f"--dataset-dir={dataset}", f"--figures-dir={folder / 'figures'}", f"--model-file={folder / 'n.keras'}"]
    return ["--task=finding", *places, "-e=1", "-b=32", "--test-split=0.2", *more]


def table(path):
    return list(csv.DictReader(path.read_text().splitlines()))

"""Coverage and ranks of refined posteriors of simulated lenses (``python -m benchmarks.refine calibration``)."""

import csv
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from scipy.stats import kstest

from stronglens.network_archive import read_archive

SEED = 31_977
"""Of the simulated lenses: another one than that of training sets."""

DERIVED = {"einstein-radius", "lens-axis-ratio"}
"""Columns that follow from others."""

PER_RANK = 5
"""Draws between two that count for a rank: some are repeated."""


def prepare(network: Path, number: int, folder: Path, source: str) -> dict[str, dict[str, float]]:
    """Write images with noise maps as FITS files; return the true columns by file.

    Where the refined source is one Sersic profile, that of the simulated lenses is one, too, without clumps.
    """
    from dataclasses import replace

    from astropy.io import fits

    import params_and_cli as panel
    from stronglens import telescope
    from stronglens.parameters import from_manifest
    from stronglens.regression.simulator import make_simulator

    made = from_manifest(panel.RegressionSimulation, read_archive(network)[0]["simulation"], panel.OVERRIDES)
    clumps = 0 if source == "sersic" else made.src_clumps
    parameters = replace(made, seed=SEED, src_clumps=clumps)
    simulator = make_simulator(parameters)
    folder.mkdir(parents=True, exist_ok=True)
    images, labels, _ = simulator.simulate(range(number))
    full = simulator.complete(labels, np.arange(number))
    rate = simulator.noiseless(simulator.physical_scene(full))
    times = labels.get("exposure-time")
    noise = np.sqrt(telescope.noise_variance(rate, simulator.telescope, times))
    truths = {}
    for row in range(number):
        name = f"lens{row:03d}.fits"
        parts = fits.PrimaryHDU(), fits.ImageHDU(images[row][::-1], name="IMAGE")
        fits.HDUList([*parts, fits.ImageHDU(noise[row][::-1].astype(np.float32), name="NOISE")]).writeto(
            folder / name, overwrite=True
        )
        truths[name] = {column: float(values[row]) for column, values in labels.items()}
    return truths


def refine(root: Path, network: Path, folder: Path, names: list[str], batch: int, source: str) -> float:
    """Run the command on batches of files; return the seconds of all commands."""
    pixel_scale = read_archive(network)[0]["pixel-scale"]
    before = time.perf_counter()
    for first in range(0, len(names), batch):
        part = names[first : first + batch]
        figures = folder / f"figures{first:03d}"
        if all((figures / f"refined_{folder.name}_{Path(name).stem}.json").exists() for name in part):
            continue
        command = [
            sys.executable, "model_and_figures.py", f"--model-file={network.resolve()}", f"--figures-dir={figures}",
            "--hdu=IMAGE", "--noise-map=NOISE", f"--pixel-scale={pixel_scale}", "--unit=e-/s", "--refine", "--resume",
            f"--refine-source={source}", "--predict",
            *(str((folder / name).resolve()) for name in part),
        ]  # fmt: skip
        subprocess.run(command, cwd=root, check=True)
    return time.perf_counter() - before


def judge(folder: Path, truths: dict[str, dict[str, float]]) -> dict:
    """Return coverage, ranks and widths of all columns that are in the draws, of the network and refined.

    Ranks of columns of one lens are not independent. The squared distance of a lens is that of the truth from the mean
    of the refined draws, in units of their covariance; the number of columns is expected.
    """
    found: dict[str, dict[str, list]] = {}
    lenses, distances = 0, []
    for name, true in truths.items():
        stem = Path(name).stem
        for kind, end in (("network", ""), ("refined", "_refined")):
            paths = list(folder.glob(f"figures*/draws_*{stem}{end}.csv"))
            if not paths:
                continue
            lenses += kind == "refined"
            heads, *rows = list(csv.reader(paths[0].read_text().splitlines()))
            if kind == "refined":
                distances.append(squared_distance(heads, np.array(rows, float), true))
            for column, draws in zip(heads, np.array(rows, float).T, strict=True):
                if column in true:
                    some = draws[:: PER_RANK if kind == "refined" else 1]
                    numbers = (float((some < true[column]).mean()), draws.mean() - true[column], draws.std())
                    low, high = np.percentile(draws, [2.5, 97.5])
                    found.setdefault(column, {}).setdefault(kind, []).append(
                        (*numbers, low <= true[column] <= high, high - low)
                    )
    table = {column: {kind: summary(rows) for kind, rows in kinds.items()} for column, kinds in found.items()}
    ranks = [row[0] for kinds in found.values() for row in kinds.get("refined", [])]
    together = float(kstest(ranks, "uniform").pvalue) if ranks else None
    return {
        "lenses": len(truths), "refined": lenses, "squared-distances": distances, "ranks-of-all": together,
        "columns": table,
    }  # fmt: skip


def squared_distance(heads: list[str], draws: np.ndarray, true: dict[str, float]) -> float:
    used = [head in true and head not in DERIVED for head in heads]
    away = draws[:, used].mean(axis=0) - [true[head] for head, is_used in zip(heads, used, strict=True) if is_used]
    return round(float(away @ np.linalg.solve(np.cov(draws[:, used].T), away)), 1)


def summary(rows: list[tuple]) -> dict[str, float]:
    rank, away, deviation, inside, width = np.array(rows, float).T
    return {
        "lenses": len(rows),
        "inside-95": round(float(inside.mean()), 3),
        "inside-68": round(float((np.abs(rank - 0.5) < 0.34).mean()), 3),
        "rank-mean": round(float(rank.mean()), 3),
        "rank-p": round(float(kstest(rank, "uniform").pvalue), 3),
        "error-over-sd": round(float(np.sqrt((away**2 / deviation**2).mean())), 3),
        "median-width-95": float(np.median(width)),
    }

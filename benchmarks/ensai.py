"""Posteriors of lenses with the prior and noise of ENSAI, with both commands.

ENSAI (Hezaveh, Perreault Levasseur & Marshall 2017, Nature 548, 555; github.com/yasharhezaveh/Ensai) measures five
parameters of an isothermal ellipsoid. ``python -m benchmarks.ensai small`` takes 45 minutes on two cores, ``full`` is
for a GPU, and ``smoke`` tests the program in a minute. Errors of both, coverage, times and commands are written to
``benchmarks/results/ensai-NAME.json``, and the figure to ``docs/images/ensai.png``.

In common with ENSAI: lenses have no shear and no light, an Einstein radius uniform in 0.1-3 arcsec (before the cut), an
ellipticity e = 1 - q uniform in 0-0.9 with a random angle, and a centre within 0.25 arcsec; the field is 7.68 arcsec;
the noise is Gaussian with 0.01-0.1 of the peak; the magnification is above 2. Differences:

- Pixels are 0.12 (small) or 0.08 arcsec (full); ENSAI's are 0.04 arcsec. There is one point-spread function of 0.1
  arcsec FWHM, in the middle of ENSAI's range (Gaussians with sigma 0.004 to 0.08 arcsec).
- Sources are single Sersic profiles; ENSAI's are images of galaxies. Source positions are within 0.8 arcsec of the
axis,
  subject to the magnification; ENSAI's depend on the caustics. Light may lie outside the field; for ENSAI at most 1 %.
- Images keep their brightness, which varies by a factor of two and with the magnification; ENSAI divides each image by
  its peak.
- The noise is Gaussian; ENSAI adds correlated noise, photon noise, cosmic rays and a constant to most images.
- The prior of the ellipticity in the training is uniform in a square of (1-q)/(1+q) (cos 2phi, sin 2phi). Posterior
  samples and test images are weighted by the ratio of ENSAI's prior to this prior (`prior_ratio`). The coverage is
  unweighted, for the prior of the training.
- ENSAI's components e (cos phi, sin phi) describe the same lens with either sign, and ENSAI's code takes the sign
closer
  to the truth. The components e (cos 2phi, sin 2phi) are unique; a small error of the angle changes them by twice as
  much. Errors in ENSAI's components, with the sign from the truth, are also written.
"""

import argparse
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.__main__ import describe_machine
from benchmarks.command import ROOT, run_command

RESULTS, FIGURES = ROOT / "benchmarks" / "results", ROOT / "docs" / "images"
LABELS = ("einstein-radius-sie", "lens-ellip-x", "lens-ellip-y", "lens-center-x", "lens-center-y")
MARKS = {"theta_E": 0.04, "e_x": 0.07, "e_y": 0.09, "x": 0.09, "y": 0.09}
"""RMS errors of ENSAI's public demonstration, in arcsec except for e."""

LARGEST = 0.9
"""Maximum of ENSAI's e = 1 - q."""

ROUNDEST = 0.02
"""Lower bound on (1-q)/(1+q) in the weights: the ratio of the priors diverges for round lenses (4 % of ENSAI's)."""

BINS = (0.1, 0.5, 1.0, 2.0, 3.0)
"""Edges of the bins in Einstein radius, arcsec."""

SCENE = (
    "--format=zarr", "--telescope=none", "--psf-fwhm=0.1", "--lens-model=sie", "--lens-light=off", "--shear-var=0",
    "--redshift-effects=none", "--einstein-radius-range=0.1,3", "--lens-ellip-var=0.819", "--lens-center-var=0.25",
    "--src-center-var=0.8", "--src-ellip-var=0.4", "--src-effect-range=0.1,0.4", "--src-sersic-range=0.5,2",
    "--src-intensity-range=0.07,0.14", "--peak-noise-range=0.01,0.1", "--magnification-min=2",
)  # fmt: skip
LEARNING = (f"--labels={','.join(LABELS)}", "--posterior=flow", "--augment=on")


@dataclass(frozen=True)
class Configuration:
    """Flags of both commands, in addition to the common flags."""

    generate: tuple[str, ...]
    train: tuple[str, ...]


CONFIGURATIONS = {
    "smoke": Configuration(
        ("-n=320", "--grid-size=32", "--pixel-scale=0.24", "--over-sampling=1"),
        ("--simulate", "-e=1", "--test-split=0.3", "--posterior-draws=100"),
    ),
    # On two cores, training takes five times as long per image as simulation: 480,000 images, each used once.
    "small": Configuration(
        ("-n=26000", "--grid-size=64", "--pixel-scale=0.12", "--over-sampling=2"),
        ("--simulate", "--network=resnet", "-e=24", "-mlr=1e-3", "--warm-up=1", "--valid-split=0.07693",
         "--test-split=0.15385"),
    ),  # 4,000 test images, 2,000 for validation
    "full": Configuration(
        ("-n=520000", "--grid-size=96", "--pixel-scale=0.08"),
        ("--network=resnet", "-e=40", "-mlr=1e-3", "--warm-up=1", "-b=256", "--valid-split=0.01923",
         "--test-split=0.01923"),
    ),  # 10,000 each
}  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ensai", description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=CONFIGURATIONS)
    parser.add_argument("--folder", type=Path, help="resumable folder of dataset, network and figures")
    parser.add_argument("--output", type=Path, help="folder for results and figure (default: in the repository)")
    options = parser.parse_args(arguments)
    configuration = CONFIGURATIONS[options.name]
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        report = {"machine": describe_machine(), "backend": os.environ.get("KERAS_BACKEND", "tensorflow")}
        data, place = f"--dataset-dir={folder}/dataset", folder / "figures"
        generate = (data, *SCENE, *configuration.generate)
        train = (data, *LEARNING, *configuration.train, f"--figures-dir={place}", f"--model-file={folder}/ensai.keras")
        steps = ("generate_data.py", generate, folder / "dataset"), ("model_and_figures.py", train, place)
        for program, flags, begun in steps:
            run = run_command(program, *flags, *(["--resume"] if begun.exists() else []))
            command = " ".join(["python", program, *flags]).replace(f"{folder}/", "")
            report[program.removesuffix(".py")] = {"command": command, "seconds": run["seconds"]}
        truth, samples = draw_samples(folder / "dataset", folder / "ensai.keras")
        measured, predicted = measure(truth, samples)
        found = json.loads((place / "metrics.json").read_text())["posterior"]
        report |= {"marks": MARKS, **measured, "coverage": _coverage(found)}
    _say(report)
    (options.output or RESULTS).mkdir(exist_ok=True)
    (options.output or RESULTS).joinpath(f"ensai-{options.name}.json").write_text(json.dumps(report, indent=1) + "\n")
    draw(to_their_measure(truth), predicted, (options.output or FIGURES) / "ensai.png")
    return 0


def draw_samples(dataset_dir: Path, model_file: Path, draws: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """Return the true labels (N, 5) of the test images and posterior samples (N, S, 5) of the labels."""
    from stronglens.dataset import load_dataset
    from stronglens.learning.train import predict
    from stronglens.out_of_distribution import build_feature_extractor
    from stronglens.regression.posterior import Posterior
    from stronglens.training import load_network

    dataset = load_dataset(dataset_dir, "regression", lambda number: None)
    network, record = load_network(model_file)
    rows = np.asarray(record["split"]["test"])
    summaries = predict(build_feature_extractor(network), dataset.images.subset(rows))
    return dataset.column_values(LABELS)[rows], Posterior(network, record).sample(summaries, draws, seed=0)


def measure(truth: np.ndarray, samples: np.ndarray) -> tuple[dict, np.ndarray]:
    """Compare posterior means with the truth, for the prior of the training and for ENSAI's prior.

    Parameters
    ----------
    truth : ndarray (N, 5)
        True `LABELS`.
    samples : ndarray (N, S, 5)
        Posterior samples.

    Returns
    -------
    measured : dict
        ``rms`` for ENSAI's prior, ``rms_on_our_prior`` for the prior of the training, and ``rms_with_sign_by_truth`` of
        e (cos phi, sin phi) for ENSAI's prior: entries with 95 % bootstrap intervals; ``half_width_68`` of the errors
        and ``theta_E_in_bins``, both for ENSAI's prior; ``images``, ``effective_images``.
    predicted : ndarray (N, 5)
        Posterior means for ENSAI's prior, in ENSAI's parameters.
    """
    weights = prior_ratio(truth)
    drawn, true = to_their_measure(samples), to_their_measure(truth)
    of_draws = prior_ratio(samples) + 1e-9  # without overlap with ENSAI's prior, the mean is unweighted
    predicted = np.einsum("ns,nsl->nl", of_draws, drawn) / of_draws.sum(axis=1)[:, None]
    error = predicted - true
    signed, with_sign = (_halve_angle(values) for values in (predicted, true))
    apart = np.stack([signed - with_sign, -signed - with_sign])
    nearer = np.argmin((apart**2).sum(axis=-1), axis=0)
    halved = apart[nearer, np.arange(len(truth))]
    size, names = np.abs(error), tuple(MARKS)
    places = np.digitize(truth[:, 0], BINS[1:-1])
    bins = {
        f"{low:g}-{high:g}": {"images": int((places == place).sum())} | _rms(error[:, :1], weights * (places == place))
        for place, (low, high) in enumerate(pairwise(BINS))
        if (weights * (places == place)).any()
    }
    measured = {
        "images": len(truth),
        "effective_images": float(weights.sum() ** 2 / (weights**2).sum()),
        "rms": _rms(error, weights),
        "rms_on_our_prior": _rms(drawn.mean(axis=1) - true, np.ones(len(truth))),
        "rms_with_sign_by_truth": dict(zip(("e_x", "e_y"), _rms(halved, weights, 2).values(), strict=True)),
        "half_width_68": {name: _quantile(size[:, place], weights, 0.68) for place, name in enumerate(names)},
        "theta_E_in_bins": bins,
    }
    return measured, predicted


def to_their_measure(labels: np.ndarray) -> np.ndarray:
    """Return theta_E, e cos 2phi, e sin 2phi, x, y of labels (..., 5), with e = 1 - q = 2 eps / (1 + eps)."""
    out = np.array(labels, float)
    out[..., 1:3] *= 2 / (1 + np.hypot(out[..., 1], out[..., 2])[..., None])
    return out


def prior_ratio(labels: np.ndarray) -> np.ndarray:
    """Return the ratio of ENSAI's ellipticity prior to that of the training, up to a factor, at labels (..., 5).

    ENSAI's prior is uniform in e = 2 eps / (1 + eps) and in the angle, which is the density (de / deps) / eps = 2 /
    (eps (1 + eps)^2) in the components of eps. The prior of the training is uniform in these components.
    """
    eps = np.hypot(labels[..., 1], labels[..., 2]).astype(float)
    return (eps <= LARGEST / (2 - LARGEST)) / (np.maximum(eps, ROUNDEST) * (1 + eps) ** 2)


def draw(true: np.ndarray, predicted: np.ndarray, file: Path) -> None:
    """Draw predicted against true values in ENSAI's parameters, unweighted."""
    from stronglens.parameters import Column
    from stronglens.plotting import save_figure
    from stronglens.regression.figures import draw_predictions

    symbols = (r"\theta_{\rm E}", r"e \cos 2\phi", r"e \sin 2\phi", r"x_{\rm lens}", r"y_{\rm lens}")
    units = ("arcsec", None, None, "arcsec", "arcsec")
    columns = [Column(*what, help="") for what in zip(MARKS, units, symbols, strict=True)]
    save_figure(draw_predictions(true, predicted, columns), file)


def _halve_angle(values: np.ndarray) -> np.ndarray:
    """Return e (cos phi, sin phi), up to its sign, from e (cos 2phi, sin 2phi)."""
    angle = np.arctan2(values[:, 2], values[:, 1]) / 2
    return np.hypot(values[:, 1], values[:, 2])[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _rms(error: np.ndarray, weights: np.ndarray, columns: int = 5) -> dict:
    """Return the weighted RMS of errors (N, L): an entry for each of the first names."""
    from stronglens.evaluation import count_draws, draw_resamples, make_entry

    columns = min(columns, error.shape[1])
    weighted = weights[:, None] * error**2
    value = np.sqrt(weighted.sum(axis=0) / weights.sum())
    drawn = []
    for _, which in draw_resamples(np.random.default_rng(0), len(error), 1000):
        counts = count_draws(which)
        with np.errstate(invalid="ignore"):  # resamples without an image of a bin
            drawn.append(np.sqrt(counts @ weighted / (counts @ weights)[:, None]))
    drawn = np.concatenate(drawn)
    names = tuple(MARKS)[:columns]
    return {name: make_entry(value[place], drawn[:, place], 0.95, "no images") for place, name in enumerate(names)}


def _quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][np.searchsorted(cumulative, share)])


def _coverage(found: dict) -> dict:
    by_label = {name: entry["coverage_deviation"]["value"] for name, entry in found["labels"].items()}
    by_label["joint"] = found["joint"]["coverage_deviation"]["value"]
    largest, chance = found["largest_coverage_deviation"], found["chance"]["largest_coverage_deviation"]
    return {"images": found["images"], "largest": largest, "chance": chance, "by_label": by_label}


def _say(report: dict) -> None:
    print(f"{report['images']:,} test images ({report['effective_images']:,.0f} after weighting to ENSAI's prior)")
    print(f"{'':8}{'RMS':>8} {'95 %':>15} {'68 % of |error|':>16} {'our prior':>10} {'ENSAI':>7}")
    for name, mark in MARKS.items():
        entry, ours = report["rms"][name], report["rms_on_our_prior"][name]["value"]
        interval = f"{entry['low']:.3f}-{entry['high']:.3f}"
        half = report["half_width_68"][name]
        print(f"{name:8}{entry['value']:8.3f} {interval:>15} {half:16.3f} {ours:10.3f} {mark:7}")
    signs = ", ".join(f"{name} {entry['value']:.3f}" for name, entry in report["rms_with_sign_by_truth"].items())
    print(f"e (cos phi, sin phi), with the sign from the truth as in ENSAI: {signs}")
    for name, entry in report["theta_E_in_bins"].items():
        print(f'theta_E {name}": RMS {entry["theta_E"]["value"]:.3f} ({entry["images"]:,} images)')
    coverage = report["coverage"]
    largest = coverage["largest"]
    print(
        f"largest coverage deviation {largest['value']:.1%} ({largest['where']}); expected under calibration: "
        f"{coverage['chance']:.1%}"
    )
    times = [report[name]["seconds"] / 60 for name in ("generate_data", "model_and_figures")]
    print(f"simulation {times[0]:.0f} min, training and test {times[1]:.0f} min")


if __name__ == "__main__":
    sys.exit(main())

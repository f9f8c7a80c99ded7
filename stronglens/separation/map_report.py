"""Test of a network that maps the convergence."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stronglens.learning.plan import TrainingPlan
from stronglens.learning.report import open_test, write_figures, write_results
from stronglens.learning.train import predict
from stronglens.out_of_distribution.comparison import describe_training_set
from stronglens.out_of_distribution.features import ImageFeatures
from stronglens.parameters import RunError
from stronglens.separation import figures
from stronglens.separation.arrays import CONVERGENCE
from stronglens.separation.convergence import MAP, MOST_LEARNED, SIGMA, MapComponents
from stronglens.separation.metrics import interval

REACH = 1.5
"""Einstein radii within which maps are compared with the truth."""

MOST_TESTED = 1000

MEAN, LIMIT, NETWORK = "mean map", "components of the truth", "network"

MASS_SHEET = (
    "Mass-sheet degeneracy: lambda kappa + 1 - lambda gives the same image of a scaled source; the map has the lambda "
    "of the lens models that were simulated"
)


@dataclass(frozen=True, eq=False)
class TestMaps:
    """Maps of the test set.

    Attributes
    ----------
    rows : ndarray (N,) of int
        Indices in the dataset.
    images, truth, found, sigma : ndarray (N, H, W)
        Images, e-/s; true and found convergence; calibrated standard deviation of its logarithm.
    radius : ndarray (N, H, W)
        Distance of pixels from the lens's centre in Einstein radii.
    """

    rows: np.ndarray
    images: np.ndarray
    truth: np.ndarray
    found: np.ndarray
    sigma: np.ndarray
    radius: np.ndarray

    __test__ = False  # not a test of pytest


def write_map_report(plan: TrainingPlan, history: dict[str, list[float]]) -> dict:
    """Test the network of the best epoch and write ``metrics.json`` and the figures.

    Parameters
    ----------
    plan : TrainingPlan
    history : dict of str to list of float
        Losses by epoch.

    Returns
    -------
    dict
        The metrics.

    Raises
    ------
    RunError
        If the network gives values that are not finite.
    """
    parameters, dataset = plan.parameters, plan.dataset
    network, record, rows, name = open_test(plan)
    rows = rows[:MOST_TESTED]
    planes = predict(network, dataset.images.subset(rows))
    if not np.isfinite(planes).all():
        raise RunError(f"the network in {parameters.model_file} gives NaN or infinite values; train it again")
    scale = dataset.manifest["telescope"]["pixel-scale"]
    test = TestMaps(
        rows, dataset.images[rows], dataset.others[CONVERGENCE][rows], planes[..., MAP],
        record["sigma-factor"] * planes[..., SIGMA],
        find_radii(dataset.column_values(["lens-center-x", "lens-center-y", "einstein-radius"])[rows], planes, scale),
    )  # fmt: skip
    components = MapComponents.of(dataset.others[CONVERGENCE][plan.split["train"][:MOST_LEARNED]])
    others = {
        MEAN: np.broadcast_to(np.exp(components.mean), test.truth.shape),
        LIMIT: np.exp(components.decode(components.encode(np.log(test.truth)))),
    }
    metrics, errors = evaluate_maps(test, others, parameters.seed)
    metrics |= {"set": name, "network": parameters.network}
    for line in ["", *_table(metrics), ""]:
        plan.console.say(line)
    record |= describe_training_set(ImageFeatures(network), dataset.images, plan.split, record)
    write_results(plan, network, record | {"metrics": metrics})
    drawn = {
        "convergence": figures.draw_maps(test, errors[NETWORK], scale, parameters.cmap),
        "convergence_errors": figures.draw_map_errors(errors, dataset.column_values(["snr"])[rows, 0], REACH),
        "history": figures.draw_losses(history),
    }
    write_figures(plan, drawn, "metrics.json")
    return metrics


def find_radii(lenses: np.ndarray, planes: np.ndarray, scale: float) -> np.ndarray:
    """Return the distance of pixels from the lens's centre in Einstein radii: (N, H, W).

    Parameters
    ----------
    lenses : ndarray (N, 3)
        x and y of the centre, Einstein radius, arcsec.
    planes : ndarray (N, H, W, ...)
        Their shape is used.
    scale : float, arcsec
    """
    _, height, width = planes.shape[:3]
    x = (np.arange(width) - (width - 1) / 2) * scale - lenses[:, :1]
    y = ((height - 1) / 2 - np.arange(height)) * scale - lenses[:, 1:2]
    return np.hypot(x[:, None, :], y[:, :, None]) / lenses[:, 2, None, None]


def evaluate_maps(test: TestMaps, others: Mapping[str, np.ndarray], seed: int) -> tuple[dict, dict[str, np.ndarray]]:
    """Return the metrics, and the error of each image by method: the median |found / true - 1| within `REACH`."""
    within = test.radius < REACH
    errors = {
        name: np.array(
            [
                np.median(np.abs(one[near] / true[near] - 1))
                for one, true, near in zip(maps, test.truth, within, strict=True)
            ]
        )
        for name, maps in {**others, NETWORK: test.found}.items()
    }
    inside = np.abs(np.log(test.found / test.truth)) < test.sigma
    covered = np.array([np.mean(one[near]) for one, near in zip(inside, within, strict=True)])
    sigma = np.array([np.median(one[near]) for one, near in zip(test.sigma, within, strict=True)])
    metrics = {
        "images": len(test.rows),
        "error": {name: interval(values, seed, np.median) for name, values in errors.items()},
        "coverage_of_68": interval(covered, seed),
        "sigma": interval(sigma, seed, np.median),
    }
    return metrics, errors


def _table(metrics: Mapping) -> list[str]:
    lines = [
        f"Test on {metrics['images']} images of the {metrics['set']} set: |kappa / truth - 1|, median of the pixels "
        f"within {REACH:g} Einstein radii and of the images"
    ]
    for name, entry in metrics["error"].items():
        between = "" if entry["low"] is None else f"  ({entry['low']:.1%} to {entry['high']:.1%})"
        lines.append(f"  {name:24} {entry['value']:.1%}{between}")
    lines.append(f"In its 68 % interval: {metrics['coverage_of_68']['value']:.0%} of these pixels")
    return [*lines, MASS_SHEET]

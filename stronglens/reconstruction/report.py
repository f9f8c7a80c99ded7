"""Test of a trained network: metrics, a table of the lenses, and figures."""

from collections.abc import Iterator, Mapping

import numpy as np

from stronglens.learning.plan import TrainingPlan
from stronglens.learning.report import open_test, write_figures, write_results
from stronglens.parameters import RunError
from stronglens.reconstruction import figures
from stronglens.reconstruction.evaluation import LensSet
from stronglens.reconstruction.experiments import (
    LENS_ERROR_LEVELS,
    Reconstructed,
    choose_lenses,
    count_lenses,
    measure_lens_errors,
    measure_steps,
    reconstruct_at_levels,
)
from stronglens.reconstruction.figures.sources import DEVIATIONS, ERRORS, SOURCES
from stronglens.reconstruction.network import INVERSIONS, camera_of, compile_shared

SHOWN = 0.05
"""Noise of the images in the figure of sources."""


def write_report(plan: TrainingPlan, history: dict[str, list[float]]) -> dict:
    """Test the network of the best epoch and write ``metrics.json``, ``predictions.csv`` and all figures.

    Parameters
    ----------
    plan : TrainingPlan
    history : dict of str to list of float
        Losses by epoch; empty for ``--network=none``.

    Returns
    -------
    dict
        The metrics.

    Raises
    ------
    RunError
        If the network predicts values that are not finite.
    """
    parameters, dataset, console = plan.parameters, plan.dataset, plan.console
    network, record, rows, name = open_test(plan)
    camera, kind, compiled = camera_of(network), record["network"], compile_shared(network)
    test = choose_lenses(dataset, rows, plan.made_with)
    steps = network.output_shape[1] - len(INVERSIONS) - 1
    with console.progress(count_lenses(test, kind in ("rim", "magnet")), "testing", unit="lenses") as progress:
        tested, levels = reconstruct_at_levels(compiled, record, dataset, test, camera, progress.advance)
        if not all(np.isfinite(one.estimate).all() for one in tested.values()):
            raise RunError(f"the network in {parameters.model_file} gives NaN or infinite values; train it again")
        metrics = {"set": name, "network": kind, "levels": levels}
        metrics["lens_errors"] = measure_lens_errors(compiled, dataset, test, progress.advance)
        if kind in ("rim", "magnet"):
            metrics["rmse_by_step"] = measure_steps(compiled, record, dataset, test, camera, progress.advance)
    if parameters.lens_error:
        console.say(f"\nThe lens models of this test have errors of {parameters.lens_error:g}, as in the training")
    for line in ["", *_table(metrics, kind), "", *_describe_lens_errors(metrics, parameters.lens_error)]:
        console.say(line)
    write_results(plan, network, record | {"metrics": metrics}, {"predictions.csv": _predictions(test, tested)})
    drawn = draw_all(plan, test, tested, metrics, history, steps)
    write_figures(plan, drawn, "metrics.json, predictions.csv")
    return metrics


def draw_all(
    plan: TrainingPlan, test: LensSet, tested: Mapping[float, Reconstructed], metrics: Mapping, history, steps: int
) -> dict:
    """Return all figures of the report, by file stem."""
    parameters, made_with = plan.parameters, plan.made_with
    scales = made_with.pixel_scale, made_with.source_field / made_with.source_grid_size
    subtitle = f"noise {SHOWN:.0%} of the peak, with PSF; best, median and worst RMSE over that of the zero image"
    drawn = {
        "sources": figures.draw_sources(
            _choose_rows(test, tested[SHOWN], scales, steps), "Reconstructed sources", subtitle, parameters.cmap
        ),
        "errors": figures.draw_errors(metrics["levels"]),
        "flux": figures.draw_flux(
            {f"{level:g}": (test.sources.sum((1, 2)), one.estimate.sum((1, 2))) for level, one in tested.items()},
            test.kinds,
        ),
        "lens_errors": figures.draw_lens_errors(metrics["lens_errors"], parameters.lens_error),
    }
    if "rmse_by_step" in metrics:
        drawn["steps"] = figures.draw_steps(metrics["rmse_by_step"], steps)
    if history:
        drawn["history"] = figures.draw_history(history)
    return drawn


def _choose_rows(test: LensSet, one: Reconstructed, scales: tuple[float, float], steps: int) -> list:
    """Return panels of the best, the median and the worst lens of each kind of galaxy."""
    error = np.sqrt(np.mean((one.estimate - test.sources) ** 2, axis=(1, 2)) / np.mean(test.sources**2, axis=(1, 2)))
    rows = []
    for kind, chosen in test.kinds.items():
        members = np.flatnonzero(chosen)
        order = members[np.argsort(error[members])]
        for word, place in (("best", 0), ("median", len(order) // 2), ("worst", len(order) - 1)):
            if len(order):
                row = order[place]
                caption = f"{word}, {kind}\n#{test.rows[row]}\nRMSE {error[row]:.0%} of that of zeros"
                rows.append((caption, _panels(test, one, row, scales, steps)))
    return rows


def _panels(test: LensSet, one: Reconstructed, row: int, scales: tuple[float, float], steps: int) -> list:
    image_scale, scale = scales
    planes, truth, start = one.planes[row], test.sources[row], len(INVERSIONS) - 1
    seen = np.where(np.isfinite(one.observation.noise[row]), one.observation.images[row], np.nan)
    panels = [figures.Panel("observed", seen, image_scale), figures.Panel("inversion", planes[start], scale, SOURCES)]
    panels += [figures.Panel(f"step {step}", planes[start + step], scale, SOURCES) for step in range(1, steps)]
    if steps:
        panels.append(figures.Panel("network", planes[-2], scale, SOURCES))
    panels.append(figures.Panel("truth", truth, scale, SOURCES))
    panels.append(figures.Panel("error", planes[-2] - truth, scale, ERRORS))
    if one.intervals is not None:
        panels.append(figures.Panel("sigma (68 %)", one.intervals[0, row], scale, DEVIATIONS))
    return panels


def _table(metrics: Mapping, kind: str) -> list[str]:
    """Return the printed table of the test."""
    lines = [f"Test on the {metrics['set']} set: RMSE per source pixel (true peak 1), with 95 % bootstrap intervals"]
    header: tuple[str, ...] = ("noise", "galaxies", "zero image", "linear", "non-neg.")
    header += () if kind == "none" else (kind, "95 % interval", "of the zero image")
    header += ("flux", "scatter", "chi2") + (() if kind == "none" else ("in 68 %", "in 95 %"))
    rows = [header]
    for level, kinds in metrics["levels"].items():
        for galaxies, found in kinds.items():
            methods = found["methods"]
            row = [f"{float(level):.0%}", galaxies]
            row += [f"{methods[method]['value']:.4f}" for method in ("zero", "curvature", "non-negative")]
            if kind != "none":
                rmse = found["rmse"]
                row += [f"{rmse['value']:.4f}", f"{rmse['low']:.4f}-{rmse['high']:.4f}"]
                row.append(f"{found['rmse_over_zero']['value']:.1%}")
            row += [f"{found['flux']['value']:.3f}", f"{found['flux_scatter']['value']:.3f}"]
            row.append(f"{found['chi2']['value']:.2f}")
            if kind != "none":
                row += [f"{value:.0%}" for value in found["coverage"]["all"].values()]
            rows.append(tuple(row))
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines += ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    one = next(iter(metrics["levels"]["0"].values()))
    lines.append(
        "flux: median of estimate / truth; scatter: half of its 16-84 % interval; chi2: median per image pixel"
    )
    if "coverage" in one:
        lines.append(
            "in 68 %, in 95 %: fraction of pixels inside the calibrated error bars (bright pixels: metrics.json)"
        )
    return lines


def _describe_lens_errors(metrics: Mapping, trained_with: float) -> list[str]:
    lines = [f"RMSE with wrong lens models (errors in the training: {trained_with:g}):"]
    for level in LENS_ERROR_LEVELS:
        found = metrics["lens_errors"][f"{level:g}"]
        lines.append(f"  noise {level:.0%}: " + ", ".join(f"{value:.4f} at {error}" for error, value in found.items()))
    return lines


def _predictions(test: LensSet, tested: Mapping[float, Reconstructed]) -> Iterator[list]:
    """Return the rows of ``predictions.csv``: one for each lens and noise level."""
    yield ["image", "galaxy", "noise", "rmse", "rmse-zero", "flux", "true-flux", "chi2"]
    names = np.where(test.kinds["model"], "model", "photographed")
    for level, one in tested.items():
        rmse = np.sqrt(np.mean((one.estimate - test.sources) ** 2, axis=(1, 2)))
        zero, true = np.sqrt(np.mean(test.sources**2, axis=(1, 2))), test.sources.sum(axis=(1, 2))
        columns = rmse, zero, one.estimate.sum(axis=(1, 2)), true, one.chi2
        for row, values in zip(test.rows, zip(*columns, strict=True), strict=True):
            name = names[np.flatnonzero(test.rows == row)[0]]
            yield [row, name, f"{level:g}", *(f"{value:.6g}" for value in values)]

"""Test of a trained network: metrics beside those of classical methods, a table of the images, and figures."""

from collections.abc import Iterator, Mapping

import numpy as np

from stronglens.learning.plan import TrainingPlan
from stronglens.learning.report import open_test, write_figures, write_results
from stronglens.learning.train import PREDICTION_BATCH
from stronglens.out_of_distribution.comparison import describe_training_set
from stronglens.out_of_distribution.features import ImageFeatures
from stronglens.parameters import RunError
from stronglens.separation import figures
from stronglens.separation.arrays import SOURCE
from stronglens.separation.evaluation import NETWORK, Separated, TestSet, evaluate
from stronglens.separation.map_report import write_map_report
from stronglens.separation.metrics import flux_ratio, peak_ratio
from stronglens.separation.misjudged import misjudge_noise, misjudged_lines
from stronglens.separation.network import DENOISED
from stronglens.separation.network import SOURCE as SOURCE_PLANE
from stronglens.separation.radius import measure_radii, radius_table
from stronglens.separation.yardsticks import (
    MOST_LEARNED,
    MOST_TUNED,
    Components,
    denoise,
    make_yardsticks,
    subtract_lens_model,
    subtract_symmetric_part,
    tune,
    tune_lens_model,
)

MOST_TESTED = 1000
"""Test images, at most: classical methods take a second for a few dozen."""

MOST_DESCRIBED = 1000
"""Training and validation images of the out-of-distribution score, at most, since networks return whole images."""

SHOWN = 5
"""Lenses in a figure."""

PRIOR = "faint sources come out too bright: their flux tends to the mean of the training set"


def separate(network, images) -> Separated:
    """Return what a network makes of images (N, H, W), e-/s."""
    planes = network.predict(np.asarray(images), batch_size=PREDICTION_BATCH, verbose=0)
    return Separated(planes[..., DENOISED], planes[..., SOURCE_PLANE])


def write_report(plan: TrainingPlan, history: dict[str, list[float]]) -> dict:
    """Test the network of the best epoch and write ``metrics.json``, ``predictions.csv`` and all figures.

    Of a network for the convergence, see `map_report.write_map_report`.

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
    if plan.parameters.map == "convergence":
        return write_map_report(plan, history)
    parameters, console = plan.parameters, plan.console
    network, record, rows, name = open_test(plan)
    test = TestSet.of(plan.dataset, rows[:MOST_TESTED])
    separated = separate(network, test.images)
    if not (np.isfinite(separated.denoised).all() and np.isfinite(separated.source).all()):
        raise RunError(f"the network in {parameters.model_file} gives NaN or infinite values; train it again")
    denoised, subtracted, strengths = _separate_otherwise(plan, test)
    best = max(denoised, key=lambda name: peak_ratio(denoised[name], test.rate).mean())
    sources = {
        "image - 180° minimum": subtract_symmetric_part(test.images),
        f"{best} - 180° minimum": subtract_symmetric_part(denoised[best]),
        "image - PCA lens model": subtracted,
    }
    metrics, values = evaluate(test, separated, denoised, sources, parameters.seed)
    metrics |= {"set": name, "network": parameters.network, "strengths": strengths}
    metrics["misjudged_noise"] = misjudge_noise(plan, network, test, separated)
    for line in ["", *_tables(metrics), ""]:
        console.say(line)
    if parameters.measure_radius:
        metrics["einstein_radius"] = measure_radii(plan)
        for line in [*radius_table(metrics["einstein_radius"]), ""]:
            console.say(line)
    few = {part: some[np.linspace(0, len(some) - 1, min(len(some), MOST_DESCRIBED)).astype(int)]
           for part, some in plan.split.items() if len(some)}  # fmt: skip
    record |= describe_training_set(ImageFeatures(network), plan.dataset.images, few, record)
    table = _predictions(test, separated, values)
    write_results(plan, network, record | {"metrics": metrics}, {"predictions.csv": table})
    drawn = draw_all(plan, test, separated, values, history)
    write_figures(plan, drawn, "metrics.json, predictions.csv")
    return metrics


def draw_all(plan: TrainingPlan, test: TestSet, separated: Separated, values: Mapping, history) -> dict:
    """Return all figures of the report, by file stem."""
    parameters, scale = plan.parameters, plan.dataset.manifest["telescope"]["pixel-scale"]
    by_snr, by_psnr = np.argsort(test.snr), np.argsort(values[SOURCE][NETWORK])
    spread = by_snr[np.linspace(0, len(by_snr) - 1, min(SHOWN, len(by_snr)) + 2).astype(int)][1:-1]
    flux = {
        "source": (test.source.sum((1, 2)), separated.source.sum((1, 2))),
        "lens": (test.lens.sum((1, 2)), separated.lens.sum((1, 2))),
    }
    return {
        "separated": figures.draw_separated(
            test, separated, spread, scale, "Separated test images",
            "from faint to bright sources; S/N: signal-to-noise ratio of the lensed source", parameters.cmap,
        ),
        "worst": figures.draw_separated(
            test, separated, by_psnr[:SHOWN], scale, "Worst test images", "lowest PSNR of the source", parameters.cmap
        ),
        "flux": figures.draw_flux(flux, test.snr, PRIOR),
        "psnr": figures.draw_psnr(values, test.snr),
        "history": figures.draw_history(history),
    }  # fmt: skip


def _separate_otherwise(
    plan: TrainingPlan, test: TestSet
) -> tuple[dict[str, np.ndarray], np.ndarray, dict[str, float]]:
    """Return what classical methods make of the test images.

    Returns
    -------
    denoised : dict of title to ndarray (N, H, W), e-/s
    source : ndarray (N, H, W), e-/s
        Images minus a lens model of principal components.
    strengths : dict of name to float
        The strength of each method that is best on validation images.
    """
    dataset, split, camera = plan.dataset, plan.split, test.camera
    training = dataset.images[split["train"][:MOST_LEARNED]]
    components = Components(camera.to_units(training, camera.exposure_times(training)))
    yardsticks = make_yardsticks(components)
    valid = TestSet.of(dataset, split["valid"][:MOST_TUNED])
    strengths = tune(yardsticks, valid.images, valid.rate, camera)
    denoised = {}
    with plan.console.progress(len(yardsticks) + 1, "separating otherwise", unit="methods") as progress:
        for name, yardstick in yardsticks.items():
            denoised[yardstick.title] = denoise(yardstick, strengths[name], test.images, camera)
            progress.advance(1)
        strengths["lens-components"] = number = tune_lens_model(components, valid.images, valid.source, camera)
        source = subtract_lens_model(components, number, test.images, camera)
        progress.advance(1)
    return denoised, source, strengths


def _tables(metrics: Mapping) -> list[str]:
    """Return the printed tables of the test."""
    lines = [f"Test on {metrics['images']} images of the {metrics['set']} set, with 95 % bootstrap intervals"]
    titles = {"denoising": "all light, without noise", "source": "light of the source", "lens": "light of the lens"}
    for part, title in titles.items():
        rows: list[tuple[str, ...]] = [(title, "PSNR [dB]", "95 % interval", "in noise units", "SSIM")]
        for name, found in metrics[part].items():
            psnr, units, ssim = (found[key] for key in ("psnr", "psnr_in_units", "ssim"))
            between = "-" if psnr["low"] is None else f"{psnr['low']:.1f}-{psnr['high']:.1f}"
            rows.append((name, f"{psnr['value']:.1f}", between, f"{units['value']:.1f}", f"{ssim['value']:.3f}"))
        lines += ["", *_align(rows)]
    gain = metrics["gain"]
    lines += [
        "",
        f"Denoising: {_show(gain['psnr'], '+.2f')} dB relative to the best other method ({gain['over']}); "
        f"chi2 per pixel {_show(metrics['chi2'], '.3f')}",
    ]
    for part, found in metrics["flux"].items():
        lines.append(
            f"Flux of the {part} over the true one: median {_show(found['median'], '.3f')}, half-width "
            f"{_show(found['half_width'], '.3f')}"
        )
    lines.append(f"  {PRIOR}")
    lines += misjudged_lines(metrics["misjudged_noise"])
    for name, quantity in (("snr", "S/N of the source"), ("lens_over_source_flux", "lens flux / source flux")):
        rows = [(quantity, "images", "gain [dB]", "source PSNR", "source flux", "half-width", "lens flux")]
        for one in metrics["bins"][name]:
            flux = one["flux"]
            rows.append((
                f"{one['low']:.3g} to {one['high']:.3g}", str(one["images"]), f"{one['gain']['value']:+.2f}",
                f"{one['psnr']['source']['value']:.1f}", f"{flux['source']['median']['value']:.3f}",
                f"{flux['source']['half_width']['value']:.3f}", f"{flux['lens']['median']['value']:.4f}",
            ))  # fmt: skip
        lines += ["", *_align(rows)]
    lines.append(
        "PSNR: 20 log10(peak / RMS error) of each image, with the peak of its truth; SSIM: range 0 to this peak"
    )
    return lines


def _show(entry: Mapping, kind: str) -> str:
    if entry["value"] is None:
        return "-"
    between = "" if entry["low"] is None else f" ({format(entry['low'], kind)} to {format(entry['high'], kind)})"
    return format(entry["value"], kind) + between


def _align(rows: list[tuple[str, ...]]) -> list[str]:
    first, *widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join([row[0].ljust(first), *(cell.rjust(width) for cell, width in zip(row[1:], widths, strict=True))])
        for row in rows
    ]


def _predictions(test: TestSet, separated: Separated, values: Mapping) -> Iterator[list]:
    """Return the rows of ``predictions.csv``: one for each test image."""
    yield ["image", "snr", "lens-over-source-flux", "psnr", "psnr-source", "psnr-lens", "flux-source", "flux-lens"]
    columns = (
        test.snr, test.lens_share, *(values[part][NETWORK] for part in ("denoising", "source", "lens")),
        flux_ratio(separated.source, test.source), flux_ratio(separated.lens, test.lens),
    )  # fmt: skip
    for row, numbers in zip(test.rows, zip(*columns, strict=True), strict=True):
        yield [row, *(f"{value:.6g}" for value in numbers)]

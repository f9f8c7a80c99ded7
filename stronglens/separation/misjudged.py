"""What does a wrong noise cost? The same network, on the same images, where it takes the noise to be another."""

from collections.abc import Mapping
from dataclasses import replace

from stronglens.learning.plan import TrainingPlan
from stronglens.learning.train import PREDICTION_BATCH
from stronglens.scaling import fit_image_scaling
from stronglens.separation.evaluation import Separated, TestSet
from stronglens.separation.metrics import interval, peak_ratio
from stronglens.separation.network import DENOISED, SOURCE, build_network

FACTORS = (0.5, 2.0)
"""Assumed noise over the true one."""


def misjudge_noise(plan: TrainingPlan, network, test: TestSet, separated: Separated) -> dict[str, dict]:
    """Return by how much the PSNR falls, dB, for each of `FACTORS`; nothing if the network estimates the noise itself.

    Parameters
    ----------
    plan : TrainingPlan
    network : keras.Model
    test : TestSet
    separated : Separated
        What the network makes of the test images with the right noise.
    """
    found: dict[str, dict] = {}
    if test.camera.exposure_time is None:
        return found
    scaling = fit_image_scaling(plan.dataset.images.subset(plan.split["train"]))
    for factor in FACTORS:
        camera = replace(test.camera, exposure_time=test.camera.exposure_time / factor**2)
        other = build_network(plan.parameters.network, test.images.shape[1:], scaling, camera, plan.parameters.seed)
        other.set_weights(network.get_weights())
        planes = other.predict(test.images, batch_size=PREDICTION_BATCH, verbose=0)
        found[f"{factor:g}"] = {
            name: interval(peak_ratio(right, true) - peak_ratio(planes[..., plane], true), plan.parameters.seed)
            for name, plane, right, true in (
                ("denoising", DENOISED, separated.denoised, test.rate),
                ("source", SOURCE, separated.source, test.source),
            )
        }
    return found


def misjudged_lines(metrics: Mapping[str, Mapping]) -> list[str]:
    """Return a line for each factor of `misjudge_noise`."""
    return [
        f"Noise taken to be {factor} times the true one: PSNR of all light {-of['denoising']['value']:+.2f}"
        f" dB, of the source {-of['source']['value']:+.2f} dB"
        for factor, of in metrics.items()
    ]

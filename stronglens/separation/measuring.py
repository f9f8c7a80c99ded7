"""Separate telescope images, and print what the fluxes assume."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stronglens.execution import Console
from stronglens.measuring import (
    MAX_DETAILED,
    Measurement,
    Prediction,
    TrainingImages,
    measure_files,
    read_training_images,
    refuse,
    write_measurements,
)
from stronglens.out_of_distribution import TrainingSetComparison
from stronglens.plotting import save_figure
from stronglens.separation.camera import Camera
from stronglens.separation.figures.measured import draw_measured_light
from stronglens.separation.fits_output import write_planes
from stronglens.separation.network import DENOISED, SOURCE
from stronglens.separation.outputs import read_camera

HEADERS = ["source-flux [e-/s]", "lens-flux [e-/s]", "chi2"]

CAVEATS = (
    "Fluxes are sums over the cut-out, at the zero point of the training images. Faint sources come out too bright:",
    "the network knows how bright sources usually are. chi2: image minus light over the camera's noise, per pixel.",
)


@dataclass(frozen=True)
class SeparationPrediction(Prediction):
    """What a network makes of an image.

    Attributes
    ----------
    planes : mapping of str to ndarray (H, W) float32, e-/s
        ``DENOISED``, ``SOURCE``, ``LENS`` and ``RESIDUAL``; the last three add up to the image.
    deviation : ndarray (H, W) float32, e-/s
        Standard deviation of the noise of each pixel, by the camera.
    """

    planes: Mapping[str, np.ndarray] | None = None
    deviation: np.ndarray | None = None


class SeparationPredictor:
    """Separate images, and compare them with the training set.

    Parameters
    ----------
    network : keras.Model
    record : mapping
        As saved with the network.
    camera : Camera
    """

    def __init__(self, network, record: Mapping, camera: Camera):
        self.compare, self.camera = TrainingSetComparison(network, record), camera

    def __call__(self, images: np.ndarray) -> list[SeparationPrediction]:
        """Return the predictions for images (N, H, W), e-/s."""
        seen, likeness = self.compare(images)
        times = self.camera.exposure_times(images)
        denoised, source = seen["output"][..., DENOISED], seen["output"][..., SOURCE]
        deviation = np.sqrt(self.camera.variance(denoised, times))
        return [self._predict(*one) for one in zip(images, denoised, source, deviation, likeness, strict=True)]

    def _predict(self, image, denoised, source, deviation, likes) -> SeparationPrediction:
        planes = {"DENOISED": denoised, "SOURCE": source, "LENS": denoised - source, "RESIDUAL": image - denoised}
        chi2 = np.mean((planes["RESIDUAL"] / deviation) ** 2)
        is_finite = all(np.isfinite(plane).all() for plane in planes.values())
        return SeparationPrediction(
            np.array([source.sum(dtype=float), planes["LENS"].sum(dtype=float), chi2]),
            notes=tuple(one.text for one in likes),
            percentile=likes[0].percentile,
            warnings=tuple(one.text for one in likes if one.is_unlike),
            problem=None if is_finite else "the network returned NaN or infinity",
            planes=planes,
            deviation=deviation,
        )


def measure(parameters, network, record: dict, rebuild, open_simulation) -> None:
    """Separate files with a trained network, and write ``measured.csv``, FITS files and figures.

    Parameters
    ----------
    parameters : SeparationTraining
    network : keras.Model
    record : dict
        As saved with the network.
    rebuild, open_simulation
        Not used: the network gives images.

    Raises
    ------
    RunError
        If the network was trained for another task, or an image cannot be used (after all others were written).
    UsageError
        If a flag has an invalid value, does not apply to this network, or names a file that does not exist.
    """
    training_images = read_training_images(parameters, record, network)
    predict = SeparationPredictor(network, record, read_camera(parameters, record))
    results = measure_files(parameters, training_images, predict, HEADERS)
    captions = [_caption(one) for one in results.kept]
    write_measurements(parameters, training_images, results, HEADERS, captions, CAVEATS)
    if results.number <= MAX_DETAILED:
        _write_images(parameters, training_images, results.kept)
    refuse(results)


def _write_images(parameters, training_images: TrainingImages, kept: Sequence[Measurement]) -> None:
    """Write the FITS file and the figure of each image."""
    say, folder = Console(parameters.quiet).say, parameters.figures_dir
    for one in kept:
        stem = f"separated_{one.image.stem}"
        path = write_planes(
            folder / f"{stem}.fits", one, training_images, parameters.hdu, {"NETWORK": (parameters.model_file.name, "")}
        )
        figure = draw_measured_light(one, training_images.pixel_scale, parameters.cmap)
        drawn = save_figure(figure, folder / f"{stem}.{parameters.figure_format}")
        say(f"Light: {path}, {drawn.name}")


def _caption(one: Measurement) -> str:
    source, lens, chi2 = one.values
    return "\n".join([f"source {source:.4g} e⁻/s", f"lens {lens:.4g} e⁻/s", rf"$\chi^2$ per pixel {chi2:.2f}"])

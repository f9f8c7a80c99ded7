"""Separate telescope images, and print what the fluxes assume."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

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
from stronglens.separation.convergence import MAP, SIGMA
from stronglens.separation.figures.measured import draw_measured_light, draw_measured_map
from stronglens.separation.fits_output import write_planes
from stronglens.separation.network import DENOISED, SOURCE
from stronglens.separation.outputs import read_camera

HEADERS = ["source-flux [e-/s]", "lens-flux [e-/s]", "chi2"]

CAVEATS = (
    "Fluxes are sums over the cut-out, at the zero point of the training images. Faint sources are too bright:",
    "their flux tends to the mean of the training set. chi2: image minus light over the camera's noise, per pixel.",
)

MAP_HEADERS = ["einstein-radius [arcsec]", "sigma-ln-convergence"]

MAP_CAVEATS = (
    "Mass-sheet degeneracy: lambda kappa + 1 - lambda gives the same image of a scaled source.",
    "The map has the lambda of the simulated lens models, and their shape where the image contains no information.",
)


@dataclass(frozen=True)
class SeparationPrediction(Prediction):
    """What a network makes of an image.

    Attributes
    ----------
    planes : dict of str to ndarray (H, W) float32, e-/s
        ``DENOISED``, ``SOURCE``, ``LENS`` and ``RESIDUAL``; the last three add up to the image. Or ``CONVERGENCE``
        and ``SIGMA_LN``, the standard deviation of its logarithm.
    deviation : ndarray (H, W) float32, e-/s
        Standard deviation of the noise of each pixel, by the camera.
    """

    planes: dict[str, np.ndarray] = field(default_factory=dict)
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


class MapPredictor:
    """Map the convergence of images, and compare them with the training set.

    Parameters
    ----------
    network : keras.Model
    record : mapping
        As saved with the network.
    """

    def __init__(self, network, record: Mapping):
        self.compare, self.factor = TrainingSetComparison(network, record), float(record["sigma-factor"])
        self.pixel_scale = float(record["pixel-scale"])

    def __call__(self, images: np.ndarray) -> list[SeparationPrediction]:
        """Return the predictions for images (N, H, W), e-/s."""
        seen, likeness = self.compare(images)
        return [self._predict(*one) for one in zip(seen["output"], likeness, strict=True)]

    def _predict(self, output, likes) -> SeparationPrediction:
        planes = {"CONVERGENCE": output[..., MAP], "SIGMA_LN": self.factor * output[..., SIGMA]}
        radius, within = find_einstein_radius(planes["CONVERGENCE"], self.pixel_scale)
        values = np.array([radius, np.median(planes["SIGMA_LN"][within])])
        return SeparationPrediction(
            values,
            notes=tuple(one.text for one in likes),
            percentile=likes[0].percentile,
            warnings=tuple(one.text for one in likes if one.is_unlike),
            problem=None if np.isfinite(values).all() else "the network's map is not finite",
            planes=planes,
        )


def find_einstein_radius(convergence: np.ndarray, pixel_scale: float) -> tuple[float, np.ndarray]:
    """Return the radius [arcsec] about the centre of a map (H, W) with a mean convergence of 1, and the pixels within.

    It is 0 if the mean is below 1 in the smallest circle, and the largest circle in the field if it is above 1 there.
    """
    y, x = (np.arange(side) - (side - 1) / 2 for side in convergence.shape)
    distance = np.hypot(x, y[:, None])
    order = np.argsort(distance, axis=None)
    inside = distance.ravel()[order] <= min(convergence.shape) / 2
    mean = np.cumsum(convergence.ravel()[order].astype(float))[inside] / np.arange(1, inside.sum() + 1)
    number = int(np.sum(mean >= 1))
    within = np.zeros(distance.size, bool)
    within[order[: max(number, 4)]] = True
    return float(np.sqrt(number / np.pi) * pixel_scale), within.reshape(distance.shape)


def measure(parameters, network, record: dict, rebuild, open_simulation) -> None:
    """Separate files with a trained network, and write ``measured.csv``, FITS files and figures.

    Parameters
    ----------
    parameters : SeparationTraining
    network : keras.Model
    record : dict
        As saved with the network: it says whether it maps light or the convergence.
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
    camera, is_map = read_camera(parameters, record), "map" in record
    predict: Callable[[np.ndarray], Sequence[SeparationPrediction]] = SeparationPredictor(network, record, camera)
    headers, caveats, caption, write = HEADERS, CAVEATS, _caption, _write_light
    if is_map:
        predict = MapPredictor(network, record)
        headers, caveats, caption, write = MAP_HEADERS, MAP_CAVEATS, _map_caption, _write_map
    results = measure_files(parameters, training_images, predict, headers)
    captions = [caption(one) for one in results.kept]
    write_measurements(parameters, training_images, results, headers, captions, caveats)
    if results.number <= MAX_DETAILED:
        for one in results.kept:
            write(parameters, training_images, one)
    refuse(results)


def _write_light(parameters, training_images: TrainingImages, one: Measurement) -> None:
    """Write the FITS file and the figure of the light of an image."""
    source, lens, chi2 = map(float, one.values)
    cards = {
        "NETWORK": (parameters.model_file.name, ""),
        "SRCFLUX": (source, "[electron/s] of the source, all pixels"),
        "LENSFLUX": (lens, "[electron/s] of the lens, all pixels"),
        "CHI2": (chi2, "(RESIDUAL / NOISE)^2 per pixel"),
    }
    planes = one.prediction.planes | {"IMAGE": one.seen, "NOISE": one.prediction.deviation}
    comments = ["SOURCE + LENS + RESIDUAL = IMAGE, the input; DENOISED = SOURCE + LENS."]
    figure = draw_measured_light(one, training_images.pixel_scale, parameters.cmap)
    _write("separated", parameters, training_images, one, planes, cards, comments, figure)


def _write_map(parameters, training_images: TrainingImages, one: Measurement) -> None:
    """Write the FITS file and the figure of the convergence of a lens."""
    radius, sigma = map(float, one.values)
    cards = {
        "NETWORK": (parameters.model_file.name, ""),
        "THETA_E": (radius, "[arcsec] mean convergence 1 about the centre"),
        "SIGMA": (sigma, "of ln CONVERGENCE, median within THETA_E"),
    }
    comments = ["CONVERGENCE is averaged over pixels. SIGMA_LN is the standard deviation of its ln.", *MAP_CAVEATS]
    figure = draw_measured_map(one, training_images.pixel_scale, parameters.cmap)
    planes = one.prediction.planes | {"IMAGE": one.seen}
    _write("convergence", parameters, training_images, one, planes, cards, comments, figure)


def _write(kind: str, parameters, training_images, one, planes, cards, comments, figure) -> None:
    folder, stem = parameters.figures_dir, f"{kind}_{one.image.stem}"
    path = write_planes(folder / f"{stem}.fits", one, planes, training_images, parameters.hdu, cards, comments)
    drawn = save_figure(figure, folder / f"{stem}.{parameters.figure_format}")
    Console(parameters.quiet).say(f"Images: {path}, {drawn.name}")


def _caption(one: Measurement) -> str:
    source, lens, chi2 = one.values
    return "\n".join([f"source {source:.4g} e⁻/s", f"lens {lens:.4g} e⁻/s", rf"$\chi^2$ per pixel {chi2:.2f}"])


def _map_caption(one: Measurement) -> str:
    radius, sigma = one.values
    return "\n".join([f"Einstein radius {radius:.3g}″", rf"$\sigma(\ln\kappa)$ {sigma:.2g}"])

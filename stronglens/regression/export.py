"""The lens model of a measured image as a COOLEST folder, for other codes to read."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stronglens.measuring import Measurement
from stronglens.parameters import RunError
from stronglens.regression.lens_model import LensModel
from stronglens.regression.lens_shape import add_light, keep_inside, scene_of, shape_values
from stronglens.regression.published import PublishedLens
from stronglens.regression.simulator import make_simulator
from stronglens.simulation.chunks import simulator_of
from stronglens.telescopes import TELESCOPES, find_band


def export_coolest(
    folder: str | Path,
    parameters,
    labels: Sequence[str],
    measured: Measurement,
    model: LensModel,
    published: PublishedLens,
    executor: Executor,
    remarks: Mapping[str, str] | None = None,
) -> Path:
    """Write a lens model, its posterior and its image as a COOLEST folder.

    The point estimate is the model at the posterior's mean, with the brightness, and what else was not learned of the
    lens's light, fitted to the image: parameters without statistics. The image is written without the fitted
    background. Redshifts are those published: an image tells too little of them.

    Parameters
    ----------
    folder : str or Path
        A folder of an earlier call is replaced as a whole.
    parameters : RegressionSimulation, those of the training set
    labels : sequence of L str
    measured : Measurement
        With draws of these labels.
    model : LensModel, of these draws
    published : PublishedLens
    executor : concurrent.futures.Executor
        Writes, in another process: see `model_lens`.
    remarks : mapping of str to str, optional
        To be written into the template's ``meta`` too.

    Returns
    -------
    Path, the folder

    Raises
    ------
    RunError
        When a redshift is missing, a value is beyond what COOLEST admits, the folder holds files of others, or it
        cannot be written.
    """
    if published.z_lens is None or published.z_source is None:
        raise RunError(
            f"{folder}: COOLEST needs the redshifts of lens and source: give --published a table with columns z_lens "
            "and z_source"
        )
    seen, observation = measured.prepared, measured.observation
    camera, known = observation.camera, TELESCOPES[parameters.telescope]
    instrument, band = " ".join(camera[key] for key in ("telescope", "instrument") if key in camera), find_band(camera)
    if not camera and parameters.psf_fits is None:
        instrument, band = known.instrument, known.band
    image_of = {
        "image": np.asarray(seen.image, float) - model.background,
        "noise": np.asarray(seen.noise, float),
        "is_judged": np.isfinite(model.residual),
        "exposure_time": _exposure_time(observation.electrons, observation.zero_point, parameters.zero_point),
        "instrument": instrument,
        "band": band,
    }
    remarks = dict(remarks or {}) | {
        "background": f"{model.background:.6g} electrons per second per pixel, fitted, were subtracted from image.fits"
    }
    work = CoolestWriting(str(folder), parameters, tuple(labels), (published.z_lens, published.z_source))
    return executor.submit(work, (model, np.asarray(measured.prediction.draws, float), image_of, remarks)).result()


def _exposure_time(electrons: float | None, zero_point: float | None, zero_point_of_network: float) -> float | None:
    """Return the electrons counted for one e-/s of the network's zero point [s]: None where that is not known."""
    if not electrons:
        return None
    return electrons * 10 ** (0.4 * ((zero_point or zero_point_of_network) - zero_point_of_network))


@dataclass(frozen=True)
class CoolestWriting:
    """Write a COOLEST folder: called in the process that simulates; returns the folder.

    Attributes
    ----------
    folder : str
    parameters : RegressionSimulation
    labels : tuple of L str
    redshifts : (lens, source)
    """

    folder: str
    parameters: Any
    labels: tuple[str, ...]
    redshifts: tuple[float, float]

    def __call__(self, piece: tuple[LensModel, np.ndarray, dict[str, Any], dict[str, str]]) -> Path:
        """Write the folder of a model, samples, an image's part of a ``ModelledImage`` and remarks."""
        from stronglens.raytracing import clump_columns
        from stronglens.raytracing.coolest import ModelledImage, write_coolest

        model, samples, image_of, remarks = piece
        simulator = simulator_of(make_simulator, self.parameters)
        drawn = add_light(shape_values(self.parameters, self.labels, samples), model.fitted)
        drawn = keep_inside(drawn, simulator.ranges)
        clumps = clump_columns(self.parameters.src_clumps)  # the model's source has none
        point = scene_of(simulator, {name: np.array([value]) for name, value in model.values.items()})
        point = {name: float(column[0]) for name, column in point.items() if name not in clumps}
        brightness = {"src_intensity": model.src_intensity, "lens_intensity": model.lens_intensity}
        samples = {name: column for name, column in scene_of(simulator, drawn).items() if name in point}
        for name in brightness:
            del samples[name]
        data = ModelledImage(
            psf=simulator.telescope.psf,
            pixel_scale=self.parameters.pixel_scale,
            zero_point=self.parameters.zero_point,
            **image_of,
        )
        return write_coolest(
            self.folder,
            point | brightness,
            samples,
            self.redshifts,
            data,
            fitted=[name.replace("-", "_") for name in model.fitted],
            lens_light=self.parameters.lens_light == "on",
            notes=remarks
            | {
                "point_estimate": "mean of the posterior; fitted to the image there: "
                + ", ".join(("brightness", *model.fitted)),
                "orientation": "x to the right, y up as in the image: angles are East of North where its North is up "
                "and its East left; coordinates_origin is not the image's place on the sky",
            },
        )

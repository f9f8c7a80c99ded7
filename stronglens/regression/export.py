"""Export of the lens model of a measured image as a COOLEST folder, for other codes."""

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
from stronglens.regression.pixel_posterior import PixelModel
from stronglens.regression.published import PublishedLens
from stronglens.regression.simulator import make_simulator
from stronglens.simulation.chunks import simulator_of
from stronglens.telescopes import TELESCOPES, find_band

FINER, LARGEST = 10, 1500
"""Pixels of a written source along a side of the smallest one of its model, so that each interpolation shows nearly the
same source; and the largest number along a side of the image."""


def export_coolest(
    folder: str | Path,
    parameters,
    labels: Sequence[str],
    measured: Measurement,
    model: LensModel,
    published: PublishedLens,
    executor: Executor,
    remarks: Mapping[str, str] | None = None,
    samples: np.ndarray | None = None,
    is_best: bool = False,
    source: PixelModel | None = None,
) -> Path:
    """Write a lens model, its posterior and its image as a COOLEST folder.

    The point estimate is the model at the posterior mean. Its brightness, and the parameters of the lens light that
    are not labels, are fitted to the image and have no posterior statistics. The fitted background is subtracted from
    the written image. The redshifts are the published ones, since an image hardly constrains them.

    Parameters
    ----------
    folder : str or Path
        The folder of an earlier call is replaced.
    parameters : RegressionSimulation
        Parameters of the training set.
    labels : sequence of L str
    measured : Measurement
        Measurement with posterior samples of these labels.
    model : LensModel
        Model from the same samples.
    published : PublishedLens
    executor : concurrent.futures.Executor
        Runs the ray tracer and writes the folder in another process (see `model_lens`).
    remarks : mapping of str to str, optional
        More entries for ``meta`` in the template.
    samples : ndarray (S, L), optional
        Of the labels; by default those of the measurement.
    is_best : bool
        Whether the model is the best fit, instead of that at the samples' mean.
    source : PixelModel, optional
        The source of the model, and the light of its lens. The samples are then of the mass only.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    RunError
        When a redshift is missing, COOLEST does not allow a value, the folder contains other files, or it is not
        writable.
    """
    if published.z_lens is None or published.z_source is None:
        raise RunError(
            f"{folder}: COOLEST needs the redshifts of lens and source; give --published a table with the columns "
            "z_lens and z_source"
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
        "background": f"the fitted background, {model.background:.6g} electrons per second per pixel, is subtracted "
        "from image.fits"
    }
    redshifts = published.z_lens, published.z_source
    work = CoolestWriting(
        str(folder), parameters, tuple(labels), redshifts, "best fit" if is_best else "posterior mean"
    )
    samples = np.asarray(measured.prediction.draws if samples is None else samples, float)
    return executor.submit(work, (model, samples, image_of, remarks, source)).result()


def _exposure_time(electrons: float | None, zero_point: float | None, zero_point_of_network: float) -> float | None:
    """Return the exposure time in s for electrons/s at the network's zero point; None if it is unknown."""
    if not electrons:
        return None
    return electrons * 10 ** (0.4 * ((zero_point or zero_point_of_network) - zero_point_of_network))


@dataclass(frozen=True)
class CoolestWriting:
    """Write a COOLEST folder in the process of the ray tracer; the call returns the folder.

    Attributes
    ----------
    folder : str
    parameters : RegressionSimulation
    labels : tuple of L str
    redshifts : (float, float)
        Redshifts of lens and source.
    point : str
        What the model is.
    """

    folder: str
    parameters: Any
    labels: tuple[str, ...]
    redshifts: tuple[float, float]
    point: str = "posterior mean"

    def __call__(self, piece: tuple[LensModel, np.ndarray, dict[str, Any], dict[str, str], PixelModel | None]) -> Path:
        """Write the folder of a model, samples, the fields of a ``ModelledImage``, remarks, and a source of pixels."""
        from stronglens.raytracing import clump_columns
        from stronglens.raytracing.coolest import ModelledImage, write_coolest

        model, samples, image_of, remarks, source = piece
        simulator = simulator_of(make_simulator, self.parameters)
        if source:
            known = dict(zip(self.labels, samples.T, strict=True))
            drawn = {name: known.get(name, np.full(len(samples), value)) for name, value in model.values.items()}
        else:
            drawn = add_light(shape_values(self.parameters, self.labels, samples), model.fitted)
        drawn = keep_inside(drawn, simulator.ranges)
        clumps = clump_columns(self.parameters.src_clumps)  # the model source is smooth
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
            pixels=source and show_pixels(source),
            notes=remarks
            | {
                "point_estimate": f"{self.point}; fitted to the image: " + ", ".join(("brightness", *model.fitted)),
                "orientation": "x points right and y up in the image; angles are East of North if North is up and East "
                "left in the image; coordinates_origin is not the position of the image on the sky",
            },
        )


def show_pixels(model: PixelModel):
    """Return the ``PixelLight`` of a model for the ray tracer."""
    from stronglens.raytracing.coolest_pixels import PixelLight

    grid = model.grid
    ends = np.concatenate(grid.lines(beyond=2))  # the outermost splines reach one pixel further than the field
    low, high = ends.min(), ends.max()
    side = min(int(np.ceil((high - low) / grid.smallest * FINER)), LARGEST)
    places = low + (np.arange(side) + 0.5) * (high - low) / side
    y, x = np.meshgrid(places[::-1], places, indexing="ij")
    brightness = grid.interpolate(np.stack([y, x], axis=-1).reshape(-1, 1, 2)).T @ model.coefficients
    return PixelLight(
        brightness.reshape(side, side),
        (low, high),
        {"BRIGHTNESS": model.brightness, "DEVIATION": model.deviation},
        {"PIXSCALE": model.shown.pixel, "FIELD-X": grid.x, "FIELD-Y": grid.y},
        np.column_stack([model.gaussians, model.intensities]),
    )

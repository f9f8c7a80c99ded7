"""The lens model of a measured image as a COOLEST file, for other codes to read."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stronglens.parameters import RunError
from stronglens.regression.lens_model import LensModel
from stronglens.regression.lens_shape import add_light, keep_inside, scene_of, shape_values
from stronglens.regression.published import PublishedLens
from stronglens.regression.simulator import make_simulator
from stronglens.simulation.chunks import simulator_of


def export_coolest(
    path: str | Path,
    parameters,
    labels: Sequence[str],
    samples: np.ndarray,
    model: LensModel,
    published: PublishedLens,
    executor: Executor,
    remarks: Mapping[str, str] | None = None,
) -> Path:
    """Write a lens model and its posterior as a COOLEST template.

    The point estimate is the model at the posterior's mean, with the brightness, and what else was not learned of the
    lens's light, fitted to the image: parameters without statistics. Redshifts are those published: an image tells too
    little of them.

    Parameters
    ----------
    path : str or Path, ends in ``.json``
    parameters : SimulationParameters, those of the training set
    labels : sequence of L str
    samples : (S, L), in the labels' units
    model : LensModel, of these samples
    published : PublishedLens
    executor : concurrent.futures.Executor
        Writes, in another process: see `model_lens`.
    remarks : mapping of str to str, optional
        To be written into the file's ``meta`` too.

    Raises
    ------
    RunError
        When a redshift is missing, a value is beyond what COOLEST admits, or the file cannot be written.
    """
    if published.z_lens is None or published.z_source is None:
        raise RunError(
            f"{path}: COOLEST needs the redshifts of lens and source: give --published a table with columns z_lens and "
            "z_source"
        )
    work = CoolestWriting(str(path), parameters, tuple(labels), (published.z_lens, published.z_source))
    return executor.submit(work, (model, np.asarray(samples, float), dict(remarks or {}))).result()


@dataclass(frozen=True)
class CoolestWriting:
    """Write a COOLEST file: called in the process that simulates, with a model and samples; returns the path.

    Attributes
    ----------
    path : str
    parameters : SimulationParameters
    labels : tuple of L str
    redshifts : (lens, source)
    """

    path: str
    parameters: object
    labels: tuple[str, ...]
    redshifts: tuple[float, float]

    def __call__(self, piece: tuple[LensModel, np.ndarray, dict[str, str]]) -> Path:
        """Write the file of a model, samples and remarks."""
        from stronglens.raytracing import clump_columns
        from stronglens.raytracing.coolest import write_coolest

        model, samples, remarks = piece
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
        return write_coolest(
            self.path,
            point | brightness,
            samples,
            self.redshifts,
            simulator.shape,
            self.parameters.pixel_scale,
            fitted=[name.replace("-", "_") for name in model.fitted],
            lens_light=self.parameters.lens_light == "on",
            zero_point=self.parameters.zero_point,
            instrument=self.parameters.telescope,
            notes=remarks
            | {
                "point_estimate": "mean of the posterior; fitted to the image there: "
                + ", ".join(("brightness", *model.fitted)),
                "orientation": "x to the right, y up as in the image: angles are East of North where its North is up",
            },
        )

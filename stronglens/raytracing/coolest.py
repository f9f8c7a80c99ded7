"""A lens model as a COOLEST file, which other lens-modelling codes read (Galan et al. 2023, JOSS 8, 5567).

Through PyAutoLens's own interface, ``autolens.interop.coolest``: what is written is what it makes of the profiles that
our images are rendered from. COOLEST's conventions: Einstein and effective radii on the intermediate axis, position
angles from +y towards -x in degrees, x to the right and y up in arcsec.
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path

import autolens as al
import numpy as np
from autogalaxy.interop.coolest import coolest_dict_from_light, coolest_dict_from_mass
from autolens.interop.coolest import to_coolest

from stronglens.atomic import replacing
from stronglens.parameters import RunError
from stronglens.raytracing.scene import STOCK, build_lens, build_source

MOST_SAMPLES = 2000
"""Of a posterior, of which statistics are written."""

STATISTICS = ("mean", "median", "percentile_16th", "percentile_84th")


def write_coolest(
    path: str | Path,
    point: Mapping[str, float],
    samples: Mapping[str, np.ndarray],
    redshifts: tuple[float, float],
    shape: tuple[int, int],
    pixel_scale: float,
    fitted: Collection[str] = (),
    lens_light: bool = True,
    zero_point: float | None = None,
    instrument: str = "",
    notes: Mapping[str, str] | None = None,
) -> Path:
    """Write an isothermal lens with external shear, its light, and its source as a COOLEST template.

    Parameters
    ----------
    path : str or Path, ends in ``.json``
    point : the scene's values, under the names of ``SCENE_COLUMNS``: the point estimate
        Intensities in e-/s in a pixel; written as they are.
    samples : dict of the same names but for intensities to (S,), of which mean, median and percentiles are written
        An angle's are taken around the point estimate, and may lie beyond 90 degrees.
    redshifts : (lens, source)
    shape : (H, W), pixels
    pixel_scale : float, arcsec
    fitted : collection of str, names of ``point`` that have no posterior
    lens_light : bool, whether the lens shines
    zero_point : float, AB magnitude of one e-/s
    instrument : str
    notes : dict of str to str, for the template's ``meta``

    Raises
    ------
    RunError
        When the source is not behind the lens, a value is beyond what COOLEST admits, or the file cannot be written.
    """
    path = Path(path)
    if not 0 < redshifts[0] < redshifts[1]:
        raise RunError(f"{path}: COOLEST needs a source behind its lens, not at z = {redshifts[1]} of {redshifts[0]}")
    masses, lights = build_lens("sie", dict(point), STOCK)
    galaxies = [
        al.Galaxy(redshifts[0], **masses, **(lights if lens_light else {})),
        al.Galaxy(redshifts[1], **build_source(dict(point), STOCK)),
    ]
    try:
        with replacing(path) as aside:
            metadata = {"intensities": f"electrons a second in a pixel of {pixel_scale:g} arcsec", **(notes or {})}
            to_coolest(galaxies, str(aside), pixel_size=pixel_scale, shape_native=shape, metadata=metadata)
            template = json.loads(aside.read_text())
            _add_statistics(template, point, samples, fitted, lens_light)
            template["instrument"]["name"] = instrument
            template["observation"]["mag_zero_point"] = zero_point
            aside.write_text(json.dumps(template, indent=2) + "\n")
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror or error})") from None
    except ValueError as error:  # COOLEST's own checks: an index below 0.5, for instance
        raise RunError(f"{path}: COOLEST does not admit this model ({error})") from None
    return path


def _add_statistics(template: dict, point: Mapping[str, float], samples: Mapping, fitted, lens_light: bool) -> None:
    """Fill in the ``posterior_stats`` of every parameter that has a posterior."""
    number = len(next(iter(samples.values())))
    chosen = np.unique(np.linspace(0, number - 1, min(number, MOST_SAMPLES)).astype(int))
    at_point = _convert(point, lens_light)
    moved = _convert({**point, **{name: point[name] + 1e-3 for name in fitted}}, lens_light)
    drawn = [_convert({**point, **{name: float(samples[name][row]) for name in samples}}, lens_light) for row in chosen]
    for entity in template["lensing_entities"]:
        for kind in ("light_model", "mass_model"):
            for profile in entity.get(kind) or []:
                which = _place(entity, kind)
                for name, parameter in profile["parameters"].items():
                    if name == "I_eff":
                        continue  # fitted to the image at the point estimate: no posterior
                    if moved[which][name] != at_point[which][name]:
                        continue  # it, or a part of it, was fitted too
                    values = np.array([sample[which][name] for sample in drawn])
                    if name.startswith("phi"):
                        middle = at_point[which][name]
                        values = middle + (values - middle + 90) % 180 - 90
                    numbers = [values.mean(), np.median(values), *np.percentile(values, [16, 84])]
                    parameter["posterior_stats"] = dict(zip(STATISTICS, map(float, numbers), strict=True))


def _place(entity: dict, kind: str) -> str:
    """Return which of our profiles a profile of the template is."""
    if entity["type"] == "MassField":
        return "shear"
    return "mass" if kind == "mass_model" else {"galaxy_0": "lens_light", "galaxy_1": "source"}[entity["name"]]


def _convert(scene: Mapping[str, float], lens_light: bool) -> dict[str, dict[str, float]]:
    """Return a scene's profiles in COOLEST's parameters."""
    masses, lights = build_lens("sie", scene, STOCK)
    converted = {name: coolest_dict_from_mass(profile)["parameters"] for name, profile in masses.items()}
    if lens_light:
        converted["lens_light"] = coolest_dict_from_light(lights["light"])["parameters"]
    return converted | {"source": coolest_dict_from_light(build_source(scene, STOCK)["light"])["parameters"]}

"""Scenes: the physical values of lens and source, and the PyAutoLens profiles made from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import autolens as al
import numpy as np

from stronglens.lens_models import LENS_MODELS
from stronglens.raytracing.profiles import (
    Exponential,
    ExternalShear,
    Isothermal,
    NFWSph,
    PowerLaw,
    Sersic,
    SersicLight,
)

Scene = Mapping[str, np.ndarray]
"""Names of ``SCENE_COLUMNS`` to (N,) values: arcsec, convergences and intensities as this lens and source have them,
scaled with redshift already."""

SCENE_COLUMNS = {name: model.scene_columns for name, model in LENS_MODELS.items()}

OWN_LIGHT = ("light_ellip_x", "light_ellip_y")
"""Further columns of a lens whose light has another ellipticity than its mass."""


def columns_of_clump(clump: int) -> tuple[str, str, str, str]:
    """Return the columns of a source's clump, counted from 1: its centre, its intensity there, and its sigma.

    Clumps are round Gaussians; the intensity is that of a scene's other columns, sigma is in arcsec.
    """
    return tuple(f"clump_{clump}_{name}" for name in ("center_x", "center_y", "intensity", "sigma"))


def clump_columns(number: int) -> tuple[str, ...]:
    """Return the further columns of sources with so many clumps."""
    return tuple(name for clump in range(1, number + 1) for name in columns_of_clump(clump))


def count_clumps(scene: Scene) -> int:
    """Return how many clumps a scene has columns for."""
    return sum(name.startswith("clump_") and name.endswith("_sigma") for name in scene)


@dataclass(frozen=True)
class ProfileClasses:
    """The classes that a scene is made of."""

    light: type
    bulge: type
    disk: type
    halo: type
    isothermal: type
    power_law: type
    shear: type
    clump: type = al.lp.GaussianSph


FAST = ProfileClasses(SersicLight, Sersic, Exponential, NFWSph, Isothermal, PowerLaw, ExternalShear)
STOCK = ProfileClasses(
    al.lp.Sersic,
    al.lmp.Sersic,
    al.lmp.Exponential,
    al.mp.NFWSph,
    al.mp.Isothermal,
    al.mp.PowerLawIntermediate,
    al.mp.ExternalShear,
)


def build_lens(lens_model: str, scene: Scene, classes: ProfileClasses, **bulge) -> tuple[dict, dict]:
    """Build the profiles of one lens.

    Parameters
    ----------
    lens_model : a name of ``LENS_MODELS``
    scene : values of one image, numbers or traced
    classes : ProfileClasses
    bulge : further arguments of the bulge's class

    Returns
    -------
    masses, lights : dicts of name to profile; light and mass of a composite's stars are the same profiles
    """
    centre = scene["lens_center_y"], scene["lens_center_x"]
    ell_comps = scene["lens_ellip_y"], scene["lens_ellip_x"]
    light = {
        "centre": centre,
        "ell_comps": ell_comps,
        "intensity": scene["lens_intensity"],
        "effective_radius": scene["lens_effect"],
        "sersic_index": scene["lens_sersic"],
    }
    if lens_model != "composite":
        radius = scene["einstein_radius_sie"]
        if lens_model == "powerlaw":
            mass = classes.power_law(centre, ell_comps, radius, scene["mass_slope"])
        else:
            mass = classes.isothermal(centre, ell_comps, _mean_radius(radius, ell_comps))
        masses = {"mass": mass, "shear": classes.shear(scene["shear_1"], scene["shear_2"])}
        if OWN_LIGHT[0] in scene:
            light["ell_comps"] = scene["light_ellip_y"], scene["light_ellip_x"]
        return masses, {"light": classes.light(**light)}
    stars = {
        "bulge": classes.bulge(**light, mass_to_light_ratio=scene["masslight_ratio"], **bulge),
        "disk": classes.disk(
            centre,
            (scene["disk_ellip_y"], scene["disk_ellip_x"]),
            scene["disk_intensity"],
            scene["disk_effect"],
            scene["disk_masslight_ratio"],
        ),
    }
    return stars | {"halo": classes.halo(centre, scene["halo_kappa"], scene["halo_radius"])}, stars


def build_source(scene: Scene, classes: ProfileClasses) -> dict[str, al.LightProfile]:
    """Build the light profiles of one source: ``light``, the smooth galaxy, and its clumps, ``clump_1`` and so on."""
    smooth = classes.light(
        centre=(scene["src_center_y"], scene["src_center_x"]),
        ell_comps=(scene["src_ellip_y"], scene["src_ellip_x"]),
        intensity=scene["src_intensity"],
        effective_radius=scene["src_effect"],
        sersic_index=scene["src_sersic"],
    )
    lights = {"light": smooth}
    for clump in range(1, count_clumps(scene) + 1):
        x, y, intensity, sigma = (scene[name] for name in columns_of_clump(clump))
        lights[f"clump_{clump}"] = classes.clump((y, x), intensity, sigma)
    return lights


def stack_scene(columns: Sequence[str], scene: Scene) -> np.ndarray:
    """Return some columns of a scene as one array: (N, columns) float64, in their order."""
    return np.stack([np.asarray(scene[name], float) for name in columns], axis=-1)


def _mean_radius(intermediate, ell_comps):
    """Return (a + b) / 2 of the critical ellipse, which PyAutoLens calls Einstein radius, from sqrt(a b).

    The ratio is (1 + q) / (2 sqrt(q)), that is 1 / sqrt(1 - e^2) in ellipticity e = (1 - q) / (1 + q).
    """
    return intermediate / (1 - ell_comps[0] ** 2 - ell_comps[1] ** 2) ** 0.5

"""Scenes: physical values of lens and source, and their PyAutoLens profiles."""

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
"""Values (N,) by the names in ``SCENE_COLUMNS``: positions and radii in arcsec, convergences, and intensities, all
including the effects of redshift."""

SCENE_COLUMNS = {name: model.scene_columns for name, model in LENS_MODELS.items()}

OWN_LIGHT = ("light_ellip_x", "light_ellip_y")
"""Additional columns of a lens whose light and mass have different ellipticities."""


MIDDLE = (
    "middle_center_x", "middle_center_y", "middle_ellip_x", "middle_ellip_y", "middle_intensity", "middle_effect",
    "middle_sersic", "middle_einstein_radius", "beta",
)  # fmt: skip
"""Additional columns of a galaxy between lens and source: its unlensed place, its light, its Einstein radius for the
source on the intermediate axis, and the lens's deflection of its light relative to that of the source."""


def columns_of_clump(clump: int) -> tuple[str, str, str, str]:
    """Return the columns of a clump in the source, counted from 1: centre, central intensity and sigma.

    Clumps are round Gaussians. Intensities have the unit of the other columns, and sigma is in arcsec.
    """
    return tuple(f"clump_{clump}_{name}" for name in ("center_x", "center_y", "intensity", "sigma"))


def clump_columns(number: int) -> tuple[str, ...]:
    """Return the additional columns of sources with up to ``number`` clumps."""
    return tuple(name for clump in range(1, number + 1) for name in columns_of_clump(clump))


def count_clumps(scene: Scene) -> int:
    """Return the number of clumps in the columns of a scene."""
    return sum(name.startswith("clump_") and name.endswith("_sigma") for name in scene)


@dataclass(frozen=True)
class ProfileClasses:
    """Classes of the profiles in a scene."""

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
    lens_model : str
        A key of ``LENS_MODELS``.
    scene : mapping of str to float or traced value
        Values of one image.
    classes : ProfileClasses
    **bulge
        More arguments of the class of the bulge.

    Returns
    -------
    masses, lights : dict of name to profile
        For the stars of a composite lens, both contain the same profiles.
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


def build_middle(scene: Scene, classes: ProfileClasses) -> tuple[al.mp.MassProfile, al.LightProfile]:
    """Build the isothermal mass and the light of a galaxy between lens and source, with one ellipticity."""
    centre = scene["middle_center_y"], scene["middle_center_x"]
    ell_comps = scene["middle_ellip_y"], scene["middle_ellip_x"]
    mass = classes.isothermal(centre, ell_comps, _mean_radius(scene["middle_einstein_radius"], ell_comps))
    light = classes.light(
        centre=centre,
        ell_comps=ell_comps,
        intensity=scene["middle_intensity"],
        effective_radius=scene["middle_effect"],
        sersic_index=scene["middle_sersic"],
    )
    return mass, light


def build_source(scene: Scene, classes: ProfileClasses) -> dict[str, al.LightProfile]:
    """Build the light profiles of one source: ``light`` for the smooth galaxy, and ``clump_1`` etc. for its clumps."""
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
    """Return columns of a scene as one array (N, columns), float64, in the given order."""
    return np.stack([np.asarray(scene[name], float) for name in columns], axis=-1)


def _mean_radius(intermediate, ell_comps):
    """Return (a + b) / 2 of the critical ellipse, PyAutoLens's Einstein radius, from sqrt(a b).

    The ratio is (1 + q) / (2 sqrt(q)) = 1 / sqrt(1 - e^2) with the ellipticity e = (1 - q) / (1 + q).
    """
    return intermediate / (1 - ell_comps[0] ** 2 - ell_comps[1] ** 2) ** 0.5

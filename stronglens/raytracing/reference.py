"""The original's way: one ``Tracer`` an image, in NumPy, of PyAutoLens's own profiles. What ours is measured against."""

import autolens as al
import numpy as np

from stronglens.raytracing.images import SCENE_COLUMNS, axis_ratio


def render_with_tracer(
    lens_model: str,
    lens_light: bool,
    scene: dict[str, np.ndarray],
    shape: tuple[int, int],
    pixel_scale: float,
    over_sampling: int,
) -> np.ndarray:
    """Render images one by one.

    Parameters
    ----------
    lens_model, lens_light, shape, pixel_scale, over_sampling : as of ``ImageRenderer``
    scene : dict of (N,), as the ray tracer takes it

    Returns
    -------
    (N, H, W) float64, source and lens together
    """
    grid = al.Grid2D.uniform(shape_native=shape, pixel_scales=pixel_scale, over_sample_size=over_sampling)
    number = len(scene["src_intensity"])
    rows = [{name: float(scene[name][i]) for name in SCENE_COLUMNS[lens_model]} for i in range(number)]
    return np.stack([_tracer(lens_model, lens_light, row).image_2d_from(grid=grid).native.array for row in rows])


def _tracer(lens_model: str, lens_light: bool, row: dict[str, float]) -> al.Tracer:
    # The scene is scaled for its redshifts already: any pair of planes gives the same image.
    source = al.Galaxy(redshift=1.0, light=al.lp.Sersic(**_geometry(row, "src"), **_light(row, "src")))
    lens = {}
    if lens_model == "sie":
        q = float(axis_ratio(row["lens_ellip_x"], row["lens_ellip_y"]))
        radius = row["einstein_radius_sie"] * (1 + q) / (2 * np.sqrt(q))
        lens["mass"] = al.mp.Isothermal(**_geometry(row, "lens"), einstein_radius=radius)
        lens["shear"] = al.mp.ExternalShear(gamma_1=row["shear_1"], gamma_2=row["shear_2"])
        if lens_light:
            lens["light"] = al.lp.Sersic(**_geometry(row, "lens"), **_light(row, "lens"))
    else:
        stars = al.lmp if lens_light else al.mp
        centre = (row["lens_center_y"], row["lens_center_x"])
        lens["bulge"] = stars.Sersic(
            **_geometry(row, "lens"), **_light(row, "lens"), mass_to_light_ratio=row["masslight_ratio"]
        )
        lens["disk"] = stars.Exponential(
            centre=centre,
            ell_comps=(row["disk_ellip_y"], row["disk_ellip_x"]),
            intensity=row["disk_intensity"],
            effective_radius=row["disk_effect"],
            mass_to_light_ratio=row["disk_masslight_ratio"],
        )
        lens["halo"] = al.mp.NFWSph(centre=centre, kappa_s=row["halo_kappa"], scale_radius=row["halo_radius"])
    return al.Tracer(galaxies=[al.Galaxy(redshift=0.5, **lens), source])


def _geometry(row: dict[str, float], galaxy: str) -> dict:
    return {
        "centre": (row[f"{galaxy}_center_y"], row[f"{galaxy}_center_x"]),
        "ell_comps": (row[f"{galaxy}_ellip_y"], row[f"{galaxy}_ellip_x"]),
    }


def _light(row: dict[str, float], galaxy: str) -> dict:
    return {
        "intensity": row[f"{galaxy}_intensity"],
        "effective_radius": row[f"{galaxy}_effect"],
        "sersic_index": row[f"{galaxy}_sersic"],
    }

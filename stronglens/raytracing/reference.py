"""Reference renderer: one PyAutoLens ``Tracer`` per image in NumPy, for tests of images and for benchmarks."""

import autolens as al
import numpy as np

from stronglens.lens_models import LENS_MODELS
from stronglens.raytracing.perturbers import NFWTruncatedSph, Perturbers
from stronglens.raytracing.scene import (
    MIDDLE,
    OWN_LIGHT,
    STOCK,
    Scene,
    build_lens,
    build_middle,
    build_source,
    clump_columns,
    count_clumps,
    stack_scene,
)

_REDSHIFTS = 0.5, 1.0  # lens and source; the values have no effect, since masses are already scaled


def render_with_tracer(
    lens_model: str,
    lens_light: bool,
    scene: Scene,
    shape: tuple[int, int],
    pixel_scale: float,
    over_sampling: int,
    perturbers: Perturbers | None = None,
    redshifts: np.ndarray | None = None,
) -> np.ndarray:
    """Render images one by one with PyAutoLens's own profiles, in float64.

    Parameters
    ----------
    lens_model : str
        A key of ``LENS_MODELS``.
    lens_light : bool
        Whether the lens has light.
    scene : mapping of str to ndarray (N,)
        Values by the names in ``SCENE_COLUMNS``.
    shape : (H, W), pixels
    pixel_scale : float, arcsec
    over_sampling : int
        Number of rays along each side of every pixel.
    perturbers : Perturbers, optional
        Perturbers of N lenses.
    redshifts : ndarray (N, 3), optional
        Of lens, middle galaxy and source. With them, a scene includes ``MIDDLE``; its ``beta`` is not used.

    Returns
    -------
    ndarray (N, H, W) float64
        Sum of all light; row 0 is at the top.
    """
    grid = al.Grid2D.uniform(shape, pixel_scale, over_sample_size=over_sampling)
    middle = MIDDLE if redshifts is not None else ()
    further = *middle, *(name for name in OWN_LIGHT if name in scene), *clump_columns(count_clumps(scene))
    columns = LENS_MODELS[lens_model].scene_columns + further
    images = []
    with np.errstate():
        for row, values in enumerate(stack_scene(columns, scene)):
            one = dict(zip(columns, values.tolist(), strict=True))
            masses, lights = build_lens(lens_model, one, STOCK)
            if not lens_light and LENS_MODELS[lens_model].mass_follows_light:
                masses = _without_light(one, masses)
            if perturbers is not None:
                masses = masses | build_perturbers(perturbers, row)
            profiles = masses | lights if lens_light else masses
            z_lens, *z_middle, z_source = _REDSHIFTS if redshifts is None else redshifts[row].tolist()
            galaxies = [al.Galaxy(z_lens, **profiles), al.Galaxy(z_source, **build_source(one, STOCK))]
            galaxies += [al.Galaxy(z, **dict(zip(("mass", "light"), build_middle(one, STOCK), strict=True)))
                         for z in z_middle]  # fmt: skip
            images.append(al.Tracer(galaxies, cosmology=_planck_2018()).image_2d_from(grid).native.array)
    return np.array(images)


def build_perturbers(perturbers: Perturbers, row: int) -> dict[str, al.mp.MassProfile]:
    """Build PyAutoLens's profiles of the perturbers of one lens."""
    profiles = {}
    for number, (x, y, strength, *radii) in enumerate(perturbers.of_lens(row).T.tolist()):
        profile = al.mp.PointMass((y, x), strength**0.5)
        if radii:
            halo = NFWTruncatedSph.from_strength((y, x), strength, *radii)
            profile = al.mp.NFWTruncatedSph((y, x), halo.kappa_s, *radii)
        profiles[f"perturber_{number}"] = profile
    return profiles


def _planck_2018():
    """Return astropy's Planck18 for PyAutoLens, whose default is of 2015."""
    return al.cosmo.FlatLambdaCDM(H0=67.66, Om0=0.30966, m_nu=[0.0, 0.0, 0.06])


def _without_light(scene: dict, masses: dict) -> dict:
    """Return the mass profiles of a composite lens with stars that have no light."""
    dark = {}
    for name, cls in (("bulge", al.mp.Sersic), ("disk", al.mp.Exponential)):
        profile = masses[name]
        arguments = (profile.centre, profile.ell_comps, profile.intensity, profile.effective_radius)
        index = (profile.sersic_index,) if name == "bulge" else ()
        dark[name] = cls(*arguments, *index, profile.mass_to_light_ratio)
    return masses | dark

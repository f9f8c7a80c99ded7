"""The lens models, and what each of them has.

The simulator and the tasks read these records; the ray tracer builds the profiles
(:mod:`stronglens.raytracing.scene`).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ellipk, hyp2f1

_GALAXIES = (
    "lens_center_x",
    "lens_center_y",
    "lens_ellip_x",
    "lens_ellip_y",
    "lens_intensity",
    "lens_effect",
    "lens_sersic",
    "src_center_x",
    "src_center_y",
    "src_ellip_x",
    "src_ellip_y",
    "src_intensity",
    "src_effect",
    "src_sersic",
)


@dataclass(frozen=True)
class LensModel:
    """What a lens model has.

    Attributes
    ----------
    scene_columns : tuple of str, the physical values that the ray tracer takes
    is_ellipsoid : bool
        Whether the mass is one ellipsoid with an Einstein radius as a parameter (``einstein_radius_sie``, on the
        intermediate axis), in an external shear. Labels can then describe it in full.
    mass_follows_light : bool
        Whether stars are mass and light at once: without lens light the mass still shows their shape.
    can_have_own_light : bool, whether the light may have another ellipticity than the mass
    can_have_perturbers : bool, whether dark masses may be added: sub-halos or a vortex
    """

    scene_columns: tuple[str, ...]
    is_ellipsoid: bool = False
    mass_follows_light: bool = False
    can_have_own_light: bool = False
    can_have_perturbers: bool = False

    @property
    def has_slope(self) -> bool:
        """Whether the density slope of the mass is free."""
        return "mass_slope" in self.scene_columns


LENS_MODELS = {
    "composite": LensModel(
        (
            *_GALAXIES,
            "masslight_ratio",
            "disk_intensity",
            "disk_effect",
            "disk_ellip_x",
            "disk_ellip_y",
            "disk_masslight_ratio",
            "halo_kappa",
            "halo_radius",
        ),
        mass_follows_light=True,
    ),
    "sie": LensModel(
        (*_GALAXIES, "einstein_radius_sie", "shear_1", "shear_2"),
        is_ellipsoid=True,
        can_have_own_light=True,
        can_have_perturbers=True,
    ),
    "powerlaw": LensModel(
        (*_GALAXIES, "einstein_radius_sie", "mass_slope", "shear_1", "shear_2"),
        is_ellipsoid=True,
        can_have_own_light=True,
    ),
}


def circular_einstein_radius(intermediate, ellipticity, slope=None):
    """Return the radius of the circle within which the mean convergence of an elliptical power law is 1.

    Along the direction phi of the ellipse's own axes, kappa = (2 - t) / 2 (theta / (r rho))^t, with t = slope - 1 and
    rho = sqrt(q cos^2 phi + sin^2 phi / q). The mean of kappa within the circle r is (theta / r)^t times the mean of
    rho^(-t) over phi, which is (1 - e^2)^(t / 2) 2F1(t/2, t/2; 1; e^2), in ellipticity e. An isothermal ellipsoid has
    t = 1, and theta (2 / pi) sqrt(q) K(1 - q^2), K the complete elliptic integral of parameter m.

    Parameters
    ----------
    intermediate : array_like, Einstein radius on the intermediate axis, sqrt(ab), arcsec
    ellipticity : array_like, (1 - q) / (1 + q)
    slope : array_like, optional
        Of the density in three dimensions, between 1 and 3: without it, that of an isothermal ellipsoid.

    Returns
    -------
    ndarray, arcsec
    """
    if slope is None:
        q = np.maximum((1 - ellipticity) / (1 + ellipticity), 1e-6)  # an ellipticity beyond 1 is refused by a rule
        return np.asarray(intermediate, float) * (2 / np.pi) * np.sqrt(q) * ellipk(1 - q**2)
    t, squared = np.asarray(slope, float) - 1, np.minimum(np.square(ellipticity), 1 - 1e-6)
    mean = hyp2f1(t / 2, t / 2, 1, squared) ** (1 / t)
    return np.asarray(intermediate, float) * np.sqrt(1 - squared) * mean

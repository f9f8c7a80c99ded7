"""Lens models and their properties.

The simulator and the tasks use these records. The ray tracer builds the profiles (:mod:`stronglens.raytracing.scene`).
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
    """Properties of a lens model.

    Attributes
    ----------
    scene_columns : tuple of str
        Names of the physical parameters for the ray tracer.
    is_ellipsoid : bool
        Whether the mass is one ellipsoid in an external shear, with an Einstein radius (``einstein_radius_sie``, on the
        intermediate axis) as a parameter. Labels can determine such a model completely.
    mass_follows_light : bool
        Whether light and mass of the stars have the same profiles. The images then depend on the profiles even without
        lens light.
    can_have_own_light : bool
        Whether light and mass may have different ellipticities.
    can_have_perturbers : bool
        Whether subhalos or a vortex may be added.
    """

    scene_columns: tuple[str, ...]
    is_ellipsoid: bool = False
    mass_follows_light: bool = False
    can_have_own_light: bool = False
    can_have_perturbers: bool = False

    @property
    def has_slope(self) -> bool:
        """Whether the density slope of the mass is a parameter."""
        return "mass_slope" in self.scene_columns


ISOTHERMAL = "sie"
"""Singular isothermal ellipsoid with external shear."""

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
    ISOTHERMAL: LensModel(
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

    In the direction phi from the major axis, kappa = (2 - t) / 2 (theta / (r rho))^t, with t = slope - 1 and rho =
    sqrt(q cos^2 phi + sin^2 phi / q). The mean of kappa within the circle r is (theta / r)^t times the mean of rho^(-t)
    over phi, which is (1 - e^2)^(t / 2) 2F1(t/2, t/2; 1; e^2) with the ellipticity e. For an isothermal ellipsoid, t =
    1 and the radius is theta (2 / pi) sqrt(q) K(1 - q^2), with the complete elliptic integral K of parameter m.

    Parameters
    ----------
    intermediate : array_like, arcsec
        Einstein radius on the intermediate axis, sqrt(ab).
    ellipticity : array_like
        (1 - q) / (1 + q).
    slope : array_like, optional
        Slope of the density in three dimensions, between 1 and 3; by default isothermal.

    Returns
    -------
    ndarray, arcsec
    """
    if slope is None:
        q = np.maximum((1 - ellipticity) / (1 + ellipticity), 1e-6)  # a rule rejects ellipticities above 1
        return np.asarray(intermediate, float) * (2 / np.pi) * np.sqrt(q) * ellipk(1 - q**2)
    t, squared = np.asarray(slope, float) - 1, np.minimum(np.square(ellipticity), 1 - 1e-6)
    mean = hyp2f1(t / 2, t / 2, 1, squared) ** (1 / t)
    return np.asarray(intermediate, float) * np.sqrt(1 - squared) * mean

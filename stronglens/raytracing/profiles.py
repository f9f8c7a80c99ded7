"""Subclasses of PyAutoLens's profiles that are fast under JAX, and right in float32.

Each is its parent in all but how its deflections are summed.
"""

import autoarray as aa
import autolens as al
import numpy as np

from stronglens.raytracing.ellipsoids import CORE_RADII, sersic_amplitudes


class _FusedEllipsoids:
    """Deflections of a Sersic mass profile by one pass over its cored steep ellipsoids.

    ``amplitudes`` (30,) are those of ``sersic_amplitudes`` for the profile's index: computed outside the trace when
    given, on the host otherwise.
    """

    amplitudes = None

    def _deflections_2d_via_cse_from(self, grid, xp=np, **kwargs):
        # Oguri 2021, eqs. 19 and 20, in units of the major-axis effective radius. Unrolled, so that XLA makes one
        # loop over the pixels of it and keeps both sums in registers.
        amplitudes = self.amplitudes
        if amplitudes is None:
            amplitudes = sersic_amplitudes(self.sersic_index)[0]
        q = self.axis_ratio(xp)
        q2 = q**2
        radius = self.effective_radius / xp.sqrt(q)
        y, x = grid.array[:, 0] / radius, grid.array[:, 1] / radius
        squares, flattening = q2 * x**2 + y**2, (1 - q2) * x**2
        sum_x = sum_y = 0.0
        for amplitude, core in zip(amplitudes, CORE_RADII.tolist(), strict=True):
            phi = xp.sqrt(q2 * core**2 + squares)
            outer = phi + core
            weight = (amplitude * core) / (phi * (outer * outer + flattening))
            sum_y = sum_y + weight * outer
            sum_x = sum_x + weight * (phi + q2 * core)
        scale = self.mass_to_light_ratio * self.intensity * radius * q
        return xp.stack((scale * y * sum_y, scale * x * sum_x), axis=-1)


class Sersic(_FusedEllipsoids, al.lmp.Sersic):
    """Sersic light and mass; see ``al.lmp.Sersic`` for the arguments, ``amplitudes`` aside."""

    def __init__(self, *args, amplitudes=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.amplitudes = amplitudes


class Exponential(_FusedEllipsoids, al.lmp.Exponential):
    """Exponential disk, light and mass; see ``al.lmp.Exponential`` for the arguments."""


class NFWSph(al.mp.NFWSph):
    """Spherical NFW halo whose deflections do not cancel in float32; see ``al.mp.NFWSph`` for the arguments."""

    @aa.decorators.to_vector_yx
    @aa.decorators.transform
    def deflections_2d_via_analytic_from(self, grid, xp=np, **kwargs):
        y, x = grid.array[:, 0], grid.array[:, 1]
        radius = xp.maximum(xp.sqrt(x**2 + y**2) / self.scale_radius, 1e-6)
        factor = 4 * self.kappa_s * nfw_deflection_function(radius, xp) / radius**2
        return xp.stack((factor * y, factor * x), axis=-1)


def nfw_deflection_function(x, xp=np):
    """Return h(x) = ln(x/2) + f(x) of the NFW deflection 4 kappa_s r_s h(x) / x, x in scale radii.

    ln(x/2) and f(x) cancel at small x, where h ~ x^2 / 2 ln(2/x). With s = sqrt(1 - x^2) it equals
    log1p(-x^2 / (2 (1 + s))) + x^2 / (s (1 + s)) ln((1 + s) / x), which does not. About x = 1, f is a series in
    1 - x^2; beyond, arccos(1/x) / sqrt(x^2 - 1) (Wright & Brainerd 2000, ApJ 534, 34).
    """
    w = 1 - x**2
    is_near = xp.abs(w) < 0.15  # where ten terms of the series are exact to 1e-9
    is_inside = (w > 0) & ~is_near

    inner = xp.where(is_inside, x, 0.5)
    s = xp.sqrt(1 - inner**2)
    inside = xp.log1p(-(inner**2) / (2 * (1 + s))) + inner**2 / (s * (1 + s)) * xp.log((1 + s) / inner)

    outer = xp.where(is_inside | is_near, 2.0, x)
    outside = xp.log(outer / 2) + xp.arccos(1 / outer) / xp.sqrt(outer**2 - 1)

    w = xp.where(is_near, w, 0.0)
    series = 0.0
    for k in range(10, -1, -1):  # arctanh(sqrt(w)) / sqrt(w) = sum of w^k / (2k + 1)
        series = series * w + 1 / (2 * k + 1)
    near = xp.log(xp.where(is_near, x, 1.0) / 2) + series
    return xp.where(is_inside, inside, xp.where(is_near, near, outside))

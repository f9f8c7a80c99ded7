import json
import os
from pathlib import Path

import autolens as al
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from direct_integration import sersic_deflections
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stronglens.raytracing.ellipsoids import mean_convergence, sersic_ellipsoids
from stronglens.raytracing.images import WIDE_VECTORS
from stronglens.raytracing.profiles import (
    Exponential,
    ExternalShear,
    Isothermal,
    NFWSph,
    PowerLaw,
    Sersic,
    SersicLight,
    _arctanh_over_root,
    enclosed_nfw_mass,
)

RNG = np.random.default_rng(2)
RADII = 10 ** RNG.uniform(-2.5, 1.2, 200)
ANGLES = RNG.uniform(0, 2 * np.pi, 200)
RAYS = np.stack([RADII * np.sin(ANGLES), RADII * np.cos(ANGLES)], axis=-1)


def in_32_bits(method, profile_of, *values):
    """Evaluate a method of a profile like the renderer, traced in float32."""

    def evaluate(rays, *values):
        return getattr(profile_of(*values), method)(al.Grid2DIrregular(rays, xp=jnp), xp=jnp).array

    with jax.enable_x64(False):
        return np.asarray(jax.jit(evaluate)(*(np.asarray(value, np.float32) for value in (RAYS, *values))))


def deflections(profile):
    return profile.deflections_yx_2d_from(al.Grid2DIrregular(RAYS)).array


def largest_error(ours, theirs):
    return np.hypot(*(ours - theirs).T).max() / np.hypot(*theirs.T).max()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    sersic_index=st.floats(1, 6),
    effective_radius=st.floats(0.05, 20),
    ellipticity=st.floats(0, 0.95 / 1.05),  # an axis ratio of 0.05
    angle=st.floats(0, np.pi),
)
def test_stars_deflect_as_direct_integration_says(sersic_index, effective_radius, ellipticity, angle):
    ell_comps = ellipticity * np.sin(2 * angle), ellipticity * np.cos(2 * angle)
    profile = Sersic((0.02, -0.01), ell_comps, 0.7, effective_radius, sersic_index, 0.4)
    truth = sersic_deflections(RAYS, (0.02, -0.01), ell_comps, 0.28, effective_radius, sersic_index)
    # 1e-6 of an arcsec-sized deflection moves light by 1e-5 of a pixel; PyAutoLens's own is off by up to 8e-4
    assert largest_error(deflections(profile), truth) < 1.5e-6


@pytest.mark.parametrize("sersic_index", [1.0, 1.3, 2.0, 4.0, 6.0])
@pytest.mark.parametrize("ell_comps", [(0.0, 0.0), (0.1, -0.2), (-0.8, 0.4)])
def test_stars_deflect_the_same_in_32_bits(sersic_index, ell_comps):
    ellipsoids = [column[0] for column in sersic_ellipsoids(sersic_index)]
    ours = in_32_bits(
        "deflections_yx_2d_from",
        lambda y, x, n, amplitudes, radii: Sersic((0.0, 0.0), (y, x), 0.7, 0.6, n, 0.4, (amplitudes, radii)),
        *ell_comps, sersic_index, *ellipsoids,
    )  # fmt: skip
    truth = sersic_deflections(RAYS, (0.0, 0.0), ell_comps, 0.28, 0.6, sersic_index)
    assert largest_error(ours, truth) < 2e-6  # the ladder's own error and a few roundings of 6e-8


def test_exponential_is_sersic_of_index_one_as_is_the_parents():
    arguments = (0.1, 0.05), (0.1, 0.3), 0.5, 0.9
    ours = deflections(Exponential(*arguments, mass_to_light_ratio=0.3))
    np.testing.assert_array_equal(ours, deflections(Sersic(*arguments, 1.0, 0.3)))
    # PyAutoLens's decomposition is good to a few 1e-5 at index 1
    assert largest_error(ours, deflections(al.lmp.Exponential(*arguments, 0.3))) < 1e-4


def test_ellipsoids_add_up_to_the_convergence():
    profile = Sersic((0.0, 0.0), (0.1, 0.2), 0.7, 0.6, 3.0, 0.4)
    radii = np.geomspace(0.01, 5, 50)
    amplitudes, core_radii = profile.decompose_convergence_via_cse(radii)
    ours = (amplitudes / (2 * (core_radii**2 + radii[:, None] ** 2) ** 1.5)).sum(axis=1)
    b, scale = profile.sersic_constant, profile.effective_radius / np.sqrt(profile.axis_ratio())
    theirs = 0.28 * np.exp(-b * ((radii / scale) ** (1 / 3) - 1))
    # what bends rays is r kappa: that is what the ladder is fitted to
    assert np.max(np.abs(ours - theirs) * radii) < 1e-5 * np.max(theirs * radii)


@pytest.mark.parametrize("sersic_index", [0.99, 6.01])
def test_an_index_outside_the_range_is_refused(sersic_index):
    with pytest.raises(ValueError, match="1 to 6"):
        deflections(Sersic(sersic_index=sersic_index))


@pytest.mark.parametrize("scale_radius", [0.1, 1.0, 30.0, 1000.0])
def test_halo_deflects_as_its_parent_in_64_bits_and_the_same_in_32(scale_radius):
    theirs = deflections(al.mp.NFWSph((0.02, -0.01), 0.05, scale_radius))
    # the parent cancels too, in 64 bits to 1e-16 over the square of the smallest x: 3e-6 here
    assert largest_error(deflections(NFWSph((0.02, -0.01), 0.05, scale_radius)), theirs) < 1e-7
    ours = in_32_bits("deflections_yx_2d_from", lambda k, r: NFWSph((0.02, -0.01), k, r), 0.05, scale_radius)
    assert largest_error(ours, theirs) < 1e-6


def test_mass_of_a_halo_in_32_bits_for_any_radius():
    """For all x = r / r_s in a field: from a halo of 1000 arcsec at 0.001 arcsec to one of 0.1 arcsec at 10 arcsec."""
    x = np.concatenate([np.geomspace(1e-6, 100, 20_001), 1 + np.linspace(-1e-3, 1e-3, 2001)]).astype(np.float32)
    with jax.enable_x64(False):
        ours = np.asarray(jax.jit(lambda x: enclosed_nfw_mass(x, jnp))(x))
    exact = x.astype(float)
    root = np.sqrt(np.abs(1 - exact**2)) + 1e-300
    f = np.where(exact < 1, np.arccosh(np.maximum(1 / exact, 1)), np.arccos(np.minimum(1 / exact, 1))) / root
    theirs = (np.log(exact / 2) + np.where(np.abs(exact - 1) < 1e-5, 1 - 2 / 3 * (exact - 1), f)) / exact**2
    deep = exact < 3e-4  # where the closed form cancels in 64 bits too
    theirs[deep] = 0.5 * np.log(2 / exact[deep]) - 0.25
    np.testing.assert_allclose(ours, theirs, rtol=2e-6)


def test_arctans_by_series_are_good_to_a_few_roundings():
    """The isothermal's arguments, all of [0, 1) by axis ratios to 0.05, and the halo's, about its scale radius."""
    for a, halvings, terms in ((-(np.linspace(0, 20, 40_001) ** 2), 2, 9), (np.linspace(-99, 0.2, 40_001), 3, 11)):
        a = a[np.abs(a) > 1e-9].astype(np.float32)
        with jax.enable_x64(False):
            ours = np.asarray(jax.jit(lambda a, h=halvings, t=terms: _arctanh_over_root(a, jnp, h, t))(a))
        root = np.sqrt(a.astype(complex))
        # 2^-24 is half a unit in the last place; a square root and a division round at every halving
        np.testing.assert_allclose(ours, (np.arctanh(root) / root).real, rtol=6 * 2**-23)


@pytest.mark.parametrize("function", [jnp.exp, jnp.log, jnp.log1p, jnp.sqrt, jnp.reciprocal])
def test_wide_vectors_compute_what_narrow_ones_do(function):
    """Functions in the profiles; with wide vectors, arctan is wrong in jax 0.11.2."""
    x = np.geomspace(1e-30, 80, 65_536).astype(np.float32).reshape(4, -1)
    with jax.enable_x64(False):
        wide, narrow = (np.asarray(jax.jit(function).lower(x).compile(options)(x)) for options in (WIDE_VECTORS, None))
    np.testing.assert_allclose(wide, narrow, rtol=3e-7)


def test_halo_is_smooth_through_its_scale_radius_and_still_at_its_centre():
    radii = np.array([0.0, 1e-30, 0.89999, 0.90001, 1 - 1e-9, 1.0, 1 + 1e-9])
    grid = al.Grid2DIrregular(np.stack([np.zeros(7), radii], axis=-1))
    ours = NFWSph((0.0, 0.0), 0.05, 1.0).deflections_yx_2d_from(grid).array[:, 1]
    assert ours[0] == 0
    assert 0 <= ours[1] < 1e-27
    assert abs(ours[3] / ours[2] - 1) < 1e-5
    np.testing.assert_allclose(ours[4:], 4 * 0.05 * (1 - np.log(2)), rtol=1e-8)  # closed form at x = 1


@pytest.mark.parametrize("ellipticity", [0.0, 1e-5, 1e-3, 0.1, 0.5, 0.9])
def test_isothermal_deflects_the_same_in_32_bits(ellipticity):
    ell_comps = 0.6 * ellipticity, -0.8 * ellipticity
    theirs = deflections(al.mp.Isothermal((0.02, -0.01), ell_comps, 1.3))
    np.testing.assert_array_equal(deflections(Isothermal((0.02, -0.01), ell_comps, 1.3)), theirs)
    ours = in_32_bits("deflections_yx_2d_from", lambda y, x: Isothermal((0.02, -0.01), (y, x), 1.3), *ell_comps)
    assert largest_error(ours, theirs) < 3e-6  # roundings of 6e-8, times 1 / q


power_laws = settings(max_examples=60, deadline=None, derandomize=True)(
    given(
        slope=st.floats(1.2, 2.8),
        ellipticity=st.floats(0, 0.95 / 1.05),  # an axis ratio of 0.05
        angle=st.floats(0, np.pi),
    )
)


def turned(ellipticity, angle):
    return ellipticity * np.sin(2 * angle), ellipticity * np.cos(2 * angle)


@power_laws
@example(slope=2.5, ellipticity=0.875, angle=2.625)
def test_power_law_deflects_as_its_parent_and_as_lenstronomys(slope, ellipticity, angle):
    ell_comps = turned(ellipticity, angle)
    ours = deflections(PowerLaw((0.02, -0.01), ell_comps, 1.3, slope))
    theirs = deflections(al.mp.PowerLawIntermediate((0.02, -0.01), ell_comps, 1.3, slope))
    # The parent ends its series early: in the example it is 1.4e-10 from lenstronomy's, ours 2e-11.
    assert largest_error(ours, theirs) < 5e-10
    theirs = lenstronomy_deflections(
        "EPL", theta_E=1.3, gamma=slope, e1=ell_comps[1], e2=ell_comps[0], center_x=-0.01, center_y=0.02
    )
    assert largest_error(ours, theirs) < 1e-10


@pytest.mark.parametrize("slope", [1.2, 1.7, 2.0, 2.3, 2.8])
@pytest.mark.parametrize("ellipticity", [0.0, 1e-5, 0.1, 0.5, 0.95 / 1.05])
def test_power_law_deflects_the_same_in_32_bits(slope, ellipticity):
    ell_comps = 0.6 * ellipticity, -0.8 * ellipticity
    ours = in_32_bits(
        "deflections_yx_2d_from", lambda y, x, slope: PowerLaw((0.02, -0.01), (y, x), 1.3, slope), *ell_comps, slope
    )
    # roundings of 6e-8, and the rule of 12 nodes: 4e-7 at the largest ellipticity
    assert largest_error(ours, deflections(PowerLaw((0.02, -0.01), ell_comps, 1.3, slope))) < 2e-6


@pytest.mark.parametrize("ellipticity", [0.0, 0.1, 0.5, 0.9])
def test_power_law_of_slope_two_is_isothermal(ellipticity):
    ell_comps = turned(ellipticity, 0.4)
    mean_radius = 1.3 / np.sqrt(1 - ellipticity**2)  # PyAutoLens's isothermal has the mean of the semi-axes
    isothermal = deflections(al.mp.Isothermal((0.02, -0.01), ell_comps, mean_radius))
    # both keep elliptical radii from zero, in two ways, by 1e-16 arcsec^2 under a root: 1e-10 at the nearest ray
    assert largest_error(deflections(PowerLaw((0.02, -0.01), ell_comps, 1.3, 2.0)), isothermal) < 1e-9


@jax.jit
def jacobians_of_power_law(places, slope, ell_comps):
    def deflect(place):
        profile = PowerLaw((0.0, 0.0), ell_comps, 1.3, slope)
        return profile.deflections_yx_2d_from(al.Grid2DIrregular(place[None], xp=jnp), xp=jnp).array[0]

    return jax.vmap(jax.jacfwd(deflect))(places)


@power_laws
def test_power_law_magnifies_as_its_convergence_says(slope, ellipticity, angle):
    """The trace of the derivatives of the deflections is twice the convergence, and their curl is zero."""
    ell_comps = turned(ellipticity, angle)
    places = RAYS[RADII > 0.3]
    with jax.enable_x64(True):
        jacobian = np.asarray(jacobians_of_power_law(jnp.asarray(places), slope, ell_comps))
    profile = PowerLaw((0.0, 0.0), ell_comps, 1.3, slope)
    kappa = profile.convergence_2d_from(al.Grid2DIrregular(places)).array
    np.testing.assert_allclose(
        np.trace(jacobian, axis1=1, axis2=2) / 2, kappa, rtol=1e-7
    )  # traced axis ratios: to 1e-8
    np.testing.assert_allclose(jacobian[:, 0, 1], jacobian[:, 1, 0], atol=1e-9 * np.abs(jacobian).max())


@pytest.mark.parametrize("slope", [1.2, 2.0, 2.8])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_power_law_has_finite_derivatives_at_its_centre(slope, precision):
    def deflect(place, slope, radius):
        profile = PowerLaw((0.0, 0.0), (0.1, -0.2), radius, slope)
        return profile.deflections_yx_2d_from(al.Grid2DIrregular(place[None], xp=jnp), xp=jnp).array[0]

    with jax.enable_x64(precision == "float64"):
        at = [jnp.asarray(value, precision) for value in ([0.0, 0.0], slope, 1.3)]
        assert np.all(np.asarray(deflect(*at)) == 0)
        for derivative in jax.jacrev(deflect, argnums=(0, 1, 2))(*at):
            assert np.isfinite(np.asarray(derivative)).all()


def test_shear_is_the_parents_in_both_precisions():
    theirs = deflections(al.mp.ExternalShear(0.07, -0.04))
    np.testing.assert_allclose(deflections(ExternalShear(0.07, -0.04)), theirs, atol=1e-15)
    ours = in_32_bits("deflections_yx_2d_from", ExternalShear, 0.07, -0.04)
    assert largest_error(ours, theirs) < 2e-7  # two roundings


@pytest.mark.parametrize("numpy_or_jax", [np, jnp])
@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    sersic_index=st.floats(1, 6),
    effective_radius=st.floats(0.05, 20),
    ellipticity=st.floats(0, 0.9),
    angle=st.floats(0, np.pi),
)
def test_mean_light_within_an_ellipse(numpy_or_jax, sersic_index, effective_radius, ellipticity, angle):
    ell_comps = ellipticity * np.sin(2 * angle), ellipticity * np.cos(2 * angle)
    profile = SersicLight((0.0, 0.0), ell_comps, 0.7, effective_radius, sersic_index)
    radii = np.geomspace(0.05, 0.3, 8)  # what pixels of 0.1 arcsec about a cusp ask for
    ours = np.asarray(profile.mean_image_within_radii_from(radii, xp=numpy_or_jax))
    truth = 0.7 * mean_convergence(radii / effective_radius, sersic_index)  # the incomplete gamma function
    # the rule's worst case, of tiny flat-cored galaxies, is 5e-3 of the light at the centre
    assert np.max(np.abs(ours / truth - 1)) < 2e-2
    if effective_radius > 0.3:
        assert np.max(np.abs(ours / truth - 1)) < 2e-3


@pytest.mark.parametrize("sersic_index", [0.3, 1.0, 4.0, 8.0])
def test_light_is_the_parents_in_both_precisions(sersic_index):
    arguments = (0.02, -0.01), (0.2, -0.3), 0.5, 0.4
    grid = al.Grid2DIrregular(RAYS)
    with np.errstate():
        theirs = al.lp.Sersic(*arguments, sersic_index).image_2d_from(grid).array
        np.testing.assert_allclose(
            SersicLight(*arguments, sersic_index).image_2d_from(grid).array, theirs, rtol=1e-10, atol=1e-300
        )
    ours = in_32_bits("image_2d_from", lambda n: SersicLight(*arguments, n), sersic_index)
    np.testing.assert_allclose(ours, theirs, rtol=5e-5, atol=1e-7 * theirs.max())


# ---- others' numbers


def lenstronomy_deflections(model, **arguments):
    lens_model = pytest.importorskip("lenstronomy.LensModel.lens_model").LensModel([model])
    x, y = lens_model.alpha(RAYS[:, 1], RAYS[:, 0], [arguments])
    return np.stack([y, x], axis=-1)


def test_isothermal_is_lenstronomys_on_the_intermediate_axis(draw_scenes):
    from stronglens.raytracing.scene import FAST, build_lens

    scene = {name: values[0] for name, values in draw_scenes("sie", 1).items()}
    masses, _ = build_lens("sie", scene, FAST)
    theirs = lenstronomy_deflections(
        "SIE", theta_E=scene["einstein_radius_sie"], e1=scene["lens_ellip_x"], e2=scene["lens_ellip_y"],
        center_x=scene["lens_center_x"], center_y=scene["lens_center_y"],
    )  # fmt: skip
    # lenstronomy's SIE has a core of 1e-10 arcsec
    np.testing.assert_allclose(deflections(masses["mass"]), theirs, atol=1e-8)
    theirs = lenstronomy_deflections("SHEAR", gamma1=scene["shear_1"], gamma2=scene["shear_2"])
    np.testing.assert_allclose(deflections(masses["shear"]), theirs, atol=1e-12)


def test_round_isothermal_and_halo_are_lenstronomys():
    theirs = lenstronomy_deflections("SIS", theta_E=1.2, center_x=0.0, center_y=0.0)
    np.testing.assert_allclose(deflections(Isothermal((0.0, 0.0), (0.0, 0.0), 1.2)), theirs, atol=1e-10)
    # deflection at the scale radius: 4 kappa_s r_s (1 - ln 2)
    alpha_scale = 4 * 0.05 * 30 * (1 - np.log(2))
    theirs = lenstronomy_deflections("NFW", Rs=30.0, alpha_Rs=alpha_scale, center_x=0.0, center_y=0.0)
    np.testing.assert_allclose(deflections(NFWSph((0.0, 0.0), 0.05, 30.0)), theirs, atol=1e-7)


def test_published_numbers_of_other_codes():
    folder = os.environ.get("STRONGLENS_DATA")
    path = Path(folder or "", "reference", "deflections.json")
    if not folder or not path.exists():
        pytest.skip("STRONGLENS_DATA names no folder with reference/deflections.json")
    numbers = json.loads(path.read_text())
    profiles = {
        "sis": lambda case: Isothermal(case["centre"], (0.0, 0.0), case["einstein_radius"]),
        "sie": lambda case: Isothermal(case["centre"], case["ell_comps"], case["einstein_radius"]),
        "external_shear": lambda case: al.mp.ExternalShear(case["gamma_1"], case["gamma_2"]),
    }
    checked = 0
    for kind, build in profiles.items():
        for case in numbers[kind]:
            profile, grid = build(case), al.Grid2DIrregular([case["at"]])
            tolerance = {"rtol": case.get("rtol", 1e-5), "atol": 1e-5}  # as quoted, and the last digit given
            if "deflection" in case:
                angles = profile.deflections_yx_2d_from(grid).array[0]
                np.testing.assert_allclose(angles, case["deflection"], **tolerance)
                checked += 1
            if "convergence" in case:
                kappa = profile.convergence_2d_from(grid).array[0]
                np.testing.assert_allclose(kappa, case["convergence"], **tolerance)
                checked += 1
    assert checked >= 6

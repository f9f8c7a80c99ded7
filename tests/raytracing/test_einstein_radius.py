import autolens as al
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stronglens.lens_models import circular_einstein_radius
from stronglens.raytracing import SCENE_COLUMNS, einstein_radius, source_flux_in_field
from stronglens.raytracing.scene import STOCK, build_lens, build_source, columns_of_clump


def one_of(scene, row):
    return {name: float(values[row]) for name, values in scene.items()}


def mean_convergence(lens_model, one, radius):
    """Mean of PyAutoLens's convergence in a circle around the lens, by midpoints in angle and in radius^(1/4)."""
    t, angle = (np.arange(400) + 0.5) / 400, (np.arange(256) + 0.5) * 2 * np.pi / 256
    r, weight = radius * t**4, 4 * t**3 / 400 * 2 * t**4
    y = one["lens_center_y"] + np.outer(r, np.sin(angle))
    x = one["lens_center_x"] + np.outer(r, np.cos(angle))
    grid = al.Grid2DIrregular(np.stack([y.ravel(), x.ravel()], axis=-1))
    masses, _ = build_lens(lens_model, one, STOCK)
    kappa = sum(mass.convergence_2d_from(grid).array for name, mass in masses.items() if name != "shear")
    return weight @ kappa.reshape(400, 256).mean(axis=1)


@pytest.mark.parametrize("lens_model", ["sie", "powerlaw", "composite"])
def test_mean_convergence_within_the_einstein_radius_is_one(draw_scenes, lens_model):
    scene = draw_scenes(lens_model, 6, seed=1)
    scene["lens_ellip_x"][0], scene["lens_ellip_y"][0] = 0.5, -0.7  # an axis ratio of 0.075
    if "mass_slope" in scene:
        scene["mass_slope"] = np.array([1.5, 1.2, 1.8, 2.0, 2.2, 1.6])
    for row, radius in enumerate(einstein_radius(lens_model, scene)):
        assert radius > 0
        # 400 midpoints: 3e-6
        assert mean_convergence(lens_model, one_of(scene, row), radius) == pytest.approx(1, abs=2e-5)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(slope=st.floats(1.2, 2.8), ellipticity=st.floats(0, 0.95 / 1.05))  # to an axis ratio of 0.05
def test_the_circle_of_a_power_law_is_that_of_its_convergence_integrated(slope, ellipticity):
    """The mean of (theta / rho)^t over directions, by midpoints that are dense near the major axis."""
    q, t = (1 - ellipticity) / (1 + ellipticity), slope - 1
    u = (np.arange(4000) + 0.5) * np.pi / 2 / 4000
    phi = np.arctan(q * np.tan(u))
    weight = q / (np.cos(u) ** 2 + (q * np.sin(u)) ** 2)  # dphi/du
    rho = np.sqrt(q * np.cos(phi) ** 2 + np.sin(phi) ** 2 / q)
    radius = 1.3 * np.mean(weight * rho**-t) ** (1 / t)
    assert circular_einstein_radius(1.3, ellipticity, slope) == pytest.approx(radius, rel=1e-9)


def test_the_circle_of_an_isothermal_power_law_is_that_of_an_isothermal_ellipsoid():
    ellipticity = np.linspace(0, 0.9, 19)
    isothermal = circular_einstein_radius(1.3, ellipticity)
    for slope in (2.0, 2 + 1e-9):
        np.testing.assert_allclose(circular_einstein_radius(1.3, ellipticity, slope), isothermal, rtol=2e-9)


def test_radius_of_a_round_isothermal_lens(draw_scenes):
    scene = draw_scenes("sie", 2, lens_ellip_x=0, lens_ellip_y=0, einstein_radius_sie=1.3)
    np.testing.assert_allclose(einstein_radius("sie", scene), 1.3, rtol=1e-12)
    # theta (2 / pi) sqrt(q) K(1 - q^2): -2.9 % at an axis ratio of 0.5
    scene = draw_scenes("sie", 2, lens_ellip_x=1 / 3, lens_ellip_y=0, einstein_radius_sie=1.0)
    np.testing.assert_allclose(einstein_radius("sie", scene), 0.971, atol=5e-4)


@pytest.mark.parametrize("lens_model", ["sie", "powerlaw", "composite"])
def test_a_massless_lens_has_no_einstein_radius(draw_scenes, lens_model):
    masses = dict.fromkeys(("einstein_radius_sie", "masslight_ratio", "disk_masslight_ratio", "halo_kappa"), 0.0)
    masses = {name: value for name, value in masses.items() if name in SCENE_COLUMNS[lens_model]}
    np.testing.assert_array_equal(einstein_radius(lens_model, draw_scenes(lens_model, 3, **masses)), 0)


def test_an_image_beside_others_has_the_same_einstein_radius(draw_scenes):
    scene = draw_scenes("composite", 20, seed=2)
    scene["masslight_ratio"][3] = scene["disk_masslight_ratio"][3] = scene["halo_kappa"][3] = 0.0
    together = einstein_radius("composite", scene)
    assert together[3] == 0
    alone = [einstein_radius("composite", {k: v[i : i + 1] for k, v in scene.items()})[0] for i in range(20)]
    np.testing.assert_array_equal(together, alone)


SHAPE, PIXEL_SCALE = (30, 50), 0.1
CENTERS = [(0.0, 0.0), (1.0, -0.7), (2.5, 0.3), (2.499999, -1.500001), (2.9, 0.2), (-3.5, 2.5), (0.1, -9.0)]


@pytest.mark.parametrize("center", CENTERS)
@pytest.mark.parametrize("sersic_index", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("ell_comps", [(0.0, 0.0), (0.3, -0.4)])
def test_unlensed_flux_is_that_of_a_fine_grid(center, sersic_index, ell_comps):
    one = {
        "src_center_x": center[0], "src_center_y": center[1], "src_ellip_y": ell_comps[0], "src_ellip_x": ell_comps[1],
        "src_intensity": 0.7, "src_effect": 0.4, "src_sersic": sersic_index,
    }  # fmt: skip
    flux = source_flux_in_field({name: np.array([value]) for name, value in one.items()}, SHAPE, PIXEL_SCALE)
    fine = 20
    y = (np.arange(SHAPE[0] * fine) + 0.5) * PIXEL_SCALE / fine - SHAPE[0] * PIXEL_SCALE / 2
    x = (np.arange(SHAPE[1] * fine) + 0.5) * PIXEL_SCALE / fine - SHAPE[1] * PIXEL_SCALE / 2
    grid = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 2)
    with np.errstate():
        image = build_source(one, STOCK)["light"].image_2d_from(al.Grid2DIrregular(grid)).array
    whole = 2 * np.pi * 0.7 * 0.4**2 / PIXEL_SCALE**2  # the scale of the flux in a field that holds it
    # the grid's own error about a cusp in the corner: 1.8e-3 with 20x20 rays a pixel, 6e-4 with 40x40, 2e-4 with 80x80
    assert flux[0] == pytest.approx(image.sum() / fine**2, rel=2.5e-3, abs=1e-6 * whole)


def test_unlensed_flux_of_clumps_is_that_of_a_fine_grid():
    one = dict.fromkeys(("src_center_x", "src_center_y", "src_ellip_x", "src_ellip_y", "src_intensity"), 0.0)
    one |= {"src_effect": 0.4, "src_sersic": 1.0}
    for clump, (x, y) in enumerate([(0.3, 0.2), (2.45, -0.3), (-2.0, 1.6)], start=1):  # inside, on an edge, outside
        values = x, y, 0.5 * clump, 0.1 * clump
        one |= dict(zip(columns_of_clump(clump), values, strict=True))
    flux = source_flux_in_field({name: np.array([value]) for name, value in one.items()}, SHAPE, PIXEL_SCALE)
    fine = 10
    grid = al.Grid2D.uniform((SHAPE[0] * fine, SHAPE[1] * fine), PIXEL_SCALE / fine)
    with np.errstate():
        image = sum(light.image_2d_from(grid).array for light in build_source(one, STOCK).values())
    assert flux[0] == pytest.approx(image.sum() / fine**2, rel=1e-4)

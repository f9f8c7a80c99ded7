"""Maps of the convergence against PyAutoLens's profiles, and against the mass within the Einstein radius."""

import autolens as al
import numpy as np
import pytest

from stronglens.lens_models import LENS_MODELS
from stronglens.raytracing import convergence_maps, einstein_radius
from stronglens.raytracing.scene import STOCK, build_lens

SHAPE, PIXEL = (24, 20), 0.2

SCENE = {
    "lens_center_x": 0.07, "lens_center_y": -0.03, "lens_ellip_x": 0.15, "lens_ellip_y": -0.2, "lens_intensity": 0.4,
    "lens_effect": 0.8, "lens_sersic": 3.5, "src_center_x": 0.0, "src_center_y": 0.0, "src_ellip_x": 0.0,
    "src_ellip_y": 0.0, "src_intensity": 1.0, "src_effect": 0.2, "src_sersic": 1.0, "masslight_ratio": 1.5,
    "disk_intensity": 0.07, "disk_effect": 1.6, "disk_ellip_x": -0.1, "disk_ellip_y": 0.12,
    "disk_masslight_ratio": 1.45, "halo_kappa": 0.05, "halo_radius": 30.0, "einstein_radius_sie": 1.1, "shear_1": 0.03,
    "shear_2": 0.02, "mass_slope": 2.15,
}  # fmt: skip


def stock_map(lens_model, rays):
    """Return the mean of PyAutoLens's convergence over rays x rays positions in each pixel."""
    masses, _ = build_lens(lens_model, SCENE, STOCK)
    y, x = (((np.arange(side * rays) + 0.5) / rays - side / 2) * PIXEL for side in SHAPE)
    grid = al.Grid2DIrregular(np.stack(np.meshgrid(-y, x, indexing="ij"), axis=-1).reshape(-1, 2))
    total = sum(
        np.asarray(mass.convergence_2d_from(grid=grid)) for name, mass in masses.items() if name != "shear"
    ).reshape(SHAPE[0], rays, SHAPE[1], rays)
    return total.mean(axis=(1, 3))


@pytest.mark.parametrize("lens_model", LENS_MODELS)
def test_maps_agree_with_pyautolens(lens_model):
    scene = {name: np.array([value]) for name, value in SCENE.items()}
    (found,) = convergence_maps(lens_model, scene, SHAPE, PIXEL)
    expected = stock_map(lens_model, 20)
    error = np.abs(found / expected - 1)
    # The mean of 20 x 20 positions is itself inaccurate in the pixel with the centre, where the convergence is
    # infinite, and by 1e-3 beside it.
    error[12, 10] = 0
    assert error.max() < 2e-3
    error[11:14, 9:12] = 0
    assert error.max() < 2e-4


@pytest.mark.parametrize("slope", [1.5, 2.0, 2.4])
def test_the_central_pixel_of_an_infinite_convergence(slope):
    """The mean of a round power law over a square around its centre is known as an integral over the angle."""
    scene = SCENE | {"lens_ellip_x": 0.0, "lens_ellip_y": 0.0, "lens_center_x": 0.0, "lens_center_y": 0.0}
    scene = {name: np.array([value]) for name, value in (scene | {"mass_slope": slope}).items()}
    (found,) = convergence_maps("powerlaw", scene, (5, 5), PIXEL)
    angle = np.linspace(0, np.pi / 4, 20_001)
    reach = PIXEL / 2 / np.cos(angle)
    expected = 8 * np.trapezoid((3 - slope) / 2 * 1.1 ** (slope - 1) * reach ** (3 - slope) / (3 - slope), angle)
    assert found[2, 2] == pytest.approx(expected / PIXEL**2, rel=0.005)  # 2.4 is beyond the default prior


@pytest.mark.parametrize("lens_model", LENS_MODELS)
def test_the_mean_convergence_within_the_einstein_radius_is_one(lens_model):
    scene = {name: np.array([value]) for name, value in SCENE.items()}
    pixel = 0.02
    (found,) = convergence_maps(lens_model, scene, (220, 220), pixel)
    y, x = ((np.arange(220) - 109.5) * pixel for _ in range(2))
    radius = np.hypot(x[None] - 0.07, -y[:, None] + 0.03)
    within = radius < einstein_radius(lens_model, scene)[0]
    assert found[within].mean() == pytest.approx(1, abs=0.01)  # pixels at the rim are in or out as a whole

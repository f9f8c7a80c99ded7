import numpy as np

from stronglens.raytracing.pixelised import brightness_at, start_rays, trace_rays


def test_rays_are_traced_as_a_singular_isothermal_sphere_deflects():
    rays = start_rays((6, 8), 0.3, 2)
    row = {name: 0.0 for name in ("lens_center_x", "lens_center_y", "lens_ellip_x", "lens_ellip_y")}
    row |= {"lens_intensity": 1.0, "lens_effect": 1.0, "lens_sersic": 1.0, "shear_1": 0.0, "shear_2": 0.0}
    traced = trace_rays("sie", row | {"einstein_radius_sie": 1.2}, rays)
    expected = rays * (1 - 1.2 / np.hypot(*rays.T))[:, None]
    np.testing.assert_allclose(traced, expected, atol=1e-5)  # PyAutoLens's spheres are ellipses of 0.99999


def test_rays_start_at_the_upper_left():
    rays = start_rays((2, 3), 1.0, 2)
    assert rays.shape == (24, 2)
    np.testing.assert_allclose(rays[:4], [[0.75, -1.25], [0.75, -0.75], [0.25, -1.25], [0.25, -0.75]])


def test_an_array_of_pixels_is_zero_beyond_its_edge():
    light = np.array([[1.0, 2.0], [3.0, 4.0]])
    found = brightness_at(light, np.zeros(2), 0.5, np.array([[0.0, 0.0], [0.5, 0.25], [9.0, 9.0]]))
    np.testing.assert_allclose(found, [1, 3.5, 0])

"""Lenses with a galaxy between lens and source, against PyAutoLens's own multi-plane ray tracing."""

import numpy as np
import pytest
from astropy.cosmology import Planck18

from stronglens import cosmology
from stronglens.raytracing import ImageRenderer
from stronglens.raytracing.reference import render_with_tracer

NUMBER, SHAPE = 6, (24, 24)


@pytest.fixture(scope="module")
def lenses():
    random = np.random.default_rng(2)

    def draw(low, high):
        return random.uniform(low, high, NUMBER)

    redshifts = np.stack([draw(0.2, 0.5), draw(0.6, 1.2), draw(1.5, 3)], axis=1)
    scene = {f"{galaxy}_ellip_{axis}": draw(-0.2, 0.2) for galaxy in ("lens", "src", "middle") for axis in "xy"}
    scene |= {f"{galaxy}_center_{axis}": draw(-0.2, 0.2) for galaxy in ("lens", "src", "middle") for axis in "xy"}
    scene |= {f"{galaxy}_effect": draw(0.3, 0.5) for galaxy in ("lens", "src", "middle")}
    scene |= {f"{galaxy}_sersic": draw(0.8, 1.2) for galaxy in ("lens", "src", "middle")}
    scene |= {"lens_intensity": draw(0.1, 0.2), "src_intensity": draw(1, 2), "middle_intensity": draw(1, 2)}
    scene |= {"einstein_radius_sie": draw(0.6, 0.9), "middle_einstein_radius": draw(0.1, 0.4)}
    scene |= {"shear_1": draw(-0.05, 0.05), "shear_2": draw(-0.05, 0.05)}
    return scene | {"beta": cosmology.plane_scale(*redshifts.T)}, redshifts


@pytest.mark.parametrize("lens_rays", [None, 2])
def test_images_are_those_of_pyautolens(lenses, lens_rays):
    scene, redshifts = lenses
    expected = render_with_tracer("sie", True, scene, SHAPE, 0.1, 2, redshifts=redshifts)
    renderer = ImageRenderer(
        "sie", True, SHAPE, 0.1, 2, chunk_size=8, integrate_cusp=False, middle=True, lens_rays=lens_rays
    )
    planes = renderer.render_planes(scene)
    assert planes.shape == (3, NUMBER, *SHAPE)
    # Single precision; the largest difference of 16 lenses was 7e-6 of the peak in a prototype.
    assert np.abs(planes.sum(axis=0) - expected).max() / expected.max() < 2e-5
    # Each light is seen: that of the lens is what a call returns.
    source, lens = renderer(scene)
    np.testing.assert_array_equal([source, lens], planes[:2])
    assert (planes.max(axis=(1, 2, 3)) > 0.1).all()


def test_a_nearer_source_is_deflected_less():
    z = 0.5, 1.0, 2.0
    lens, middle, source = (Planck18.comoving_distance(redshift).value for redshift in z)
    expected = (1 - lens / middle) / (1 - lens / source)  # in a flat universe
    assert cosmology.plane_scale(*z) == pytest.approx(expected, rel=1e-6)
    assert cosmology.plane_scale(0.5, 1.0, 1.0) == pytest.approx(1)
    assert cosmology.plane_scale(0.5, 0.5, 2.0) == pytest.approx(0)

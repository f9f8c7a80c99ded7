"""COOLEST files: what PyAutoLens reads back is the lens that was written."""

import json

import autolens as al
import numpy as np
import pytest
from autolens.interop.coolest import from_coolest

from stronglens.parameters import RunError
from stronglens.raytracing.coolest import write_coolest
from stronglens.raytracing.scene import STOCK, build_lens

INTENSITIES = ("lens_intensity", "src_intensity")


@pytest.fixture
def scene(draw_scenes):
    drawn = draw_scenes("sie", 1, lens_ellip_x=0.2, lens_ellip_y=0.1)
    return {name: float(values[0]) for name, values in drawn.items()}


@pytest.fixture
def samples(scene):
    rng = np.random.default_rng(0)
    return {name: value + 0.01 * rng.normal(size=200) for name, value in scene.items() if name not in INTENSITIES}


def parameters_of(template, entity, kind="mass_model"):
    return template["lensing_entities"][entity][kind][0]["parameters"]


def test_the_same_lens_is_read_back(scene, samples, tmp_path):
    path = write_coolest(tmp_path / "deep" / "lens.json", scene, samples, (0.3, 0.9), (40, 50), 0.05, zero_point=25.94)
    tracer = from_coolest(str(path))
    grid = al.Grid2D.uniform((11, 11), 0.4)
    masses, lights = build_lens("sie", scene, STOCK)
    expected = sum(np.asarray(mass.deflections_yx_2d_from(grid).array) for mass in masses.values())
    found = np.asarray(tracer.deflections_yx_2d_from(grid).array)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    expected = np.asarray(lights["light"].image_2d_from(grid).array)
    np.testing.assert_allclose(np.asarray(tracer.galaxies[0].light_0.image_2d_from(grid).array), expected, rtol=1e-9)
    assert [galaxy.redshift for galaxy in tracer.galaxies] == [0.3, 0.9]
    assert [file.name for file in path.parent.iterdir()] == ["lens.json"]


def test_the_template_is_in_coolests_conventions(scene, samples, tmp_path):
    template = json.loads(write_coolest(tmp_path / "a.json", scene, samples, (0.3, 0.9), (40, 50), 0.05).read_text())
    mass = parameters_of(template, 0)
    assert mass["theta_E"]["point_estimate"]["value"] == pytest.approx(scene["einstein_radius_sie"])
    east_of_north = np.degrees(np.arctan2(0.1, 0.2)) / 2 - 90  # from +y; ours is from +x
    assert mass["phi"]["point_estimate"]["value"] == pytest.approx(east_of_north)
    e = np.hypot(0.2, 0.1)
    assert mass["q"]["point_estimate"]["value"] == pytest.approx((1 - e) / (1 + e))
    assert template["observation"]["pixels"]["num_pix_x"] == 50
    assert template["instrument"]["pixel_size"] == 0.05


def test_the_posterior_is_in_it_and_angles_do_not_wrap(scene, samples, tmp_path):
    along_x = scene | {"lens_ellip_x": 0.2, "lens_ellip_y": 0.0}  # 90 degrees or -90, as it falls
    drawn = samples | {"lens_ellip_x": np.full(200, 0.2), "lens_ellip_y": np.linspace(-0.01, 0.01, 200)}
    template = json.loads(write_coolest(tmp_path / "a.json", along_x, drawn, (0.3, 0.9), (40, 40), 0.05).read_text())
    mass = parameters_of(template, 0)
    spread = mass["phi"]["posterior_stats"]["percentile_84th"] - mass["phi"]["posterior_stats"]["percentile_16th"]
    assert spread == pytest.approx(0.68 * np.degrees(0.05), rel=0.05)  # of angles evenly within 0.01 / 0.2 / 2 radian
    stats = mass["theta_E"]["posterior_stats"]
    assert stats["median"] == pytest.approx(np.median(samples["einstein_radius_sie"]))
    assert parameters_of(template, 2, "light_model")["I_eff"]["posterior_stats"]["mean"] is None


def test_a_dark_lens_has_no_light(scene, samples, tmp_path):
    path = write_coolest(tmp_path / "a.json", scene, samples, (0.3, 0.9), (40, 40), 0.05, lens_light=False)
    assert json.loads(path.read_text())["lensing_entities"][0]["light_model"] == []


def test_what_coolest_does_not_admit_is_refused(scene, samples, tmp_path):
    with pytest.raises(RunError, match="behind"):
        write_coolest(tmp_path / "a.json", scene, samples, (0.9, 0.3), (40, 40), 0.05)
    with pytest.raises(RunError, match="does not admit"):  # indices below 0.5
        write_coolest(tmp_path / "a.json", scene | {"src_sersic": 0.4}, samples, (0.3, 0.9), (40, 40), 0.05)
    assert not (tmp_path / "a.json").exists()

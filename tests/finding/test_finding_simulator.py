"""Simulated images of lenses and non-lenses."""

import numpy as np
import pytest

import params_and_cli as panel
from generate_data import main
from stronglens.dataset import load_dataset
from stronglens.finding.classes import KINDS
from stronglens.finding.non_lenses import draw_kinds, draw_scenes
from stronglens.finding.simulator import make_simulator
from stronglens.parameters import UsageError
from stronglens.parameters.command_line import parse_command


def test_lenses_obey_the_rule_and_others_do_not(simulated):
    images, labels, rejected = simulated
    assert images.shape == (40, 42, 42, 4)
    assert np.isfinite(images).all()
    is_lens = labels["kind"] == KINDS.index("lens")
    assert is_lens.sum() == pytest.approx(24, abs=9)  # 0.6 of 40, three standard deviations
    assert set(labels["group"][is_lens]) <= {1, 2}
    assert (labels["snr"][is_lens] >= 20).all()
    assert (labels["einstein-radius-sie"][is_lens] >= 0.5).all()
    assert (labels["einstein-radius-sie"][is_lens] <= 2.6).all()
    certain = labels["group"] == 1
    assert (labels["magnification"][certain] > 1.6).all()
    assert (labels["arc-pixels"][certain] > 20).all()
    assert not certain[~is_lens].any()
    assert (labels["snr"][~is_lens & (labels["kind"] != KINDS.index("single-image"))] == 0).all()
    assert set(rejected) <= {"snr-min", "lens-is-none", "single-image-is-a-lens"}
    assert all(np.isfinite(values).all() for values in labels.values())


def test_an_image_depends_on_its_index_alone(four_bands, simulated):
    images, labels, _ = four_bands.simulate([7, 3])
    np.testing.assert_array_equal(images, simulated[0][[7, 3]])
    assert all(np.array_equal(values, simulated[1][name][[7, 3]]) for name, values in labels.items())


def test_flux_of_a_galaxy_in_each_band_is_that_of_its_magnitude(four_bands):
    kinds = np.array([KINDS.index("lone")] * 30)
    draws = draw_scenes(0, range(30), kinds, 0, four_bands.field_radius)
    small = np.flatnonzero(draws["lens-effect"] < 0.4)[:8]
    draws = {name: values[small] | 0 if values.dtype == int else values[small] for name, values in draws.items()}
    lights = four_bands.renderer(draws, kinds[small])
    for name, camera in four_bands.cameras.items():
        rate = camera.blur(four_bands._sum(draws, lights, name, np.arange(len(small))))
        expected = 10 ** (0.4 * (camera.band.zero_point - draws[f"lens-magnitude-{name.lower()}"]))
        inside = rate.sum(axis=(1, 2)) / expected
        # A field of 4.2 arcsec has all but 15 % of the light of a de Vaucouleurs profile of less than 0.4 arcsec.
        assert (inside > 0.85).all()
        assert (inside < 1.01).all()


def test_objects_and_noise_are_the_same_in_any_band(simulated):
    one = make_simulator(panel.FindingSimulation(bands=("H",), grid_size=42, lens_share=0.6, seed=1))
    images, labels, _ = one.simulate(range(10))
    np.testing.assert_array_equal(images, simulated[0][:10, ..., 3])
    assert all(np.array_equal(values, simulated[1][name][:10]) for name, values in labels.items())


def test_a_source_without_mass_is_not_magnified(four_bands):
    draws = draw_scenes(0, range(4), np.zeros(4, int), 0, four_bands.field_radius)
    draws |= {
        name: np.zeros(4) for name in ("einstein-radius-sie", "shear-1", "shear-2", "src-center-x", "src-center-y")
    }
    found = four_bands._measure(draws, four_bands.renderer(draws, np.zeros(4, int)), np.zeros(4, int))
    # All but the faint outskirts are in the field.
    np.testing.assert_allclose(found["magnification"], 1, atol=0.05)
    assert (found["group"] == 0).all()


def test_kinds_have_their_shares():
    simulator = make_simulator(panel.FindingSimulation(nonlens_shares=("ring=3", "lone=1"), lens_share=0.2))
    kinds = draw_kinds(0, range(2000), simulator.shares, 0.2)
    counts = [np.mean(kinds == KINDS.index(kind)) for kind in ("lens", "ring", "lone")]
    assert counts == pytest.approx([0.2, 0.6, 0.2], abs=0.035)  # three standard deviations of 0.011


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"bands": ("VIS", "K")}, "different bands of VIS,Y,J,H"),
        ({"pixel_scale": 0.2}, "must be 0.1 or 0.3"),
        ({"bands": ("J",), "grid_size": 64}, "multiple of 3"),
        ({"nonlens_shares": ("star=1",)}, "must be KIND=SHARE"),
        ({"nonlens_shares": ("ring=0",)}, "above 0"),
    ],
)
def test_what_does_not_fit_is_refused(wrong, message):
    with pytest.raises(UsageError, match=message):
        make_simulator(panel.FindingSimulation(**wrong))


@pytest.mark.parametrize(("preset", "side", "scale"), [("ou66", 66, 0.3), ("ou200", 198, 0.1)])
def test_presets_have_fields_of_20_arcsec(preset, side, scale):
    parameters = parse_command(
        panel.COMMANDS, [f"--preset={preset}"], program="generate_data.py", overrides=panel.OVERRIDES,
        examples=panel.EXAMPLES["generate_data.py"], version="0", presets=panel.PRESETS,
    )  # fmt: skip
    described = make_simulator(parameters).describe()
    assert described["image-shape"] == [side, side, 4]
    assert described["telescope"]["pixel-scale"] == scale
    assert described["bands"] == ["J", "Y", "H", "VIS"]


@pytest.mark.command
@pytest.mark.parametrize("bands", ["H", "VIS,H"])
def test_generate_data(tmp_path, bands):
    main(["--task=finding", f"--bands={bands}", "-n=12", "--grid-size=42", "--quiet", f"--dataset-dir={tmp_path}"])
    dataset = load_dataset(tmp_path, "finding")
    assert dataset.images.shape == ((12, 42, 42) if bands == "H" else (12, 42, 42, 2))
    assert dataset.manifest["bands"] == bands.split(",")
    assert dataset.manifest["classes"] == ["non-lens", "lens", "doubtful"]
    assert set(dataset.labels["group"]) <= {0, 1, 2}

import json
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from parameter_strategies import valid_values

import params_and_cli as panel
from stronglens.parameters import (
    Column,
    Range,
    RunError,
    UsageError,
    applicable,
    columns,
    from_manifest,
    ranges,
    to_manifest,
)

SLOW_TO_DRAW = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)


def simulation(**values):
    return panel.RegressionSimulation.of(panel.OVERRIDES, **values)


def test_values_become_what_was_declared():
    parameters = simulation(src_redshift_range=[1, 2], src_center_x_range=0, pixel_scale=1, dataset_dir="there")
    assert parameters.src_redshift_range == Range(1.0, 2.0)
    assert parameters.src_center_x_range == Range(0.0, 0.0)
    assert isinstance(parameters.pixel_scale, float)
    assert parameters.dataset_dir == Path("there")
    assert simulation(generated_number=1e3).generated_number == 1000
    assert panel.RegressionTraining(labels=["a", "b"]).labels == ("a", "b")


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"seed": True}, "--seed must be a whole number between 0 and 2^63-1; received True"),
        ({"seed": 1.5}, "--seed must be a whole number between 0 and 2^63-1; received 1.5"),
        ({"seed": math.nan}, "--seed must be a whole number between 0 and 2^63-1; received nan"),
        ({"pixel_scale": "0.1"}, "--pixel-scale must be a number between 0.001 and 10; received 0.1"),
        ({"pixel_scale": False}, "--pixel-scale must be a number between 0.001 and 10; received False"),
        ({"pixel_scale": math.inf}, "--pixel-scale must be finite; received inf"),
        ({"pixel_scale": 10**400}, "--pixel-scale must be finite; received 1000"),
        ({"pixel_scale": None}, "--pixel-scale must be a number between 0.001 and 10; received None"),
        ({"src_center_var": -0.1}, "--src-center-var must be a number between 0 and 10; received -0.1"),
        ({"src_redshift_range": (2, 1)}, "a range with its lower end first; received 2,1"),
        ({"src_redshift_range": (1, 2, 3)}, "--src-redshift-range must be a number or low,high"),
        ({"src_redshift_range": (1, True)}, "--src-redshift-range must be a number or low,high"),
        ({"src_redshift_range": (1, 21)}, "--src-redshift-range must be a number or low,high between 0.001 and 20"),
        ({"telescope": "keck"}, "--telescope must be euclid, hst"),
        ({"telescope": 3}, "--telescope must be euclid, hst"),
        ({"force": 1}, "--force must be true or false; received 1"),
        ({"dataset_dir": ""}, "--dataset-dir must be a path that is not empty"),
        ({"dataset_dir": "a\0b"}, "--dataset-dir must be a path without control characters"),
    ],
)
@pytest.mark.parametrize("make", [simulation, panel.RegressionSimulation])
def test_what_will_not_do_is_refused_in_one_line(make, values, line):
    with pytest.raises(UsageError) as refusal:
        make(**values)
    assert line in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("labels", [(), ("a", "a"), ("a", ""), "a,b", (1,)])
def test_names_are_some_and_differ(labels):
    with pytest.raises(UsageError, match="--labels must be"):
        panel.RegressionTraining(labels=labels)


def test_a_choice_brings_its_defaults_unless_they_are_given():
    assert (simulation().grid_size, simulation().pixel_scale) == (64, 0.1)
    hubble = simulation(telescope="hst", pixel_scale=0.04)
    assert (hubble.grid_size, hubble.pixel_scale) == (128, 0.04)


def test_parameters_that_do_not_apply_are_refused():
    with pytest.raises(UsageError, match="--disk-effect-range does not apply with --lens-model=sie"):
        simulation(lens_model="sie", disk_effect_range=(1, 2))
    with pytest.raises(UsageError, match="omit it or use --lens-model=sie"):
        simulation(einstein_radius_range=(1, 2))
    with pytest.raises(UsageError, match="exclude each other"):
        simulation(lens_model="sie", einstein_radius_range=1, velocity_dispersion_range=200)
    with pytest.raises(TypeError, match="unknown"):
        simulation(unknown=3)


def test_columns_are_what_is_drawn():
    drawn = columns(simulation(src_center_x_range=(0.1, 0.2), src_center_var=0.3))
    assert drawn["src-center-x"] == Column(
        "src-center-x", "arcsec", r"x_{\rm src}", drawn["src-center-x"].help, prior=(0.1, 0.2),
        spin=1, pair=("src-center-x", "src-center-y"),
    )  # fmt: skip
    assert drawn["src-center-y"].prior == (-0.3, 0.3)
    assert {"disk-effect", "halo-kappa", "masslight-ratio"} <= drawn.keys()
    assert not {"velocity-dispersion", "shear-1", "einstein-radius-sie", "snr-wanted"} & drawn.keys()
    assert "src-center" not in drawn


def test_an_isothermal_lens_is_drawn_by_dispersion_or_by_radius():
    dispersion = ranges(simulation(lens_model="sie"))
    radius = ranges(simulation(lens_model="sie", einstein_radius_range=(1, 2)))
    assert dispersion.keys() - radius.keys() == {"velocity-dispersion"}
    assert radius.keys() - dispersion.keys() == {"einstein-radius-sie"}
    assert not any(name.startswith(("disk", "halo", "masslight")) for name in dispersion)


def test_a_half_width_of_zero_fixes_both_components():
    fixed = ranges(simulation(src_center_var=0))
    assert fixed["src-center-x"] == fixed["src-center-y"] == Range(0, 0)
    assert str(fixed["src-center-x"]) == "0.0,0.0"


@SLOW_TO_DRAW
@given(valid_values(panel.RegressionSimulation))
def test_ranges_and_columns_agree(values):
    parameters = simulation(**values)
    assert {name: tuple(vars(found).values()) for name, found in ranges(parameters).items()} == {
        name: column.prior for name, column in columns(parameters).items()
    }
    order = [item.column_name for item in applicable(parameters).values() if item.is_drawn]
    assert list(ranges(parameters)) == [name for name in order if name in ranges(parameters)]


@SLOW_TO_DRAW
@given(valid_values(panel.RegressionSimulation))
def test_a_manifest_brings_back_what_an_image_depends_on(values):
    parameters = simulation(**values)
    entries = json.loads(json.dumps(to_manifest(parameters)))
    again = from_manifest(panel.RegressionSimulation, entries, panel.OVERRIDES)
    assert to_manifest(again) == to_manifest(parameters)
    assert ranges(again) == ranges(parameters)


def test_a_manifest_holds_what_applies_and_matters():
    entries = to_manifest(simulation(lens_model="sie", src_redshift_range=(1, 3), force=True, quiet=True))
    assert entries["src-redshift-range"] == [1.0, 3.0]
    assert entries["lens-model"] == "sie"
    assert not {"disk-effect-range", "force", "resume", "dry-run", "quiet", "dataset-dir"} & entries.keys()


@pytest.mark.parametrize("entries", [{"unknown": 1}, {"seed": "x"}, {"disk-effect-range": [1, 2], "lens-model": "sie"}])
def test_a_foreign_manifest_is_refused(entries):
    with pytest.raises(RunError, match="manifest"):
        from_manifest(panel.RegressionSimulation, entries)

"""Presets: where their values stand among the others, and what is said of one that will not do."""

import contextlib
import io
import json

import pytest

import params_and_cli as panel
from stronglens.parameters import Range, UsageError, from_manifest, parse, to_manifest

COMMANDS = {program: tasks["regression"] for program, tasks in panel.COMMANDS.items()}


def read(*argv, program="generate_data.py"):
    return parse(
        COMMANDS[program], argv, program=program, version="1", overrides=panel.OVERRIDES, presets=panel.PRESETS
    )  # fmt: skip


@pytest.fixture
def file(tmp_path):
    def write(text, name="mine.toml"):
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return write


def test_command_line_wins_over_config_over_preset_over_choice_over_default(file):
    preset = file("[generate_data]\ntelescope = 'hst'\ngrid-size = 100\nseed = 5\nread-noise = 3\n")
    config = file("seed = 6\nread-noise = 2\n", "config.toml")
    parameters = read("--seed=7", f"--config={config}", f"--preset={preset}")
    assert (parameters.seed, parameters.read_noise, parameters.grid_size) == (7, 2, 100)
    assert parameters.pixel_scale == 0.05  # of --telescope=hst
    assert parameters.exposures == 4  # of the declaration
    named_in_config = file(f"preset = {preset!r}\nseed = 6\n", "config.toml")
    assert read(f"--config={named_in_config}").grid_size == 100
    assert read(f"--config={named_in_config}").seed == 6


def test_what_is_asked_for_makes_a_preset_give_way(file):
    preset = "--preset=slacs"
    assert read(preset, "-sigma=250").einstein_radius_range is None
    assert read(preset, "--exposure-time=1000").exposure_time_range is None
    assert read(preset, "-li=0.1").lens_magnitude_range is None
    composite = read(preset, "--lens-model=composite")
    assert composite.lens_magnitude_range is None
    assert composite.grid_size == 96  # what still means something stays
    gaussian = file("psf-model = 'gaussian'\nvelocity-dispersion-range = 250\npsf-fwhm = 0.1\n")
    parameters = read(preset, f"--config={gaussian}")
    assert parameters.psf_fwhm == 0.1
    assert parameters.einstein_radius_range is None
    own = file("[generate_data]\nsrc-center-x-range = [0, 0.1]\n")
    assert read(f"--preset={own}").src_center_x_range == Range(0, 0.1)
    assert read(f"--preset={own}", "-sc=0.3").src_center_x_range is None


@pytest.mark.parametrize("program", COMMANDS)
@pytest.mark.parametrize("name", ["slacs", "euclid"])
def test_configuration_in_effect_and_manifest_give_a_preset_back(file, program, name):
    argv = [f"--preset={name}", "--seed=3"]
    parameters = read(*argv, program=program)
    with contextlib.redirect_stdout(io.StringIO()) as out, pytest.raises(SystemExit):
        read(*argv, "--print-config", program=program)
    assert f'preset = "{name}"' in out.getvalue()
    assert read(f"--config={file(out.getvalue())}", program=program) == parameters
    manifest = json.loads(json.dumps(to_manifest(parameters)))
    assert manifest["preset"] == name
    assert to_manifest(from_manifest(COMMANDS[program], manifest, panel.OVERRIDES)) == to_manifest(parameters)


@pytest.mark.parametrize("name", ["slacs", "euclid"])
def test_the_two_commands_of_a_preset_are_a_pair(name):
    simulation, training = (read(f"--preset={name}", program=program) for program in COMMANDS)
    assert simulation.dataset_dir == training.dataset_dir
    assert training.model_file.stem == name


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[generate_data]\ngrid-siz = 3", "mine.toml: unknown key grid-siz; did you mean grid-size?"),
        ("[generate_data]\ngrid-size = 3", "mine.toml: grid-size must be"),
        ("[generate_data]\nlabels = ['a']", "mine.toml: unknown key labels"),
        ("[generate_data]\npreset = 'slacs'", "mine.toml: a preset cannot name another preset"),
        ("[generate-data]\ngrid-size = 30", "mine.toml: generate-data is not a table of a preset"),
        ("grid-size = 30", "mine.toml: grid-size is not a table of a preset"),
        ("grid-size = 30", "give a file without tables with --config=mine.toml"),
        ("[model_and_figures]\nepochs = 3", "mine.toml: has no table [generate_data]"),
        ("[generate_data", "mine.toml: is not a TOML file"),
    ],
)
def test_a_file_that_will_not_do_is_refused_in_one_line(file, monkeypatch, tmp_path, text, line):
    file(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as refusal:
        read("--preset=mine.toml")
    assert line in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_preset_s_name_ignores_case():
    assert to_manifest(read("--preset=SLACS")) == to_manifest(read("--preset=slacs"))


def test_an_unknown_preset_is_refused_with_those_there_are():
    with pytest.raises(
        UsageError,
        match=r"euclid, magnet, .*, ou-vis, ou-y, ou200, ou66, slacs, or the path of a \.toml file; received slac$",
    ):
        read("--preset=slac")
    with pytest.raises(UsageError, match=r"none\.toml: file not found"):
        read("--preset=none.toml")

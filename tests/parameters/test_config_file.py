import contextlib
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from parameter_strategies import valid_values

import params_and_cli as panel
from stronglens.parameters import Range, UsageError, declarations, parse, parse_command

COMMANDS = [cls for tasks in panel.COMMANDS.values() for cls in tasks.values()]
SLOW_TO_DRAW = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)


def read(*argv, cls=panel.RegressionSimulation, **more):
    return parse(cls, argv, program="command.py", version="1.2.3", overrides=panel.OVERRIDES, **more)


def read_command(program, *argv):
    return parse_command(panel.COMMANDS, argv, program=program, overrides=panel.OVERRIDES, presets=panel.PRESETS)


def printed_config(*argv, cls=panel.RegressionSimulation):
    with contextlib.redirect_stdout(io.StringIO()) as out, pytest.raises(SystemExit):
        read(*argv, "--print-config", cls=cls)
    return out.getvalue()


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "run.toml"
        path.write_text(text)
        return f"--config={path}"

    return write


def test_entries_are_written_as_one_likes(file):
    parameters = read(
        file(
            'seed = 3\nsrc-redshift-range = [1, 2.5]\nlens_redshift_range = "0.3,0.4"\nsrc-center-x-range = 0.1\n'
            'src-serisic-range = 2\nforce = true\ndataset-dir = "there"\ngrid-size = 32.0\nsrc-center-var = [-1, 1]\n'
        )
    )
    assert parameters.seed == 3
    assert parameters.src_redshift_range == Range(1, 2.5)
    assert parameters.lens_redshift_range == Range(0.3, 0.4)
    assert parameters.src_center_x_range == Range(0.1, 0.1)
    assert parameters.src_sersic_range == Range(2, 2)
    assert parameters.force
    assert str(parameters.dataset_dir) == "there"
    assert parameters.grid_size == 32
    assert parameters.src_center_var == 1


def test_command_line_wins_over_file_over_choice_over_default(file):
    config = file("telescope = 'hst'\ngrid-size = 100\nseed = 5\n")
    parameters = read(config, "--seed=6")
    assert parameters.seed == 6
    assert parameters.grid_size == 100  # not the 128 of --telescope=hst
    assert parameters.pixel_scale == 0.05  # not the 0.1 of the declaration
    assert read("--telescope=none", config).pixel_scale == 0.1
    assert read("--grid-size=90", config).grid_size == 90


def test_a_choice_on_the_command_line_makes_a_file_give_way(file):
    composite = file("lens-model = 'composite'\ndisk-effect-range = [1, 2]\n")
    assert read(composite, "--lens-model=sie") == read("--lens-model=sie")
    isothermal = file("lens-model = 'sie'\nvelocity-dispersion-range = [100, 200]\n")
    assert read(isothermal, "-er=1,2") == read("--lens-model=sie", "-er=1,2")
    isothermal = file("lens-model = 'sie'\neinstein-radius-range = 1\n")
    assert read(isothermal, "-sigma=200") == read("--lens-model=sie", "-sigma=200")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("grid-siz = 3", "unknown key grid-siz; did you mean grid-size?"),
        ("[telescope]\ngrid-size = 3", "telescope must be euclid, hst"),
        ("[other]\ngrid-size = 3", "unknown key other"),
        ("config = 'a'", "unknown key config"),
        ("seed = 1\nseed = 2", "is not a TOML file"),
        ("grid_size = 20\ngrid-size = 30", "grid-size is given twice"),
        ("seed = ", "is not a TOML file"),
        ("seed = '3'", "seed must be a whole number between 0 and 2^63-1; received 3"),
        ("seed = true", "seed must be a whole number"),
        ("pixel-scale = nan", "pixel-scale must be finite"),
        ("src-redshift-range = [2, 1]", "src-redshift-range must be a range with its lower end first"),
        ("src-redshift-range = [1, 'a']", "src-redshift-range must be a number or low,high"),
        ("src-redshift-range = 1979-05-27", "src-redshift-range must be"),
        ("force = 1", "force must be true or false"),
        ("lens-model = 'sie'\ndisk-effect-range = 1", "--disk-effect-range does not apply with --lens-model=sie"),
        ("lens-model='sie'\neinstein-radius-range=1\nvelocity-dispersion-range=200", "exclude each other"),
        ("a = " + "[" * 5000, "is not a TOML file"),
        ("seed = " + "1" * 5000, "is not a TOML file"),
    ],
)
def test_what_will_not_do_is_refused_in_one_line(file, text, line):
    with pytest.raises(UsageError) as refusal:
        read(file(text))
    assert line in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_choices_ignore_case(file):
    assert read(file("telescope = 'HST'\nlens_model = 'Sie'")) == read("--telescope=hst", "--lens-model=sie")


@pytest.mark.parametrize("table", ["generate_data", "model_and_figures", "generate-data"])
def test_a_file_of_the_layout_of_a_preset_is_named_as_one(file, table):
    given = file(f"[{table}]\nseed = 3\n")
    with pytest.raises(UsageError, match=r"this is a preset: give it with --preset=.*/run\.toml$"):
        read(given)


@pytest.mark.parametrize("name", ["slacs", "SLACS"])
def test_the_name_of_a_preset_is_named_as_one(name):
    with pytest.raises(UsageError, match=r"this is a preset: give it with --preset=slacs$"):
        read(f"--config={name}", presets=panel.PRESETS)


def test_a_key_of_the_other_command_is_named_as_such(file):
    with pytest.raises(UsageError, match=r": epochs belongs to model_and_figures\.py"):
        read_command("generate_data.py", file("epochs = 3"))


def test_what_a_command_says_of_a_file_is_what_reading_it_says(tmp_path):
    with pytest.raises(UsageError, match=r"this is a preset: give it with --preset=slacs$"):
        read_command("generate_data.py", "--config=slacs")
    with pytest.raises(UsageError, match=r"none\.toml: file not found$"):
        read_command("generate_data.py", "--config=none.toml")
    with contextlib.redirect_stdout(io.StringIO()) as out, pytest.raises(SystemExit):
        read_command("generate_data.py", "--config=none.toml", "--help")
    assert "usage: generate_data.py" in out.getvalue()


def test_a_key_of_another_task_is_named_as_such(file):
    with pytest.raises(UsageError, match=": vortex-points applies to --task=substructure"):
        read_command("generate_data.py", file("vortex_points = 30"))
    with pytest.raises(UsageError, match="src-clumps applies to --task=regression"):
        read_command("generate_data.py", file("task = 'substructure'\nsrc_clumps = 3"), "--task=substructure")


def test_a_file_names_the_task(file):
    found = read_command("generate_data.py", file("task = 'Substructure'\nvortex_points = 30"))
    assert (found.task, found.vortex_points) == ("substructure", 30)


def test_a_file_written_for_another_task_gives_way_to_the_command_line(file):
    found = read_command("generate_data.py", file("src_clumps = 3\nsrc_redshift_range = 2"), "--task=substructure")
    assert found.src_redshift_range.low == 2
    assert read_command("generate_data.py", "--preset=slacs", "--task=substructure").task == "substructure"


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    for path, line in ((tmp_path / "none.toml", "file not found"), (tmp_path, "cannot be read")):
        with pytest.raises(UsageError, match=line):
            read(f"--config={path}")


def test_the_configuration_in_effect_is_printed_with_its_meaning():
    text = printed_config("--telescope=hst", "--lens-model=sie", "-srs=1,3")
    assert "grid-size = 128" in text
    assert "# side of the square images [pixels; 16..1024]" in text
    assert "src-redshift-range = [1.0, 3.0]" in text
    assert "# psf-fits =" in text  # not given
    assert "disk-effect-range" not in text  # does not apply
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("cls", COMMANDS)
@SLOW_TO_DRAW
@given(data=st.data())
def test_what_is_printed_reads_back_the_same(cls, data, tmp_path_factory):
    from stronglens.parameters.config_file import config_text

    parameters = cls.of(panel.OVERRIDES, **data.draw(valid_values(cls)))
    path = tmp_path_factory.getbasetemp() / "round_trip.toml"
    path.write_text(config_text(parameters, "command.py", "1.2.3"), encoding="utf-8")
    assert read("--config", str(path), cls=cls) == parameters


def test_print_config_reads_back_through_the_command_line(file):
    argv = ["--telescope=hst", "-srs=2", "-scx=-0.1,0.2", '--psf-fits=a \\ "b".fits']
    assert read(file(printed_config(*argv))) == read(*argv)


KEYS = st.sampled_from([item.key for cls in COMMANDS for item in declarations(cls).values()])
VALUES = st.sampled_from(
    ["1", "-1", "0.5", "nan", "inf", "true", "'a'", "''", "[]", "[1]", "[1, 2]", "[2, 1]", "['a', 'a']", "{a = 1}",
     "'1,2'", "1979-05-27", "[[1, 2]]", "9223372036854775808", "1e400", "'\\u0000'", '"\\u0000"', '"\\uFFFD"'],
)  # fmt: skip


@pytest.mark.parametrize("cls", COMMANDS)
@SLOW_TO_DRAW
@given(
    content=st.one_of(
        st.binary(max_size=60),
        st.dictionaries(KEYS, VALUES, max_size=4).map(
            lambda entries: "\n".join(f"{key} = {value}" for key, value in entries.items()).encode()
        ),
    )
)
def test_a_garbled_file_is_refused_in_one_line(cls, content, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "garbled.toml"
    path.write_bytes(content)
    try:
        read(f"--config={path}", cls=cls)
        line = ""
    except UsageError as refusal:
        line = str(refusal)
    assert "\n" not in line


def test_a_file_s_choice_gives_way_to_a_task_that_has_others(file):
    given = file('network = "convnext"')
    assert read_command("model_and_figures.py", given).network == "convnext"
    # To the default of the task that the command line asks for.
    assert read_command("model_and_figures.py", given, "--task=substructure").network == "resnet34"
    with pytest.raises(UsageError, match="network must be resnet34"):
        read_command("model_and_figures.py", given, "--task=substructure", "--network=convnext")

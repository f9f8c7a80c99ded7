import contextlib
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from parameter_strategies import argv_for, valid_values

import params_and_cli as panel
from stronglens.parameters import Range, UsageError, declarations, parse, parse_command

COMMANDS = [cls for tasks in panel.COMMANDS.values() for cls in tasks.values()]
SLOW_TO_DRAW = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)


def read(*argv, cls=panel.RegressionSimulation, **more):
    return parse(cls, argv, program="command.py", version="1.2.3", overrides=panel.OVERRIDES, **more)


def printed_by(*argv, **more):
    with contextlib.redirect_stdout(io.StringIO()) as out, pytest.raises(SystemExit) as left:
        read(*argv, **more)
    assert left.value.code == 0
    return out.getvalue()


def refusal_of(*argv, **more):
    with pytest.raises(UsageError) as refusal:
        read(*argv, **more)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


@pytest.mark.parametrize(
    ("argv", "name", "value"),
    [
        (["--src-intensity-range=0.3,1.0"], "src_intensity_range", Range(0.3, 1)),
        (["--src-intensity-range", "0.3,1.0"], "src_intensity_range", Range(0.3, 1)),
        (["-si=.3,1."], "src_intensity_range", Range(0.3, 1)),
        (["-si", "3e-1,1E0"], "src_intensity_range", Range(0.3, 1)),
        (["-si", "0.5"], "src_intensity_range", Range(0.5, 0.5)),
        (["-scx", "-0.5,-1e-1"], "src_center_x_range", Range(-0.5, -0.1)),
        (["-scx", "-.5"], "src_center_x_range", Range(-0.5, -0.5)),
        (["-scx=-1,+2"], "src_center_x_range", Range(-1, 2)),
        (["-sc", "0.5"], "src_center_var", 0.5),
        (["-sc", "-0.5,0.5"], "src_center_var", 0.5),
        (["-n", "1e3"], "generated_number", 1000),
        (["--seed", "9223372036854775807"], "seed", 2**63 - 1),
        (["--force"], "force", True),
        (["--force=true"], "force", True),
        (["--force", "--force=false"], "force", False),
        (["-s", "32", "-s=48"], "grid_size", 48),
        (["--lens-serisic-range=2,3"], "lens_sersic_range", Range(2, 3)),
        (["--src-serisic-range", "1"], "src_sersic_range", Range(1, 1)),
        (["--dataset-dir=a=b c"], "dataset_dir", panel.Path("a=b c")),
        (["--telescope=HST"], "telescope", "hst"),
        (["--telescope=HST"], "grid_size", 128),  # the default that comes with the choice
        (["--lens-model=SIE"], "lens_model", "sie"),
        (["--force=True"], "force", True),
    ],
)
def test_values_are_read(argv, name, value):
    assert getattr(read(*argv), name) == value


@pytest.mark.parametrize(
    ("argv", "files"),
    [
        (["--predict", "a.fits", "b.fits", "--epochs=3"], ("a.fits", "b.fits")),
        (["-p=a.fits,b.fits"], ("a.fits", "b.fits")),
        (["-p", "a.fits", "--quiet", "-p", "b.fits"], ("a.fits", "b.fits")),
        (["-p", "a.fits", "a.fits"], ("a.fits", "a.fits")),
    ],
)
def test_files_may_follow_one_another(argv, files):
    assert read(*argv, cls=panel.RegressionTraining).predict == files


def test_labels_are_a_list_with_commas():
    assert read("-l=a,b", cls=panel.RegressionTraining).labels == ("a", "b")
    assert read("-l=a", "-l=b", cls=panel.RegressionTraining).labels == ("b",)
    assert "unexpected b after -l" in refusal_of("-l", "a", "b", cls=panel.RegressionTraining)


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["-srx=1"], "unknown flag -srx; did you mean -srs?"),  # argparse: -s with the value rx=1
        (["-nonsense"], "unknown flag -nonsense; --help lists them all"),  # argparse: -n
        (["--grid"], "unknown flag --grid"),
        (["--grid-siz=3"], "unknown flag --grid-siz; did you mean --grid-size?"),
        (["--grid_size=3"], "unknown flag --grid_size; did you mean --grid-size?"),
        (["-grid-size=3"], "unknown flag -grid-size; did you mean --grid-size?"),
        (["--srs=1"], "unknown flag --srs; did you mean -srs?"),
        (["-s64"], "unknown flag -s64"),
        (["--"], "unknown flag --;"),
        (["stray"], "unexpected stray"),
        (["--force", "yes"], "unexpected yes after --force"),
        (["-7"], "unexpected -7"),
        ([""], "unexpected ''"),
        (["--grid-size"], "--grid-size needs a value"),
        (["--grid-size", "--force"], "--grid-size needs a value"),
        (["--dataset-dir", "-odd"], "write a value that begins with a hyphen as --dataset-dir=-odd"),
        (["--config"], "--config needs a value"),
        (["--print-config=1"], "--print-config takes no value"),
        (["-srs=1,,2"], "--src-redshift-range must be a number or low,high between 0.001 and 20; received 1,,2"),
        (["-srs=1, 2"], "received '1, 2'"),
        (["-srs=3,1"], "a range with its lower end first; received 3,1"),
        (["-srs", "-inf,3"], "--src-redshift-range must be finite; received -inf,3"),
        (["-srs=1e999"], "--src-redshift-range must be finite; received 1e999"),
        (["-sc=-0.5,0.4"], "--src-center-var must be a number between 0 and 10: the half-width v of -v,v"),
        (["-n=0x10"], "--generated-number must be a whole number"),
        (["-n=1_000"], "--generated-number must be a whole number"),
        (["-n=1.5"], "received 1.5"),
        (["--force=1"], "--force must be true or false; received 1"),
        (["--task=sorting"], "reconstruction, finding, separation or generation; received sorting"),
        (["--dataset-dir="], "--dataset-dir must be a path that is not empty"),
        (["--dataset-dir=\udcff"], "--dataset-dir must be a path without control characters"),  # no UTF-8: not for JSON
        (["-er=1"], "does not apply with --lens-model=composite; omit it or use --lens-model=sie or powerlaw"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_in_one_line(argv, line):
    assert line in refusal_of(*argv)


def test_wrong_values_are_repeated_short():
    assert len(refusal_of("--telescope=" + "x" * 5000)) < 160
    assert "\\x1b" in refusal_of("--telescope=\x1b[31m")


@pytest.mark.parametrize("flag", ["--help", "-h", "-help"])
def test_help_is_printed_whatever_else_is_asked(flag):
    assert "--src-redshift-range" in printed_by("--bogus", flag)


def test_version_is_printed():
    assert printed_by("--version") == "command.py 1.2.3\n"


def test_labels_without_a_value_are_listed():
    def label_help(parameters):
        return f"labels of {parameters.dataset_dir}"

    for argv in (["--labels"], ["-l"], ["--labels="], ["--labels", "--quiet"]):
        text = printed_by(*argv, "--dataset-dir=there", cls=panel.RegressionTraining, label_help=label_help)
        assert text == "labels of there\n"
    assert "--labels needs a value" in refusal_of("--labels", cls=panel.RegressionTraining)
    for argv in (["--predict"], ["--predict="]):
        assert "--predict needs a value" in refusal_of(*argv, cls=panel.RegressionTraining, label_help=label_help)


@pytest.mark.parametrize("cls", COMMANDS)
@SLOW_TO_DRAW
@given(st.data())
def test_any_valid_values_can_be_asked_for(cls, data):
    values = data.draw(valid_values(cls))
    assert read(*data.draw(argv_for(cls, values)), cls=cls) == cls.of(panel.OVERRIDES, **values)


FLAGS = sorted(
    {flag for cls in COMMANDS for item in declarations(cls).values() for flag in (item.flag, f"-{item.shortcut}")}
    | {"--help", "--version", "--config", "--print-config"}
)
PIECES = ["1", "-1", "0.1,0.2", "2,1", "nan", "1e999", "true", "sie", "hst", ",", "-", "=", "--"]
SCRAPS = st.one_of(st.text(max_size=10), st.sampled_from(PIECES))
WORDS = st.one_of(SCRAPS, st.sampled_from(FLAGS), st.tuples(st.sampled_from(FLAGS), SCRAPS).map("=".join))


@pytest.mark.parametrize("cls", COMMANDS)
@SLOW_TO_DRAW
@given(st.lists(WORDS, max_size=6))
def test_garbage_is_refused_in_one_line(cls, argv):
    with contextlib.redirect_stdout(io.StringIO()):
        line = line_or_none(argv, cls)
    if line is not None:
        assert "\n" not in line
        assert line.encode("utf-8")


def line_or_none(argv, cls):
    try:
        read(*argv, cls=cls)
    except UsageError as refusal:
        return str(refusal)
    except SystemExit as left:
        return None if left.code == 0 else f"left with\n{left.code}"
    return None


def test_a_choice_in_capitals_brings_its_defaults_to_programs_too():
    assert panel.RegressionSimulation.of(panel.OVERRIDES, telescope="HST").grid_size == 128


@pytest.mark.parametrize(
    ("program", "argv", "line"),
    [
        ("model_and_figures.py", ["-n", "5"], "-n (--generated-number) belongs to generate_data.py: give it to"),
        ("model_and_figures.py", ["--telescope=hst"], "--telescope belongs to generate_data.py"),
        ("model_and_figures.py", ["--lens-modell=sie"], "did you mean --lens-model of generate_data.py?"),
        ("model_and_figures.py", ["--epoch=3"], "did you mean --epochs?"),
        ("generate_data.py", ["--labels"], "--labels belongs to model_and_figures.py"),
        ("generate_data.py", ["-e=3"], "-e (--epochs) belongs to model_and_figures.py"),
        ("generate_data.py", ["-zzz"], "unknown flag -zzz; --help lists them all"),
    ],
)
def test_a_flag_of_the_other_command_is_named_as_such(program, argv, line):
    assert line in refusal_of_command(program, *argv)


@pytest.mark.parametrize(
    ("program", "argv", "line"),
    [
        ("model_and_figures.py", ["--task=substructure", "--labels=a"], "--labels applies to --task=regression"),
        ("model_and_figures.py", ["--label-smoothing=0.1"], "--label-smoothing applies to --task=substructure"),
        ("generate_data.py", ["-vl=0"], "-vl (--vortex-log-length-range) applies to --task=substructure"),
        ("model_and_figures.py", ["--task=separation", "--explain=3"], "--task=regression, substructure, finding"),
        ("generate_data.py", ["--task=substructure", "-l=a"], "-l (--labels) belongs to model_and_figures.py --task"),
        ("generate_data.py", ["--ceiling-images=1"], "belongs to model_and_figures.py --task=substructure"),
        ("model_and_figures.py", ["--network=resnet34"], "--network must be report, resnet or convnext"),
        ("model_and_figures.py", ["--task=substructure", "--network=report"], "resnet34, resnet18 or bottleneck"),
        ("model_and_figures.py", ["--task=sorting"], "finding, separation or generation; received sorting"),
        ("model_and_figures.py", ["--task"], "--task needs a value"),
    ],
)  # fmt: skip
def test_a_flag_of_another_task_is_named_as_such(program, argv, line):
    assert line in refusal_of_command(program, *argv)


@pytest.mark.parametrize(
    "argv", [["--task=Substructure"], ["--task", "substructure"], ["--task=regression", "--task=substructure"]]
)
def test_the_task_chooses_the_parameters(argv):
    found = read_command("model_and_figures.py", *argv, "--label-smoothing=0.1")
    assert isinstance(found, panel.SubstructureTraining)
    assert (found.task, found.network, found.batch_size, found.label_smoothing) == ("substructure", "resnet34", 64, 0.1)


def test_a_class_has_one_task():
    with pytest.raises(UsageError, match="--task is substructure in SubstructureTraining; received regression"):
        panel.SubstructureTraining.of(panel.OVERRIDES, task="regression")


def read_command(program, *argv, **more):
    return parse_command(
        panel.COMMANDS, argv, program=program, overrides=panel.OVERRIDES, presets=panel.PRESETS, **more
    )


def refusal_of_command(program, *argv):
    with pytest.raises(UsageError) as refusal:
        read_command(program, *argv)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)

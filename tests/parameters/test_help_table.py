import pytest

import params_and_cli as panel
from stronglens.parameters import Column, declarations, help_text, labels_table, markdown_table
from stronglens.parameters.help_table import HEADER, terminal_width

COMMANDS = {program: tasks["regression"] for program, tasks in panel.COMMANDS.items()}


def table(program="generate_data.py", width=120):
    return help_text(COMMANDS[program], program, panel.OVERRIDES, panel.EXAMPLES[program]["regression"], width)


@pytest.mark.parametrize("program", COMMANDS)
@pytest.mark.parametrize("width", [50, 60, 80, 100, 120, 200])
def test_every_flag_stands_unbroken_and_fits(program, width):
    text = table(program, width)
    for declaration in declarations(COMMANDS[program]).values():
        rows = [line for line in text.splitlines() if line.split()[:1] == [declaration.flag]]
        assert len(rows) == 1
        assert declaration.shortcut is None or rows[0].split()[1] == f"-{declaration.shortcut}"
    body = text.split("\nExamples")[0]
    assert max(map(len, body.splitlines())) <= width


def test_columns_are_named_and_told_apart():
    lines = table(width=200).splitlines()
    header = next(line for line in lines if line.startswith("Argument"))
    assert [header.find(name) for name in HEADER] == sorted(header.find(name) for name in HEADER)
    row = next(line for line in lines if line.startswith("--src-effect-range"))
    cells = dict(zip(HEADER, (row[header.find(a) : header.find(b) if b else None].strip()
                              for a, b in zip(HEADER, [*HEADER[1:], None], strict=True)), strict=True))  # fmt: skip
    declared = panel.RegressionSimulation().src_effect_range
    assert cells == {
        "Argument": "--src-effect-range",
        "Shortcut": "-seff",
        "Type": "range",
        "Unit": "arcsec",
        "Valid range": "0.01..20",
        "Default": f"{declared.low:g},{declared.high:g}",
        "Description": 'effective (half-light) radius of the source without its clumps; "effect" in flags',
    }


def test_a_description_stands_beside_or_below():
    wide, narrow = table(width=120), table(width=80)
    assert any(line.startswith("--seed") and " seed of all random numbers" in line for line in wide.splitlines())
    assert "\n    seed of all random numbers\n" in narrow


def test_other_defaults_are_told():
    assert "(default 128 with --telescope=hst" in table(width=200)
    assert "over-sampling" in table(width=200)
    row = next(line for line in table(width=200).splitlines() if line.startswith("--over-sampling"))
    assert "default" not in row  # the same number for all telescopes


@pytest.mark.parametrize("program", COMMANDS)
def test_groups_examples_and_flags_of_every_command_are_there(program):
    text = table(program)
    assert text.startswith(f"usage: {program}")
    titles = [item.group for item in declarations(COMMANDS[program]).values()]
    assert sorted(set(titles), key=titles.index) == [line for line in text.splitlines() if line in titles]
    first_group = text.split(titles[0])[1].split("\n\n")[0]
    assert all(flag in first_group for flag in ("--help", "--version", "--config", "--print-config"))
    assert all(command in text for _, command in panel.EXAMPLES[program]["regression"])
    assert "serisic" not in text
    assert "effective radius" in text or program != "generate_data.py"


@pytest.mark.parametrize(("program", "tasks"), panel.COMMANDS.items())
def test_help_shows_the_flags_of_one_task_and_names_the_others(program, tasks):
    for task, cls in tasks.items():
        text = help_text(cls, program, panel.OVERRIDES)
        assert f"arguments with --task={task}." in text
        assert all(f"--help --task={other}" in " ".join(text.split()) for other in tasks if other != task)
        flags = {line.split()[0] for line in text.splitlines() if line.startswith("--")}
        known = {item.flag for one in tasks.values() for item in declarations(one).values()}
        assert flags & known == {item.flag for item in declarations(cls).values()}


@pytest.mark.parametrize(
    ("task", "listed"),
    [
        ("regression", {"--simulate", "--workers", "--mixed-precision"}),
        ("separation", {"--simulate", "--workers"}),
        ("reconstruction", set()),
        ("generation", set()),
    ],
)
def test_help_does_not_list_what_a_task_would_refuse(task, listed):
    cls = panel.COMMANDS["model_and_figures.py"][task]
    words = set(help_text(cls, "model_and_figures.py", panel.OVERRIDES).split())
    assert words & {"--simulate", "--workers", "--mixed-precision"} == listed


@pytest.mark.parametrize("program", COMMANDS)
def test_markdown_has_a_row_for_every_parameter(program):
    text = markdown_table(COMMANDS[program], panel.OVERRIDES)
    for declaration in declarations(COMMANDS[program]).values():
        assert f"| `{declaration.flag}` |" in text
        assert f"### {declaration.group}\n" in text
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.replace("\\|", "").count("|") == len(HEADER) + 1


def test_labels_are_listed_with_unit_and_prior():
    columns = [
        Column("src-center-x", "arcsec", "x", "x of the source", prior=(-0.4, 0.4)),
        Column("magnification", None, "m", "flux " * 30, drawn=False),
    ]
    lines = labels_table(columns, "What can be learned:", width=70).splitlines()
    assert lines[0] == "What can be learned:"
    assert lines[4].split() == ["src-center-x", "arcsec", "-0.4,0.4", "x", "of", "the", "source"]
    assert lines[5].split()[:3] == ["magnification", "(derived)", "flux"]
    assert max(map(len, lines)) <= 70


@pytest.mark.parametrize(("columns", "width"), [("90", 90), ("0", 120), ("", 120), ("wide", 120), ("-5", 120)])
def test_the_environment_says_how_wide(monkeypatch, columns, width):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr("sys.__stdout__", None)  # as in a pipe
    assert terminal_width() == width

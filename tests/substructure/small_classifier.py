"""The task's commands on small datasets: their flags, what they print and write."""

import csv

import pytest

SMALL = ["--task=substructure", "--grid-size=32", "--pixel-scale=0.1", "--over-sampling=1", "--subhalo-mass-min=1e8"]
FIGURES = ["auc_against", "ceiling", "confusion", "history", "mistakes", "reliability", "roc", "samples"]


def refused(capsys, command, *arguments):
    with pytest.raises(SystemExit) as caught:
        command.main([*map(str, arguments)])
    return caught.value.code, capsys.readouterr().err.strip().splitlines()[-1]


def table(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def table_of_areas(printed):
    """Return the table of areas in the terminal output: cells by the title of the line."""
    lines = printed.split("Area under the ROC curve of each class against no")[1].split("\n\n")[0].splitlines()[1:]
    assert lines[0].split() == ["sphere", "vortex"]
    assert max(map(len, lines)) <= 100
    return {line[:32].strip(): line[32:].split("  ") for line in lines}


def train(folder, dataset, *more):
    flags = [f"--dataset-dir={dataset}", f"--figures-dir={folder / 'figures'}", f"--model-file={folder / 'n.keras'}"]
    return ["--task=substructure", *flags, "--network=resnet18", "-e=1", "-b=16", "--ceiling-images=3", *more]

"""Test of a trained network: files and lines of the terminal that are the same for all tasks."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from stronglens.dataset import write_whole
from stronglens.learning.plan import TrainingPlan
from stronglens.plotting import save_figure
from stronglens.training import keras, load_network, save_network


def open_test(plan: TrainingPlan) -> tuple[keras.Model, dict, np.ndarray, str]:
    """Load the network of the best epoch, and say so if there are no test images.

    Returns
    -------
    network : keras.Model
    record : dict
    rows : ndarray (T,) of int
        Indices of the test images.
    name : str
        Of the set, ``test`` or ``validation``.
    """
    return *load_network(plan.parameters.model_file), *plan.announce_test()


def write_results(
    plan: TrainingPlan, network: keras.Model, record: dict, tables: Mapping[str, Iterable[Sequence]] | None = None
) -> None:
    """Write ``metrics.json`` and tables, and the network file with its new record.

    Parameters
    ----------
    plan : TrainingPlan
    network : keras.Model
    record : dict
        Of the network, with its metrics.
    tables : mapping of file name to iterable of rows, optional
        The first row of each has the names of the columns.
    """
    folder = plan.parameters.figures_dir
    write_whole(folder / "metrics.json", json.dumps(record["metrics"], indent=1) + "\n")
    for name, rows in (tables or {}).items():
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        write_whole(folder / name, text.getvalue())
    save_network(network, plan.parameters.model_file, record)


def write_figures(plan: TrainingPlan, drawn: Mapping, files: str, animations: Sequence[str] = ()) -> None:
    """Save figures, and print what the folder contains.

    Parameters
    ----------
    plan : TrainingPlan
    drawn : mapping of file stem to Figure
    files : str
        Names of the other files.
    animations : sequence of str
        Names of animations.
    """
    folder = plan.parameters.figures_dir
    for stem, figure in drawn.items():
        save_figure(figure, folder / f"{stem}.{plan.parameters.figure_format}")
    plan.console.say(f"Figures: {folder}/ ({', '.join([*drawn, *animations])}; {files})")

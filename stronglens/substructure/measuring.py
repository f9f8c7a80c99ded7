"""Classify telescope images, and print what the probabilities assume."""

import textwrap
from collections.abc import Sequence

import numpy as np

from stronglens.measuring import measure_files, read_training_images, refuse, write_measurements
from stronglens.measuring.classes import ClassPredictor
from stronglens.substructure.class_verdict import ClassVerdict, judge_classes
from stronglens.substructure.outputs import read_classes

CAVEATS = (
    "Probabilities of the classes, assuming that they are as common as in the training set.",
    "They are not valid for a lens whose light, mass or noise differ from those of the simulation.",
)


def measure(parameters, network, record: dict, rebuild, open_simulation) -> None:
    """Classify files with a trained network, and write ``measured.csv`` and a figure.

    The accuracy on the network's own test images is printed too, beside that of guessing.

    Parameters
    ----------
    parameters : SubstructureTraining
    network : keras.Model
    record : dict
        As saved with the network.
    rebuild, open_simulation
        Not used: probabilities have no model image.

    Raises
    ------
    RunError
        If the network was trained for another task, or a file cannot be used (after all others were written).
    UsageError
        If a flag has an invalid value, does not apply to this network, or names a file that does not exist.
    """
    training_images = read_training_images(parameters, record, network)
    classes = read_classes(parameters, record, network)
    verdict = judge_classes(record, classes)
    headers, words = [f"P({name})" for name in classes], [verdict.word_of(name) for name in classes]
    predict = ClassPredictor(network, record, cells=verdict.cells)
    results = measure_files(parameters, training_images, predict, headers, cells=list(verdict.cells))
    captions = [_caption(classes, one.values, verdict) for one in results.kept]
    lines = [part for line in verdict.lines for part in textwrap.wrap(line, 116, subsequent_indent="  ")]
    red = [place for place, word in enumerate(words) if word == "NO"]
    if verdict.is_learned is False:
        red = list(range(len(classes) + len(verdict.caption)))
    doubtful, caveats = [red] * len(results.kept), [*lines, *CAVEATS]
    write_measurements(parameters, training_images, results, headers, captions, caveats, None, words, doubtful)
    refuse(results)


def _caption(classes: Sequence[str], values: np.ndarray, verdict: ClassVerdict) -> str:
    """Return the probabilities and the accuracy of the network, some lines."""
    return "\n".join([*(f"{name}: {value:.1%}" for name, value in zip(classes, values, strict=True)), *verdict.caption])

"""What a network says of telescope images, and what it is worth."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np

from stronglens.measuring import Prediction, measure_files, refuse, write_measurements
from stronglens.out_of_distribution import TrainingSetComparison
from stronglens.substructure.class_verdict import ClassVerdict, judge_classes

WORTH = (
    "Probabilities among the three classes, taken to be as common as they were in the training set.",
    "They mean nothing for a lens whose light, mass or noise is unlike those of the simulation.",
)


def measure(parameters, network, record: dict, rebuild, open_simulation) -> None:
    """Classify files with a trained network: a table, ``measured.csv`` and a figure.

    Beside the probabilities stands the network's accuracy on its own test images, against what chance gives.

    Parameters
    ----------
    parameters : SubstructureTraining
    network : keras.Model
    record : dict, as saved with the network
    rebuild, open_simulation
        Of no use here: probabilities have no model image.

    Raises
    ------
    RunError
        When the network is of another task, or a file cannot be used (after all others were written).
    """
    classes = record.get("classes") or ()
    verdict = judge_classes(record, classes)
    heads, words = [f"P({name})" for name in classes], [verdict.word_of(name) for name in classes]
    answer = _Predictor(network, record, verdict)
    results = measure_files(parameters, network, record, answer, heads, list(verdict.cells))
    captions = [_caption(classes, one.values, verdict) for one in results.kept]
    lines = [part for line in verdict.lines for part in textwrap.wrap(line, 116, subsequent_indent="  ")]
    red = [place for place, word in enumerate(words) if word == "NO"]
    if verdict.is_learned is False:
        red = list(range(len(classes) + len(verdict.caption)))
    doubtful = [red] * len(results.kept)
    write_measurements(parameters, record, results, heads, captions, [*lines, *WORTH], None, words, doubtful)
    refuse(results)


class _Predictor:
    """The probabilities of images: called with (N, H, W), e-/s; returns N of Prediction."""

    def __init__(self, network, record: Mapping, verdict: ClassVerdict):
        self.compare, self.verdict = TrainingSetComparison(network, record), verdict

    def __call__(self, images: np.ndarray) -> list[Prediction]:
        seen, likeness = self.compare(images)
        return [
            Prediction(
                values,
                notes=tuple(one.text for one in said),
                percentile=said[0].percentile,
                warnings=tuple(one.text for one in said if one.is_unlike),
                cells=self.verdict.cells,
                problem=None if np.isfinite(values).all() else "the network returned NaN or infinity",
            )
            for values, said in zip(seen["output"], likeness, strict=True)
        ]


def _caption(classes: Sequence[str], values: np.ndarray, verdict: ClassVerdict) -> str:
    """Return the probabilities, and what they are worth, as some lines."""
    return "\n".join([*(f"{name}: {value:.1%}" for name, value in zip(classes, values, strict=True)), *verdict.caption])

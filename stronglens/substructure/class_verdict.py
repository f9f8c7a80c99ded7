"""Verdict on the classes from the test of a network: whether it classifies better than a constant prediction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ClassVerdict:
    """Verdict on the classification by a network.

    Attributes
    ----------
    is_learned : bool or None
        Whether the 95 % interval of the accuracy on the test images lies above ``chance``; None if this is unknown.
    accuracy : tuple of 0 or 3 float
        Accuracy and its 95 % interval (value, low, high); empty if it is unknown.
    chance : float or None
        Accuracy of a constant prediction of the most frequent class.
    told : mapping of class to bool
        Whether the 95 % interval of the area under the ROC curve of the class lies above 0.5.
    areas : mapping of class to str
        These areas with their intervals.
    miscalibration : str
        Size of the miscalibration of the probabilities, if it is significant.
    """

    is_learned: bool | None = None
    accuracy: tuple[float, ...] = ()
    chance: float | None = None
    told: Mapping[str, bool] = field(default_factory=dict)
    areas: Mapping[str, str] = field(default_factory=dict)
    miscalibration: str = ""

    @property
    def lines(self) -> list[str]:
        """Lines for the terminal."""
        if self.is_learned is None:
            return ["Unknown whether the network has learned the classes: its file contains no test results."]
        value, low, high = self.accuracy
        measured = f"{value:.3f} (95 %: {low:.3f} to {high:.3f})"
        lines = [
            f"Accuracy on the test images of the network: {measured}; of always predicting the most frequent class: "
            f"{self.chance:.3f}."
        ]
        if not self.is_learned:
            lines.append("NOT LEARNED: the accuracy is not above this baseline; the probabilities are not informative.")
        elif missing := [name for name, is_told in self.told.items() if not is_told]:
            areas = ", ".join(f"{name} (AUC {self.areas[name]})" for name in missing)
            lines.append(f"NOT LEARNED: {areas}: the AUC against the other classes is not above 0.5.")
        if self.miscalibration:
            lines.append(f"MISCALIBRATED: {self.miscalibration}.")
        return lines

    @property
    def caption(self) -> list[str]:
        """Short lines for a figure."""
        if self.is_learned is None:
            return ["", "accuracy unknown"]
        value, low, high = self.accuracy
        warning = ["not learned"] if not self.is_learned else []
        return ["", f"accuracy {value:.2f} ({low:.2f} to {high:.2f})", f"baseline {self.chance:.2f}", *warning]

    @property
    def cells(self) -> dict[str, str]:
        """Cells of ``measured.csv`` by column."""
        learned = {None: "unknown", True: "yes", False: "no"}[self.is_learned]
        numbers = (*(self.accuracy or (None,) * 3), self.chance)
        heads = ("accuracy", "accuracy-low", "accuracy-high", "accuracy-by-chance")
        written = ("" if number is None else f"{number:.4f}" for number in numbers)
        return {"learned": learned} | dict(zip(heads, written, strict=True))

    def word_of(self, name: str) -> str:
        """Return the cell of a class in the table of the terminal: whether the class is learned."""
        if self.is_learned is None:
            return "unknown"
        return "yes" if self.is_learned and self.told.get(name) else "NO"


def judge_classes(record: Mapping, classes: Sequence[str]) -> ClassVerdict:
    """Return the verdict on the classification from the record of a network.

    Parameters
    ----------
    record : mapping
        Record in the network file. Its ``metrics`` are from `evaluation.classification_metrics`.
    classes : sequence of str

    Returns
    -------
    ClassVerdict
    """
    try:
        metrics = record["metrics"]
        accuracy, chance = metrics["accuracy"], metrics["baseline"]["accuracy"]["value"]
        if accuracy["value"] is None or accuracy["low"] is None or chance is None:
            return ClassVerdict()
        areas = {name: metrics["auc"][name] for name in classes}
        error, expected = metrics["calibration_error"]["value"], metrics["calibration_error_by_chance"]["high"]
        return ClassVerdict(
            accuracy["low"] > chance,
            tuple(float(accuracy[key]) for key in ("value", "low", "high")),
            float(chance),
            {name: area["low"] is not None and area["low"] > 0.5 for name, area in areas.items()},
            {name: _text(area) for name, area in areas.items()},
            f"mean deviation of the probabilities {error:.2f}, above the {expected:.2f} expected under calibration"
            if None not in (error, expected) and error > expected
            else "",
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return ClassVerdict()


def _text(entry: Mapping) -> str:
    if entry["value"] is None:
        return "unknown"
    interval = "" if entry["low"] is None else f" (95 %: {entry['low']:.3f} to {entry['high']:.3f})"
    return f"{entry['value']:.3f}{interval}"

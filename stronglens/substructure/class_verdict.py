"""What the test of a network says of its classes: whether it tells them apart better than chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ClassVerdict:
    """What is known of a network's classification.

    Attributes
    ----------
    is_learned : bool or None
        Whether the 95 % interval of its accuracy on the test images lies above chance; None where that is not known.
    accuracy : str, with its interval
    chance : str, the accuracy of always naming the commonest class
    told : dict of class to bool
        Whether the 95 % interval of its area under the ROC curve lies above 0.5.
    areas : dict of class to str, those areas with their intervals
    lines : tuple of str, for the terminal
    """

    is_learned: bool | None = None
    accuracy: str = ""
    chance: str = ""
    told: Mapping[str, bool] = field(default_factory=dict)
    areas: Mapping[str, str] = field(default_factory=dict)
    miscalibration: str = ""

    @property
    def lines(self) -> list[str]:
        """What the terminal says of it."""
        if self.is_learned is None:
            return ["Not known whether the network has learned the classes: no test is recorded in its file."]
        lines = [f"Accuracy on the network's own test images: {self.accuracy}; by chance {self.chance}."]
        if not self.is_learned:
            lines.append(
                "NOT LEARNED: this accuracy is not above chance, so that the probabilities say nothing of the image."
            )
        elif missing := [name for name, is_told in self.told.items() if not is_told]:
            areas = ", ".join(f"{name} (AUC {self.areas[name]})" for name in missing)
            lines.append(f"NOT LEARNED: {areas}: not told from the other classes better than chance (AUC 0.5).")
        if self.miscalibration:
            lines.append(f"MISCALIBRATED: {self.miscalibration}.")
        return lines

    @property
    def caption(self) -> list[str]:
        """The same in short, for a figure."""
        if self.is_learned is None:
            return ["", "accuracy not known"]
        warning = ["not learned: at chance"] if not self.is_learned else []
        return ["", f"accuracy {self.accuracy}", f"by chance {self.chance}", *warning]

    @property
    def cells(self) -> dict[str, str]:
        """Columns of ``measured.csv``."""
        learned = {None: "unknown", True: "yes", False: "no"}[self.is_learned]
        return {"learned": learned, "accuracy": self.accuracy, "accuracy-by-chance": self.chance}

    def word_of(self, name: str) -> str:
        """Return what the terminal's table writes below a class: whether it was learned."""
        if self.is_learned is None:
            return "unknown"
        return "yes" if self.is_learned and self.told.get(name) else "NO"


def judge_classes(record: Mapping, classes: Sequence[str]) -> ClassVerdict:
    """Return what the record of a network says of its classification.

    Parameters
    ----------
    record : mapping, as saved with the network
        Its ``metrics`` are those of `evaluation.classification_metrics`.
    classes : sequence of str
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
            _text(accuracy),
            f"{chance:.3f}",
            {name: area["low"] is not None and area["low"] > 0.5 for name, area in areas.items()},
            {name: _text(area) for name, area in areas.items()},
            f"probabilities are off by {error:.2f} in the mean; a calibrated network's by {expected:.2f} at most"
            if None not in (error, expected) and error > expected
            else "",
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return ClassVerdict()


def _text(entry: Mapping) -> str:
    if entry["value"] is None:
        return "not known"
    interval = "" if entry["low"] is None else f" (95 %: {entry['low']:.3f} to {entry['high']:.3f})"
    return f"{entry['value']:.3f}{interval}"

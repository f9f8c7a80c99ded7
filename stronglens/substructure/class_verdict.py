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
    accuracy : (value, low, high), with its 95 % interval; empty where it is not known
    chance : float or None, the accuracy of always naming the commonest class
    told : dict of class to bool
        Whether the 95 % interval of its area under the ROC curve lies above 0.5.
    areas : dict of class to str, those areas with their intervals
    miscalibration : str, by how much the probabilities are off where that is more than chance
    """

    is_learned: bool | None = None
    accuracy: tuple[float, ...] = ()
    chance: float | None = None
    told: Mapping[str, bool] = field(default_factory=dict)
    areas: Mapping[str, str] = field(default_factory=dict)
    miscalibration: str = ""

    @property
    def lines(self) -> list[str]:
        """What the terminal says of it."""
        if self.is_learned is None:
            return ["Not known whether the network has learned the classes: no test is recorded in its file."]
        value, low, high = self.accuracy
        measured = f"{value:.3f} (95 %: {low:.3f} to {high:.3f})"
        lines = [f"Accuracy on the network's own test images: {measured}; by chance {self.chance:.3f}."]
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
        value, low, high = self.accuracy
        warning = ["not learned: at chance"] if not self.is_learned else []
        return ["", f"accuracy {value:.2f} ({low:.2f} to {high:.2f})", f"by chance {self.chance:.2f}", *warning]

    @property
    def cells(self) -> dict[str, str]:
        """Columns of ``measured.csv``."""
        learned = {None: "unknown", True: "yes", False: "no"}[self.is_learned]
        numbers = (*(self.accuracy or (None,) * 3), self.chance)
        heads = ("accuracy", "accuracy-low", "accuracy-high", "accuracy-by-chance")
        written = ("" if number is None else f"{number:.4f}" for number in numbers)
        return {"learned": learned} | dict(zip(heads, written, strict=True))

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
            tuple(float(accuracy[key]) for key in ("value", "low", "high")),
            float(chance),
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

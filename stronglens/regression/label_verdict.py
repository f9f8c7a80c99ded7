"""What a network's own test says of each label: whether it was learned, and whether its posteriors are calibrated."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stronglens.evaluation import NOT_CONSTRAINED
from stronglens.regression.plan import find_unseen

YES, NO, NOT_IN_IMAGES, UNKNOWN = "yes", "no", "not in images", "unknown"
"""What the column ``learned`` of the tables holds."""

DERIVED_FROM = {"einstein-radius-sie": ("einstein-radius",), "lens-axis-ratio": ("lens-ellip-x", "lens-ellip-y")}
"""The labels that decide what is known of a derived quantity. (Of an ellipticity, the Einstein radius on the
intermediate axis depends by 2 % at most.)"""


@dataclass(frozen=True)
class LabelVerdict:
    """What is known of a network's measurements of one label.

    Attributes
    ----------
    learned : {"yes", "no", "not in images", "unknown"}
        Whether the network's test shows that it has learned the label; ``not in images`` where the simulation leaves no
        trace of it, so that no network can learn it.
    reason : str, the numbers behind that
    is_calibrated : bool or None
        Whether coverage and ranks of its posteriors were within chance; None where that is not known.
    miscalibration : str, by how much they were not
    prior_sd : float or None
        Standard deviation of the label over the training images.
    is_wide : bool
        Whether the posterior of one image, which this verdict then is of, is as wide as the prior.
    """

    learned: str = UNKNOWN
    reason: str = "no test is recorded"
    is_calibrated: bool | None = None
    miscalibration: str = ""
    prior_sd: float | None = None
    is_wide: bool = False

    @property
    def is_comparable(self) -> bool:
        """Whether a measurement may be compared with a published value: not where it is the prior."""
        return self.learned in (YES, UNKNOWN) and not self.is_wide

    @property
    def is_doubtful(self) -> bool:
        """Whether a figure should mark the label's values."""
        return not self.is_comparable or self.is_calibrated is False

    @property
    def word(self) -> str:
        """What tables and figures write beside a value."""
        if self.learned != YES:
            return {NO: "NOT LEARNED", NOT_IN_IMAGES: "NOT IN IMAGES"}.get(self.learned, self.learned)
        if self.is_wide:
            return "AS WIDE AS PRIOR"
        return "MISCALIBRATED" if self.is_calibrated is False else YES

    def of_image(self, draws: np.ndarray) -> "LabelVerdict":
        """Return the verdict on one image, given draws (S,) from its posterior."""
        if not self.prior_sd or self.learned != YES:
            return self
        # The deviation of S draws is itself known to 1 / sqrt(2 S).
        least = np.sqrt(1 - NOT_CONSTRAINED) * (1 - 2 / np.sqrt(2 * len(draws)))
        return replace(self, is_wide=bool(draws.std() >= least * self.prior_sd))


def judge_labels(record: Mapping, names: Sequence[str]) -> dict[str, LabelVerdict]:
    """Return what the record of a network says of each of its labels.

    A label is learned where its R^2 on the test images is at least 0.05 and its 95 % interval lies above 0, and where
    `evaluation.posterior_metrics` does not find that the posterior is the prior.

    Parameters
    ----------
    record : mapping, as saved with the network
        Its ``metrics`` are those of `evaluation.regression_metrics` and, under ``posterior``, `posterior_metrics`.
    names : sequence of str
    """
    simulation = record.get("simulation")
    unseen = find_unseen(simulation) if isinstance(simulation, Mapping) else {}
    verdicts = {}
    for name in names:
        try:
            verdict = _judge(record["metrics"], name)
        except (KeyError, TypeError, ValueError, AttributeError):
            verdict = LabelVerdict()
        if name in unseen and verdict.learned != YES:
            verdict = replace(verdict, learned=NOT_IN_IMAGES, reason=f"simulated with {unseen[name]}")
        verdicts[name] = verdict
    return verdicts


def judge_image(verdicts: Mapping[str, LabelVerdict], draws: np.ndarray | None) -> dict[str, LabelVerdict]:
    """Return the verdicts on one image, given draws (S, L) from its posterior, or none."""
    if draws is None:
        return dict(verdicts)
    return {name: one.of_image(some) for (name, one), some in zip(verdicts.items(), draws.T, strict=True)}


def add_derived(verdicts: Mapping[str, LabelVerdict], names: Iterable[str]) -> dict[str, LabelVerdict]:
    """Return the verdicts on some labels and on what is derived from them: the worst of those that it follows from."""

    def rank(one: LabelVerdict):
        return (NO, NOT_IN_IMAGES, UNKNOWN, YES).index(one.learned), not one.is_wide, one.is_calibrated is not False

    return {
        name: verdicts[name] if name in verdicts else min((verdicts[part] for part in DERIVED_FROM[name]), key=rank)
        for name in names
    }


def describe_verdicts(verdicts: Mapping[str, LabelVerdict]) -> list[str]:
    """Return lines that say which labels are not to be trusted, and why; none where all are."""
    groups = [
        (
            "NOT LEARNED by this network, whose numbers for it are its training set's, not the image's",
            [f"{name} ({one.reason})" for name, one in verdicts.items() if one.learned == NO],
        ),
        (
            "NOT IN IMAGES like these, so that no network can learn it",
            [f"{name} ({one.reason})" for name, one in verdicts.items() if one.learned == NOT_IN_IMAGES],
        ),
        (
            "not known whether the network has learned",
            [f"{name} ({one.reason})" for name, one in verdicts.items() if one.learned == UNKNOWN],
        ),
        (
            "MISCALIBRATED on the network's own test images",
            [
                f"{name} ({one.miscalibration})"
                for name, one in verdicts.items()
                if one.learned == YES and one.is_calibrated is False
            ],
        ),
    ]
    return [f"{head}: {', '.join(some)}" for head, some in groups if some]


def list_learned(verdicts: Mapping[str, LabelVerdict]) -> str:
    """Return all verdicts as one text: ``einstein-radius: yes; src-redshift: not in images``."""
    return "; ".join(f"{name}: {one.learned}" for name, one in verdicts.items())


def _judge(metrics: Mapping, name: str) -> LabelVerdict:
    """Return the verdict of a network's metrics; raise KeyError or TypeError where they do not have the label."""
    r2, images = metrics["labels"][name]["r2"], metrics["images"]
    if r2["value"] is None or r2["low"] is None:
        return LabelVerdict(reason=r2.get("reason") or "too few test images")
    is_learned = r2["low"] > 0 and r2["value"] >= NOT_CONSTRAINED
    reason = f"R^2 {_tidy(r2['value'])}, 95 %: {_tidy(r2['low'])} to {_tidy(r2['high'])}, of {images:,} test images"
    found = ((metrics.get("posterior") or {}).get("labels") or {}).get(name)
    if found is None:
        return LabelVerdict(YES if is_learned else NO, reason)
    is_learned = is_learned and found.get("constrained") is not False
    coverage, ranks = found["coverage_deviation"], found["ranks"]
    within, miscalibration = [coverage["is_within_chance"], ranks["is_within_chance"]], ""
    if within[0] is False:
        miscalibration = f"coverage off by {coverage['signed']:+.1%} at {coverage['at']:.0%}"
    elif within[1] is False:
        miscalibration = f"ranks not uniform, p = {ranks['p_value']:.2g}"
    return LabelVerdict(
        YES if is_learned else NO,
        reason,
        False if False in within else None if None in within else True,
        miscalibration,
        found.get("prior_sd"),
    )


def _tidy(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"

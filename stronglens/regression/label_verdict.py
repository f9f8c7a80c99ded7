"""Verdict on each label from the test of a network: whether the label is learned and its posteriors calibrated."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stronglens.evaluation import NOT_CONSTRAINED
from stronglens.regression.plan import find_unseen

YES, NO, NOT_IN_IMAGES, UNKNOWN = "yes", "no", "not in images", "unknown"
"""Values of the column ``learned`` in tables."""

DERIVED_FROM = {"einstein-radius-sie": ("einstein-radius",), "lens-axis-ratio": ("lens-ellip-x", "lens-ellip-y")}
"""Labels whose verdicts apply to a derived quantity. (The ellipticity changes the Einstein radius on the intermediate
axis by at most 2 %.)"""


@dataclass(frozen=True)
class LabelVerdict:
    """Verdict on the measurements of one label by a network.

    Attributes
    ----------
    learned : {"yes", "no", "not in images", "unknown"}
        Whether the network has learned the label, according to its test. ``not in images``: the simulated images do
        not depend on the label, so that no network can learn it.
    reason : str
        Test results behind ``learned``.
    is_calibrated : bool or None
        Whether coverage and ranks of the posteriors agree with calibration within the statistical scatter; None if
        this is unknown.
    miscalibration : str
        Size of the miscalibration, if there is one.
    prior_sd : float or None
        Standard deviation of the label over the training images, unit of the label.
    is_wide : bool
        Whether the posterior of one image is as wide as the prior. Only a verdict on one image sets it (`of_image`).
    """

    learned: str = UNKNOWN
    reason: str = "no test is recorded"
    is_calibrated: bool | None = None
    miscalibration: str = ""
    prior_sd: float | None = None
    is_wide: bool = False

    @property
    def is_comparable(self) -> bool:
        """Whether a comparison with a published value is meaningful; it is not if the posterior is the prior."""
        return self.learned in (YES, UNKNOWN) and not self.is_wide

    @property
    def is_doubtful(self) -> bool:
        """Whether figures mark the values of the label."""
        return not self.is_comparable or self.is_calibrated is False

    @property
    def word(self) -> str:
        """The verdict in tables and figures."""
        if self.learned != YES:
            return {NO: "NOT LEARNED", NOT_IN_IMAGES: "NOT IN IMAGES"}.get(self.learned, self.learned)
        if self.is_wide:
            return "AS WIDE AS PRIOR"
        return "MISCALIBRATED" if self.is_calibrated is False else YES

    def of_image(self, draws: np.ndarray) -> "LabelVerdict":
        """Return the verdict for one image from its posterior samples (S,)."""
        if not self.prior_sd or self.learned != YES:
            return self
        # The relative error of the standard deviation of S samples is 1 / sqrt(2 S).
        least = np.sqrt(1 - NOT_CONSTRAINED) * (1 - 2 / np.sqrt(2 * len(draws)))
        return replace(self, is_wide=bool(draws.std() >= least * self.prior_sd))


def judge_labels(record: Mapping, names: Sequence[str]) -> dict[str, LabelVerdict]:
    """Return the verdict on each label from the record of a network.

    A label is learned if its R^2 on the test images is at least 0.05, the 95 % interval of R^2 lies above 0, and
    `evaluation.posterior_metrics` does not find the posterior equal to the prior.

    Parameters
    ----------
    record : mapping
        Record in the network file. Its ``metrics`` are from `evaluation.regression_metrics`, with those of
        `evaluation.posterior_metrics` under ``posterior``.
    names : sequence of L str

    Returns
    -------
    dict of name to LabelVerdict
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
    """Return the verdicts for one image from its posterior samples (S, L); they do not change without samples."""
    if draws is None:
        return dict(verdicts)
    return {name: one.of_image(some) for (name, one), some in zip(verdicts.items(), draws.T, strict=True)}


def add_derived(verdicts: Mapping[str, LabelVerdict], names: Iterable[str]) -> dict[str, LabelVerdict]:
    """Return the verdicts on labels and derived quantities. A derived quantity has the worst verdict of its labels."""

    def rank(one: LabelVerdict):
        return (NO, NOT_IN_IMAGES, UNKNOWN, YES).index(one.learned), not one.is_wide, one.is_calibrated is not False

    return {
        name: verdicts[name] if name in verdicts else min((verdicts[part] for part in DERIVED_FROM[name]), key=rank)
        for name in names
    }


def describe_verdicts(verdicts: Mapping[str, LabelVerdict]) -> list[str]:
    """Return warnings on unreliable labels, one line per reason; an empty list if all labels are reliable."""
    groups = [
        (
            "NOT LEARNED by this network (its values reflect the training set, not the image)",
            [f"{name} ({one.reason})" for name, one in verdicts.items() if one.learned == NO],
        ),
        (
            "NOT IN IMAGES (images like these do not depend on it, so that no network can learn it)",
            [f"{name} ({one.reason})" for name, one in verdicts.items() if one.learned == NOT_IN_IMAGES],
        ),
        (
            "unknown whether the network has learned",
            [f"{name} ({one.reason})" for name, one in verdicts.items() if one.learned == UNKNOWN],
        ),
        (
            "MISCALIBRATED on the test images of the network",
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
    """Return the verdict from metrics; raise KeyError or TypeError if they do not contain the label."""
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
        miscalibration = f"coverage deviates by {coverage['signed']:+.1%} at {coverage['at']:.0%}"
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

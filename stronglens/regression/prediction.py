"""Labels of images, and remarks on single images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stronglens.measuring import Prediction
from stronglens.out_of_distribution import Likeness, TrainingSetComparison
from stronglens.parameters import Column
from stronglens.regression.label_verdict import LabelVerdict, judge_image, list_learned
from stronglens.regression.posterior import Posterior

EDGE, MAX_AT_EDGE = 0.01, 0.25
"""A posterior is cut off by the training range if more than this share (second number) of its draws lies in the outer
hundredth (first number) of that range."""


@dataclass(frozen=True)
class LabelPrediction(Prediction):
    """Labels of an image.

    Attributes
    ----------
    draws : ndarray (S, L) or None
        Draws from the posterior; `values` are their medians.
    """

    draws: np.ndarray | None = None


class LabelPredictor:
    """Predict the labels of images.

    Parameters
    ----------
    parameters : RegressionTraining
    network : keras.Model
    record : mapping
        As saved with the network.
    columns : sequence of L Column
    posterior : Posterior or None
    verdicts : mapping of str to LabelVerdict
        Whether the network has learned each label.
    """

    def __init__(
        self,
        parameters,
        network,
        record: Mapping,
        columns: Sequence[Column],
        posterior: Posterior | None,
        verdicts: Mapping[str, LabelVerdict],
    ):
        self.parameters, self.columns, self.posterior, self.verdicts = parameters, columns, posterior, verdicts
        self.compare = TrainingSetComparison(network, record, posterior)

    def __call__(self, images: np.ndarray) -> list[LabelPrediction]:
        """Return the predictions for images (N, H, W), e-/s."""
        seen, likeness = self.compare(images)
        if self.posterior is None:
            return [self._predict(values, None, likes) for values, likes in zip(seen["output"], likeness, strict=True)]
        number, seed = self.parameters.posterior_draws, self.parameters.seed
        draws = self.posterior.sample(seen["summary"], number, seed, is_common=True)
        medians = np.percentile(draws.astype(float), 50, axis=1)  # as in `summarize`, to the last digit
        return [self._predict(*one) for one in zip(medians, draws, likeness, strict=True)]

    def _predict(self, values: np.ndarray, draws: np.ndarray | None, likeness: Sequence[Likeness]) -> LabelPrediction:
        problem = None if np.isfinite(values).all() else "the network returned NaN or infinity"
        notes = [one.text for one in likeness]
        if draws is not None and not problem:
            notes += [*find_limits(self.columns, draws), *find_wide(self.verdicts, draws)]
        return LabelPrediction(
            values,
            notes=tuple(notes),
            percentile=likeness[0].percentile,
            warnings=tuple(one.text for one in likeness if one.is_unlike),
            cells={"learned": list_learned(self.verdicts)},
            problem=problem,
            draws=draws,
        )


def find_wide(verdicts: Mapping[str, LabelVerdict], draws: np.ndarray) -> list[str]:
    """Name the labels of which a posterior is as wide as the prior, although the network has learned them.

    Parameters
    ----------
    verdicts : mapping of str to LabelVerdict, L of them
    draws : ndarray (S, L)

    Returns
    -------
    list of str, one sentence or none
    """
    found = [name for name, one in judge_image(verdicts, draws).items() if one.is_wide]
    return [f"posterior as wide as the prior for this image, although learned: {', '.join(found)}"] if found else []


def find_limits(columns: Sequence[Column], draws: np.ndarray) -> list[str]:
    """Name the labels of which a posterior lies at the edge of the training range.

    Parameters
    ----------
    columns : sequence of L Column
    draws : ndarray (S, L)

    Returns
    -------
    list of str, one sentence or none
    """
    found = []
    for column, values in zip(columns, draws.T, strict=True):
        low, high = column.prior if column.drawn and column.prior else (-np.inf, np.inf)
        edge = EDGE * (high - low)
        if np.isfinite(edge):
            ends = {low: np.mean(values < low + edge), high: np.mean(values > high - edge)}
            found += [f"{column.name} ({end:g})" for end, share in ends.items() if share > MAX_AT_EDGE]
    if not found:
        return []
    return [f"posterior at the edge of the training range, limits rather than measurements: {', '.join(found)}"]

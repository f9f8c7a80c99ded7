"""ROC curves and the area under them (AUC)."""

from collections.abc import Sequence

import numpy as np

REFERENCE = "no"
"""Reference class. If it exists, each other class is also compared with this class alone."""


def area_under_curve(positive: np.ndarray, score: np.ndarray, weights: np.ndarray | None = None):
    """Compute the area under the ROC curve, for one sample or for many resamples.

    It is the probability that a positive image has a higher score than a negative one, where ties count half
    (Mann & Whitney 1947, Ann. Math. Statist. 18, 50; Hanley & McNeil 1982, Radiology 143, 29):
    AUC = sum_p w_p (W_below(p) + W_tied(p) / 2) / (W_positive W_negative), where W_below and W_tied are
    the weights of the negatives below and at the score of p. The images are sorted once for all resamples.

    Parameters
    ----------
    positive : ndarray (N,) bool
    score : ndarray (N,)
        Only its order matters.
    weights : ndarray (R, N), optional
        Number of occurrences of each image in each resample; one by default.

    Returns
    -------
    float, or ndarray (R,) with weights
        NaN if the positives or the negatives have no weight.
    """
    positive, score = np.asarray(positive, dtype=bool), np.asarray(score)
    single = weights is None
    weights = np.ones((1, len(score))) if single else np.asarray(weights, dtype=np.float64)
    order = np.argsort(score, kind="stable")
    positive, score, weights = positive[order], score[order], weights[:, order]
    above = weights * positive
    below = weights - above
    first_of_ties = np.flatnonzero(np.diff(score, prepend=np.nan) != 0)
    if len(first_of_ties) < len(score):
        above, below = (np.add.reduceat(side, first_of_ties, axis=1) for side in (above, below))
    pairs = above.sum(axis=1) * below.sum(axis=1)
    won = np.einsum("rn,rn->r", above, np.cumsum(below, axis=1) - below / 2)
    area = np.divide(won, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)
    return float(area[0]) if single else area


def roc_curve(positive: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute the ROC curve: false and true positive rates for decreasing thresholds.

    Parameters
    ----------
    positive : ndarray (N,) bool
    score : ndarray (N,)

    Returns
    -------
    (ndarray (T,), ndarray (T,))
        False and true positive rates from (0, 0) to (1, 1), with one point for each distinct score. A rate is NaN
        without negative or positive images, respectively.
    """
    positive, score = np.asarray(positive, dtype=bool), np.asarray(score)
    order = np.argsort(-score, kind="stable")
    positive = positive[order]
    last_of_ties = np.flatnonzero(np.diff(score[order], append=np.nan) != 0)
    rates = []
    for side in (~positive, positive):
        counts = np.concatenate([[0], np.cumsum(side)[last_of_ties]])
        rates.append(counts / counts[-1] if counts[-1] else np.full(len(counts), np.nan))
    return rates[0], rates[1]


def odds_against(
    probabilities: np.ndarray, classes: Sequence[str], name: str, reference: str = REFERENCE
) -> np.ndarray:
    """Return the probability of a class if only this class and a reference class are possible.

    It is P(class) / (P(class) + P(reference)), or 1/2 if both are zero.

    Parameters
    ----------
    probabilities : ndarray (N, C)
    classes : sequence of C str
    name, reference : str
        The two classes.

    Returns
    -------
    ndarray (N,) float64
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    one, other = (probabilities[:, list(classes).index(which)] for which in (name, reference))
    both = one + other
    return np.divide(one, both, out=np.full(len(both), 0.5), where=both > 0)

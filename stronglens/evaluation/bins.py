"""Classification performance in bins of a quantity of the images, such as brightness or mass."""

from collections.abc import Sequence

import numpy as np

from stronglens.evaluation.bootstrap import undefined
from stronglens.evaluation.classification import NOT_FINITE, bootstrap_metrics, check_probabilities
from stronglens.evaluation.ranking import REFERENCE


def auc_in_bins(
    true: np.ndarray,
    probabilities: np.ndarray,
    classes: Sequence[str],
    values: np.ndarray,
    bins: int = 5,
    *,
    seed: int,
    fewest: int = 10,
    n_bootstrap: int = 1000,
    level: float = 0.95,
) -> list[dict]:
    """Compute areas under ROC curves (AUC) in quantile bins of a quantity.

    If a class does not have the quantity (the mass of substructure in a smooth lens), the value of its images is NaN.
    These images belong to every bin, so that the subhalos in each mass range are compared with the same smooth lenses.
    Use ``"auc_against_no"`` in this case, since the other classes have different fractions in each bin.

    Parameters
    ----------
    true : ndarray (N,) int
        Index of the true class.
    probabilities : ndarray (N, C)
    classes : sequence of C str
    values : ndarray (N,), any unit
        NaN for an image without this quantity.
    bins : int
        Maximum number of bins. There are fewer if the rarest class has too few images. Equal values are in one bin.
    seed : int
        Seed of the resampling.
    fewest : int
        Minimum number of positive and of negative images for an AUC; with fewer it is undefined.
    n_bootstrap : int
        Number of resamples.
    level : float
        Probability of an interval.

    Returns
    -------
    list of dict
        In ascending order of the values: ``{"low", "high", "middle", "images", "shared", "macro_auc": entry, "auc":
        {class: entry}, "auc_against_no": {class: entry}}``; ``middle`` is the median of the values, ``shared`` the
        number of images without a value, which are included in ``images``. Entries as in `classification_metrics`.

    Raises
    ------
    ValueError
        If the shapes do not agree, or a value is infinite.
    """
    true, probabilities = check_probabilities(true, probabilities, classes)
    values = np.asarray(values, dtype=np.float64)
    if values.shape != true.shape or np.isinf(values).any() or bins < 1:
        raise ValueError(
            f"values must have the shape {true.shape} and not be infinite, and bins must be positive; received "
            f"{values.shape}, {bins}"
        )
    known = np.isfinite(values)
    if not known.any():
        return []
    # Twice the minimum per bin, since classes are unevenly distributed. Classes too rare for one bin are ignored here.
    counts = np.bincount(true[known])
    rarest = min((count for count in counts if count >= max(fewest, 1)), default=0)
    bins = int(np.clip(rarest // (2 * max(fewest, 1)), 1, bins))
    starts = np.unique(values[known])
    if len(starts) > bins:
        starts = np.unique(np.quantile(values[known], np.linspace(0, 1, bins + 1))[:-1])
    place = np.searchsorted(starts, values, side="right") - 1
    found = []
    for index in range(len(starts)):
        own = known & (place == index)
        if not own.any():
            continue
        rows = own | ~known
        reason = None if np.isfinite(probabilities[rows]).all() else NOT_FINITE
        entries = bootstrap_metrics(
            true[rows], probabilities[rows], classes, np.random.default_rng(seed), n_bootstrap, level,
            reason=reason, only="ranks",
        )  # fmt: skip
        if reason is None:
            entries = _drop_poor(entries, np.bincount(true[rows], minlength=len(classes)), classes, fewest)
        others = [name for name in classes if name != REFERENCE and REFERENCE in classes]
        found.append(
            {
                "low": float(values[own].min()),
                "high": float(values[own].max()),
                "middle": float(np.median(values[own])),
                "images": int(rows.sum()),
                "shared": int((~known).sum()),
                "macro_auc": entries.get(("macro_auc",), undefined("one class")),
                "auc": {name: entries["auc", name] for name in classes},
                f"auc_against_{REFERENCE}": {name: entries["against", name] for name in others},
            }
        )
    return found


def _drop_poor(entries: dict, counts: np.ndarray, classes: Sequence[str], fewest: int) -> dict:
    """Return the entries; those with too few positive or negative images become undefined."""
    counted = dict(zip(classes, (int(count) for count in counts), strict=True))
    kept = {}
    for key, entry in entries.items():
        if key == ("macro_auc",):
            sides = counted
        elif key[0] == "auc":
            sides = {key[1]: counted[key[1]], "others": sum(counted.values()) - counted[key[1]]}
        elif key[0] == "against" and key[1] in counted and REFERENCE in counted and key[1] != REFERENCE:
            sides = {name: counted[name] for name in (key[1], REFERENCE)}
        else:
            sides = {}
        poor = [name for name, count in sides.items() if count < fewest]
        named = " or ".join(poor)
        kept[key] = undefined(f"fewer than {fewest} images of {named}") if poor else entry
    return kept

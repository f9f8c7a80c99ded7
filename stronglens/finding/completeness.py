"""Completeness of a finder in bins of the properties of lenses, and how far scalar measurements would go."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from stronglens.evaluation.baseline import scalar_baseline, scalar_features
from stronglens.finding.classes import GROUPS, KINDS
from stronglens.finding.evaluation import auroc_entry, called
from stronglens.finding.labels import LENS, NON_LENS

RADIUS_EDGES = (0.5, 0.7, 0.9, 1.2, 2.6)
SNR_EDGES = (20.0, 40.0, 80.0, 160.0, np.inf)
MAGNIFICATION_EDGES = (1.6, 3.0, 6.0, 12.0, np.inf)

EDGES = {"einstein-radius-sie": RADIUS_EDGES, "snr": SNR_EDGES, "magnification": MAGNIFICATION_EDGES}
"""Bins of the columns; the first and the last take what lies beyond."""

UNITS = {"einstein-radius-sie": "arcsec", "snr": None, "magnification": None}


def recall_in_bins(
    score: np.ndarray, values: np.ndarray, edges: Sequence[float], thresholds: Mapping[str, float]
) -> list:
    """Return the recall of lenses in bins of a quantity.

    Parameters
    ----------
    score : ndarray (N,)
        Of lenses.
    values : ndarray (N,)
        Quantity of the lenses, finite.
    edges : sequence of B + 1 float
    thresholds : mapping of str to float

    Returns
    -------
    list of B dict
        ``{"low", "high", "images", "recall": {threshold: entry}}``; an infinite edge is None.
    """
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    return [
        {
            "low": float(edges[k]),
            "high": float(edges[k + 1]) if np.isfinite(edges[k + 1]) else None,
            "images": int(np.sum(place == k)),
            "recall": {name: called(score[place == k], threshold) for name, threshold in thresholds.items()},
        }
        for k in range(len(edges) - 1)
    ]


def completeness_table(
    score: np.ndarray, radius: np.ndarray, snr: np.ndarray, thresholds: Mapping[str, float]
) -> list[dict]:
    """Return the completeness in cells of Einstein radius and signal-to-noise ratio.

    Parameters
    ----------
    score : ndarray (N,)
        Of lenses.
    radius : ndarray (N,), arcsec
    snr : ndarray (N,)
    thresholds : mapping of str to float

    Returns
    -------
    list of dict
        A row for each cell and threshold, by rising radius, then signal-to-noise ratio: ``threshold``, its name;
        ``score``, its value; ``radius_low``, ``radius_high`` (arcsec), ``snr_low``, ``snr_high``, ``lenses``,
        ``found``, ``completeness``, and the 95 % interval ``low`` to ``high`` of Clopper & Pearson. Without lenses in
        a cell, the last three are None.
    """
    rows = []
    for name, threshold in thresholds.items():
        for outer in range(len(RADIUS_EDGES) - 1):
            inside = np.clip(np.searchsorted(RADIUS_EDGES, radius, side="right") - 1, 0, len(RADIUS_EDGES) - 2) == outer
            for one in recall_in_bins(score[inside], snr[inside], SNR_EDGES, {name: threshold}):
                entry = one["recall"][name]
                rows.append(
                    {
                        "threshold": name,
                        "score": threshold,
                        "radius_low": RADIUS_EDGES[outer],
                        "radius_high": RADIUS_EDGES[outer + 1],
                        "snr_low": one["low"],
                        "snr_high": one["high"],
                        "lenses": entry["images"],
                        "found": entry["count"],
                        "completeness": entry["value"],
                        "low": entry["low"],
                        "high": entry["high"],
                    }
                )
    return rows


def list_cells(rows: Sequence[Mapping]) -> Iterator[list]:
    """Return the names of the columns, and then each row; an undefined number is empty, an infinite edge ``inf``."""
    yield list(rows[0])
    for row in rows:
        shown = {name: "" if value is None else f"{value:.6g}" if isinstance(value, float) else value
                 for name, value in row.items()}  # fmt: skip
        yield list((shown | ({"snr_high": "inf"} if row.get("snr_high", 0) is None else {})).values())


def band_features(images: np.ndarray, pixel_scale: float) -> np.ndarray:
    """Return the scalar measurements of images, those of each band beside each other.

    Parameters
    ----------
    images : ndarray (N, H, W) or (N, H, W, B), e-/s
    pixel_scale : float, arcsec

    Returns
    -------
    ndarray (N, 15 B)
    """
    bands = [images] if images.ndim == 3 else [images[..., band] for band in range(images.shape[-1])]
    return np.hstack([scalar_features(band, pixel_scale)[0] for band in bands])


def leak_test(
    train_features: np.ndarray,
    train_group: np.ndarray,
    features: np.ndarray,
    group: np.ndarray,
    kind: np.ndarray,
    seed: int = 0,
) -> dict:
    """Measure how well a logistic regression on scalar measurements tells lenses from non-lenses.

    A network that hardly exceeds it has learned brightness and size, not arcs.

    Parameters
    ----------
    train_features : ndarray (M, F)
        From `band_features`.
    train_group : ndarray (M,) int
        Indices into `GROUPS`; doubtful images are not used.
    features : ndarray (N, F)
    group, kind : ndarray (N,) int
    seed : int

    Returns
    -------
    dict
        ``{"auroc": entry, "kinds": {kind: entry}}``, each kind of non-lens against all lenses.
    """
    learned = np.asarray(train_group) < len(GROUPS) - 1
    probabilities = scalar_baseline(
        train_features[learned], np.asarray(train_group)[learned], features, GROUPS[:2], seed
    )
    score = probabilities[:, LENS]
    lenses = score[group == LENS]
    others = {
        KINDS[place]: score[(group == NON_LENS) & (kind == place)] for place in np.unique(kind[group == NON_LENS])
    }
    return {
        "auroc": auroc_entry(lenses, score[group == NON_LENS], seed),
        "kinds": {name: auroc_entry(lenses, some, seed) for name, some in others.items()},
    }

"""Metrics of a lens finder, at the prevalence of lenses in the sky as well as in the test set.

Rates have exact intervals of Clopper & Pearson (1934, Biometrika 26, 404); areas and F1 have bootstrap intervals. A
rate of false positives that fewer than ten images define is not measured.
"""

from collections.abc import Mapping

import numpy as np
from scipy.stats import beta

from stronglens.evaluation import area_under_curve, count_draws, draw_resamples, make_entry, undefined
from stronglens.evaluation.bootstrap import format_interval, format_number
from stronglens.finding.classes import GROUPS, KINDS
from stronglens.finding.labels import DOUBTFUL, LENS, NON_LENS

FALSE_POSITIVE_RATES = (1e-2, 1e-3, 1e-4)
FEWEST_FALSE = 10
"""Minimum number of false positives of a measured rate."""

PREVALENCES = (1 / 2000, 1 / 1000, 1 / 10_000)
TOP, CANDIDATES = 1000, 1_000_000
"""The best candidates that people look at, and the number of galaxies they come from (arXiv:2503.15326)."""

LEVEL = 0.95
COMPOUND = range(KINDS.index("compound-rings"), KINDS.index("two-lenses") + 1)


def finding_metrics(
    score: np.ndarray,
    group: np.ndarray,
    kind: np.ndarray,
    validation_score: np.ndarray,
    validation_group: np.ndarray,
    *,
    field_score: np.ndarray | None = None,
    prevalences: tuple[float, ...] = PREVALENCES,
    seed: int = 0,
    n_bootstrap: int = 1000,
) -> dict:
    """Compute all metrics of a finder that are numbers; `completeness_table` and `recall_in_bins` give the tables.

    Parameters
    ----------
    score : ndarray (N,)
        Of the test images; higher means more like a lens.
    group : ndarray (N,) int
        Indices into `GROUPS`. Doubtful images count in ``doubtful`` alone.
    kind : ndarray (N,) int
        Indices into `KINDS`.
    validation_score, validation_group : ndarray (M,)
        Of the validation images, from which all thresholds follow.
    field_score : ndarray (F,), optional
        Scores of more non-lenses. The first half chooses thresholds of rates of false positives, together with the
        validation images; the second half is tested.
    prevalences : tuple of float
        Numbers of lenses per galaxy.
    seed : int
    n_bootstrap : int

    Returns
    -------
    dict
        JSON types. Entries are ``{"value", "low", "high"}``; an undefined one has None and a ``"reason"``.
        ``{"images": {group: N}, "lens_share": of the test images, "auroc", "f1", "threshold": with the best F1 on the
        validation images, "recall", "false_positive_rate": at this threshold on the test images, "negatives": number of
        tested non-lenses with the field's, "recall_at_false_positives": {"0", "10"}, "recall_at_rate": {"0.01", ...:
        see `recall_at_rate`}, "prevalences": {prevalence: {"purity": at the threshold, "purity_at_half": at a
        completeness of one half, "top": lenses among the best 1,000 of a million galaxies, "most": all their lenses}},
        "kinds": {kind of non-lens: {"images", "auroc", "false_positive_rate": at the threshold, "at_one_per_cent": at
        the threshold of 1e-2}}, "compounds": {kind: recall at both thresholds}, "doubtful": recall or None}``

    Raises
    ------
    ValueError
        If a score is not finite, or if there are no lenses or no non-lenses in the test set or in the validation set.
    """
    score, group, kind = np.asarray(score, float), np.asarray(group), np.asarray(kind)
    field = np.empty(0) if field_score is None else np.asarray(field_score, float)
    for name, scores, groups in (("test", score, group), ("validation", validation_score, validation_group)):
        if not np.isfinite(scores).all() or not np.isfinite(field).all():
            raise ValueError(f"scores of the {name} images are not finite")
        if not {LENS, NON_LENS} <= set(np.asarray(groups).tolist()):
            raise ValueError(f"the {name} images need lenses and non-lenses")
    used = group != DOUBTFUL
    is_lens = group[used] == LENS
    known = np.asarray(validation_group) != DOUBTFUL
    threshold = best_f1_threshold(
        np.asarray(validation_group)[known] == LENS, np.asarray(validation_score, float)[known]
    )
    lenses = score[group == LENS]
    chooses, tested = split_field(field)
    negatives = np.concatenate([score[group == NON_LENS], tested])
    others = np.concatenate([np.asarray(validation_score, float)[np.asarray(validation_group) == NON_LENS], chooses])
    at_rate = {f"{rate:g}": recall_at_rate(lenses, negatives, others, rate) for rate in FALSE_POSITIVE_RATES}
    thresholds = {"best_f1": threshold, "one_per_cent": at_rate["0.01"].get("threshold")}
    rng = np.random.default_rng(seed)
    return {
        "images": {name: int(np.sum(group == place)) for place, name in enumerate(GROUPS)},
        "lens_share": float(is_lens.mean()),
        "auroc": auroc_entry(lenses, score[group == NON_LENS], seed, n_bootstrap),
        "f1": _f1_entry(is_lens, score[used] > threshold, rng, n_bootstrap),
        "threshold": threshold,
        "recall": called(lenses, threshold),
        "false_positive_rate": called(score[group == NON_LENS], threshold),
        "negatives": len(negatives),
        "recall_at_false_positives": {
            str(number): recall_at_false_positives(lenses, negatives, number) for number in (0, FEWEST_FALSE)
        },
        "recall_at_rate": at_rate,
        "prevalences": {
            f"{prevalence:g}": _at_prevalence(lenses, negatives, threshold, prevalence, rng, n_bootstrap)
            for prevalence in prevalences
        },
        "kinds": {
            KINDS[place]: _against_kind(
                lenses, score[(group == NON_LENS) & (kind == place)], thresholds, seed, n_bootstrap
            )
            for place in np.unique(kind[group == NON_LENS])
        },
        "compounds": {
            name: recall_at(score[kind == place], thresholds)
            for place, name in enumerate(KINDS)
            if place in COMPOUND and np.any(kind == place)
        },
        "doubtful": recall_at(score[group == DOUBTFUL], thresholds) if np.any(group == DOUBTFUL) else None,
    }


def rate(count: int, images: int, level: float = LEVEL) -> dict:
    """Return the entry of a rate, ``count`` of ``images``, with the interval of Clopper & Pearson (1934)."""
    if images == 0:
        return undefined("no images") | {"count": 0, "images": 0}
    tail = (1 - level) / 2
    low = beta.ppf(tail, count, images - count + 1) if count else 0.0
    high = beta.ppf(1 - tail, count + 1, images - count) if count < images else 1.0
    return {"value": count / images, "low": float(low), "high": float(high), "count": int(count), "images": int(images)}


def auroc_entry(lenses: np.ndarray, others: np.ndarray, seed: int, n_bootstrap: int = 1000) -> dict:
    """Return the entry of the area under the ROC curve of lenses against others, from their scores."""
    score = np.concatenate([lenses, others])
    is_lens = np.arange(len(score)) < len(lenses)
    drawn = np.full(n_bootstrap, np.nan)
    for places, which in draw_resamples(np.random.default_rng(seed), len(score), n_bootstrap):
        drawn[places] = area_under_curve(is_lens, score, count_draws(which))
    return make_entry(area_under_curve(is_lens, score), drawn, LEVEL, "no images of one of the two")


def called(scores: np.ndarray, threshold: float) -> dict:
    """Return the entry of the share of images with a score above a threshold."""
    return rate(int(np.sum(scores > threshold)), len(scores))


def recall_at(scores: np.ndarray, thresholds: Mapping[str, float | None]) -> dict:
    """Return the share of images above each threshold, by its name; undefined for a threshold of None."""
    return {
        name: undefined("the threshold was not measured") if threshold is None else called(scores, threshold)
        for name, threshold in thresholds.items()
    }


def best_f1_threshold(is_lens: np.ndarray, score: np.ndarray) -> float:
    """Return the threshold with the highest F1 = 2 TP / (2 TP + FP + FN), midway between two scores.

    Parameters
    ----------
    is_lens : ndarray (N,) bool
    score : ndarray (N,)
    """
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    true = np.cumsum(is_lens[order])
    f1 = 2 * true / (np.arange(1, len(score) + 1) + true[-1])
    f1[:-1][ordered[:-1] == ordered[1:]] = -1  # equal scores are not separable
    best = int(np.argmax(f1))
    below = ordered[best + 1] if best + 1 < len(ordered) else ordered[best] - 1
    return float((ordered[best] + below) / 2)


def recall_at_false_positives(lenses: np.ndarray, negatives: np.ndarray, number: int) -> dict:
    """Return the recall at the lowest threshold with at most ``number`` false positives, and the number of negatives.

    Parameters
    ----------
    lenses, negatives : ndarray
        Scores.
    number : int

    Returns
    -------
    dict
        Entry with ``"threshold"`` and ``"negatives"``. The interval is that of the recall at this threshold; it does
        not contain the scatter of the threshold.
    """
    if number >= len(negatives):
        return undefined(f"only {len(negatives)} non-lenses") | {"negatives": len(negatives)}
    threshold = float(np.partition(negatives, -(number + 1))[-(number + 1)])
    return called(lenses, threshold) | {"threshold": threshold, "negatives": len(negatives)}


def split_field(score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of a field that choose thresholds, and those that are tested."""
    return score[: len(score) // 2], score[len(score) // 2 :]


def recall_at_rate(lenses: np.ndarray, negatives: np.ndarray, others: np.ndarray, false_positive_rate: float) -> dict:
    """Return the recall at the threshold that gives a rate of false positives among other images.

    Parameters
    ----------
    lenses, negatives : ndarray
        Scores of the test.
    others : ndarray
        Scores of non-lenses that are not tested, which choose the threshold.
    false_positive_rate : float

    Returns
    -------
    dict
        Entry with ``"threshold"``, ``"chosen_on"``, the number of others, and ``"false_positive_rate"``, the entry of
        the rate among the tested non-lenses, whose interval says what the threshold is worth. Undefined if fewer than
        ten false positives define the threshold.
    """
    number = int(false_positive_rate * len(others) + 1e-9)
    if number < FEWEST_FALSE:
        return undefined(
            f"not measured: {number} false positives among {len(others):,} validation non-lenses, fewer than "
            f"{FEWEST_FALSE}"
        )
    threshold = recall_at_false_positives(lenses, others, number)["threshold"]
    found = called(lenses, threshold) | {"threshold": threshold, "chosen_on": len(others)}
    return found | {"false_positive_rate": called(negatives, threshold)}


def purity(completeness, false_positive_rate, prevalence: float):
    """Return the share of lenses among the images called lenses, at a prevalence of lenses; NaN if none is called."""
    true = prevalence * np.asarray(completeness, float)
    total = true + (1 - prevalence) * np.asarray(false_positive_rate, float)
    return np.divide(true, total, out=np.full(np.shape(total), np.nan), where=total > 0)


def trade_off(lenses: np.ndarray, negatives: np.ndarray) -> dict[str, np.ndarray]:
    """Return completeness and rate of false positives for decreasing thresholds.

    Parameters
    ----------
    lenses, negatives : ndarray
        Scores.

    Returns
    -------
    dict of str to ndarray (T,)
        ``threshold``, ``completeness``, ``false_positive_rate``, and ``false_positives``, their number.
    """
    threshold = np.unique(lenses)[::-1]
    # Every distinct score of a lens, itself called.
    found = np.searchsorted(np.sort(-lenses), -threshold, side="right")
    false = np.searchsorted(np.sort(-negatives), -threshold, side="right")
    return {
        "threshold": threshold,
        "completeness": found / len(lenses),
        "false_positive_rate": false / max(len(negatives), 1),
        "false_positives": false,
    }


def finding_table(metrics: Mapping) -> str:
    """Format the result of `finding_metrics` as a table for a terminal."""
    counts = metrics["images"]
    entries = {
        "AUROC": metrics["auroc"],
        f"F1 ({metrics['lens_share']:.0%} lenses)": metrics["f1"],
        "recall at F1's threshold": metrics["recall"],
        "false-positive rate (FPR) at F1's threshold": metrics["false_positive_rate"],
    }
    for number, entry in metrics["recall_at_false_positives"].items():
        if int(number) >= entry["negatives"]:
            continue
        entries[f"recall with {number} false positives in {entry['negatives']:,}"] = entry
    for name, entry in metrics["recall_at_rate"].items():
        entries[f"recall at FPR {name}"] = entry
        if "false_positive_rate" in entry:
            entries[f"  FPR measured on the test set ({name})"] = entry["false_positive_rate"]
    for name, one in metrics["prevalences"].items():
        share = f"1 lens in {round(1 / float(name)):,}"
        entries[f"purity at F1's threshold, {share}"] = one["purity"]
        entries[f"purity at completeness 0.5, {share}"] = one["purity_at_half"]
        entries[f"lenses in the top {TOP:,}, {share}"] = one["top"]
    lines = [", ".join(f"{count:,} {name}" for name, count in counts.items()), ""]
    width = max(map(len, entries))
    lines += [f"  {'':<{width}}{'value':>10}  {'95 % interval':>20}", *_lines(entries)]
    lines += ["", "AUROC against each kind of non-lens", *_lines({k: v["auroc"] for k, v in metrics["kinds"].items()})]
    recalls = {name: one["best_f1"] for name, one in metrics["compounds"].items()}
    if metrics["doubtful"]:
        recalls["doubtful"] = metrics["doubtful"]["best_f1"]
    if recalls:
        lines += ["", "called lenses at F1's threshold", *_lines(recalls)]
    return "\n".join(lines)


def _lines(entries: Mapping[str, Mapping]) -> list[str]:
    width = max(map(len, entries), default=0)
    return [
        f"  {name:<{width}}{format_number(entry['value']):>10}  {format_interval(entry):>20}"
        f"{'  (' + entry['reason'] + ')' if entry.get('reason') else ''}"
        for name, entry in entries.items()
    ]


def _f1_entry(is_lens, is_called, rng, resamples: int) -> dict:
    table = np.column_stack([is_lens & is_called, is_lens ^ is_called]).astype(float)

    def measure(weights):
        true, wrong = (weights @ table).T
        return 2 * true / np.maximum(2 * true + wrong, 1e-9)

    drawn = np.full(resamples, np.nan)
    for places, which in draw_resamples(rng, len(is_lens), resamples):
        drawn[places] = measure(count_draws(which))
    return make_entry(float(measure(np.ones((1, len(is_lens))))[0]), drawn, LEVEL, "one class")


def _against_kind(lenses, others, thresholds, seed: int, resamples: int) -> dict:
    rates = recall_at(others, thresholds)
    return {
        "images": len(others),
        "auroc": auroc_entry(lenses, others, seed, resamples),
        "false_positive_rate": rates["best_f1"],
        "at_one_per_cent": rates["one_per_cent"],
    }


def _at_prevalence(lenses, negatives, threshold: float, prevalence: float, rng, resamples: int) -> dict:
    half = float(np.quantile(lenses, 0.5, method="lower")) if len(lenses) else 0.0
    return {
        "purity": _purity_entry(lenses, negatives, threshold, prevalence),
        # Just below the median, so that the median lens is found too.
        "purity_at_half": _purity_entry(lenses, negatives, np.nextafter(half, -np.inf), prevalence),
        "top": _expect_in_top(lenses, negatives, prevalence, rng, resamples),
        "most": CANDIDATES * prevalence,
    }


def _purity_entry(lenses, negatives, threshold: float, prevalence: float) -> dict:
    """Return the purity at a threshold; its interval joins the ends of those of the two rates."""
    found, false = called(lenses, threshold), called(negatives, threshold)
    if false["count"] < FEWEST_FALSE:
        return undefined(f"not measured: {false['count']} false positives among {false['images']:,} non-lenses")
    value, low, high = (
        float(purity(found[one], false[other], prevalence))
        for one, other in (("value", "value"), ("low", "high"), ("high", "low"))
    )
    return {"value": value, "low": low, "high": high}


def _expect_in_top(lenses, negatives, prevalence: float, rng, resamples: int) -> dict:
    """Return the expected number of lenses among the best 1,000 of a million galaxies, with a bootstrap interval.

    The galaxies are the images of the test, lenses and non-lenses weighted so that lenses have the prevalence.
    """
    score = np.concatenate([lenses, negatives])
    is_lens = np.arange(len(score)) < len(lenses)
    weight = np.where(
        is_lens, CANDIDATES * prevalence / len(lenses), CANDIDATES * (1 - prevalence) / max(len(negatives), 1)
    )
    order = np.argsort(-score, kind="stable")
    # Images far below the top do not matter; a resample has at most a few times as many above.
    kept = order[: np.searchsorted(np.cumsum(weight[order]), 5 * TOP) + 1]
    weight, is_lens = weight[kept], is_lens[kept]

    def count(draws):
        total = np.cumsum(draws * weight, axis=-1)
        inside = np.clip(1 - (total - TOP) / np.maximum(draws * weight, 1e-12), 0, 1)
        return np.sum(inside * draws * weight * is_lens, axis=-1)

    if np.sum(~is_lens[np.cumsum(weight) <= TOP]) < FEWEST_FALSE:
        return undefined(f"not measured: fewer than {FEWEST_FALSE} of {len(negatives):,} non-lenses are in the top")
    # A resample of many images counts each of them a Poisson number of times.
    drawn = np.concatenate([count(rng.poisson(1.0, (50, len(kept)))) for _ in range(max(1, resamples // 50))])
    return make_entry(float(count(np.ones(len(kept)))), drawn, LEVEL, "")

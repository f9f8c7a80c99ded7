"""Calibration of posteriors: coverage, ranks, contraction and z-scores of posterior samples.

All tests use one number u for each image and label, the fraction of the posterior samples below the truth:
u = (samples below + U (samples equal + 1)) / (S + 1) with U uniform in (0, 1). For a correct posterior, u is exactly
uniform for any number S of samples (Talts et al. 2018, arXiv:1804.06788). The bands expected under calibration are
therefore those of N uniform numbers. The joint posterior gives one more such number: the fraction of samples that are
closer to a reference point than the truth (TARP: Lemos et al. 2023, ICML, arXiv:2302.03026).
"""

from collections.abc import Sequence

import numpy as np

from stronglens.evaluation.bootstrap import count_draws, draw_resamples, make_entry, undefined
from stronglens.evaluation.chance import CELLS, NullDistribution, round_curve

CHUNK = 4_000_000  # numbers in memory at a time in the joint test: 32 MB
# Maximum contraction of a label that is not constrained: its errors are at most 2.5 % smaller than those of the prior.
NOT_CONSTRAINED = 0.05
# Maximum noise of the contraction for a statement whether images constrain a label.
CONTRACTION_NOISE = 0.1
# Coverage deviation expected under calibration above which the test is too weak: a wrong posterior may pass it.
COARSE = 0.1
# Minimum number of posterior samples without a warning.
FEW_DRAWS = 50
MOMENTS = ("rmse", "bias", "mean_sd", "contraction", "r2", "z_mean", "z_sd")


def posterior_metrics(
    truth: np.ndarray,
    samples: np.ndarray,
    training_truth: np.ndarray,
    names: Sequence[str],
    *,
    seed: int,
    level: float = 0.95,
    n_bootstrap: int = 1000,
    boundaries: np.ndarray | Sequence[tuple[float, float]] | None = None,
) -> dict:
    r"""Compare posterior samples with the truth, for each label and jointly for all labels.

    Parameters
    ----------
    truth : ndarray (N, L), unit of each label
    samples : ndarray (N, S, L), unit of each label
        Samples from the posterior of each image; float32 is sufficient.
    training_truth : ndarray (M, L), unit of each label
        Samples from the prior: the labels of the training images.
    names : sequence of L str
    seed : int
        Seed of the ties, the reference points and the resampling.
    level : float
        Probability of intervals and bands, for example 0.95.
    n_bootstrap : int
        Number of resamples.
    boundaries : array_like (L, 2), unit of each label, optional
        Lower and upper bound of each label; infinite or NaN without a bound.

    Returns
    -------
    dict
        Plain data without NaN. Entries are ``{"value", "low", "high"}`` with bootstrap intervals; undefined numbers are
        None, with a ``"reason"``. Fractions are not in per cent.

        ``images``, ``draws``, ``level``, ``resamples``;
        ``levels``: the 99 levels of the curves below;
        ``chance``: bounds expected under calibration, from N uniform numbers. With probability ``level``, one label
        does not exceed ``coverage_deviation``, and one bin is between ``rank_low`` and ``rank_high`` (binomial). With
        probability ``level``, none of all tests exceeds ``largest_coverage_deviation`` or leaves the band from
        ``ecdf_low`` to ``ecdf_high`` of the ECDF difference;
        ``labels``: for each name

        - ``rmse``, ``bias`` (posterior mean - truth), ``mean_sd``: entries in the label's unit;
        - ``contraction``: entry of 1 - mean posterior variance / prior variance, and ``z_mean``, ``z_sd``: entries
          of the mean and standard deviation of (posterior mean - truth) / posterior sd (Schad, Betancourt &
          Vasishth 2021, Psychol. Methods 26, 103; Betancourt 2018, arXiv:1803.08393); a correct Gaussian posterior
          has z-scores of mean 0 and sd 1. ``r2``: entry of 1 - RMSE^2 / prior variance;
        - ``coverage``: fractions of truths in the central intervals, at 99 levels, and ``coverage_deviation``: entry of
          the largest \|coverage - level\|, with ``signed`` (negative: too few truths inside, over-confident), ``at``
          (its level), ``chance`` and ``p_value`` (of this label), and ``is_within_chance`` (one of all tests);
        - ``ranks``: ``counts`` in bins, ``ecdf_difference`` (99; ECDF of u minus u), ``p_value`` of uniformity, and
          ``is_within_chance`` (one of all tests);
        - ``constrained``: whether the images constrain the label; None if there are too few images;
        - ``prior_sd``, and ``outside_boundaries``: the fraction of samples outside, None without boundaries;

        ``joint``: ``coverage`` and ``coverage_deviation`` of TARP;
        ``largest_coverage_deviation``: the largest over labels and joint, with ``where`` (a name, or "joint");
        ``is_calibrated``: whether all tests, of coverage and of ranks, are within the bounds expected under
        calibration; None without any test, False if one of the tests was not possible;
        ``warnings``: list of str, the limits of these numbers.

    Raises
    ------
    ValueError
        If the shapes do not agree.

    Notes
    -----
    *Null distribution.* The central coverage at level p is the fraction of \|2 u - 1\| <= p. The largest deviation is
    therefore Kolmogorov's statistic on 99 points; its distribution is simulated. The band of the ECDF difference is
    simultaneous: pointwise binomial bands are widened by equal tail probabilities until they contain the required
    fraction of whole simulated curves (Säilynoja, Bürkner & Vehtari 2022, Stat. Comput. 32, 32). The p-value is from
    the same test. There are 2 L + 1 tests: coverage and ranks of each label, and joint coverage. Each is made at
    level^(1 / (2 L + 1)) (Sidak), so that a correct posterior passes all of them with probability ``level``. This is
    exact for independent tests and conservative for dependent ones: for many images the curves are Gaussian, and the
    curves within a band are a convex symmetric set (Royen 2014, arXiv:1408.1028).

    *Reference points.* Labels are divided by their prior standard deviations. The reference point of an image is the
    truth of a random training image. It is thus in the region of the posteriors, whatever the prior's shape, and
    independent of the image's truth, as the theorem requires. One point per image keeps the images independent.

    *Interval of a largest deviation.* Noise can only increase it, and a resample increases it again; therefore the
    percentiles are reflected.
    """
    truth, samples, prior = np.asarray(truth), np.asarray(samples), np.asarray(training_truth, dtype=np.float64)
    count, labels = len(truth), len(names)
    bounds = np.full((labels, 2), np.nan) if boundaries is None else np.asarray(boundaries, dtype=np.float64)
    agree = truth.ndim == 2 and samples.ndim == 3 and prior.ndim == 2 and samples.shape[1] > 0
    agree = agree and samples.shape[::2] == truth.shape and bounds.shape == (labels, 2)
    if not (agree and truth.shape[1] == prior.shape[1] == labels):
        raise ValueError(
            f"shapes do not agree: truth {truth.shape}, samples {samples.shape}, training truth {prior.shape}, "
            f"boundaries {bounds.shape}, {labels} names"
        )
    draws = samples.shape[1]
    rng = np.random.default_rng(seed)
    # Round the truth like the samples, so that equal values of a discrete label remain equal.
    truth = truth.astype(samples.dtype)
    # Round boundaries outwards, so that a sample at a boundary is not outside by rounding.
    bounds = np.nextafter(bounds.astype(samples.dtype), np.array([-np.inf, np.inf], samples.dtype))
    spread = prior.std(axis=0, ddof=1) if len(prior) > 1 else np.full(labels, np.nan)
    spread[prior.max(axis=0) == prior.min(axis=0) if len(prior) else slice(None)] = 0.0
    chance = NullDistribution(count, 2 * labels + 1, level)
    moments = np.zeros((count, 6, labels))
    found = {}
    for place, name in enumerate(names):
        drawn = np.ascontiguousarray(samples[:, :, place])
        true = truth[:, place]
        problem = _problem(count, drawn, true)
        below = np.count_nonzero(drawn < true[:, None], axis=1)
        equal = np.count_nonzero(drawn == true[:, None], axis=1)
        shares = (below + rng.uniform(size=count) * (equal + 1)) / (draws + 1)
        found[name] = chance.check_label(shares, rng, n_bootstrap, problem)
        found[name]["prior_sd"] = float(spread[place]) if np.isfinite(spread[place]) else None
        low, high = bounds[place]
        outside = np.count_nonzero(drawn < low) + np.count_nonzero(drawn > high)
        found[name]["outside_boundaries"] = None if boundaries is None or problem else outside / drawn.size
        if not problem:
            moments[:, :, place] = _moments(drawn.astype(np.float64), true.astype(np.float64))
        found[name]["problem"] = problem
    _add_moments(found, moments, prior, spread, seed, level, n_bootstrap)

    joint, problem = _joint_shares(truth, samples, prior, spread, rng, [found[name].pop("problem") for name in names])
    together = chance.judge_coverage(joint, rng, n_bootstrap, problem)
    largest = _find_largest(found | {"joint": together}, chance)
    tested = [one[key] for one in found.values() for key in ("coverage_deviation", "ranks")]
    tested.append(together["coverage_deviation"])
    return {
        "images": count,
        "draws": draws,
        "level": level,
        "resamples": n_bootstrap,
        "levels": round_curve(np.arange(1, CELLS) / CELLS),
        "chance": chance.to_dict(),
        "labels": found,
        "joint": together,
        "largest_coverage_deviation": largest,
        # A label that could not be tested is not known to be calibrated.
        "is_calibrated": None if largest["value"] is None else all(one["is_within_chance"] for one in tested),
        "warnings": _warn(count, draws, len(prior), largest),
    }


def _problem(count: int, drawn: np.ndarray, true: np.ndarray) -> str | None:
    if not count:
        return "no test images"
    return None if np.isfinite(drawn).all() and np.isfinite(true).all() else "values that are not finite"


def _moments(drawn: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return (N, 6): error, its square, posterior variance, sd, z-score, its square; undefined numbers are NaN."""
    error = drawn.mean(axis=1) - true
    variance = drawn.var(axis=1, ddof=1) if drawn.shape[1] > 1 else np.full(len(true), np.nan)
    # The mean of equal numbers differs from them by rounding, so test for equality.
    variance[drawn.max(axis=1) == drawn.min(axis=1)] = 0.0 if drawn.shape[1] > 1 else np.nan
    sd = np.sqrt(variance)
    score = np.divide(error, sd, out=np.full_like(error, np.nan), where=sd > 0)
    return np.stack([error, error**2, variance, sd, score, score**2], axis=1)


def _summarise(means: np.ndarray, spread: np.ndarray) -> dict[str, np.ndarray]:
    """Return each of ``MOMENTS`` (..., L) from the means of moments (..., 6, L)."""
    error, squared, variance, sd, score, score_squared = np.moveaxis(means, -2, 0)
    scale = np.where(spread > 0, spread, np.nan) ** 2
    values = (
        np.sqrt(squared),
        error,
        sd,
        1 - variance / scale,
        1 - squared / scale,
        score,
        np.sqrt(np.maximum(score_squared - score**2, 0)),
    )
    return dict(zip(MOMENTS, values, strict=True))


def _add_moments(found, moments, prior, spread, seed, level, resamples) -> None:
    count, labels = len(moments), len(found)
    values = _summarise(moments.mean(axis=0) if count else np.full((6, labels), np.nan), spread)
    drawn = np.empty((resamples if count > 1 else 0, 6, labels))
    flat = moments.reshape(count, 6 * labels)
    for places, which in draw_resamples(np.random.default_rng(seed), count, resamples):
        drawn[places] = (count_draws(which) @ flat).reshape(-1, 6, labels) / count
    drawn = _summarise(drawn, spread)
    reasons = dict.fromkeys(MOMENTS, "posteriors without a width")
    reasons |= dict.fromkeys(("contraction", "r2"), "the truth is the same in every training image")
    for place, entries in enumerate(found.values()):
        for key in MOMENTS:
            reason = entries["problem"] or reasons[key]
            value = np.nan if entries["problem"] else values[key][place]
            entries[key] = make_entry(value, drawn[key][:, place], level, reason)
        noise = {key: drawn[key][:, place].std() if len(drawn[key]) else np.inf for key in ("contraction", "r2")}
        entries["constrained"] = _is_constrained(entries, noise, prior[:, place])


def _is_constrained(entries: dict, noise: dict[str, float], prior: np.ndarray) -> bool | None:
    """Return whether the posterior is narrower than the prior, or its mean is correlated with the truth.

    Both criteria are necessary: an under-confident posterior may be as wide as the prior although its mean follows the
    truth. A contraction or R^2 below 5 %, or within twice its noise, counts as zero.
    """
    contraction, r2 = entries["contraction"]["value"], entries["r2"]["value"]
    if contraction is None or r2 is None:
        return None
    # Relative error of the prior's variance, from M samples: sqrt((kurtosis - 1) / M).
    deviation = (prior - prior.mean()) / prior.std()
    of_prior = np.sqrt(max(np.mean(deviation**4) - 1, 0) / len(prior))
    learned = False
    for value, scatter in ((contraction, noise["contraction"]), (r2, noise["r2"])):
        scatter = np.hypot(scatter, of_prior * abs(1 - value))
        learned |= value > max(NOT_CONSTRAINED, 2 * scatter)
        if scatter > CONTRACTION_NOISE * max(1, abs(1 - value)) and not learned:
            return None
    return bool(learned)


def _joint_shares(truth, samples, prior, spread, rng, problems) -> tuple[np.ndarray, str | None]:
    """Return TARP's fraction of samples closer to a reference point than the truth (N,), or the reason for none."""
    used = np.flatnonzero(spread > 0)
    shares = np.zeros(len(truth))
    problem = next(filter(None, problems), None) or (None if len(used) else "no label varies in the training images")
    if problem:
        return shares, problem
    draws, scale = samples.shape[1], spread[used]
    whole = len(used) == samples.shape[2]
    reference = prior[rng.integers(len(prior), size=len(truth))][:, used]
    rows = max(1, CHUNK // (draws * len(used)))
    for start in range(0, len(truth), rows):
        part = slice(start, start + rows)
        drawn = samples[part] if whole else samples[part][..., used]
        apart = (drawn - reference[part, None]) / scale
        distance = np.einsum("nsl,nsl->ns", apart, apart)
        # Sum like the samples, so that a sample equal to the truth has exactly the same distance.
        apart = ((truth[part][:, used] - reference[part]) / scale)[:, None]
        own = np.einsum("nsl,nsl->ns", apart, apart)
        ties = np.count_nonzero(distance == own, axis=1) + 1
        nearer = np.count_nonzero(distance < own, axis=1)
        shares[part] = (nearer + rng.uniform(size=len(ties)) * ties) / (draws + 1)
    return shares, None


def _find_largest(tested: dict, chance: NullDistribution) -> dict:
    defined = {name: found["coverage_deviation"] for name, found in tested.items()}
    defined = {name: entry for name, entry in defined.items() if entry["value"] is not None}
    if not defined:
        rest = dict.fromkeys(("signed", "at", "chance", "p_value", "is_within_chance", "where"))
        return undefined(tested["joint"]["coverage_deviation"]["reason"]) | rest
    where = max(defined, key=lambda name: defined[name]["value"])
    entry = defined[where]
    return entry | {
        "where": where,
        "chance": round_curve(chance.largest),
        "p_value": 1 - (1 - entry["p_value"]) ** chance.tests,
    }


def _warn(count: int, draws: int, training: int, largest: dict) -> list[str]:
    warnings = []
    if count and largest["chance"] is not None and largest["chance"] > COARSE:
        warnings.append(
            f"too few test images ({count}): a coverage deviation below {largest['chance']:.0%} is expected under "
            "calibration"
        )
    if draws < FEW_DRAWS:
        widest = 1 - 2 / (draws + 1)
        warnings.append(f"too few posterior draws ({draws}): intervals beyond {widest:.0%} are not resolved")
    if training < 100:  # the prior's variance is then known to 10 %
        warnings.append(f"too few training images ({training}): the prior variance and the contraction are uncertain")
    return warnings

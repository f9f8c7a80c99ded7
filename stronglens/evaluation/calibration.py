"""Whether posteriors can be trusted: coverage, ranks, contraction and z-scores of draws beside the truth.

Everything rests on one number u for each image and label: the share of the posterior's draws below the truth,
u = (draws below + U (draws equal + 1)) / (S + 1) with U uniform in (0, 1). Where the draws are right, u is uniform to
the letter for any number S of draws (Talts et al. 2018, arXiv:1804.06788), so that all chance bands are those of N
uniform numbers. The joint posterior gives one such number more: the share of draws nearer to a reference point than
the truth is (TARP: Lemos et al. 2023, ICML, arXiv:2302.03026).
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from scipy.special import bdtr
from scipy.stats import binom

from stronglens.evaluation.bootstrap import count_draws, draw_resamples, format_number, make_entry, undefined

CELLS = 100  # coverage is asked at 1, 2, ..., 99 %
SIMULATIONS = 10_000  # of chance: the tail that 20 labels need (0.25 %) still holds 25 of them
CHUNK = 4_000_000  # numbers held at once by the joint test: 32 MB
MOST_BINS, IMAGES_A_BIN = 25, 20  # a histogram's bins scatter by no more than about a quarter
# Posterior variance less than 5 % below the prior's means errors less than 2.5 % smaller: nothing was learned.
NOT_CONSTRAINED = 0.05
# Beyond such noise of the contraction nothing is said of whether images constrain a label.
CONTRACTION_NOISE = 0.1
# Where chance alone moves coverage by so much, a posterior may be badly wrong and pass.
COARSE = 0.1
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
    boundaries: np.ndarray | None = None,
) -> dict:
    r"""Compare posterior draws with the truth: each label alone, and all jointly.

    Parameters
    ----------
    truth : ndarray (N, L), unit of each label
    samples : ndarray (N, S, L), unit of each label
        Draws from the posterior of each image; float32 will do.
    training_truth : ndarray (M, L), unit of each label
        Draws from the prior: the labels of the training images.
    names : sequence of L str
    seed : int
        Of the ties, the reference points and the resampling.
    level : float
        Probability of intervals and bands, 0.95 for instance.
    n_bootstrap : int
    boundaries : array_like (L, 2), unit of each label, optional
        What each label lies between; infinite or NaN where it has no bound.

    Returns
    -------
    dict
        Plain data without NaN; entries are ``{"value", "low", "high"}`` with bootstrap intervals, None with a
        ``"reason"`` where undefined. Fractions, not per cent.

        ``images``, ``draws``, ``level``, ``resamples``;
        ``levels``: the 99 levels of the curves below;
        ``chance``: what N uniform numbers give with probability ``level``: ``coverage_deviation`` of one label, of
        the largest of all (``largest_coverage_deviation``), ``rank_low`` and ``rank_high`` of a bin (binomial),
        ``ecdf_low`` and ``ecdf_high`` of a whole ECDF difference (simultaneous);
        ``labels``: for each name

        - ``rmse``, ``bias`` (posterior mean - truth), ``mean_sd``: entries in the label's unit;
        - ``contraction``: entry of 1 - mean posterior variance / prior variance, and ``z_mean``, ``z_sd``: entries
          of the mean and standard deviation of (posterior mean - truth) / posterior sd (Schad, Betancourt &
          Vasishth 2021, Psychol. Methods 26, 103; Betancourt 2018, arXiv:1803.08393); a right Gaussian posterior
          has z-scores of mean 0 and sd 1. ``r2``: entry of 1 - RMSE^2 / prior variance;
        - ``coverage``: 99 shares of truths in the central intervals, and ``coverage_deviation``: entry of the
          largest \|coverage - level\|, with ``signed`` (negative: too few truths inside, over-confident), ``at``
          which level, ``chance`` and ``p_value``;
        - ``ranks``: ``counts`` in bins, ``ecdf_difference`` (99; ECDF of u minus u) and ``p_value`` of uniformity;
        - ``constrained``: whether the images constrain the label; None where too few images say;
        - ``prior_sd``, and ``outside_boundaries``: the share of draws outside, None without boundaries;

        ``joint``: ``coverage`` and ``coverage_deviation`` of TARP;
        ``largest_coverage_deviation``: the largest over labels and joint, with ``where`` (a name, or "joint"), and
        ``is_calibrated``: whether it is within chance;
        ``warnings``: list of str, what the numbers cannot bear.

    Raises
    ------
    ValueError
        If the shapes do not agree.

    Notes
    -----
    *Chance.* Central coverage at level p is the share of \|2 u - 1\| <= p, so that the largest deviation is
    Kolmogorov's statistic on 99 points, and simulated as such. The largest of L + 1 of them is held against the
    quantile at level^(1 / (L + 1)) (Sidak): exact for independent labels, and never too strict for dependent ones,
    as the curves are Gaussian for many images, where a deviation within d is a convex symmetric set (Royen 2014,
    arXiv:1408.1028). The band of the ECDF difference is simultaneous: pointwise binomial bands, widened alike until
    as many whole simulated curves lie inside (Säilynoja, Bürkner & Vehtari 2022, Stat. Comput. 32, 32); the p-value
    is that of the same test.

    *References.* Labels are divided by their prior standard deviations; the reference point of an image is the truth
    of a random training image. It is thus where posteriors are, whatever the prior's shape, and independent of the
    image's truth, which the theorem asks for; one point an image keeps the images' numbers independent.

    *Interval of a largest deviation.* Noise can only raise it, and a resample raises it once more: the percentiles
    are reflected.
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
    # Rounded as the draws are, so that a label that takes few values meets its equals.
    truth = truth.astype(samples.dtype)
    spread = prior.std(axis=0, ddof=1) if len(prior) > 1 else np.full(labels, np.nan)
    spread[prior.max(axis=0) == prior.min(axis=0) if len(prior) else slice(None)] = 0.0
    chance = _Chance(count, labels + 1, level)
    moments = np.zeros((count, 6, labels))
    found = {}
    for place, name in enumerate(names):
        drawn = np.ascontiguousarray(samples[:, :, place])
        true = truth[:, place]
        problem = _problem(count, drawn, true)
        below = np.count_nonzero(drawn < true[:, None], axis=1)
        equal = np.count_nonzero(drawn == true[:, None], axis=1)
        shares = (below + rng.uniform(size=count) * (equal + 1)) / (draws + 1)
        found[name] = chance.judge_label(shares, rng, n_bootstrap, problem)
        found[name]["prior_sd"] = float(spread[place]) if np.isfinite(spread[place]) else None
        low, high = bounds[place]
        outside = np.count_nonzero(drawn < low) + np.count_nonzero(drawn > high)
        found[name]["outside_boundaries"] = None if boundaries is None or problem else outside / drawn.size
        if not problem:
            moments[:, :, place] = _moments(drawn.astype(np.float64), true.astype(np.float64))
        found[name]["problem"] = problem
    _add_moments(found, moments, prior, spread, seed, level, n_bootstrap)

    joint, problem = _joint_shares(truth, samples, prior, spread, rng, [found[name].pop("problem") for name in names])
    tested = {"joint": chance.judge_coverage(joint, rng, n_bootstrap, problem)}
    largest = _find_largest({name: found[name] for name in names} | tested, chance)
    return {
        "images": count,
        "draws": draws,
        "level": level,
        "resamples": n_bootstrap,
        "levels": _round(np.arange(1, CELLS) / CELLS),
        "chance": chance.to_dict(),
        "labels": found,
        "joint": tested["joint"],
        "largest_coverage_deviation": largest,
        "warnings": _warn(count, draws, len(prior), largest),
    }


def describe_calibration(metrics: dict, units: Mapping[str, str | None]) -> list[str]:
    """Describe posteriors for a terminal: a table of labels, and what can be said of them.

    Parameters
    ----------
    metrics : dict
        As returned by `posterior_metrics`.
    units : dict
        Unit of each label by name; None where there is none.

    Returns
    -------
    list of str
        Lines: the table, then a line a statement.
    """
    texts = {name: f"{name} [{units[name]}]" if units.get(name) else name for name in metrics["labels"]}
    wide = max(map(len, [*texts.values(), "all labels jointly"]))
    lines = [
        f"{metrics['images']:,} test images, {metrics['draws']:,} posterior draws each",
        f"{'':<{wide}}  {'RMSE of mean':>12} {'mean sd':>9} {'contraction':>11} {'z mean':>7} {'z sd':>6}  "
        "coverage off by",
    ]
    for name, found in metrics["labels"].items():
        rmse, sd = (format_number(found[key]["value"]) for key in ("rmse", "mean_sd"))
        contraction, z_sd = (_number(found[key]["value"], ".2f") for key in ("contraction", "z_sd"))
        z_mean = _number(found["z_mean"]["value"], "+.2f")
        row = f"{texts[name]:<{wide}}  {rmse:>12} {sd:>9} {contraction:>11} {z_mean:>7} {z_sd:>6}  "
        lines.append(row + _deviation(found["coverage_deviation"]))
    lines.append(f"{'all labels jointly':<{wide}}{'':<52}{_deviation(metrics['joint']['coverage_deviation'])}")
    lines.append("")
    for name, found in metrics["labels"].items():
        if found["constrained"] is False:
            contraction = found["contraction"]["value"]
            wider = contraction < -NOT_CONSTRAINED - 2 * CONTRACTION_NOISE
            its = "its posterior is wider than its prior" if wider else "its posterior is its prior"
            lines.append(f"not constrained by these images: {name} ({its}, contraction {_number(contraction, '.2f')})")
    outside = {name: found["outside_boundaries"] or 0 for name, found in metrics["labels"].items()}
    if any(outside.values()):
        name = max(outside, key=outside.get)
        more = sum(share > 0 for share in outside.values()) - 1
        others = f", fewer of {more} other label{'' if more == 1 else 's'}" if more else ""
        lines.append(f"outside the boundaries: {outside[name]:.2%} of the draws of {name}{others}")
    lines += _verdict(metrics)
    return lines + [f"warning: {warning}" for warning in metrics["warnings"]]


class _Chance:
    """What N uniform numbers give, and how far others are from that.

    Parameters
    ----------
    count : int, N
    tests : int
        How many largest deviations the largest of all is taken of.
    level : float
    """

    def __init__(self, count: int, tests: int, level: float):
        self.count, self.level, self.tests = count, level, tests
        self.at = np.arange(1, CELLS) / CELLS
        self.bins = int(np.clip(count // IMAGES_A_BIN, 4, MOST_BINS))
        if not count:
            return
        self.deviations, self.tails = _simulate_chance(count)
        self.largest = self.quantile(level ** (1 / tests))
        self.single = self.quantile(level)

    def quantile(self, probability: float) -> float:
        return float(np.quantile(self.deviations, probability, method="higher"))

    def p_value(self, deviation: float) -> float:
        # Rounding must not tell equal steps of 1 / N apart.
        beyond = SIMULATIONS - np.searchsorted(self.deviations, deviation - 1e-9)
        return (1 + int(beyond)) / (1 + SIMULATIONS)

    def to_dict(self) -> dict:
        if not self.count:
            return dict.fromkeys(
                ("coverage_deviation", "largest_coverage_deviation", "rank_low", "rank_high", "ecdf_low", "ecdf_high")
            )
        low, high = binom.ppf([(1 - self.level) / 2, (1 + self.level) / 2], self.count, 1 / self.bins)
        tail = float(np.quantile(self.tails, 1 - self.level, method="lower")) / 2
        # Counts whose tails are no smaller than that: the whole curve is inside with probability ``level``.
        lowest = binom.ppf(tail, self.count, self.at)
        highest = binom.isf(tail, self.count, self.at)
        return {
            "coverage_deviation": _round(self.single),
            "largest_coverage_deviation": _round(self.largest),
            "rank_low": int(low),
            "rank_high": int(high),
            "ecdf_low": _round(lowest / self.count - self.at),
            "ecdf_high": _round(highest / self.count - self.at),
        }

    def judge_label(self, shares: np.ndarray, rng: np.random.Generator, resamples: int, problem: str | None) -> dict:
        """Return coverage and ranks of a label whose draws lie below the truth by these shares (N,)."""
        judged = self.judge_coverage(np.abs(2 * shares - 1), rng, resamples, problem)
        if problem:
            return judged | {"ranks": {"counts": None, "ecdf_difference": None, "p_value": None, "reason": problem}}
        cumulative = _count_cells(shares)
        tail = _smallest_tail(cumulative[None], self.count)[0]
        ranks = {
            "counts": np.histogram(shares, self.bins, (0, 1))[0].tolist(),
            "ecdf_difference": _round(cumulative / self.count - self.at),
            "p_value": (1 + int(np.searchsorted(self.tails, tail * (1 + 1e-9), "right"))) / (1 + SIMULATIONS),
        }
        return judged | {"ranks": ranks}

    def judge_coverage(self, shares: np.ndarray, rng: np.random.Generator, resamples: int, problem: str | None) -> dict:
        """Return the coverage curve of shares (N,) that ought to be uniform, and its largest deviation."""
        extra = {"signed": None, "at": None, "chance": None, "p_value": None}
        if problem:
            return {"coverage": None, "coverage_deviation": undefined(problem) | extra}
        cumulative = _count_cells(shares)
        difference = cumulative / self.count - self.at
        worst = int(np.abs(difference).argmax())
        value = abs(float(difference[worst]))
        drawn = np.empty(0)
        if self.count > 1 and resamples:
            # Images drawn anew are cells drawn anew: the bootstrap of counts is multinomial.
            cells = np.diff(cumulative, prepend=0, append=self.count) / self.count
            again = np.cumsum(rng.multinomial(self.count, cells, resamples), axis=1)[:, :-1]
            drawn = np.abs(again / self.count - self.at).max(axis=1)
        entry = make_entry(value, drawn, self.level, "", reflect=True)
        extra = {
            "signed": float(difference[worst]),
            "at": float(self.at[worst]),
            "chance": _round(self.single),
            "p_value": self.p_value(value),
        }
        return {"coverage": _round(cumulative / self.count), "coverage_deviation": entry | extra}


@lru_cache(maxsize=4)
def _simulate_chance(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest deviations and the smallest tails, sorted, of many times ``count`` uniform numbers."""
    # Chance is the same for all that is judged: so are its simulations.
    rng = np.random.default_rng(0)
    cumulative = np.cumsum(rng.multinomial(count, np.full(CELLS, 1 / CELLS), SIMULATIONS), axis=1)[:, :-1]
    deviations = np.abs(cumulative / count - np.arange(1, CELLS) / CELLS).max(axis=1)
    return np.sort(deviations), np.sort(_smallest_tail(cumulative, count))


def _smallest_tail(cumulative: np.ndarray, count: int) -> np.ndarray:
    """Return twice the smallest binomial tail along each curve of counts (R, 99): Säilynoja et al., equation 11."""
    levels = np.arange(1, CELLS) / CELLS
    below = bdtr(cumulative, count, levels)
    above = np.where(cumulative > 0, 1 - bdtr(np.maximum(cumulative - 1, 0), count, levels), 1.0)
    return 2 * np.minimum(below, above).min(axis=1)


def _problem(count: int, drawn: np.ndarray, true: np.ndarray) -> str | None:
    if not count:
        return "no test images"
    return None if np.isfinite(drawn).all() and np.isfinite(true).all() else "values that are not finite"


def _count_cells(shares: np.ndarray) -> np.ndarray:
    """Return how many of the shares (N,) are below each of the 99 levels."""
    cells = np.minimum((shares * CELLS).astype(int), CELLS - 1)
    return np.cumsum(np.bincount(cells, minlength=CELLS))[:-1]


def _moments(drawn: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return (N, 6): error, its square, posterior variance, sd, z-score, its square; what does not exist is NaN."""
    error = drawn.mean(axis=1) - true
    variance = drawn.var(axis=1, ddof=1) if drawn.shape[1] > 1 else np.full(len(true), np.nan)
    # The mean of equal numbers differs from them by rounding: equality decides.
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
    """Say whether the posterior is narrower than the prior, or its mean follows the truth.

    Both are asked: an under-confident posterior is as wide as the prior, and yet follows the truth. What is less than
    5 % of the prior's variance, or within twice the noise, counts as nothing.
    """
    contraction, r2 = entries["contraction"]["value"], entries["r2"]["value"]
    if contraction is None or r2 is None:
        return None
    # Of the prior's variance, from M draws: relative error sqrt((kurtosis - 1) / M).
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
    """Return TARP's share of draws nearer to a reference than the truth (N,), or why there is none."""
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
        # Summed as the draws are, so that a draw that equals the truth is as far.
        apart = ((truth[part][:, used] - reference[part]) / scale)[:, None]
        own = np.einsum("nsl,nsl->ns", apart, apart)
        ties = np.count_nonzero(distance == own, axis=1) + 1
        nearer = np.count_nonzero(distance < own, axis=1)
        shares[part] = (nearer + rng.uniform(size=len(ties)) * ties) / (draws + 1)
    return shares, None


def _find_largest(tested: dict, chance: _Chance) -> dict:
    defined = {name: found["coverage_deviation"] for name, found in tested.items()}
    defined = {name: entry for name, entry in defined.items() if entry["value"] is not None}
    if not defined:
        rest = dict.fromkeys(("signed", "at", "chance", "p_value", "where", "is_calibrated"))
        return undefined(tested["joint"]["coverage_deviation"]["reason"]) | rest
    where = max(defined, key=lambda name: defined[name]["value"])
    entry = defined[where]
    single = entry["p_value"]
    return entry | {
        "where": where,
        "chance": _round(chance.largest),
        "p_value": 1 - (1 - single) ** chance.tests,
        # One that could not be tested is not known to be calibrated.
        "is_calibrated": bool(entry["value"] <= chance.largest + 1e-9) and len(defined) == len(tested),
    }


def _warn(count: int, draws: int, training: int, largest: dict) -> list[str]:
    warnings = []
    if count and largest["chance"] is not None and largest["chance"] > COARSE:
        warnings.append(
            f"too few test images ({count}): coverage that is off by less than {largest['chance']:.0%} cannot be told "
            "from chance"
        )
    if draws < FEW_DRAWS:
        widest = 1 - 2 / (draws + 1)
        warnings.append(f"too few posterior draws ({draws}): intervals beyond {widest:.0%} are not resolved")
    if training < 100:  # the prior's variance is then known to 10 %
        warnings.append(f"too few training images ({training}): the prior, and with it the contraction, is known badly")
    return warnings


def _verdict(metrics: dict) -> list[str]:
    largest, level = metrics["largest_coverage_deviation"], metrics["level"]
    if largest["value"] is None:
        return [f"calibration unknown: {largest['reason']}"]
    alone = f"chance alone: below {largest['chance']:.1%} in {level:.0%} of cases"
    untested = {name: found["coverage_deviation"] for name, found in metrics["labels"].items()}
    untested |= {"all labels jointly": metrics["joint"]["coverage_deviation"]}
    lines = [f"not tested: {name} ({entry['reason']})" for name, entry in untested.items() if entry["value"] is None]
    wrong = [name for name, entry in untested.items() if (entry["value"] or 0) > largest["chance"] + 1e-9]
    for name in sorted(wrong, key=lambda name: -untested[name]["value"]):
        entry = untested[name]
        inside = f"{entry['at'] + entry['signed']:.0%}"
        if name == "all labels jointly":
            text = f"expected coverage (TARP) of {inside} at {entry['at']:.0%}; correlations, shapes or means are wrong"
        else:
            bias = _describe_bias(metrics["labels"][name])
            kind, held = ("over-confident", "hold only") if entry["signed"] < 0 else ("under-confident", "hold")
            # Shifted intervals of the right width hold too few truths as well.
            if bias and entry["signed"] < 0 and metrics["labels"][name]["z_sd"]["value"] < 1.1:
                kind = "biased"
            text = f"{kind}, its {entry['at']:.0%} intervals {held} {inside} of the truths{bias}"
        lines.append(f"MISCALIBRATED: {name} is off by {entry['value']:.1%}: {text} ({alone})")
    # Central intervals are blind to some errors (a skew, a small shift) that ranks see.
    limit = 1 - level ** (1 / max(1, len(metrics["labels"])))
    skewed = {
        name: found["ranks"]["p_value"]
        for name, found in metrics["labels"].items()
        if name not in wrong and found["ranks"]["p_value"] is not None and found["ranks"]["p_value"] < limit
    }
    for name, p_value in skewed.items():
        bias = _describe_bias(metrics["labels"][name])
        lines.append(f"MISCALIBRATED: the ranks of {name} are not uniform (p = {p_value:.2g}){bias}")
    if not wrong and not skewed:
        where = "all labels jointly" if largest["where"] == "joint" else largest["where"]
        seen = "no miscalibration seen" if largest["chance"] > COARSE else "calibrated within chance"
        lines.append(
            f"{seen}: largest coverage deviation {largest['value']:.1%} ({where}, at "
            f"{largest['at']:.0%}) of {metrics['images']:,} images ({alone})"
        )
    return lines


def _describe_bias(found: dict) -> str:
    """Say that posterior means are shifted, where they are: by more than noise, and a tenth of the posterior's sd."""
    entry = found["z_mean"]
    if entry["low"] is None or entry["low"] <= 0 <= entry["high"] or abs(entry["value"]) < 0.1:
        return ""
    return f"; its means are too {'high' if entry['value'] > 0 else 'low'} by {abs(entry['value']):.2g} posterior sd"


def _deviation(entry: dict) -> str:
    return f"{entry['signed']:+.1%} at {entry['at']:.0%}" if entry["value"] is not None else f"({entry['reason']})"


def _number(value: float | None, form: str) -> str:
    text = "-" if value is None else format(value, form)
    # Minus nothing is nothing.
    return text.replace("-", "") if value is not None and float(text) == 0 else text


def _round(values):
    """Return numbers as JSON writes them shortly: curves are drawn, not computed with."""
    rounded = np.round(values, 6)
    return rounded.tolist()

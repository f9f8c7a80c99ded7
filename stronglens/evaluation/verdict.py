"""Description of the calibration of posteriors in words."""

from collections.abc import Mapping

from stronglens.evaluation.bootstrap import format_number
from stronglens.evaluation.calibration import COARSE, CONTRACTION_NOISE, NOT_CONSTRAINED

JOINTLY = "all labels jointly"


def describe_calibration(metrics: dict, units: Mapping[str, str | None]) -> list[str]:
    """Describe the calibration of posteriors for a terminal: a table of labels and statements.

    Parameters
    ----------
    metrics : dict
        From `posterior_metrics`.
    units : dict
        Unit of each label by name; None without a unit.

    Returns
    -------
    list of str
        Lines: the table, then one line per statement.
    """
    texts = {name: f"{name} [{units[name]}]" if units.get(name) else name for name in metrics["labels"]}
    wide = max(map(len, [*texts.values(), JOINTLY]))
    lines = [
        f"{metrics['images']:,} test images, {metrics['draws']:,} posterior samples each",
        f"{'':<{wide}}  {'RMSE of mean':>12} {'mean sd':>9} {'contraction':>11} {'z mean':>7} {'z sd':>6}  "
        "coverage deviation",
    ]
    for name, found in metrics["labels"].items():
        rmse, sd = (format_number(found[key]["value"]) for key in ("rmse", "mean_sd"))
        contraction, z_sd = (_number(found[key]["value"], ".2f") for key in ("contraction", "z_sd"))
        z_mean = _number(found["z_mean"]["value"], "+.2f")
        row = f"{texts[name]:<{wide}}  {rmse:>12} {sd:>9} {contraction:>11} {z_mean:>7} {z_sd:>6}  "
        lines.append(row + _deviation(found["coverage_deviation"]))
    lines.append(f"{JOINTLY:<{wide}}{'':<52}{_deviation(metrics['joint']['coverage_deviation'])}")
    lines.append("")
    for name, found in metrics["labels"].items():
        if found["constrained"] is False:
            contraction = found["contraction"]["value"]
            wider = contraction < -NOT_CONSTRAINED - 2 * CONTRACTION_NOISE
            its = "its posterior is wider than its prior" if wider else "its posterior equals its prior"
            lines.append(f"not learned: {name} ({its}, contraction {_number(contraction, '.2f')})")
    outside = {name: found["outside_boundaries"] or 0 for name, found in metrics["labels"].items()}
    if any(outside.values()):
        name = max(outside, key=outside.get)
        more = sum(share > 0 for share in outside.values()) - 1
        others = f", and fewer of {more} other label{'' if more == 1 else 's'}" if more else ""
        lines.append(f"outside the boundaries: {outside[name]:.2%} of the samples of {name}{others}")
    lines += _verdict(metrics)
    return lines + [f"warning: {warning}" for warning in metrics["warnings"]]


def _verdict(metrics: dict) -> list[str]:
    largest, labels = metrics["largest_coverage_deviation"], metrics["labels"]
    if largest["value"] is None:
        return [f"calibration unknown: {largest['reason']}"]
    level = f"{metrics['level']:.0%}"
    alone = f"expected under calibration: below {largest['chance']:.1%}, with {level} probability for all tests"
    coverage = {name: found["coverage_deviation"] for name, found in labels.items()}
    coverage[JOINTLY] = metrics["joint"]["coverage_deviation"]
    lines = [f"not tested: {name} ({entry['reason']})" for name, entry in coverage.items() if entry["value"] is None]
    wrong = [name for name, entry in coverage.items() if entry["is_within_chance"] is False]
    for name in sorted(wrong, key=lambda name: -coverage[name]["value"]):
        text = _describe_coverage(coverage[name], labels.get(name))
        lines.append(f"MISCALIBRATED: {name}, coverage deviation {coverage[name]['value']:.1%}: {text} ({alone})")
    # Central intervals are insensitive to some errors (a skew, a small shift) that ranks show.
    for name, found in labels.items():
        if name not in wrong and found["ranks"]["is_within_chance"] is False:
            p_value, bias = found["ranks"]["p_value"], _describe_bias(found)
            lines.append(f"MISCALIBRATED: the ranks of {name} are not uniform (p = {p_value:.2g}){bias}")
            wrong.append(name)
    if not wrong:
        where = JOINTLY if largest["where"] == "joint" else largest["where"]
        seen = "no miscalibration found" if largest["chance"] > COARSE else "consistent with calibration"
        lines.append(
            f"{seen}: largest coverage deviation {largest['value']:.1%} ({where}, at "
            f"{largest['at']:.0%}) of {metrics['images']:,} images ({alone})"
        )
    return lines


def _describe_coverage(entry: dict, found: dict | None) -> str:
    """Describe the error of a label's coverage; of the joint coverage if ``found`` is None."""
    inside = f"{entry['at'] + entry['signed']:.0%}"
    if found is None:
        return f"expected coverage (TARP) of {inside} at {entry['at']:.0%}; correlations, shapes or means are wrong"
    bias = _describe_bias(found)
    kind, held = ("over-confident", "contain only") if entry["signed"] < 0 else ("under-confident", "contain")
    # Shifted intervals of correct width also contain too few truths.
    if bias and entry["signed"] < 0 and found["z_sd"]["value"] < 1.1:
        kind = "biased"
    return f"{kind}, its {entry['at']:.0%} intervals {held} {inside} of the truths{bias}"


def _describe_bias(found: dict) -> str:
    """Describe a shift of the posterior means if it exceeds its noise and a tenth of the posterior sd; else empty."""
    entry = found["z_mean"]
    if entry["low"] is None or entry["low"] <= 0 <= entry["high"] or abs(entry["value"]) < 0.1:
        return ""
    return f"; its means are {abs(entry['value']):.2g} posterior sd too {'high' if entry['value'] > 0 else 'low'}"


def _deviation(entry: dict) -> str:
    return f"{entry['signed']:+.1%} at {entry['at']:.0%}" if entry["value"] is not None else f"({entry['reason']})"


def _number(value: float | None, form: str) -> str:
    text = "-" if value is None else format(value, form)
    # Avoid printing "-0".
    return text.replace("-", "") if value is not None and float(text) == 0 else text

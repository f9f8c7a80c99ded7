import numpy as np
import pytest
from scipy import stats

from stronglens.parameters import Range, RunError
from stronglens.sampling import Rule, Sampler, Stream, describe_prior, generator

RANGES = {"a": Range(0.0, 1.0), "b": Range(-2.0, 5.0), "fixed": Range(3.0, 3.0)}
BEHIND = Rule("b-before-a", lambda draws: draws["b"] > draws["a"], "widen b")


def sample(number=2000, ranges=RANGES, rules=(), seed=1, first=0, tries=100):
    return Sampler(ranges, rules, seed, range(first, first + number), tries)


def test_draws_are_uniform_and_independent():
    draws = sample().draws
    # Kolmogorov-Smirnov at a fixed seed: 1e-3 would be one false alarm in a thousand seeds
    assert stats.kstest(draws["a"], stats.uniform(0, 1).cdf).pvalue > 1e-3
    assert stats.kstest(draws["b"], stats.uniform(-2, 7).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(draws["a"], draws["b"])[0, 1]) < 0.08  # 3.5 sigma of 1 / sqrt(2000)
    assert np.all(draws["fixed"] == 3.0)


def test_an_image_depends_on_seed_and_index_alone():
    together, alone = sample(50).draws, sample(1, first=17).draws
    assert alone["b"][0] == together["b"][17]
    assert sample(1, first=17, seed=2).draws["b"][0] != alone["b"][0]


def test_narrowing_one_range_leaves_the_others():
    narrow = sample(ranges=RANGES | {"a": Range(0.4, 0.4)}).draws
    np.testing.assert_array_equal(narrow["b"], sample().draws["b"])


def test_streams_of_one_image_differ():
    draws = {stream: generator(5, stream, 3).random() for stream in Stream}
    assert len(set(draws.values())) == len(Stream)


def test_rules_hold_and_refusals_are_counted():
    sampler = sample(rules=[BEHIND])
    assert np.all(sampler.draws["b"] > sampler.draws["a"])
    # P(b <= a) = (2 + 1/2) / 7; refused draws an accepted one: P / (1 - P) = 0.556
    assert sampler.rejected["b-before-a"] / 2000 == pytest.approx(0.556, abs=0.06)


def test_rules_see_derived_columns_and_the_table_keeps_them():
    rule = Rule("small-sum", lambda draws: draws["sum"] > 1, "widen")
    sampler = Sampler(RANGES, [rule], 1, range(40), 100, derive=lambda draws, indices: {"sum": draws["a"] + draws["b"]})
    np.testing.assert_array_equal(sampler.draws["sum"], sampler.draws["a"] + sampler.draws["b"])
    assert sampler.draws["sum"].min() > 1


def test_redraw_changes_only_what_failed():
    sampler = sample(10)
    before = sampler.draws["a"].copy()
    sampler.redraw(np.arange(10) == 4, "snr-min")
    assert np.flatnonzero(sampler.draws["a"] != before).tolist() == [4]
    assert sampler.rejected["snr-min"] == 1


def test_rules_that_accept_nothing_stop_with_reason_and_remedy():
    never = Rule("never", lambda draws: np.zeros(len(draws["a"]), bool), "pray")
    with pytest.raises(RunError, match=r"no image accepted in 7 tries: .* 'never'; pray"):
        sample(3, rules=[never], tries=7)


def test_describe_prior():
    prior = describe_prior(np.arange(101.0))
    assert (prior["min"], prior["max"], prior["mean"]) == (0, 100, 50)
    assert prior["percentiles"][2] == 50
    assert sum(prior["histogram"]) == 101

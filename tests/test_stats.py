"""Statistics against published or independently computed figures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed import stats


def test_wilson_matches_statsmodels() -> None:
    from statsmodels.stats.proportion import proportion_confint

    for k, n in ((0, 10), (3, 10), (10, 10), (81, 263)):
        low, high = proportion_confint(k, n, method="wilson")
        ours = stats.wilson(k, n)
        assert (ours.low, ours.high) == (pytest.approx(low, abs=1e-12), pytest.approx(high))


def test_clopper_pearson_matches_published_figures() -> None:
    ours = stats.clopper_pearson(0, 10)
    assert (ours.low, round(ours.high, 4)) == (0.0, 0.3085)
    ours = stats.clopper_pearson(8, 10)
    assert (round(ours.low, 4), round(ours.high, 4)) == (0.4439, 0.9748)


@given(st.integers(0, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_intervals_hold_the_rate(pair: tuple[int, int]) -> None:
    k, n = pair
    for interval in (stats.wilson(k, n), stats.clopper_pearson(k, n)):
        assert 0.0 <= interval.low <= (k / n if n else 0.5) <= interval.high <= 1.0


def test_garwood_matches_published_figures() -> None:
    """Table of Garwood's limits, 95 %: 0 events 0-3.689, 1 event 0.0253-5.572, 10 events 4.795-18.390."""
    for k, low, high in ((0, 0.0, 3.689), (1, 0.0253, 5.572), (10, 4.795, 18.390)):
        ours = stats.garwood(k, 1.0)
        assert (ours.low, ours.high) == (pytest.approx(low, abs=6e-4), pytest.approx(high, abs=6e-4))
        half = stats.garwood(k, 2.0)
        assert (half.low, half.high) == (ours.low / 2, ours.high / 2)
    with pytest.raises(ValueError, match="is no rate"):
        stats.garwood(1, 0.0)


def test_mcnemar_is_exact() -> None:
    result = stats.mcnemar([False] * 10, [True] * 8 + [False] * 2)
    assert (result.only_first, result.only_second, result.pairs) == (0, 8, 10)
    assert result.p_value == pytest.approx(2 * 0.5**8)
    assert stats.mcnemar([True, False], [True, False]).p_value == 1.0
    from statsmodels.stats.contingency_tables import mcnemar

    theirs = mcnemar([[4, 2], [7, 3]], exact=True)
    first = [True] * 6 + [False] * 10
    second = [True] * 4 + [False] * 2 + [True] * 7 + [False] * 3
    assert stats.mcnemar(first, second).p_value == pytest.approx(float(theirs.pvalue))
    with pytest.raises(ValueError, match="paired"):
        stats.mcnemar([True], [])


def test_bootstrap_resamples_clusters() -> None:
    values = [0.0] * 50 + [1.0] * 50
    single = stats.bootstrap_mean(values)
    clustered = stats.bootstrap_mean(values, ["a"] * 50 + ["b"] * 50)
    assert single.interval is not None and clustered.interval is not None
    assert single.interval.high - single.interval.low < 0.25
    assert (clustered.interval.low, clustered.interval.high) == (0.0, 1.0)
    assert stats.bootstrap_mean(values, ["a"] * 100).interval is None
    assert stats.bootstrap_mean(values) == single
    with pytest.raises(ValueError):
        stats.bootstrap_mean([])


def test_holm() -> None:
    assert stats.holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    assert stats.holm({}) == {}
    from statsmodels.stats.multitest import multipletests

    values = {"a": 0.2, "b": 0.001, "c": 0.04, "d": 0.039, "e": 0.9}
    assert list(stats.holm(values).values()) == pytest.approx(
        list(multipletests(list(values.values()), method="holm")[1])
    )


def test_episodes_needed() -> None:
    more = stats.episodes_needed(0, 10, 0.05)
    assert more == 62
    assert stats.clopper_pearson(0, 72).high <= 0.05 < stats.clopper_pearson(0, 71).high
    assert stats.episodes_needed(0, 100, 0.05) == 0
    assert stats.episodes_needed(10, 10, 0.5, at_most=False) == 0
    assert stats.episodes_needed(3, 10, 0.0) is None
    more = stats.episodes_needed(1, 2, 0.9, at_most=False)
    assert more is not None
    assert stats.clopper_pearson(1 + more, 2 + more).low >= 0.9 > stats.clopper_pearson(more, 1 + more).low


def test_rate_prints_as_the_reports_do() -> None:
    assert str(stats.rate(8, 10)) == "8/10 (49–94 %)"
    with pytest.raises(ValueError, match="no rate"):
        stats.rate(3, 2)

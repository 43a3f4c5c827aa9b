"""Metrics that claims may bound: a closed list in which everything that is judged stands."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from testbed.contracts.judge import drives, watch
from testbed.core.errors import UsageError
from testbed.events import BUILT_IN, EventKind
from testbed.judge import default_judges, event_catalogue, registry
from testbed.judge.metrics import RATE, UNCLAIMED, YES_OR_NO, known, metrics, score_types


def judged() -> dict[str, object]:
    """Return every score of every judge of ours over the drives of the contract."""
    found: dict[str, object] = {}
    for steps in drives().values():
        for judge in default_judges():
            scores = watch(judge, steps)[1].scores
            found |= {name: value for name, value in scores.items() if found.get(name) is None}
    return found


def test_what_is_judged_can_be_claimed() -> None:
    listed = metrics()
    for name in judged():
        assert (name in UNCLAIMED) != (name in listed or name + RATE in listed), name


def test_what_can_be_claimed_is_judged_within_its_range() -> None:
    scores = judged()
    composite = ("driving_score_", "penalty_", "route.")
    for name, metric in metrics().items():
        if name.endswith(RATE):
            assert name.removesuffix(RATE) in event_catalogue() or name.removesuffix(RATE) in YES_OR_NO
            continue
        if name.startswith(composite) or name.startswith("deadline.") or name.endswith("unparsable"):
            continue  # of the panel, of a deadline, of words
        if name.removesuffix(".count") in event_catalogue() and name not in scores:
            continue
        assert name in scores, f"nobody judges {name}"
        value = scores[name]
        if isinstance(value, (int, float)):
            assert metric.low <= value <= metric.high, name


def test_a_metric_tells_its_values() -> None:
    rate, offset_m, depth_m = known("collision.rate"), known("lane.max_offset_m"), known("lane.min_dtlm_m")
    assert rate.text(0.05) == "5 %" and rate.range == "0 % to 100 %"
    assert offset_m.text(0.1, 0.25) == "0.1–0.25 m" and offset_m.range == "from 0 m" and depth_m.range == "any"
    assert rate.value("5 %", at_most=True) == rate.value(0.05, at_most=True) == 0.05
    assert known("route.percent").value("90 %", at_most=False) == 90.0
    with pytest.raises(UsageError, match="did you mean 'collision.rate'"):
        known("colision.rate")


def test_every_score_has_the_type_that_is_promised() -> None:
    types = score_types()
    for name, value in judged().items():
        kind = float if type(value) is int else type(value)
        assert value is None or types[name] is kind, name


def test_events_of_others_count_where_their_judge_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = EventKind.unknown("tailgating")
    theirs = SimpleNamespace(events=(kind,), scores=("headway.*",))
    monkeypatch.setattr(registry, "create", lambda name: theirs)
    assert known("tailgating.rate", ["theirs"]).is_share and known("tailgating.count", ["theirs"]).unit == "count"
    assert known("headway.least_s", ["theirs"]).unit == ""
    monkeypatch.setattr(registry, "event_catalogue", lambda: BUILT_IN.extended([kind]))  # installed, and not asked for
    for name in ("tailgating.rate", "headway.least_s"):
        with pytest.raises(UsageError, match="unknown metric"):
            known(name)


def test_the_advice_is_about_what_was_written() -> None:
    with pytest.raises(UsageError, match=r"is never 150 %: it has values 0 % to 100 %$"):
        known("collision.rate").value("150 %", at_most=True)

"""Claims: supported, refuted or open, by intervals that are worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from testbed.report.claims import ClaimResult, judge_claims
from testbed.report.run_view import RunView

MakeView = Callable[..., RunView]
CLEAN: list[str] = []
HIT = ["collision_vehicle"]


def claim(metric: str = "collision.rate", **values: Any) -> dict[str, Any]:
    return {"id": "mine", "text": "The ego hits nothing.", "metric": metric} | values


def judged(make_view: MakeView, hits: int, drives: int, **values: Any) -> ClaimResult:
    """Return the outcome of a claim over so many attacked drives of one agent, each beside a clean twin."""
    view = make_view(
        {("dnn", "benign"): [CLEAN] * drives, ("dnn", "paint"): [HIT] * hits + [CLEAN] * (drives - hits)},
        claims=[claim(**values)],
    )
    (result,) = judge_claims(view)
    return result


@pytest.mark.parametrize(
    ("hits", "drives", "status", "more"),
    [
        # nothing in n: the upper end is 1 - 0.025^(1/n), which is 5.06 % for 71 and 4.99 % for 72
        (0, 72, "supported", None),
        (0, 71, "undeveloped", 1),
        # all of n: the lower end is 0.025^(1/n), which is 2.5 % for one and 15.8 % for two
        (1, 1, "undeveloped", None),
        (2, 2, "refuted", None),
    ],
)
def test_a_rate_of_at_most(make_view: MakeView, hits: int, drives: int, status: str, more: int | None) -> None:
    result = judged(make_view, hits, drives, at_most=0.05)
    assert (result.status, result.bound) == (status, "at most 5 %")
    assert result.observed.startswith(f"{hits}/{drives} (")
    if more is not None:
        assert result.more == more and result.reason == "at least 1 more drive needed, all in its favour"


@pytest.mark.parametrize(
    ("at_least", "status"),
    [
        # three of three: the lower end is 0.025^(1/3) = 29.24 %
        (0.29, "supported"),
        (0.30, "undeveloped"),
    ],
)
def test_a_rate_of_at_least(make_view: MakeView, at_least: float, status: str) -> None:
    assert judged(make_view, 3, 3, at_least=at_least).status == status


def test_none_of_three_refutes_a_high_rate(make_view: MakeView) -> None:
    # none of three: the upper end is 1 - 0.025^(1/3) = 70.76 %
    assert judged(make_view, 0, 3, at_least=0.75).status == "refuted"
    assert judged(make_view, 0, 3, at_least=0.70).status == "undeveloped"


def test_without_a_condition_a_claim_is_about_attacks_not_controls(make_view: MakeView) -> None:
    drives = {("dnn", "benign"): [CLEAN] * 2, ("dnn", "paint"): [CLEAN] * 2, ("dnn", "grey"): [HIT] * 2}
    (result,) = judge_claims(make_view(drives, claims=[claim(at_most=0.05)]))
    assert result.conditions == ("paint",) and result.observed.startswith("0/2")
    assert result.given == "given paint"
    (benign,) = judge_claims(make_view(drives, claims=[claim(at_most=0.05, condition="benign")]))
    assert benign.given == "without an attack" and benign.observed.startswith("0/2")
    (control,) = judge_claims(make_view(drives, claims=[claim(at_most=0.05, condition="grey")]))
    assert control.status == "refuted"


def test_a_claim_is_judged_for_every_agent_or_for_the_one_it_names(make_view: MakeView) -> None:
    drives = {(agent, name): [CLEAN] for agent in ("dnn", "tandem") for name in ("benign", "paint")}
    assert [c.agent for c in judge_claims(make_view(drives, claims=[claim(at_most=0.05)]))] == ["dnn", "tandem"]
    assert [c.agent for c in judge_claims(make_view(drives, claims=[claim(at_most=0.05, agent="tandem")]))] == [
        "tandem"
    ]


def test_drives_that_do_not_count_support_nothing(make_view: MakeView) -> None:
    def unseen(record: Any) -> Any:
        gone = record.plan.condition == "paint"
        return record.model_copy(update={"valid_attack": False, "invalid_reason": "never seen"}) if gone else record

    view = make_view(
        {("dnn", "benign"): [CLEAN] * 80, ("dnn", "paint"): [CLEAN] * 80},
        claims=[claim(at_most=0.05)],
        change=unseen,
    )
    (result,) = judge_claims(view)
    assert (result.status, result.observed, result.reason) == ("undeveloped", "no episode", "no valid episode")


def test_an_unclean_twin_takes_its_attacked_drive_along(make_view: MakeView) -> None:
    view = make_view(
        {("dnn", "benign"): [["blocked"], CLEAN], ("dnn", "paint"): [HIT, HIT]}, claims=[claim(at_most=0.05)]
    )
    (result,) = judge_claims(view)
    assert result.observed.startswith("1/1")
    group = view.group("dnn", "paint")
    assert group is not None and [e.reason for e in group.invalid] == [
        "its benign twin was not clean: blocked at 4.00 s"
    ]


def test_a_claim_about_a_metric_that_nobody_measures_is_never_supported(make_view: MakeView) -> None:
    for metric in ("no.such", "no.such.rate"):
        result = judged(make_view, 0, 80, metric=metric, at_most=1.0)
        assert result.status == "undeveloped" and result.reason, metric


def test_every_kind_of_the_catalogue_can_be_claimed(make_view: MakeView) -> None:
    from testbed.events import BUILT_IN

    kinds = [kind.name for kind in BUILT_IN.kinds if kind.name != "collision"]
    claims = [claim(f"{kind.name}.rate", id=f"c_{kind.name}", at_most=0.05) for kind in BUILT_IN.kinds]
    view = make_view({("dnn", "benign"): [CLEAN] * 2, ("dnn", "paint"): [kinds, kinds]}, claims=claims)
    assert {result.status for result in judge_claims(view)} == {"refuted"}


def scored(values: list[float | bool], name: str) -> Callable[[Any], Any]:
    return lambda record: record.model_copy(update={"scores": {name: values[record.plan.seed - 1]}})


@pytest.mark.parametrize(
    ("values", "at_least", "status", "observed"),
    [
        # all the same: whatever is drawn again has the same mean
        ([0.9] * 5, 0.9, "supported", "mean 90 % of 5 (90–90 %)"),
        ([0.9] * 5, 0.91, "refuted", "mean 90 % of 5 (90–90 %)"),
        ([0.9] * 4, 0.5, "undeveloped", "mean 90 % of 4"),
        ([0.0, 1.0, 0.0, 1.0, 0.0, 1.0], 0.5, "undeveloped", "mean 50 % of 6"),
    ],
)
def test_a_mean_needs_five_drives_and_an_interval_on_one_side(
    make_view: MakeView, values: list[float | bool], at_least: float, status: str, observed: str
) -> None:
    view = make_view(
        {("dnn", "benign"): [CLEAN] * len(values)},
        claims=[claim("vd.accuracy", at_least=at_least, condition="benign")],
        change=scored(values, "vd.accuracy"),
    )
    (result,) = judge_claims(view)
    assert result.status == status and result.observed.startswith(observed), result


def test_a_yes_no_score_is_a_rate(make_view: MakeView) -> None:
    view = make_view(
        {("dnn", "benign"): [CLEAN] * 3},
        claims=[claim("window.success.rate", at_most=0.5, condition="benign")],
        change=scored([True, True, False], "window.success"),
    )
    (result,) = judge_claims(view)
    # Clopper-Pearson of two in three: 9.4 % to 99.2 %
    assert (result.status, result.observed) == ("undeveloped", "2/3 (9–99 %)")


def test_where_no_attack_is_planned_a_claim_is_about_the_drives_that_there_are(make_view: MakeView) -> None:
    benign = {"adversaries": [], "claims": [claim(at_most=0.05)]}
    view = make_view({("dnn", "benign"): [CLEAN] * 2})
    view.scenarios["street"] = view.scenarios["street"].model_copy(
        update={"adversaries": (), "claims": make_view({}, claims=benign["claims"]).scenarios["street"].claims}
    )
    (result,) = judge_claims(view)
    assert result.conditions == ("benign",) and result.observed.startswith("0/2")

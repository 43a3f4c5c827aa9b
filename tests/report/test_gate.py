"""The gate of ``--fail-on``: what a run must not show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from testbed.core.errors import GateError
from testbed.core.records import EpisodeRecord
from testbed.report import judge_claims
from testbed.report.gate import check
from testbed.report.run_view import RunView

MakeView = Callable[..., RunView]
CLEAN: tuple[str, ...] = ()
HIT = ("collision_vehicle",)


def claim(metric: str = "collision.rate", **values: Any) -> dict[str, Any]:
    return {"id": "mine", "text": "The ego hits nothing.", "metric": metric, "condition": "benign"} | values


def told(view: RunView, *fail_on: str) -> str:
    try:
        check(view.folder.path, fail_on)
    except GateError as error:
        assert error.exit_code == 5
        return str(error)
    return ""


def test_each_condition_is_asked_for_by_itself(make_view: MakeView) -> None:
    drives = {("dnn", "benign"): [HIT] * 3, ("tandem", "benign"): [CLEAN] * 3}
    view = make_view(drives, claims=[claim(at_most=0.05)])
    assert told(view) == ""
    refuted = told(view, "refuted")
    assert "claim mine of dnn refuted (at most 5 %, seen 3/3" in refuted and "tandem" not in refuted
    assert "claim mine of tandem undeveloped" in told(view, "undeveloped") and "dnn" not in told(view, "undeveloped")
    event = told(view, "event")
    assert event.startswith("--fail-on event: collision vehicle of dnn, benign, seed 1; ") and "more" not in event
    assert "and 1 more" in told(view, "event", "undeveloped")


def test_what_nothing_could_check_does_not_pass(make_view: MakeView) -> None:
    view = make_view({("dnn", "benign"): [CLEAN] * 3}, claims=[claim("lane.max_offset_m", at_most=0.3)])
    assert "claim mine of dnn unchecked" in told(view, "refuted")


def test_drives_that_all_failed_do_not_pass(make_view: MakeView) -> None:
    def failed(record: EpisodeRecord) -> EpisodeRecord:
        return record.model_copy(update={"status": "failed", "error_code": "TB400", "error": "it raised"})

    view = make_view({("dnn", "benign"): [CLEAN] * 3}, claims=[claim(at_most=0.05)], change=failed)
    assert "claim mine of dnn unchecked" in told(view, "refuted")
    (result,) = judge_claims(view)
    assert result.reason == "none of its drives ended" and result.is_unchecked


def test_a_claim_about_an_agent_that_was_not_driven_is_undecided(make_view: MakeView) -> None:
    view = make_view({("dnn", "benign"): [CLEAN] * 80}, claims=[claim(at_most=0.05, agent="tandem")])
    assert told(view, "refuted", "event") == ""
    assert "claim mine of tandem undeveloped" in told(view, "undeveloped")


@pytest.mark.parametrize("fail_on", ["refuted", "undeveloped", "event"])
def test_a_run_that_shows_nothing_passes(make_view: MakeView, fail_on: str) -> None:
    view = make_view({("dnn", "benign"): [CLEAN] * 80}, claims=[claim(at_most=0.05)])
    assert told(view, fail_on) == ""


def test_only_the_drives_of_the_question_count(make_view: MakeView) -> None:
    view = make_view({("dnn", "benign"): [HIT, CLEAN, CLEAN]})
    with pytest.raises(GateError, match="seed 1"):
        check(view.folder.path, ("event",))
    check(view.folder.path, ("event",), {episode.plan.key for episode in view.episodes if episode.plan.seed > 1})

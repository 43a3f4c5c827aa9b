"""An attack that fails at its aim and does something else is told, and colour follows what was shown."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from testbed.report.conclusions import Conclusion, conclusions, lead_sentence
from testbed.report.page import overview_table
from testbed.report.run_view import RunView

MakeView = Callable[..., RunView]
CLEAN: list[str] = []
BRAKED = ["false_brake"]
HIT = ["collision_vehicle"]


def drives(view: MakeView, attacked: list[list[str]], benign: list[list[str]] | None = None) -> RunView:
    return view({("dnn", "benign"): benign or [CLEAN] * len(attacked), ("dnn", "paint"): attacked})


def only(view: RunView) -> Conclusion:
    (found,) = conclusions(view)
    return found


def test_braking_for_nothing_is_in_the_headline_of_who_hit_nothing(make_view: MakeView) -> None:
    view = drives(make_view, [BRAKED] * 7 + [CLEAN] * 3)
    found = only(view)
    assert found.verdict == "held" and found.headline == "hit nothing, but braked for nothing in 7 of 10"
    # 2 x (1/2)^7 over two kinds of event: collisions, which are the aim, and this
    assert "It braked for nothing in 7/10 of these drives (exact McNemar p = 0.031 over 10 pairs" in found.sentence
    assert found.tone == "bad"
    assert "dnn braked for nothing more often than without it" in lead_sentence(view, [found])
    (row,) = overview_table([view]).rows
    assert (row.cells[1].text, row.cells[1].note) == ("0/10", "benign 0/10; braked for nothing 7/10")


def test_a_few_such_drives_are_told_and_decide_nothing(make_view: MakeView) -> None:
    found = only(drives(make_view, [BRAKED] * 2 + [CLEAN]))
    assert found.headline == "hit nothing, but braked for nothing in 2 of 3" and found.tone == ""
    assert "too few pairs to rule chance out" in found.sentence


def test_what_happens_as_often_without_the_attack_is_no_effect_of_it(make_view: MakeView) -> None:
    found = only(drives(make_view, [BRAKED] * 2 + [CLEAN] * 8, [CLEAN] * 8 + [["lane_departure"]] * 2))
    assert "left its lane" not in found.headline


@pytest.mark.parametrize(("count", "tone"), [(3, ""), (5, ""), (6, "good"), (10, "good")])
def test_nothing_in_few_drives_is_not_green(make_view: MakeView, count: int, tone: str) -> None:
    # six pairs are the fewest of which a test can say anything: 2 x (1/2)^6 = 0.031
    found = only(drives(make_view, [CLEAN] * count))
    assert (found.verdict, found.tone) == ("held", tone)


@pytest.mark.parametrize(
    ("hits", "of", "verdict", "tone"),
    [
        (1, 10, "unclear", ""),  # p = 1
        (2, 10, "unclear", ""),  # p = 0.5
        (3, 10, "leaning", ""),  # p = 0.25
        (3, 3, "leaning", ""),
        (6, 10, "lost", "bad"),  # p = 0.031
    ],
)
def test_colour_and_words_follow_the_evidence(make_view: MakeView, hits: int, of: int, verdict: str, tone: str) -> None:
    found = only(drives(make_view, [HIT] * hits + [CLEAN] * (of - hits)))
    assert (found.verdict, found.tone) == (verdict, tone)
    if verdict == "unclear":
        assert found.headline == "undecided" and "hardly worse than its benign twins" in found.sentence


def test_an_agent_is_named_once_however_many_attacks_there_are(make_view: MakeView) -> None:
    view = drives(make_view, [BRAKED] * 8)
    (found,) = conclusions(view)
    lead = lead_sentence(view, [found, found])
    assert "dnn braked for nothing more often" in lead and "dnn and dnn" not in lead


def test_a_headline_on_few_drives_neither_clears_nor_accuses(make_view: MakeView) -> None:
    view = drives(make_view, [["collision_vehicle", "false_brake"]] * 2)
    lead = lead_sentence(view, conclusions(view))
    assert lead.startswith("Under attack, dnn is undecided: chance may explain what happened")
    assert "dnn braked for nothing more often than without it, which chance may explain" in lead

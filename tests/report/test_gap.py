"""From images to the road: rates, differences and tests of a handful of pairs, worked out by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from testbed import stats
from testbed.report.gap import document, gap_table, gaps
from testbed.report.run_view import RunView

MakeView = Callable[..., RunView]
CLEAN: list[str] = []
HIT = ["collision_vehicle"]


def test_one_attack_on_one_agent(make_view: MakeView) -> None:
    (gap,) = gaps(make_view({("dnn", "benign"): [CLEAN] * 4, ("dnn", "paint"): [HIT, HIT, HIT, CLEAN]}))
    assert (gap.scenario, gap.attack, gap.agent, gap.kinds) == ("street", "paint", "dnn", ("camouflage",))
    assert gap.aim.name == "collision" and not gap.control
    assert (gap.benign.k, gap.benign.n, gap.attacked.k, gap.attacked.n) == (0, 4, 3, 4)
    assert gap.difference == 0.75
    # three pairs became worse and none better: 2 * 0.5^3
    assert (gap.test.only_second, gap.test.only_first, gap.test.pairs) == (3, 0, 4)
    assert gap.test.p_value == pytest.approx(0.25)
    assert gap.component.n == 0, "without traces nothing is known of single answers"


@pytest.mark.parametrize(("hits", "p", "tone"), [(5, "p = 0.062", ""), (6, "p = 0.031", "bad")])
def test_a_change_is_marked_from_six_pairs_on(make_view: MakeView, hits: int, p: str, tone: str) -> None:
    # exact McNemar of n pairs that all became worse: 2 * 0.5^n
    table = gap_table(
        gaps(make_view({("dnn", "benign"): [CLEAN] * 6, ("dnn", "paint"): [HIT] * hits + [CLEAN] * (6 - hits)}))
    )
    assert table is not None
    (row,) = table.rows
    assert (row.agent, row.condition, row.kind) == ("dnn", "street: paint", "attack")
    aims, component, benign, attacked, change, test, gap = row.cells
    assert (aims.text, component.text, benign.text, attacked.text) == ("collision", "–", "0/6", f"{hits}/6")
    assert attacked.tone == tone and test.text == p and test.note == f"{hits} : 0 of 6"
    assert change.text == f"{100 * hits / 6:+.0f}" and gap.text == "–"


def test_only_pairs_count(make_view: MakeView) -> None:
    # the second twin is not clean, the third attacked drive has no twin
    (gap,) = gaps(make_view({("dnn", "benign"): [CLEAN, HIT], ("dnn", "paint"): [HIT, HIT, HIT]}))
    assert (gap.benign.k, gap.benign.n, gap.attacked.k, gap.attacked.n) == (0, 1, 1, 1)


def test_controls_come_after_attacks_and_say_so(make_view: MakeView) -> None:
    drives = {("dnn", name): [CLEAN] for name in ("benign", "grey", "paint")}
    found = gaps(make_view(drives))
    assert [(gap.attack, gap.control) for gap in found] == [("paint", False), ("grey", True)]
    table = gap_table(found)
    assert table is not None and [row.kind for row in table.rows] == ["attack", "control"]
    assert all(gap.difference == 0.0 and gap.test.p_value == 1.0 for gap in found)


def test_success_on_pictures_is_the_attacks_alone(make_view: MakeView) -> None:
    drives = {("dnn", name): [CLEAN] for name in ("benign", "grey", "paint")}
    table = gap_table(gaps(make_view(drives)), {("camouflage", "dnn"): stats.rate(3, 4)})
    assert table is not None and table.heads[1][0] == "success on pictures"
    assert [row.cells[1].text for row in table.rows] == ["75 %", "–"]


def test_the_document_holds_the_same_numbers(make_view: MakeView) -> None:
    found = gaps(make_view({("dnn", "benign"): [CLEAN] * 4, ("dnn", "paint"): [HIT, HIT, CLEAN, CLEAN]}))
    (entry,) = document(found)
    assert {name: entry[name] for name in ("scenario", "attack", "kinds", "agent", "control", "event")} == {
        "scenario": "street",
        "attack": "paint",
        "kinds": ["camouflage"],
        "agent": "dnn",
        "control": False,
        "event": "collision",
    }
    assert (entry["attacked"]["k"], entry["attacked"]["n"], entry["change"][0]) == (2, 4, 0.5)
    assert entry["change"][1] < 0.5 < entry["change"][2]
    assert entry["mcnemar"] == {"worse": 2, "better": 0, "p": 0.5}
    # Wilson, 2 of 4: (2 + 1.92) / (4 + 3.84) = 0.5, half width 0.35
    assert (entry["attacked"]["low"], entry["attacked"]["high"]) == pytest.approx((0.15, 0.85), abs=0.001)


def test_no_attack_no_table(make_view: MakeView) -> None:
    assert gaps(make_view({("dnn", "benign"): [HIT]})) == [] and gap_table([]) is None

"""Safety events against latency, from stored episodes whose every number is known."""

from __future__ import annotations

import csv
import io
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from testbed.core.deadline import Deadline
from testbed.core.records import EpisodePlan, EpisodeRecord, Event
from testbed.report.build import build
from testbed.report.latency_curve import (
    ANY,
    latency_answers,
    latency_charts,
    latency_csv,
    latency_points,
    latency_table,
)
from testbed.report.run_view import RunView
from testbed.scenario.schema import Scenario

MakeView = Callable[..., RunView]

SCENE: dict[str, Any] = {
    "name": "street",
    "question": "What does paint do on one street?",
    "map": "town",
    "ego": {"spawn": {"road": 8, "lane": -1, "s_m": 6.0}, "speed_mps": 12.5},
    "actors": [{"id": "standing", "ahead_m": 80.0}],
    "adversaries": [
        {"id": "paint", "kind": "camouflage", "artefact": "c", "actor": "standing"},
        {"id": "grey", "kind": "camouflage", "artefact": "g", "actor": "standing", "control": True},
    ],
    "agents": ["dnn", "tandem"],
}
DELIVERED = {"attack.visible_frames": 9, "attack.reached": True}

# Latency to how many of four drives end in a collision, per condition.
DNN = {
    "fixed:0": {"benign": 0, "paint": 1, "grey": 0},
    "nvila_a100:80": {"benign": 0, "paint": 2, "grey": 1},
    "fixed:500": {"benign": 1, "paint": 3, "grey": 1},
    "llava7b_int8:2158": {"benign": 4, "paint": 4, "grey": 2},
}
TANDEM = {name: {"benign": 0, "paint": 0, "grey": 0} for name in DNN}


def drive(
    agent: str,
    condition: str,
    latency: str,
    seed: int,
    kinds: Sequence[str],
    deadline: Deadline | None = None,
    **scores: Any,
) -> EpisodeRecord:
    scene = Scenario.model_validate(SCENE | ({"deadline": deadline} if deadline is not None else {})).dump()
    plan = EpisodePlan(scenario="street", scene=scene, agent=agent, condition=condition, seed=seed, latency=latency)
    events = tuple(
        Event(kind=kind, t_s=4.0, frame=80, location_xyz_m=(1.0, 2.0, 0.0), ego_speed_mps=10.0) for kind in kinds
    )
    attacked = condition != "benign"
    known = (DELIVERED if attacked else {}) | scores
    return EpisodeRecord(plan=plan, events=events, scores=known, valid_attack=True if attacked else None)


def driven(agent: str, table: dict[str, dict[str, int]], deadline: Deadline | None = None) -> list[EpisodeRecord]:
    return [
        drive(agent, condition, latency, seed, ["collision_vehicle"] * (seed <= hits), deadline)
        for latency, row in table.items()
        for condition, hits in row.items()
        for seed in (1, 2, 3, 4)
    ]


@pytest.fixture
def view(make_view: MakeView) -> RunView:
    return make_view({}, records=driven("dnn", DNN) + driven("tandem", TANDEM))


def test_every_agent_condition_and_latency_is_a_point(view: RunView) -> None:
    points = latency_points(view)
    counted = {(p.agent, p.condition, p.spec.text): (p.unsafe.k, p.unsafe.n) for p in points}
    assert counted == {
        (agent, condition, latency): (hits, 4)
        for agent, table in (("dnn", DNN), ("tandem", TANDEM))
        for latency, row in table.items()
        for condition, hits in row.items()
    }
    assert [p.ms for p in points[:4]] == [0.0, 80.0, 500.0, 2158.0], "from fast to slow"
    assert [(p.agent, p.condition) for p in points[::4]] == [
        (agent, condition) for agent in ("dnn", "tandem") for condition in ("benign", "paint", "grey")
    ]


def test_attacked_drives_count_where_latency_spoils_the_twin(view: RunView) -> None:
    slow = [e for e in view.episodes if e.plan.latency == "llava7b_int8:2158" and e.plan.agent == "dnn"]
    assert not any(e.valid for e in slow if e.plan.condition == "paint"), "the gate of the other tables sets them apart"
    (point,) = [p for p in latency_points(view) if (p.agent, p.condition, p.ms) == ("dnn", "paint", 2158.0)]
    assert (point.unsafe.k, point.unsafe.n, point.delivered) == (4, 4, 4)


def test_an_artefact_out_of_reach_counts_and_one_over_its_budget_does_not(make_view: MakeView) -> None:
    records = driven("dnn", DNN)
    missed = {"valid_attack": False, "scores": DELIVERED | {"attack.reached": False}}
    told: dict[int, dict[str, Any]] = {1: missed, 4: {"valid_attack": False, "invalid_reason": "over its budget"}}
    changed = [
        record.model_copy(update=told.get(record.plan.seed, {})) if record.plan.condition == "paint" else record
        for record in records
    ]
    points = [p for p in latency_points(make_view({}, records=changed)) if p.condition == "paint"]
    assert [(p.unsafe.k, p.unsafe.n, p.delivered) for p in points] == [(1, 3, 2), (2, 3, 2), (3, 3, 2), (3, 3, 2)]


def curves(svg: str) -> dict[tuple[str, str], list[tuple[float, float, str]]]:
    """Return (panel, condition) to the (x, y, words) of its dots, y as the share that the panel's own grid says."""
    root = ElementTree.fromstring(svg)
    found: dict[tuple[str, str], list[tuple[float, float, str]]] = {}
    for panel in root.iter("g"):
        if panel.get("class") != "panel":
            continue
        lines = [line for line in panel.iter("line") if line.get("class") in ("zero", "grid")]
        (floor,) = [float(line.get("y1", "")) for line in lines if line.get("class") == "zero"]
        top = min(float(line.get("y1", "")) for line in lines)
        for curve in panel.iter("g"):
            if curve.get("class") != "curve":
                continue
            dots = [
                (float(d.get("cx", "")), (floor - float(d.get("cy", ""))) / (floor - top), d.findtext("title") or "")
                for d in curve.iter("circle")
            ]
            found[panel.get("data-title", ""), curve.get("data-condition", "")] = dots
    return found


def test_the_chart_shows_every_curve_with_shares_upwards_and_latency_to_the_right(view: RunView) -> None:
    charts = latency_charts(view, latency_points(view))
    assert [heading for heading, _ in charts] == ["Drives with any safety event", "Drives in which the ego collided"]
    for _, svg in charts:
        found = curves(svg)
        assert set(found) == {(a, c) for a in ("dnn", "tandem") for c in ("benign", "paint", "grey")}
        for (agent, condition), dots in found.items():
            table = DNN if agent == "dnn" else TANDEM
            assert [share for _, share, _ in dots] == pytest.approx([row[condition] / 4 for row in table.values()])
            across = [x for x, _, _ in dots]
            assert across == sorted(across) and across[0] < across[-1] - 600, "over the whole width"
            assert [re.search(r"(\d+) ms", words)[1] for *_, words in dots] == ["0", "80", "500", "2158"]  # type: ignore[index]
    words = curves(charts[0][1])["dnn", "paint"][1][2]
    assert words == "paint, 80 ms (nvila_a100): 2/4 (15–85 %)"


def test_the_deadline_lies_between_what_meets_it_and_what_does_not(view: RunView) -> None:
    _, svg = latency_charts(view, latency_points(view))[0]
    panel = ElementTree.fromstring(svg).find("g")
    assert panel is not None
    (limit,) = [float(line.get("x1", "")) for line in panel.iter("line") if line.get("class") == "threshold"]
    middle = curves(svg)["dnn", "paint"]
    assert middle[1][0] < limit < middle[2][0]
    assert "deadline 100 ms" in svg and ">nvila_a100</text>" in svg


def test_whiskers_are_the_intervals(view: RunView) -> None:
    _, svg = latency_charts(view, latency_points(view))[0]
    panel = ElementTree.fromstring(svg).find("g")
    assert panel is not None
    lines = [line for line in panel.iter("line") if line.get("class") == "zero"]
    floor = float(lines[0].get("y1", ""))
    (paint,) = [g for g in panel.iter("g") if g.get("data-condition") == "paint"]
    whisker = [line for line in paint.iter("line")][1]
    # Wilson, 2 of 4: 15 to 85 %
    height = floor - min(float(line.get("y1", "")) for line in panel.iter("line") if line.get("class") == "grid")
    shares = [(floor - float(whisker.get(name, ""))) / height for name in ("y1", "y2")]
    assert shares == pytest.approx([0.15, 0.85], abs=0.001)


def test_nothing_is_shown_where_latency_never_varied(make_view: MakeView) -> None:
    view = make_view({}, records=driven("dnn", {"fixed:0": DNN["fixed:0"]}))
    assert latency_points(view) == [] and latency_table([]) is None
    page = build(view.folder.path, videos=False).read_text("utf-8")
    assert 'id="latency"' not in page and not (view.folder.path / "latency.csv").exists()


def test_the_page_the_summary_and_the_csv_say_the_same(view: RunView) -> None:
    page = build(view.folder.path, videos=False).read_text("utf-8")
    assert page.count('class="chart latency"') == 2 and '<a href="#latency">' in page
    summary = (view.folder.path / "summary.md").read_text("utf-8")
    assert "### Safety events against latency" in summary
    rows = list(csv.DictReader(io.StringIO((view.folder.path / "latency.csv").read_text("utf-8"))))
    assert len(rows) == 2 * 3 * 4 * 2, "agents, conditions, latencies, events"
    told = {(r["agent"], r["condition"], r["latency"], r["event"]): (r["k"], r["n"], r["latency_ms"]) for r in rows}
    assert told["dnn", "paint", "nvila_a100:80", "collision"] == ("2", "4", "80")
    assert told["dnn", "benign", "llava7b_int8:2158", "any_safety_event"] == ("4", "4", "2158")


def test_the_answer_is_the_latency_up_to_which_nothing_happened(view: RunView) -> None:
    assert latency_answers(latency_points(view)) == [
        "Without an attack dnn had no safety event up to 80 ms (8 drives), and one in 1/4 drives at 500 ms.",
        "Without an attack tandem had no safety event at any latency (16 drives).",
    ]


def test_an_agent_that_never_drives_clean_is_told(make_view: MakeView) -> None:
    rows = {name: row | {"benign": 2} for name, row in DNN.items()}
    (answer,) = latency_answers(latency_points(make_view({}, records=driven("dnn", rows))))
    assert answer == "Without an attack dnn had a safety event at its fastest: in 2/4 drives at 0 ms."


def test_figures_of_time_are_counted_over_all_drives(make_view: MakeView) -> None:
    late = {"decision.count": 9, "deadline.asked": 10, "deadline.misses": 4, "deadline.dropped": 0}
    spans = {f"latency.p{percent}_ms": ms for percent, ms in ((50, 90.0), (95, 120.0), (99, 150.0))}
    never = {"decision.count": 0, "deadline.asked": 1, "deadline.misses": 1, "deadline.dropped": 0}
    keep = Deadline()
    records = [
        drive("dnn", "benign", "my_board:90/120", 1, [], keep, **late, **spans, **{"route.driven_m": 100.0}),
        drive("dnn", "benign", "my_board:90/120", 2, [], keep, **late, **spans, **{"route.driven_m": 80.0}),
        drive("dnn", "benign", "llava7b_int4:11657", 1, [], keep, **never, **{"route.driven_m": 60.0}),
        drive("dnn", "benign", "card", 1, [], **{"decision.count": 8, "latency.deadline_misses": 2}),
    ]
    records[3] = records[3].model_copy(update={"scores": records[3].scores | {"inference.p50_ms": 31.0}})
    card, board, int4 = latency_points(make_view({}, records=records))
    assert (card.ms, card.misses, card.asked) == (31.0, 2, 8) and card.percentiles_ms is None
    assert (board.ms, board.asked, board.misses, board.answers) == (90.0, 20, 8, 18)
    assert board.percentiles_ms == (90.0, 120.0, 150.0) and board.metres_per_decision == 10.0
    assert (int4.asked, int4.misses, int4.metres_per_decision) == (1, 1, None)
    table = latency_table([board, int4])
    assert table is not None
    assert [cell.text for cell in table.rows[0].cells] == ["90 ms", "0/2", "90 / 120 / 150", "40.0 %", "10.0 m", "–"]
    texts = [cell.text for cell in table.rows[1].cells]
    assert texts == ["11657 ms", "0/1", "no answer took effect", "100.0 %", "none in 60 m", "–"]
    assert latency_csv([int4]).splitlines()[1].startswith("street,dnn,benign,benign,llava7b_int4:11657,11657,keep,100,")


def test_policies_have_panels_of_their_own(make_view: MakeView) -> None:
    drop = Deadline(budget_ms=150, policy="drop")
    view = make_view({}, records=driven("dnn", DNN, Deadline()) + driven("dnn", DNN, drop))
    points = latency_points(view)
    assert {(p.policy, p.budget_ms) for p in points} == {("keep", 100.0), ("drop", 150.0)} and len(points) == 24
    found = curves(latency_charts(view, points)[0][1])
    assert {panel for panel, _ in found} == {"dnn · late answers kept", "dnn · late answers dropped"}
    table = latency_table(points)
    assert table is not None and {"late answers", "dropped"} <= {head for head, _ in table.heads}
    assert [row.cells[1].text for row in table.rows[:8]] == ["drop"] * 4 + ["keep"] * 4


def test_an_event_that_was_not_the_egos_fault_is_no_safety_event_of_its(make_view: MakeView) -> None:
    records = driven("dnn", DNN)
    hit = records[0].model_copy(
        update={
            "events": (
                Event(
                    kind="collision_vehicle",
                    t_s=4.0,
                    frame=80,
                    location_xyz_m=(1.0, 2.0, 0.0),
                    ego_speed_mps=0.0,
                    detail={"at_fault": False},
                ),
            )
        }
    )
    points = latency_points(make_view({}, records=[hit, *records[1:]]))
    assert points[0].unsafe.k == 0 and ANY == "any safety event"

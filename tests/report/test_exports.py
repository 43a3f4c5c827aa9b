"""Files for other tools: every number in them is counted by hand."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any

from testbed.core.records import EpisodeRecord
from testbed.report.claims import judge_claims
from testbed.report.exports import junit, markdown, results, summary, table_lines
from testbed.report.run_view import RunView
from testbed.report.tables import Table, TableCell, TableRow

MakeView = Callable[..., RunView]
CLEAN: list[str] = []


def test_markdown_shows_text_as_it_is() -> None:
    assert markdown("a_b *c* [d](e) <f> | `g`\nh\x1b[0m") == r"a\_b \*c\* \[d\](e) \<f\> \| \`g\` h\[0m"


def test_a_table_becomes_markdown_with_its_notes() -> None:
    cells = (TableCell("3/4", "30–95 %", "bad"), TableCell("–"))
    table = Table("On the road", (("hit", "…"), ("late", "…")), (TableRow("dnn", "paint", "attack", cells),))
    assert table_lines(table, "who") == [
        "### On the road",
        "",
        "| who | condition | hit | late |",
        "|---|---|---|---|",
        "| dnn | paint | 3/4 (30–95 %) | – |",
    ]


def lost(view_plan: Any, code: str, error: str) -> EpisodeRecord:
    return EpisodeRecord(plan=view_plan, status="failed", error_code=code, error=error, attempts=3)


def troubled(make_view: MakeView) -> RunView:
    """A run with one of each: a refuted, a supported and an open claim, two failed drives, one never driven."""
    first = make_view({("dnn", "benign"): [CLEAN]})
    plan = first.episodes[0].plan
    failed = [
        lost(plan.model_copy(update={"seed": seed}), code, "why") for seed, code in ((90, "TB304"), (91, "TB400"))
    ]
    return make_view(
        {("dnn", "benign"): [CLEAN] * 72, ("dnn", "paint"): [["collision_vehicle"]] * 3 + [CLEAN] * 69},
        claims=[
            {"id": "calm", "text": "calm", "metric": "collision.rate", "at_most": 0.05, "condition": "benign"},
            {"id": "half", "text": "half", "metric": "collision.rate", "at_least": 0.5, "condition": "paint"},
            {"id": "rare", "text": "rare", "metric": "collision.rate", "at_most": 0.05, "condition": "paint"},
        ],
        records=failed,
        planned=[plan.model_copy(update={"seed": 92})],
        command="testbed run street",
    )


def test_junit_counts_claims_and_failed_episodes(make_view: MakeView) -> None:
    view = troubled(make_view)
    suite = ElementTree.fromstring(junit(view, judge_claims(view)))[0]
    counts = {name: suite.get(name) for name in ("name", "tests", "failures", "errors", "skipped")}
    assert counts == {"name": "demo", "tests": "5", "failures": "1", "errors": "2", "skipped": "1"}
    outcome = {case.get("name"): [child.tag for child in case] for case in suite}
    assert outcome == {
        "calm[dnn]": ["system-out"],
        "half[dnn]": ["failure"],
        "rare[dnn]": ["skipped"],
        "dnn, benign, seed 90": ["error"],
        "dnn, benign, seed 91": ["error"],
    }


def test_the_summary_keeps_apart_what_is_not_counted(make_view: MakeView) -> None:
    view = troubled(make_view)
    text = summary(view, judge_claims(view))
    told = text[text.index("## Not counted") :].splitlines()
    assert told == [
        "## Not counted",
        "",
        "- infrastructure: dnn, benign, seed 90: TB304 why",
        "- error: dnn, benign, seed 91: TB400 why",
        "- not run: 1",
        "",
        "Repeat with:",
        "",
        "```",
        "testbed run street",
        "```",
    ]
    assert "| rare | dnn | at most 5 % | 3/72 (1–12 %) | **undeveloped**" in text
    quiet = make_view({("dnn", "benign"): [CLEAN]})
    assert summary(quiet, []).rstrip().endswith("## Not counted\n\nNothing.")


def test_results_use_the_words_of_the_leaderboard(make_view: MakeView) -> None:
    kinds = ["collision_pedestrian", "collision_vehicle", "collision_static", "red_light", "stop_sign"]
    kinds += ["outside_lane", "blocked", "route_deviation", "lane_departure"]
    composed = {1: 100.0, 2: 58.82}

    def change(record: EpisodeRecord) -> EpisodeRecord:
        scores = {"driving_score_2_1": composed[record.plan.seed], "route.percent": 100.0, "status": "Completed"}
        return record.model_copy(update={"scores": scores, "wall_s": 1.5})

    view = make_view({("dnn", "benign"): [CLEAN, [*kinds, "red_light"]]}, change=change)
    (entry,) = json.loads(results(view))["entries"]
    assert (entry["agent"], entry["condition"]) == ("dnn", "benign")
    checkpoint = entry["_checkpoint"]
    assert checkpoint["progress"] == [2, 2]
    means = checkpoint["global_record"]["scores_mean"]
    assert means == {"score_composed": 79.41, "score_route": 100.0, "score_penalty": None}
    clean, record = checkpoint["records"]
    assert clean["num_infractions"] == 0 and clean["route_id"] == "street_benign_1"
    # a lane departure is no infraction of the Leaderboard; the red light was run twice
    assert record["num_infractions"] == 9
    assert {name: len(found) for name, found in record["infractions"].items()} == {
        "collisions_pedestrian": 1,
        "collisions_vehicle": 1,
        "collisions_layout": 1,
        "red_light": 2,
        "stop_infraction": 1,
        "outside_route_lanes": 1,
        "vehicle_blocked": 1,
        "route_dev": 1,
    }
    assert record["infractions"]["stop_infraction"] == ["stop_sign at (x=1.000, y=2.000, z=0.000), 4.00 s: none"]

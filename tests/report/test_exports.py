"""Files for other tools: every number in them is counted by hand."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any

from testbed.core.records import EpisodeRecord
from testbed.report.claims import judge_claims
from testbed.report.exports import junit, markdown, summary, table_lines
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

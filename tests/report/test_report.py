"""The report of a synthetic run: complete, honest, offline, and safe against what agents and files say."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from testbed.core.errors import StoreError
from testbed.core.records import EpisodeRecord
from testbed.report import build, judge_claims, read_run
from testbed.report.conclusions import conclusions
from testbed.report.measures import component_success, e2e_deviation_m, pooled
from testbed.store import RunFolder, RunManifest, read_table


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, synthetic: ModuleType) -> Path:
    path = tmp_path_factory.mktemp("runs") / "demo"
    synthetic.write_run(path, agents=("dnn", "tandem"), seeds=range(101, 104), duration_s=5.0, images=False)
    build(path)
    return path


class Page(HTMLParser):
    """Collects what a browser would fetch or run, and checks that elements close."""

    VOID = {"meta", "img", "br", "link", "input"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.scripts = 0
        self.handlers: list[str] = []
        self.styles: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "script" and values.get("type") != "application/json":
            self.scripts += 1
        for name in ("src", "srcset", "poster", "data", "background"):
            if values.get(name):
                self.fetched.append(str(values[name]))
        if tag in ("link", "iframe", "object", "embed", "base"):
            self.fetched.append(f"<{tag}>")
        self.handlers += [name for name in values if name.startswith("on")]
        self.styles += [str(value) for name, value in values.items() if name == "style"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()


def test_everything_is_written_and_the_page_is_whole(run: Path) -> None:
    names = {"index.html", "summary.md", "junit.xml", "leaderboard", "episodes.parquet"}
    names |= {f"case-{agent}.{ending}" for agent in ("dnn", "tandem") for ending in ("gsn.yaml", "sacm.xml", "svg")}
    assert names <= {path.name for path in run.iterdir()}
    page = Page((run / "index.html").read_text("utf-8"))
    assert page.open == [] and page.scripts == 1 and page.handlers == [] and page.styles == []
    assert all(source.startswith("data:") for source in page.fetched)


def test_the_policy_allows_our_script_and_nothing_else(run: Path) -> None:
    text = (run / "index.html").read_text("utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    rules = policy.group(1).replace("&#39;", "'")
    script = text[text.rindex("<script>") + 8 : text.rindex("</script>")]
    style = text[text.index("<style>") + 7 : text.index("</style>")]
    for part in (script, style):
        digest = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in rules
    assert rules.startswith("default-src 'none'") and "unsafe" not in rules


def test_answers_carry_counts_intervals_and_the_control(run: Path) -> None:
    found = {conclusion.agent: conclusion for conclusion in conclusions(read_run(run))}
    assert found["dnn"].verdict == "leaning"
    assert "3/3 drives under patch (95 % interval 44–100 %)" in found["dnn"].sentence
    assert "0/3 under the control dirt" in found["dnn"].sentence and "0/3 benign" in found["dnn"].sentence
    assert found["tandem"].verdict == "held" and "up to 56 %" in found["tandem"].sentence
    text = (run / "index.html").read_text("utf-8").replace("\u00a0", " ")
    assert "Under attack, dnn left its lane more often than without it" in text
    assert "3/3 drives under patch" in text


def test_ten_seeds_are_enough_to_call_it_lost(tmp_path: Path, synthetic: ModuleType) -> None:
    synthetic.write_run(
        tmp_path / "r", agents=("dnn",), conditions=("benign", "patch"), seeds=range(101, 111), images=False,
        duration_s=3.0, troubled=False,
    )  # fmt: skip
    (conclusion,) = conclusions(read_run(tmp_path / "r"))
    # 2 x (1/2)^10 for each of two kinds of event
    assert conclusion.verdict == "lost" and conclusion.tone == "bad" and "p = 0.0039" in conclusion.sentence


def test_claims_are_supported_refuted_or_open(run: Path) -> None:
    view = read_run(run)
    claims = {(c.id, c.agent): c for c in judge_claims(view)}
    assert claims["lane", "dnn"].status == "refuted"
    assert claims["lane", "tandem"].status == "undeveloped" and claims["lane", "tandem"].more == 69
    assert claims["control", "dnn"].status == "undeveloped"
    assert claims["steering", "dnn"].status == "undeveloped"
    suite = ElementTree.parse(run / "junit.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("7", "1", "1")
    assert "lane[dnn]" in [case.get("name") for case in suite if case.find("failure") is not None]


def test_a_claim_with_enough_episodes_is_supported(tmp_path: Path, synthetic: ModuleType) -> None:
    record = EpisodeRecord(plan=synthetic.plan("dnn", "benign", 1))
    plans = [synthetic.plan("dnn", "benign", seed) for seed in range(80)]
    scene = dict(plans[0].scene)
    scene["claims"] = [
        {"id": "a", "text": "stays", "metric": "lane_departure.rate", "at_most": 0.05, "condition": "benign"},
        {"id": "b", "text": "steers", "metric": "alc.accuracy", "at_least": 0.9, "condition": "benign"},
        {"id": "c", "text": "no such", "metric": "nothing.here", "at_least": 0.9, "condition": "benign"},
        {"id": "d", "text": "succeeds", "metric": "window.success.rate", "at_most": 0.1, "condition": "benign"},
    ]
    folder = RunFolder.create(tmp_path / "r", RunManifest.of("r", plans, scenarios={"drp_highway": scene}))
    for plan in plans:
        scores = {"alc.accuracy": 0.95 + plan.seed % 3 / 100, "window.success": True}
        folder.write_episode(record.model_copy(update={"plan": plan, "scores": scores}))
    claims = {c.id: c for c in judge_claims(read_run(tmp_path / "r"))}
    assert [claims[name].status for name in "abcd"] == ["supported", "supported", "undeveloped", "refuted"]
    assert "unknown metric" in claims["c"].reason and claims["c"].is_unchecked
    build(tmp_path / "r")


def test_what_is_no_result_stands_apart(run: Path) -> None:
    view = read_run(run)
    assert [t.code for t in view.lost] == ["TB304"] and view.lost[0].infrastructure
    assert [p.seed for p in view.not_run] == [901]
    text = (run / "index.html").read_text("utf-8")
    assert "the simulator died at tick 57" in text and "1 planned drive was not run" in text


def test_invalid_attacks_are_not_counted(tmp_path: Path, synthetic: ModuleType) -> None:
    path = tmp_path / "r"
    synthetic.write_run(path, agents=("dnn",), conditions=("benign", "patch"), images=False, duration_s=3.0)
    folder = RunFolder.open(path)
    keys = {(r.plan.condition, r.plan.seed): r for r in folder.records()}
    import shutil

    gone, unseen = keys["benign", 101], keys["patch", 102]
    shutil.rmtree(path / "episodes" / gone.plan.key)
    shutil.rmtree(path / "episodes" / unseen.plan.key)
    folder.write_episode(unseen.model_copy(update={"valid_attack": False, "invalid_reason": "never seen", "trace": ""}))
    view = read_run(path)
    group = view.group("dnn", "patch")
    assert group is not None
    assert [e.plan.seed for e in group.episodes] == [103]
    assert {e.plan.seed: e.reason for e in group.invalid} == {
        101: "its benign twin was not driven to its end",
        102: "never seen",
    }
    build(path)
    assert "never seen" in (path / "index.html").read_text("utf-8")


def test_a_damaged_episode_is_named_and_the_rest_is_reported(tmp_path: Path, synthetic: ModuleType) -> None:
    path = tmp_path / "r"
    synthetic.write_run(path, agents=("dnn",), conditions=("benign",), images=False, duration_s=1.0, troubled=False)
    victim = next((path / "episodes").iterdir())
    (victim / "trace.mcap").write_bytes(b"x")
    build(path)
    view = read_run(path)
    assert len(view.episodes) == 2 and view.lost[0].code == "TB200" and view.lost[0].infrastructure
    assert str(tmp_path) not in (path / "index.html").read_text("utf-8")


EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m{{7*7}}]]>&\"'`|</style>"


def test_hostile_text_stays_text(tmp_path: Path, synthetic: ModuleType) -> None:
    plan = synthetic.plan("dnn", "benign", 1).model_copy(update={"agent": EVIL, "scenario": EVIL, "condition": EVIL})
    claim = {"id": "evil", "text": EVIL, "metric": "lane_departure.rate", "at_most": 0.5, "agent": EVIL}
    scene = {**plan.scene, "question": EVIL, "map": EVIL, "claims": [claim]}
    plan = plan.model_copy(update={"scene": scene})
    failed = plan.model_copy(update={"seed": 2})
    manifest = RunManifest.of("r", [plan, failed], scenarios={EVIL: scene}, command=EVIL, notes=EVIL)
    folder = RunFolder.create(tmp_path / "r", manifest)
    steps = synthetic.drive(synthetic.CHARACTERS["dnn"], "patch", duration_s=2.0)
    verdict = synthetic.judge(steps)
    events = tuple(
        e.model_copy(update={"other": EVIL, "kind": "collision_static", "cause": EVIL}) for e in verdict.events
    )
    from testbed.store import TraceWriter

    writer = TraceWriter(tmp_path / "t.mcap")
    for step in steps:
        writer.step(step)
    writer.close()
    record = EpisodeRecord(plan=plan, events=events, scores=verdict.scores)
    folder.write_episode(record, tmp_path / "t.mcap")
    folder.write_episode(EpisodeRecord(plan=failed, status="failed", error_code="TB400", error=EVIL))
    text = build(tmp_path / "r").read_text("utf-8")
    page = Page(text)
    assert page.scripts == 1 and page.handlers == [] and page.open == []
    assert "<script>alert" not in text and "{{7*7}}" in text
    ElementTree.parse(tmp_path / "r" / "junit.xml")
    drawn = [*(tmp_path / "r").glob("case-*.svg"), *(tmp_path / "r").glob("case-*.sacm.xml")]
    assert len(drawn) > 2
    for path in drawn:
        ElementTree.parse(path)
    (case,) = (tmp_path / "r").glob("case-*.gsn.yaml")
    yaml.safe_load(case.read_text())
    cells = list(csv.reader((tmp_path / "r" / "requirements.csv").read_text().splitlines()))
    assert cells[1][0] == EVIL.replace("\x1b", "")
    results = list((tmp_path / "r" / "leaderboard").glob("*/*/*.json"))
    assert results and all(json.loads(path.read_text()) for path in results)
    assert "<script>" not in (tmp_path / "r" / "summary.md").read_text().split("```")[0]


def test_rebuilding_gives_the_same_bytes(run: Path) -> None:
    def content() -> dict[str, Any]:
        return {str(path): path.read_bytes() for path in run.rglob("*") if path.is_file()}

    before = content()
    build(run)
    assert content() == before


def test_tables_agree_with_the_episodes(run: Path) -> None:
    view = read_run(run)
    group = view.group("dnn", "patch")
    assert group is not None and len(group.episodes) == 3
    flipped, right = component_success(group.episodes)
    assert right > 20 and flipped / right > 0.7
    deviations = [e2e_deviation_m(e) for e in group.episodes]
    assert all(d is not None and d > 0.5 for d in deviations)
    alc = pooled(group.episodes, "alc")
    assert alc.n == sum(int(e.number("alc.n") or 0) for e in group.episodes)
    rows = read_table(run / "episodes.parquet")
    assert len(rows) == 18 and {row["agent"] for row in rows} == {"dnn", "tandem"}
    results = sorted((run / "leaderboard").glob("*/*/*.json"))
    assert len(results) == 6
    record = json.loads(results[0].read_text())["_checkpoint"]["records"][0]
    assert record["status"] == "Perfect" and record["scores"]["score_composed"] == 100.0


def test_videos_and_pictures_are_embedded(tmp_path: Path, synthetic: ModuleType) -> None:
    synthetic.write_run(
        tmp_path / "r", agents=("dnn",), conditions=("benign", "patch"), seeds=range(101, 102), duration_s=3.0,
        troubled=False,
    )  # fmt: skip
    text = build(tmp_path / "r").read_text("utf-8")
    page = Page(text)
    assert sum(source.startswith("data:video/webm;base64,") for source in page.fetched) == 2
    assert any(source.startswith("data:image/jpeg;base64,") for source in page.fetched)
    assert len(text) < 1_500_000


def test_runs_that_are_empty_or_none(tmp_path: Path, synthetic: ModuleType) -> None:
    with pytest.raises(StoreError, match="no run folder"):
        build(tmp_path)
    RunFolder.create(tmp_path / "r", RunManifest.of("r", [synthetic.plan("dnn", "patch", 1)]))
    text = build(tmp_path / "r").read_text("utf-8")
    assert "not run" in text
    Page(text)


def test_the_report_room_needs_no_simulator(tmp_path: Path, synthetic: ModuleType) -> None:
    import subprocess
    import sys

    path = tmp_path / "r"
    synthetic.write_run(path, agents=("dnn",), conditions=("benign",), seeds=range(1, 2), duration_s=1.0, images=False)
    code = (
        "import sys; from pathlib import Path; from testbed.report import build; "
        f"build(Path({str(path)!r})); "
        "bad = {'carla', 'ray', 'torch'} & set(sys.modules); sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_page_says_how_artefacts_reached_the_camera(run: Path) -> None:
    page = (run / "index.html").read_text("utf-8")
    facts = re.search(r"how patch reached the camera</th><td[^>]*>([^<]*)", page)
    assert facts is not None
    assert facts[1] == "drawn over the picture with depth and light (2 drives), in the simulated world (4 drives)"

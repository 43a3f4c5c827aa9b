"""Safety cases: generated from the pattern, honest about what is not shown, in forms that other tools read."""

from __future__ import annotations

import csv
import hashlib
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from testbed.cli import main
from testbed.core.errors import ScenarioError, StoreError
from testbed.core.hashing import sha256_of
from testbed.core.records import EpisodePlan, EpisodeRecord
from testbed.report import build, judge_again, judge_claims, read_run
from testbed.report.made_from import current_page
from testbed.report.run_view import RunView
from testbed.report.safety_case import AgentCase, SafetyCases, check_case, keep_case, read_case, safety_cases
from testbed.report.safety_case.case_file import CASE_FILE, Threat
from testbed.report.safety_case.evidence import digest_of, drives_of
from testbed.report.safety_case.nodes import GsnNode, settle
from testbed.report.safety_case.pattern import pattern
from testbed.scenario.schema import Scenario
from testbed.store import RunFolder, RunManifest

CASE = """
hazards:
  - {id: HZ-1, text: The vehicle leaves its lane at speed., event: lane_departure, severity: S3, exposure: E4}
  - {id: HZ-2, text: The driver trusts the lane keeper too much., impact: major}
requirements:
  - {id: SR-1, text: The lane keeper stays in its lane., claims: [lane], hazards: [HZ-1]}
triggering_conditions:
  - {id: patch, exposure: never seen outside of research}
  - {id: low_sun, text: The sun blinds the camera.}
threats:
  - condition: patch
    attack_potential: {elapsed_time: week, expertise: expert, knowledge: public, window: easy, equipment: standard}
    treatment: reduce
assumptions:
  - {id: AS-1, text: The driver does not take over within 2.5 s.}
evidence:
  - goal: represents_operation
    text: The same road was driven on a proving ground.
    source: proving-ground.pdf
    sha256: 5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, synthetic: ModuleType) -> Path:
    path = tmp_path_factory.mktemp("runs") / "demo"
    synthetic.write_run(path, agents=("dnn", "tandem"), seeds=range(101, 104), duration_s=5.0, images=False)
    (path / CASE_FILE).write_text(CASE)
    build(path, videos=False)
    return path


@pytest.fixture(scope="module")
def found(run: Path) -> SafetyCases:
    view = read_run(run, drives=False)
    return safety_cases(view, judge_claims(view))


def case_of(found: SafetyCases, agent: str) -> AgentCase:
    return next(case for case in found.agents if case.agent == agent)


def by_id(case: AgentCase) -> dict[str, GsnNode]:
    return {node.id: node for node in case.nodes}


# ---------------------------------------------------------------- the checks of gsn2x, as its documentation lists them
KINDS = ("CG", "G", "CSn", "Sn", "S", "C", "A", "J")
"""Prefixes in the order in which gsn2x tries them."""
BELOW = {"G": {"G", "S", "Sn", "CG", "CSn"}, "S": {"G", "S", "Sn", "CG", "CSn"}, "CG": {"CG", "CSn"}}


def kind_of(name: str) -> str:
    return next((kind for kind in KINDS if name.startswith(kind)), "")


def gsn2x_complaints(nodes: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield what ``gsn2x --check --extended-check`` would say; warnings count as errors."""
    for name, node in nodes.items():
        kind, below, beside = kind_of(name), node.get("supportedBy", []), node.get("inContextOf", [])
        if not kind:
            yield f"V01 {name}"
        if kind in ("G", "S") and not below and not node.get("undeveloped"):
            yield f"V02 {name}"
        if below and node.get("undeveloped"):
            yield f"V03 {name}"
        yield from (f"V04 {name} {one}" for one in below if kind_of(one) not in BELOW.get(kind, set()))
        yield from (f"V04 {name} {one}" for one in beside if kind not in ("G", "S") or kind_of(one) not in "CAJ")
        if len({*below}) != len(below) or len({*beside}) != len(beside):
            yield f"V05 {name}"
        if name in (*below, *beside):
            yield f"V06 {name}"
        if "nodeType" in node:
            yield f"V08 {name}"
        if node.get("defeated") and not any(other.get("challenges") == name for other in nodes.values()):
            yield f"V10 {name}"
        if "challenges" in node:
            if kind not in ("CG", "CSn"):
                yield f"V12 {name}"
            if node["challenges"] == name:
                yield f"C13 {name}"
            if node["challenges"] not in nodes:
                yield f"C14 {name}"
        yield from (f"C03 {name} {one}" for one in (*below, *beside) if one not in nodes)
    linked = {one for node in nodes.values() for one in (*node.get("supportedBy", []), *node.get("inContextOf", []))}
    roots = [name for name, node in nodes.items() if name not in linked and "challenges" not in node]
    if len(roots) != 1:
        yield f"C01 {roots}"
    yield from (f"C02 {root}" for root in roots if kind_of(root) != "G")
    reached, ring = _reached(nodes, roots)
    if ring:
        yield f"C04 {ring}"
    yield from (f"C08 {name}" for name in set(nodes) - reached if nodes[name].get("challenges") not in reached)


def _reached(nodes: Mapping[str, Mapping[str, Any]], roots: list[str]) -> tuple[set[str], str]:
    reached: set[str] = set()

    def walk(name: str, above: tuple[str, ...]) -> str:
        if name in above:
            return " -> ".join((*above, name))
        reached.update((name, *nodes[name].get("inContextOf", [])))
        rings = (walk(one, (*above, name)) for one in nodes[name].get("supportedBy", []))
        return next((ring for ring in rings if ring), "")

    return reached, next((ring for ring in (walk(root, ()) for root in roots) if ring), "")


@pytest.mark.parametrize("agent", ["dnn", "tandem"])
def test_gsn2x_has_nothing_to_say(run: Path, agent: str) -> None:
    nodes = yaml.safe_load((run / f"case-{agent}.gsn.yaml").read_text("utf-8"))
    assert list(gsn2x_complaints(nodes)) == []
    assert len(nodes) > 40


def test_the_checks_see_what_is_wrong() -> None:
    wrong = {"G1": {"supportedBy": ["S1", "S1", "C1", "G9"]}, "S1": {"supportedBy": ["G1"]}, "C1": {}, "X1": {}}
    told = {complaint[:3] for complaint in gsn2x_complaints(wrong)}
    assert {"V01", "V04", "V05", "C01", "C03"} - told == {"C01"}  # the ring leaves X1 as the only root
    assert "C02" in told


# ---------------------------------------------------------------- what a case says
def test_nothing_is_claimed_that_is_not_shown(found: SafetyCases) -> None:
    nodes = by_id(case_of(found, "tandem"))
    assert nodes["G-case"].status == "undeveloped"
    for name in ("G-operation", "G-unknown", "G-all-threats", "G-complete", "G-amlas-1", "G-amlas-3", "G-amlas-4"):
        assert nodes[name].status == "undeveloped" and not nodes[name].supported_by
    assert nodes["G-amlas-5"].supported_by == ["G-behaviour"]
    for node in nodes.values():
        if node.shape == "solution":
            assert node.cites is not None and node.status in ("supported", "stated")


def test_the_simulation_represents_operation_only_where_somebody_states_it(
    found: SafetyCases, make_view: Callable[..., RunView]
) -> None:
    goal = by_id(case_of(found, "dnn"))["G-represents"]
    assert goal.status == "stated" and goal.supported_by == ["Sn-represents"]
    cited = by_id(case_of(found, "dnn"))["Sn-represents"]
    assert cited.cites is not None and cited.cites.digest.startswith("5feceb66") and "not judged" in cited.text
    view = make_view({("dnn", "benign"): [[]]}, claims=[CLAIM])
    (alone,) = safety_cases(view, judge_claims(view)).agents
    assert by_id(alone)["G-represents"].status == "undeveloped"


def test_an_agent_is_not_refuted_by_anothers_failure(run: Path, found: SafetyCases) -> None:
    assert {case.agent: case.status for case in found.agents} == {"dnn": "refuted", "tandem": "undeveloped"}
    text = (run / "index.html").read_text("utf-8")
    assert "The case of dnn" in text and 'href="case-tandem.svg"' in text


def test_counter_evidence_is_never_dropped(found: SafetyCases) -> None:
    refuted, open_ = by_id(case_of(found, "dnn")), by_id(case_of(found, "tandem"))
    assert refuted["CSn-claim-lane"].challenges == "G-claim-lane" and refuted["CSn-claim-lane"].defeats
    for goal in (
        "G-claim-lane",
        "G-behaviour",
        "G-hazard-HZ_1",
        "G-requirement-SR_1",
        "G-trigger-patch",
        "G-threat-patch",
    ):
        assert refuted[goal].status == "refuted", goal
    # one drive failed, one was never run: the goal has its support and is not shown all the same
    failed, missing = open_["CSn-drives-failed"], open_["CSn-drives-not_run"]
    assert failed.challenges == missing.challenges == "G-drives" and not failed.defeats
    assert "1 drive: failed (TB304" in failed.text and missing.text == "1 drive: not run"
    assert open_["G-drives"].status == "undeveloped" and open_["G-drives"].supported_by == ["Sn-drives"]


CLAIM = {"id": "hit", "text": "Hits nothing.", "metric": "collision.rate", "at_most": 0.05, "condition": "benign"}


def test_what_every_drive_shows_is_supported_and_no_more(make_view: Callable[..., RunView]) -> None:
    view = make_view({("dnn", "benign"): [[]] * 80}, claims=[CLAIM])
    (case,) = safety_cases(view, judge_claims(view)).agents
    nodes = by_id(case)
    assert nodes["G-behaviour"].status == nodes["G-hazard-H_collision"].status == "supported"
    assert nodes["G-case"].status == nodes["G-hazards"].status == "undeveloped"
    assert nodes["Sn-claim-hit"].cites is not None and nodes["Sn-claim-hit"].cites.drives == 80
    assert nodes["Sn-claim-hit"].cites.records == ()


def street(name: str, *claims: dict[str, Any]) -> dict[str, Any]:
    """Return a small scenario with claims."""
    return Scenario.model_validate(
        {
            "name": name,
            "question": "What does paint do on one street?",
            "ego": {"spawn": {"road": 8, "lane": -1, "s_m": 6.0}},
            "agents": ["dnn"],
            "claims": list(claims),
        }
    ).dump()


def stored(path: Path, scenes: dict[str, dict[str, Any]], seeds: int) -> RunFolder:
    """Write a run of benign drives without events."""
    plans = [EpisodePlan(scenario=n, scene=s, agent="dnn", seed=i) for n, s in scenes.items() for i in range(seeds)]
    folder = RunFolder.create(path, RunManifest.of("r", plans, scenarios=scenes))
    for plan in plans:
        folder.write_episode(EpisodeRecord(plan=plan))
    return folder


def test_several_scenarios_are_told_apart(tmp_path: Path) -> None:
    scenes = {name: street(name, CLAIM) for name in ("street", "lane")}
    path = stored(tmp_path / "r", scenes, 80).path
    (path / CASE_FILE).write_text("requirements: [{id: R1, text: It hits nothing., claims: [lane.hit]}]")
    build(path, videos=False)
    view = read_run(path)
    (case,) = safety_cases(view, judge_claims(view)).agents
    nodes = by_id(case)
    assert nodes["G-requirement-R1"].supported_by == ["G-claim-lane_hit"]
    assert nodes["G-requirement-street_hit"].supported_by == ["G-claim-street_hit"]
    assert "collided 0/80 (0–5 %) under benign in street" in nodes["G-hazard-H_collision"].text
    cited = [drive for drive in drives_of(view) if drive.scenario == "lane"]
    assert len(cited) == 80 and nodes["Sn-claim-lane_hit"].cites is not None
    assert nodes["Sn-claim-lane_hit"].cites.digest == digest_of(cited)


def test_an_invalid_attack_stands_in_the_case(make_view: Callable[..., RunView]) -> None:
    def unseen(record: EpisodeRecord) -> EpisodeRecord:
        if record.plan.condition == "benign" or record.plan.seed != 2:
            return record
        return record.model_copy(update={"valid_attack": False, "invalid_reason": "never seen"})

    claim = CLAIM | {"condition": "paint"}
    drives = {("dnn", name): [[], [], []] for name in ("benign", "paint")}
    view = make_view(drives, claims=[claim], change=unseen)
    made = safety_cases(view, judge_claims(view))
    nodes = by_id(made.agents[0])
    assert "1 drive: invalid attack (never seen)" in nodes["CSn-drives-invalid"].text
    assert nodes["G-drives"].status == "undeveloped"
    (row,) = [drive for drive in made.drives if drive.counts == "invalid attack"]
    assert row.cited_by == ["case-dnn:CSn-drives-invalid"] and row.reason == "never seen"


def test_a_drive_that_cannot_be_read_stands_in_every_case(make_view: Callable[..., RunView]) -> None:
    drives = {(agent, "benign"): [[], []] for agent in ("dnn", "tandem")}
    view = make_view(drives, claims=[CLAIM])
    key = view.episodes[0].plan.key
    (view.folder.episodes_path / key / "SHA256SUMS").write_text("nothing")
    document = view.folder.manifest().model_copy(update={"planned": ()})
    view.folder.write_manifest(document)
    view = read_run(view.folder.path)
    for case in safety_cases(view, judge_claims(view)).agents:
        assert "1 drive: failed (TB200" in by_id(case)["CSn-drives-failed"].text
        assert case.status == "undeveloped"


def test_a_status_follows_from_what_is_below() -> None:
    def top(*statuses: Any) -> Any:
        nodes = [GsnNode("G-1", "", "m", supported_by=[f"Sn-{i}" for i in range(len(statuses))])]
        nodes += [GsnNode(f"Sn-{i}", "", "m", status=status) for i, status in enumerate(statuses)]
        settle(nodes)
        return nodes[0].status

    assert top() == "undeveloped" and top("supported") == "supported" and top("supported", "stated") == "stated"
    assert top("stated", "undeveloped") == "undeveloped" and top("undeveloped", "refuted") == "refuted"


# ---------------------------------------------------------------- hashes
def test_solutions_cite_the_hashes_of_records_and_traces(run: Path) -> None:
    rows = list(csv.DictReader((run / "evidence.csv").open()))
    assert len(rows) == 20 and {row["counts"] for row in rows} == {"yes", "failed", "not run"}
    for row in rows:
        folder = run / "episodes" / row["drive"]
        assert row["record_sha256"] == (sha256_of(folder / "record.json") if folder.exists() else "")
        trace = folder / "trace.mcap"
        assert row["trace_sha256"] == (sha256_of(trace) if trace.exists() else "")
    checked = 0
    for agent in ("dnn", "tandem"):
        for name, node in yaml.safe_load((run / f"case-{agent}.gsn.yaml").read_text("utf-8")).items():
            if kind_of(name) not in ("Sn", "CSn") or "drives" not in node:
                continue
            mine = [row for row in rows if f"case-{agent}:{name}" in row["cited_by"].split()]
            mine.sort(key=lambda row: row["drive"])
            lines = "".join(f"{row['record_sha256']} {row['trace_sha256']}\n" for row in mine)
            assert node["evidence"] == f"sha256 {hashlib.sha256(lines.encode()).hexdigest()}"
            assert int(node["drives"]) == len(mine) > 0
            if len(mine) <= 6:
                assert node["records"].split() == [row["record_sha256"] or "none" for row in mine]
            checked += 1
    assert checked >= 5


# ---------------------------------------------------------------- the user's file
def test_the_users_file_goes_before_what_the_run_knows(run: Path, found: SafetyCases) -> None:
    told = case_of(found, "dnn").registers
    hazards = {one.id: one for one in told.hazards}
    assert "H-lane_departure" not in hazards and hazards["HZ-1"].impact == "severe"
    assert hazards["HZ-2"].status == "undeveloped" and hazards["HZ-2"].impact == "major"
    requirements = {one.id: one for one in told.requirements}
    assert requirements["SR-1"].hazards == ("HZ-1",) and "lane" not in requirements
    triggers = {one.id: one for one in told.triggers}
    assert triggers["patch"].exposure == "never seen outside of research" and triggers["dirt"].exposure == "not stated"
    assert not triggers["low_sun"].driven and triggers["low_sun"].status == "undeveloped"
    (threat,) = told.threats
    assert (threat.impact, threat.feasibility, threat.risk, threat.treatment) == ("severe", "high", 5, "reduce")
    assert by_id(case_of(found, "dnn"))["G-case"].in_context_of[-1] == "A-assumption-AS_1"
    text = (run / "index.html").read_text("utf-8")
    targets = set(re.findall(r'href="#(claim-[^"]+)"', text))
    assert targets and targets <= set(re.findall(r'id="(claim-[^"]+)"', text))
    assert "HZ-1" in text and "SR-1" in text and "never seen outside of research" in text


def test_what_nobody_rated_is_not_rated(make_view: Callable[..., RunView]) -> None:
    view = make_view({("dnn", name): [[]] for name in ("benign", "paint")}, claims=[CLAIM | {"condition": "paint"}])
    (case,) = safety_cases(view, judge_claims(view)).agents
    (threat,) = case.registers.threats
    assert (threat.impact, threat.feasibility, threat.risk) == ("not rated", "not rated", None)
    assert {one.exposure for one in case.registers.triggers} == {"not stated"}


@pytest.mark.parametrize(
    ("points", "feasibility"),
    [(("day", "layman", "public", "unlimited", "standard"), "high"),
     (("month", "expert", "public", "moderate", "standard"), "medium"),
     (("month", "expert", "restricted", "moderate", "specialised"), "low"),
     (("longer", "expert", "public", "easy", "standard"), "very low")],
)  # fmt: skip
def test_feasibility_is_the_sum_of_the_attack_potential(points: tuple[str, ...], feasibility: str) -> None:
    factors = ("elapsed_time", "expertise", "knowledge", "window", "equipment")
    rated = Threat.model_validate({"condition": "p", "attack_potential": dict(zip(factors, points, strict=True))})
    assert rated.attack_potential is not None
    table = pattern().attack_potential
    total = sum(table[factor][level] for factor, level in rated.attack_potential.model_dump().items())
    assert pattern().feasibility(total) == feasibility


@pytest.mark.parametrize(
    ("change", "told"),
    [(("claims: [lane]", "claims: [lame]"), r"mine.yaml:6:\d+: unknown claim 'lame' .*did you mean 'lane'"),
     (("severity: S3", "severity: S4"), r"mine.yaml:3:\d+: .*severity: expected 'S0', 'S1', 'S2' or 'S3', got 'S4'"),
     (("event: lane_departure", "event: lane_exit"), r"mine.yaml:3:\d+: unknown event 'lane_exit'"),
     (("hazards: [HZ-1]", "hazards: [HZ-9]"), r"mine.yaml:6:\d+: unknown hazard 'HZ-9'"),
     (("condition: patch", "condition: pitch"), r"mine.yaml:11:\d+: unknown condition 'pitch'"),
     (("id: low_sun, text: The sun blinds the camera.", "id: low_sun"), r"mine.yaml:9:\d+: 'low_sun' .*needs a text"),
     (("goal: represents_operation", "goal: all"), r"mine.yaml:17:\d+: unknown goal 'all' .*represents_operation"),
     (("id: HZ-2", "id: HZ-1"), r"mine.yaml:\d+:\d+: hazards: given twice: HZ-1"),
     (("treatment: reduce", "treatment: reduce\n    feasibility: low"), r"mine.yaml:11:\d+: .*not both"),
     (("id: HZ-2", "id: H-lane_departure"), r"mine.yaml:4:\d+: hazards: 'H-lane_departure' .*taken are .*H-collision"),
     (("id: SR-1", "id: lane"), r"mine.yaml:6:\d+: requirements: 'lane' is an id that the run itself uses.*lane"),
     (("claims: [lane]", "claims: []"), r"mine.yaml:6:\d+: .*claims: needs at least 1"),
     (("claims: [lane], ", ""), r"mine.yaml:6:\d+: missing key 'claims'"),
     (("treatment", "treatments"), r"mine.yaml:13:\d+: unknown key 'treatments'")],
)  # fmt: skip
def test_a_mistake_is_one_sentence_with_its_place(
    tmp_path: Path, run: Path, change: tuple[str, str], told: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(CASE.replace(*change))
    with pytest.raises(ScenarioError, match=told):
        check_case(read_case(path), read_run(run, drives=False, keys=()).scenarios)


def test_a_report_is_current_only_with_the_file_that_it_was_made_with(tmp_path: Path, synthetic: ModuleType) -> None:
    path, mine = tmp_path / "r", tmp_path / "mine.yaml"
    synthetic.write_run(path, agents=("dnn",), seeds=range(1, 2), images=False, duration_s=1.0, troubled=False)
    page = build(path, videos=False)
    assert current_page(path) == page and not (path / CASE_FILE).exists()
    mine.write_text(CASE)
    keep_case(path, mine)
    assert current_page(path) is None
    build(path, videos=False)
    assert current_page(path) == page and (path / CASE_FILE).read_bytes() == mine.read_bytes()
    (path / CASE_FILE).unlink()
    (path / CASE_FILE).symlink_to(mine)
    with pytest.raises(StoreError, match="is a link"):
        build(path, videos=False)


# ---------------------------------------------------------------- other tools
XMI = "{http://www.omg.org/XMI}"
XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
ASSETS = {"Claim", "ArgumentReasoning", "ArtifactReference"}
RELATIONS = {"AssertedInference", "AssertedEvidence", "AssertedContext", "AssertedArtifactContext"}
FEATURES = {
    "Claim": {"assertionDeclaration"},
    "ArgumentReasoning": set(),
    "ArtifactReference": {"referencedArtifactElement"},
    **{kind: {"assertionDeclaration", "isCounter", "source", "target", "reasoning"} for kind in RELATIONS},
}
"""Attributes that the metamodel's classes have, besides id and type."""
DECLARATIONS = {"asserted", "needsSupport", "assumed", "axiomatic", "defeated"}


@pytest.mark.parametrize("agent", ["dnn", "tandem"])
def test_sacm_is_whole(run: Path, found: SafetyCases, agent: str) -> None:
    root = ElementTree.parse(run / f"case-{agent}.sacm.xml").getroot()
    assert root.tag == "{http://omg.sacm/2.3/assurancecase}AssuranceCasePackage"
    ids = [element.get(f"{XMI}id") for element in root.iter() if element.get(f"{XMI}id")]
    assert len(ids) == len(set(ids))
    kinds: dict[str, str] = {}
    for element in root.iter("argumentationElement"):
        kind = (element.get(f"{XSI}type") or "").removeprefix("argumentation_:")
        kinds[element.get(f"{XMI}id") or ""] = kind
        assert set(element.attrib) - {f"{XMI}id", f"{XSI}type"} <= FEATURES[kind]
        assert element.get("assertionDeclaration", "asserted") in DECLARATIONS
    for element in root.iter("argumentationElement"):
        if kinds[element.get(f"{XMI}id") or ""] in RELATIONS:
            for name in (element.get("source", "") + " " + element.get("target", "")).split():
                assert kinds[name] in ASSETS
            assert (
                element.get("target")
                and kinds.get(element.get("reasoning", ""), "ArgumentReasoning") == "ArgumentReasoning"
            )
        for name in element.get("referencedArtifactElement", "").split():
            assert name in ids
    case = case_of(found, agent)
    assert {node.id for node in case.nodes} <= set(ids)
    counters = [element for element in root.iter("argumentationElement") if element.get("isCounter") == "true"]
    assert len(counters) == sum(bool(node.challenges) for node in case.nodes)


def test_registers_are_tables_of_all_agents(run: Path) -> None:
    for name in ("requirements", "hazards", "triggers", "threats", "indicators"):
        rows = list(csv.DictReader((run / f"{name}.csv").open()))
        assert {row["agent"] for row in rows} == {"dnn", "tandem"}, name
    (row,) = [
        row for row in csv.DictReader((run / "requirements.csv").open()) if (row["agent"], row["id"]) == ("dnn", "SR-1")
    ]
    assert row["status"] == "refuted" and row["hazards"] == "HZ-1" and "seen 3/3" in row["seen"]


def test_every_part_is_drawn_once_and_reads(run: Path) -> None:
    for agent in ("dnn", "tandem"):
        names = [f"case-{agent}.svg", *(f"case-{agent}-{module}.svg" for module in list(pattern().modules)[1:])]
        for name in names:
            root = ElementTree.parse(run / name).getroot()
            assert float(root.get("width") or 0) < 1800
    text = (run / "index.html").read_text("utf-8")
    assert len(re.findall(r'id="gsn-arrow-\d+"', text)) == len(set(re.findall(r'id="gsn-arrow-\d+"', text))) == 12


def test_cases_of_agents_that_are_gone_go(tmp_path: Path, synthetic: ModuleType) -> None:
    synthetic.write_run(
        tmp_path / "r", agents=("dnn",), conditions=("benign", "patch"), seeds=range(101, 102), images=False,
        duration_s=3.0, troubled=False,
    )  # fmt: skip
    for name in ("case.svg", "case-tandem.gsn.yaml", "case-tandem-hazards.svg", "case-tandem.sacm.xml"):
        (tmp_path / "r" / name).write_text("of another question")
    build(tmp_path / "r", videos=False)
    assert {path.name.partition(".")[0].split("-")[1] for path in (tmp_path / "r").glob("case*")} == {"dnn"}


def test_files_stay_small_with_many_drives(tmp_path: Path) -> None:
    path = stored(tmp_path / "r", {"street": street("street", CLAIM)}, 300).path
    build(path, videos=False)
    assert (path / "case-dnn.gsn.yaml").stat().st_size < 20_000
    assert len((path / "evidence.csv").read_text().splitlines()) == 301


def test_validate_knows_such_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(CASE)
    assert main(["validate", str(path)]) == 0
    assert "safety case (hazards: 2, requirements: 1)" in capsys.readouterr().out
    path.write_text(CASE.replace("severity: S3", "severity: 3"))
    assert main(["validate", str(path)]) == 2
    assert "mine.yaml:3:" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["foo: 1\n", "{}\n", "hazard: []\n"])
def test_validate_says_what_it_knows_where_no_key_is_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    assert main(["validate", str(path)]) == 2
    told = capsys.readouterr().err
    assert "mine.yaml:1:" in told and "no scenario, sweep or safety case" in told and "missing key" not in told
    assert all(word in told for word in ("ego", "scenarios", "hazards"))


@pytest.mark.parametrize("more", [[], ["--until", "decided"]])
def test_a_run_reads_the_file_before_it_drives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    path, out = tmp_path / "mine.yaml", tmp_path / "r"
    path.write_text(CASE)  # of a run with other claims
    assert main(["run", "drp_highway", "--agents", "scripted", "--case", str(path), "--out", str(out), *more]) == 2
    assert "unknown claim 'lane'" in capsys.readouterr().err and not out.exists()


def test_what_is_judged_again_keeps_the_file(run: Path, tmp_path: Path) -> None:
    judge_again.carry_out(run, tmp_path / "r", jobs=1)
    assert (tmp_path / "r" / CASE_FILE).read_bytes() == (run / CASE_FILE).read_bytes()

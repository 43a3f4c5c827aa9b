"""Peers' files through the command line: out, in, driven for real, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed.cli import main
from testbed.store import RunFolder

ROUTE = """<routes>
  <route id='1711' town='highway' duration_s='2.5'>
    <waypoints>{marks}</waypoints>
    <scenarios><scenario name='Accident_1' type='Accident'/></scenarios>
  </route>
</routes>
"""
SCRIPT = """<OpenSCENARIO>
  <FileHeader revMajor='1' revMinor='2' date='2024-01-01T00:00:00' description='Lead vehicle brakes' author=''/>
  <RoadNetwork><LogicFile filepath='highway.xodr'/></RoadNetwork>
  <Entities>
    <ScenarioObject name='Ego'><Vehicle name='vehicle.lincoln.mkz_2020' vehicleCategory='car'/></ScenarioObject>
    <ScenarioObject name='Lead'><Vehicle name='vehicle.audi.a2' vehicleCategory='car'/></ScenarioObject>
  </Entities>
  <Storyboard>
    <Init><Actions>
      <Private entityRef='Ego'>
        <PrivateAction><TeleportAction><Position>
          <LanePosition roadId='1' laneId='-2' s='60'/>
        </Position></TeleportAction></PrivateAction>
        <PrivateAction><LongitudinalAction><SpeedAction>
          <SpeedActionDynamics dynamicsShape='step' value='0' dynamicsDimension='time'/>
          <SpeedActionTarget><AbsoluteTargetSpeed value='20'/></SpeedActionTarget>
        </SpeedAction></LongitudinalAction></PrivateAction>
      </Private>
      <Private entityRef='Lead'>
        <PrivateAction><TeleportAction><Position>
          <RelativeLanePosition entityRef='Ego' dLane='0' ds='30'/>
        </Position></TeleportAction></PrivateAction>
      </Private>
    </Actions></Init>
    <StopTrigger><ConditionGroup><Condition name='end' delay='0' conditionEdge='none'><ByValueCondition>
      <SimulationTimeCondition value='2.5' rule='greaterThan'/>
    </ByValueCondition></Condition></ConditionGroup></StopTrigger>
  </Storyboard>
</OpenSCENARIO>
"""


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(arguments)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    marks = "".join(f"<position x='{x}' y='6.9' z='0'/>" for x in (60, 90, 110))
    (tmp_path / "routes.xml").write_text(ROUTE.format(marks=marks))
    (tmp_path / "brakes.xosc").write_text(SCRIPT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_scenarios_go_out_and_come_back(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = said(capsys, "export", "drp_highway", "tour_town", "--out", "out/own.xml")
    assert status == 0 and out.startswith("routes: out/own.xml\nleft out of drp_highway: actors lead; signs limit;")
    status, out, _ = said(capsys, "import", "out/own.xml", "--out", "back")
    assert (status, out) == (0, "scenario: back/drp_highway.yaml\nscenario: back/tour_town.yaml\n")
    assert main(["validate", "back/drp_highway.yaml", "back/tour_town.yaml"]) == 0


def test_what_was_left_out_is_told_to_people_and_programs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = said(capsys, "import", "routes.xml", "--out", "one")
    assert status == 0
    assert "left out of routes.xml:\n  line 4, routes/route[1711]/scenarios/scenario[Accident_1]: " in out
    status, out, _ = said(capsys, "import", "routes.xml", "--out", "two", "--json")
    told = json.loads(out)
    assert told["scenarios"] == [{"name": "route_1711", "file": "two/route_1711.yaml"}]
    assert [(item["line"], item["element"].rpartition("/")[2]) for item in told["left_out"]] == [
        (4, "scenario[Accident_1]")
    ]
    status, out, _ = said(capsys, "export", "tour_town", "--out", "t.xml", "--json")
    assert json.loads(out)["left_out"]["tour_town"][0] == "actors oncoming, waiting, stroller, crosser"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["import", "gone.xml", "--out", "x"], "gone.xml: cannot be read"),
        (["import", "routes.xml", "--out", "routes.xml"], "--out routes.xml is a file (name a folder"),
        (["import", "routes.xml", "--out", "x", "--map", "gone.xodr"], "--map gone.xodr: there is no such .xodr file"),
        (["import", "routes.xml"], "required: --out"),
        (["export", "drp_highwai", "--out", "x.xml"], "did you mean 'drp_highway'?"),
        (["export", "drp_highway", "--out", "."], "--out . is a folder"),
        (["export", "drp_highway", "--out", "r.yaml"], "--out r.yaml is no file of routes (its name must end in .xml)"),
    ],
)
def test_mistakes_are_one_sentence(here: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str) -> None:
    status, out, err = said(capsys, *words)
    assert status == 2 and out == ""
    assert told in err and err.startswith("error[TB") and err.count("\n") == 1


def test_nothing_is_overwritten(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "routes.xml", "--out", "x"]) == 0
    status, _, err = said(capsys, "import", "routes.xml", "--out", "x")
    assert status == 2 and "x/route_1711.yaml exists (choose another folder" in err


@pytest.mark.parametrize("name", ["mine.yaml", "notes.xml", "empty.xml", "brakes.xosc", "script.xml", "latin.xml"])
def test_an_export_replaces_nothing_but_routes(here: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    target = here / name
    if name != "brakes.xosc":
        contents = {"notes.xml": b"my notes", "script.xml": SCRIPT.encode(), "latin.xml": b"\xff", "empty.xml": b""}
        target.write_bytes(contents.get(name, b"name: mine\n"))
    before = target.read_bytes()
    status, out, err = said(capsys, "export", "drp_highway", "--out", name)
    assert (status, out) == (2, "") and target.read_bytes() == before
    assert err.startswith("error[TB100") and err.count("\n") == 1
    assert f"--out {name} exists and holds no <routes>" in err or "its name must end in .xml" in err
    status, out, _ = said(capsys, "export", "drp_highway", "--out", "routes.xml")
    assert status == 0 and "drp_highway" in (here / "routes.xml").read_text()


def test_what_is_imported_is_driven(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for source in ("routes.xml", "brakes.xosc"):
        assert main(["import", source, "--out", "mine"]) == 0
    (here / "mine" / "both.yaml").write_text(
        "name: both\nquestion: Are both driven?\nscenarios: [route_1711.yaml, brakes.yaml]\nagents: [scripted]\n"
    )
    assert main(["validate", "mine/route_1711.yaml", "mine/brakes.yaml", "mine/both.yaml"]) == 0
    assert main(["sweep", "mine/both.yaml", "--jobs", "1", "--out", "run"]) == 0
    capsys.readouterr()
    records = {record.plan.scenario: record for record in RunFolder.open(here / "run").records()}
    assert {name: record.status for name, record in records.items()} == {"route_1711": "done", "brakes": "done"}
    assert records["route_1711"].scores["route.percent"] == 100.0
    # the ego comes up to a car that stands 30 m ahead, and brakes for it
    assert records["brakes"].scores["speed.min_mps"] < 15.0
    (results,) = (here / "run" / "leaderboard" / "scripted" / "benign").glob("*.json")
    told = {one["scenario_name"]: one for one in json.loads(results.read_text())["_checkpoint"]["records"]}
    assert told["route_1711"]["route_id"] == "RouteScenario_1711_rep0"
    assert (told["route_1711"]["status"], told["route_1711"]["town_name"]) == ("Perfect", "highway")
    assert told["brakes"]["route_id"] != told["route_1711"]["route_id"]

"""The testbed from Python: one drive, its tables, and the same again."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import testbed
from testbed import api
from testbed.core.errors import StoreError, UsageError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> api.Run:
    out = tmp_path_factory.mktemp("api") / "run"
    return testbed.run("drp_highway", agents=["scripted"], seeds=1, conditions=["drp"], out=out)


def test_a_run_is_driven_once_and_read_as_tables(run: api.Run) -> None:
    told: list[object] = []
    again = testbed.run(
        "drp_highway", agents=["scripted"], seeds=1, conditions=["drp"], out=run.path, progress=told.append
    )
    assert told == [] and again.path == run.path
    drives = testbed.load(run.path).episodes()
    assert list(drives["condition"]) == ["benign", "drp"] and bool(drives["valid"].all())
    assert drives["score.route.driven_m"].min() > 50.0
    steps = run.steps(drives["key"][0][:10])
    assert len(steps) > 50 and steps["ego.speed_mps"].max() > 15.0
    assert run.arrow().num_rows == 2
    assert run.events().empty and "kind" in run.events().columns
    assert set(run.claims()["agent"]) == {"scripted"}
    (chart,) = run.charts()
    assert chart._repr_svg_().startswith("<svg")
    assert len(run.records()) == 2


def test_it_is_judged_again_compared_and_written_down(run: api.Run, tmp_path: Path) -> None:
    strict = run.judge(tmp_path / "strict", limits={"vehicle_width_m": 3.7})
    events = strict.events()
    assert set(events["kind"]) >= {"lane_departure"} and set(events["agent"]) == {"scripted"}
    assert run.compare(strict).regressions("any")
    assert api.compare(run.path, api.judge(run.path, tmp_path / "same").path).regressions("any") == []
    paths = strict.to_csv(tmp_path / "csv")
    assert [path.name for path in paths] == ["episodes.csv", "events.csv", "claims.csv"]
    with paths[1].open(newline="", encoding="utf-8") as stream:
        assert len(list(csv.DictReader(stream))) == len(events)


def test_mistakes_are_the_errors_of_the_command_line(run: api.Run, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is no run folder"):
        testbed.load(tmp_path)
    with pytest.raises(UsageError, match="unknown agent 'dn'"):
        testbed.run("drp_highway", agents=["dn"])
    with pytest.raises(KeyError, match="0 drives of .* have keys that begin with 'zz'"):
        run.steps("zz")
    for seeds in (-1, 0, [], "x"):
        with pytest.raises(UsageError, match="seeds are"):
            testbed.run("drp_highway", agents="scripted", seeds=seeds)
    with pytest.raises(UsageError, match="no agent is named"):
        testbed.run("drp_highway", agents=[])
    with pytest.raises(AttributeError, match="has no attribute 'lead'"):
        testbed.lead  # noqa: B018

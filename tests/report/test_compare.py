"""Comparisons of small runs of which every number can be worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.cli import main
from testbed.core.records import EpisodeRecord
from testbed.report import compare_page
from testbed.report.compare import compare
from testbed.report.run_view import RunView

Make = Callable[..., RunView]
CLAIM = {"id": "safe", "text": "it is safe", "metric": "collision.rate", "at_most": "50 %", "condition": "paint"}


def drives(crashes: int, of: int = 20, agent: str = "dnn") -> dict[tuple[str, str], list[list[str]]]:
    hit = [["collision_vehicle"]] * crashes + [[]] * (of - crashes)
    return {(agent, "benign"): [[]] * of, (agent, "paint"): hit}


def test_what_became_worse_beyond_chance_is_evidence(make_view: Make) -> None:
    found = compare(make_view(drives(1), claims=[CLAIM]), make_view(drives(12), claims=[CLAIM]))
    (rate,) = found.rates
    assert (rate.agent, rate.condition, rate.what) == ("dnn", "paint", "collided")
    assert (rate.pairs, rate.first, rate.second, rate.only_first, rate.only_second) == (20, 1, 12, 0, 11)
    assert rate.p == pytest.approx(2.0 * 0.5**11)
    assert rate.interval[0] > 0.25 and rate.verdict == "worse"
    assert [drive.change for drive in found.drives] == ["worse"] * 11
    assert found.paired == 40
    assert found.regressions("evidence")[-1] == "collided of dnn, paint: 1/20, now 12/20"
    assert len(found.regressions("any")) == 11 + len([claim for claim in found.claims if claim.worse])
    assert compare_page.headline(found) == "Worse than chance explains: dnn under paint (collided)"


def test_the_other_way_round_it_is_better_and_passes_the_gate(make_view: Make) -> None:
    found = compare(make_view(drives(12), claims=[CLAIM]), make_view(drives(1), claims=[CLAIM]))
    assert found.rates[0].verdict == "better"
    assert found.regressions("any") == found.regressions("evidence") == []
    (claim,) = found.claims
    assert claim.first.startswith("undeveloped") and claim.second.startswith("supported") and not claim.worse


def test_one_drive_is_a_change_without_evidence(make_view: Make) -> None:
    found = compare(make_view(drives(1)), make_view(drives(2)))
    assert found.rates[0].verdict == "changed" and found.rates[0].p == 1.0
    assert found.regressions("evidence") == []
    assert found.regressions("any") == ["dnn, paint, seed 2: clean, now collided"]


def test_the_same_runs_are_the_same(make_view: Make) -> None:
    found = compare(make_view(drives(3)), make_view(drives(3)))
    assert (found.drives, found.claims, found.missing, found.new, found.differences) == ((), (), (), (), ())
    assert found.rates[0].verdict == "same"
    assert compare_page.headline(found) == "All 40 drives went the same"


def test_drives_of_one_run_alone_are_missing_or_new(make_view: Make) -> None:
    found = compare(make_view(drives(0, 3)), make_view(drives(0, 2) | drives(0, 2, "tandem")))
    assert found.paired == 4
    assert [told.split(" (")[0] for told in found.missing] == ["dnn, benign, seed 3", "dnn, paint, seed 3"]
    assert len(found.new) == 4
    assert found.regressions("any") == [f"missing: {told}" for told in found.missing]
    assert found.regressions("evidence") == []


def test_other_weights_and_versions_are_paired_all_the_same_and_named(make_view: Make) -> None:
    def newer(record: EpisodeRecord) -> EpisodeRecord:
        return record.model_copy(update={"plan": record.plan.model_copy(update={"digests": {"dnn_alc": "bb" * 32}})})

    one = make_view(drives(0, 2), versions={"testbed": "0.1.0"})
    other = make_view(drives(0, 2), versions={"testbed": "0.2.0"}, change=newer)
    found = compare(one, other)
    assert found.paired == 4
    assert ("versions: testbed", "0.1.0", "0.2.0") in found.differences
    assert ("digests: dnn_alc", "not there", "bb" * 6) in found.differences


def test_an_attack_that_is_no_longer_valid_is_neither_better_nor_worse(make_view: Make) -> None:
    def undelivered(record: EpisodeRecord) -> EpisodeRecord:
        valid = False if record.plan.condition == "paint" else None
        return record.model_copy(update={"valid_attack": valid, "invalid_reason": "not reached"})

    found = compare(make_view(drives(2, 2)), make_view(drives(2, 2), change=undelivered))
    assert found.rates == ()
    assert {(drive.change, drive.first, drive.second) for drive in found.drives} == {("other", "collided", "invalid")}
    assert len(found.regressions("any")) == 2


def test_the_command_writes_a_page_and_gates(
    make_view: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = (str(make_view(drives(crashes)).folder.path) for crashes in (0, 2))
    assert main(["compare", one, other]) == 0
    page = Path(other) / f"compare-{Path(one).name}.html"
    assert "2 of 40 drives went otherwise" in page.read_text(encoding="utf-8")
    assert json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))["paired"] == 40
    assert "collided  0/20   2/20    0     2    0.5  changed" in capsys.readouterr().out
    assert main(["compare", one, other, "--gate"]) == 5
    assert "error[TB610]: --gate any: dnn, paint, seed 1: clean, now collided" in capsys.readouterr().err
    assert main(["compare", one, other, "--gate", "evidence", "--json", "--out", str(tmp_path / "c.html")]) == 0
    assert json.loads(capsys.readouterr().out)["rates"][0]["verdict"] == "changed"
    assert (tmp_path / "c.json").is_file()
    assert main(["compare", one, str(tmp_path / "nowhere")]) == 3


def test_only_a_comparison_is_written_over(make_view: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = (str(make_view(drives(0, 2)).folder.path) for _ in range(2))
    mine = tmp_path / "mine.html"
    mine.write_text("<p>mine</p>")
    assert main(["compare", one, other, "--out", str(mine)]) == 2
    assert "exists and is no comparison" in capsys.readouterr().err
    assert mine.read_text() == "<p>mine</p>"
    for name in ("x.json", "", "x"):
        assert main(["compare", one, other, "--out", name]) == 2
        assert "it must end with .html" in capsys.readouterr().err
    for _ in range(2):
        assert main(["compare", one, other, "--out", str(tmp_path / "c.html")]) == 0


def test_a_drive_that_became_valid_is_no_regression(make_view: Make) -> None:
    def undelivered(record: EpisodeRecord) -> EpisodeRecord:
        valid = False if record.plan.condition == "paint" else None
        return record.model_copy(update={"valid_attack": valid, "invalid_reason": "not reached"})

    found = compare(make_view(drives(0, 2), change=undelivered), make_view(drives(0, 2)))
    assert len(found.drives) == 2 and found.regressions("any") == []
    with pytest.raises(ValueError, match="there is no gate 'some'"):
        found.regressions("some")  # type: ignore[arg-type]

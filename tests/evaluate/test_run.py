"""The command on real models and real pictures, few of them: figures, pages, resuming, and what is refused."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from testbed.cli import main
from testbed.core.errors import DatasetError, StoreError, UsageError, WeightsError
from testbed.evaluate import Request, Sizes, evaluate, run, tables
from testbed.evaluate.run import asked_models
from testbed.evaluate.tables import VictimAgent, VictimRow


@pytest.fixture(scope="module")
def two_rows() -> list[VictimRow]:
    """The lane model of the dnn agent without a defence and behind JPEG."""
    return [row for row in tables.table_v() if row.base == "clrernet" and row.defence in ("none", "JPEG, quality 50")]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, two_rows: list[VictimRow]) -> tuple[Path, list[str]]:
    """An evaluation of these rows on one approach."""
    out = tmp_path_factory.mktemp("evaluate") / "tables"
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "rows", lambda names, models, adaptive: two_rows)
        evaluate(Request(("V",), out, Sizes.of(20), command="testbed evaluate --tables V"), lines.append)
    return out, lines


def test_every_row_is_paired_and_counted(done: tuple[Path, list[str]]) -> None:
    out, _ = done
    rows = json.loads((out / "tables.json").read_text())["tables"]["V"]["rows"]
    assert [row["defence"] for row in rows] == ["none", "JPEG, quality 50"]
    for row in rows:
        attacked = row["attacks"]["drp"]
        cell = json.loads((out / "cells" / f"{row['cells']['drp']}.json").read_text())
        twin = json.loads((out / "cells" / f"{row['cells']['benign']}.json").read_text())
        right = {one[0] for one in twin["answers"] if one[2] == one[3]}
        wrong = {one[0] for one in cell["answers"] if one[2] != one[3]}
        assert [one[2] for one in cell["answers"]] == [one[2] for one in twin["answers"]], "the same right answers"
        assert attacked["accuracy"]["n"] == row["benign"]["accuracy"]["n"] == 20
        assert (attacked["success"]["k"], attacked["success"]["n"]) == (len(right & wrong), len(right))
        assert attacked["mcnemar"]["only_benign_right"] == len(right & wrong)
        assert twin["pictures_sha256"] != cell["pictures_sha256"]
    # the shipped patch turns answers of the model that it was made against, random dirt far fewer
    plain = rows[0]
    assert plain["benign"]["accuracy"]["k"] >= 18 and plain["attacks"]["drp"]["success"]["k"] >= 5
    assert plain["controls"]["dirt"]["success"]["k"] < plain["attacks"]["drp"]["success"]["k"]


def test_published_figures_are_never_ours(done: tuple[Path, list[str]]) -> None:
    text = (done[0] / "tables.json").read_text()
    document = json.loads(text)
    assert any("32.91" in note for note in document["notes"])
    for row in document["tables"]["V"]["rows"]:
        assert all(one["source"] for one in row["stated"]) and row["published"]["source"]
        assert "97.5" not in json.dumps({key: row[key] for key in ("benign", "attacks", "controls")})


def test_the_page_is_whole_and_fetches_nothing(done: tuple[Path, list[str]]) -> None:
    text = (done[0] / "index.html").read_text("utf-8")
    sources = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert sources and all(one.startswith(("data:", "#")) or "/" not in one for one in sources)
    assert "http://" not in text and "https://" not in text and "<script" not in text
    assert text.count("<table") == text.count("</table>") and text.count("data:image/png;base64,") == 3
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text
    summary = (done[0] / "summary.md").read_text()
    assert "Table V" in summary and "testbed evaluate --tables V" in summary


def test_a_second_call_asks_nothing_and_a_lost_answer_is_asked_again(
    done: tuple[Path, list[str]], two_rows: list[VictimRow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "rows", lambda names, models, adaptive: two_rows)
    out = tmp_path / "tables"
    shutil.copytree(done[0], out)
    request = Request(("V",), out, Sizes.of(20), command="testbed evaluate --tables V")
    names = ("tables.json", "summary.md", "index.html")
    before = {name: (out / name).read_bytes() for name in names}
    lines: list[str] = []
    evaluate(request, lines.append)
    assert "nothing to ask: every answer is stored" in lines
    assert {name: (out / name).read_bytes() for name in names} == before
    lost = json.loads(before["tables.json"])["tables"]["V"]["rows"][1]["cells"]["dirt"]
    (out / "cells" / f"{lost}.json").unlink()
    lines.clear()
    evaluate(request, lines.append)
    assert any(line.startswith("  1/1") and "dirt" in line for line in lines)
    assert {name: (out / name).read_bytes() for name in names} == before


def test_several_processes_give_the_same_answers(
    done: tuple[Path, list[str]], two_rows: list[VictimRow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "rows", lambda names, models, adaptive: two_rows)
    lines: list[str] = []
    evaluate(Request(("V",), tmp_path, Sizes.of(20), jobs=2, command="testbed evaluate --tables V"), lines.append)
    cells = sorted(path.name for path in (done[0] / "cells").iterdir())
    assert sorted(path.name for path in (tmp_path / "cells").iterdir()) == cells
    for name in cells:
        one, other = (json.loads((folder / "cells" / name).read_text()) for folder in (done[0], tmp_path))
        assert one["answers"] == other["answers"] and one["pictures_sha256"] == other["pictures_sha256"]
    for name in ("summary.md", "index.html"):
        assert (tmp_path / name).read_bytes() == (done[0] / name).read_bytes()
    told = [line.split()[0] for line in lines if re.match(r" +[0-9]+/", line)]
    assert told == [f"{number}/{len(cells)}" for number in range(1, len(cells) + 1)]


def test_the_road_is_set_beside_the_pictures(
    done: tuple[Path, list[str]],
    two_rows: list[VictimRow],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    synthetic: ModuleType,
) -> None:
    monkeypatch.setattr(run, "rows", lambda names, models, adaptive: two_rows)
    out = tmp_path / "tables"
    shutil.copytree(done[0], out)
    synthetic.write_run(tmp_path / "drives", agents=("dnn",), seeds=range(101, 104), duration_s=4.0, images=False)
    result = evaluate(Request(("V",), out, Sizes.of(20), gap=tmp_path / "drives"), lambda line: None)
    assert result.gap is not None and {row.condition for row in result.gap.rows} == {
        "drp_highway: patch",
        "drp_highway: dirt",
    }
    # the plain dnn agent's success on pictures stands beside its drives
    patch = next(row for row in result.gap.rows if row.condition.endswith("patch"))
    rate = next(line for line in result.tables["V"] if line.row.defence == "none").attack.loss.success
    assert patch.cells[1].note.startswith(f"{rate.k}/{rate.n}, ")
    (entry, _) = json.loads((out / "tables.json").read_text())["gap"]
    assert entry["attack"] == "patch" and (entry["attacked"]["k"], entry["benign"]["k"]) == (3, 0)
    assert 'id="gap"' in (out / "index.html").read_text("utf-8")


def test_a_row_s_agent_file_is_an_agent(done: tuple[Path, list[str]]) -> None:
    from testbed import agents

    paths = sorted((done[0] / "agents").glob("*.yaml"))
    assert len(paths) == 2
    assert {agents.card(str(path)).kind for path in paths} == {"dnn"}


@pytest.mark.slow
def test_shadows_are_searched_once_and_shown_to_every_victim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = [
        row
        for row in tables.table_iii(asked_models(Request((), tmp_path)))
        if row.task == "tsr" and row.against == "yolov5_cls"
    ]
    monkeypatch.setattr(run, "rows", lambda names, models, adaptive: chosen)
    result = evaluate(Request(("III",), tmp_path, Sizes(43, 20, 20, starts=1)), lambda line: None)
    first, *v2lms = result.tables["III"]
    assert [line.name for line in v2lms] == ["solo", "tandem"]
    (path,) = (tmp_path / "shadows").glob("*.json")
    verdicts = [verdict for verdict, _ in json.loads(path.read_text())["shadows"]]
    assert len(verdicts) == 43 and set(verdicts) <= {"success", "failure", "dark", "misread"}
    # the model that was asked loses the signs that the search says it loses; the agent rounds a little differently
    assert abs(first.attack.loss.success.k - verdicts.count("success")) <= 1 and verdicts.count("success") >= 5
    assert first.attack.loss.success.n == verdicts.count("success") + verdicts.count("failure")
    bright = len(verdicts) - verdicts.count("dark")
    lit, shaded = (
        np.asarray(Image.open(tmp_path / "pictures" / f"tsr-yolov5_cls-{condition}.png"), float)
        for condition in ("benign", "shadow")
    )
    assert lit.shape == shaded.shape and np.abs(lit - shaded).mean() < 40.0 < np.abs(lit - lit[::-1]).mean()
    assert {line.attack.score.accuracy.n for line in result.tables["III"]} == {bright}
    for line in v2lms:
        assert line.attack.loss.success.k <= first.attack.loss.success.k, "shadows are made for another model"


def test_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="unknown table 'VI'.*I, II, III, IV, V, fig5"):
        evaluate(Request(("VI",), tmp_path / "out"), lambda line: None)
    with pytest.raises(StoreError, match="no run folder"):
        evaluate(Request(("V",), tmp_path / "out", gap=tmp_path), lambda line: None)
    with pytest.raises(DatasetError, match="holds no data set"):
        evaluate(Request(("V",), tmp_path / "out", data=tmp_path), lambda line: None)
    gone = VictimRow("V", "alc", "DNN", VictimAgent("lost", "dnn", {"folder": str(tmp_path)}), "clrernet")
    monkeypatch.setattr(run, "rows", lambda names, models, adaptive: [gone])
    with pytest.raises(WeightsError, match="missing"):
        evaluate(Request(("V",), tmp_path / "out", Sizes.of(20), strict=True), lambda line: None)
    with pytest.raises(UsageError, match="nothing to evaluate"):
        evaluate(Request(("V",), tmp_path / "out", Sizes.of(20)), lambda line: None)


def test_the_command_line_refuses_nonsense(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["evaluate", "--count", "1"]) == 2
    assert main(["evaluate", "--quick", "--count", "50"]) == 2
    assert main(["evaluate", "--quick", "--jobs", "0"]) == 2
    assert main(["evaluate", "--tables", "VI", "--out", str(tmp_path / "x")]) == 2
    assert "there are I, II, III, IV, V, fig5" in capsys.readouterr().err


def test_rows_stand_in_the_publication_s_order() -> None:
    models = asked_models(Request((), Path("unused")))
    rows = tables.rows(("III", "I"), models)
    assert [row.table for row in rows] == sorted((row.table for row in rows), key=["I", "III"].index)
    third = [row for row in rows if row.table == "III"]
    assert [row.task for row in third] == sorted((row.task for row in third), key=["tsr", "alc", "vd"].index)
    for task in ("tsr", "alc", "vd"):
        blocks = [row.block for row in third if row.task == task]
        assert blocks == sorted(blocks) and blocks.count("V²LM") == len(models.tuned) >= 2
    asked = {row.victim.label: row.against for row in rows if row.table == "I"}
    assert asked["YOLOv5-cls"] == "yolov5_cls" and asked["ViT-small jpeg"] == "vit_small"
    pairs = {
        (row.victim.label, str(row.victim.content)) for row in tables.rows(tuple(tables.TABLES), models, adaptive=True)
    }
    assert len({label for label, _ in pairs}) == len(pairs), "a label means one agent file"

"""Tables II and IV and Figure 5 with real models on few real pictures, printed cells beside them."""

from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from testbed import stats
from testbed.cli import main
from testbed.evaluate import Request, Sizes, evaluate

pytestmark = pytest.mark.timeout(400)

TABLES = ("II", "IV", "fig5")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], dict[str, Any]]:
    """The shipped pair, one of them also under a family's name as if it had not been fine-tuned."""
    folder = tmp_path_factory.mktemp("v2lms")
    stand_in = folder / "tandem_llava_tiny.yaml"
    stand_in.write_text("agent: tandem\noptions: {abstain_below: 0.2}\n")
    request = Request(
        TABLES, folder / "tables", Sizes(6, 20, 8, starts=1), agents=("solo", "tandem"), zero_shot=(str(stand_in),)
    )
    lines: list[str] = []
    evaluate(request, lines.append)
    return folder / "tables", lines, json.loads((folder / "tables" / "tables.json").read_text())


def answers(out: Path, key: str) -> list[list[Any]]:
    found: list[list[Any]] = json.loads((out / "cells" / f"{key}.json").read_text())["answers"]
    return found


def test_every_cell_is_asked_once_and_no_more_than_a_table_needs(done: tuple[Path, list[str], dict[str, Any]]) -> None:
    out, lines, document = done
    rows = {name: table["rows"] for name, table in document["tables"].items()}
    assert [(row["task"], row["victim"]) for row in rows["IV"]] == [
        (task, name) for task in ("tsr", "alc", "vd") for name in ("solo", "tandem")
    ]
    assert [row["victim"] for row in rows["II"]] == ["tandem_llava_tiny"] * 3
    assert [row["victim"] for row in rows["fig5"]] == ["YOLOv5", "solo", "tandem", "tandem_llava_tiny"]
    keys = {key for table in rows.values() for row in table for key in row["cells"].values()}
    assert {path.stem for path in (out / "cells").iterdir()} == keys, "answers are shared between tables"
    assert all(set(row["cells"]) == {"benign"} and not row["attacks"] for row in rows["II"])
    assert all(not row["controls"] for row in rows["IV"]) and all(row["controls"] for row in rows["fig5"])
    assert any(line.startswith("13 rows, ") for line in lines)


def test_zero_shot_figures_are_counted_from_the_answers(done: tuple[Path, list[str], dict[str, Any]]) -> None:
    out, _, document = done
    for row in document["tables"]["II"]["rows"]:
        asked = answers(out, row["cells"]["benign"])
        right = sum(one[2] == one[3] for one in asked)
        assert (row["benign"]["accuracy"]["k"], row["benign"]["accuracy"]["n"]) == (right, len(asked))
        truths = {one[2] for one in asked}
        classes = sorted((truths | {one[3] for one in asked}) - {"abstain"})
        recalls = [
            sum(one[3] == name for one in asked if one[2] == name) / max(sum(one[2] == name for one in asked), 1)
            for name in classes
        ]
        macro = row["benign"]["macro"]["recall"]
        assert macro["value"] == pytest.approx(sum(recalls) / len(classes), abs=1e-6)
        low, high = macro["interval"] or (1.0, 1.0)
        assert low <= macro["value"] <= high
        assert row["zero_shot"] and row["beside"] == "llava_7b"
    assert document["tables"]["II"]["published"]["tasks"]["alc"]["recall"] == {"low": 21.39, "high": 50.91}


def test_solo_and_tandem_are_tested_on_the_same_pictures(done: tuple[Path, list[str], dict[str, Any]]) -> None:
    out, _, document = done
    table = document["tables"]["IV"]
    rows = {(row["victim"], row["task"]): row for row in table["rows"]}
    assert len(table["solo_against_tandem"]) == 6
    for test in table["solo_against_tandem"]:
        row = rows["solo", test["task"]]
        condition = "benign" if test["condition"] == "benign" else next(iter(row["attacks"]))
        both = [answers(out, rows[name, test["task"]]["cells"][condition]) for name in ("solo", "tandem")]
        right = [{one[0]: one[2] == one[3] for one in side} for side in both]
        assert right[0].keys() == right[1].keys()
        first, second = ([side[name] for name in right[0]] for side in right)
        found = stats.mcnemar(first, second)
        assert (test["only_solo_right"], test["only_tandem_right"]) == (found.only_first, found.only_second)
        assert (test["pairs"], test["p"]) == (found.pairs, found.p_value) and test["p_holm"] >= test["p"]
    for mean in table["mean_drops"]:
        lost = [
            next(iter(row["attacks"].values()))["drop_points"]
            for row in table["rows"]
            if row["deployment"] == mean["deployment"]
        ]
        assert mean["rows"] == len(lost) == 3
        assert mean["accuracy"]["points"] == pytest.approx(sum(lost) / 3, abs=1e-3)
    assert table["published_mean_drops"]["solo"]["accuracy"] == pytest.approx(8.65, abs=5e-3)


def test_boxes_are_those_of_the_answers(done: tuple[Path, list[str], dict[str, Any]]) -> None:
    out, _, document = done
    table = document["tables"]["fig5"]
    for row, boxes in zip(table["rows"], table["boxes"], strict=True):
        (attack,) = row["attacks"]
        shown = {one[0]: one[5] for one in answers(out, row["cells"][attack])}
        before = {one[0]: one[5] for one in answers(out, row["cells"]["benign"]) if one[0] in shown}
        for overlaps, found in ((before, boxes["benign"]), (shown, boxes["attacked"])):
            assert found["mean_iou"] == pytest.approx(sum(overlaps.values()) / len(overlaps), abs=1e-6)
            assert found["found"]["k"] == sum(iou >= 0.5 for iou in overlaps.values())
            assert sum(found["histogram"]) + found["missed"]["k"] == len(overlaps) == found["found"]["n"]
        assert boxes["lost"]["mean"] == pytest.approx(
            boxes["benign"]["mean_iou"] - boxes["attacked"]["mean_iou"], abs=1e-5
        )


def test_printed_cells_stand_beside_and_never_in_our_columns(done: tuple[Path, list[str], dict[str, Any]]) -> None:
    out, _, document = done
    with (out / "tables.csv").open(newline="", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    printed = [line for line in lines if line["column"].startswith("published")]
    cells: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for line in printed:
        place = line["table"], line["part"], line["victim"], line["variant"]
        cells.setdefault(place, []).append((line["text"], line["note"]))
    assert cells["IV", "Lane centring", "MoE-LLaVA", "tandem"] == [
        ("92.53 %", "F1 91.83 %"),
        ("82.26 %", "F1 83.06 %"),
        ("10.27", ""),
        ("8.77", ""),
    ]
    assert cells["IV", "Means of the drops", "solo", "all rows"] == [("8.65", "of 18 rows"), ("7.97", "of 18 rows")]
    assert cells["II", "Vehicle detection", "lowest to highest", "of 1"][2] == ("71.43 % to 94.38 %", "")
    assert cells["fig5", "Overlap of boxes", "NVILA-8B", ""] == [("0.183", ""), ("0.977", "")]
    assert cells["fig5", "Overlap of boxes", "tandem_llava_tiny", "tandem, before fine-tuning, beside LLaVA-7B"] == [
        ("0.041", ""),
        ("0.964", ""),
    ]
    ours = [line for line in lines if not line["column"].startswith("published")]
    absent = [line for line in ours if line["victim"] in ("NVILA-8B", "MoE-LLaVA")]
    assert absent and {line["text"] for line in absent} == {"–"}
    assert {line["note"] for line in absent} == {"", "no such checkpoint here"}
    assert len(document["tables"]["IV"]["absent"]) == 36 and len(document["tables"]["fig5"]["absent"]) == 5


def test_page_and_summary_show_all_three(done: tuple[Path, list[str], dict[str, Any]]) -> None:
    out, _, _ = done
    page = (out / "index.html").read_text("utf-8")
    for anchor in ("table-ii", "table-iv", "table-fig5"):
        assert f'id="{anchor}"' in page and f'href="#{anchor}"' in page
    assert "Overlap of reported with true boxes" in page and page.count("<svg") == 4
    summary = (out / "summary.md").read_text("utf-8")
    for caption in ("### Table II: Lane centring", "### Table IV: Vehicle detection", "### Figure 5: Boxes before"):
        assert caption in summary


def test_a_second_call_asks_nothing_and_other_tables_share_the_answers(
    done: tuple[Path, list[str], dict[str, Any]], tmp_path: Path
) -> None:
    out, _, _ = done
    before = {path.name: path.read_bytes() for path in out.glob("tables.*")}
    lines: list[str] = []
    stand_in = out.parent / "tandem_llava_tiny.yaml"
    sizes = Sizes(6, 20, 8, starts=1)
    evaluate(Request(TABLES, out, sizes, agents=("solo", "tandem"), zero_shot=(str(stand_in),)), lines.append)
    assert "nothing to ask: every answer is stored" in lines
    assert {path.name: path.read_bytes() for path in out.glob("tables.*")} == before


def test_table_ii_needs_no_agent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "tables"
    assert main(["evaluate", "--tables", "II", "--quick", "--out", str(out)]) == 0
    assert "0 rows, 0 cells" in capsys.readouterr().out
    summary = (out / "summary.md").read_text("utf-8")
    assert summary.count("no such checkpoint here") == 3 and "1.19 % to 31.24 %" in summary


def test_a_checkpoint_that_was_never_tuned_fills_table_ii(tmp_path: Path) -> None:
    path = Path(__file__).parents[1] / "agents" / "vlm" / "tiny_checkpoints.py"
    spec = importlib.util.spec_from_file_location("testbed_tests_tiny_checkpoints", path)
    assert spec is not None and spec.loader is not None
    checkpoints = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(checkpoints)
    checkpoints.write("llava", tmp_path / "llava")
    file = tmp_path / "tandem_llava.yaml"
    file.write_text("agent: tandem\nmodel: {kind: local, path: llava}\nanswer: choose\n")
    out = tmp_path / "tables"
    assert main(["evaluate", "--tables", "II", "--zero-shot", str(file), "--count", "4", "--out", str(out)]) == 0
    rows = json.loads((out / "tables.json").read_text())["tables"]["II"]["rows"]
    assert [(row["victim"], row["task"], row["benign"]["accuracy"]["n"]) for row in rows] == [
        ("tandem_llava", task, 4) for task in ("tsr", "alc", "vd")
    ]
    for row in rows:
        # weights of chance know nothing: at most one sign of four, one class for every view
        said = {one[3] for one in answers(out, row["cells"]["benign"])}
        assert row["benign"]["accuracy"]["k"] <= 1 if row["task"] == "tsr" else len(said) <= 2
        assert row["agent"]["model"] == {"kind": "local", "path": "llava"}, "not a copy: its path is relative"
    assert "of 1" in (out / "summary.md").read_text("utf-8") and "beside LLaVA-7B" in (out / "summary.md").read_text()


def test_agents_that_are_none_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "x")
    assert main(["evaluate", "--tables", "IV", "--agents", "dnn", "--out", out]) == 2
    assert "'dnn' is no V²LM" in capsys.readouterr().err
    assert main(["evaluate", "--tables", "II", "--zero-shot", str(tmp_path / "gone.yaml"), "--out", out]) == 2
    assert "no such file" in capsys.readouterr().err

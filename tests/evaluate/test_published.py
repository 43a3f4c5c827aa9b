"""The publication's cells: read strictly, put beside the right rows, and their means recomputed."""

from __future__ import annotations

import pytest

from testbed.core.errors import ScenarioError
from testbed.core.yaml_reader import parse_yaml
from testbed.evaluate import published, tables
from testbed.evaluate.published import PaperScore, facts, mean_drops
from testbed.evaluate.tables import AskedModels, VictimRow
from testbed.evaluate.v2lms import AskedV2lm
from testbed.evaluate.victims import VictimAgent


def test_means_of_the_drops_are_those_that_are_known() -> None:
    solo, tandem = mean_drops("solo"), mean_drops("tandem")
    assert (round(solo.accuracy, 2), round(tandem.accuracy, 2)) == (8.65, 8.28)
    assert (round(solo.f1, 2), round(tandem.f1, 2)) == (7.97, 7.13)
    assert solo.rows == tandem.rows == 18
    assert published.statement("solo_drop").text == "8.65 points"
    assert "F1 7.13" in published.statement("tandem_drop").source


def test_cells_taken_by_hand() -> None:
    moe = published.table_iv_row("alc", "moe_llava", "tandem")
    assert moe is not None and moe.drop_f1 is not None
    assert moe.benign == PaperScore(accuracy=92.53, f1=91.83) and moe.attacked == PaperScore(accuracy=82.26, f1=83.06)
    assert (round(moe.drop or 0.0, 2), round(moe.drop_f1, 2)) == (10.27, 8.77)
    detector = published.table_iii_row("vd", "yolov5")
    assert detector is not None and round(detector.drop or 0.0, 2) == 34.74
    precision = facts().table_II.tasks["vd"].precision
    assert (precision.low, precision.high) == (71.43, 94.38)
    assert facts().figure_5.families["nvila_8b"].zero_shot == 0.183
    assert facts().latency_ms.families["llava_7b"]["int4"] == 11657


def test_a_defence_is_printed_as_a_change() -> None:
    row = published.table_i_row("vit_small", "bit_depth")
    assert row is not None and row.change is not None and row.benign is not None and row.attacked is not None
    assert (row.change.benign, row.change.attacked) == (-0.53, 2.27)
    assert (row.benign.accuracy, row.attacked.accuracy) == (95.67, 25.39)
    trained = published.table_i_row("yolov5_cls", "adversarial")
    assert trained is not None and trained.change is None and "Fig. 1" in trained.source
    assert published.table_i_row("yolov5_cls", "median") is None and published.table_i_row("gtsrb_cnn") is None


def test_every_cell_that_corresponds_stands_in_its_row() -> None:
    rows = {(row.table, row.task, row.victim.label): row for row in tables.rows(("I", "III", "V"), AskedModels())}

    def paper(table: str, task: str, label: str) -> tuple[float | None, float | None]:
        found = rows[table, task, label].paper
        assert found is not None, label
        return tuple(None if one is None else one.accuracy for one in (found.benign, found.attacked))  # type: ignore[return-value]

    assert paper("I", "tsr", "YOLOv5-cls") == (94.88, 55.82)
    assert paper("I", "tsr", "YOLOv5-cls equalise") == (96.47, 55.0)
    assert paper("I", "tsr", "ViT-small adversarial") == (68, 60)
    assert paper("III", "tsr", "ViT-small") == (96.20, 23.12)
    assert paper("III", "alc", "CLRerNet-type") == (90.91, 50.51)
    assert paper("V", "tsr", "GTSRB-CNN") == (None, 1.77)
    assert paper("V", "vd", "YOLOv5") == (None, 2.52)
    words = rows["V", "alc", "CLRerNet-type autoencoder"].paper
    assert words is not None and words.attacked is None and "no effective improvement" in words.words
    # of the six defences of Table I every one that we have has its cell, for both nets
    printed = [label for (table, _, label), row in rows.items() if table == "I" and row.paper is not None]
    assert len(printed) == 2 + 2 * 6 - 2 + 2, "two nets, six defences each less two untrained, adversarial training"
    absent = tables.absent(("I", "V"), AskedModels())
    assert [(row.table, row.name, row.variant) for row in absent] == [
        ("I", "ViT-small", "label smoothing"),
        ("I", "ViT-small", "dropout"),
        ("V", "GTSRB-CNN", "adversarial training (PGD)"),
    ]
    assert absent[2].paper is not None and absent[2].paper.attacked == PaperScore(accuracy=25.57)


def test_a_family_s_stand_in_takes_its_place_in_table_iv() -> None:
    mine = VictimAgent("tandem_llava_tiny", "tandem")
    one = AskedV2lm(mine, "tandem", "llava_tiny", "llava_7b")
    models = AskedModels((one,))
    (row,) = [row for row in tables.rows(("IV",), models) if row.task == "vd"]
    assert isinstance(row, VictimRow) and row.paper is not None
    assert row.paper.benign == PaperScore(accuracy=91.9, f1=92.82) and not row.controls
    absent = tables.absent(("IV",), models)
    assert len(absent) == 3 * (6 * 2 - 1)
    assert ("LLaVA-7B", "tandem") not in {(row.name, row.variant) for row in absent}
    assert ("LLaVA-7B", "solo") in {(row.name, row.variant) for row in absent}


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (b"benign: 94.88", b"benign: 194.88", "must be at most 100"),
        (b"low: 1.19, high: 31.24", b"low: 41.19, high: 31.24", "low 41.19 lies above high 31.24"),
        (b"accuracy: 55.82", b"acuracy: 55.82", "unknown key 'acuracy'"),
        (b"attacked: 55.82}", b'attacked: "55.82"}', "expected a number"),
        (b"    llava_7b: {zero_shot", b"    llava_8b: {zero_shot", "family 'llava_8b' has no label"),
    ],
)
def test_a_slip_in_the_file_is_refused_with_its_line(old: bytes, new: bytes, sentence: str) -> None:
    from importlib import resources

    content = resources.files("testbed.evaluate").joinpath("published.yaml").read_bytes()
    assert old in content
    with pytest.raises(ScenarioError, match=sentence) as caught:
        published.read(parse_yaml(content.replace(old, new, 1), "mine.yaml"))
    assert caught.value.line is not None


def test_every_block_says_where_it_stands() -> None:
    said = facts().model_dump()
    assert all(
        block["source"].startswith("[") for block in said.values() if isinstance(block, dict) and "source" in block
    )
    assert {name for name, block in said.items() if isinstance(block, dict) and "source" not in block} == {
        "publications",
        "families",
        "statements",
    }
    assert all(one.source.split("]")[0][1:] in facts().publications for one in facts().statements.values())

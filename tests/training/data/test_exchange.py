"""Layouts of others: exports follow their rules and come back as they were; wrong folders say what was expected."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from testbed.cli import main
from testbed.core.errors import DatasetError, UsageError
from testbed.core.gtsrb import SIGN_NAMES
from testbed.core.perception_tasks import LANE_LINES, LANE_ROWS_PX, STEERING_CLASSES, steering_class
from testbed.training.data import exchange
from testbed.training.data.exchange.files import PhotoFit
from testbed.training.data.exchange.tusimple import lines_of, offset_of
from testbed.training.data.format import (
    MAP_GROUPS,
    MAX_BOXES,
    SPLITS,
    WEATHER_FIELDS,
    Split,
    load_split,
    write_card,
    write_split,
)

ROWS = np.array(LANE_ROWS_PX)


def _common(count: int) -> dict[str, Any]:
    return {
        "pose": np.zeros((count, 6), np.float32),
        "weather": np.zeros((count, len(WEATHER_FIELDS)), np.float32),
        "group": np.array([i // 2 + MAP_GROUPS * (i % 2) for i in range(count)], np.int32),
    }


def _alc(count: int, rng: np.random.Generator) -> dict[str, Any]:
    offset = rng.uniform(-0.6, 0.6, count).astype(np.float32)
    spread = (ROWS - 70.0)[None, None] * np.array([-3.0, -1.0, 1.0, 3.0])[None, :, None]
    lines = (160.0 - 8.5 * offset[:, None, None] + spread).astype(np.float32)
    lines[:, 3] = np.nan
    return {
        **_common(count),
        "steering": np.array([steering_class(float(value)) for value in offset], np.int8),
        "preview_offset_m": offset,
        "lateral_offset_m": rng.normal(size=count).astype(np.float32),
        "heading_error_rad": rng.normal(size=count).astype(np.float32),
        "curvature_1pm": rng.normal(size=count).astype(np.float32),
        "lane_x_px": lines,
    }


def _vd(count: int, rng: np.random.Generator) -> dict[str, Any]:
    labels: dict[str, Any] = {
        **_common(count),
        "present": np.zeros(count, bool),
        "lead_box_px": np.full((count, 4), np.nan, np.float32),
        "lead_distance_m": np.full(count, np.nan, np.float32),
        "lead_kind": np.zeros(count, "S40"),
        "boxes_px": np.full((count, MAX_BOXES, 4), np.nan, np.float32),
        "visible": np.full((count, MAX_BOXES), np.nan, np.float32),
        "box_count": np.zeros(count, np.int16),
        "lead_index": np.full(count, -1, np.int16),
    }
    for i in range(count):
        boxes = rng.uniform((10, 60, 20, 20), (200, 90, 60, 50), (i % 4, 4)).astype(np.float32)
        boxes[:, 2:] += boxes[:, :2]
        labels["boxes_px"][i, : len(boxes)] = boxes
        labels["visible"][i, : len(boxes)] = 0.75
        labels["box_count"][i] = len(boxes)
        if len(boxes) > 1:
            labels["lead_index"][i], labels["present"][i], labels["lead_distance_m"][i] = 1, True, 21.5
            labels["lead_box_px"][i], labels["lead_kind"][i] = boxes[1], b"vehicle.tesla.model3"
    return labels


def _tsr(count: int) -> dict[str, Any]:
    class_id = np.array([(14, 14, 2, 17, 2, 14)[i % 6] for i in range(count)], np.int16)
    return {
        **_common(count),
        "class_id": class_id,
        "distance_m": np.full(count, 20.0, np.float32),
        "source": np.zeros(count, np.int8),
    }


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small data set per task: 8 pictures to train, 4 to test."""
    root, rng = tmp_path_factory.mktemp("ours"), np.random.default_rng(3)
    for name, count in (("train", 8), ("test", 4)):
        views = [rng.integers(0, 256, (160, 320, 3), dtype=np.uint8) for _ in range(count)]
        crops = [rng.integers(0, 256, (11 + 3 * i, 12 + 2 * i, 3), dtype=np.uint8) for i in range(count)]
        write_split(root / "alc", "alc", name, views, _alc(count, rng))
        write_split(root / "vd", "vd", name, views, _vd(count, rng))
        write_split(root / "tsr", "tsr", name, crops, _tsr(count))
    for task in ("alc", "vd", "tsr"):
        write_card(root / task, {"task": task, "maps": ["highway", "town"]})
    return root


def _pairs(one: Path, other: Path) -> list[tuple[Split, Split]]:
    return [(load_split(one, name), load_split(other, name)) for name in SPLITS]


def _same(ours: Split, back: Split, columns: tuple[str, ...], tolerance: float = 1e-3) -> None:
    assert len(ours) == len(back)
    for row in range(len(ours)):
        assert np.array_equal(ours.image(row), back.image(row))
    for column in columns:
        expected, found = ours.labels[column], back.labels[column]
        assert expected.dtype == found.dtype, column
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(found, expected, atol=tolerance, err_msg=column)
        else:
            assert np.array_equal(found, expected), column


def test_coco_comes_back(data: Path, tmp_path: Path) -> None:
    assert exchange.export(data / "vd", "coco", tmp_path / "coco") == 12
    back = exchange.load(tmp_path / "coco", "coco", tmp_path / "back")
    for ours, theirs in _pairs(data / "vd", back):
        _same(ours, theirs, ("group", "present", "lead_box_px", "lead_distance_m", "lead_kind", "boxes_px", "visible"))
        _same(ours, theirs, ("box_count", "lead_index"))
        assert theirs.map_names == ("highway", "town") and np.array_equal(ours.map_of, theirs.map_of)


def test_tusimple_comes_back(data: Path, tmp_path: Path) -> None:
    assert exchange.export(data / "alc", "tusimple", tmp_path / "lanes") == 12
    back = exchange.load(tmp_path / "lanes", "tusimple", tmp_path / "back")
    for ours, theirs in _pairs(data / "alc", back):
        _same(ours, theirs, ("group", "steering", "preview_offset_m", "lateral_offset_m", "curvature_1pm", "lane_x_px"))


def test_gtsrb_comes_back(data: Path, tmp_path: Path) -> None:
    assert exchange.export(data / "tsr", "gtsrb", tmp_path / "signs") == 12
    table = tmp_path / "signs" / "Final_Training" / "Images" / "00014" / "GT-00014.csv"
    entries = list(csv.DictReader(table.open(), delimiter=";"))
    assert {entry["ClassId"] for entry in entries} == {"14"} and len(entries) == 5
    for entry in entries:
        with Image.open(table.parent / entry["Filename"]) as picture:
            assert picture.size == (int(entry["Width"]), int(entry["Height"]))
        assert 0 < int(entry["Roi.X1"]) < int(entry["Roi.X2"]) < int(entry["Width"])
    back = exchange.load(tmp_path / "signs", "gtsrb", tmp_path / "back")
    for ours, theirs in _pairs(data / "tsr", back):
        found = {theirs.image(i).tobytes(): int(theirs.labels["class_id"][i]) for i in range(len(theirs))}
        assert found == {ours.image(i).tobytes(): int(ours.labels["class_id"][i]) for i in range(len(ours))}
    assert load_split(back, "train").map_names == ("gtsrb",)


def test_pictures_of_one_track_stay_together(data: Path, tmp_path: Path) -> None:
    exchange.export(data / "tsr", "gtsrb", tmp_path / "signs")
    ours = load_split(data / "tsr", "train")
    back = load_split(exchange.load(tmp_path / "signs", "gtsrb", tmp_path / "back"), "train")
    where = {back.image(i).tobytes(): int(back.labels["group"][i]) for i in range(len(back))}
    for i in range(len(ours)):
        for j in range(i):
            one_track = all(ours.labels[key][i] == ours.labels[key][j] for key in ("class_id", "group"))
            assert (where[ours.image(i).tobytes()] == where[ours.image(j).tobytes()]) == one_track


def test_yolo_lines_are_fractions(data: Path, tmp_path: Path) -> None:
    exchange.export(data / "vd", "yolo", tmp_path / "yolo")
    split = load_split(data / "vd", "test")
    for row in range(len(split)):
        lines = (tmp_path / "yolo" / "labels" / "val" / f"{row:06d}.txt").read_text().splitlines()
        assert len(lines) == split.labels["box_count"][row]
        for line, box in zip(lines, split.labels["boxes_px"][row], strict=False):
            kind, x, y, width, height = (float(word) for word in line.split())
            edges = [320 * (x - width / 2), 160 * (y - height / 2), 320 * (x + width / 2), 160 * (y + height / 2)]
            assert kind == 0.0
            np.testing.assert_allclose(edges, box, atol=1e-3)
    assert "names: {0: vehicle}" in (tmp_path / "yolo" / "data.yaml").read_text()


def test_culane_lines_lists_and_masks_agree(data: Path, tmp_path: Path) -> None:
    exchange.export(data / "alc", "culane", tmp_path / "culane")
    split = load_split(data / "alc", "train")
    listed = (tmp_path / "culane" / "list" / "train_gt.txt").read_text().splitlines()
    assert len(listed) == len(split)
    for row, line in enumerate(listed):
        picture, mask, *there = line.split()
        assert (tmp_path / "culane" / picture[1:]).is_file() and there == ["1", "1", "1", "0"]
        text = (tmp_path / "culane" / picture[1:]).with_suffix(".lines.txt").read_text().splitlines()
        assert len(text) == 3
        with Image.open(tmp_path / "culane" / mask[1:]) as opened:
            drawn = np.array(opened)
        assert set(np.unique(drawn)) == {0, 1, 2, 3}
        x, y = (float(word) for word in text[1].split()[:2])
        assert y == ROWS[np.flatnonzero(split.labels["lane_x_px"][row][1] >= 0)[-1]]
        assert drawn[int(y), min(319, int(x))] == 2


def test_conversations_ask_the_published_question(data: Path, tmp_path: Path) -> None:
    for task in ("tsr", "alc", "vd"):
        exchange.export(data / task, "llava", tmp_path / task)
        entries = json.loads((tmp_path / task / f"{task}_train.json").read_text())
        split = load_split(data / task, "train")
        assert len(entries) == len(split)
        for row, entry in enumerate(entries):
            with Image.open(tmp_path / task / entry["image"]) as picture:
                assert np.array_equal(np.array(picture), split.image(row))
            asked, said = entry["conversations"]
            assert asked["from"] == "human" and asked["value"].startswith("<image>\n") and said["from"] == "gpt"
            if task == "tsr":
                assert said["value"] == SIGN_NAMES[split.labels["class_id"][row]]
            elif task == "alc":
                assert said["value"] == STEERING_CLASSES[split.labels["steering"][row]].value
            else:
                assert (said["value"] == "No car") == (not split.labels["present"][row])


def test_qwen_boxes_are_thousandths(data: Path, tmp_path: Path) -> None:
    exchange.export(data / "vd", "qwen", tmp_path / "qwen")
    split = load_split(data / "vd", "train")
    entries = json.loads((tmp_path / "qwen" / "vd_train.json").read_text())
    for row, entry in enumerate(entries):
        said = entry["conversations"][1]
        assert said["from"] == "assistant"
        corners = [int(word) for word in re.findall(r"\d+", said["value"])]
        assert bool(corners) == bool(split.labels["present"][row])
        if corners:
            expected = split.labels["lead_box_px"][row] / [320, 160, 320, 160] * 1000
            np.testing.assert_allclose(corners, expected, atol=0.51)


def test_exports_carry_a_card_and_refuse_full_folders(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    exchange.export(data / "vd", "coco", out, count=6)
    card = json.loads((out / "testbed.json").read_text())
    assert card["pictures"] == 6 and card["task"] == "vd" and card["maps"] == ["highway", "town"]
    assert "ground truth" in (out / "README.md").read_text()
    with pytest.raises(UsageError, match="is not empty"):
        exchange.export(data / "vd", "coco", out)
    with pytest.raises(UsageError, match=r"gtsrb holds tsr, not vd.*for vd: llava, qwen, coco, yolo"):
        exchange.export(data / "vd", "gtsrb", tmp_path / "other")
    with pytest.raises(UsageError, match="unknown layout 'voc'"):
        exchange.export(data / "vd", "voc", tmp_path / "other")


def test_foreign_photos_become_our_view() -> None:
    fit = PhotoFit(1280, 720)
    photo = np.zeros((720, 1280, 3), np.uint8)
    photo[80:] = 200
    # The upper 80 rows are what 16:9 has more than 2:1; the filter mixes the first row below with them.
    assert (fit.picture(photo)[1:] == 200).all() and (fit.picture(photo)[0] > 150).all()
    assert fit.x(np.array([0.0, 640.0, 1280.0])).tolist() == [0.0, 160.0, 320.0]
    assert fit.y(np.array([80.0, 720.0])).tolist() == [0.0, 160.0]
    wide = PhotoFit(1000, 400)
    assert wide.x(np.array([100.0, 900.0])).tolist() == [0.0, 320.0] and wide.y(np.array([0.0])).tolist() == [0.0]


def test_foreign_lanes_get_roles_and_an_offset() -> None:
    """Lines of a straight road whose vanishing point lies right of the middle: the lane's centre ahead is right."""
    rows = [float(y) for y in range(300, 720, 10)]
    ends = {"far": 1650, "right": 950, "left": 330, "outer": -370}
    lanes = [[round(700 + (end - 700) * (y - 280) / 440, 2) for y in rows] for end in ends.values()]
    lanes = [[x if 0 <= x < 1280 else -2 for x in lane] for lane in lanes]
    lines = lines_of(rows, lanes, PhotoFit(1280, 720))
    bottom = [lines[LANE_LINES.index(name)][-2] for name in ("ego_left", "ego_right")]
    assert bottom[0] < 160.0 < bottom[1]
    assert (lines[0][np.isfinite(lines[0])] < lines[1][np.isfinite(lines[0])]).all()
    assert offset_of(lines) < -0.2
    mirrored = [[1280 - x if x >= 0 else -2 for x in lane] for lane in lanes]
    assert offset_of(lines_of(rows, mirrored, PhotoFit(1280, 720))) == pytest.approx(-offset_of(lines), abs=0.02)
    assert np.isnan(offset_of(lines_of(rows, lanes[:2], PhotoFit(1280, 720))))


def test_foreign_coco_knows_no_lead_so_the_nearest_straight_ahead_is_it(tmp_path: Path) -> None:
    boxes = [[600.0, 350.0, 80.0, 60.0], [590.0, 380.0, 110.0, 120.0], [100.0, 400.0, 200.0, 150.0]]
    content = {
        "images": [{"id": 5, "file_name": "a.jpg"}, {"id": 6, "file_name": "a.jpg"}],
        "annotations": [{"image_id": 5, "category_id": 3, "bbox": box} for box in boxes]
        + [{"image_id": 6, "category_id": 1, "bbox": boxes[0]}],
        "categories": [{"id": 1, "name": "person"}, {"id": 3, "name": "car"}],
    }
    for name in ("train2017", "val2017"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (1280, 720), (90, 90, 90)).save(tmp_path / name / "a.jpg")
        (tmp_path / "annotations").mkdir(exist_ok=True)
        (tmp_path / "annotations" / f"instances_{name}.json").write_text(json.dumps(content))
    split = load_split(exchange.load(tmp_path, "coco", tmp_path / "back"), "train")
    assert split.labels["present"].tolist() == [True, False]
    np.testing.assert_allclose(split.labels["lead_box_px"][0], [147.5, 75.0, 175.0, 105.0])
    assert split.labels["box_count"].tolist() == [3, 0]


def _cut(path: Path, line: str) -> None:
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], line, *lines[2:]]) + "\n")


def _break_gtsrb(root: Path, what: str) -> None:
    table = root / "Final_Training" / "Images" / "00014" / "GT-00014.csv"
    if what == "training":
        shutil.rmtree(root / "Final_Training")
    elif what == "classes":
        for folder in (root / "Final_Training" / "Images").iterdir():
            folder.rename(folder.with_name(folder.name[-2:]))
    elif what == "table":
        table.unlink()
    elif what == "columns":
        table.write_text("Filename,ClassId\n")
    elif what == "row":
        _cut(table, "00000_00000.ppm;12;eleven;1;1;10;10;14")
    elif what == "class":
        _cut(table, "00000_00000.ppm;12;11;1;1;10;10;43")
    elif what == "box":
        _cut(table, "00000_00000.ppm;12;11;10;1;10;10;14")
    elif what == "picture":
        next(table.parent.glob("*.ppm")).unlink()
    elif what == "no picture":
        next(table.parent.glob("*.ppm")).write_text("hello")
    elif what == "test table":
        (root / "Final_Test" / "Images" / "GT-final_test.csv").unlink()


GTSRB = {
    "training": r"Final_Training/Images is missing: GTSRB's training classes.*unpack GTSRB_Final_Training",
    "classes": r"holds none of the class folders 00000 to 00042",
    "table": r"GT-00014.csv is missing: a table with the columns Filename;Width",
    "columns": r"GT-00014.csv:1: the columns Filename;.*'Filename,ClassId' found",
    "row": r"GT-00014.csv:2: a name and seven whole numbers expected",
    "class": r"GT-00014.csv:2: ClassId 43 is none",
    "box": r"GT-00014.csv:2: the box 10;1;10;10 is empty",
    "picture": r"GT-00014.csv names the picture .*ppm, which does not exist",
    "no picture": r"ppm, named in .*GT-00014.csv, is no picture",
    "test table": r"GT-final_test.csv is missing",
}


@pytest.mark.parametrize("what", sorted(GTSRB))
def test_wrong_gtsrb_folders_say_what_was_expected(data: Path, tmp_path: Path, what: str) -> None:
    exchange.export(data / "tsr", "gtsrb", tmp_path / "signs")
    _break_gtsrb(tmp_path / "signs", what)
    with pytest.raises(DatasetError, match=GTSRB[what]):
        exchange.load(tmp_path / "signs", "gtsrb", tmp_path / "back")


TUSIMPLE = {
    "train_set": r"train_set is missing: TuSimple's training folder",
    "labels": r"holds no label_data_\*.json",
    "test": r"test_label.json is missing",
    "json": r"label_data_testbed.json:2: one JSON object a line expected",
    "keys": r"label_data_testbed.json:2: .*h_samples.*is missing",
    "rows": r"label_data_testbed.json:2: a lane has 1 columns for 2 rows",
    "picture": r"names the picture .*000000.png, which does not exist",
}


@pytest.mark.parametrize("what", sorted(TUSIMPLE))
def test_wrong_tusimple_folders_say_what_was_expected(data: Path, tmp_path: Path, what: str) -> None:
    root = tmp_path / "lanes"
    exchange.export(data / "alc", "tusimple", root)
    table = root / "train_set" / "label_data_testbed.json"
    if what == "train_set":
        shutil.rmtree(root / "train_set")
    elif what == "labels":
        table.unlink()
    elif what == "test":
        (root / "test_set" / "test_label.json").unlink()
    elif what == "picture":
        (root / "train_set" / "clips" / "testbed" / "000000.png").unlink()
    else:
        lines = {
            "json": "{",
            "keys": '{"raw_file": "a"}',
            "rows": '{"raw_file": "a", "h_samples": [1, 2], "lanes": [[3]]}',
        }
        _cut(table, lines[what])
    with pytest.raises(DatasetError, match=TUSIMPLE[what]):
        exchange.load(root, "tusimple", tmp_path / "back")


COCO = {
    "annotations": r"annotations is missing: COCO's folder of instances",
    "val": r"holds no instances_val\*.json",
    "json": r"instances_train.json is not JSON",
    "lists": r"instances_train.json: an object with the lists images, annotations and categories",
    "key": r"instances_train.json: annotations\[0\] has no 'bbox'",
    "vehicles": r"none of the categories is a vehicle \(known: bus, car",
    "pictures": r"train is missing: the pictures of instances_train.json",
}


@pytest.mark.parametrize("what", sorted(COCO))
def test_wrong_coco_folders_say_what_was_expected(data: Path, tmp_path: Path, what: str) -> None:
    root = tmp_path / "coco"
    exchange.export(data / "vd", "coco", root)
    table = root / "annotations" / "instances_train.json"
    content = json.loads(table.read_text())
    if what == "annotations":
        shutil.rmtree(root / "annotations")
    elif what == "val":
        (root / "annotations" / "instances_val.json").unlink()
    elif what == "json":
        table.write_text("[")
    elif what == "lists":
        table.write_text("[]")
    elif what == "key":
        del content["annotations"][0]["bbox"]
        table.write_text(json.dumps(content))
    elif what == "vehicles":
        content["categories"][0]["name"] = "dog"
        table.write_text(json.dumps(content))
    elif what == "pictures":
        shutil.rmtree(root / "train")
    with pytest.raises(DatasetError, match=COCO[what]):
        exchange.load(root, "coco", tmp_path / "back")


def test_command_line(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "coco"
    assert main(["dataset", "export", str(data / "vd"), "--format", "coco", "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"12 pictures: {out}\n"
    back = tmp_path / "back"
    assert main(["dataset", "load", str(out), "--format", "coco", "--out", str(back), "--count", "6"]) == 0
    assert sum(len(load_split(back, name)) for name in SPLITS) == 6
    assert main(["dataset", "export", str(data / "vd"), "--out", str(out)]) == 2
    assert "needs --format" in capsys.readouterr().err
    assert main(["dataset", "load", str(tmp_path / "none"), "--format", "coco", "--out", str(back)]) == 2
    assert "error[TB150]" in capsys.readouterr().err

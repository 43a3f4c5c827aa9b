"""Data sets as other programs write them: what is unambiguous is read, the rest is refused by file and line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from testbed.core.errors import DatasetError
from testbed.training.data import exchange
from testbed.training.data.exchange.files import read_picture
from testbed.training.data.format import Split, load_split

BOX = [590.0, 380.0, 110.0, 120.0]


def content(**more: Any) -> dict[str, Any]:
    """Return a table of one picture with a car straight ahead."""
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 1280, "height": 720}],
        "annotations": [{"image_id": 1, "category_id": 3, "bbox": BOX}],
        "categories": [{"id": 3, "name": "car"}],
    } | more


def coco(folder: Path, table: dict[str, Any], size_px: tuple[int, int] = (1280, 720), exif: int = 1) -> Split:
    for name in ("train2017", "val2017"):
        (folder / name).mkdir(parents=True)
        picture = Image.new("RGB", size_px, (90, 90, 90))
        data = picture.getexif()
        data[0x0112] = exif
        picture.save(folder / name / "a.jpg", exif=data)
        (folder / "annotations").mkdir(exist_ok=True)
        (folder / "annotations" / f"instances_{name}.json").write_text(json.dumps(table), encoding="utf-8")
    return load_split(exchange.load(folder, "coco", folder / "back"), "train")


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"annotations": [{"image_id": "1", "category_id": "3", "bbox": BOX}]},
        {"categories": [{"id": 3, "name": "Car"}, {"id": 8, "name": "truck"}]},
        {"annotations": [{"image_id": 1, "category_id": 3, "bbox": BOX, "attributes": None}]},
        {"images": [{"id": 1, "file_name": "a.JPG"}]},
    ],
)
def test_what_can_only_mean_one_thing_is_read(tmp_path: Path, more: dict[str, Any]) -> None:
    split = coco(tmp_path, content(**more))
    assert split.labels["present"].tolist() == [True] and split.labels["box_count"].tolist() == [1]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"annotations": [None]}, r"annotations\[0\] is None, not an object"),
        ({"categories": ["car"]}, r"categories\[0\] is 'car', not an object"),
        ({"categories": [{"name": "car"}]}, r"categories\[0\] has no 'id'"),
        ({"images": [{"id": 1, "file_name": "a.jpg"}] * 2}, "two images have the id 1"),
        ({"images": [{"id": 1, "file_name": "a.jpg", "width": 640, "height": 480}]}, r"says .* has \(640, 480\) px"),
        *(
            ({"annotations": [{"image_id": 1, "category_id": 3, "bbox": box}]}, r"annotations\[0\] has the bbox")
            for box in (None, [], [1, 2, 3], [1, 2, float("nan"), 4], [1, 2, -3, 4], ["1", "2", "3", "4"], "1234")
        ),
        ({"annotations": [{"image_id": 7, "category_id": 3, "bbox": BOX}]}, "the image_id 7, which is not there"),
        ({"annotations": [{"image_id": 1, "category_id": 4, "bbox": BOX}]}, "the category_id 4, which is not there"),
        ({"annotations": [{"image_id": 1, "category_id": 3, "bbox": BOX, "attributes": 3}]}, "attributes 3"),
    ],
)
def test_what_could_be_read_wrongly_is_refused(tmp_path: Path, more: dict[str, Any], words: str) -> None:
    with pytest.raises(DatasetError, match=rf"instances_(train|val)2017.json.*{words}|{words}"):
        coco(tmp_path, content(**more))


def test_a_turned_photo_is_read_the_way_its_labels_are_meant(tmp_path: Path) -> None:
    # stored 720 wide and 1280 high, to be shown turned by a right angle
    assert coco(tmp_path / "shown", content(), (720, 1280), exif=6).labels["present"].tolist() == [True]
    stored = content(images=[{"id": 1, "file_name": "a.jpg", "width": 720, "height": 1280}])
    coco(tmp_path / "stored", stored, (720, 1280), exif=6)
    unsaid = content(images=[{"id": 1, "file_name": "a.jpg"}])
    with pytest.raises(DatasetError, match=r"a.jpg is turned by its EXIF data.*save it upright"):
        coco(tmp_path / "unsaid", unsaid, (720, 1280), exif=6)
    with pytest.raises(DatasetError, match="is turned by its EXIF data"):  # upside down has the same size
        coco(tmp_path / "down", content(), (1280, 720), exif=3)


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    grey = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    Image.fromarray(grey).save(tmp_path / "deep.png")
    found = read_picture(tmp_path / "deep.png", tmp_path / "table.json")
    np.testing.assert_array_equal(found, np.repeat((grey // 257).astype(np.uint8)[..., None], 3, axis=2))


def test_a_turned_picture_of_sixteen_bits_is_turned_too(tmp_path: Path) -> None:
    picture = Image.fromarray(np.zeros((20, 30), np.uint16))
    data = picture.getexif()
    data[0x0112] = 6
    picture.save(tmp_path / "deep.png", exif=data)
    with pytest.raises(DatasetError, match="is turned by its EXIF data"):
        read_picture(tmp_path / "deep.png", tmp_path / "table.json")


@pytest.mark.parametrize("written", ["utf-16", "latin-1"])
def test_text_that_is_no_utf8_is_refused(tmp_path: Path, written: str) -> None:
    (tmp_path / "annotations").mkdir()
    for name in ("train2017", "val2017"):
        text = json.dumps(content(info="Straße"), ensure_ascii=False)
        (tmp_path / "annotations" / f"instances_{name}.json").write_bytes(text.encode(written))
    with pytest.raises(DatasetError, match="instances_.*.json is no UTF-8.*save it as UTF-8"):
        exchange.load(tmp_path, "coco", tmp_path / "back")


# ---------------------------------------------------------------- GTSRB

HEAD = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"
ROW = "00000_00000.ppm;30;30;5;5;25;25;14"


def gtsrb(
    folder: Path,
    change: Callable[[str], str] = str,
    *,
    train: str = "Final_Training/Images",
    test: str = "Final_Test/Images",
    ending: str = "ppm",
) -> Split:
    """Write a benchmark of one sign per split and read it."""
    places = ((folder / train / "00014", "GT-00014.csv"), (folder / test, "GT-final_test.csv"))
    for place, table in places:
        place.mkdir(parents=True)
        Image.new("RGB", (30, 30), (200, 20, 20)).save(place / f"00000_00000.{ending}", format="PPM")
        (place / table).write_text(change(f"{HEAD}\n{ROW}\n"), encoding="utf-8")
    return load_split(exchange.load(folder, "gtsrb", folder / "back"), "train")


@pytest.mark.parametrize(
    "change",
    [
        str,
        lambda text: "\ufeff" + text,
        lambda text: text + "\n\n",
        lambda text: text.replace(";", ","),
        lambda text: text.replace(";", "\t"),
    ],
)
def test_tables_of_signs_as_programs_write_them(tmp_path: Path, change: Callable[[str], str]) -> None:
    assert gtsrb(tmp_path, change).labels["class_id"].tolist() == [14]


def test_pictures_without_a_track_are_each_their_own(tmp_path: Path) -> None:
    for place, table in (("Final_Training/Images/00014", "GT-00014.csv"), ("Final_Test/Images", "GT-final_test.csv")):
        (tmp_path / place).mkdir(parents=True)
        rows = []
        for name in ("00001.ppm", "00002.ppm"):
            Image.new("RGB", (30, 30)).save(tmp_path / place / name)
            rows.append(ROW.replace("00000_00000.ppm", name))
        (tmp_path / place / table).write_text("\n".join([HEAD, *rows]) + "\n", encoding="utf-8")
    split = load_split(exchange.load(tmp_path, "gtsrb", tmp_path / "back"), "train")
    assert len(set(split.labels["group"].tolist())) == 2


def test_other_layouts_of_the_same_signs(tmp_path: Path) -> None:
    torchvision = gtsrb(tmp_path / "tv", train="GTSRB/Training", test="GTSRB/Final_Test/Images")
    assert torchvision.labels["class_id"].tolist() == [14]
    assert gtsrb(tmp_path / "capitals", ending="PPM").labels["class_id"].tolist() == [14]
    kaggle = tmp_path / "kaggle"
    for name in ("Train", "Test"):
        place = kaggle / name / "14"
        place.mkdir(parents=True)
        Image.new("RGB", (30, 30)).save(place / "00014_00003_00007.png")
        head = "Width,Height,Roi.X1,Roi.Y1,Roi.X2,Roi.Y2,ClassId,Path"
        row = f"30,30,5,5,25,25,14,{name}/14/00014_00003_00007.png"
        (kaggle / f"{name}.csv").write_text(f"{head}\n{row}\n", encoding="utf-8")
    split = load_split(exchange.load(kaggle, "gtsrb", tmp_path / "back"), "train")
    assert split.labels["class_id"].tolist() == [14]
    assert split.image(0).shape == torchvision.image(0).shape


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("00000_00000.ppm;30;30;5;5;45;25;14", r"GT-00014.csv:2: the box 5;5;45;25 lies outside of 30 x 30 px"),
        ("00000_00000.ppm;30;30;-5;5;25;25;14", "lies outside"),
        ("00000_00000.ppm;60;60;5;5;45;25;14", r"says .* has \(60, 60\) px, but it has \(30, 30\)"),
    ],
)
def test_a_region_outside_of_its_picture_is_refused(tmp_path: Path, row: str, words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        gtsrb(tmp_path, lambda text: text.replace(ROW, row))


# ---------------------------------------------------------------- TuSimple


def tusimple(folder: Path, lanes: Any, *, flat: bool = False) -> Split:
    for place, name in (("train_set", "label_data_0313.json"), ("test_set", "test_label.json")):
        root = folder if flat else folder / place
        (root / "clips").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (1280, 720)).save(root / "clips" / "a.jpg")
        entry = {"raw_file": "clips/a.jpg", "h_samples": [400, 500, 600, 700], "lanes": lanes}
        (root / name).write_text(json.dumps(entry) + "\n", encoding="utf-8")
    return load_split(exchange.load(folder, "tusimple", folder / "back"), "train")


LANES = [[580, 480, 380, 280], [700, 800, 900, 1000]]


@pytest.mark.parametrize("flat", [False, True])
def test_lanes_are_read_from_two_folders_or_one(tmp_path: Path, flat: bool) -> None:
    assert len(tusimple(tmp_path, LANES, flat=flat)) == 1


@pytest.mark.parametrize("lanes", [None, 3, [3], [None], [[[580, 400], [480, 500]]], [["a"] * 4], {"left": [1] * 4}])
def test_lanes_that_are_no_lists_of_columns_are_refused(tmp_path: Path, lanes: Any) -> None:
    with pytest.raises(DatasetError, match=r"label.*.json:1: lanes is .*, not a list of lists of columns"):
        tusimple(tmp_path, lanes)


def test_yolo_finds_its_pictures_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tmp_path / "back"
    coco(tmp_path, content())
    monkeypatch.chdir(tmp_path)
    exchange.export(made, "yolo", Path("yolo"))
    import yaml

    told = yaml.safe_load((tmp_path / "yolo" / "data.yaml").read_text(encoding="utf-8"))
    monkeypatch.chdir("/")
    assert len(list((Path(told["path"]) / told["train"]).glob("*.png"))) == 1

"""The folder layout of the German Traffic Sign Recognition Benchmark, written and read.

::

    DIR/Final_Training/Images/00014/00003_00000.ppm     class 14, track 3, picture 0
    DIR/Final_Training/Images/00014/GT-00014.csv        Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId
    DIR/Final_Test/Images/00000.ppm
    DIR/Final_Test/Images/GT-final_test.csv             the same columns (also accepted beside Images or in DIR)

Read are also torchvision's folder (``GTSRB/Training/00014``, ``GTSRB/Final_Test``) and Kaggle's (``Train.csv`` and
``Test.csv``, with the columns in another order and a path), and tables with commas or tabs.

Source: Stallkamp et al., IJCNN 2011, and the archives of benchmark.ini.rub.de. A track is one sign passed once; its
pictures stay together as one group. A crop is the sign's box grown as in the driving loop (`SIGN_CROP_MARGIN`).
"""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from testbed.core.errors import DatasetError
from testbed.core.gtsrb import SIGN_NAMES
from testbed.core.perception_tasks import SIGN_CROP_MARGIN
from testbed.training.data.exchange.files import (
    LoadedSplits,
    Picture,
    evenly,
    need_folder,
    read_picture,
    read_text,
    save_picture,
    splits,
    unknown_columns,
    write_text,
)

HEADER = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"
KAGGLE = HEADER.replace("Filename", "Path")
FILE, PATH = "Filename", "Path"
BOX = ("Roi.X1", "Roi.Y1", "Roi.X2", "Roi.Y2")
HINT = "unpack GTSRB_Final_Training_Images.zip, GTSRB_Final_Test_Images.zip and GTSRB_Final_Test_GT.zip side by side"


class Entry(NamedTuple):
    """One picture: the table that names it, where it is, and its row by columns."""

    table: Path
    path: Path
    row: dict[str, str]


def export(folder: Path, out: Path, count: int | None = None) -> int:
    """Write a ``tsr`` data set; return the number of pictures."""
    written = 0
    for split, rows in splits(folder, "tsr", count):
        lines: dict[int, list[str]] = {}
        tracks: dict[tuple[int, int], int] = {}
        seen: dict[tuple[int, int], int] = {}
        for row in rows:
            class_id, group = int(split.labels["class_id"][row]), int(split.labels["group"][row])
            picture = split.image(row)
            if split.name == "train":
                track = tracks.setdefault((class_id, group), sum(key[0] == class_id for key in tracks))
                number = seen[class_id, group] = seen.get((class_id, group), -1) + 1
                name = f"{track:05d}_{number:05d}.ppm"
                path = out / "Final_Training" / "Images" / f"{class_id:05d}" / name
            else:
                name = f"{row:05d}.ppm"
                path = out / "Final_Test" / "Images" / name
            save_picture(path, picture)
            lines.setdefault(class_id if split.name == "train" else -1, []).append(_line(name, picture, class_id))
            written += 1
        for class_id, entries in lines.items():
            place = out / "Final_Training" / "Images" / f"{class_id:05d}" / f"GT-{class_id:05d}.csv"
            if class_id < 0:
                place = out / "Final_Test" / "Images" / "GT-final_test.csv"
            write_text(place, [HEADER, *sorted(entries)])
    return written


def _line(name: str, picture: Picture, class_id: int) -> str:
    """Return one row of a GT file; the box is the one that grows back to the whole crop."""
    height, width = picture.shape[:2]
    edge = SIGN_CROP_MARGIN / (1.0 + 2.0 * SIGN_CROP_MARGIN)
    x_min, y_min = math.floor(edge * width), math.floor(edge * height)
    x_max, y_max = math.ceil((1.0 - edge) * width), math.ceil((1.0 - edge) * height)
    return f"{name};{width};{height};{x_min};{y_min};{x_max};{y_max};{class_id}"


def load(source: Path, count: int | None = None) -> LoadedSplits:
    """Read a folder in this layout.

    Args:
        source: Folder that holds ``Final_Training`` and ``Final_Test``.
        count: Number of pictures over both splits, evenly picked; None for all.

    Returns:
        ``tsr`` and, per split, pictures and labels.

    Raises:
        DatasetError: When something is missing or not as expected.
    """
    tables = [source / "Train.csv", source / "Test.csv"]
    if all(table.is_file() for table in tables):
        train, test = ([Entry(table, source / row[PATH], row) for row in _table(table, KAGGLE)] for table in tables)
    else:
        train, test = _training(source), _tested(source)
    picked = evenly({"train": train, "test": test}, count)
    return "tsr", {name: _read(entries, grouped=name == "train") for name, entries in picked.items()}


def _training(source: Path) -> list[Entry]:
    torchvision = source / "GTSRB" / "Training"
    images = torchvision if torchvision.is_dir() else source / "Final_Training" / "Images"
    need_folder(images, "GTSRB's training classes 00000 to 00042", HINT)
    found: list[Entry] = []
    for class_id in range(len(SIGN_NAMES)):
        place = images / f"{class_id:05d}"
        if place.is_dir():
            table = place / f"GT-{class_id:05d}.csv"
            found += [Entry(table, place / row[FILE], row) for row in _table(table)]
    if not found:
        raise DatasetError(f"{images} holds none of the class folders 00000 to 00042", hint=HINT)
    return found


def _tested(source: Path) -> list[Entry]:
    torchvision = source / "GTSRB" / "Final_Test" / "Images"
    pictures = torchvision if torchvision.is_dir() else source / "Final_Test" / "Images"
    need_folder(pictures, "GTSRB's test pictures", HINT)
    folders = (pictures, pictures.parent, pictures.parent.parent, source)
    places = [folder / "GT-final_test.csv" for folder in folders]
    table = next((place for place in places if place.is_file()), places[0])
    return [Entry(table, pictures / row[FILE], row) for row in _table(table)]


def _table(path: Path, columns: str = HEADER) -> list[dict[str, str]]:
    """Return the rows of a table by its columns, which stand in any order and are parted by ``;``, ``,`` or tabs."""
    if not path.is_file():
        raise DatasetError(f"{path} is missing: a table with the columns {HEADER} expected", hint=HINT)
    lines = read_text(path).splitlines()
    head = lines[0] if lines else ""
    parted_by = next((sign for sign in (";", ",", "\t") if sign in head), ";")
    names = [name.strip() for name in head.split(parted_by)]
    if sorted(names) != sorted(columns.split(";")):
        raise DatasetError(
            f"{path}:1: the columns {columns} expected, {head[:80] or 'nothing'!r} found",
            hint="tables without ClassId, and those of other editions of GTSRB, do not tell the classes",
        )
    found = []
    for number, values in enumerate(csv.reader(lines[1:], delimiter=parted_by), start=2):
        if not any(value.strip() for value in values):
            continue
        row = dict(zip(names, (value.strip() for value in values), strict=False))
        _check(row, columns, f"{path}:{number}", ";".join(values), whole=len(values) == len(names))
        found.append(row)
    return found


def _check(row: dict[str, str], columns: str, place: str, said: str, *, whole: bool) -> None:
    numbers = [name for name in columns.split(";") if name not in (FILE, PATH)]
    if not whole or not all(row[name].lstrip("-").isdigit() for name in numbers):
        raise DatasetError(f"{place}: a name and seven whole numbers expected, {said!r} found")
    if not 0 <= int(row["ClassId"]) < len(SIGN_NAMES):
        raise DatasetError(f"{place}: ClassId {row['ClassId']} is none of GTSRB's classes 0 to 42")
    left, top, right, bottom = (int(row[name]) for name in BOX)
    if right <= left or bottom <= top:
        raise DatasetError(f"{place}: the box {left};{top};{right};{bottom} is empty")
    if left < 0 or top < 0 or right > int(row["Width"]) or bottom > int(row["Height"]):
        raise DatasetError(
            f"{place}: the box {left};{top};{right};{bottom} lies outside of {row['Width']} x {row['Height']} px"
        )


def _read(entries: list[Entry], *, grouped: bool) -> tuple[list[Picture], dict[str, Any]]:
    crops, classes, groups = [], [], []
    numbers: dict[tuple[str, str], int] = {}
    for table, path, row in entries:
        size_px = (int(row["Width"]), int(row["Height"]))
        crops.append(_crop(read_picture(path, table, size_px), [int(row[name]) for name in BOX]))
        classes.append(int(row["ClassId"]))
        # what stands before the number in a name; Kaggle's begin with the class
        track = (path.stem.rpartition("_")[0] if grouped else "") or path.name
        groups.append(numbers.setdefault((row["ClassId"] if grouped else "", track), len(numbers)))
    labels: dict[str, NDArray[Any]] = {
        **unknown_columns(len(crops)),
        "group": np.array(groups, np.int32),
        "class_id": np.array(classes, np.int16),
        "distance_m": np.full(len(crops), np.nan, np.float32),
        "source": np.ones(len(crops), np.int8),
    }
    return crops, labels


def _crop(picture: Picture, box: list[int]) -> Picture:
    """Cut the sign's box, grown by the loop's margin, out of the picture."""
    height, width = picture.shape[:2]
    margin_x, margin_y = SIGN_CROP_MARGIN * (box[2] - box[0]), SIGN_CROP_MARGIN * (box[3] - box[1])
    left, top = max(0, math.floor(box[0] - margin_x)), max(0, math.floor(box[1] - margin_y))
    right, bottom = min(width, math.ceil(box[2] + margin_x)), min(height, math.ceil(box[3] + margin_y))
    return np.ascontiguousarray(picture[top:bottom, left:right])

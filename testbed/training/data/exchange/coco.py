"""COCO's detection layout, written and read, and YOLO's, written.

COCO: ``annotations/instances_NAME.json`` with ``images``, ``annotations`` and ``categories``; pictures in ``NAME/``,
NAME beginning with train or val. Boxes are ``[x, y, width, height]`` in px. Source: Lin et al., "Microsoft COCO", 2014.

YOLO: ``data.yaml``, pictures in ``images/NAME``, and in ``labels/NAME`` a text file per picture with a line
``class x_centre y_centre width height`` per vehicle, as fractions of the picture. Source: Ultralytics' documentation.

Which vehicle drives ahead is no part of either layout. Our COCO annotations tell it under ``attributes``; in foreign
ones it is the nearest vehicle whose lower edge stands within half a lane of straight ahead on level ground.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbed.core.errors import DatasetError
from testbed.core.ground_plane import metres_per_pixel, row_of_distance
from testbed.core.perception_tasks import IMAGE_HEIGHT_PX, IMAGE_WIDTH_PX, MIN_VEHICLE_PX
from testbed.training.data.exchange.files import (
    LoadedSplits,
    PhotoFit,
    Picture,
    evenly,
    is_number,
    need_folder,
    read_json,
    read_picture,
    save_picture,
    splits,
    unknown_columns,
    write_text,
)
from testbed.training.data.format import MAX_BOXES, Split

VEHICLES = frozenset({"vehicle", "car", "truck", "bus", "van", "motorcycle"})
"""COCO category names that count as vehicles."""
HALF_LANE_M = 1.8
HORIZON_PX = row_of_distance(1e6)
NAMES = {"train": "train", "test": "val"}
FORMAT = "see cocodataset.org, format"
HINT = "unpack annotations_trainval2017.zip, train2017.zip and val2017.zip side by side"


def export(folder: Path, out: Path, count: int | None = None) -> int:
    """Write a ``vd`` data set in COCO's layout; return the number of pictures."""
    written = 0
    for split, rows in splits(folder, "vd", count):
        name = NAMES[split.name]
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for row in rows:
            file = f"{row:06d}.png"
            save_picture(out / name / file, split.image(row))
            group = int(split.labels["group"][row])
            image = {"id": row + 1, "file_name": file, "width": IMAGE_WIDTH_PX, "height": IMAGE_HEIGHT_PX}
            images.append(image | {"testbed": {"group": group}})
            for index, box in enumerate(_boxes(split, row)):
                width, height = float(box[2] - box[0]), float(box[3] - box[1])
                lead = index == int(split.labels["lead_index"][row])
                attributes: dict[str, Any] = {"lead": lead, "visible": float(split.labels["visible"][row][index])}
                if lead:
                    attributes["distance_m"] = float(split.labels["lead_distance_m"][row])
                    attributes["blueprint"] = bytes(split.labels["lead_kind"][row]).decode()
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": row + 1,
                        "category_id": 1,
                        "bbox": [float(box[0]), float(box[1]), width, height],
                        "area": width * height,
                        "iscrowd": 0,
                        "attributes": attributes,
                    }
                )
            written += 1
        content = {
            "info": {"description": "V2LM testbed, vehicle detection"},
            "images": images,
            "annotations": annotations,
            "categories": [{"id": 1, "name": "vehicle", "supercategory": "vehicle"}],
        }
        write_text(out / "annotations" / f"instances_{name}.json", [json.dumps(content)])
    return written


def export_yolo(folder: Path, out: Path, count: int | None = None) -> int:
    """Write a ``vd`` data set in YOLO's layout; return the number of pictures."""
    written = 0
    for split, rows in splits(folder, "vd", count):
        name = NAMES[split.name]
        for row in rows:
            save_picture(out / "images" / name / f"{row:06d}.png", split.image(row))
            lines = []
            for x_min, y_min, x_max, y_max in _boxes(split, row):
                centre_x, centre_y = (x_min + x_max) / 2.0 / IMAGE_WIDTH_PX, (y_min + y_max) / 2.0 / IMAGE_HEIGHT_PX
                width, height = (x_max - x_min) / IMAGE_WIDTH_PX, (y_max - y_min) / IMAGE_HEIGHT_PX
                lines.append(f"0 {centre_x:.6f} {centre_y:.6f} {width:.6f} {height:.6f}")
            write_text(out / "labels" / name / f"{row:06d}.txt", lines)
            written += 1
    # absolute: from a relative one YOLO's programs find pictures in the working directory alone
    place = [f"path: {json.dumps(str(out.resolve()))}  # where this folder is; change it when it is moved"]
    write_text(out / "data.yaml", [*place, "train: images/train", "val: images/val", "names: {0: vehicle}"])
    return written


def _boxes(split: Split, row: int) -> NDArray[np.float32]:
    """Return the boxes (K, 4) of all vehicles of a picture."""
    found: NDArray[np.float32] = split.labels["boxes_px"][row][: int(split.labels["box_count"][row])]
    return found


def load(source: Path, count: int | None = None) -> LoadedSplits:
    """Read a folder in COCO's layout.

    Args:
        source: Folder that holds ``annotations`` and the picture folders.
        count: Number of pictures over both splits, evenly picked; None for all.

    Returns:
        ``vd`` and, per split, pictures and labels.

    Raises:
        DatasetError: When something is missing or not as expected.
    """
    place = need_folder(source / "annotations", "COCO's folder of instances_*.json", HINT)
    tables: dict[str, Path] = {}
    for ours, theirs in NAMES.items():
        found = sorted(place.glob(f"instances_{theirs}*.json"))
        if not found:
            raise DatasetError(f"{place} holds no instances_{theirs}*.json", hint=HINT)
        tables[ours] = found[0]
    contents = {name: _content(table) for name, table in tables.items()}
    picked = evenly({name: content["images"] for name, content in contents.items()}, count)
    return "vd", {name: _read(source, tables[name], contents[name], images) for name, images in picked.items()}


def _content(table: Path) -> dict[str, Any]:
    content = read_json(table)
    for key in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise DatasetError(f"{table}: an object with the lists images, annotations and categories expected")
    for key, needed in (
        ("images", ("id", "file_name")),
        ("annotations", ("image_id", "category_id", "bbox")),
        ("categories", ("id", "name")),
    ):
        for number, entry in enumerate(content[key]):
            place = f"{table}: {key}[{number}]"
            if not isinstance(entry, dict):
                raise DatasetError(f"{place} is {entry!r}, not an object", hint=FORMAT)
            missing = [name for name in needed if name not in entry]
            if missing:
                raise DatasetError(f"{place} has no {missing[0]!r}", hint=FORMAT)
    _check(table, content)
    return dict(content)


def _check(table: Path, content: dict[str, Any]) -> None:
    """Refuse what would be read as something else than it says."""
    images = [str(image["id"]) for image in content["images"]]
    if len(set(images)) < len(images):
        twice = next(name for name in images if images.count(name) > 1)
        raise DatasetError(f"{table}: two images have the id {twice}")
    known, categories = set(images), {str(category["id"]) for category in content["categories"]}
    for number, entry in enumerate(content["annotations"]):
        place = f"{table}: annotations[{number}]"
        for key, there in (("image_id", known), ("category_id", categories)):
            if str(entry[key]) not in there:
                raise DatasetError(f"{place} has the {key} {entry[key]!r}, which is not there")
        box = entry["bbox"]
        if not (isinstance(box, list) and len(box) == 4 and all(is_number(value) for value in box)):
            raise DatasetError(f"{place} has the bbox {box!r}, not [x, y, width, height]", hint=FORMAT)
        if box[2] < 0 or box[3] < 0:
            raise DatasetError(f"{place} has the bbox {box!r}, whose width or height is below 0", hint=FORMAT)
        if not isinstance(entry.get("attributes") or {}, dict):
            raise DatasetError(f"{place} has attributes {entry['attributes']!r}, not an object")
    names = {_name(category) for category in content["categories"]}
    if not names & VEHICLES:
        raise DatasetError(
            f"{table}: none of the categories is a vehicle", hint=f"known: {', '.join(sorted(VEHICLES))}"
        )


def _name(category: dict[str, Any]) -> str:
    return str(category["name"]).strip().lower()


def _read(
    source: Path, table: Path, content: dict[str, Any], images: list[dict[str, Any]]
) -> tuple[list[Picture], dict[str, Any]]:
    folder = source / table.stem.removeprefix("instances_")
    need_folder(folder, f"the pictures of {table.name}", HINT)
    # ids are numbers in one program and text in the next
    kinds = {str(category["id"]) for category in content["categories"] if _name(category) in VEHICLES}
    of_image: dict[str, list[dict[str, Any]]] = {}
    for entry in content["annotations"]:
        if str(entry["category_id"]) in kinds and not entry.get("iscrowd"):
            of_image.setdefault(str(entry["image_id"]), []).append(entry)
    pictures, rows = [], []
    for number, image in enumerate(images):
        size_px = (image["width"], image["height"]) if image.get("width") and image.get("height") else None
        photo = read_picture(folder / image["file_name"], table, size_px)
        fit = PhotoFit(photo.shape[1], photo.shape[0])
        pictures.append(fit.picture(photo))
        rows.append(
            _row(of_image.get(str(image["id"]), []), fit) | {"group": (image.get("testbed") or {}).get("group", number)}
        )
    labels: dict[str, NDArray[Any]] = unknown_columns(len(rows))
    dtypes: dict[str, Any] = {"present": np.bool_, "lead_kind": "S40", "group": np.int32}
    dtypes |= {"box_count": np.int16, "lead_index": np.int16}
    for key in rows[0] if rows else ():
        labels[key] = np.array([row[key] for row in rows], dtypes.get(key, np.float32))
    return pictures, labels


def _row(entries: list[dict[str, Any]], fit: PhotoFit) -> dict[str, Any]:
    """Return the label columns of one picture."""
    found: list[tuple[NDArray[np.float64], dict[str, Any]]] = []
    for entry in entries:
        x, y, width, height = (float(value) for value in entry["bbox"])
        columns = np.clip(fit.x(np.array([x, x + width])), 0.0, IMAGE_WIDTH_PX)
        rows = np.clip(fit.y(np.array([y, y + height])), 0.0, IMAGE_HEIGHT_PX)
        told = entry.get("attributes") or {}
        # Our own boxes are as small as the labels want them; of a photo only what is left of a vehicle counts.
        if "lead" in told or (rows[1] - rows[0] >= MIN_VEHICLE_PX and columns[1] - columns[0] >= 1.0):
            found.append((np.array([columns[0], rows[0], columns[1], rows[1]]), told))
    found = sorted(found, key=lambda item: -item[0][3])[:MAX_BOXES] if len(found) > MAX_BOXES else found
    told = any("lead" in attributes for _, attributes in found)
    if told:
        lead = next((index for index, (_, attributes) in enumerate(found) if attributes.get("lead")), -1)
    else:
        lead = _ahead([box for box, _ in found])
    boxes = np.full((MAX_BOXES, 4), np.nan)
    visible = np.full(MAX_BOXES, np.nan)
    for index, (box, attributes) in enumerate(found):
        boxes[index] = box
        visible[index] = attributes.get("visible", np.nan)
    attributes = found[lead][1] if lead >= 0 else {}
    return {
        "present": lead >= 0,
        "lead_box_px": boxes[lead] if lead >= 0 else np.full(4, np.nan),
        "lead_distance_m": attributes.get("distance_m", np.nan),
        "lead_kind": str(attributes.get("blueprint", "")),
        "boxes_px": boxes,
        "visible": visible,
        "box_count": len(found),
        "lead_index": lead,
    }


def _ahead(boxes: list[NDArray[np.float64]]) -> int:
    """Return the index of the nearest vehicle that stands straight ahead on level ground, -1 when none does."""
    best, best_row = -1, -math.inf
    for index, box in enumerate(boxes):
        if box[3] <= HORIZON_PX:
            continue
        aside_m = abs((box[0] + box[2]) / 2.0 - IMAGE_WIDTH_PX / 2) * metres_per_pixel(float(box[3]))
        if aside_m <= HALF_LANE_M and box[3] > best_row:
            best, best_row = index, float(box[3])
    return best

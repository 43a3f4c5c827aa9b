"""TuSimple's lane layout, written and read, and CULane's, written.

TuSimple: one JSON object a line, ``{"raw_file": "clips/…", "h_samples": [rows], "lanes": [[x per row], …]}``, x = -2
where a lane is not there. Training labels lie in ``train_set/label_data_*.json``, test labels in
``test_set/test_label.json``, and ``raw_file`` is relative to the file's folder. Source: TuSimple benchmark, lane
detection challenge.

CULane: beside each picture ``NAME.lines.txt``, a line per lane of ``x y x y …`` from the bottom up, a mask whose grey
value 1-4 is the lane from left to right, and a list ``list/train_gt.txt`` of picture, mask and which lanes are there.
Source: Pan et al., "Spatial As Deep", AAAI 2018.

Our own pictures carry a key ``testbed`` besides, which other programs ignore and which makes the way back exact. For
foreign pictures the ego's lines are the ones nearest to the middle on the lowest rows, and the preview offset is read
where the lane is as wide as a lane of 3.7 m is 25 m ahead in our camera.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PilImage
from PIL import ImageDraw

from testbed.core.errors import DatasetError
from testbed.core.perception_tasks import (
    CAMERA_X_M,
    FOCAL_PX,
    IMAGE_HEIGHT_PX,
    IMAGE_WIDTH_PX,
    LANE_LINES,
    LANE_ROWS_PX,
    PREVIEW_M,
    steering_class,
)
from testbed.training.data.exchange.files import (
    LoadedSplits,
    PhotoFit,
    Picture,
    evenly,
    is_number,
    need_folder,
    read_picture,
    read_text,
    save_picture,
    splits,
    unknown_columns,
    write_text,
)

NOT_THERE = -2
LANE_WIDTH_M = 3.7
HINT = "unpack TuSimple's train_set.zip and test_set.zip side by side, with test_label.json in test_set"
EXACT = ("preview_offset_m", "lateral_offset_m", "heading_error_rad", "curvature_1pm")
EGO_LEFT, EGO_RIGHT = LANE_LINES.index("ego_left"), LANE_LINES.index("ego_right")
ROWS = np.array(LANE_ROWS_PX)


def export(folder: Path, out: Path, count: int | None = None) -> int:
    """Write an ``alc`` data set in TuSimple's layout; return the number of pictures."""
    written = 0
    for split, rows in splits(folder, "alc", count):
        place = out / ("train_set" if split.name == "train" else "test_set")
        lines = []
        for row in rows:
            name = f"clips/testbed/{row:06d}.png"
            save_picture(place / name, split.image(row))
            lanes = [
                [round(float(x), 2) if inside else NOT_THERE for x, inside in zip(line, _inside(line), strict=True)]
                for line in split.labels["lane_x_px"][row]
            ]
            own: dict[str, Any] = {key: float(split.labels[key][row]) for key in EXACT}
            own |= {"group": int(split.labels["group"][row]), "lane_x_px": _plain(split.labels["lane_x_px"][row])}
            entry = {"raw_file": name, "h_samples": [round(y) for y in LANE_ROWS_PX], "lanes": lanes, "testbed": own}
            lines.append(json.dumps(entry))
            written += 1
        write_text(place / ("label_data_testbed.json" if split.name == "train" else "test_label.json"), lines)
    return written


def export_culane(folder: Path, out: Path, count: int | None = None) -> int:
    """Write an ``alc`` data set in CULane's layout; return the number of pictures."""
    written = 0
    for split, rows in splits(folder, "alc", count):
        listed = []
        for row in rows:
            name, mask_name = f"/{split.name}/{row:06d}.jpg", f"/laneseg_label_w16/{split.name}/{row:06d}.png"
            save_picture(out / name[1:], split.image(row))
            lanes = [_points(line) for line in split.labels["lane_x_px"][row]]
            there = [lane for lane in lanes if lane]
            text = [" ".join(f"{x:.3f} {y:.0f}" for x, y in lane) for lane in there]
            write_text((out / name[1:]).with_suffix(".lines.txt"), text)
            _mask(out / mask_name[1:], lanes)
            listed.append(" ".join([name, mask_name, *(str(int(bool(lane))) for lane in lanes)]))
            written += 1
        write_text(out / "list" / f"{split.name}_gt.txt", listed)
        write_text(out / "list" / f"{split.name}.txt", [line.split()[0] for line in listed])
    return written


def _inside(line: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return on which rows a line is in the picture."""
    return np.asarray(np.isfinite(line) & (line >= 0.0) & (line < IMAGE_WIDTH_PX))


def _points(line: NDArray[np.float32]) -> list[tuple[float, float]]:
    """Return a line's points in the picture from the bottom up; fewer than two are none."""
    found = [(float(x), float(y)) for x, y, inside in zip(line, ROWS, _inside(line), strict=True) if inside][::-1]
    return found if len(found) > 1 else []


def _mask(path: Path, lanes: list[list[tuple[float, float]]]) -> None:
    mask = PilImage.new("L", (IMAGE_WIDTH_PX, IMAGE_HEIGHT_PX))
    for number, lane in enumerate(lanes, start=1):
        if lane:
            ImageDraw.Draw(mask).line(lane, fill=number, width=4)
    path.parent.mkdir(parents=True, exist_ok=True)
    mask.save(path)


def _plain(lines: NDArray[np.float32]) -> list[list[float | None]]:
    return [[round(float(x), 3) if np.isfinite(x) else None for x in line] for line in lines]


def load(source: Path, count: int | None = None) -> LoadedSplits:
    """Read a folder in TuSimple's layout.

    Args:
        source: Folder that holds ``train_set`` and ``test_set``, or all of them unpacked into one, as UFLD has it.
        count: Number of pictures over both splits, evenly picked; None for all.

    Returns:
        ``alc`` and, per split, pictures and labels.

    Raises:
        DatasetError: When something is missing or not as expected.
    """
    flat = not (source / "train_set").is_dir() and any(source.glob("label_data_*.json"))
    train_set = source if flat else need_folder(source / "train_set", "TuSimple's training folder", HINT)
    tables = sorted(train_set.glob("label_data_*.json"))
    if not tables:
        raise DatasetError(f"{train_set} holds no label_data_*.json, the training labels", hint=HINT)
    test_set = source if flat else need_folder(source / "test_set", "TuSimple's test folder", HINT)
    test_table = test_set / "test_label.json"
    if not test_table.is_file():
        raise DatasetError(f"{test_table} is missing: the test labels expected", hint=HINT)
    entries = {"train": [entry for table in tables for entry in _entries(table)], "test": _entries(test_table)}
    return "alc", {name: _read(found) for name, found in evenly(entries, count).items()}


def _entries(table: Path) -> list[tuple[Path, int, dict[str, Any]]]:
    found = []
    for number, line in enumerate(read_text(table).splitlines(), start=1):
        if not line.strip():
            continue
        place = f"{table}:{number}"
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise DatasetError(f"{place}: one JSON object a line expected: {error}") from error
        missing = [key for key in ("raw_file", "h_samples", "lanes") if not isinstance(entry, dict) or key not in entry]
        if missing:
            raise DatasetError(f"{place}: the keys raw_file, h_samples and lanes expected, {missing[0]} is missing")
        rows, lanes = entry["h_samples"], entry["lanes"]
        if not _are_numbers(rows):
            raise DatasetError(f"{place}: h_samples is {str(rows)[:60]}, not a list of rows")
        if not isinstance(lanes, list) or not all(_are_numbers(lane) for lane in lanes):
            raise DatasetError(f"{place}: lanes is {str(lanes)[:60]}, not a list of lists of columns")
        for lane in lanes:
            if len(lane) != len(entry["h_samples"]):
                raise DatasetError(
                    f"{place}: a lane has {len(lane)} columns for {len(entry['h_samples'])} rows of h_samples"
                )
        found.append((table, number, entry))
    if not found:
        raise DatasetError(f"{table} is empty: one JSON object a line expected")
    return found


def _are_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(is_number(value) for value in values)


def _read(entries: list[tuple[Path, int, dict[str, Any]]]) -> tuple[list[Picture], dict[str, Any]]:
    pictures: list[Picture] = []
    rows: list[dict[str, Any]] = []
    clips: dict[str, int] = {}
    for table, number, entry in entries:
        photo = read_picture(table.parent / entry["raw_file"], table)
        fit = PhotoFit(photo.shape[1], photo.shape[0])
        own = entry.get("testbed")
        if own is None:
            lines = lines_of(entry["h_samples"], entry["lanes"], fit)
            offset_m = offset_of(lines)
            if not np.isfinite(offset_m):
                continue
            row: dict[str, Any] = dict.fromkeys(EXACT, np.nan) | {"lane_x_px": lines, "preview_offset_m": offset_m}
            # A clip is one second of driving: its frames belong together.
            row["group"] = clips.setdefault(str(Path(entry["raw_file"]).parent), len(clips))
        else:
            missing = [key for key in (*EXACT, "group", "lane_x_px") if key not in own]
            if missing:
                raise DatasetError(f"{table}:{number}: the key testbed lacks {missing[0]}", hint="export again")
            row = {key: own[key] for key in (*EXACT, "group")}
            row["lane_x_px"] = np.array(own["lane_x_px"], np.float32)
        pictures.append(fit.picture(photo))
        rows.append(row)
    if not rows:
        raise DatasetError(f"{entries[0][0]}: no picture shows both lines of the ego's lane")
    labels: dict[str, NDArray[Any]] = unknown_columns(len(rows))
    for key in EXACT:
        labels[key] = np.array([row[key] for row in rows], np.float32)
    labels["group"] = np.array([row["group"] for row in rows], np.int32)
    labels["lane_x_px"] = np.stack([row["lane_x_px"] for row in rows]).astype(np.float32)
    labels["steering"] = np.array([steering_class(float(row["preview_offset_m"])) for row in rows], np.int8)
    return pictures, labels


def lines_of(h_samples: list[float], lanes: list[list[float]], fit: PhotoFit) -> NDArray[np.float32]:
    """Return foreign lanes as x at `LANE_ROWS_PX`, (4, R), NaN where there is none: the two either side of the middle.

    Args:
        h_samples: Rows of the photo.
        lanes: Per lane a column of the photo per row, negative where it is not there.
        fit: How the photo became our view.
    """
    y = fit.y(np.array(h_samples, np.float64))
    lines: list[tuple[float, NDArray[np.float64]]] = []
    for lane in lanes:
        x = np.array(lane, np.float64)
        there = x >= 0.0
        if there.sum() < 2:
            continue
        order = np.argsort(y[there])
        rows, columns = y[there][order], fit.x(x)[there][order]
        line = np.interp(ROWS, rows, columns, left=np.nan, right=np.nan)
        if not np.isfinite(line).any():
            continue
        # Where it would leave the picture at the bottom: lines are told apart there.
        slope = (columns[-1] - columns[0]) / max(1e-6, rows[-1] - rows[0])
        lines.append((float(columns[-1] + slope * (IMAGE_HEIGHT_PX - rows[-1])), line))
    left = [line for at, line in sorted(lines, key=lambda item: item[0]) if at < IMAGE_WIDTH_PX / 2]
    right = [line for at, line in sorted(lines, key=lambda item: item[0]) if at >= IMAGE_WIDTH_PX / 2]
    out = np.full((len(LANE_LINES), len(ROWS)), np.nan, np.float32)
    for index, line in zip((EGO_LEFT, EGO_LEFT - 1), left[::-1], strict=False):
        out[index] = line
    for index, line in zip((EGO_RIGHT, EGO_RIGHT + 1), right, strict=False):
        out[index] = line
    return out


def offset_of(lines: NDArray[np.float32]) -> float:
    """Return the preview offset in m, positive left, of lines (4, R); NaN unless both lines of the ego's lane show."""
    width_px = lines[EGO_RIGHT] - lines[EGO_LEFT]
    wanted_px = FOCAL_PX * LANE_WIDTH_M / (PREVIEW_M - CAMERA_X_M)
    if not (np.isfinite(width_px) & (width_px > 4.0)).any():
        return float("nan")
    row = int(np.nanargmin(np.where(width_px > 4.0, np.abs(width_px - wanted_px), np.nan)))
    centre_px = (lines[EGO_LEFT][row] + lines[EGO_RIGHT][row]) / 2.0
    return float((IMAGE_WIDTH_PX / 2 - centre_px) * LANE_WIDTH_M / width_px[row])

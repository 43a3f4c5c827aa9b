"""Layout of a data set on disk, the only thing that generators, trainers and exporters share.

One folder holds one task (``tsr``, ``alc`` or ``vd``)::

    DIR/dataset.json        the card: task, format version, seed, counts per class, weather ranges, throughput, hashes
    DIR/train.images.npy    uint8 pixels, RGB; alc and vd: (N, 160, 320, 3); tsr: one flat vector of all crops
    DIR/train.labels.npz    one array of N rows per column, see the tables below
    DIR/test.images.npy
    DIR/test.labels.npz

Sign crops keep the size they were seen at (they differ), so they lie one after the other in a flat vector and the
columns ``offset``, ``height_px`` and ``width_px`` cut them out. `Split.image(i)` hides the difference.

Columns of every task (N rows each):

==================  ===========  =====================================================================================
pose                (6,) f32     ego pose: x, y, z in m, pitch, yaw, roll in degrees, CARLA's world frame
weather             (W,) f32     CARLA weather parameters in the order of `WEATHER_FIELDS`
group               i32          the unit that is split: images of one group never stand in both train and test;
                                 ``group // MAP_GROUPS`` numbers the map in the card's ``maps``
==================  ===========  =====================================================================================

``alc`` and ``vd`` are driver's views with the same columns; they differ in where the ego stands and what traffic there
is. Where the lane goes:

==================  ===========  =====================================================================================
steering            i8           class index into `STEERING_CLASSES` (0 Left, 1 Straight, 2 Right); -1 unknown, also in
                                 a ``vd`` view of a bend sharper than those of ``alc``
preview_offset_m    f32          lane centre 25 m ahead (arc length) in the ego frame, positive left
lateral_offset_m    f32          vehicle centre from the lane centre, positive left
heading_error_rad   f32          vehicle heading against the lane's, positive pointing left
curvature_1pm       f32          lane curvature at the vehicle, positive curving left
lane_x_px           (4, R) f32   image x of the lines `LANE_LINES` at the rows `LANE_ROWS_PX`; NaN where out of range
line_marks          (2,) S8      paint on the left and the right edge of the ego's lane over the next 30 m: ``solid``,
                                 ``broken`` or ``none``; empty where it changes, or is unknown
==================  ===========  =====================================================================================

The vehicles and signs in it:

==================  ===========  =====================================================================================
lead_known          bool         whether the other columns of vehicles can be relied on: False where nobody looked, and
                                 in ``alc`` views whose answer hangs on a hair (such are left out of ``vd``)
present             bool         whether a vehicle is ahead in the ego's corridor (`testbed.core.types.LeadTruth`)
lead_box_px         (4,) f32     its box (x_min, y_min, x_max, y_max); NaN when absent
lead_distance_m     f32          to its rear bumper from the ego's front bumper; NaN when absent
lead_kind           S40          its blueprint id, empty when absent
lead_colour         S10          word for its paint (`testbed.training.data.colour_words`); empty when absent, in odd
                                 paint, on two wheels, or between words
boxes_px            (16, 4) f32  boxes of all vehicles that show at least `MIN_VEHICLE_PX` rows; NaN beyond `box_count`
visible             (16,) f32    fraction of each vehicle's own pixels that is not hidden by something else
box_count           i16          number of valid rows of `boxes_px`; -1 unknown
lead_index          i16          row of the lead vehicle in `boxes_px`, -1 when absent
sign_px             f32          width of the widest traffic sign in the view, its back included; 0 without, NaN unknown
==================  ===========  =====================================================================================

``tsr``: crops of one sign each.

==================  ===========  =====================================================================================
class_id            i16          GTSRB class 0-42 (`testbed.core.gtsrb.SIGN_NAMES`)
offset              i64          first byte of the crop in the flat pixel vector
height_px           i32
width_px            i32
distance_m          f32          camera to sign
source              i8           0: cut from the 320x160 driving view as in the loop, 1: narrow lens, larger crop
==================  ===========  =====================================================================================
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbed.core.errors import DatasetError
from testbed.core.geometry import Box
from testbed.core.hashing import sha256_of
from testbed.core.perception_tasks import LANE_LINES, LANE_ROWS_PX

FORMAT_VERSION = 2
"""Since 2 lanes, vehicles and signs are labelled in ``alc`` and ``vd`` alike; folders of version 1 are read as well."""
READABLE_VERSIONS = frozenset({1, 2})
TASKS: tuple[str, ...] = ("tsr", "alc", "vd")
SPLITS: tuple[str, ...] = ("train", "test")

MAX_BOXES = 16
MAP_GROUPS = 1_000_000
"""Groups of a map: those of the n-th map (from 0) are numbered from n times this on."""

WEATHER_FIELDS: tuple[str, ...] = (
    "cloudiness",
    "precipitation",
    "precipitation_deposits",
    "wind_intensity",
    "sun_azimuth_angle",
    "sun_altitude_angle",
    "fog_density",
    "fog_distance",
    "wetness",
    "fog_falloff",
    "scattering_intensity",
    "mie_scattering_scale",
    "rayleigh_scattering_scale",
    "dust_storm",
)

_COMMON = ("pose", "weather", "group")
_LANE = (
    "steering",
    "preview_offset_m",
    "lateral_offset_m",
    "heading_error_rad",
    "curvature_1pm",
    "lane_x_px",
    "line_marks",
)
_VEHICLES = (
    "lead_known",
    "present",
    "lead_box_px",
    "lead_distance_m",
    "lead_kind",
    "lead_colour",
    "boxes_px",
    "visible",
    "box_count",
    "lead_index",
    "sign_px",
)
COLUMNS: dict[str, tuple[str, ...]] = {
    "alc": (*_COMMON, *_LANE, *_VEHICLES),
    "vd": (*_COMMON, *_LANE, *_VEHICLES),
    "tsr": (*_COMMON, "class_id", "offset", "height_px", "width_px", "distance_m", "source"),
}
MAY_BE_UNKNOWN: dict[str, frozenset[str]] = {
    "alc": frozenset({*_VEHICLES, "line_marks"}),
    "vd": frozenset({*_LANE, "lead_known", "lead_colour", "sign_px"}),
    "tsr": frozenset(),
}
"""Columns that may be left out when a split is written, by whoever does not know them: see `unknown`."""

_UNKNOWN: dict[str, tuple[tuple[int, ...], Any, Any]] = {
    "steering": ((), np.int8, -1),
    "preview_offset_m": ((), np.float32, np.nan),
    "lateral_offset_m": ((), np.float32, np.nan),
    "heading_error_rad": ((), np.float32, np.nan),
    "curvature_1pm": ((), np.float32, np.nan),
    "lane_x_px": ((len(LANE_LINES), len(LANE_ROWS_PX)), np.float32, np.nan),
    "line_marks": ((2,), "S8", b""),
    "lead_known": ((), np.bool_, False),
    "present": ((), np.bool_, False),
    "lead_box_px": ((4,), np.float32, np.nan),
    "lead_distance_m": ((), np.float32, np.nan),
    "lead_kind": ((), "S40", b""),
    "lead_colour": ((), "S10", b""),
    "boxes_px": ((MAX_BOXES, 4), np.float32, np.nan),
    "visible": ((MAX_BOXES,), np.float32, np.nan),
    "box_count": ((), np.int16, -1),
    "lead_index": ((), np.int16, -1),
    "sign_px": ((), np.float32, np.nan),
}
"""Column to the shape of a row, its type and the value that says unknown."""


def unknown(task: str, column: str, count: int) -> NDArray[Any]:
    """Return `count` rows of a column of a task that say that nothing is known.

    What a ``vd`` data set says of the vehicle ahead is its purpose, so there ``lead_known`` is True unless said
    otherwise.
    """
    shape, kind, value = _UNKNOWN[column]
    return np.full((count, *shape), True if (task, column) == ("vd", "lead_known") else value, kind)


@dataclass(frozen=True)
class Split:
    """One split of a data set, its pixels mapped from disk.

    Attributes:
        task: ``tsr``, ``alc`` or ``vd``.
        name: ``train`` or ``test``.
        pixels: (N, H, W, 3) uint8, or the flat uint8 vector of a ``tsr`` split.
        labels: Column name to array of N rows (module docstring).
        card: Content of ``dataset.json``.
    """

    task: str
    name: str
    pixels: NDArray[np.uint8]
    labels: Mapping[str, NDArray[Any]]
    card: Mapping[str, Any]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels["group"])

    @property
    def map_names(self) -> tuple[str, ...]:
        """Names of the maps that the images come from."""
        return tuple(self.card.get("maps") or (self.card["map"],))

    @property
    def map_of(self) -> NDArray[np.int64]:
        """Index into `map_names` of every image, (N,)."""
        return np.asarray(self.labels["group"], np.int64) // MAP_GROUPS

    def image(self, index: int) -> NDArray[np.uint8]:
        """Return image `index`, shape (h, w, 3), RGB uint8."""
        if self.task != "tsr":
            return np.asarray(self.pixels[index])
        start = int(self.labels["offset"][index])
        height, width = int(self.labels["height_px"][index]), int(self.labels["width_px"][index])
        return np.asarray(self.pixels[start : start + height * width * 3]).reshape(height, width, 3)

    def lead_box_px(self, index: int) -> Box:
        """Return the box of the vehicle ahead in a driver's view, x_min, y_min, x_max, y_max; NaN without one."""
        x_min, y_min, x_max, y_max = (float(value) for value in self.labels["lead_box_px"][index])
        return x_min, y_min, x_max, y_max


def write_split(
    folder: Path, task: str, name: str, images: list[NDArray[np.uint8]], labels: Mapping[str, NDArray[Any]]
) -> None:
    """Write one split.

    Args:
        folder: Data set folder, created when missing.
        task: ``tsr``, ``alc`` or ``vd``.
        name: ``train`` or ``test``.
        images: N images, RGB uint8; of one size except for ``tsr``.
        labels: All columns of the task but ``offset``, ``height_px`` and ``width_px``, which follow from the images,
            and those of `MAY_BE_UNKNOWN` that are.

    Raises:
        DatasetError: When a column is missing, unknown or of the wrong length.
    """
    columns = _completed(task, labels, len(images))
    if task == "tsr":
        sizes = np.array([image.size for image in images], np.int64)
        columns["offset"] = np.cumsum(sizes) - sizes
        columns["height_px"] = np.array([image.shape[0] for image in images], np.int32)
        columns["width_px"] = np.array([image.shape[1] for image in images], np.int32)
        pixels = np.concatenate([image.reshape(-1) for image in images])
    else:
        pixels = np.stack(images)
    _check_columns(folder, task, columns, len(images))
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"{name}.images.npy", pixels)
    np.savez(folder / f"{name}.labels.npz", allow_pickle=False, **columns)


def write_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Write ``dataset.json``; the hash of every file in the folder is added under ``sha256``."""
    hashes = {path.name: sha256_of(path) for path in sorted(folder.glob("*.np[yz]"))}
    text = json.dumps({**card, "format_version": FORMAT_VERSION, "sha256": hashes}, indent=1, sort_keys=True)
    (folder / "dataset.json").write_text(text + "\n", encoding="utf-8")


def load_card(folder: Path, task: str | None = None) -> dict[str, Any]:
    """Read and check ``dataset.json``.

    Raises:
        DatasetError: When the folder is no data set of ours, or one of another task or layout version.
    """
    path = folder / "dataset.json"
    if not path.is_file():
        raise DatasetError(
            f"{folder} holds no data set: dataset.json is missing",
            hint="make one with `python -m testbed dataset tsr|alc|vd --out DIR`",
        )
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DatasetError(f"{path} is not JSON: {error}") from error
    if card.get("format_version") not in READABLE_VERSIONS:
        known = ", ".join(str(version) for version in sorted(READABLE_VERSIONS))
        raise DatasetError(f"{path}: format_version {card.get('format_version')!r}, this version reads {known}")
    if task is not None and card.get("task") != task:
        raise DatasetError(f"{path}: the data set is for task {card.get('task')!r}, {task!r} is needed")
    return dict(card)


def load_split(folder: Path | str, name: str, *, task: str | None = None) -> Split:
    """Open one split; pixels stay on disk until they are read.

    Args:
        folder: Data set folder.
        name: ``train`` or ``test``.
        task: Refuse the folder when it is made for another task.

    Raises:
        DatasetError: When files are missing or do not fit each other.
    """
    folder = Path(folder)
    card = load_card(folder, task)
    try:
        pixels = np.load(folder / f"{name}.images.npy", mmap_mode="r")
        with np.load(folder / f"{name}.labels.npz") as stored:
            labels = {key: stored[key] for key in stored.files}
    except (OSError, ValueError) as error:
        raise DatasetError(f"{folder}: split {name!r} cannot be read: {error}") from error
    count = len(labels["group"]) if "group" in labels else 0
    if card["format_version"] == 1:
        labels = _completed(card["task"], labels, count)
    _check_columns(folder, card["task"], labels, count)
    if card["task"] != "tsr" and len(pixels) != count:
        raise DatasetError(f"{folder}: split {name!r} has {len(pixels)} images and {count} labels")
    return Split(card["task"], name, pixels, labels, card)


def _completed(task: str, labels: Mapping[str, NDArray[Any]], count: int) -> dict[str, NDArray[Any]]:
    """Return columns of a task together with those that may be left out."""
    return {name: unknown(task, name, count) for name in MAY_BE_UNKNOWN[task] if name not in labels} | dict(labels)


def _check_columns(folder: Path, task: str, columns: Mapping[str, NDArray[Any]], count: int) -> None:
    expected = set(COLUMNS[task])
    if set(columns) != expected:
        missing, extra = sorted(expected - set(columns)), sorted(set(columns) - expected)
        raise DatasetError(f"{folder}: columns missing {missing}, unknown {extra}")
    for name, values in columns.items():
        if len(values) != count:
            raise DatasetError(f"{folder}: column {name!r} has {len(values)} rows for {count} images")

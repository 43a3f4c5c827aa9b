"""Make the data sets: ``python -m testbed dataset tsr|alc|vd --out DIR``."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import testbed
from testbed.core.errors import UsageError
from testbed.core.perception_tasks import STEERING_CLASSES
from testbed.core.processes import processes
from testbed.training.data import alc, tsr, vd
from testbed.training.data.format import COLUMNS, MAP_GROUPS, TASKS, WEATHER_FIELDS, write_card, write_split
from testbed.training.data.map_camera import BLOCK_CYCLE, BLOCK_M, LONG_ROAD_M, TEST_BLOCK, MapCamera
from testbed.world.maps import available_maps
from testbed.world.sampled_weather import RANGES

Views = Iterator[tuple[NDArray[np.uint8], dict[str, Any]]]

COUNTS: dict[str, tuple[int, int]] = {"alc": (6000, 2000), "vd": (7000, 3000), "tsr": (43 * 300, 43 * 80)}
"""Images of the train and the test split; alc and vd as published."""

VIEWS_PER_PLACE: dict[str, int] = {"alc": 2, "vd": 8}
"""Images at one place in one light, for which the sun's shadows of the map are drawn once: more are faster, fewer more
varied. Vehicles are placed anew in each; lanes are learnt from the places themselves."""

PART = 500
"""Images that one process makes in one go, each part from its own stream of chance."""

SHARES: dict[str, dict[str, float]] = {
    "alc": {"highway": 0.5, "town": 0.27, "rural": 0.23},
    "vd": {"highway": 0.5, "town": 0.27, "rural": 0.23},
    "tsr": {"highway": 1.0},
}
"""Maps a data set is drawn from unless told otherwise. Sign crops show little but the sign: one map does."""

SPLIT = (
    f"by road: each {BLOCK_CYCLE}th block of {BLOCK_M:.0f} m from number {TEST_BLOCK} on is held out, of roads shorter "
    f"than {LONG_ROAD_M:.0f} m each {BLOCK_CYCLE}th direction; weather and traffic are drawn from another stream"
)
"""What a card says of how the test split is held out."""

_DTYPES: dict[str, Any] = {
    "group": np.int32,
    "steering": np.int8,
    "line_marks": "S8",
    "lead_known": np.bool_,
    "present": np.bool_,
    "lead_kind": "S40",
    "lead_colour": "S10",
    "box_count": np.int16,
    "lead_index": np.int16,
    "class_id": np.int16,
    "source": np.int8,
}


def generate(
    task: str,
    out: Path,
    *,
    count: int | None = None,
    seed: int = 0,
    maps: Mapping[str, float] | None = None,
    views_per_place: int | None = None,
    jobs: int = 1,
    progress: Callable[[str], None] = print,
) -> Path:
    """Make one data set.

    Args:
        task: ``tsr``, ``alc`` or ``vd``.
        out: Folder to write to.
        count: Number of images over both splits; None takes `COUNTS`. The share of the test split stays.
        seed: Equal seeds give equal bytes.
        maps: Share of the images per embedded map; None takes `SHARES`.
        views_per_place: Images at one place in one light; None takes `VIEWS_PER_PLACE`.
        jobs: Processes; their number does not change the result.
        progress: Gets one line now and then.

    Returns:
        The folder.

    Raises:
        UsageError: When the task is unknown, the count is too small for two splits, or `views_per_place` is not
            positive or is given for sign crops, which have no place.
        DatasetError: When the folder cannot be written.
    """
    sizes = _sizes(task, count)
    per_place = _per_place(task, views_per_place)
    shares = dict(SHARES[task] if maps is None else maps)
    names = check_maps(shares)
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "dataset.json").unlink(missing_ok=True)
    started, made = time.monotonic(), 0
    orders = [
        PartOrder(task, split, min(PART, size - start), seed, start // PART, name, number, per_place)
        for split, total in sizes.items()
        for number, (name, size) in enumerate(zip(names, divide(total, shares), strict=True))
        for start in range(0, size, PART)
    ]
    done: dict[str, list[FinishedPart]] = {split: [] for split in sizes}
    for order, part in zip(orders, _carry_out(orders, jobs), strict=True):
        done[order.split].append(part)
        made += order.count
        speed = made / (time.monotonic() - started)
        progress(f"{task} {order.split}: {made}/{sum(sizes.values())} ({speed:.0f} images/s)")
    counts = {split: _write(out, task, split, parts, names, seed) for split, parts in done.items()}
    seconds = time.monotonic() - started
    per_core = made / max(1e-9, sum(part.cpu_s for parts in done.values() for part in parts))
    write_card(
        out,
        _recipe(task, shares, seed, counts, per_place)
        | {
            "throughput_images_per_s": round(made / seconds, 1),
            "throughput_images_per_cpu_s": round(per_core, 1),
            "seconds": round(seconds, 1),
        },
    )
    per_second = f"{made / seconds:.0f} images/s, {per_core:.0f} per second of CPU time"
    progress(f"{task}: {made} images in {seconds:.0f} s ({per_second}), written to {out}")
    return out


def generate_missing(
    tasks: Iterable[str], folder: Path, *, count: int, seed: int = 0, progress: Callable[[str], None] = print
) -> Path:
    """Make the data sets of some tasks below a folder where they are not there yet, and return the folder."""
    for task in tasks:
        if not (folder / task / "dataset.json").is_file():
            generate(task, folder / task, count=count, seed=seed, progress=progress)
    return folder


def _recipe(
    task: str, shares: Mapping[str, float], seed: int, counts: Mapping[str, Any], per_place: int | None
) -> dict[str, Any]:
    """Return the part of a data set's card that decides its pictures."""
    return {
        "task": task,
        "testbed": testbed.__version__,
        "maps": list(shares),
        "shares": {name: round(share, 4) for name, share in shares.items()},
        "seed": seed,
        "counts": counts,
        "split": SPLIT,
        "views_per_place": per_place,
        "artefacts": [],
        "weather": RANGES,
        "weather_fields": list(WEATHER_FIELDS),
        "renderer_sha256": renderer_hash(),
    }


def _per_place(task: str, asked: int | None) -> int | None:
    """Return how many images show one place in one light; None for sign crops, which have no place."""
    if asked is not None and (asked < 1 or task not in VIEWS_PER_PLACE):
        raise UsageError(
            f"--views-per-place {asked} for data set {task!r}", hint=f"at least 1, for {' and '.join(VIEWS_PER_PLACE)}"
        )
    return asked or VIEWS_PER_PLACE.get(task)


def _sizes(task: str, count: int | None) -> dict[str, int]:
    """Return the number of images per split, as published or `count` of them in the same proportion."""
    if task not in TASKS:
        raise UsageError(f"unknown data set {task!r}", hint=f"known: {', '.join(TASKS)}")
    train, test = COUNTS[task]
    if count is not None:
        test = round(count * test / (train + test))
        train = count - test
    if train < 1 or test < 1:
        raise UsageError(f"--count {count} leaves a split of data set {task!r} empty", hint="ask for at least 10")
    return {"train": train, "test": test}


@dataclass(frozen=True)
class PartOrder:
    """One part of a split to be made."""

    task: str
    split: str
    count: int
    seed: int
    part: int
    map_name: str
    map_number: int
    per_place: int | None


@dataclass(frozen=True)
class FinishedPart:
    """Images and label columns of an `PartOrder`, and the CPU time they took."""

    images: list[NDArray[np.uint8]]
    labels: dict[str, NDArray[Any]]
    cpu_s: float


def views(
    task: str, map_camera: MapCamera, split: str, count: int, seed: tuple[int, ...], *, per_place: int | None
) -> Views:
    """Yield images of a task with one row of labels each; equal arguments give equal bytes.

    Args:
        task: ``tsr``, ``alc`` or ``vd``.
        map_camera: Map that they show.
        split: ``train`` or ``test``.
        count: Number of images.
        seed: Of all chance, the last number but for the vehicles.
        per_place: Images at one place in one light; sign crops have no place.
    """
    if task == "tsr":
        return tsr.crops(map_camera, split, count, seed)
    assert per_place is not None
    make = {"alc": alc.views, "vd": vd.views}[task]
    return make(map_camera, split, count, seed, per_place=per_place)


def check_maps(shares: Mapping[str, float]) -> list[str]:
    """Return the names of the maps in order.

    Raises:
        UsageError: When there is no map, one is unknown, or a share is not positive.
    """
    for name, share in shares.items():
        if name not in available_maps():
            raise UsageError(f"unknown map {name!r}", hint=f"known: {', '.join(available_maps())}")
        if not share > 0.0:
            raise UsageError(f"map {name!r} has share {share}", hint="shares are positive, for instance town:0.3")
    if not shares:
        raise UsageError("no map to draw images from", hint="for instance --map highway,town")
    return list(shares)


def divide(total: int, shares: Mapping[str, float]) -> list[int]:
    """Return how many of `total` images each map gives: proportional, rounded so that the sum is right."""
    ends = np.round(total * np.cumsum(list(shares.values())) / sum(shares.values())).astype(int)
    return [int(size) for size in np.diff(ends, prepend=0)]


def _carry_out(orders: list[PartOrder], jobs: int) -> Iterator[FinishedPart]:
    if jobs == 1:
        yield from map(_make, orders)
        return
    with processes(jobs) as pool:
        yield from pool.map(_make, orders)


@cache
def _map_camera(map_name: str) -> MapCamera:
    return MapCamera(map_name)


def _make(order: PartOrder) -> FinishedPart:
    map_camera = _map_camera(order.map_name)
    started_s = time.process_time()
    images, rows = [], []
    seed = (order.seed, order.map_number, order.part)
    for image, row in views(order.task, map_camera, order.split, order.count, seed, per_place=order.per_place):
        images.append(image)
        rows.append({**row, "group": MAP_GROUPS * order.map_number + row["group"]})
    labels = {
        name: np.array([row[name] for row in rows], dtype=_DTYPES.get(name, np.float32))
        for name in COLUMNS[order.task]
        if name in rows[0]
    }
    return FinishedPart(images, labels, time.process_time() - started_s)


def _write(out: Path, task: str, split: str, parts: list[FinishedPart], names: list[str], seed: int) -> dict[str, Any]:
    """Write a split and return what the card says of it: images and classes, over all and per map."""
    labels = {name: np.concatenate([part.labels[name] for part in parts]) for name in parts[0].labels}
    images = [image for part in parts for image in part.images]
    # Shuffled, so that the first images of a split are a sample of all of it.
    rows = np.random.default_rng([seed, len(images)]).permutation(len(images))
    labels, images = {name: column[rows] for name, column in labels.items()}, [images[i] for i in rows]
    write_split(out, task, split, images, labels)
    of_map = labels["group"] // MAP_GROUPS
    maps = {
        name: {
            "images": int((of_map == number).sum()),
            "classes": _classes(task, {key: column[of_map == number] for key, column in labels.items()}),
        }
        for number, name in enumerate(names)
    }
    return {"images": len(images), "classes": _classes(task, labels), "maps": maps}


def _classes(task: str, labels: dict[str, NDArray[Any]]) -> dict[str, int]:
    if task == "alc":
        return {name.value: int((labels["steering"] == i).sum()) for i, name in enumerate(STEERING_CLASSES)}
    if task == "vd":
        return {"present": int(labels["present"].sum()), "absent": int((~labels["present"]).sum())}
    numbers, sizes = np.unique(labels["class_id"], return_counts=True)
    return {str(number): int(size) for number, size in zip(numbers, sizes, strict=True)}


def renderer_sources(package: Path | None = None) -> list[Path]:
    """Return the files that decide what a picture shows: renderer, maps and assets, and what they take from core.

    Args:
        package: Folder of `testbed`; another one in tests.

    Raises:
        FileNotFoundError: One is missing, so that a hash over the rest would say nothing.
    """
    root = Path(testbed.__file__).parent if package is None else package
    found = [root / "core" / f"{name}.py" for name in ("colour", "frames", "semantic_tags", "weather")]
    for room in ("render", "maps", "assets"):
        files = [
            path
            for path in sorted((root / "world" / room).rglob("*"))
            if path.is_file() and path.suffix in {".py", ".xodr", ".json", ".png"}
        ]
        if not files:
            raise FileNotFoundError(f"no sources of the renderer in {root / 'world' / room}")
        found += files
    return found


def renderer_hash(package: Path | None = None) -> str:
    """Return one sha256 over the sources of renderer, maps and assets: another value may mean other pictures."""
    root = Path(testbed.__file__).parent if package is None else package
    digest = hashlib.sha256()
    for path in renderer_sources(root):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()

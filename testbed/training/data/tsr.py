"""Crops of traffic signs of all 43 classes: as the driving loop cuts them, and larger ones through a narrow lens.

Several signs stand in each picture, so that one picture gives several crops; no sign hides another.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbed.core.gtsrb import SIGN_NAMES
from testbed.core.perception_tasks import (
    CAMERA_PITCH_DEG,
    CAMERA_X_M,
    CAMERA_Z_M,
    IMAGE_HEIGHT_PX,
    IMAGE_WIDTH_PX,
    sign_crop_box,
)
from testbed.core.semantic_tags import SemanticTag
from testbed.core.types import Box, Pose
from testbed.training.data import visibility
from testbed.training.data.map_camera import MapCamera
from testbed.world.assets import sign_asset
from testbed.world.render.camera import PinholeCamera, mounted
from testbed.world.sampled_weather import sample_weather, weather_row

WANT = frozenset({"rgb", "instance"})
FIRST_INSTANCE = 301
VARIANTS = 2
SIGNS_PER_VIEW = 9
LOOP_SHARE = 0.5
NARROW_WIDTH_PX, NARROW_HEIGHT_PX = 480, 320


@dataclass(frozen=True)
class PoolSign:
    """One sign of the pool: class, handle and instance id in the scene, size and height of its plate."""

    class_id: int
    handle: int
    instance_id: int
    size_m: float
    bottom_m: float


def sign_pool(map_camera: MapCamera, rng: np.random.Generator) -> list[PoolSign]:
    """Add signs of every class to the scene, hidden, in some sizes and heights."""
    pool: list[PoolSign] = []
    for class_id in range(len(SIGN_NAMES)):
        for variant in range(VARIANTS):
            size_m, bottom_m = float(rng.uniform(0.6, 1.1)), float(rng.uniform(0.8, 2.6))
            number = FIRST_INSTANCE + len(pool)
            asset = sign_asset(class_id, size_m=size_m, bottom_m=bottom_m)
            name = f"board_{class_id}_{variant}"
            handle = asset.place(map_camera.scene, name, (0.0,) * 6, tag=SemanticTag.TRAFFIC_SIGNS, instance_id=number)
            map_camera.scene.set_visible(handle, False)
            pool.append(PoolSign(class_id, handle, number, size_m, bottom_m))
    return pool


def crops(
    map_camera: MapCamera, split: str, count: int, seed: tuple[int, ...]
) -> Iterator[tuple[NDArray[np.uint8], dict[str, Any]]]:
    """Yield `count` crops with one row of labels each, classes balanced; equal arguments give equal bytes."""
    rng = np.random.default_rng([*seed, 3, split == "test"])
    pool = sign_pool(map_camera, rng)
    wanted = {source: _quota(rng, count, source) for source in (0, 1)}
    while any(quota.any() for quota in wanted.values()):
        loop_left, narrow_left = int(wanted[0].sum()), int(wanted[1].sum())
        source = 0 if rng.random() < loop_left / (loop_left + narrow_left) else 1
        stand = map_camera.stand(rng, split, float(rng.normal(0.0, 0.4)), math.radians(float(rng.normal(0.0, 2.0))))
        camera = _camera(rng, map_camera, stand.pose, source)
        # Classes that are still short come first.
        order = np.argsort(-(wanted[source][[board.class_id for board in pool]] + 3.0 * rng.random(len(pool))))
        shown = _arrange(rng, map_camera, stand.pose, camera, [pool[i] for i in order], wanted[source])
        weather = sample_weather(rng)
        map_camera.scene.set_weather(weather)
        frame = map_camera.renderer.render(camera, want=WANT)
        assert frame.rgb is not None and frame.instance is not None
        for board, box, distance_m in shown:
            map_camera.scene.set_visible(board.handle, False)
            crop = sign_crop_box(box, camera.width_px, camera.height_px)
            if crop is None or wanted[source][board.class_id] == 0 or _hidden(board, box, frame.instance):
                continue
            wanted[source][board.class_id] -= 1
            left, top, right, bottom = crop
            yield (
                np.ascontiguousarray(frame.rgb[top:bottom, left:right]),
                {
                    "pose": stand.pose,
                    "weather": weather_row(weather),
                    "group": stand.group,
                    "class_id": board.class_id,
                    "distance_m": distance_m,
                    "source": source,
                },
            )
    for board in pool:
        map_camera.scene.remove(board.handle)


def _quota(rng: np.random.Generator, count: int, source: int) -> NDArray[np.int64]:
    """Return how many crops of each class a source owes."""
    share = round(count * LOOP_SHARE) if source == 0 else count - round(count * LOOP_SHARE)
    classes = len(SIGN_NAMES)
    quota = np.full(classes, share // classes, np.int64)
    quota[rng.permutation(classes)[: share % classes]] += 1
    return quota


def _camera(rng: np.random.Generator, map_camera: MapCamera, pose: Pose, source: int) -> PinholeCamera:
    if source == 0:
        return map_camera.camera(pose)
    fov_deg = float(rng.uniform(24.0, 60.0))
    seen_from = mounted(pose, CAMERA_X_M, CAMERA_Z_M, CAMERA_PITCH_DEG + float(rng.uniform(0.0, 5.0)))
    return PinholeCamera(NARROW_WIDTH_PX, NARROW_HEIGHT_PX, fov_deg, seen_from)


def _arrange(
    rng: np.random.Generator,
    map_camera: MapCamera,
    ego: Pose,
    camera: PinholeCamera,
    candidates: list[PoolSign],
    wanted: NDArray[np.int64],
) -> list[tuple[PoolSign, Box, float]]:
    """Stand signs where they can be read and hide none of each other; return them with plate box and distance."""
    yaw_rad = math.radians(camera.pose[4])
    shown: list[tuple[PoolSign, Box, float]] = []
    taken: list[Box] = []
    loop = camera.width_px == IMAGE_WIDTH_PX and camera.height_px == IMAGE_HEIGHT_PX
    for board in candidates:
        if len(shown) == SIGNS_PER_VIEW:
            break
        if wanted[board.class_id] == 0:
            continue
        width_px = float(rng.uniform(9.5, 34.0)) if loop else float(np.exp(rng.uniform(2.6, 5.2)))
        ahead_m = camera.focal_px * board.size_m / width_px
        if ahead_m > 60.0 or ahead_m < 3.0:
            continue
        spread_m = 0.47 * camera.width_px / camera.focal_px * ahead_m
        aside_m = float(np.clip(rng.uniform(-spread_m, spread_m), -14.0, 14.0))
        x_m = camera.pose[0] + ahead_m * math.cos(yaw_rad) + aside_m * math.sin(yaw_rad)
        y_m = camera.pose[1] + ahead_m * math.sin(yaw_rad) - aside_m * math.cos(yaw_rad)
        turn_deg = float(rng.normal(0.0, 8.0)) if rng.random() < 0.8 else float(rng.uniform(-35.0, 35.0))
        road = map_camera.network.locate(x_m, y_m, max_distance_m=15.0)
        z_m = ego[2] if road is None else road.z_m
        pose: Pose = (x_m, y_m, z_m, 0.0, camera.pose[4] + turn_deg, float(rng.normal(0.0, 1.5)))
        box = _plate_box(board, pose, camera)
        if box is None or sign_crop_box(box, camera.width_px, camera.height_px) is None:
            continue
        pad = 0.3 * (box[2] - box[0])
        ground: Box = (box[0] - pad, box[1] - pad, box[2] + pad, float(camera.height_px))
        if any(visibility.touch(ground, other) for other in taken):
            continue
        taken.append(ground)
        map_camera.scene.set_pose(board.handle, pose)
        map_camera.scene.set_visible(board.handle, True)
        shown.append((board, box, math.hypot(ahead_m, aside_m)))
    return shown


def _plate_box(board: PoolSign, pose: Pose, camera: PinholeCamera) -> Box | None:
    half = board.size_m / 2.0
    middle_m = board.bottom_m + half
    return visibility.rectangle(camera, pose, [(0.0, y, middle_m + z) for y in (-half, half) for z in (-half, half)])


def _hidden(board: PoolSign, box: Box, instance: NDArray[np.uint32]) -> bool:
    """Tell whether something of the map hides the plate, whose shape fills at least half of its box."""
    x_min, y_min, x_max, y_max = (round(value) for value in box)
    area = instance[max(0, y_min) : y_max, max(0, x_min) : x_max] == board.instance_id
    return area.size == 0 or float(area.mean()) < 0.34

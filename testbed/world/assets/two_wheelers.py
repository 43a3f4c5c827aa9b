"""Bicycles and motorcycles with their riders."""

from __future__ import annotations

import math

import numpy as np

from testbed.world.assets.shapes import Floats, Shape, box, lathe, merged

Extent = tuple[float, float, float]


def two_wheeler_kind(type_id: str, extent_m: Extent) -> str | None:
    """Return "bicycle", "motorcycle", or None for vehicles with more wheels."""
    if any(make in type_id for make in ("bh.", "diamondback", "gazelle")):
        return "bicycle"
    if any(make in type_id for make in ("kawasaki", "harley", "yamaha", "vespa")):
        return "motorcycle"
    return "bicycle" if extent_m[1] < 0.45 and extent_m[0] < 0.9 else None


def rod(start: tuple[float, float, float], end: tuple[float, float, float], radius_m: float, sides: int = 6) -> Shape:
    """Return a round rod between two points."""
    a, b = np.array(start), np.array(end)
    d = b - a
    length = float(np.linalg.norm(d))
    shape = lathe([(0.0, 0.0), (radius_m, 0.0), (radius_m, length), (0.0, length)], sides, smooth=False)
    level = math.hypot(d[0], d[1])
    tilt = math.atan2(level, d[2])
    return shape.turned("y", tilt).moved(*a.tolist(), yaw_rad=math.atan2(d[1], d[0]) if level > 1e-9 else 0.0)


def ball(centre: tuple[float, float, float], radius_m: float, stretch: float = 1.0) -> Shape:
    """Return an upright ellipsoid."""
    angle = np.linspace(-0.5 * math.pi, 0.5 * math.pi, 7)
    profile = [(radius_m * math.cos(a), radius_m * stretch * math.sin(a)) for a in angle.tolist()]
    return lathe(profile, 9).moved(*centre)


def hoop(radius_m: float, thick_m: float, sides: int = 20) -> Shape:
    """Return a wheel rim with tyre as a ring around the y axis."""
    ring = lathe(
        [
            (radius_m - 2 * thick_m, -0.6 * thick_m),
            (radius_m, -0.6 * thick_m),
            (radius_m, 0.6 * thick_m),
            (radius_m - 2 * thick_m, 0.6 * thick_m),
            (radius_m - 2 * thick_m, -0.6 * thick_m),
        ],
        sides,
        smooth=False,
    )
    return ring.turned("x", -0.5 * math.pi)


def _rider(seat: tuple[float, float, float], grip: tuple[float, float, float], pedal_z: float) -> dict[str, Shape]:
    x, _, z = seat
    lean = 0.45 * (grip[0] - x)
    shoulder = (x + lean, 0.0, z + 0.52)
    torso = merged([rod((x, 0.0, z + 0.02), shoulder, 0.15, 8), ball(shoulder, 0.16, 0.6)])
    legs, arms = [], []
    for side in (-1, 1):
        knee = (x + 0.34, side * 0.11, 0.5 * (z + pedal_z) + 0.08)
        foot = (x + 0.18, side * 0.12, pedal_z)
        legs += [rod((x + 0.02, side * 0.09, z + 0.05), knee, 0.075), rod(knee, foot, 0.055)]
        legs.append(box(0.24, 0.09, 0.08).moved(foot[0] + 0.05, foot[1], foot[2] - 0.06))
        elbow = (0.5 * (shoulder[0] + grip[0]) - 0.03, side * 0.24, 0.5 * (shoulder[2] + grip[2]) - 0.05)
        arms += [
            rod((shoulder[0], side * 0.17, shoulder[2]), elbow, 0.05),
            rod(elbow, (grip[0], side * 0.22, grip[2]), 0.04),
        ]
    head = ball((shoulder[0] + 0.06, 0.0, shoulder[2] + 0.24), 0.11, 1.2)
    helmet = ball((shoulder[0] + 0.05, 0.0, shoulder[2] + 0.28), 0.13, 1.0)
    return {"jacket": merged([torso, *arms]), "car_trim": merged(legs), "skin": head, "helmet": helmet}


def bicycle_parts(extent_m: Extent) -> dict[str, Shape]:
    """Return a bicycle with rider by material; "paint" (the frame) first."""
    half = extent_m[0]
    r = 0.34
    rear, front = -half + r + 0.02, half - r - 0.02
    tyres = merged([hoop(r, 0.03).moved(x, 0.0, r) for x in (rear, front)])
    crank = (0.5 * (rear + front) - 0.06, 0.0, 0.30)
    saddle, bar = (crank[0] - 0.18, 0.0, 0.92), (front - 0.12, 0.0, 1.02)
    neck = (front - 0.14, 0.0, 0.82)
    frame = [
        rod((rear, 0, r), crank, 0.016),
        rod((rear, 0, r), (saddle[0] + 0.04, 0, 0.75), 0.014),
        rod(crank, saddle, 0.018),
    ]
    frame += [rod(crank, neck, 0.020), rod((saddle[0] + 0.04, 0, 0.75), neck, 0.018), rod((front, 0, r), bar, 0.018)]
    trim = [
        box(0.26, 0.14, 0.06).moved(saddle[0], 0.0, saddle[2]),
        rod((bar[0], -0.26, bar[2]), (bar[0], 0.26, bar[2]), 0.016),
    ]
    rider = _rider((saddle[0], 0.0, saddle[2] + 0.04), bar, 0.24)
    rider["car_trim"] = merged([rider["car_trim"], *trim])
    return {"paint": merged(frame), "car_tyre": tyres, **_dressed(rider)}


def motorcycle_parts(extent_m: Extent) -> dict[str, Shape]:
    """Return a motorcycle with rider by material; "paint" (tank and fairing) first."""
    half = extent_m[0]
    r = 0.31
    rear, front = -half + r, half - r
    tyres = merged([hoop(r, 0.065).moved(x, 0.0, r) for x in (rear, front)])
    tank = ball((0.10, 0.0, 0.80), 0.20, 0.75).scaled(1.6, 0.8, 1.0).moved(-0.06, 0.0, 0.0)
    fairing = merged([ball((0.0, 0.0, 0.0), 0.24, 1.1).scaled(1.2, 0.9, 1.0).moved(front - 0.22, 0.0, 0.78)])
    tail = box(0.55, 0.18, 0.12).turned("y", -0.15).moved(-0.50, 0.0, 0.78)
    engine = box(0.55, 0.30, 0.36).moved(0.0, 0.0, 0.28)
    fork = [rod((front, side * 0.10, r), (front - 0.22, side * 0.10, 0.90), 0.03) for side in (-1, 1)]
    arm = [rod((rear, side * 0.09, r), (-0.1, side * 0.09, 0.40), 0.03) for side in (-1, 1)]
    pipe = rod((0.1, 0.17, 0.30), (-0.75, 0.19, 0.42), 0.055, 8)
    rider = _rider((-0.28, 0.0, 0.82), (front - 0.30, 0.0, 0.95), 0.36)
    rider["car_trim"] = merged([rider["car_trim"], engine, *arm])
    lamp = box(0.05, 0.16, 0.06).moved(-0.79, 0.0, 0.84)
    light = box(0.04, 0.16, 0.10).moved(front + 0.06, 0.0, 0.78)
    return {
        "paint": merged([tank, fairing, tail]),
        "car_tyre": tyres,
        "car_chrome": merged([*fork, pipe]),
        "car_tail_lamp": lamp,
        "car_head_lamp": light,
        **_dressed(rider),
    }


def _dressed(rider: dict[str, Shape]) -> dict[str, Shape]:
    names = {"jacket": "rider_jacket", "skin": "walker_skin", "helmet": "rider_helmet", "car_trim": "car_trim"}
    return {names[key]: shape for key, shape in rider.items()}


def bounds(parts: dict[str, Shape]) -> tuple[Floats, Floats]:
    """Return lowest and highest corner of all shapes."""
    low = np.min([shape.vertices_m.min(axis=0) for shape in parts.values()], axis=0)
    high = np.max([shape.vertices_m.max(axis=0) for shape in parts.values()], axis=0)
    return low, high

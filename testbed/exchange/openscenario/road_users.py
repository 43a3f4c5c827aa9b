"""A road user that stands, drives, brakes to a stop or crosses, out of its place and its speeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from testbed.exchange.lane_fit import FASTEST_MPS
from testbed.exchange.openscenario.entities import Entity
from testbed.exchange.openscenario.positions import BESIDE_M, Place
from testbed.exchange.openscenario.story import SpeedChange
from testbed.exchange.reading import Reading

STRAIGHT_DEG, ACROSS_DEG = 10.0, 45.0
"""Turned less than the first is along the lane; between the second and its supplement is across it."""


def actor_of(
    reading: Reading, entity: Entity, place: Place, speeds: Sequence[SpeedChange], duration_s: float
) -> dict[str, Any] | None:
    """Return a scenario's entry; None for a road user that moves as no entry can say, which is noted.

    Args:
        reading: The document, for what is left out.
        entity: Who.
        place: Where it starts.
        speeds: Its speeds in the order of the file.
        duration_s: Of the drive.
    """
    speed_mps, start_s, stop_s = _phases(reading, speeds)
    turned_deg = place.turned_deg if abs(place.turned_deg) > STRAIGHT_DEG else 0.0
    across = ACROSS_DEG < abs(turned_deg) < 180.0 - ACROSS_DEG
    if speed_mps > 0.0 and turned_deg and not (entity.walks and across):
        reading.leave(entity.element, f"moves {abs(turned_deg):.0f}° away from its lane's direction")
        return None
    if abs(place.lateral_m) > BESIDE_M:
        reading.leave(entity.element, f"starts {abs(place.lateral_m):g} m beside its lane; {BESIDE_M:g} m are the most")
        return None
    actor: dict[str, Any] = {"id": entity.key, "blueprint": entity.blueprint}
    if place.spawn is not None:
        actor["spawn"] = place.spawn
    else:
        actor |= {"ahead_m": round(place.ahead_m, 2)} | ({} if place.lane is None else {"lane": place.lane})
    lateral_m = round(place.lateral_m, 2)
    if lateral_m:
        actor["lateral_m"] = lateral_m
    if speed_mps > 0.0:
        actor["speed_mps"] = round(speed_mps, 3)
        if start_s > 0.0:
            actor["starts_at_s"] = round(start_s, 3)
        if stop_s is not None:
            actor["stops_at_s"] = round(stop_s, 3)
        if across:
            way_m = speed_mps * max(duration_s - start_s, 0.0)
            goal_m = lateral_m + (way_m if turned_deg > 0.0 else -way_m)
            actor["crosses_to_m"] = round(min(BESIDE_M, max(-BESIDE_M, goal_m)), 2)
    elif turned_deg:
        actor["turned_deg"] = round(turned_deg, 2)
    actor["vary"] = False
    return actor


def _phases(reading: Reading, speeds: Sequence[SpeedChange]) -> tuple[float, float, float | None]:
    """Return a speed, when it begins, and when it ends in a stop; further changes are noted."""
    speed_mps, start_s, stop_s = 0.0, 0.0, None
    for change in sorted(speeds, key=lambda one: one.t_s):
        if change.speed_mps == speed_mps and stop_s is None:
            continue
        if speed_mps == 0.0 and 0.0 < change.speed_mps <= FASTEST_MPS:
            speed_mps, start_s = change.speed_mps, change.t_s
        elif change.speed_mps == 0.0 and stop_s is None:
            stop_s = change.t_s
        else:
            reading.leave(change.element, "a road user has one speed: it starts once and brakes to a stop once")
    return speed_mps, start_s, stop_s

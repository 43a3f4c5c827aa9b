"""CARLA's weather parameters to and from the keys of a scenario."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

from testbed.core.weather import PRESETS, weather_of
from testbed.scenario.concrete import WEATHER_KEYS
from testbed.scenario.schema import Weather

_EQUAL = 1e-3
ALL = tuple(asdict(weather_of("ClearNoon")))
"""CARLA's names of all parameters."""


def weather_entry(values: Mapping[str, float], stated: Collection[str] = ()) -> tuple[dict[str, Any], list[str]]:
    """Return a scenario's ``weather`` for CARLA's parameters, and the names of those that it cannot say.

    Args:
        values: All parameters that a scenario can change, and others, by CARLA's names.
        stated: Names that the file states; what it does not state may be as the preset has it.
    """
    presets = {name: asdict(weather_of(name)) for name in PRESETS}

    def differing(preset: str) -> list[str]:
        known = presets[preset]
        asked = [name for name in values if name in WEATHER_KEYS or name in stated]
        return [name for name in asked if abs(values[name] - known[name]) > _EQUAL]

    def cost(preset: str) -> tuple[int, int]:
        names = differing(preset)
        return sum(name not in WEATHER_KEYS for name in names), len(names)

    nearest = min(PRESETS, key=cost)
    names = differing(nearest)
    changes = {WEATHER_KEYS[name]: round(values[name], 4) for name in names if name in WEATHER_KEYS}
    return {"preset": nearest, **changes, "vary": False}, [name for name in names if name not in WEATHER_KEYS]


def bounds_of(name: str) -> tuple[float, float]:
    """Return what a parameter, by CARLA's name, may be in a scenario; those that it cannot say may be anything."""
    if name not in WEATHER_KEYS:
        return -math.inf, math.inf
    limits = Weather.model_fields[WEATHER_KEYS[name]].metadata
    low = next(limit.ge for limit in limits if hasattr(limit, "ge"))
    high = next(limit.le for limit in limits if hasattr(limit, "le"))
    return float(low), float(high)


def parameters_of(weather: Weather) -> dict[str, float]:
    """Return CARLA's parameters of a scenario's weather before any seed changes it."""
    said = {name: getattr(weather, key) for name, key in WEATHER_KEYS.items()}
    return asdict(weather_of(weather.preset, {name: value for name, value in said.items() if value is not None}))

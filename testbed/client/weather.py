"""Between weather as scenarios state it and CARLA's, and the sun that goes on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import carla

from testbed.core.weather import WeatherParameters, weather_of
from testbed.world.assets.occluder import sun_after


def weather_parameters(preset: str, changes: Mapping[str, float]) -> carla.WeatherParameters:
    """Return CARLA weather: a preset with absolute values and ``d_``-prefixed increments applied, kept in range."""
    return carla.WeatherParameters(**dataclasses.asdict(weather_of(preset, changes)))


def drift_sun(weather: carla.WeatherParameters, minutes: float) -> carla.WeatherParameters:
    """Let the sun of a weather go on for some minutes; the weather is changed and returned."""
    altitude_deg, azimuth_deg = sun_after(weather.sun_altitude_angle, weather.sun_azimuth_angle, minutes)
    weather.sun_altitude_angle = altitude_deg  # type: ignore[misc]  # the stubs know no setters
    weather.sun_azimuth_angle = azimuth_deg  # type: ignore[misc]
    return weather


def to_weather(parameters: carla.WeatherParameters) -> WeatherParameters:
    """Return CARLA's weather, which is kept in single precision, as the renderer's."""
    names = [field.name for field in dataclasses.fields(WeatherParameters)]
    return WeatherParameters(**{name: getattr(parameters, name) for name in names})

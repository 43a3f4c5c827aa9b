"""The core's weather presets are those of the carla client, to the bit."""

from __future__ import annotations

import dataclasses

import carla
import pytest

from testbed.client.weather import to_weather, weather_parameters
from testbed.core.weather import PRESETS, weather_of


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_carlas(preset: str) -> None:
    assert weather_of(preset) == to_weather(getattr(carla.WeatherParameters, preset))


def test_every_preset_but_the_placeholder_is_here() -> None:
    parameters = carla.WeatherParameters
    known = {name for name in dir(parameters) if isinstance(getattr(parameters, name), parameters)}
    assert known - {"Default"} == set(PRESETS)  # CARLA's Default is -1 throughout: leave it to the server


def test_changes_are_rounded_as_the_client_rounds_them() -> None:
    changes = {"cloudiness": 33.3, "d_cloudiness": 80.0, "sun_altitude_angle": 89.7, "d_sun_altitude_angle": 0.7}
    wanted = carla.WeatherParameters(**dataclasses.asdict(weather_of("WetNoon", changes)))
    assert weather_of("WetNoon", changes) == to_weather(wanted) == to_weather(weather_parameters("WetNoon", changes))
    assert (wanted.cloudiness, wanted.sun_altitude_angle) == (100.0, 90.0)

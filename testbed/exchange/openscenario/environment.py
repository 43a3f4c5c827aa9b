"""OpenSCENARIO's environment as a scenario's weather."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from testbed.exchange.reading import Reading, bounded
from testbed.exchange.sky import parameters_of, weather_entry
from testbed.scenario.schema import Weather
from testbed.world.maps.xml_reader import LARGEST, XmlElement

CLOUDINESS = {"skyOff": 5.0, "free": 5.0, "cloudy": 60.0, "overcast": 100.0, "rainy": 100.0}
"""CARLA's cloudiness of each of OpenSCENARIO's cloud states."""
OKTAS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight")
NOON_SUN_DEG = 60.0
"""Height of the noon sun where a file states a time of day and no sun."""
HEAVY_RAIN_MM_H = 10.0
"""What CARLA's heaviest rain is taken for."""
FOG_BELOW_M = 1000.0

CLEAR = parameters_of(Weather())
"""What holds where an environment states nothing."""


def weather_of(reading: Reading, environment: XmlElement | None) -> dict[str, Any]:
    """Return a scenario's weather: CARLA's clear noon with what the environment states."""
    if environment is None:
        return {"preset": "ClearNoon", "vary": False}
    reading.use(environment)
    stated: dict[str, float] = {}
    _time_of_day(reading, environment, stated)
    weather = reading.child(environment, "Weather")
    if weather is not None:
        _sun_and_clouds(reading, weather, stated)
        _fog_and_rain(reading, weather, stated)
    road = environment.child("RoadCondition")
    if road is not None:
        if road.number("frictionScaleFactor", 1.0) == 1.0 and not road.children:
            reading.use(road)
        else:
            reading.leave(road, "the grip of a road is that of its map")
    entry, _ = weather_entry(CLEAR | stated)
    return entry


def _time_of_day(reading: Reading, environment: XmlElement, stated: dict[str, float]) -> None:
    element = reading.child(environment, "TimeOfDay")
    if element is None:
        return
    try:
        time = datetime.fromisoformat(element.string("dateTime"))
    except ValueError:
        raise reading.error(
            f"dateTime={element.string('dateTime')[:40]!r} is no time", element, "for instance 2024-06-01T12:00:00"
        ) from None
    hour = time.hour + time.minute / 60.0
    stated["sun_altitude_angle"] = round(NOON_SUN_DEG * math.sin(math.pi * (hour - 6.0) / 12.0), 2)


def _sun_and_clouds(reading: Reading, weather: XmlElement, stated: dict[str, float]) -> None:
    sun = reading.child(weather, "Sun")
    if sun is not None:
        elevation_deg = math.degrees(sun.number("elevation", math.radians(stated.get("sun_altitude_angle", 45.0))))
        stated["sun_altitude_angle"] = round(min(90.0, max(-90.0, elevation_deg)), 2)
        stated["sun_azimuth_angle"] = round(math.degrees(sun.number("azimuth", 0.0)) % 360.0, 2)
    state = weather.attributes.get("cloudState")
    if state in CLOUDINESS:
        stated["cloudiness"] = CLOUDINESS[state]
    cover = weather.attributes.get("fractionalCloudCover", "").removesuffix("Oktas")
    if cover in OKTAS:
        stated["cloudiness"] = 12.5 * OKTAS.index(cover)
    elif cover == "nine":  # the sky cannot be seen
        stated["cloudiness"] = 100.0


def _fog_and_rain(reading: Reading, weather: XmlElement, stated: dict[str, float]) -> None:
    fog = reading.child(weather, "Fog")
    if fog is not None:
        range_m = bounded(fog, "visualRange", 0.0, LARGEST, LARGEST)
        if range_m < FOG_BELOW_M:
            stated["fog_distance"], stated["fog_density"] = range_m, 100.0
    rain = weather.child("Precipitation")
    if rain is None:
        return
    if rain.string("precipitationType", "dry") == "snow":
        reading.leave(rain, "no snow falls here")
        return
    reading.use(rain)
    percent = 100.0 * rain.number("intensity", 0.0)
    if "precipitationIntensity" in rain.attributes:
        percent = 100.0 * rain.number("precipitationIntensity") / HEAVY_RAIN_MM_H
    if rain.string("precipitationType", "dry") == "rain" and percent > 0.0:
        percent = round(min(percent, 100.0), 2)
        stated |= dict.fromkeys(("precipitation", "precipitation_deposits", "wetness"), percent)

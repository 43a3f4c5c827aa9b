"""CARLA's fourteen weather parameters, by their CARLA names and in their CARLA units, and the client's presets.

CARLA keeps every parameter in single precision: what a preset with changes comes to is rounded at each step as the
client rounds it, so that a picture made without a server equals the server's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import cos, radians, sin

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class WeatherParameters:
    """State of sky and road; the defaults are CARLA's ``WeatherParameters.Default`` noon.

    Attributes:
        cloudiness: 0 clear to 100 overcast.
        precipitation: 0 none to 100 heavy rain.
        precipitation_deposits: Puddles, 0 none to 100 road fully covered.
        wind_intensity: 0 to 100; slants the rain.
        sun_azimuth_angle: Degrees, 0 towards +x of the world, 90 towards +y.
        sun_altitude_angle: Degrees above the horizon, -90 midnight to 90 zenith.
        fog_density: 0 to 100.
        fog_distance: Metres from the camera at which fog starts.
        wetness: 0 to 100.
        fog_falloff: How fast fog thins with height.
        scattering_intensity: Accepted for CARLA's sake, not modelled.
        mie_scattering_scale: Accepted for CARLA's sake, not modelled.
        rayleigh_scattering_scale: Accepted for CARLA's sake, not modelled.
        dust_storm: 0 to 100; brownish haze.
    """

    cloudiness: float = 5.0
    precipitation: float = 0.0
    precipitation_deposits: float = 0.0
    wind_intensity: float = 10.0
    sun_azimuth_angle: float = -1.0
    sun_altitude_angle: float = 45.0
    fog_density: float = 2.0
    fog_distance: float = 0.75
    wetness: float = 0.0
    fog_falloff: float = 0.1
    scattering_intensity: float = 1.0
    mie_scattering_scale: float = 0.03
    rayleigh_scattering_scale: float = 0.0331
    dust_storm: float = 0.0

    def sun_direction(self) -> NDArray[np.float64]:
        """Return the unit vector from the scene towards the sun, shape (3,), world frame."""
        azimuth_rad, altitude_rad = radians(self.sun_azimuth_angle), radians(self.sun_altitude_angle)
        return np.array([cos(altitude_rad) * cos(azimuth_rad), cos(altitude_rad) * sin(azimuth_rad), sin(altitude_rad)])


_VARYING = (
    "cloudiness", "precipitation", "precipitation_deposits", "wind_intensity", "sun_altitude_angle",
    "fog_density", "fog_distance", "fog_falloff", "wetness", "dust_storm",
)  # fmt: skip

_PRESETS: dict[str, tuple[float, ...]] = {
    "ClearNoon": (5.0, 0.0, 0.0, 10.0, 45.0, 2.0, 0.75, 0.1, 0.0, 0.0),
    "CloudyNoon": (60.0, 0.0, 0.0, 10.0, 45.0, 3.0, 0.75, 0.1, 0.0, 0.0),
    "WetNoon": (5.0, 0.0, 50.0, 10.0, 45.0, 3.0, 0.75, 0.1, 0.0, 0.0),
    "WetCloudyNoon": (60.0, 0.0, 50.0, 10.0, 45.0, 3.0, 0.75, 0.1, 0.0, 0.0),
    "SoftRainNoon": (20.0, 30.0, 50.0, 30.0, 45.0, 3.0, 0.75, 0.1, 0.0, 0.0),
    "MidRainyNoon": (60.0, 60.0, 60.0, 60.0, 45.0, 3.0, 0.75, 0.1, 0.0, 0.0),
    "HardRainNoon": (100.0, 100.0, 90.0, 100.0, 45.0, 7.0, 0.75, 0.1, 0.0, 0.0),
    "ClearSunset": (5.0, 0.0, 0.0, 10.0, 15.0, 2.0, 0.75, 0.1, 0.0, 0.0),
    "CloudySunset": (60.0, 0.0, 0.0, 10.0, 15.0, 3.0, 0.75, 0.1, 0.0, 0.0),
    "WetSunset": (5.0, 0.0, 50.0, 10.0, 15.0, 2.0, 0.75, 0.1, 0.0, 0.0),
    "WetCloudySunset": (60.0, 0.0, 50.0, 10.0, 15.0, 2.0, 0.75, 0.1, 0.0, 0.0),
    "SoftRainSunset": (20.0, 30.0, 50.0, 30.0, 15.0, 2.0, 0.75, 0.1, 0.0, 0.0),
    "MidRainSunset": (60.0, 60.0, 60.0, 60.0, 15.0, 3.0, 0.75, 0.1, 0.0, 0.0),
    "HardRainSunset": (100.0, 100.0, 90.0, 100.0, 15.0, 7.0, 0.75, 0.1, 0.0, 0.0),
    "ClearNight": (5.0, 0.0, 0.0, 10.0, -90.0, 60.0, 75.0, 1.0, 0.0, 0.0),
    "CloudyNight": (60.0, 0.0, 0.0, 10.0, -90.0, 60.0, 0.75, 0.1, 0.0, 0.0),
    "WetNight": (5.0, 0.0, 50.0, 10.0, -90.0, 60.0, 75.0, 1.0, 60.0, 0.0),
    "WetCloudyNight": (60.0, 0.0, 50.0, 10.0, -90.0, 60.0, 0.75, 0.1, 60.0, 0.0),
    "SoftRainNight": (60.0, 30.0, 50.0, 30.0, -90.0, 60.0, 0.75, 0.1, 60.0, 0.0),
    "MidRainyNight": (80.0, 60.0, 60.0, 60.0, -90.0, 60.0, 0.75, 0.1, 80.0, 0.0),
    "HardRainNight": (100.0, 100.0, 90.0, 100.0, -90.0, 100.0, 0.75, 0.1, 100.0, 0.0),
    "DustStorm": (100.0, 0.0, 0.0, 100.0, 45.0, 2.0, 0.75, 0.1, 0.0, 100.0),
}
"""Values of `_VARYING` in each preset; all else is the same in all (``carla.WeatherParameters``, 0.9.16)."""

PRESETS: tuple[str, ...] = tuple(_PRESETS)
"""Names of CARLA's weather presets."""


def weather_of(preset: str, changes: Mapping[str, float] | None = None) -> WeatherParameters:
    """Return a preset with changes, in the client's single precision.

    Args:
        preset: One of `PRESETS`.
        changes: Absolute values by CARLA's names; ``d_<name>`` adds to what there is. The sun stays within ±90° and
            increments leave cloudiness in 0…100.

    Raises:
        KeyError: There is no such preset or parameter.
    """
    single = np.float32
    values = {field.name: float(single(field.default)) for field in fields(WeatherParameters)}  # type: ignore[arg-type]
    values |= {name: float(single(value)) for name, value in zip(_VARYING, _PRESETS[preset], strict=True)}
    given = changes or {}
    for name, value in given.items():
        if not name.startswith("d_"):
            values[name] = float(single(value))
    for name, value in given.items():
        if name.startswith("d_"):
            total = values[name[2:]] + value
            values[name[2:]] = float(single(min(100.0, max(0.0, total)) if name == "d_cloudiness" else total))
    values["sun_altitude_angle"] = float(single(min(90.0, max(-90.0, values["sun_altitude_angle"]))))
    return WeatherParameters(**values)

"""CARLA's fourteen weather parameters, by their CARLA names and in their CARLA units."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Weather:
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

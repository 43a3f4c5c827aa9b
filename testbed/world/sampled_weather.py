"""Which weathers and times of day the data sets are seen in: mostly daylight, some low sun, rain, fog and dusk."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
from numpy.typing import NDArray

from testbed.core.weather import WeatherParameters

RANGES: dict[str, str] = {
    "day (66 %)": "sun 15-80 deg above the horizon, any azimuth, cloudiness 0-90",
    "low sun (12 %)": "sun 3-15 deg, cloudiness 0-60",
    "rain (12 %)": "cloudiness 60-100, precipitation 15-90, wetness and deposits with it",
    "fog (6 %)": "fog density 10-45, fog distance 0-40 m",
    "dusk and night (4 %)": "sun -20 to 3 deg",
}


def sample_weather(rng: np.random.Generator) -> WeatherParameters:
    """Draw one weather with the shares of `RANGES`."""
    azimuth = float(rng.uniform(0.0, 360.0))
    kind = rng.random()
    if kind < 0.66:
        return WeatherParameters(
            cloudiness=float(rng.uniform(0.0, 90.0)),
            sun_azimuth_angle=azimuth,
            sun_altitude_angle=float(rng.uniform(15.0, 80.0)),
            fog_density=float(rng.uniform(0.0, 6.0)),
        )
    if kind < 0.78:
        return WeatherParameters(
            cloudiness=float(rng.uniform(0.0, 60.0)),
            sun_azimuth_angle=azimuth,
            sun_altitude_angle=float(rng.uniform(3.0, 15.0)),
        )
    if kind < 0.90:
        rain = float(rng.uniform(15.0, 90.0))
        return WeatherParameters(
            cloudiness=float(rng.uniform(60.0, 100.0)),
            precipitation=rain,
            precipitation_deposits=float(rng.uniform(0.0, rain)),
            wetness=float(rng.uniform(0.3 * rain, 100.0)),
            wind_intensity=float(rng.uniform(0.0, 60.0)),
            sun_azimuth_angle=azimuth,
            sun_altitude_angle=float(rng.uniform(10.0, 60.0)),
            fog_density=float(rng.uniform(0.0, 10.0)),
        )
    if kind < 0.96:
        return WeatherParameters(
            cloudiness=float(rng.uniform(30.0, 100.0)),
            sun_azimuth_angle=azimuth,
            sun_altitude_angle=float(rng.uniform(8.0, 60.0)),
            fog_density=float(rng.uniform(10.0, 45.0)),
            fog_distance=float(rng.uniform(0.0, 40.0)),
            wetness=float(rng.uniform(0.0, 50.0)),
        )
    return WeatherParameters(
        cloudiness=float(rng.uniform(0.0, 60.0)),
        sun_azimuth_angle=azimuth,
        sun_altitude_angle=float(rng.uniform(-20.0, 3.0)),
    )


def weather_row(weather: WeatherParameters) -> NDArray[np.float32]:
    """Return the parameters in the order of `testbed.training.data.format.WEATHER_FIELDS`."""
    return np.array(astuple(weather), np.float32)

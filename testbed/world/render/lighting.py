"""From CARLA's weather numbers to light: sun, sky, fog, rain, headlights, and how the picture is exposed.

Everything is linear RGB in exposed units: a white card facing a clear noon sun is about 1. The exposure, which a
camera would choose, is a pure function of the weather and is folded into every light here, so that the tone curve is
the same in all weathers and ``linear`` pictures compare across them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import asin, degrees, radians

import numpy as np
from numpy.typing import ArrayLike, NDArray

from testbed.core.colour import film_curve
from testbed.core.weather import WeatherParameters
from testbed.world.render.mesh import Rgb

LUT_SIZE = 4096
LUT_MAX = 16.0
"""The tone curve is tabulated over the square root of linear light up to this value."""


@dataclass(frozen=True)
class Lighting:
    """What the shader needs to know of the weather.

    Attributes:
        sun: Unit vector towards the brightest part of the sky: the sun, rather the zenith under clouds.
        sun_rgb: Light on a surface facing the sun.
        ambient_rgb: Light on a surface facing up from the whole sky.
        ground_rgb: Light on a surface facing down from the ground.
        zenith_rgb: Radiance of the sky overhead.
        horizon_rgb: Radiance of the sky at the horizon.
        glow_rgb: Radiance added around the sun.
        disk_rgb: Radiance added by the sun's disk.
        cloud_rgb: Radiance of clouds.
        cloud_cover: Part of the sky they fill, 0 to 1.
        shadow_blur_m: Width of the half shadow.
        sky_shadow: Part of the skylight that is lost where the sun is.
        fog_rgb: Radiance of dense fog.
        fog_1pm: Extinction at the camera, per metre.
        fog_start_m: Distance at which fog starts.
        fog_falloff_1pm: Rate at which fog thins with height.
        wetness: Film of water on the road, 0 to 1.
        puddles: Part of the road under standing water, 0 to 1.
        rain: Density of streaks, 0 to 1.
        rain_slant: Horizontal over vertical motion of a streak.
        rain_rgb: Radiance of a streak.
        beam_rgb: Light of the headlights on a facing surface, times distance squared plus 100, in m^2.
        lamp_gain: Factor on emissive materials.
    """

    sun: Rgb
    sun_rgb: Rgb
    ambient_rgb: Rgb
    ground_rgb: Rgb
    zenith_rgb: Rgb
    horizon_rgb: Rgb
    glow_rgb: Rgb
    disk_rgb: Rgb
    cloud_rgb: Rgb
    cloud_cover: float
    shadow_blur_m: float
    sky_shadow: float
    fog_rgb: Rgb
    fog_1pm: float
    fog_start_m: float
    fog_falloff_1pm: float
    wetness: float
    puddles: float
    rain: float
    rain_slant: float
    rain_rgb: Rgb
    beam_rgb: Rgb
    lamp_gain: float

    @classmethod
    def from_weather(cls, weather: WeatherParameters) -> Lighting:
        """Derive light from the weather.

        Air mass after Kasten (1965); the extinction per channel, the sky colours and the camera's answer to darkness
        are chosen by eye to look like a dashboard camera.
        """
        cloud, rain, wet, puddle, dust, fog = (
            min(max(value / 100.0, 0.0), 1.0)
            for value in (
                weather.cloudiness,
                weather.precipitation,
                weather.wetness,
                weather.precipitation_deposits,
                weather.dust_storm,
                weather.fog_density,
            )
        )
        direction = weather.sun_direction()
        altitude_deg = degrees(asin(float(direction[2])))
        day = _smoothstep(-9.0, 10.0, altitude_deg)
        low = 1.0 - _smoothstep(4.0, 32.0, altitude_deg)
        overcast = cloud**1.5

        mass = 1.0 / (np.sin(radians(max(altitude_deg, 0.0))) + 0.15 * (max(altitude_deg, 0.0) + 3.885) ** -1.253)
        sunlight = np.exp(-np.array([0.055, 0.105, 0.20]) * (mass - 1.0)) * np.array([1.30, 1.22, 1.10])
        sunlight *= _smoothstep(-1.0, 3.0, altitude_deg) * (1.0 - 0.97 * overcast) * (1.0 - 0.8 * dust)

        height = 0.25 + 0.75 * _smoothstep(-6.0, 40.0, altitude_deg)
        zenith = _mix([0.15, 0.31, 0.66], [0.16, 0.23, 0.44], low) * height
        horizon = _mix([0.66, 0.78, 0.92], [0.86, 0.66, 0.48], low) * (0.35 + 0.65 * height)
        night_zenith, night_horizon = np.array([0.0016, 0.0023, 0.0050]), np.array([0.0058, 0.0063, 0.0088])
        grey = np.array([0.60, 0.63, 0.67]) * (0.2 + 0.8 * height) * (1.0 - 0.45 * rain)
        zenith = _mix(zenith, 0.85 * grey, overcast) * day + night_zenith * (1.0 - day)
        horizon = _mix(horizon, grey, overcast) * day + night_horizon * (1.0 - day)
        brown = np.array([0.50, 0.36, 0.20]) * (0.1 + 0.9 * height) * day
        zenith, horizon = _mix(zenith, brown, 0.9 * dust), _mix(horizon, brown, 0.9 * dust)

        ambient = 0.55 * zenith + 0.38 * horizon
        ground = 0.16 * (sunlight * max(float(direction[2]), 0.0) + ambient) * np.array([1.0, 0.98, 0.9])
        haze = _mix(horizon, 0.35 * sunlight + 0.65 * horizon, 0.3)

        # A camera opens up in the dark, but not enough to turn night into day.
        card = float(np.mean(sunlight)) * max(float(direction[2]), 0.1) + float(np.mean(ambient))
        exposure = min((1.1 / max(card, 1e-4)) ** 0.62, 9.0)
        exposure *= (1.0 - 0.10 * overcast) * (1.0 - 0.20 * rain)
        lamps_on = 1.0 - _smoothstep(1.0, 8.0, altitude_deg)
        lamps_on = max(lamps_on, 0.35 * _smoothstep(0.6, 1.0, max(fog, rain)))

        def rgb(value: ArrayLike) -> Rgb:
            red, green, blue = np.asarray(value, np.float64) * exposure
            return float(red), float(green), float(blue)

        glow = (0.4 + 0.6 * low) * (1.0 - overcast)
        # Under clouds light comes from above: what shadow is left lies below things, and falls on the skylight too.
        up, dull = np.array([0.0, 0.0, 1.0]), _smoothstep(0.4, 1.0, cloud)
        toward = _mix(direction if altitude_deg > -1.0 else up, up, 0.85 * dull)
        toward /= np.linalg.norm(toward)
        return cls(
            sun=(float(toward[0]), float(toward[1]), float(toward[2])),
            sun_rgb=rgb(sunlight),
            ambient_rgb=rgb(ambient),
            ground_rgb=rgb(ground),
            zenith_rgb=rgb(zenith),
            horizon_rgb=rgb(horizon),
            glow_rgb=rgb(sunlight * glow * 0.55),
            disk_rgb=rgb(sunlight * 12.0 * (1.0 - overcast)),
            cloud_rgb=rgb(_mix(0.42 * sunlight + 0.9 * ambient + 0.12 * day, 1.02 * grey * day, overcast)),
            cloud_cover=cloud,
            shadow_blur_m=0.02 + 0.35 * cloud,
            sky_shadow=0.5 * dull,
            fog_rgb=rgb(haze),
            fog_1pm=0.00035 + 0.05 * fog**2 + 0.0035 * rain + 0.02 * dust,
            fog_start_m=max(weather.fog_distance, 0.0) * (1.0 - rain),
            fog_falloff_1pm=min(max(weather.fog_falloff, 0.0), 5.0) * 0.12,
            wetness=max(wet, 0.85 * rain, 0.4 * puddle),
            puddles=max(puddle, 0.3 * rain),
            rain=rain,
            rain_slant=0.0035 * weather.wind_intensity,
            rain_rgb=rgb(0.12 * (ambient + 0.15 * sunlight)),
            beam_rgb=rgb(np.array([1.0, 0.95, 0.86]) * 35.0 * lamps_on * (0.15 + 0.85 * (1.0 - day))),
            lamp_gain=float(0.5 + 0.8 * lamps_on + 0.1 * exposure * (1.0 - day)),
        )


def tone_curve(linear: ArrayLike) -> NDArray[np.float64]:
    """Map exposed linear light to display values in [0, 1], sRGB encoded; what is negative is black."""
    return film_curve(np.maximum(np.asarray(linear, np.float64), 0.0))


def tone_table() -> NDArray[np.uint8]:
    """Tabulate the tone curve as bytes over ``sqrt(linear / LUT_MAX)``, shape (LUT_SIZE,)."""
    root = np.linspace(0.0, 1.0, LUT_SIZE)
    return np.floor(tone_curve(LUT_MAX * root * root) * 255.0 + 0.5).astype(np.uint8)


def asphalt(size_px: int = 512, seed: int = 7) -> NDArray[np.float32]:
    """Return the tiling asphalt of 8 m x 8 m, shape (n, n, 4), linear.

    RGB is the albedo: stones of a few centimetres under broad, faint stains. Alpha is smooth noise in [0, 1] that
    wears paint and gathers puddles.
    """
    rng = np.random.default_rng(seed)
    fine = tiling_noise(rng, size_px, 90.0, 230.0)
    stones = tiling_noise(rng, size_px, 25.0, 90.0)
    stains = tiling_noise(rng, size_px, 1.0, 9.0)
    grey = 0.155 * np.exp(0.20 * fine + 0.13 * stones + 0.09 * stains)
    broad = tiling_noise(rng, size_px, 1.0, 14.0)
    alpha = 0.5 + 0.5 * np.tanh(0.9 * broad)
    tint = np.array([1.0, 0.99, 0.965])
    return np.concatenate([grey[..., None] * tint, alpha[..., None]], axis=2).astype(np.float32)


def clouds(size_px: int = 256, seed: int = 3) -> NDArray[np.float32]:
    """Return tiling cloud heights, shape (n, n, 4); alpha is uniform in [0, 1] so that a threshold is a coverage."""
    rng = np.random.default_rng(seed)
    height = sum(
        (
            tiling_noise(rng, size_px, float(2**octave), float(2 ** (octave + 1))) * 0.55**octave
            for octave in range(1, 7)
        ),
        np.zeros((size_px, size_px)),
    )
    rank = np.empty(height.size)
    rank[np.argsort(height, axis=None)] = np.linspace(0.0, 1.0, height.size)
    return np.repeat(rank.reshape(size_px, size_px, 1), 4, axis=2).astype(np.float32)


def tiling_noise(rng: np.random.Generator, size_px: int, low: float, high: float) -> NDArray[np.float64]:
    """Return periodic noise of unit variance with ``low`` to ``high`` cycles per tile, shape (n, n)."""
    spectrum = np.fft.rfft2(rng.standard_normal((size_px, size_px)))
    cycles = np.hypot(np.fft.fftfreq(size_px, 1.0 / size_px)[:, None], np.fft.rfftfreq(size_px, 1.0 / size_px)[None])
    noise = np.fft.irfft2(spectrum * ((cycles >= low) & (cycles < high)), s=(size_px, size_px))
    return np.asarray(noise / noise.std())


def _mix(a: ArrayLike, b: ArrayLike, share: float) -> NDArray[np.float64]:
    return np.asarray(a, np.float64) * (1.0 - share) + np.asarray(b, np.float64) * share


def _smoothstep(low: float, high: float, value: float) -> float:
    x = min(max((value - low) / (high - low), 0.0), 1.0)
    return x * x * (3.0 - 2.0 * x)

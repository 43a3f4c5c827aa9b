"""Every weather term changes what it should, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from testbed.core.weather import WeatherParameters
from testbed.world.render.lighting import Lighting
from testbed.world.render.renderer import Renderer

CLEAR = WeatherParameters(cloudiness=0.0, fog_density=0.0, sun_azimuth_angle=150.0, sun_altitude_angle=40.0)
WANT = frozenset({"rgb", "linear", "shading", "residual", "tag", "depth_m", "instance", "normal"})


@pytest.fixture
def shoot(street):
    renderer = Renderer(street.scene)

    def take(weather, frame=0):
        street.scene.set_weather(weather)
        street.scene.set_frame(frame)
        return renderer.render(street.camera, want=WANT)

    return take


def test_sun_direction_in_carlas_frame():
    assert np.allclose(WeatherParameters(sun_azimuth_angle=0, sun_altitude_angle=0).sun_direction(), [1, 0, 0])
    assert np.allclose(WeatherParameters(sun_azimuth_angle=90, sun_altitude_angle=0).sun_direction(), [0, 1, 0])
    assert np.allclose(WeatherParameters(sun_altitude_angle=90).sun_direction(), [0, 0, 1])


def test_clouds_fade_shadows(shoot):
    road = (shoot(CLEAR).tag == 1)[100:]

    def contrast(weather):
        light = shoot(weather).shading[100:, :, 1][road]
        return np.quantile(light, 0.9) / np.quantile(light, 0.01)

    assert contrast(CLEAR) > 1.1 * contrast(replace(CLEAR, cloudiness=100.0))
    clear, dull = (Lighting.from_weather(replace(CLEAR, cloudiness=value)) for value in (0.0, 100.0))
    assert dull.sun_rgb[1] / dull.ambient_rgb[1] < 0.1 * clear.sun_rgb[1] / clear.ambient_rgb[1]


def test_fog_swallows_the_distance(shoot):
    clear, fog = shoot(CLEAR), shoot(replace(CLEAR, fog_density=70.0, fog_distance=0.0, fog_falloff=0.0))
    far = (clear.depth_m > 60) & (clear.depth_m < 1000)
    near = clear.depth_m < 8
    assert fog.shading[far].mean() < 0.4 * clear.shading[far].mean()
    assert fog.residual[far].mean() > clear.residual[far].mean() + 0.2
    assert fog.shading[near].mean() > 0.75 * clear.shading[near].mean()
    late = shoot(replace(CLEAR, fog_density=70.0, fog_distance=300.0))
    within = far & (clear.depth_m < 200)
    assert (late.shading[within] >= clear.shading[within]).all()


def test_wet_road_is_darker_and_mirrors(shoot):
    dry, wet = shoot(CLEAR), shoot(replace(CLEAR, wetness=100.0))
    road = dry.tag == 1
    assert wet.shading[road].mean() < 0.75 * dry.shading[road].mean()
    near, far = (road & (dry.depth_m < 8), road & (dry.depth_m > 40))
    change = [wet.linear[part].mean() / dry.linear[part].mean() for part in (near, far)]
    assert change[0] < 0.9 < 1.1 < change[1]
    car = dry.instance == 11
    assert np.allclose(wet.shading[car], dry.shading[car], atol=1e-5)


def test_rain_is_seeded_by_the_frame(shoot):
    rain = replace(CLEAR, precipitation=80.0)
    assert np.array_equal(shoot(rain, 5).rgb, shoot(rain, 5).rgb)
    assert not np.array_equal(shoot(rain, 5).rgb, shoot(rain, 6).rgb)
    assert np.array_equal(shoot(CLEAR, 5).rgb, shoot(CLEAR, 6).rgb)


def test_night_has_headlights_and_bright_signs(shoot):
    day, night = shoot(CLEAR), shoot(replace(CLEAR, sun_altitude_angle=-40.0))
    assert night.rgb[:40].mean() < 0.5 * day.rgb[:40].mean()
    road = night.tag == 1
    near, far = road & (day.depth_m < 15), road & (day.depth_m > 70)
    assert night.shading[near].mean() > 3.0 * night.shading[far].mean()
    sign, car = night.tag == 8, night.instance == 11
    assert night.shading[sign].mean() > 1.2 * night.shading[car].mean()


def test_low_sun_is_warm(shoot):
    noon, evening = (Lighting.from_weather(replace(CLEAR, sun_altitude_angle=a)).sun_rgb for a in (60.0, 5.0))
    assert evening[0] / evening[2] > 1.5 * noon[0] / noon[2]


@pytest.mark.parametrize("altitude_deg", [-90, -10, -2, 0, 2, 10, 45, 90])
@pytest.mark.parametrize("cloudiness", [0, 60, 100])
def test_exposure_keeps_pictures_readable(shoot, altitude_deg, cloudiness):
    frame = shoot(replace(CLEAR, sun_altitude_angle=float(altitude_deg), cloudiness=float(cloudiness)))
    assert np.isfinite(frame.linear).all() and (frame.linear >= 0).all()
    assert 12 < frame.rgb.mean() < 225


@pytest.mark.parametrize(
    "field", ["precipitation_deposits", "dust_storm", "wind_intensity", "sun_azimuth_angle", "fog_falloff"]
)
def test_other_terms_show(shoot, field):
    base = replace(CLEAR, wetness=50.0, precipitation=50.0, fog_density=30.0)
    other = replace(base, **{field: 90.0 if field != "fog_falloff" else 3.0})
    assert (shoot(base, 1).rgb != shoot(other, 1).rgb).any(-1).mean() > 0.02

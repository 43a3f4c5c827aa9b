"""A small street for the renderer's tests: road with bands, two cars, a sign, and a panel that shades the sign."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from testbed.world.render import Band, Material, PinholeCamera, Scene, WeatherParameters
from testbed.world.render.primitives import box_mesh, grid_mesh, grid_points

ORIGIN = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
SUN = WeatherParameters(cloudiness=0.0, sun_azimuth_angle=150.0, sun_altitude_angle=40.0, fog_density=0.0)


@dataclass
class Street:
    scene: Scene
    camera: PinholeCamera
    cars: list[int]
    sign: int
    panel: int


def barrel(rings=16, sides=24):
    """A closed tube whose texture meets itself on the side that the camera sees: a seam."""
    t, angle = np.linspace(-1, 1, rings), np.linspace(0, 2 * np.pi, sides)
    radius = 0.72 * np.sqrt(1.02 - t**4)[:, None]
    points = np.stack(
        [2.0 * t[:, None] + 0 * radius * angle, radius * np.cos(angle), 0.85 + radius * np.sin(angle)], -1
    )
    return grid_mesh(points, grid_points(0.5 * (t + 1), angle / (2 * np.pi) + 0.25), "paint")


def build(road="road") -> Street:
    rng = np.random.default_rng(0)
    scene = Scene()
    scene.add_texture("paint", 0.2 + 0.6 * rng.random((64, 64, 3)))
    scene.add_texture("face", 0.1 + 0.8 * rng.random((48, 48, 3)))
    scene.add_material("road", Material("road", bands=(Band(-1.8, 0.15), Band(1.8, 0.15, 3.0, 6.0))))
    scene.add_material("flat", Material(albedo=(0.3, 0.3, 0.3)))
    scene.add_material("paint", Material(texture="paint", albedo=(0.9, 0.5, 0.4), specular=0.8, shininess=60.0))
    scene.add_material("face", Material(texture="face", wrap="clamp"))
    scene.add_material("steel", Material(albedo=(0.4, 0.4, 0.4)))
    st = grid_points(np.linspace(-20, 200, 56), np.linspace(-8, 8, 5))
    ground = grid_mesh(np.concatenate([st, 0 * st[..., :1]], -1), st, road)
    scene.add_object("road", [ground], ORIGIN, tag=1, static=True, casts_shadow=False)
    cars = [
        scene.add_object("car0", [barrel()], (9.0, 2.0, 0.0, 0.0, 20.0, 0.0), tag=14, instance_id=11),
        scene.add_object("car1", [barrel()], (16.0, -2.5, 0.0, 0.0, 0.0, 0.0), tag=14, instance_id=12),
    ]
    st = grid_points([0.4, -0.4], [-0.4, 0.4])
    plate = np.stack([0 * st[..., 0], st[..., 1], 2.0 + st[..., 0]], -1)
    uv = np.stack([(st[..., 1] + 0.4) / 0.8, (0.4 - st[..., 0]) / 0.8], -1)
    parts = [grid_mesh(plate, uv, "face", 8)] + [
        grid_mesh(mesh.vertices_m.reshape(2, 2, 3) + [0.05, 0, 0], mesh.uv.reshape(2, 2, 2), "steel", 6)
        for mesh in box_mesh((0.06, 0.06, 2.3), "steel")
    ]
    sign = scene.add_object("sign", parts, (12.0, 4.0, 0.0, 0.0, 0.0, 0.0), tag=8, instance_id=21, static=True)
    # On the line from the sign to the sun: covers about the right half of its face.
    x, y, z = np.array([12.0, 4.25, 2.0]) + 1.5 * SUN.sun_direction()
    panel = scene.add_object(
        "panel", box_mesh((0.02, 0.3, 0.5), "steel"), (x, y, z - 0.25, 0, 0, 0), tag=20, instance_id=31
    )
    scene.set_weather(SUN)
    return Street(scene, PinholeCamera(320, 160, 75.0, (0.0, 0.0, 1.45, -2.0, 0.0, 0.0)), cars, sign, panel)


@pytest.fixture
def street() -> Street:
    return build()


@pytest.fixture
def flat_street() -> Street:
    """The street with plain grey ground, for tests that compute the colours themselves."""
    return build("flat")


@pytest.fixture
def empty() -> Scene:
    """No objects, but a grey and an emissive-free white material."""
    scene = Scene()
    scene.add_material("grey", Material(albedo=(0.5, 0.5, 0.5)))
    scene.add_texture("dots", np.random.default_rng(1).random((32, 32, 3)))
    scene.add_material("dots", Material(texture="dots"))
    scene.add_material("road", Material("road", bands=(Band(0.0, 0.12),)))
    scene.set_weather(SUN)
    return scene

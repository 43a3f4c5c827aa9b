"""Frame time of the renderer on one thread: a road with moving cars, signs and buildings, about 30k triangles.

Run: ``python benchmarks/render.py [--device cpu] [--png FOLDER]``
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from testbed.core.geometry import Pose
from testbed.core.semantic_tags import SemanticTag
from testbed.core.weather import WeatherParameters
from testbed.world.render.camera import PinholeCamera
from testbed.world.render.mesh import Band, Material, Mesh
from testbed.world.render.primitives import box_mesh, grid_mesh, grid_points
from testbed.world.render.scene import Scene

LANE_M = 3.6


def car_body(stations: int = 60, ring: int = 28) -> list[Mesh]:
    """Return a lofted sedan of about 3,200 triangles with a roof, bonnet and tumblehome, and four wheels."""
    t = np.linspace(-1.0, 1.0, stations)
    top_m = np.interp(t, [-1, -0.95, -0.62, -0.33, 0.15, 0.5, 0.92, 1], [0.65, 0.95, 1.0, 1.43, 1.45, 1.0, 0.82, 0.6])
    wide_m = 0.93 * (1.0 - 0.12 * t**4)
    angle = np.linspace(0.0, 2.0 * np.pi, ring)
    z = 0.22 + (top_m[:, None] - 0.22) * 0.5 * (1.0 + np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** 0.7)
    y = wide_m[:, None] * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.55
    y = y * (1.0 - 0.25 * np.clip((z - 0.95) / 0.5, 0.0, 1.0))
    x = np.broadcast_to(2.35 * t[:, None], y.shape)
    parts = [grid_mesh(np.stack([x, y, z], -1), grid_points(0.5 * (t + 1.0), angle / (2.0 * np.pi)), "paint")]
    turn = np.linspace(0.0, 2.0 * np.pi, 21)
    for wx in (-1.4, 1.4):
        for wy in (-0.85, 0.85):
            radius = np.array([0.0, 0.33, 0.33, 0.0])[:, None]
            side = np.array([-0.12, -0.12, 0.12, 0.12])[:, None] + 0.0 * turn
            rim = np.stack([wx + radius * np.cos(turn), wy + side, 0.33 + radius * np.sin(turn)], -1)
            parts.append(grid_mesh(rim, np.zeros((4, 21, 2)), "rubber"))
    return parts


def build(cars: int = 6, seed: int = 0) -> tuple[Scene, list[int]]:
    """Return the scene and the handles of its cars."""
    rng = np.random.default_rng(seed)
    scene = Scene()
    scene.add_texture("grass", 0.6 * np.array([0.10, 0.15, 0.05]) * (0.8 + 0.4 * rng.random((128, 128, 1))))
    scene.add_texture("facade", np.kron(rng.random((8, 8, 1)) * 0.3 + 0.2, np.ones((16, 16, 3))))
    body = np.full((256, 256, 3), (0.45, 0.03, 0.03))
    body[:, 100:150] = (0.02, 0.025, 0.03)
    scene.add_texture("body", body + 0.01 * rng.random((256, 256, 1)))
    r = np.hypot(*np.meshgrid(np.linspace(-1, 1, 128), np.linspace(-1, 1, 128)))[..., None]
    face = np.where(r < 0.72, 0.8, 1.0) * np.where(r < 0.72, (1.0, 1.0, 1.0), (0.55, 0.02, 0.02))
    scene.add_texture("face", face)
    bands = [Band(t, 0.15) for t in (-2 * LANE_M + 0.2, 2 * LANE_M - 0.2)]
    bands += [Band(t, 0.15, 6.0, 12.0) for t in (-LANE_M, 0.0, LANE_M)]
    scene.add_material("road", Material("road", bands=tuple(bands)))
    scene.add_material("grass", Material(texture="grass"))
    scene.add_material("facade", Material(texture="facade"))
    scene.add_material("paint", Material(texture="body", specular=0.9, shininess=120.0))
    scene.add_material("rubber", Material(albedo=(0.02, 0.02, 0.02)))
    scene.add_material("face", Material(texture="face", specular=0.1, wrap="clamp"))
    scene.add_material("steel", Material(albedo=(0.35, 0.35, 0.35), specular=0.3))

    def bend(s: NDArray[np.float64]) -> NDArray[np.float64]:
        return 8.0 * (np.cos(s / 90.0) - 1.0)

    s, t = np.linspace(-40, 600, 321), np.linspace(-2 * LANE_M - 1.5, 2 * LANE_M + 1.5, 7)
    st = grid_points(s, t)
    road = np.concatenate([st, np.zeros((*st.shape[:2], 1))], 2)
    road[..., 1] += bend(s)[:, None]
    origin = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    scene.add_object(
        "road", [grid_mesh(road, st, "road")], origin, tag=SemanticTag.ROADS, static=True, casts_shadow=False
    )
    st = grid_points(np.linspace(-300, 1200, 40), np.linspace(-500, 500, 30))
    land = np.concatenate([st, np.full((*st.shape[:2], 1), -0.08)], 2)
    scene.add_object(
        "land", [grid_mesh(land, st / 6.0, "grass")], origin, tag=SemanticTag.TERRAIN, static=True, casts_shadow=False
    )
    for k in range(14):
        x, side = 20.0 + 35.0 * k, 1.0 if k % 2 else -1.0
        pose = (x, float(bend(np.array(x))) + side * (19.0 + 2 * (k % 3)), 0.0, 0.0, 0.0, 0.0)
        scene.add_object(
            f"house{k}", box_mesh((14, 9, 5.0 + k % 4), "facade"), pose, tag=SemanticTag.BUILDINGS, static=True
        )
    st = grid_points(np.linspace(0.35, -0.35, 5), np.linspace(-0.35, 0.35, 5))
    plate = np.stack([np.full((5, 5), -0.03), st[..., 1], 2.2 + st[..., 0]], -1)
    uv = np.stack([(st[..., 1] + 0.35) / 0.7, (0.35 - st[..., 0]) / 0.7], -1)
    for k in range(4):
        x = 25.0 + 60.0 * k
        parts = [
            grid_mesh(plate, uv, "face", SemanticTag.TRAFFIC_SIGNS),
            *box_mesh((0.05, 0.05, 2.6), "steel", SemanticTag.POLES),
        ]
        pose = (x, float(bend(np.array(x))) + 2 * LANE_M + 1.2, 0.0, 0.0, 0.0, 0.0)
        scene.add_object(f"sign{k}", parts, pose, tag=SemanticTag.TRAFFIC_SIGNS, instance_id=100 + k, static=True)
    handles = []
    for k in range(cars):
        parts = car_body()
        handles.append(scene.add_object(f"car{k}", parts, car_pose(k, 0), tag=SemanticTag.CAR, instance_id=10 + k))
    return scene, handles


def car_pose(k: int, frame: int) -> Pose:
    """Return where car k is in a frame."""
    x = 9.0 + 12.0 * k + 0.05 * frame * (1 + k % 3)
    yaw_deg = float(np.degrees(np.arctan(-8.0 / 90.0 * np.sin(x / 90.0))))
    return (x, 8.0 * (np.cos(x / 90.0) - 1.0) + LANE_M * ((k % 3) - 0.5), 0.0, 0.0, yaw_deg, 0.0)


def ego_camera(width_px: int, height_px: int, frame: int) -> PinholeCamera:
    """Return the driving camera, moving at 25 m/s with 20 frames a second."""
    x = 1.25 * frame % 100.0
    y = 8.0 * (np.cos(x / 90.0) - 1.0) + LANE_M / 2
    yaw_deg = float(np.degrees(np.arctan(-8.0 / 90.0 * np.sin(x / 90.0))))
    return PinholeCamera(width_px, height_px, 75.0, (x, float(y), 1.45, -2.0, yaw_deg, 0.0))


def main() -> None:
    """Print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--png", type=Path)
    options = parser.parse_args()
    from testbed.world.render.renderer import ALL_OUTPUTS, RGB_ONLY, Renderer

    start = time.perf_counter()
    scene, cars = build()
    triangles = sum(len(part.triangles) for item in scene.objects.values() for part in item.parts)
    renderer = Renderer(scene, options.device)
    renderer.render(ego_camera(320, 160, 0))
    print(f"{triangles} triangles, first picture after {time.perf_counter() - start:.1f} s")
    for width_px, height_px in ((320, 160), (640, 360)):
        for want, title in ((RGB_ONLY, "rgb"), (ALL_OUTPUTS, "all outputs")):
            times = []
            for frame in range(options.frames):
                for k, handle in enumerate(cars):
                    scene.set_pose(handle, car_pose(k, frame))
                start = time.perf_counter()
                renderer.render(ego_camera(width_px, height_px, frame), want=want)
                times.append(1e3 * (time.perf_counter() - start))
            print(
                f"{width_px} x {height_px} {title:11s} median {np.median(times):5.1f} ms, "
                f"fastest {min(times):5.1f}, slowest tenth {np.quantile(times, 0.9):5.1f}"
            )
    if options.png:
        from PIL import Image

        for name, weather in WEATHERS.items():
            scene.set_weather(weather)
            rgb = renderer.render(ego_camera(640, 320, 0)).rgb
            assert rgb is not None
            Image.fromarray(rgb).save(options.png / f"{name}.png")


WEATHERS = {
    "noon": WeatherParameters(sun_azimuth_angle=-60.0),
    "overcast": WeatherParameters(cloudiness=90.0),
    "low_sun": WeatherParameters(sun_altitude_angle=10.0, sun_azimuth_angle=-25.0, cloudiness=25.0),
    "fog": WeatherParameters(fog_density=60.0, cloudiness=60.0, fog_distance=0.0),
    "rain": WeatherParameters(
        cloudiness=100.0, precipitation=80.0, precipitation_deposits=70.0, wetness=90.0, wind_intensity=60.0
    ),
    "night": WeatherParameters(sun_altitude_angle=-30.0),
}

if __name__ == "__main__":
    main()

"""Pictures of one vehicle, open for any paint: drawn once by the engine, repainted thousands of times in torch.

A pixel of the paint is ``L * lookup(texture) + R`` with the engine's own light L, residual R (gloss, fog, rain) and
texture lookup; weather and time of day are in L and R, so they need no model of their own. All other pixels are the
engine's bytes. Repainted pictures agree with the engine's to a rounding step.

Two kinds of view: *road* views, what the camera of a car sees that follows in the same lane, and *free* views, in which
the vehicle stands there at any angle and the camera may be higher.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from testbed.adversaries.camouflage.car import INSTANCE, NAME, Subject
from testbed.core.errors import MapError
from testbed.core.perception_tasks import (
    CAMERA_FOV_DEG,
    CAMERA_PITCH_DEG,
    CAMERA_X_M,
    CAMERA_Z_M,
    FOCAL_PX,
    IMAGE_HEIGHT_PX,
    IMAGE_WIDTH_PX,
)
from testbed.core.types import Box, Pose
from testbed.core.weather import WeatherParameters
from testbed.world.maps import load_map
from testbed.world.render.camera import PinholeCamera, mounted
from testbed.world.render.renderer import Renderer
from testbed.world.render.rerender import NEEDED, Rerenderer, pyramid, to_srgb
from testbed.world.render.scene import Scene

if TYPE_CHECKING:
    from testbed.world.maps.network import RoadNetwork

LIGHTS: dict[tuple[str, str], WeatherParameters] = {
    ("clear", "noon"): WeatherParameters(),
    ("clear", "evening"): WeatherParameters(cloudiness=20.0, sun_altitude_angle=7.0),
    ("clear", "night"): WeatherParameters(cloudiness=20.0, sun_altitude_angle=-20.0),
    ("overcast", "noon"): WeatherParameters(cloudiness=90.0),
    ("rain", "noon"): WeatherParameters(
        cloudiness=80.0, precipitation=60.0, precipitation_deposits=50.0, wetness=70.0, fog_density=5.0
    ),
    ("fog", "noon"): WeatherParameters(cloudiness=70.0, fog_density=30.0, fog_distance=10.0),
}
"""(Weather, time of day) of the evaluation grid."""

DISTANCES_M = (7.0, 10.0, 15.0, 22.0, 32.0, 45.0)
YAWS_DEG = tuple(float(yaw) for yaw in range(0, 360, 45))
HEIGHTS_M = (CAMERA_Z_M, 2.4)
NEAREST_M, FARTHEST_M = 5.0, 60.0
BROADSIDE_SHARE = 1.0 / 3.0
FOLLOWING_M = tuple(float(gap) for gap in range(8, 53, 4))


@dataclass(frozen=True)
class Viewpoint:
    """From where and in which light a vehicle is seen.

    Attributes:
        distance_m: From the camera to the vehicle's centre, along the lane.
        yaw_deg: How far the vehicle is turned against the lane, clockwise from above; 0 shows its rear.
        height_m: Camera above the road.
        pitch_deg: Camera, upwards positive.
        aside_m: Vehicle's centre from the lane's, positive left.
        weather: Name of the weather.
        time: Name of the time of day.
        sky: Weather and sun.
        road: Whether a following car sees this.
    """

    distance_m: float
    yaw_deg: float
    height_m: float
    pitch_deg: float
    aside_m: float
    weather: str
    time: str
    sky: WeatherParameters
    road: bool


@dataclass(frozen=True, eq=False)
class VehicleView:
    """One picture; P pixels show paint and read K texels of the mip pyramid.

    Attributes:
        look: How it was taken.
        camera: From where exactly.
        pose: Pose of the vehicle.
        box_px: Box of the vehicle's visible pixels.
        base: (H, W, 3) uint8 with the original paint.
        pixels: (P,) int64, flat index of the painted pixels.
        light: (P, 3) float32, L.
        residual: (P, 3) float32, R.
        reads: (K,) int32, texel of the pyramid.
        weights: (K,) float32.
        starts: (P,) int32, first read of every pixel.
    """

    look: Viewpoint
    camera: PinholeCamera
    pose: Pose
    box_px: Box
    base: Tensor
    pixels: Tensor
    light: Tensor
    residual: Tensor
    reads: Tensor
    weights: Tensor
    starts: Tensor

    def to(self, device: str) -> VehicleView:
        """Return the view with its arrays on a device."""
        return replace(self, **{name: getattr(self, name).to(device) for name in _ARRAYS})


_ARRAYS = ("base", "pixels", "light", "residual", "reads", "weights", "starts")


class VehicleScene:
    """A map on which a vehicle is photographed.

    Args:
        subject: The vehicle.
        map_name: Embedded map.
        device: Where the engine draws: ``cpu`` or ``cuda:0``.
    """

    TRIES = 60

    def __init__(self, subject: Subject, map_name: str = "highway", device: str = "cpu") -> None:
        """Build scenery and renderer."""
        from testbed.world.maps.scenery import build_scenery

        self.subject = subject
        self._network: RoadNetwork = load_map(map_name).network
        self.scene = Scene()
        build_scenery(self._network, self.scene, seed=0)
        self._handle = subject.place(self.scene)
        self.renderer = Renderer(self.scene, device)
        reach_m = FARTHEST_M + 15.0
        self._lanes = [
            (road.id, lane.id, road.length_m)
            for road in self._network.roads.values()
            if road.junction == -1 and road.length_m > reach_m
            for lane in road.section(0.0).lanes.values()
            if lane.drivable
        ]
        if not self._lanes:
            raise MapError(f"map {map_name!r} has no road of {reach_m:.0f} m to photograph a vehicle on")

    def photograph(self, look: Viewpoint, rng: np.random.Generator) -> VehicleView:
        """Take one picture from a place on the road that chance chooses, where nothing hides the vehicle.

        Raises:
            MapError: If there is no such place.
        """
        for _ in range(self.TRIES):
            placed = self._stand(look, rng)
            if placed is None:
                continue
            camera, vehicle = placed
            self.scene.set_pose(self._handle, vehicle)
            self.scene.set_weather(look.sky)
            view = self._take(look, camera, vehicle)
            if view is not None:
                return view
        raise MapError(f"found no place on the map from which a vehicle is seen {look.distance_m:.0f} m ahead")

    def _stand(self, look: Viewpoint, rng: np.random.Generator) -> tuple[PinholeCamera, Pose] | None:
        lengths = np.array([lane[2] for lane in self._lanes])
        road, lane, length_m = self._lanes[rng.choice(len(lengths), p=lengths / lengths.sum())]
        ahead_m = CAMERA_X_M + look.distance_m
        station_m = float(rng.uniform(3.0, length_m - ahead_m - 12.0))
        sense = 1.0 if lane < 0 else -1.0
        first_m = station_m if lane < 0 else length_m - station_m
        aside = float(np.clip(rng.normal(0.0, 0.2), -0.5, 0.5))
        heading = float(np.clip(rng.normal(0.0, 0.8), -2.0, 2.0))
        try:
            ego = self._shift(self._network.lane_centre(road, lane, first_m), aside, heading)
            vehicle = self._shift(
                self._network.lane_centre(road, lane, first_m + sense * ahead_m), look.aside_m, look.yaw_deg
            )
        except MapError:
            return None  # the lane ends before the road does
        pose = mounted(ego, CAMERA_X_M, look.height_m, look.pitch_deg)
        return PinholeCamera(IMAGE_WIDTH_PX, IMAGE_HEIGHT_PX, CAMERA_FOV_DEG, pose), vehicle

    @staticmethod
    def _shift(pose: Pose, lateral_offset_m: float, turn_deg: float) -> Pose:
        yaw = math.radians(pose[4])
        x_m, y_m = pose[0] + lateral_offset_m * math.sin(yaw), pose[1] - lateral_offset_m * math.cos(yaw)
        return (x_m, y_m, pose[2], pose[3], pose[4] + turn_deg, pose[5])

    def show(self, view: VehicleView, texture: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return what the engine itself draws of a view with a linear texture (h, w, 3)."""
        self.scene.set_object_texture(NAME, texture)
        self.scene.set_pose(self._handle, view.pose)
        self.scene.set_weather(view.look.sky)
        frame = self.renderer.render(view.camera)
        self.scene.set_object_texture(NAME, self.subject.original)
        assert frame.rgb is not None
        return frame.rgb

    def _take(self, look: Viewpoint, camera: PinholeCamera, vehicle: Pose) -> VehicleView | None:
        frame = self.renderer.render(camera, want=NEEDED | {"rgb"})
        assert frame.instance is not None and frame.rgb is not None
        assert frame.shading is not None and frame.residual is not None
        shown = frame.instance == INSTANCE
        rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
        expected_px = 2.0 * self.subject.half_extent_m[2] * FOCAL_PX / look.distance_m
        cut = len(columns) and (columns[0] == 0 or columns[-1] == IMAGE_WIDTH_PX - 1)
        if len(rows) < 0.6 * min(expected_px, 0.5 * IMAGE_HEIGHT_PX) or (cut and look.distance_m > 10.0):
            return None  # behind a crest, or out of the picture in a bend
        number, wrap = self.scene.texture_number(NAME), self.scene.texture_wrap(NAME)
        twin = Rerenderer(frame, number, self.subject.size_px, wrap=wrap, instance=INSTANCE)
        mask = twin.mask.numpy()
        return VehicleView(
            look,
            camera,
            vehicle,
            (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)),
            torch.from_numpy(frame.rgb),
            torch.from_numpy(np.flatnonzero(mask)),
            torch.from_numpy(frame.shading[mask]),
            torch.from_numpy(frame.residual[mask]),
            twin.reads.texels.int(),
            twin.reads.weights,
            twin.reads.starts.int(),
        )


def repaint(views: Sequence[VehicleView], texture: Tensor) -> Tensor:
    """Return pictures (N, 3, H, W), sRGB in 0-1, of views with a texture (3, h, w), linear; differentiable in it."""
    base = torch.stack([view.base for view in views])
    size = base.shape[1] * base.shape[2]
    ends = np.cumsum([len(view.reads) for view in views])
    found = torch.nn.functional.embedding_bag(
        torch.cat([view.reads for view in views]),
        torch.cat([level.flatten(1).T for level in pyramid(texture)]),
        torch.cat([view.starts + int(end) - len(view.reads) for view, end in zip(views, ends, strict=True)]),
        mode="sum",
        per_sample_weights=torch.cat([view.weights for view in views]),
    )
    light, residual = torch.cat([view.light for view in views]), torch.cat([view.residual for view in views])
    where = torch.cat([view.pixels + number * size for number, view in enumerate(views)])
    pictures = (base.reshape(-1, 3).float() / 255.0).index_copy(0, where, to_srgb(light * found + residual))
    return pictures.view(base.shape).permute(0, 3, 1, 2)


def as_bytes(pictures: Tensor) -> NDArray[np.uint8]:
    """Return pictures (N, 3, H, W) in 0-1 as (N, H, W, 3) bytes, rounded as the engine rounds."""
    return (pictures.detach() * 255.0).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()


def training_viewpoints(count: int, rng: np.random.Generator, *, road_share: float) -> Iterator[Viewpoint]:
    """Yield looks drawn at random: distances from 5 to 60 m, the weathers of the data sets.

    Args:
        count: How many.
        rng: Source of chance.
        road_share: Share that a driver's camera sees in its own lane: two thirds from behind, one third broadside. The
            others show the vehicle at any angle, some from a higher camera.
    """
    from testbed.world.sampled_weather import sample_weather

    for _ in range(count):
        road = bool(rng.random() < road_share)
        broadside = bool(rng.random() < BROADSIDE_SHARE)
        # Even in the logarithm: the vehicle's size in the picture matters, not the metres.
        distance_m = float(np.exp(rng.uniform(math.log(NEAREST_M), math.log(FARTHEST_M))))
        height_m, pitch_deg = CAMERA_Z_M, CAMERA_PITCH_DEG + float(rng.normal(0.0, 0.3))
        if not road and rng.random() < 0.4:
            height_m = float(rng.uniform(1.2, 4.0))
            pitch_deg = looking_down_deg(height_m, distance_m)
        yaw_deg = float(rng.uniform(0.0, 360.0))
        if road:
            side = 90.0 if yaw_deg < 180.0 else -90.0
            yaw_deg = side + float(rng.normal(0.0, 6.0)) if broadside else float(rng.normal(0.0, 2.0))
        aside_m = float(np.clip(rng.normal(0.0, 0.4), -1.4, 1.4))
        yield Viewpoint(distance_m, yaw_deg, height_m, pitch_deg, aside_m, "drawn", "drawn", sample_weather(rng), road)


def looking_down_deg(height_m: float, distance_m: float) -> float:
    """Return the pitch of a camera that is higher than a driver's and keeps the vehicle near the middle."""
    return CAMERA_PITCH_DEG - 0.6 * math.degrees(math.atan2(height_m - CAMERA_Z_M, distance_m))


def free_grid(
    distances_m: Sequence[float] = DISTANCES_M,
    yaws_deg: Sequence[float] = YAWS_DEG,
    heights_m: Sequence[float] = HEIGHTS_M,
) -> list[Viewpoint]:
    """Return the evaluation grid: every distance, yaw, camera height and light with every other."""
    return [
        Viewpoint(
            distance_m,
            yaw_deg,
            height_m,
            looking_down_deg(height_m, distance_m),
            0.0,
            weather,
            time,
            _turned(sky, number),
            False,
        )
        for distance_m in distances_m
        for yaw_deg in yaws_deg
        for height_m in heights_m
        for number, ((weather, time), sky) in enumerate(LIGHTS.items())
    ]


def following_grid(
    distances_m: Sequence[float] = FOLLOWING_M, yaws_deg: Sequence[float] = (0.0,), repeats: int = 3
) -> list[Viewpoint]:
    """Return what a driver sees in its own lane: every distance, yaw and light, ``repeats`` places on the road each.

    Args:
        distances_m: Distances.
        yaws_deg: 0 for a car that drives ahead, 90 and 270 for one that stands across the lane.
        repeats: Places.
    """
    return [
        Viewpoint(
            distance_m, yaw_deg, CAMERA_Z_M, CAMERA_PITCH_DEG, 0.0, weather, time, _turned(sky, 3 * number + k), True
        )
        for distance_m in distances_m
        for yaw_deg in yaws_deg
        for number, ((weather, time), sky) in enumerate(LIGHTS.items())
        for k in range(repeats)
    ]


def _turned(sky: WeatherParameters, number: int) -> WeatherParameters:
    """Return a weather with the sun at another azimuth; golden angle, so that any run of numbers spreads evenly."""
    return replace(sky, sun_azimuth_angle=(137.5 * number) % 360.0)


def photographs(scenes: Sequence[VehicleScene], looks: Sequence[Viewpoint], seed: int) -> list[VehicleView]:
    """Take pictures, each on a map that chance chooses; equal arguments give equal views."""
    rng = np.random.default_rng([seed, 41])
    return [scenes[int(rng.integers(len(scenes)))].photograph(look, rng) for look in looks]

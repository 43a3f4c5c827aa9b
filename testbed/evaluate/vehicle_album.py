"""Views of one vehicle ahead, painted as it comes and painted by an attack: a grid of distance, yaw, weather and light.

The vehicle stands in the ego's lane on stretches of road that no training picture shows. The same poses, light and
stretch of road are photographed with every paint, so all answers are paired. Some benign views have no vehicle at all,
so that saying "vehicle" always is no good answer; there is nothing to be attacked in them.
"""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from testbed.core.errors import UsageError
from testbed.core.perception_tasks import EGO_HALF_LENGTH_M
from testbed.core.weather import WeatherParameters
from testbed.evaluate.albums import BENIGN, MAP, AlbumPicture, map_camera
from testbed.evaluate.answers import NONE, VEHICLE

if TYPE_CHECKING:
    from testbed.adversaries.artefact import Artefact
    from testbed.scenario.loader import LoadedFile
    from testbed.scenario.schema import Adversary, Scenario
    from testbed.training.data.map_camera import EgoPlacement, MapCamera

KIND = "camouflage"
INSTANCE = 77
WANT = frozenset({"rgb", "instance"})
DISTANCES_M = (6.0, 10.0, 16.0, 24.0, 34.0)
YAWS_DEG = (0.0, 10.0, -10.0, 30.0, -30.0, 90.0, -90.0, 180.0)
WEATHERS: dict[str, dict[str, float]] = {
    "clear noon": {"sun_altitude_angle": 60.0, "cloudiness": 10.0},
    "overcast": {"sun_altitude_angle": 40.0, "cloudiness": 95.0},
    "low sun": {"sun_altitude_angle": 8.0, "cloudiness": 10.0},
    "wet": {"sun_altitude_angle": 35.0, "cloudiness": 85.0, "wetness": 80.0, "precipitation": 30.0},
}
EMPTY_EVERY = 4
"""Every so many views there is no vehicle."""
PLAIN_RGB = (0.35, 0.37, 0.30)
"""Linear colour of the plain repaint that every table shows beside an attack."""
PLAIN = "plain_colour"


class VehicleViews:
    """Views of a vehicle ahead under several paints.

    Args:
        scenario: Scenario with a camouflage; its camouflages and controls are conditions, besides a plain repaint.
        count: Number of views per condition.
        seed: Seed of the views.
    """

    task = "vd"

    def __init__(self, scenario: LoadedFile[Scenario], count: int, *, seed: int = 0) -> None:
        """Check that the scenario has such adversaries and that their artefacts exist.

        Raises:
            UsageError: It has no camouflage.
            ArtefactError: An artefact is missing or was altered.
        """
        from testbed import adversaries

        content = scenario.content
        self._entries = {entry.id: entry for entry in content.adversaries if entry.kind == KIND}
        attack = next((entry for entry in self._entries.values() if not entry.control), None)
        if attack is None:
            raise UsageError(f"scenario {content.name!r} has no camouflage to evaluate")
        self._name, self._count, self._seed = content.name, count, seed
        base: Path = scenario.path.parent
        self._artefacts: dict[str, Artefact] = {
            name: adversaries.load(name, base=base, kind=KIND)
            for entry in self._entries.values()
            for name in entry.artefacts
        }
        self.blueprint = next(actor.blueprint for actor in content.actors if actor.id == attack.actor)

    @property
    def attacks(self) -> tuple[str, ...]:
        """Conditions that attack."""
        return tuple(name for name, entry in self._entries.items() if not entry.control)

    @property
    def controls(self) -> tuple[str, ...]:
        """Conditions that only repaint."""
        return (*(name for name, entry in self._entries.items() if entry.control), PLAIN)

    @property
    def artefacts(self) -> dict[str, str]:
        """Artefact name to digest."""
        return {name: artefact.digest for name, artefact in self._artefacts.items()}

    def recipe(self, condition: str) -> dict[str, Any]:
        """Return the grid, the seed and the renderer's sources, and the artefacts that the condition shows."""
        from testbed.training.data.generate import renderer_hash

        entry = self._entries.get(condition)
        return {
            "album": "vehicle views",
            "blueprint": self.blueprint,
            "shown": "all" if condition == BENIGN else "with a vehicle",
            "paint": condition if entry is None else [[name, self.artefacts[name]] for name in entry.artefacts],
            "count": self._count,
            "seed": self._seed,
            "grid": [DISTANCES_M, YAWS_DEG, WEATHERS, EMPTY_EVERY, PLAIN_RGB],
            "map": MAP,
            "renderer_sha256": renderer_hash(),
        }

    def pictures(self, condition: str) -> list[AlbumPicture]:
        """Return the pictures of a condition; under an attack or control only those that show the vehicle.

        Raises:
            UsageError: There is no such condition.
        """
        if condition not in (BENIGN, *self.attacks, *self.controls):
            raise UsageError(f"scenario {self._name!r} has no condition {condition!r}")
        views = [(index, view) for index, view in enumerate(self._views) if condition == BENIGN or view[1] is not None]
        return [self._picture(index, condition, *view) for index, view in views]

    @cached_property
    def _map_camera(self) -> MapCamera:
        found: MapCamera = map_camera(MAP)
        return found

    @cached_property
    def _car(self) -> tuple[int, str, float]:
        """Handle, object name and half length of the vehicle."""
        from testbed.world.assets import vehicle_asset
        from testbed.world.assets.vehicle_models import VEHICLE_BY_ID

        model = VEHICLE_BY_ID[self.blueprint]
        asset = vehicle_asset(model.type_id, (150, 20, 24), extent_m=model.half_extent_m, wheelbase_m=model.wheelbase_m)
        name = "evaluated:vehicle"
        handle = asset.place(self._map_camera.scene, name, (0.0,) * 6, tag=model.tag, instance_id=INSTANCE)
        self._map_camera.scene.set_visible(handle, False)
        return handle, name, model.half_extent_m[0]

    @cached_property
    def _paint(self) -> NDArray[np.float32]:
        return np.array(self._map_camera.scene.object_texture(self._car[1])[..., :3])

    @cached_property
    def _views(self) -> list[tuple[EgoPlacement, float | None, float, str]]:
        """Stretch of road, gap (None: no vehicle), yaw and weather of every view."""
        rng = np.random.default_rng([self._seed, 23])
        views: list[tuple[EgoPlacement, float | None, float, str]] = []
        shown = 0
        for index in range(self._count):
            stand = self._stand(rng)
            weather = list(WEATHERS)[int(rng.integers(len(WEATHERS)))]
            if index % EMPTY_EVERY == EMPTY_EVERY - 1:
                views.append((stand, None, 0.0, weather))
                continue
            # the grid is walked diagonally, so that a short walk meets every distance and every yaw
            gap_m = DISTANCES_M[shown % len(DISTANCES_M)]
            views.append((stand, gap_m, YAWS_DEG[(shown + shown // 40) % len(YAWS_DEG)], weather))
            shown += 1
        return views

    def _stand(self, rng: np.random.Generator) -> EgoPlacement:
        """Return a place whose lane leads on beyond the farthest vehicle."""
        while True:
            heading_rad = math.radians(float(rng.normal(0.0, 0.5)))
            stand = self._map_camera.stand(rng, "test", float(rng.normal(0.0, 0.15)), heading_rad)
            if stand.course.reach_m > DISTANCES_M[-1] + 2.0 * EGO_HALF_LENGTH_M + self._car[2]:
                return stand

    def _texture(self, condition: str, index: int) -> NDArray[np.float32]:
        paint = self._paint
        if condition == BENIGN:
            return paint
        if condition == PLAIN:
            return np.broadcast_to(np.array(PLAIN_RGB, np.float32), paint.shape).copy()
        entry: Adversary = self._entries[condition]
        skin = self._artefacts[entry.artefacts[index % len(entry.artefacts)]].payload()
        return skinned(paint, skin)

    def _picture(
        self, index: int, condition: str, stand: EgoPlacement, gap_m: float | None, yaw_deg: float, weather: str
    ) -> AlbumPicture:
        from testbed.training.data.visibility import box_of

        handle, name, half_m = self._car
        scene = self._map_camera.scene
        rng = np.random.default_rng([self._seed, 31, index])
        scene.set_weather(WeatherParameters(**WEATHERS[weather], sun_azimuth_angle=float(rng.uniform(0.0, 360.0))))
        tags = [("weather", weather)]
        if gap_m is not None:
            reach_m = gap_m + EGO_HALF_LENGTH_M + half_m
            centre = stand.course.pose(reach_m)
            scene.set_pose(handle, (*centre[:4], centre[4] + yaw_deg, centre[5]))
            scene.set_object_texture(name, self._texture(condition, index))
            tags = [("distance", f"{gap_m:g} m"), ("yaw", f"{yaw_deg:g}°"), *tags]
        scene.set_visible(handle, gap_m is not None)
        try:
            frame = self._map_camera.renderer.render(self._map_camera.camera(stand.pose), want=WANT)
        finally:
            scene.set_visible(handle, False)
        assert frame.rgb is not None and frame.instance is not None
        box = box_of(frame.instance == INSTANCE) if gap_m is not None else None
        truth = VEHICLE if box is not None else NONE
        return AlbumPicture(f"{index:04d}", f"{index:04d}", frame.rgb, truth, box_px=box, tags=tuple(tags))


def skinned(paint: NDArray[np.float32], skin: Any) -> NDArray[np.float32]:
    """Return a paint atlas with a skin over it.

    Args:
        paint: Linear atlas of the vehicle, shape (h, w, 3).
        skin: `testbed.core.types.Skin` of the same or another size; scaled by the nearest texel.
    """
    rows = (np.arange(paint.shape[0]) * skin.rgb.shape[0]) // paint.shape[0]
    columns = (np.arange(paint.shape[1]) * skin.rgb.shape[1]) // paint.shape[1]
    colour = skin.rgb[rows][:, columns]
    if skin.mask is None:
        return np.ascontiguousarray(colour, np.float32)
    share = skin.mask[rows][:, columns][..., None]
    return np.ascontiguousarray(paint * (1.0 - share) + colour * share, np.float32)

"""What is painted: a vehicle whose first part carries a paint atlas, and which texels of that atlas anybody can see.

The mask is found by looking: the vehicle is drawn from all round, close up, and every texel that some pixel shows
belongs to it. So glass, lamps, plates and whatever else covers the paint take their share off by themselves, for the
simulator's own bodies and for a user's mesh alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from testbed.core.errors import UsageError
from testbed.core.semantic_tags import SemanticTag
from testbed.world.assets.asset import Asset
from testbed.world.assets.car_body import ATLAS_PX
from testbed.world.assets.vehicle_assets import vehicle_asset
from testbed.world.assets.vehicle_models import VEHICLE_BY_ID
from testbed.world.render.camera import PinholeCamera
from testbed.world.render.renderer import Renderer
from testbed.world.render.scene import Scene

NAME = "subject"
INSTANCE = 77
ORIGINAL_RGB8 = (255, 255, 255)
"""Colour of a vehicle that is spawned without asking for one."""

_CLOSE_UP_M, _CLOSE_UP_FOV_DEG = 1.35, 60.0
_YAWS_DEG = tuple(range(0, 360, 20))
_PITCHES_DEG = (-4.0, 12.0, 38.0, 75.0)


@dataclass(frozen=True, eq=False)
class Subject:
    """A vehicle to be painted.

    Attributes:
        name: Blueprint id, or the name of the user's mesh.
        asset: Its meshes; ``parts[0]`` is the paint.
        tag: CARLA semantic tag.
        half_extent_m: Half length, half width, half height.
        mask: Shape (h, w), bool: texels of the atlas that can be seen.
        original: Shape (h, w, 3), float32, linear: the atlas as it comes.
    """

    name: str
    asset: Asset
    tag: int
    half_extent_m: tuple[float, float, float]
    mask: NDArray[np.bool_]
    original: NDArray[np.float32]

    @property
    def size_px(self) -> tuple[int, int]:
        """Height and width of the atlas."""
        return self.mask.shape[0], self.mask.shape[1]

    def place(self, scene: Scene) -> int:
        """Add it to a scene, under ``NAME`` and with a paint of its own, and return its handle."""
        handle = self.asset.place(scene, NAME, (0.0,) * 6, tag=self.tag, instance_id=INSTANCE)
        scene.set_object_texture(NAME, self.original)
        return handle


@cache
def vehicle_subject(blueprint: str, colour: tuple[int, int, int] = ORIGINAL_RGB8) -> Subject:
    """Return a vehicle of the simulator.

    Args:
        blueprint: CARLA blueprint id.
        colour: Original paint, sRGB bytes.

    Raises:
        UsageError: If there is no such vehicle, or it has no atlas (two-wheelers).
    """
    model = VEHICLE_BY_ID.get(blueprint)
    if model is None:
        raise UsageError(f"no vehicle {blueprint!r}", hint=f"known: {', '.join(sorted(VEHICLE_BY_ID))}")
    asset = vehicle_asset(blueprint, colour, extent_m=model.half_extent_m, wheelbase_m=model.wheelbase_m)
    texture = asset.materials[asset.parts[0].material].texture
    assert texture is not None
    original = asset.textures[texture]
    if original.shape[0] != ATLAS_PX:
        raise UsageError(f"{blueprint} has no paint atlas", hint="choose a vehicle with four wheels or more")
    return Subject(
        blueprint, asset, model.tag, model.half_extent_m, visible_texels(asset, original.shape[:2]), original
    )


def visible_texels(asset: Asset, size_px: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which texels (h, w) of the first part's texture are seen from somewhere around the asset.

    Gaps of a few texels between the pixels of the pictures are closed, lone texels seen through a crack dropped.
    """
    from scipy import ndimage

    height, width = size_px[:2]
    scene = Scene()
    asset.place(scene, NAME, (0.0,) * 6, tag=SemanticTag.CAR, instance_id=INSTANCE)
    scene.set_object_texture(NAME, np.zeros((height, width, 3), np.float32))
    number = scene.texture_number(NAME)
    renderer = Renderer(scene)
    low, high = asset.bounds_m()
    centre, radius_m = 0.5 * (low + high), 0.5 * float(np.linalg.norm(high - low))
    distance_m = _CLOSE_UP_M * radius_m / math.tan(math.radians(_CLOSE_UP_FOV_DEG / 2.0))
    seen = np.zeros((height, width), bool)
    side_px = max(96, int(1.25 * max(height, width)))
    for pitch_deg in _PITCHES_DEG:
        for yaw_deg in _YAWS_DEG:
            yaw, pitch = math.radians(yaw_deg), math.radians(pitch_deg)
            away = np.array([math.cos(yaw) * math.cos(pitch), math.sin(yaw) * math.cos(pitch), math.sin(pitch)])
            x_m, y_m, z_m = (float(value) for value in centre + distance_m * away)
            camera = PinholeCamera(
                side_px, side_px, _CLOSE_UP_FOV_DEG, (x_m, y_m, z_m, -pitch_deg, yaw_deg + 180.0, 0.0)
            )
            frame = renderer.render(camera, want=frozenset({"material", "uv"}))
            assert frame.material is not None and frame.uv is not None
            uv = frame.uv[frame.material == number]
            place = np.floor((uv - np.floor(uv)) * (width, height)).astype(np.int64)
            seen[np.clip(place[:, 1], 0, height - 1), np.clip(place[:, 0], 0, width - 1)] = True
    return np.asarray(ndimage.binary_opening(ndimage.binary_closing(seen, iterations=2)), dtype=bool)

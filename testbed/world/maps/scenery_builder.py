"""Where scenery is put: shapes in world coordinates go in, objects of the scene and their boxes come out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from testbed.core.geometry import Pose
from testbed.world.assets import textures
from testbed.world.assets.asset import Asset
from testbed.world.assets.shapes import Shape
from testbed.world.render.mesh import Material
from testbed.world.render.scene import Scene

Extent = tuple[float, float, float]

FIRST_INSTANCE_ID = 1_000_001


@dataclass(frozen=True)
class SceneryObject:
    """An object of the map as clients and collisions know it.

    Attributes:
        name: Name in the scene, which the texture calls accept if it has a texture.
        instance_id: Value in instance pictures.
        tag: CARLA semantic tag.
        pose: World pose.
        centre_m: Centre of the bounding box in the object's frame.
        extent_m: Half sizes of the bounding box.
        signal_id: id of the OpenDRIVE signal it shows, or "".
        solids: Oriented boxes that stop vehicles: (world pose of the box centre, half sizes).
        handle: Handle in the scene.
    """

    name: str
    instance_id: int
    tag: int
    pose: Pose
    centre_m: Extent
    extent_m: Extent
    signal_id: str = ""
    solids: tuple[tuple[Pose, Extent], ...] = ()
    handle: int = 0


_MATERIALS: dict[str, Material] = {
    "grass": Material(texture="grass"),
    "meadow": Material(texture="meadow"),
    "grain": Material(texture="grain"),
    "crop": Material(texture="crop"),
    "earth": Material(texture="earth"),
    "leaves": Material(texture="leaves"),
    "leaves_light": Material(texture="leaves_light"),
    "needles": Material(texture="needles"),
    "bark": Material(texture="bark"),
    "concrete": Material(texture="concrete"),
    "paving": Material(texture="paving"),
    "steel": Material(texture="steel", specular=0.35, shininess=24.0),
    "plaster": Material(texture="plaster"),
    "brick": Material(texture="brick"),
    "hall": Material(texture="hall", specular=0.1),
    "tiles": Material(texture="tiles"),
    "gravel": Material(texture="gravel"),
    "slate": Material(texture="slate"),
    **{f"facade_{kind}": Material(texture=f"facade_{kind}") for kind in range(textures.STREET_FACADES)},
    **{f"shop_{kind}": Material(texture=f"shop_{kind}", specular=0.1) for kind in range(textures.SHOP_FRONTS)},
    "white_plastic": Material(albedo=textures.linear_rgb((235, 235, 232)), specular=0.1),
    "black_plastic": Material(albedo=textures.linear_rgb((28, 28, 30)), specular=0.1),
    "reflector": Material(albedo=textures.linear_rgb((250, 150, 40)), specular=0.4),
}
_TEXTURES: dict[str, Callable[[], textures.Pixels]] = {
    "grass": textures.grass,
    "meadow": lambda: textures.meadow(0),
    "grain": lambda: textures.meadow(1),
    "crop": lambda: textures.meadow(2),
    "earth": lambda: textures.meadow(3),
    "leaves": lambda: textures.leaves(0),
    "leaves_light": lambda: textures.leaves(1),
    "needles": lambda: textures.leaves(2),
    "bark": textures.bark,
    "concrete": textures.concrete,
    "paving": textures.paving,
    "steel": textures.steel,
    "plaster": lambda: textures.facade(0),
    "brick": lambda: textures.facade(1),
    "hall": lambda: textures.facade(2),
    "tiles": textures.tiles,
    "gravel": textures.gravel,
    "slate": textures.slate,
    **{f"facade_{kind}": partial(textures.street_facade, kind) for kind in range(textures.STREET_FACADES)},
    **{f"shop_{kind}": partial(textures.shop_front, kind) for kind in range(textures.SHOP_FRONTS)},
}


class SceneryBuilder:
    """Collects the scenery of one map in a scene.

    Attributes:
        scene: The scene that is filled.
        objects: What was put so far, in order.
    """

    def __init__(self, scene: Scene) -> None:
        """Start with a scene; what it already holds is left alone."""
        self.scene = scene
        self.objects: list[SceneryObject] = []

    def ensure_material(self, material: str) -> str:
        """Make a material of the common stock known to the scene and return its name."""
        if material in _MATERIALS and material not in self.scene.materials:
            if material in _TEXTURES and material not in self.scene.textures:
                self.scene.add_texture(material, _TEXTURES[material]())
            self.scene.add_material(material, _MATERIALS[material])
        return material

    def add_shapes(
        self,
        name: str,
        parts: Sequence[tuple[Shape, str] | tuple[Shape, str, int]],
        *,
        tag: int,
        solids: Sequence[tuple[Pose, Extent]] = (),
        casts_shadow: bool = True,
    ) -> SceneryObject:
        """Add an object made of shapes in world coordinates; its pose becomes the middle of its footprint.

        Args:
            name: Unique name.
            parts: (shape, material) or (shape, material, tag of the part).
            tag: Semantic tag of the object.
            solids: Collision boxes.
            casts_shadow: Whether it darkens others.
        """
        low = np.min([part[0].vertices_m.min(axis=0) for part in parts], axis=0)
        high = np.max([part[0].vertices_m.max(axis=0) for part in parts], axis=0)
        centre, extent = 0.5 * (low + high), 0.5 * (high - low)
        origin = np.round((centre[0], centre[1], low[2]), 2)
        meshes = [
            part[0].moved(*(-origin).tolist()).mesh(self.ensure_material(part[1]), part[2] if len(part) == 3 else 0)
            for part in parts
        ]
        pose = (float(origin[0]), float(origin[1]), float(origin[2]), 0.0, 0.0, 0.0)
        number = FIRST_INSTANCE_ID + len(self.objects)
        handle = self.scene.add_object(
            name, meshes, pose, tag=tag, instance_id=number, static=True, casts_shadow=casts_shadow
        )
        item = SceneryObject(
            name, number, tag, pose, _triple(centre - origin), _triple(extent), solids=tuple(solids), handle=handle
        )
        self.objects.append(item)
        return item

    def add_asset(self, name: str, asset: Asset, pose: Pose, *, tag: int, signal_id: str = "") -> SceneryObject:
        """Add an asset at a pose; its bounding box is its collision box."""
        number = FIRST_INSTANCE_ID + len(self.objects)
        handle = asset.place(self.scene, name, pose, tag=tag, instance_id=number, static=True)
        low, high = asset.bounds_m()
        item = SceneryObject(
            name, number, tag, pose, _triple(0.5 * (low + high)), _triple(0.5 * (high - low)), signal_id, (), handle
        )
        self.objects.append(item)
        return item

    def make_solid(self, item: SceneryObject, *solids: tuple[Pose, Extent]) -> None:
        """Give an object that was put before its collision boxes."""
        index = item.instance_id - FIRST_INSTANCE_ID
        self.objects[index] = replace(self.objects[index], solids=solids)


def upright(pose: Pose, length_m: float, width_m: float, height_m: float) -> tuple[Pose, Extent]:
    """Return the collision box of something that stands at a ground pose."""
    x, y, z, _, yaw, _ = pose
    return (x, y, z + 0.5 * height_m, 0.0, yaw, 0.0), (0.5 * length_m, 0.5 * width_m, 0.5 * height_m)


def _triple(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Extent:
    x, y, z = (float(value) for value in values)
    return x, y, z

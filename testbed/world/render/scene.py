"""The scene as the simulator writes it and the renderer reads it: objects, poses, textures, decals, weather.

Pure bookkeeping in numpy. Every change raises a version number, so a renderer uploads only what changed since it last
looked; any number of renderers may watch one scene.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from testbed.core.geometry import Pose
from testbed.core.weather import WeatherParameters
from testbed.world.render.camera import pose_matrix
from testbed.world.render.mesh import Material, Mesh

MAX_DECALS = 8
"""Decals that can be visible at the same time."""

Wrap = Literal["repeat", "clamp", "zero"]


@dataclass(frozen=True, eq=False)
class SceneTexture:
    """An image as the shader reads it.

    Attributes:
        number: Positive id, the value of the ``material`` output at pixels that show it; never reused in a scene.
        rgba_linear: Shape (h, w, 4), float32, contiguous. Alpha matters to decals only (premultiplied).
        wrap: What lies beyond the border.
        version: Rises whenever the pixels change.
    """

    number: int
    rgba_linear: NDArray[np.float32]
    wrap: Wrap
    version: int


@dataclass(eq=False)
class SceneObject:
    """One rigid object; read it, change it only through the scene.

    Attributes:
        name: Name the texture calls use.
        parts: Meshes in the local frame.
        pose: Pose in the world.
        tag: CARLA semantic tag of parts that have none of their own.
        instance_id: Value of the ``instance`` output.
        static: Hardly ever moves: kept in the cached part of the shadow maps.
        casts_shadow: Whether it darkens others.
        visible: Whether it is drawn and casts shadows.
        paint: Name of the texture that ``set_object_texture`` replaces on this object, None if it has no texture.
        painted: Name of the replacing texture, None while the original shows.
    """

    name: str
    parts: tuple[Mesh, ...]
    pose: Pose
    tag: int
    instance_id: int
    static: bool
    casts_shadow: bool
    visible: bool
    paint: str | None
    painted: str | None


@dataclass(eq=False)
class SceneDecal:
    """A picture projected straight down on road surfaces.

    Attributes:
        name: Name the texture calls use.
        pose: Centre; only x, y and yaw count.
        length_m: Extent along the yaw direction.
        width_m: Extent across.
        texture: Name of its texture.
        visible: Whether it is drawn.
    """

    name: str
    pose: Pose
    length_m: float
    width_m: float
    texture: str
    visible: bool


def _rgba(pixels: ArrayLike) -> NDArray[np.float32]:
    """Return (h, w, 3|4) pixels as contiguous (h, w, 4) float32, alpha 1 where there is none.

    Raises:
        ValueError: If the shape is wrong or a value is not finite.
    """
    array = np.asarray(pixels, dtype=np.float32)
    if array.ndim != 3 or array.shape[2] not in (3, 4) or 0 in array.shape:
        raise ValueError(f"texture has shape {array.shape}, expected (h, w, 3) or (h, w, 4)")
    if not np.isfinite(array).all():
        raise ValueError("texture has values that are not finite")
    if array.shape[2] == 3:
        array = np.concatenate([array, np.ones((*array.shape[:2], 1), np.float32)], axis=2)
    return np.array(array, dtype=np.float32, order="C")


class Scene:
    """What there is to see.

    Attributes:
        textures: By name.
        materials: By name.
        objects: By handle, in order of creation.
        decals: By handle, in order of creation; a later one lies on top.
        weather: Current weather.
        frame: Simulation frame; seeds what flickers (rain), so equal frames give equal pictures.
        structure_version: Rises when an object that is not static comes, goes or changes its look.
        pose_version: Rises when such an object moves or is shown or hidden.
        static_version: Rises when any of that happens to a static object.
        texture_version: Rises when a texture comes, goes or changes its pixels.
    """

    def __init__(self) -> None:
        """Start with an empty world at clear noon."""
        self.textures: dict[str, SceneTexture] = {}
        self.materials: dict[str, Material] = {}
        self.objects: dict[int, SceneObject] = {}
        self.decals: dict[int, SceneDecal] = {}
        self.weather = WeatherParameters()
        self.frame = 0
        self.structure_version = 0
        self.pose_version = 0
        self.static_version = 0
        self.texture_version = 0
        self._next_handle = 1
        self._next_texture = 1
        self._by_name: dict[str, int] = {}

    def add_texture(self, name: str, rgb_linear: ArrayLike, *, wrap: Wrap = "repeat") -> None:
        """Add a texture, or replace the pixels of the one of that name.

        Args:
            name: Key that materials refer to.
            rgb_linear: Shape (h, w, 3) or (h, w, 4), linear, usually in [0, 1]; row 0 is v = 0.
            wrap: What lies beyond the border.
        """
        old = self.textures.get(name)
        if old is None:
            number, version = self._next_texture, 1
            self._next_texture += 1
        else:
            number, version = old.number, old.version + 1
        self.textures[name] = SceneTexture(number, _rgba(rgb_linear), wrap, version)
        self.texture_version += 1

    def add_material(self, name: str, material: Material) -> None:
        """Add a material; adding the same one again is allowed.

        Raises:
            ValueError: If the name is taken by a different material.
            KeyError: If its texture is unknown.
        """
        if self.materials.get(name, material) != material:
            raise ValueError(f'material "{name}" exists already and is different')
        if material.texture is not None and material.texture not in self.textures:
            raise KeyError(f'material "{name}" uses texture "{material.texture}", which the scene does not have')
        self.materials[name] = material

    def add_object(
        self,
        name: str,
        parts: Sequence[Mesh],
        pose: Pose,
        *,
        tag: int,
        instance_id: int = 0,
        static: bool = False,
        casts_shadow: bool = True,
    ) -> int:
        """Place an object in the world.

        Its paint, which ``set_object_texture`` replaces, is the texture of its first part that has one; all parts with
        that texture are painted together.

        Args:
            name: Unique name.
            parts: Meshes in the local frame.
            pose: World pose.
            tag: CARLA semantic tag.
            instance_id: Non-negative 32-bit id of the ``instance`` output.
            static: Hardly ever moves (moving it is allowed and redraws the cached shadows).
            casts_shadow: Whether it darkens others; switch it off for flat ground.

        Returns:
            Handle for the other calls.

        Raises:
            ValueError: If the name is taken.
            KeyError: If a material is unknown.
        """
        paint = None
        for part in parts:
            if part.material not in self.materials:
                raise KeyError(f'object "{name}" uses material "{part.material}", which the scene does not have')
            material = self.materials[part.material]
            if paint is None and material.kind == "textured":
                paint = material.texture
        handle = self._register(name)
        self.objects[handle] = SceneObject(
            name, tuple(parts), _pose(pose), tag, instance_id, static, casts_shadow, True, paint, None
        )
        self._rebuilt(self.objects[handle])
        return handle

    def add_decal(self, name: str, pose: Pose, length_m: float, width_m: float, rgba: ArrayLike) -> int:
        """Project a picture on the road.

        Args:
            name: Unique name.
            pose: Centre; x, y and yaw count.
            length_m: Extent along the yaw direction.
            width_m: Extent across.
            rgba: Shape (h, w, 4), linear, PREMULTIPLIED. Row 0 is the far end (+length/2), the last row the near end;
                column 0 is the left edge (local y = -width/2), so it looks upright to a driver of that yaw. The shader
                computes ``albedo = base * (1 - a) + rgb``: alpha 0 with rgb > 0 brightens and leaves lane paint
                visible. The sum is not clamped, so that it stays linear in the texture; keep it within [0, 1].

        Returns:
            Handle for ``set_pose``, ``set_visible`` and ``remove``.

        Raises:
            ValueError: If the name is taken or an extent is not positive.
        """
        if not (length_m > 0.0 and width_m > 0.0):
            raise ValueError(f'decal "{name}" of {length_m} m x {width_m} m')
        pixels = np.asarray(rgba)
        if pixels.ndim != 3 or pixels.shape[2] != 4:
            raise ValueError(f'decal "{name}" has texture shape {pixels.shape}, expected (h, w, 4)')
        handle = self._register(name)
        texture = f"decal:{name}"
        self.add_texture(texture, pixels, wrap="zero")
        self.decals[handle] = SceneDecal(name, _pose(pose), length_m, width_m, texture, True)
        return handle

    def set_pose(self, handle: int, pose: Pose) -> None:
        """Move an object or a decal; KeyError if the handle is unknown."""
        pose = _pose(pose)
        if handle in self.decals:
            self.decals[handle].pose = pose
            return
        item = self.objects[handle]
        if item.pose != pose:
            item.pose = pose
            self._touch(item)

    def set_visible(self, handle: int, visible: bool) -> None:
        """Show or hide an object or a decal; KeyError if the handle is unknown."""
        if handle in self.decals:
            self.decals[handle].visible = visible
            return
        item = self.objects[handle]
        if item.visible != visible:
            item.visible = visible
            self._touch(item)

    def remove(self, handle: int) -> None:
        """Take an object or a decal out of the world; KeyError if the handle is unknown."""
        if handle in self.decals:
            decal = self.decals.pop(handle)
            del self._by_name[decal.name], self.textures[decal.texture]
            self.texture_version += 1
            return
        item = self.objects.pop(handle)
        del self._by_name[item.name]
        if item.painted is not None:
            del self.textures[item.painted]
            self.texture_version += 1
        self._rebuilt(item)

    def object_names(self) -> list[str]:
        """Return the names that ``set_object_texture`` accepts, in order of creation."""
        return [item.name for item in self.objects.values() if item.paint is not None] + [
            decal.name for decal in self.decals.values()
        ]

    def set_object_texture(self, name: str, rgb_linear: ArrayLike) -> None:
        """Replace what is painted on an object or drawn on a decal.

        On an object the pixels replace texture and albedo together and alpha is ignored; on a decal pixels without
        alpha are opaque.

        Args:
            name: One of ``object_names()``.
            rgb_linear: Shape (h, w, 3) or (h, w, 4), linear; any size.

        Raises:
            KeyError: If the name is unknown or the object has nothing to paint.
        """
        found = self._named(name)
        if isinstance(found, SceneDecal):
            self.add_texture(found.texture, rgb_linear, wrap="zero")
            return
        assert found.paint is not None
        key = f"paint:{name}"
        self.add_texture(key, rgb_linear, wrap=self._paint_material(found).wrap)
        if found.painted is None:
            found.painted = key
            self._rebuilt(found)

    def object_texture(self, name: str) -> NDArray[np.float32]:
        """Return what an object or decal shows now, shape (h, w, 4), linear, albedo included; KeyError as above."""
        found = self._named(name)
        if isinstance(found, SceneDecal):
            return self.textures[found.texture].rgba_linear.copy()
        if found.painted is not None:
            return self.textures[found.painted].rgba_linear.copy()
        assert found.paint is not None
        pixels = self.textures[found.paint].rgba_linear.copy()
        pixels[..., :3] *= np.asarray(self._paint_material(found).albedo, np.float32)
        return pixels

    def texture_number(self, name: str) -> int:
        """Return the value of the ``material`` output where an object or decal shows its texture; KeyError as above.

        Objects of one kind share a number until they are painted; the ``instance`` output tells them apart.
        """
        found = self._named(name)
        if isinstance(found, SceneDecal):
            return self.textures[found.texture].number
        assert found.paint is not None
        return self.textures[found.painted or found.paint].number

    def texture_wrap(self, name: str) -> Wrap:
        """Return how the texture of an object or decal continues beyond its border; KeyError as above."""
        found = self._named(name)
        return "zero" if isinstance(found, SceneDecal) else self._paint_material(found).wrap

    def set_weather(self, weather: WeatherParameters) -> None:
        """Change the weather from the next picture on."""
        self.weather = weather

    def set_frame(self, frame: int) -> None:
        """Tell the simulation frame, which seeds the rain."""
        self.frame = frame

    def _register(self, name: str) -> int:
        if name in self._by_name:
            raise ValueError(f'the scene has an object named "{name}" already')
        handle = self._next_handle
        self._next_handle += 1
        self._by_name[name] = handle
        return handle

    def _named(self, name: str) -> SceneObject | SceneDecal:
        handle = self._by_name.get(name)
        if handle is None:
            raise KeyError(f'the scene has no object named "{name}"')
        if handle in self.decals:
            return self.decals[handle]
        item = self.objects[handle]
        if item.paint is None:
            raise KeyError(f'object "{name}" has no texture that could be painted')
        return item

    def _paint_material(self, item: SceneObject) -> Material:
        for part in item.parts:
            material = self.materials[part.material]
            if material.kind == "textured" and material.texture is not None:
                return material
        raise KeyError(f'object "{item.name}" has no texture that could be painted')

    def _rebuilt(self, item: SceneObject) -> None:
        if item.static:
            self.static_version += 1
        else:
            self.structure_version += 1

    def _touch(self, item: SceneObject) -> None:
        if item.static:
            self.static_version += 1
        else:
            self.pose_version += 1


def _pose(pose: Sequence[float]) -> Pose:
    x_m, y_m, z_m, pitch_deg, yaw_deg, roll_deg = (float(value) for value in pose)
    result = (x_m, y_m, z_m, pitch_deg, yaw_deg, roll_deg)
    if not np.isfinite(pose_matrix(result)).all():
        raise ValueError(f"pose {result} is not finite")
    return result

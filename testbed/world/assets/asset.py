"""An asset: meshes with the materials and textures they need, ready to be placed in a scene."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from testbed.core.geometry import Pose
from testbed.world.render.mesh import Material, Mesh
from testbed.world.render.scene import Scene


@dataclass(frozen=True, eq=False)
class Asset:
    """What an object is made of.

    Names of materials and textures follow from their content (blueprint, colour), so assets share them.

    Attributes:
        parts: Meshes in the object's frame; the origin lies on the ground in the middle of the footprint.
        materials: Materials the parts name.
        textures: Linear float32 images (h, w, 3) the materials name.
    """

    parts: tuple[Mesh, ...]
    materials: dict[str, Material] = field(default_factory=dict)
    textures: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def triangles(self) -> int:
        """Number of triangles."""
        return sum(len(part.triangles) for part in self.parts)

    def bounds_m(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the lowest and highest corner, each (3,), in the object's frame."""
        low = np.min([part.vertices_m.min(axis=0) for part in self.parts], axis=0)
        high = np.max([part.vertices_m.max(axis=0) for part in self.parts], axis=0)
        return low.astype(np.float64), high.astype(np.float64)

    def install(self, scene: Scene) -> None:
        """Add the textures and materials that the scene does not have yet."""
        for name, pixels in self.textures.items():
            if name not in scene.textures:
                scene.add_texture(name, pixels)
        for name, material in self.materials.items():
            scene.add_material(name, material)

    def place(
        self,
        scene: Scene,
        name: str,
        pose: Pose,
        *,
        tag: int,
        instance_id: int = 0,
        static: bool = False,
        casts_shadow: bool = True,
    ) -> int:
        """Install the asset, add an object made of it and return the scene's handle."""
        self.install(scene)
        return scene.add_object(
            name, self.parts, pose, tag=tag, instance_id=instance_id, static=static, casts_shadow=casts_shadow
        )

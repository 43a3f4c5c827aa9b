"""Draws a scene: visibility buffer, sun shadow maps, deferred shading. The same kernels run on the CPU and on CUDA.

Equal scenes give equal bits, however many threads share the rows of a picture. To fill a machine run one process per
environment; a second thread is for a core that would idle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from testbed.world.render import geometry, shading
from testbed.world.render.camera import PinholeCamera, pose_matrix
from testbed.world.render.device_arrays import GrowingArray
from testbed.world.render.geometry_store import ClusterTable, GeometryStore
from testbed.world.render.lighting import Lighting, tone_table
from testbed.world.render.rain import RainTables
from testbed.world.render.scene import MAX_DECALS, Scene, SceneDecal
from testbed.world.render.shadows import ShadowMaps
from testbed.world.render.strips import Strips
from testbed.world.render.structs import (
    WANT_COLOUR,
    WANT_GEOMETRY,
    WANT_IDS,
    WANT_INSTANCE,
    WANT_LIGHT,
    WANT_LINEAR,
    WANT_RGB,
    WANT_UV,
    DecalArrays,
    DecalRow,
    Eye,
    Light,
    OutputArrays,
    ShadowArrays,
    Strip,
    WindowRow,
    table_dtype,
)
from testbed.world.render.texture_store import TextureStore

DECAL_RANGE_M = 150.0
"""Decals farther away are less than a pixel high."""

CPU_RUN_PX = 64
"""Pixels of a row that one CPU thread shades in one go, so that it prepares each triangle once."""

PORTIONS = 8
"""Parts of the static clusters that several threads take one after the other."""

GPU_LANES, GPU_STRIPES = 32, 16
"""Threads of a GPU that share a cluster of triangles, and the rows of a triangle."""


@dataclass(frozen=True, eq=False)
class RenderedFrame:
    """Outputs of one picture; only those that were wanted are not None. H rows, W columns, row 0 at the top.

    Attributes:
        rgb: (H, W, 3) uint8, sRGB.
        depth_m: (H, W) float32, distance along the camera axis; 1000 for the sky.
        normal: (H, W, 3) float32, world frame, on the side of the viewer; 0 for the sky.
        tag: (H, W) uint8, CARLA semantic tag; road paint is 24, sky 11.
        instance: (H, W) uint32, instance id of the object; 0 for the sky.
        uv: (H, W, 2) float32, texture coordinates (of the decal where one lies, metres on bare road).
        duv: (H, W, 4) float32, footprint of the pixel: (du/dx, dv/dx, du/dy, dv/dy).
        material: (H, W) int32, number of the re-renderable texture (``Scene.texture_number``), 0 for none.
        shading: (H, W, 3) float32, L of ``linear = L * texture + R``; the texture includes the albedo of its material.
        residual: (H, W, 3) float32, R; the whole of linear where ``material`` is 0.
        under: (H, W, 4) float32, what lies below a decal: L * albedo of the ground, then the decal's alpha as drawn;
            part of R with weight 1 - alpha.
        linear: (H, W, 3) float32, exposed linear light before the tone curve.
    """

    rgb: NDArray[np.uint8] | None = None
    depth_m: NDArray[np.float32] | None = None
    normal: NDArray[np.float32] | None = None
    tag: NDArray[np.uint8] | None = None
    instance: NDArray[np.uint32] | None = None
    uv: NDArray[np.float32] | None = None
    duv: NDArray[np.float32] | None = None
    material: NDArray[np.int32] | None = None
    shading: NDArray[np.float32] | None = None
    residual: NDArray[np.float32] | None = None
    under: NDArray[np.float32] | None = None
    linear: NDArray[np.float32] | None = None


# Name: (bit of the shader's want, dtype of the device array, columns of the host array).
_OUTPUTS: dict[str, tuple[int, Any, tuple[int, ...]]] = {
    "rgb": (WANT_RGB, wp.uint8, (3,)),
    "linear": (WANT_LINEAR, wp.vec3, (3,)),
    "depth_m": (WANT_GEOMETRY, wp.float32, ()),
    "normal": (WANT_GEOMETRY, wp.vec3, (3,)),
    "tag": (WANT_IDS, wp.uint8, ()),
    "instance": (WANT_INSTANCE, wp.uint32, ()),
    "material": (WANT_IDS, wp.int32, ()),
    "uv": (WANT_UV, wp.vec2, (2,)),
    "duv": (WANT_UV, wp.vec4, (4,)),
    "shading": (WANT_LIGHT, wp.vec3, (3,)),
    "residual": (WANT_LIGHT, wp.vec3, (3,)),
    "under": (WANT_LIGHT, wp.vec4, (4,)),
}

ALL_OUTPUTS = frozenset(_OUTPUTS)
"""Everything a frame can have."""

RGB_ONLY = frozenset({"rgb"})


@dataclass(frozen=True, eq=False)
class Target:
    """Where pictures of one size are drawn.

    Attributes:
        keys: Visibility buffers, shape (threads, pixels), int64.
        out: Output arrays, for the shader.
        arrays: The same by name.
    """

    keys: Any
    out: OutputArrays
    arrays: dict[str, Any]

    def put(self, name: str, array: Any) -> None:
        """Take another array for an output."""
        self.arrays[name] = array
        setattr(self.out, name, array)


class Renderer:
    """Draws pictures of one scene; keeps what is static on the device between pictures."""

    def __init__(self, scene: Scene, device: str = "cpu", threads: int = 1) -> None:
        """Watch a scene.

        Args:
            scene: May go on changing; every picture shows its state at that moment.
            device: "cpu" or a CUDA device such as "cuda:0".
            threads: CPU threads that share the rows of a picture, without effect on its bits; a GPU needs one.
        """
        self.scene = scene
        self.device = device
        self._strips = Strips(threads if device == "cpu" else 1)
        self._lanes, self._stripes = (1, 1) if device == "cpu" else (GPU_LANES, GPU_STRIPES)
        self._run = CPU_RUN_PX if device == "cpu" else 1
        self._textures = TextureStore(device)
        self._shadows = ShadowMaps(device)
        self._rain = RainTables(device)
        self._tone = wp.array(tone_table(), wp.uint8, device=device)
        self._store: GeometryStore | None = None
        self._built: tuple[int, int] | None = None
        self._pose_version = -1
        self._light: tuple[Any, Light] | None = None
        self._targets: dict[tuple[int, int], Target] = {}
        self._decal_rows = GrowingArray(DecalRow, device)
        self._decal_arrays = DecalArrays()
        self._shadow_arrays = ShadowArrays()
        self._shadow_arrays.windows = wp.zeros(1, dtype=WindowRow, device=device)
        self._shadow_arrays.heights = self._shadows.heights

    def render(
        self, camera: PinholeCamera, *, want: frozenset[str] = RGB_ONLY, hide: frozenset[int] = frozenset()
    ) -> RenderedFrame:
        """Draw what a camera sees.

        Args:
            camera: Image size, lens and pose.
            want: Names of ``RenderedFrame`` fields; the fewer, the faster.
            hide: Handles of moving objects to leave out of this picture, as the body of the car that the camera sits
                in; they still cast their shadows.

        Raises:
            ValueError: If a name in ``want`` is not an output.
        """
        if not want <= ALL_OUTPUTS:
            raise ValueError(f"unknown outputs {sorted(want - ALL_OUTPUTS)}; there are {sorted(ALL_OUTPUTS)}")
        store, target, eye = self._follow(), self._target(camera, want), _eye(camera)
        keys = target.keys
        keys[0].fill_(-1)
        finish = self._strips.begin(self._see_scenery(eye, keys))
        lighting, light = self._lighting()
        drawn = store.shown & store.in_view(camera)
        if hide:
            drawn &= np.array([handle not in hide for handle in store.handles])
        store.moving_table.place(store.moving_centres, drawn)
        bits = 0
        for name in want:
            bits |= _OUTPUTS[name][0]
        self._cast_shadows(camera, lighting, drawn, wanted=bits & WANT_COLOUR != 0)
        self._see(eye, store.moving_table, 0, 1, keys[0])
        finish()
        target.out.want = bits
        self._shade(camera, eye, light, target)
        shape = (camera.height_px, camera.width_px)
        return RenderedFrame(
            **{name: target.arrays[name].numpy().reshape(shape + _OUTPUTS[name][2]).copy() for name in want}
        )

    def _cast_shadows(
        self, camera: PinholeCamera, lighting: Lighting, drawn: NDArray[np.bool_], *, wanted: bool
    ) -> None:
        """Move what is drawn or casts a shadow, draw the shadows and tell the shader their windows.

        Args:
            camera: Whose picture it is.
            lighting: Where the sun stands.
            drawn: Which moving objects are in view.
            wanted: Whether anything of the picture is lit; else there is no window.
        """
        scene, store = self.scene, self._store
        assert store is not None
        if not wanted or lighting.sun_rgb[0] <= 0.0:
            store.move(drawn)
            self._shadow_arrays.count = 0
            return
        slots, axes = self._shadows.choose(camera, np.array(lighting.sun), store, (scene.static_version,))
        windows = self._shadows.rows(slots)
        moving = self._shadows.covers(slots, axes, store.moving_centres, store.moving.radii_m)
        moving &= store.shown & store.moving.casts
        store.move(drawn | moving.any(axis=0))
        self._shadows.draw(slots, windows, axes, store, moving, scene.structure_version)
        self._shadow_arrays.windows, self._shadow_arrays.count = windows, len(slots)

    def _see_scenery(self, eye: Eye, keys: Any) -> Callable[[int], None]:
        """Return what fills the visibility buffers, shape (threads, pixels), with the nearest static triangles.

        It clears all buffers but the first. Each thread has a buffer of its own: sharing one by rows, every thread
        would look at every triangle. Whoever is free takes a portion of the clusters, so that a thread may come late.
        """
        store = self._store
        assert store is not None
        count = PORTIONS if self._strips.threads > 1 else 1
        portions = iter(range(count))

        def work(strip: int) -> None:
            mine = keys[strip]
            if strip > 0:
                mine.fill_(-1)
            for portion in portions:
                self._see(eye, store.static_table, portion, count, mine)

        return work

    def _see(self, eye: Eye, table: ClusterTable, first: int, step: int, keys: Any) -> None:
        """Draw every ``step``-th cluster of a table into a visibility buffer."""
        store = self._store
        assert store is not None
        wp.launch(
            geometry.see,
            (len(range(first, len(table), step)), self._lanes, self._stripes),
            [
                table.bounds,
                table.first.array,
                table.count.array,
                table.grain_m.array,
                table.finest_px,
                store.triangles,
                store.vertices,
                eye,
                first,
                step,
                self._lanes,
                self._stripes,
                keys,
            ],
            device=self.device,
        )

    def _shade(self, camera: PinholeCamera, eye: Eye, light: Light, target: Target) -> None:
        """Turn the visibility buffer into the groups of outputs that are wanted."""
        store, strips = self._store, self._strips
        assert store is not None
        self._choose_decals(camera)
        self._rain.follow(light, camera.width_px, camera.height_px)

        def launch(index: int) -> None:
            strip = Strip()
            strip.first, strip.step, strip.run = index, strips.threads, self._run
            wp.launch(
                shading.shade,
                (strips.share(camera.height_px, index), -(-camera.width_px // self._run)),
                [
                    strip,
                    eye,
                    light,
                    target.keys,
                    store.arrays,
                    self._textures.arrays,
                    self._decal_arrays,
                    self._shadow_arrays,
                    self._rain.arrays,
                    self._tone,
                    target.out,
                ],
                device=self.device,
            )

        strips.begin(launch)()

    def _follow(self) -> GeometryStore:
        """Take over what changed in the scene since the last picture."""
        scene = self.scene
        self._textures.follow(scene)
        version = (scene.structure_version, scene.static_version)
        if self._store is None or version != self._built:
            same_static = self._store if self._built is not None and self._built[1] == version[1] else None
            self._store = GeometryStore(scene, self._textures.rows, self.device, same_static)
            self._built = version
        elif scene.pose_version != self._pose_version:
            self._store.follow()
        self._pose_version = scene.pose_version
        return self._store

    def _lighting(self) -> tuple[Lighting, Light]:
        if self._light is None or self._light[0][0] is not self.scene.weather:
            lighting = Lighting.from_weather(self.scene.weather)
            light = Light()
            for name, value in vars(lighting).items():
                setattr(light, name, wp.vec3(*map(float, value)) if isinstance(value, tuple) else value)
            self._light = ((self.scene.weather, lighting), light)
        self._light[1].frame = self.scene.frame
        return self._light[0][1], self._light[1]

    def _target(self, camera: PinholeCamera, want: frozenset[str]) -> Target:
        """Return output arrays of the camera's size; outputs that nobody asked for yet have one element."""
        count = camera.width_px * camera.height_px
        size_px = (camera.width_px, camera.height_px)
        if size_px not in self._targets:
            self._targets[size_px] = Target(
                wp.zeros((self._strips.threads, count), dtype=wp.int64, device=self.device), OutputArrays(), {}
            )
            for name, (_, dtype, _) in _OUTPUTS.items():
                self._targets[size_px].put(name, wp.zeros(1, dtype=dtype, device=self.device))
        target = self._targets[size_px]
        groups = {_OUTPUTS[name][0] for name in want}
        for name, (group, dtype, _) in _OUTPUTS.items():
            size = count * 3 if name == "rgb" else count
            if group in groups and len(target.arrays[name]) != size:
                target.put(name, wp.zeros(size, dtype=dtype, device=self.device))
        return target

    def _choose_decals(self, camera: PinholeCamera) -> None:
        """Tell the shader the nearest visible decals, in the order they lie on each other."""
        x_m, y_m = camera.pose[:2]
        near = []
        for decal in self.scene.decals.values():
            distance_m = float(np.hypot(decal.pose[0] - x_m, decal.pose[1] - y_m))
            if decal.visible and distance_m - 0.5 * decal.length_m < DECAL_RANGE_M:
                near.append((distance_m, decal))
        if len(near) > MAX_DECALS:
            limit = sorted(distance_m for distance_m, _ in near)[MAX_DECALS - 1]
            near = [item for item in near if item[0] <= limit][:MAX_DECALS]
        rows = [_decal_row(decal, self._textures.rows[decal.texture]) for _, decal in near]
        self._decal_arrays.rows = self._decal_rows.fill(np.array(rows, table_dtype(DecalRow)))
        self._decal_arrays.count = len(rows)


def _eye(camera: PinholeCamera) -> Eye:
    to_world = pose_matrix(camera.pose)
    eye = Eye()
    eye.position = wp.vec3(*to_world[:3, 3])
    eye.forward = wp.vec3(*to_world[:3, 0])
    eye.right = wp.vec3(*to_world[:3, 1])
    eye.up = wp.vec3(*to_world[:3, 2])
    eye.width_px = camera.width_px
    eye.height_px = camera.height_px
    eye.focal_px = camera.focal_px
    return eye


def _decal_row(decal: SceneDecal, texture: int) -> tuple[Any, ...]:
    """Return the row for a decal: u runs to the right across its width, v from the far end to the near end."""
    to_world = pose_matrix((decal.pose[0], decal.pose[1], 0.0, 0.0, decal.pose[4], 0.0))
    du = to_world[:2, 1] / decal.width_m
    dv = -to_world[:2, 0] / decal.length_m
    centre = np.array(decal.pose[:2])
    return (tuple(du), tuple(dv), 0.5 - float(du @ centre), 0.5 - float(dv @ centre), texture)

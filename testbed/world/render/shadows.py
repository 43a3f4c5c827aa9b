"""Sun shadow maps: a focus window on each of the nearest signs, a near and a far window ahead of the camera.

Windows are squares seen from the sun. Their centres are snapped to a coarse grid, as a pure function of camera and
sun, so that a picture does not depend on the pictures before it, yet consecutive frames and other cameras nearby find
their windows drawn already. Static objects are kept in a map of their own; what moves is drawn over a copy of it, and
only the rectangles it covered are restored for the next frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

from testbed.world.render import geometry
from testbed.world.render.camera import PinholeCamera, pose_matrix
from testbed.world.render.device_arrays import GrowingArray
from testbed.world.render.geometry_store import GeometryStore
from testbed.world.render.structs import WindowRow, table_dtype
from testbed.world.render.triangle_soup import Clusters, index_runs

FOCUS_RANGE_M = 60.0
"""Signs farther away get no window of their own."""

FOCUS_SIGNS = 2
"""Signs that have a window of their own at the same time: whose shadow is an attack is seldom the only one in sight."""


@dataclass(frozen=True)
class WindowLevel:
    """A kind of window.

    Attributes:
        size_px: Side of the map.
        half_m: Half the side in the world; 0 if it follows the watched object.
        ahead_m: Distance from the camera to the centre.
        snap_m: Grid of the centres.
        slots: Windows kept at the same time.
    """

    size_px: int
    half_m: float
    ahead_m: float
    snap_m: float
    slots: int


FOCUS = WindowLevel(512, 0.0, 0.0, 0.0, 2 * FOCUS_SIGNS)
# The near window holds the car that carries the camera, whose thousands of triangles then need not go to the far one.
# The coarser the grid of the centres, the wider the window must be, and the rarer it is drawn anew.
NEAR = WindowLevel(1024, 20.0, 11.5, 8.0, 2)
FAR = WindowLevel(1024, 88.0, 66.0, 32.0, 2)


@dataclass(eq=False)
class WindowSlot:
    """Storage of one window and what it holds at the moment."""

    level: WindowLevel
    offset: int
    key: Any = None
    drawn: bool = False
    moving_key: Any = None
    used: int = 0
    row: Any = None
    centre: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    half_m: float = 0.0
    rectangles: NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, 4), np.int32))


class ShadowMaps:
    """Windows of one renderer.

    Attributes:
        heights: Device array with all composed maps.
    """

    def __init__(self, device: str) -> None:
        """Reserve the maps."""
        self.device = device
        self._stripes = 1 if device == "cpu" else 16
        self.slots: list[WindowSlot] = []
        total = 0
        for level in (FOCUS, NEAR, FAR):
            for _ in range(level.slots):
                self.slots.append(WindowSlot(level, total))
                total += level.size_px**2
        self._fixed = wp.zeros(total, dtype=wp.int32, device=device)
        self.heights = wp.zeros(total, dtype=wp.int32, device=device)
        self._clock = 0
        self._ids, self._places, self._boxes = (GrowingArray(wp.int32, device) for _ in range(3))
        self._windows = GrowingArray(WindowRow, device)

    def choose(
        self, camera: PinholeCamera, sun: NDArray[np.float64], store: GeometryStore, stamp: tuple[int, ...]
    ) -> tuple[list[WindowSlot], NDArray[np.float64]]:
        """Return the windows for a camera, finest first, and the (2, 3) axes of the map in the world.

        Args:
            camera: Whose picture is to be shadowed.
            sun: Unit vector towards the sun.
            store: Geometry, for the signs.
            stamp: Versions of everything that is static; a change redraws all windows.
        """
        self._clock += 1
        axes = _axes(sun)
        to_world = pose_matrix(camera.pose)
        heading = to_world[:2, 0] / max(float(np.hypot(*to_world[:2, 0])), 1e-6)
        chosen: list[WindowSlot] = []
        for centre, radius_m in _nearest_signs(to_world, store):
            chosen.append(self._slot(FOCUS, centre, min(max(1.25 * radius_m, 0.5), 3.0), axes, sun, stamp))
        for level in (NEAR, FAR):
            centre = to_world[:3, 3].copy()
            centre[:2] += level.ahead_m * heading
            chosen.append(self._slot(level, centre, level.half_m, axes, sun, stamp))
        return chosen, axes

    def rows(self, chosen: list[WindowSlot]) -> Any:
        """Return the device table of chosen windows."""
        return self._windows.fill(np.stack([slot.row for slot in chosen]))

    def covers(self, chosen: list[WindowSlot], axes: NDArray[np.float64], centres: NDArray[Any], radii: Any) -> Any:
        """Return which spheres touch which windows, shape (windows, spheres) bool."""
        along, across = axes @ centres.T
        return np.array(
            [
                (np.abs(along - slot.centre[0]) <= slot.half_m + radii)
                & (np.abs(across - slot.centre[1]) <= slot.half_m + radii)
                for slot in chosen
            ]
        ).reshape(len(chosen), len(centres))

    def draw(
        self,
        chosen: list[WindowSlot],
        windows: Any,
        axes: NDArray[np.float64],
        store: GeometryStore,
        moving: NDArray[np.bool_],
        structure: int,
    ) -> None:
        """Bring chosen windows up to date.

        Args:
            chosen: From ``choose``.
            windows: From ``rows``.
            axes: From ``choose``.
            store: Geometry, with the needed objects moved already.
            moving: Which moving objects cast shadows into which windows, shape (windows, movers).
            structure: Version of the list of what moves.
        """
        stale = [k for k, slot in enumerate(chosen) if not slot.drawn]
        if stale:
            cover = self.covers(chosen, axes, store.static.centres, store.static.radii_m) & store.static.casts
            for k in stale:
                slot = chosen[k]
                self._fixed[slot.offset : slot.offset + slot.level.size_px**2].zero_()
            self._cast([(k, _triangles(store.static, cover[k])) for k in stale], windows, store, self._fixed)
            for k in stale:
                slot = chosen[k]
                slot.drawn = True
                wp.copy(self.heights, self._fixed, slot.offset, slot.offset, slot.level.size_px**2)
        centres = store.moving_centres @ axes.T
        jobs, boxes = [], []
        for k, slot in enumerate(chosen):
            wanted = moving[k]
            if slot.level is FAR:
                # Along the sun's ray a shadow stays at its caster's place in the map: what the near window holds
                # entirely is never looked up here.
                wanted = wanted & ~_inside(chosen[k - 1], centres, store.moving.radii_m)
            pick = np.flatnonzero(wanted)
            key = (structure, pick.tobytes(), store.matrices[pick].tobytes())
            if slot.moving_key != key:
                slot.moving_key = key
                boxes.append(np.column_stack([np.full(len(slot.rectangles), k, np.int32), slot.rectangles]))
                jobs.append((k, _triangles(store.moving, wanted)))
                slot.rectangles = _rectangles(slot, centres[pick], store.moving.radii_m[pick])
        self._restore(boxes, windows)
        self._cast(jobs, windows, store, self.heights)

    def _slot(
        self,
        level: WindowLevel,
        centre: NDArray[np.float64],
        half_m: float,
        axes: NDArray[np.float64],
        sun: NDArray[np.float64],
        stamp: tuple[int, ...],
    ) -> WindowSlot:
        flat = axes @ centre
        if level.snap_m:
            flat = np.round(flat / level.snap_m) * level.snap_m
        key = (float(flat[0]), float(flat[1]), half_m, sun.tobytes(), stamp)
        mine = [slot for slot in self.slots if slot.level is level]
        slot = next((slot for slot in mine if slot.key == key), None)
        if slot is None:
            slot = min(mine, key=lambda slot: slot.used)
            texel_m = 2.0 * half_m / level.size_px
            middle = 0.5 * level.size_px
            slot.key, slot.drawn, slot.moving_key, slot.centre, slot.half_m = key, False, None, flat, half_m
            slot.rectangles = np.zeros((0, 4), np.int32)
            height = np.round(float(sun @ centre) / 512.0) * 512.0
            slot.row = np.zeros((), table_dtype(WindowRow))
            slot.row["x"] = (*(axes[0] / texel_m), middle - flat[0] / texel_m)
            slot.row["y"] = (*(axes[1] / texel_m), middle - flat[1] / texel_m)
            slot.row["z"] = (*sun, -height)
            slot.row["offset"], slot.row["size_px"], slot.row["texel_m"] = slot.offset, level.size_px, texel_m
        slot.used = self._clock
        return slot

    def _cast(self, jobs: list[tuple[int, NDArray[np.int32]]], windows: Any, store: GeometryStore, target: Any) -> None:
        """Draw triangles, listed by window, into maps."""
        jobs = [(k, ids) for k, ids in jobs if len(ids)]
        if not jobs:
            return
        ids = np.concatenate([ids for _, ids in jobs])
        places = np.concatenate([np.full(len(ids), k, np.int32) for k, ids in jobs])
        wp.launch(
            geometry.cast_shadow,
            (len(ids), self._stripes),
            [
                self._ids.fill(ids),
                self._places.fill(places),
                store.triangles,
                store.vertices,
                windows,
                self._stripes,
                target,
            ],
            device=self.device,
        )

    def _restore(self, boxes: list[NDArray[np.int32]], windows: Any) -> None:
        """Make rows of (window, x0, y0, width, height) static again."""
        table = np.concatenate([np.zeros((0, 5), np.int32), *boxes]).astype(np.int32)
        if len(table):
            wp.launch(
                geometry.restore,
                (len(table), int(table[:, 4].max())),
                [self._boxes.fill(table.ravel()), windows, self._fixed, self.heights],
                device=self.device,
            )


def _triangles(clusters: Clusters, wanted: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the triangles of wanted clusters, shape (n,)."""
    pick = np.flatnonzero(wanted)
    return index_runs(clusters.first[pick], clusters.count[pick])


def _axes(sun: NDArray[np.float64]) -> NDArray[np.float64]:
    side = np.cross(sun, [0.0, 0.0, 1.0])
    if np.linalg.norm(side) < 1e-3:
        side = np.array([0.0, 1.0, 0.0])
    side /= np.linalg.norm(side)
    other = np.cross(side, sun)
    return np.stack([side, other / np.linalg.norm(other)])


def _nearest_signs(to_world: NDArray[np.float64], store: GeometryStore) -> list[tuple[NDArray[np.float64], float]]:
    """Return centre and radius in m of the nearest signs ahead of a camera, nearest first."""
    centres, radii_m = store.sign_centres()
    local = (centres - to_world[:3, 3]) @ to_world[:3, :3]
    ahead_m, beside_m = local[:, 0], np.hypot(local[:, 1], local[:, 2])
    seen = np.flatnonzero((ahead_m > 0.0) & (ahead_m < FOCUS_RANGE_M) & (beside_m < 1.5 * ahead_m))
    nearest = seen[np.argsort(ahead_m[seen], kind="stable")][:FOCUS_SIGNS]
    return [(centres[k], float(radii_m[k])) for k in nearest]


def _inside(slot: WindowSlot, centres: NDArray[np.float64], radii_m: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which spheres, given by their place in the map, lie where a window can be looked up whatever the blur."""
    inner_m = slot.half_m - 1.0 - 8.0 * slot.half_m / slot.level.size_px
    return np.asarray((np.abs(centres - slot.centre) + radii_m[:, None] <= inner_m).all(axis=1))


def _rectangles(slot: WindowSlot, centres: NDArray[np.float64], radii_m: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return (x0, y0, width, height) in texels of what spheres may cover of a window, shape (n, 4)."""
    size = slot.level.size_px
    texel_m = 2.0 * slot.half_m / size
    middle = (centres - slot.centre) / texel_m + 0.5 * size
    reach = (radii_m / texel_m + 2.0)[:, None]
    low = np.clip(np.floor(middle - reach), 0, size)
    high = np.clip(np.ceil(middle + reach), 0, size)
    boxes = np.concatenate([low, high - low], axis=1).astype(np.int32)
    return boxes[(boxes[:, 2:] > 0).all(axis=1)]

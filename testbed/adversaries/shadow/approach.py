"""A scenario's sign as the driver's camera sees it on the way to it, open for any shadow.

In the scene of ``testbed.adversaries.scenario_scene`` every view is drawn twice, with the plate in the sun and with
the plate in the shadow of a large card: what lies between the two is sunlight, so that a polygon's shadow is a blend of
both pictures and needs no third one. Views can be shaken as the paper's physical attack does (``shaken``): expectation
over transformations, Athalye et al., ICML 2018.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.adversaries.scenario_scene import ScenarioScene
from testbed.adversaries.shadow import polygon as shapes
from testbed.adversaries.shadow.lightness import from_lab, to_lab
from testbed.core.errors import MapError, UsageError
from testbed.core.perception_tasks import sign_crop_box
from testbed.core.projection import PinholeProjection, rotation
from testbed.core.semantic_tags import SemanticTag
from testbed.core.types import Image, Pose, Shade
from testbed.scenario.concrete import ConcreteScenario
from testbed.scenario.schema import Scenario, Sign
from testbed.world.assets.occluder import FACE_M, occluder_for, sun_vector
from testbed.world.assets.shadow_card import card_asset
from testbed.world.assets.sign_assets import PLATE_BOTTOM_M, gtsrb_class_of
from testbed.world.render.camera import PinholeCamera
from testbed.world.render.lighting import Lighting

FloatArray = NDArray[np.float32]

ROUTE_M = 200.0
FARTHEST_M = 80.0
"""A sign farther ahead than this is not asked about."""

MAP_SIGN_WITHIN_M = 25.0
SHARP = 0.005
"""Width of an edge that the renderer draws sharp, in sides of the sign: about a texel of its shadow map."""

EVERYTHING = np.array([[-1.0, -1.0], [2.0, -1.0], [2.0, 2.0], [-1.0, 2.0]])
"""A shadow that covers any plate."""


@dataclass(frozen=True)
class AttackedPlate:
    """The face of a sign.

    Attributes:
        gtsrb_class: What it says.
        pose: Middle of the plate; its yaw is that of a driver who reads it.
        size_m: Side of its bounding square.
    """

    gtsrb_class: int
    pose: Pose
    size_m: float

    def corners_m(self) -> NDArray[np.float64]:
        """Return the corners of its bounding square in the world, (4, 3)."""
        half = 0.5 * self.size_m
        flat = np.array([[0.0, y, z] for y in (-half, half) for z in (-half, half)])
        placed: NDArray[np.float64] = flat @ rotation(self.pose).T + np.array(self.pose[:3])
        return placed


@dataclass(frozen=True, eq=False)
class SignView:
    """One crop of a sign, open for any polygon.

    Attributes:
        lit: Crop with the plate in the sun, sRGB 0-255, (T, h, w, 3); T sub-pictures are averaged (motion blur).
        shaded: The same with the whole plate in shadow.
        points: Where its pixels lie on the plate, plate units, (T, h, w, 2).
        plate: How much of each pixel is plate, (T, h, w).
        taps: Places around a point that its sunlight is the mean of (half shadow), plate units, (K, 2).
        distance_m: From the camera to the plate.
    """

    lit: FloatArray
    shaded: FloatArray
    points: FloatArray
    plate: FloatArray
    taps: FloatArray
    distance_m: float

    @property
    def width_px(self) -> int:
        """Width of the crop."""
        return int(self.lit.shape[2])

    @property
    def light_left(self) -> float:
        """Share of L* that the shadow leaves on the plate."""
        inside = self.plate[0] > 0.99
        if not inside.any():
            inside = self.plate[0] > 0.5
        bright, dark = (to_lab(np.rint(image[0]).astype(np.uint8))[inside][:, 0] for image in (self.lit, self.shaded))
        return float(dark.mean() / bright.mean())

    @property
    def lightness(self) -> float:
        """Mean lightness of the plate in the sun, 0-255."""
        inside = self.plate[0] > 0.5
        return float(to_lab(np.rint(self.lit[0]).astype(np.uint8))[inside][:, 0].mean() * 2.55)

    def images(self, polygons: FloatArray) -> list[Image]:
        """Return the crop under each of some polygons (P, n, 2); none at all gives one picture in full sun."""
        if len(polygons) == 0:
            return [np.rint(self.lit.mean(axis=0)).astype(np.uint8)]
        points = self.points.reshape(-1, 2)
        cover = shapes.cover(polygons, points + self.taps[0], SHARP)
        for tap in self.taps[1:]:
            cover += shapes.cover(polygons, points + tap, SHARP)
        cover = cover.reshape(len(polygons), *self.plate.shape) * (self.plate / np.float32(len(self.taps)))
        mixed = self.lit + cover[..., None] * (self.shaded - self.lit)
        return list(np.rint(mixed.mean(axis=1)).astype(np.uint8))


class SignApproach(ScenarioScene):
    """Stage a scenario again and again and photograph one of its signs.

    Args:
        scenario: What to stage, without its adversaries and other road users.
        sign_id: Id of the sign in the scenario.

    Attributes:
        sign: The sign as the scenario has it.
        plate: Its face in the situation staged last.
    """

    plate: AttackedPlate

    def __init__(self, scenario: Scenario, sign_id: str) -> None:
        """Build scenery and renderer once."""
        found = [sign for sign in scenario.signs if sign.id == sign_id]
        if not found:
            raise UsageError(f"scenario {scenario.name!r} has no sign {sign_id!r}")
        super().__init__(scenario, ROUTE_M)
        self.sign: Sign = found[0]
        self._card: int | None = None

    def stage(self, seed: int, condition: str = "benign") -> ConcreteScenario:
        """Stage the scenario with a seed: weather, lane and signs."""
        concrete = super().stage(seed, condition)
        self.plate = self._plate()
        return concrete

    @property
    def sun(self) -> NDArray[np.float64]:
        """Unit vector to the sun of the situation staged last."""
        return sun_vector(self.weather.sun_altitude_angle, self.weather.sun_azimuth_angle)

    def hang(self, polygon: NDArray[np.floating] | None) -> bool:
        """Hang the card whose shadow is a polygon before the sign, or take it away; False where no sun falls on it."""
        if self._card is not None:
            self.scene.remove(self._card)
            self._card = None
        if polygon is None:
            return True
        eye = np.array(self.camera(0.0, 0.0).pose[:3])
        shade = Shade("card", np.asarray(polygon, np.float64))
        card = occluder_for(shade, self.plate.pose, self.plate.size_m, self.sun, eye_m=eye)
        if card is None:
            return False
        self._card = card_asset(card.corners_m).place(self.scene, "card", card.pose, tag=SemanticTag.STATIC)
        return True

    def crop_box(self, camera: PinholeCamera) -> tuple[int, int, int, int] | None:
        """Return the crop that an agent would get of the sign, or None where it would get none."""
        view = PinholeProjection(camera.pose, camera.width_px, camera.height_px, camera.fov_deg)
        box = view.box(self.plate.corners_m())
        return None if box is None else sign_crop_box(box, camera.width_px, camera.height_px)

    def readable_m(self, lateral_offset_m: float = 0.0) -> tuple[float, float]:
        """Return the nearest and the farthest distance along the lane from which the sign is asked about.

        Raises:
            UsageError: If there is none.
        """
        ahead_m, _ = self.path.locate(self.plate.pose[0], self.plate.pose[1])
        steps = np.arange(1.0, min(FARTHEST_M, ahead_m), 0.25)
        seen = [step for step in steps if self.crop_box(self.camera(ahead_m - step, lateral_offset_m)) is not None]
        if not seen:
            raise UsageError(f"sign {self.sign.id!r} of {self.scenario.name!r} is never large enough to be read")
        return float(seen[0]), float(seen[-1])

    def picture(self, camera: PinholeCamera) -> Image:
        """Return what a camera sees of the world as it is now."""
        rgb = self.renderer.render(camera).rgb
        assert rgb is not None
        return rgb

    def view(self, before_m: float, lateral_offset_m: float = 0.0, heading_rad: float = 0.0) -> SignView | None:
        """Return the sign's crop from a distance along the lane, lit and shaded; None where it is not asked about."""
        ahead_m, _ = self.path.locate(self.plate.pose[0], self.plate.pose[1])
        camera = self.camera(ahead_m - before_m, lateral_offset_m, heading_rad)
        box = self.crop_box(camera)
        if box is None:
            return None
        x0, y0, x1, y1 = box
        self.hang(None)
        lit = self.picture(camera)[y0:y1, x0:x1].astype(np.float32)
        if not self.hang(EVERYTHING):
            raise UsageError(
                f"the sun does not light sign {self.sign.id!r} of {self.scenario.name!r}",
                hint="choose weather.sun_azimuth_deg so that the sun stands behind the driver",
            )
        shaded = self.picture(camera)[y0:y1, x0:x1].astype(np.float32)
        self.hang(None)
        grid = np.stack(np.meshgrid(np.arange(x0, x1) + 0.5, np.arange(y0, y1) + 0.5), axis=-1)
        points = self.on_plate(camera, grid)
        outline = shapes.outline(self.plate.gtsrb_class)[None]
        plate = shapes.cover(outline, points.reshape(-1, 2), SHARP).reshape(points.shape[:-1])
        distance = float(np.linalg.norm(np.array(self.plate.pose[:3]) - np.array(camera.pose[:3])))
        return SignView(lit[None], shaded[None], points[None], plate[None], self._taps(), distance)

    def on_plate(self, camera: PinholeCamera, pixels: NDArray[np.floating]) -> FloatArray:
        """Return which points of the plate's plane pixels (..., 2) show, in plate units."""
        across = (pixels[..., 0] - camera.width_px / 2.0) / camera.focal_px
        down = (pixels[..., 1] - camera.height_px / 2.0) / camera.focal_px
        rays = np.stack([np.ones_like(across), across, -down], axis=-1) @ rotation(camera.pose).T
        axes = rotation(self.plate.pose)
        origin = (np.array(camera.pose[:3]) - np.array(self.plate.pose[:3])) @ axes
        local = rays @ axes
        hit = origin + local * ((-FACE_M - origin[0]) / local[..., 0])[..., None]
        return np.stack([hit[..., 1], -hit[..., 2]], axis=-1).astype(np.float32) / np.float32(
            self.plate.size_m
        ) + np.float32(0.5)

    def _taps(self) -> FloatArray:
        """Return where around a point of the plate the renderer looks for the sun (``sunlit`` in its shading)."""
        lighting = Lighting.from_weather(self.weather)
        reach = 0.5 * lighting.shadow_blur_m * np.array([[-1.0, -0.4], [0.4, -1.0], [1.0, 0.4], [-0.4, 1.0]])
        sun = np.array(lighting.sun)
        side = np.cross(sun, [0.0, 0.0, 1.0])
        side /= np.linalg.norm(side)
        across = np.stack([side, np.cross(side, sun)])
        # A step over the plate (right, down) of one side, as seen from the sun.
        _, right, up = rotation(self.plate.pose).T
        steps = self.plate.size_m * (across @ np.stack([right, -up], axis=1))
        return np.asarray(np.linalg.solve(steps, reach.T).T, np.float32)

    def _plate(self) -> AttackedPlate:
        sign = self.sign
        x, y, z, _, yaw, _ = self.path.pose(sign.ahead_m, sign.lateral_m)
        if not sign.on_map:
            middle = z + PLATE_BOTTOM_M + 0.5 * sign.size_m
            return AttackedPlate(sign.gtsrb_class, (x, y, middle, 0.0, yaw, 0.0), sign.size_m)
        near = [
            (math.hypot(one.pose[0] - x, one.pose[1] - y), one)
            for one in self.network.signals()
            if not one.dynamic and gtsrb_class_of(one.type, one.value, one.subtype) == sign.gtsrb_class
        ]
        distance_m, one = min(near, key=lambda item: item[0], default=(math.inf, None))
        if one is None or distance_m > MAP_SIGN_WITHIN_M:
            raise MapError(f"map {self.network.name!r} has no sign of class {sign.gtsrb_class} near {sign.id!r}")
        ground = self.network.road(one.road_id).elevation.at(one.s_m)
        size = one.height_m if 0.2 <= one.height_m <= 3.0 else 0.75
        bottom = one.pose[2] - ground if 0.5 < one.pose[2] - ground < 8.0 else PLATE_BOTTOM_M
        pose = (one.pose[0], one.pose[1], ground + bottom + 0.5 * size, 0.0, one.pose[4], 0.0)
        return AttackedPlate(sign.gtsrb_class, pose, size)


PAPER_PX = 224.0
"""Side of the pictures that the paper's physical ranges are given for."""


def shaken(view: SignView, rng: np.random.Generator, *, rendered: bool) -> SignView:
    """Return a view under one of the paper's random transformations.

    Shadow moved by up to 15 px of 224, brightness (L*) times 0.6 to 1.4, perspective up to 10 % at each corner, motion
    blur over 1 to 10 px of 224. Where ``rendered`` is not set, what the shadow leaves of L* is drawn from 0.4 to 0.8
    instead of taken from the renderer. Scale, 0.1 to 1, is the distance that the view was taken from.

    Args:
        view: A view as photographed.
        rng: Chance.
        rendered: Keep the renderer's own shadow.
    """
    lit, shaded = view.lit[0], view.shaded[0]
    if not rendered:
        lab = to_lab(np.rint(lit).astype(np.uint8))
        lab[..., 0] *= np.float32(rng.uniform(0.4, 0.8))
        shaded = from_lab(lab)
    gain = np.float32(rng.uniform(0.6, 1.4))
    lit, shaded = (_brighter(image, gain) for image in (lit, shaded))
    height, width = lit.shape[:2]
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    inward = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * rng.uniform(0.0, 0.1, (4, 2))
    turn = homography(corners, corners + inward)
    reach = rng.uniform(1.0, 10.0) / PAPER_PX * rng.choice([-1.0, 1.0])
    angle = rng.uniform(0.0, math.pi)
    step = np.array([math.cos(angle), math.sin(angle)]) * reach
    y, x = np.mgrid[0:height, 0:width] + 0.5
    base = np.stack([x / width, y / height], axis=-1)
    moved = np.asarray(rng.uniform(-15.0, 15.0, 2) / PAPER_PX, np.float32)
    layers = [
        np.concatenate([lit, shaded, view.points[0] - moved, view.plate[0][..., None]], axis=-1),
    ]
    samples = []
    for share in (-0.5, 0.0, 0.5):
        at = np.concatenate([base + share * step, np.ones((height, width, 1))], axis=-1) @ turn.T
        source = at[..., :2] / at[..., 2:]
        samples.append(_bilinear(layers[0], source[..., 0] * width - 0.5, source[..., 1] * height - 0.5))
    stack = np.stack(samples)
    return SignView(
        np.ascontiguousarray(stack[..., :3]),
        np.ascontiguousarray(stack[..., 3:6]),
        np.ascontiguousarray(stack[..., 6:8]),
        np.ascontiguousarray(stack[..., 8]),
        view.taps,
        view.distance_m,
    )


def _brighter(image: FloatArray, gain: np.float32) -> FloatArray:
    lab = to_lab(np.rint(image).astype(np.uint8))
    lab[..., 0] = np.clip(lab[..., 0] * gain, 0.0, 100.0)
    return from_lab(lab)


def homography(source: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the (3, 3) projective map that takes four points (4, 2) to four others."""
    rows, right = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    return np.append(np.linalg.solve(np.array(rows), np.array(right)), 1.0).reshape(3, 3)


def _bilinear(image: FloatArray, x: NDArray[np.floating], y: NDArray[np.floating]) -> FloatArray:
    """Return samples of an image (h, w, c) at pixel positions, its border continued."""
    height, width = image.shape[:2]
    x, y = np.clip(x, 0.0, width - 1.0), np.clip(y, 0.0, height - 1.0)
    left, top = np.minimum(x.astype(int), max(width - 2, 0)), np.minimum(y.astype(int), max(height - 2, 0))
    fx, fy = (x - left)[..., None].astype(np.float32), (y - top)[..., None].astype(np.float32)
    upper = image[top, left] * (1.0 - fx) + image[top, left + 1] * fx
    lower = image[top + 1, left] * (1.0 - fx) + image[top + 1, left + 1] * fx
    return np.asarray(upper * (1.0 - fy) + lower * fy, np.float32)

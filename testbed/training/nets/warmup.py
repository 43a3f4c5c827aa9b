"""Procedural road pictures that warm the vision tower up before it sees the simulator.

A pixel's ray meets the ground plane at a point; the point's distance from the lane's centre line decides whether it is
asphalt, paint or grass. That is enough to learn what lane lines and boxes look like, at a thousand pictures a second,
with exact labels. Nothing here knows the simulator's scenery, and nothing of it is used for evaluation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from testbed.core import perception_tasks as layout

LANE_WIDTH_M = 3.6


@dataclass(frozen=True)
class RoadGrid:
    """Where the pixels of a picture meet the road.

    Attributes:
        forward_m: (H, W) distance ahead of the ego origin; 1e4 above the horizon.
        left_m: (H, W) distance to the left.
        ground: (H, W) bool, False above the horizon.
        across_m: (H, W) width of a pixel on the road.
        along_m: (H, W) length of a pixel on the road.
        scale: (x, y) picture pixels per pixel of the full view; origin: full-view pixel of the picture's corner.
        origin: Full-view coordinates (x, y) of the picture's top left corner.
    """

    forward_m: Tensor
    left_m: Tensor
    ground: Tensor
    across_m: Tensor
    along_m: Tensor
    scale: tuple[float, float]
    origin: tuple[float, float]


def grid(window_px: tuple[float, float, float, float], size: tuple[int, int]) -> RoadGrid:
    """Intersect the rays of a window (x_min, y_min, x_max, y_max) of the driving camera with the ground plane."""
    x_min, y_min, x_max, y_max = window_px
    scale_x, scale_y = size[1] / (x_max - x_min), size[0] / (y_max - y_min)
    u = x_min + (torch.arange(size[1]) + 0.5) / scale_x
    v = y_min + (torch.arange(size[0]) + 0.5) / scale_y
    right = ((u - layout.IMAGE_WIDTH_PX / 2) / layout.FOCAL_PX)[None, :].expand(size)
    up = (-(v - layout.IMAGE_HEIGHT_PX / 2) / layout.FOCAL_PX)[:, None].expand(size)
    pitch = math.radians(layout.CAMERA_PITCH_DEG)
    ahead, rise = math.cos(pitch) - up * math.sin(pitch), math.sin(pitch) + up * math.cos(pitch)
    ground = rise < -2e-3
    reach = torch.where(ground, -layout.CAMERA_Z_M / rise.clamp(max=-2e-3), torch.tensor(1e4))
    forward = layout.CAMERA_X_M + reach * ahead
    across = reach / layout.FOCAL_PX / scale_x
    along = reach**2 / layout.CAMERA_Z_M / layout.FOCAL_PX / scale_y
    return RoadGrid(forward, -reach * right, ground, across, along, (scale_x, scale_y), (x_min, y_min))


class RoadPictures:
    """Draw batches of labelled pictures.

    Args:
        seed: Fixes the sequence of pictures.
        size: (height_px, width_px) of a picture.
    """

    def __init__(self, seed: int, size: tuple[int, int] = (96, 256)) -> None:
        """Prepare the pixel grids."""
        self._random = torch.Generator().manual_seed(seed)
        self._size = size
        self._lane_grid = grid((32.0, 64.0, 288.0, 160.0), size)
        self._view_grid = grid((0.0, 0.0, 320.0, 160.0), size)

    def lanes(self, count: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Return (N, 3, H, W) uint8 pictures of the steering window and the columns of the ``alc`` task."""
        road = self._road(count)
        image, _ = self._paint(self._lane_grid, road)
        preview = road["preview_offset_m"]
        steering = torch.where(preview.abs() < layout.STRAIGHT_BELOW_M, 1, torch.where(preview > 0, 0, 2))
        columns = {
            key: road[key] for key in ("preview_offset_m", "lateral_offset_m", "heading_error_rad", "curvature_1pm")
        }
        columns |= {"steering": steering, "lane_x_px": self._line_columns(road)}
        return self._develop(image), columns

    def vehicles(self, count: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Return (N, 3, H, W) uint8 pictures of the whole view and the columns of the ``vd`` task."""
        road = self._road(count)
        image, _ = self._paint(self._view_grid, road)
        present = self._uniform(count) < 0.5
        lead_m = 3.0 + 57.0 * self._uniform(count) ** 1.3
        box = torch.full((count, 4), float("nan"))
        for slot in (0, 1, 2, 3):
            own = slot == 3  # the lead is drawn last: it hides what is behind it
            if own:
                shown, distance, lane = present, lead_m, torch.zeros(count)
            else:
                shown = self._uniform(count) < 0.5
                distance = 4.0 + 90.0 * self._uniform(count)
                lane = torch.where(self._uniform(count) < 0.5, 1.0, -1.0)
                # own-lane vehicles beyond the range are no lead
                far = self._uniform(count) < 0.15
                distance, lane = (
                    torch.where(far, 68.0 + 50 * self._uniform(count), distance),
                    torch.where(far, 0.0, lane),
                )
            drawn = self._vehicle(image, road, distance, lane, shown)
            if own:
                box = torch.where(present[:, None], drawn, box)
        return self._develop(image), {"present": present, "lead_box_px": box}

    def _uniform(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self._random)

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self._random)

    def _road(self, count: int) -> dict[str, Tensor]:
        lateral = 0.5 * self._normal(count)
        heading = 0.025 * self._normal(count)
        curvature = torch.where(self._uniform(count) < 0.3, 0.0, 0.0016 * self._normal(count))
        # half the pictures near the border between the classes, where there is most to learn
        preview = -lateral - heading * 25.0 + curvature * 312.5
        wanted = (2 * self._uniform(count) - 1) * 0.6
        heading = torch.where(self._uniform(count) < 0.5, heading + (preview - wanted) / 25.0, heading)
        return {
            "lateral_offset_m": lateral,
            "heading_error_rad": heading,
            "curvature_1pm": curvature,
            "preview_offset_m": -lateral - heading * 25.0 + curvature * 312.5,
            "edge_left": torch.where(self._uniform(count) < 0.5, 1.8, 5.4) + 0.5 + 3 * self._uniform(count),
            "edge_right": torch.where(self._uniform(count) < 0.5, 1.8, 5.4) + 0.5 + 3 * self._uniform(count),
        }

    def _centre_left_m(self, road: dict[str, Tensor], forward_m: Tensor) -> Tensor:
        shape = (-1,) + (1,) * (forward_m.dim() - 1) if forward_m.dim() == 3 else (-1,)
        lateral, heading, curvature = (
            road[key].reshape(shape) for key in ("lateral_offset_m", "heading_error_rad", "curvature_1pm")
        )
        return -lateral - heading * forward_m + curvature / 2 * forward_m**2

    def _line_columns(self, road: dict[str, Tensor]) -> Tensor:
        rows = torch.tensor(layout.LANE_ROWS_PX)
        pitch = math.radians(layout.CAMERA_PITCH_DEG)
        up = -(rows - layout.IMAGE_HEIGHT_PX / 2) / layout.FOCAL_PX
        rise = math.sin(pitch) + up * math.cos(pitch)
        reach = -layout.CAMERA_Z_M / rise
        forward = layout.CAMERA_X_M + reach * (math.cos(pitch) - up * math.sin(pitch))
        centre = self._centre_left_m(road, forward[None, None, :].expand(len(road["edge_left"]), 1, -1))
        offsets = torch.tensor([1.5, 0.5, -0.5, -1.5])[None, :, None] * LANE_WIDTH_M
        columns = layout.IMAGE_WIDTH_PX / 2 - (centre + offsets) / reach * layout.FOCAL_PX
        return torch.where((columns > 0) & (columns < layout.IMAGE_WIDTH_PX), columns, float("nan"))

    def _paint(self, pixels: RoadGrid, road: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        count = len(road["edge_left"])

        def u(low: float, high: float) -> Tensor:
            return (low + (high - low) * self._uniform(count))[:, None, None]

        forward = pixels.forward_m[None]
        t = pixels.left_m[None] - self._centre_left_m(road, forward.expand(count, -1, -1))
        slope = (road["heading_error_rad"][:, None, None] - road["curvature_1pm"][:, None, None] * forward).abs()
        blur = pixels.across_m[None] + slope * pixels.along_m[None]
        ripple = torch.zeros_like(t)
        for _ in range(3):  # cheap texture: sinusoids over the road, faded where a pixel spans a period
            kx, ky = u(0.2, 3.0), u(0.5, 6.0)
            wave = torch.sin(kx * forward + ky * t + u(0, 6.3))
            ripple += wave / (1 + (kx * pixels.along_m + ky * pixels.across_m) ** 2)
        grey = (u(0.12, 0.5) + u(0.0, 0.05) * ripple)[:, None]
        colour = grey * (1 + 0.15 * (self._uniform(count, 3, 1, 1) - 0.5))
        grass = self._uniform(count, 3, 1, 1) * torch.tensor([0.5, 0.6, 0.35])[:, None, None] + 0.05
        grass = grass * (1 + u(0.0, 0.4)[:, None] * ripple[:, None])
        verge = (t - road["edge_left"][:, None, None]).maximum(-t - road["edge_right"][:, None, None]) / blur + 0.5
        colour = torch.lerp(colour, grass.expand_as(colour), verge.clamp(0, 1)[:, None])
        bright = u(0.5, 1.1)[:, None]
        for line, chance in ((1.5, 0.6), (0.5, 1.0), (-0.5, 1.0), (-1.5, 0.6)):
            width, dashed = u(0.1, 0.3), u(0, 1) < 0.5
            period, phase = u(6.0, 20.0), u(0, 20)
            cover = ((width / 2 - (t - line * LANE_WIDTH_M).abs()) / blur + 0.5).clamp(0, 1) * (width / blur).clamp(
                max=1
            )
            wave = ((forward + phase) / period) % 1.0
            stroke = ((0.2 - (wave - 0.5).abs()) * period / pixels.along_m + 0.5).clamp(0, 1)
            stroke = torch.where(pixels.along_m > period, torch.tensor(0.4), stroke)
            cover = cover * torch.where(dashed, stroke, torch.ones(())) * (u(0, 1) < chance) * u(0.5, 1.0)
            colour = torch.lerp(colour, bright.expand_as(colour), cover[:, None])
        shade = torch.sin(u(0.02, 0.3) * forward + u(-0.5, 0.5) * t + u(0, 6.3)) > u(0.3, 2.0)
        colour = colour * torch.where(shade, u(0.4, 0.9), torch.ones(()))[:, None]
        sky = self._uniform(count, 3, 1, 1) * 0.5 + 0.4
        haze = torch.exp(-forward * (u(0.0, 1.0) ** 4 * 0.05))[:, None]
        colour = torch.lerp(sky.expand_as(colour), colour, haze)
        rows = torch.arange(self._size[0])[None, :, None] / self._size[0]
        skyline = u(0.2, 0.6) + 0.03 * torch.sin(torch.arange(self._size[1]) * u(0.02, 0.3) + u(0, 6.3))
        above = torch.where((rows > skyline)[:, None], sky * self._uniform(count, 1, 1, 1), sky)
        return torch.where(pixels.ground[None, None], colour, above.expand_as(colour)), t

    def _vehicle(
        self, image: Tensor, road: dict[str, Tensor], distance_m: Tensor, lane: Tensor, shown: Tensor
    ) -> Tensor:
        """Draw one box-shaped vehicle per picture in place; return its full-view boxes (N, 4)."""
        pixels, count = self._view_grid, len(lane)
        tall = self._uniform(count) < 0.2
        width = torch.where(tall, 2.0, 1.8) + 0.3 * self._uniform(count)
        height = torch.where(tall, 2.0, 1.35) + 0.5 * self._uniform(count)
        length = 4.0 + self._uniform(count)
        aside = lane * LANE_WIDTH_M + 0.25 * self._normal(count)
        horizon = layout.IMAGE_HEIGHT_PX / 2 + layout.FOCAL_PX * math.tan(math.radians(layout.CAMERA_PITCH_DEG))

        def face(ahead_m: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
            left = self._centre_left_m(road, ahead_m) + aside
            reach = ahead_m - layout.CAMERA_X_M
            per_m = layout.FOCAL_PX / reach
            middle = layout.IMAGE_WIDTH_PX / 2 - left * per_m
            bottom = horizon + layout.CAMERA_Z_M * per_m
            return middle - width / 2 * per_m, bottom - height * per_m, middle + width / 2 * per_m, bottom

        near, far = face(distance_m + layout.EGO_HALF_LENGTH_M), face(distance_m + layout.EGO_HALF_LENGTH_M + length)
        u = (torch.arange(self._size[1]) + 0.5)[None, None, :] / pixels.scale[0]
        v = (torch.arange(self._size[0]) + 0.5)[None, :, None] / pixels.scale[1]

        def fill(box: tuple[Tensor, Tensor, Tensor, Tensor], colour: Tensor, strength: float = 1.0) -> None:
            x_min, y_min, x_max, y_max = (edge[:, None, None] for edge in box)
            inside = ((u - x_min).minimum(x_max - u) * pixels.scale[0] + 0.5).clamp(0, 1)
            inside = inside * ((v - y_min).minimum(y_max - v) * pixels.scale[1] + 0.5).clamp(0, 1)
            mask = (inside * shown[:, None, None] * strength)[:, None]
            image.lerp_(colour.expand_as(image), mask)

        x0, y0, x1, y1 = near
        wide, high = x1 - x0, y1 - y0
        paint = self._uniform(count, 3, 1, 1) * self._uniform(count, 1, 1, 1)
        glass, dark = 0.25 * self._uniform(count, 3, 1, 1), 0.05 * torch.ones(count, 3, 1, 1)
        fill((x0 - 0.05 * wide, y1 - 0.08 * high, x1 + 0.05 * wide, y1 + 0.06 * high), dark, 0.8)
        side = (torch.minimum(x0, far[0]), torch.minimum(y0, far[1]), torch.maximum(x1, far[2]), y1 - 0.1 * high)
        fill(side, paint * 0.6)
        fill((x0, y0 + 0.3 * high, x1, y1 - 0.1 * high), paint)
        fill((x0 + 0.1 * wide, y0, x1 - 0.1 * wide, y0 + 0.35 * high), paint * 0.8)
        fill((x0 + 0.16 * wide, y0 + 0.07 * high, x1 - 0.16 * wide, y0 + 0.35 * high), glass)
        red = torch.tensor([0.7, 0.05, 0.05])[:, None, None] * (0.4 + self._uniform(count, 1, 1, 1))
        for a, b in ((0.0, 0.16), (0.84, 1.0)):
            fill((x0 + a * wide, y0 + 0.42 * high, x0 + b * wide, y0 + 0.58 * high), red)
            fill((x0 + a * wide, y1 - 0.2 * high, x0 + b * wide, y1), dark)
        box = torch.stack([side[0], side[1], side[2], y1], 1)
        limit = torch.tensor([layout.IMAGE_WIDTH_PX, layout.IMAGE_HEIGHT_PX] * 2, dtype=torch.float32)
        return box.clamp(min=0).minimum(limit)

    def _develop(self, linear: Tensor) -> Tensor:
        count = len(linear)
        gain = 0.4 + 1.2 * self._uniform(count, 1, 1, 1)
        tint = 1 + 0.1 * self._normal(count, 3, 1, 1)
        srgb = (linear * gain * tint).clamp(0, 1) ** (1 / 2.2)
        noise = 0.03 * self._uniform(count, 1, 1, 1) * self._normal(count, 1, *linear.shape[2:])
        return ((srgb + noise).clamp(0, 1) * 255).to(torch.uint8)

"""Draw what the testbed knows over the driver's view: boxes, answers, speed and place in the lane."""

from __future__ import annotations

import numpy as np
from PIL import Image as PilImage
from PIL import ImageDraw, ImageFont

from testbed.core.marking import ANSWER_RGB, TRUTH_RGB, answers_in_words
from testbed.core.types import Decision, Image, Truth

SCALE = 2
INK_RGB = (255, 255, 255)
SHADE_RGB = (0, 0, 0)
STRIP_PX = 14


def driver_view(image: Image, truth: Truth, decision: Decision | None = None, *, scale: int = SCALE) -> Image:
    """Return the driver's view enlarged, with truth in green and the agent's answers in amber.

    Args:
        image: Driver's view, shape (h, w, 3) uint8.
        truth: Truth of the same frame.
        decision: Answer in force, if any.
        scale: Enlargement.

    Returns:
        Shape (h * scale, w * scale, 3) uint8.
    """
    height, width = image.shape[:2]
    picture = PilImage.fromarray(image).resize((width * scale, height * scale), PilImage.Resampling.BILINEAR)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=11)
    if truth.lead is not None:
        draw.rectangle([value * scale for value in truth.lead.box_px], outline=TRUTH_RGB)
    if truth.sign is not None:
        draw.rectangle([value * scale for value in truth.sign.box_px], outline=TRUTH_RGB)
    if decision is not None and decision.perception.vehicle.box_px is not None:
        draw.rectangle([value * scale for value in decision.perception.vehicle.box_px], outline=ANSWER_RGB)
    draw.rectangle([0, 0, picture.width, STRIP_PX], fill=SHADE_RGB)
    limit = f" limit {truth.speed_limit_mps * 3.6:.0f}" if truth.speed_limit_mps is not None else ""
    text = f"{truth.ego.speed_mps * 3.6:5.1f} km/h{limit}   offset {truth.lane.lateral_offset_m:+.2f} m"
    draw.text((4, 1), text, fill=TRUTH_RGB, font=font)
    if decision is not None:
        draw.text((picture.width // 2, 1), answers_in_words(decision), fill=ANSWER_RGB, font=font)
    _lane_gauge(draw, picture.width, picture.height, truth)
    return np.asarray(picture, dtype=np.uint8).copy()


def _lane_gauge(draw: ImageDraw.ImageDraw, width: int, height: int, truth: Truth) -> None:
    """Draw the lane as a bar at the bottom with the vehicle's centre in it."""
    half = width // 6
    middle, y = width // 2, height - 8
    draw.line([(middle - half, y), (middle + half, y)], fill=INK_RGB)
    for x in (middle - half, middle, middle + half):
        draw.line([(x, y - 3), (x, y + 3)], fill=INK_RGB)
    x = middle - round(truth.lane.lateral_offset_m / (truth.lane.lane_width_m / 2.0) * half)
    x = min(width - 4, max(4, x))
    draw.ellipse([x - 4, y - 4, x + 4, y + 4], fill=ANSWER_RGB)

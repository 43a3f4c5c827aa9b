"""Poses, vectors and image boxes as plain tuples: cheap to make, to compare and to send."""

from __future__ import annotations

Vector = tuple[float, float, float]
"""``(x, y, z)`` in CARLA's left-handed axes: x forward, y to the right, z up."""

Pose = tuple[float, float, float, float, float, float]
"""``(x_m, y_m, z_m, pitch_deg, yaw_deg, roll_deg)`` in CARLA's world frame."""

Box = tuple[float, float, float, float]
"""Image box ``(x_min_px, y_min_px, x_max_px, y_max_px)``."""


def box_iou(first: Box, second: Box) -> float:
    """Return the intersection over union of two image boxes, 0 for an empty one."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    if width <= 0 or height <= 0:
        return 0.0
    overlap = width * height
    areas = (first[2] - first[0]) * (first[3] - first[1]) + (second[2] - second[0]) * (second[3] - second[1])
    union = areas - overlap
    # Boxes of less than 1e-160 px have areas that are not even a float.
    return float(overlap / union) if union > 0 else 0.0

"""Image boxes: how far two of them are the same."""

from __future__ import annotations

from testbed.core.types import Box


def box_iou(first: Box, second: Box) -> float:
    """Return the intersection over union of two boxes, 0 for an empty one."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    if width <= 0 or height <= 0:
        return 0.0
    overlap = width * height
    areas = (first[2] - first[0]) * (first[3] - first[1]) + (second[2] - second[0]) * (second[3] - second[1])
    union = areas - overlap
    # Boxes of less than 1e-160 px have areas that are not even a float.
    return float(overlap / union) if union > 0 else 0.0

"""The 43 classes of the German Traffic Sign Recognition Benchmark, in its order, with their legal meaning.

Source: Stallkamp et al., "The German Traffic Sign Recognition Benchmark", IJCNN 2011, class ids 0-42.
"""

from __future__ import annotations

SIGN_NAMES: tuple[str, ...] = (
    "speed limit 20",
    "speed limit 30",
    "speed limit 50",
    "speed limit 60",
    "speed limit 70",
    "speed limit 80",
    "end of speed limit 80",
    "speed limit 100",
    "speed limit 120",
    "no passing",
    "no passing for trucks",
    "right of way at next intersection",
    "priority road",
    "yield",
    "stop",
    "no vehicles",
    "no trucks",
    "no entry",
    "general caution",
    "dangerous curve left",
    "dangerous curve right",
    "double curve",
    "bumpy road",
    "slippery road",
    "road narrows right",
    "road work",
    "traffic signals",
    "pedestrians",
    "children crossing",
    "bicycles crossing",
    "ice or snow",
    "wild animals crossing",
    "end of all limits",
    "turn right ahead",
    "turn left ahead",
    "ahead only",
    "go straight or right",
    "go straight or left",
    "keep right",
    "keep left",
    "roundabout",
    "end of no passing",
    "end of no passing for trucks",
)

SPEED_LIMIT_KMH: dict[int, float] = {0: 20.0, 1: 30.0, 2: 50.0, 3: 60.0, 4: 70.0, 5: 80.0, 7: 100.0, 8: 120.0}
"""Class id to the limit it commands, in km/h."""

END_OF_LIMIT: frozenset[int] = frozenset({6, 32})
"""Classes that lift a speed limit."""

YIELD, STOP, NO_ENTRY = 13, 14, 17


def sign_class_of_limit(limit_kmh: float) -> int | None:
    """Return the class id of a speed-limit sign, or None where the benchmark has no such sign (90 km/h, for one)."""
    for class_id, value in SPEED_LIMIT_KMH.items():
        if value == limit_kmh:
            return class_id
    return None

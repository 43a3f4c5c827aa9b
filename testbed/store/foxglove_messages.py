"""What a step, a camera and an event look like in Foxglove's own messages, all of them right-handed.

=========  ============================================================================================
frame      axes
=========  ============================================================================================
world      x forward (east), y left (north), z up
ego        the same from the middle of the ego's footprint: x forward, y left, z up
camera     the camera's optical frame: x to the right in the picture, y down, z into it
=========  ============================================================================================
"""

from __future__ import annotations

import base64
import io
import math
from typing import Any

import numpy as np

from testbed.core.geometry import Box, Pose, Vector
from testbed.core.marking import ANSWER_RGB, TRUTH_RGB, Rgb, answers_in_words
from testbed.core.records import Event
from testbed.core.surroundings import CameraMount, Whereabouts
from testbed.core.types import Image, Step
from testbed.events import BUILT_IN
from testbed.store.right_handed import Quaternion, quaternion, turned_point, turned_rotation

Json = dict[str, Any]

WORLD, EGO, CAMERA = "world", "ego", "camera"
"""Names of the frames."""

LINE_LOOP = 2
INFO, WARNING = 2, 3
COVARIANCE_KNOWN = 3
BOX_THICKNESS_PX = 1.5
FONT_PX = 9


def stamp(t_s: float) -> Json:
    """Return a simulated time."""
    time_ns = round(t_s * 1e9)
    return {"sec": time_ns // 1_000_000_000, "nsec": time_ns % 1_000_000_000}


def vector(point_m: Vector, digits: int = 3) -> Json:
    """Return a right-handed point, to the millimetre."""
    # adding 0 makes a zero of the negative one
    return {axis: round(float(value), digits) + 0.0 for axis, value in zip("xyz", point_m, strict=True)}


def rotation(turn: Quaternion) -> Json:
    """Return a rotation, to a millionth."""
    return {axis: round(value, 6) + 0.0 for axis, value in zip("xyzw", turn, strict=True)}


def colour(rgb: Rgb, alpha: float = 1.0) -> Json:
    """Return a colour of three bytes."""
    return {name: round(value / 255.0, 3) for name, value in zip("rgb", rgb, strict=True)} | {"a": alpha}


def ego_transform(t_s: float, pose: Pose) -> Json:
    """Return the foxglove.FrameTransform from the world to the ego at a pose in CARLA's world."""
    return {
        "timestamp": stamp(t_s),
        "parent_frame_id": WORLD,
        "child_frame_id": EGO,
        "translation": vector(turned_point((pose[0], pose[1], pose[2])), 4),
        "rotation": rotation(turned_rotation(pose)),
    }


def camera_transform(mount: CameraMount) -> Json:
    """Return the foxglove.FrameTransform from the ego to the camera's optical frame."""
    sine, cosine = math.sin(math.radians(mount.pitch_deg)), math.cos(math.radians(mount.pitch_deg))
    right, down, forward = [0.0, -1.0, 0.0], [sine, 0.0, -cosine], [cosine, 0.0, sine]
    return {
        "timestamp": stamp(0.0),
        "parent_frame_id": EGO,
        "child_frame_id": CAMERA,
        "translation": vector((mount.x_m, 0.0, mount.z_m)),
        "rotation": rotation(quaternion(right, down, forward)),
    }


def camera_calibration(mount: CameraMount) -> Json:
    """Return the foxglove.CameraCalibration of a pinhole without distortion."""
    focal = mount.width_px / 2.0 / math.tan(math.radians(mount.fov_deg) / 2.0)
    across, down = mount.width_px / 2.0, mount.height_px / 2.0
    return {
        "timestamp": stamp(0.0),
        "frame_id": CAMERA,
        "width": mount.width_px,
        "height": mount.height_px,
        "distortion_model": "plumb_bob",
        "D": [0.0] * 5,
        "K": [focal, 0.0, across, 0.0, focal, down, 0.0, 0.0, 1.0],
        "R": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        "P": [focal, 0.0, across, 0.0, 0.0, focal, down, 0.0, 0.0, 0.0, 1.0, 0.0],
    }


def compressed_image(t_s: float, image: Image, quality: int) -> Json:
    """Return the foxglove.CompressedImage of the driver's view, a JPEG."""
    from PIL import Image as Pictures

    buffer = io.BytesIO()
    Pictures.fromarray(np.ascontiguousarray(image)).save(buffer, "JPEG", quality=quality)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return {"timestamp": stamp(t_s), "frame_id": CAMERA, "format": "jpeg", "data": data}


def image_annotations(step: Step) -> Json:
    """Return the foxglove.ImageAnnotations of a step: true boxes in green, the answer in force in amber."""
    truth, points, texts = step.truth, [], []
    for name, part in (("vehicle", truth.lead), ("sign", truth.sign)):
        if part is not None:
            points.append(_box(step.t_s, part.box_px, TRUTH_RGB))
            texts.append(_text(step.t_s, part.box_px[0], part.box_px[1] - 1.0, f"true {name}", TRUTH_RGB))
    if step.decision is not None:
        answered = step.decision.perception.vehicle.box_px
        if answered is not None:
            points.append(_box(step.t_s, answered, ANSWER_RGB))
        texts.append(_text(step.t_s, 2.0, FONT_PX + 1.0, answers_in_words(step.decision), ANSWER_RGB))
    return {"circles": [], "points": points, "texts": texts}


def _box(t_s: float, box: Box, rgb: Rgb) -> Json:
    x0, y0, x1, y1 = (round(float(value), 2) for value in box)
    corners = [{"x": x, "y": y} for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]
    return {
        "timestamp": stamp(t_s),
        "type": LINE_LOOP,
        "points": corners,
        "outline_color": colour(rgb),
        "outline_colors": [],
        "fill_color": colour(rgb, 0.0),
        "thickness": BOX_THICKNESS_PX,
        "metadata": [],
    }


def _text(t_s: float, x_px: float, y_px: float, text: str, rgb: Rgb) -> Json:
    return {
        "timestamp": stamp(t_s),
        "position": {"x": round(float(x_px), 2), "y": round(float(y_px), 2)},
        "text": text,
        "font_size": FONT_PX,
        "text_color": colour(rgb),
        "background_color": colour((0, 0, 0), 0.5),
        "metadata": [],
    }


def location_fix(t_s: float, place: Whereabouts) -> Json:
    """Return the foxglove.LocationFix of the ego, which is exact."""
    return {
        "timestamp": stamp(t_s),
        "frame_id": EGO,
        "latitude": round(place.latitude_deg, 9),
        "longitude": round(place.longitude_deg, 9),
        "altitude": round(place.altitude_m, 3) + 0.0,
        "position_covariance": [0.0] * 9,
        "position_covariance_type": COVARIANCE_KNOWN,
    }


def log(event: Event) -> Json:
    """Return the foxglove.Log of an event as it began; those that spoil a benign drive are warnings."""
    kind = BUILT_IN[event.kind]
    other = f" ({event.other})" if event.other else ""
    return {
        "timestamp": stamp(event.t_s),
        "level": WARNING if kind.spoils_twin else INFO,
        "message": f"{kind.noun}{other}, cause: {event.cause}",
        "name": event.kind,
        "file": "",
        "line": 0,
    }

"""Traffic signs as assets: a plate with a drawn face on a steel pole, and the way from map signals to faces.

The origin of a sign lies on the ground below its plate. The plate faces -x, so a driver whose yaw equals the sign's yaw
reads it. The face is the first part and the paintable texture of the object; its texture covers the plate's bounding
square, u to the right and v down as the driver sees it.
"""

from __future__ import annotations

import math

import numpy as np

from testbed.world.assets import textures
from testbed.world.assets.asset import Asset
from testbed.world.assets.shapes import cylinder, plate, plate_back
from testbed.world.assets.sign_faces import OUTLINES, face, outline_name, speed_face
from testbed.world.render.mesh import Material

PLATE_BOTTOM_M = 2.2
FACE_PX = 256
_THICKNESS_M = 0.03

_BY_SPEED = {20: 0, 30: 1, 50: 2, 60: 3, 70: 4, 80: 5, 100: 7, 120: 8}
# StVO and CARLA sign numbers; a key "type-subtype" is looked up before "type".
_BY_TYPE: dict[str, int] = {
    "101": 18, "102": 11, "103-10": 19, "103-20": 20, "103": 19, "105": 21, "105-10": 21, "105-20": 21, "112": 22,
    "114": 23, "120": 24, "121": 24, "121-10": 24, "123": 25, "131": 26, "133": 27, "136": 28, "138": 29, "101-51": 30,
    "113": 30, "142": 31, "142-10": 31, "142-20": 31, "205": 13, "206": 14, "209": 33, "209-10": 34, "209-20": 33,
    "209-30": 35, "211": 33, "211-10": 34, "211-20": 33, "214": 36, "214-10": 37, "214-20": 36, "215": 40, "222": 38,
    "222-10": 39, "222-20": 38, "250": 15, "253": 16, "267": 17, "276": 9, "277": 10, "280": 41, "281": 42, "282": 32,
    "278": 6, "301": 11, "306": 12,
}  # fmt: skip


def gtsrb_class_of(type_: str, value: float | None = None, subtype: str = "") -> int | None:
    """Return the GTSRB class of a map signal, or None where the benchmark has no such sign.

    Args:
        type_: StVO number, also with a variant ("274-60", "103-10").
        value: Numeric value of the signal, km/h for speed limits.
        subtype: Variant when it is stated apart.
    """
    base, _, variant = type_.partition("-")
    variant = variant or (subtype if subtype not in ("", "-1", "None", "none") else "")
    if base in ("274", "278"):
        limit = value if value else float(variant) if variant.isdigit() else None
        # The old catalogue numbered the variants (274-56 was 60 km/h); CARLA maps and the current one name the limit.
        if base == "278":
            return 6 if limit in (80, 80.0) else None
        return _BY_SPEED.get(round(limit)) if limit else None
    return _BY_TYPE.get(f"{base}-{variant}", _BY_TYPE.get(base))


def _build(name: str, pixels: textures.Pixels, shape: str, size_m: float, pole: bool, bottom_m: float) -> Asset:
    half = 0.5 * size_m
    points = np.array([(x, -y) for x, y in OUTLINES[shape]]) * half
    height = bottom_m + half
    front = plate(points, half).moved(-0.5 * _THICKNESS_M, 0.0, height)
    back = plate_back(points * 0.999, _THICKNESS_M).moved(-0.5 * _THICKNESS_M, 0.0, height)
    parts = [front.mesh(name), back.mesh("sign_back")]
    if pole:
        top = height + float(points[:, 1].max()) * 0.6
        parts.append(cylinder(0.038, top + 0.3, 8).moved(0.07, 0.0, -0.3).mesh("sign_pole", 6))
    return Asset(
        tuple(parts),
        {
            name: Material(texture=name, specular=0.12, shininess=20.0, wrap="clamp"),
            "sign_back": Material(albedo=textures.linear_rgb((128, 132, 136)), specular=0.25),
            "sign_pole": Material(albedo=textures.linear_rgb((138, 142, 146)), specular=0.3),
        },
        {name: pixels},
    )


def sign_asset(gtsrb_class: int, *, size_m: float = 0.75, pole: bool = True, bottom_m: float = PLATE_BOTTOM_M) -> Asset:
    """Return the sign of a GTSRB class.

    Args:
        gtsrb_class: 0 to 42.
        size_m: Side of the plate's bounding square (the diameter of a round sign).
        pole: Whether it stands on a pole; without one the plate still has its height.
        bottom_m: Height of the plate's lower edge.

    Raises:
        KeyError: There is no such class.
        ValueError: The size is not within (0, 10] m.
    """
    if not (math.isfinite(size_m) and 0.0 < size_m <= 10.0):
        raise ValueError(f"a sign of {size_m} m")
    pixels = textures.from_image(face(gtsrb_class, FACE_PX))
    return _build(f"sign_gtsrb_{gtsrb_class}", pixels, outline_name(gtsrb_class), size_m, pole, bottom_m)


def sign_asset_for(
    type_: str, value: float | None, subtype: str = "", *, size_m: float = 0.75, bottom_m: float = PLATE_BOTTOM_M
) -> Asset | None:
    """Return the sign of a map signal, or None when there is no face for it.

    Speed limits that are no GTSRB class (90, 130 ...) are drawn as well.
    """
    number = gtsrb_class_of(type_, value, subtype)
    if number is not None:
        return sign_asset(number, size_m=size_m, bottom_m=bottom_m)
    if type_.partition("-")[0] == "274" and value and 0 < value < 200:
        limit = round(value)
        pixels = textures.from_image(speed_face(limit, FACE_PX))
        return _build(f"sign_limit_{limit}", pixels, "disc", size_m, True, bottom_m)
    return None
